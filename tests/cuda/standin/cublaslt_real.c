/*
 * cublaslt_real.c - see cublaslt_real.h.
 */
#include "cublaslt_real.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "standin.h"

static struct cublaslt_real real;
static int has_real;

#define LOAD(name)                                           \
    symbol = dlsym(library, #name);                          \
    if (!symbol) {                                           \
        standin_complain("the real cuBLASLt has no " #name); \
        return;                                              \
    }                                                        \
    memcpy(&real.name, &symbol, sizeof symbol);

static void open_real(void)
{
    void *symbol, *library = standin_open_real("DUALPROP_REAL_CUBLASLT", "cuBLASLt");
    if (!library) return;
    CUBLASLT_REAL_FUNCTIONS(LOAD)
    has_real = 1;
}

const struct cublaslt_real *cublaslt_real_loaded(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, open_real);
    return has_real ? &real : NULL;
}

const struct cublaslt_real *cublaslt_real(void)
{
    return standin_control()->no_real ? NULL : cublaslt_real_loaded();
}

void cublaslt_judge(cublasStatus_t status, const char *what)
{
    if (status != CUBLAS_STATUS_SUCCESS)
        standin_complain("the real cuBLASLt refuses %s: %s", what, real.cublasLtGetStatusName(status));
}

/* ---- reading back ---- */

static void compare(const struct cublaslt_fact *fact, cublasStatus_t status, uint64_t found, size_t size)
{
    cublaslt_judge(status, fact->what);
    standin_control()->judged++;
    if (size != fact->size)
        standin_complain("%s has %zu bytes in the real cuBLASLt, expected %zu", fact->what, size, fact->size);
    else if (memcmp(&found, &fact->value, size) != 0)
        standin_complain("%s is %#llx in the real cuBLASLt, expected %#llx", fact->what, (unsigned long long)found,
                         (unsigned long long)fact->value);
}

#define COMPARE(name, getter, type, attributes)                                                        \
    void name(type descriptor, const struct cublaslt_fact *facts, size_t count)                        \
    {                                                                                                  \
        for (size_t i = 0; descriptor && i < count; i++) {                                             \
            uint64_t found = 0;                                                                        \
            size_t size = 0;                                                                           \
            cublasStatus_t status =                                                                    \
                real.getter(descriptor, (attributes)facts[i].attribute, &found, facts[i].size, &size); \
            compare(&facts[i], status, found, size);                                                   \
        }                                                                                              \
    }

COMPARE(cublaslt_compare_operation, cublasLtMatmulDescGetAttribute, cublasLtMatmulDesc_t,
        cublasLtMatmulDescAttributes_t)
COMPARE(cublaslt_compare_layout, cublasLtMatrixLayoutGetAttribute, cublasLtMatrixLayout_t,
        cublasLtMatrixLayoutAttribute_t)
COMPARE(cublaslt_compare_preference, cublasLtMatmulPreferenceGetAttribute, cublasLtMatmulPreference_t,
        cublasLtMatmulPreferenceAttributes_t)
