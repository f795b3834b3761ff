/*
 * cuda_test.c - see cuda_test.h.
 */
#include "cuda_test.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *symbol_of(const char *library, const char *name)
{
    void *loaded = dlopen(library, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    return loaded ? dlsym(loaded, name) : NULL;
}

const dualprop_backend *cuda_table(void)
{
    const dualprop_backend *(*entry)(void) = NULL;
    const char *path = getenv("DUALPROP_TEST_MODULE");
    void *symbol = symbol_of(path ? path : "lib/libdualprop-cuda.so.0", DUALPROP_BACKEND_ENTRY);
    if (!symbol) {
        fprintf(stderr, "the CUDA module cannot be loaded: %s\n", dlerror());
        exit(1);
    }
    memcpy(&entry, &symbol, sizeof entry);
    return entry();
}

static int on_device(void)
{
    return getenv("DUALPROP_TEST_GPU") != NULL;
}

static standin_state *control(int reset)
{
    standin_state *(*state)(void) = NULL;
    void (*begin)(void) = NULL;
    void *first = symbol_of(CUDART_SONAME, "standin_control"), *second = symbol_of(CUDART_SONAME, "standin_reset");
    if (!first || !second) {
        fprintf(stderr, "these tests want the stand-ins of tests/cuda/standin first in LD_LIBRARY_PATH\n");
        exit(1);
    }
    memcpy(&state, &first, sizeof state);
    memcpy(&begin, &second, sizeof begin);
    if (reset) begin();
    return state();
}

standin_state *cuda_standin(void)
{
    return on_device() ? NULL : control(1);
}

const standin_state *cuda_peek(void)
{
    return on_device() ? NULL : control(0);
}

int cuda_is_sampled(void)
{
    return getenv("DUALPROP_TEST_SAMPLE") != NULL;
}

long cuda_sample(long most)
{
    const char *given = getenv("DUALPROP_TEST_SAMPLE");
    long asked = given ? strtol(given, NULL, 10) : most;
    return asked < most ? asked : most;
}

int cuda_needs_standin(const char *test)
{
    char reason[200];
    if (!on_device()) return 0;
    snprintf(reason, sizeof reason, "%s: it needs the stand-ins, and this is a real device", test);
    test_skip(reason);
    return 1;
}

void cuda_open_bench(workbench *bench, const dualprop_backend *backend, int numerics)
{
    if (!on_device()) control(0)->lenient = 1;
    memset(bench, 0, sizeof *bench);
    bench->backend = backend;
    bench->type = DUALPROP_F32;
    bench->level = DUALPROP_LEVEL_AUTO;
    threaded_host_init(&bench->host, 1);
    bench->host.host.numerics = numerics;
    ck_assert_int_eq(bench_instance(&bench->self, backend, &bench->host.host, bench->type, bench->level), DUALPROP_OK);
}

void cuda_check_clean(long live)
{
    if (on_device()) return;
    const standin_state *state = control(0);
    ck_assert_msg(state->complaints == 0, "%ld rules were broken, the first: %s", state->complaints, state->complaint);
    ck_assert_msg(state->live <= live, "%ld things were left on the device, expected %ld", state->live, live);
}
