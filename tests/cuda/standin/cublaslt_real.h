/*
 * cublaslt_real.h - what the real cuBLASLt thinks of the descriptors that the stand-in is given.
 *
 * Descriptors need no device. So where the real library is installed (DUALPROP_REAL_CUBLASLT names the file) each one
 * is made there too and gets the same attributes, and before an algorithm is asked for everything is read back: it has
 * to be what the stand-in goes by, what nobody set included. Its handle, its heuristics and its products need a driver.
 */
#ifndef DUALPROP_TESTS_CUBLASLT_REAL_H
#define DUALPROP_TESTS_CUBLASLT_REAL_H

#include <cublasLt.h>

/* clang-format off */
#define CUBLASLT_REAL_FUNCTIONS(X)          \
    X(cublasLtMatmulDescCreate)             \
    X(cublasLtMatmulDescDestroy)            \
    X(cublasLtMatmulDescSetAttribute)       \
    X(cublasLtMatmulDescGetAttribute)       \
    X(cublasLtMatrixLayoutCreate)           \
    X(cublasLtMatrixLayoutDestroy)          \
    X(cublasLtMatrixLayoutSetAttribute)     \
    X(cublasLtMatrixLayoutGetAttribute)     \
    X(cublasLtMatmulPreferenceCreate)       \
    X(cublasLtMatmulPreferenceDestroy)      \
    X(cublasLtMatmulPreferenceSetAttribute) \
    X(cublasLtMatmulPreferenceGetAttribute) \
    X(cublasLtGetStatusName)
/* clang-format on */
#define CUBLASLT_REAL_POINTER(name) __typeof__(name) *name;

struct cublaslt_real {
    CUBLASLT_REAL_FUNCTIONS(CUBLASLT_REAL_POINTER)
};

/* NULL if it is not installed, or a test does not want it asked. */
const struct cublaslt_real *cublaslt_real(void);
/* The same, for what was made there, whatever the test wants by now. */
const struct cublaslt_real *cublaslt_real_loaded(void);
/* Complain where it refused something. */
void cublaslt_judge(cublasStatus_t status, const char *what);

/* What an attribute has to be, by its number, and its bytes. */
struct cublaslt_fact {
    int attribute;
    uint64_t value;
    size_t size;
    const char *what;
};
/* Complain about the first that is otherwise in the real descriptor. */
void cublaslt_compare_operation(cublasLtMatmulDesc_t real, const struct cublaslt_fact *facts, size_t count);
void cublaslt_compare_layout(cublasLtMatrixLayout_t real, const struct cublaslt_fact *facts, size_t count);
void cublaslt_compare_preference(cublasLtMatmulPreference_t real, const struct cublaslt_fact *facts, size_t count);

#endif
