/*
 * cuda_test.h - what the tests of the CUDA module share: the module's table, and the stand-ins' control.
 *
 * The program runs on stand-ins (tests/cuda/standin), or with DUALPROP_TEST_GPU=1 on a real device, where tests that
 * need the stand-ins are skipped.
 */
#ifndef DUALPROP_TESTS_CUDA_TEST_H
#define DUALPROP_TESTS_CUDA_TEST_H

#include "dualprop/backend.h"
#include "dualprop/dualprop.h"
#include "main.h"
#include "cuda/standin/standin.h"
#include "support/workbench.h"

/* The module's table; ends the test where the module cannot be loaded. */
const dualprop_backend *cuda_table(void);
/* The stand-ins' state, reset; NULL on a real device. */
standin_state *cuda_standin(void);
/* The stand-ins' state as it is; NULL on a real device. */
const standin_state *cuda_peek(void);
/* Are tests to be fewer, since kernels run as grids of threads, which are slow? */
int cuda_is_sampled(void);
/* How much of `most` is done: less where DUALPROP_TEST_SAMPLE says so. */
long cuda_sample(long most);
/* Skip a test that needs the stand-ins: true if it has to return. */
int cuda_needs_standin(const char *test);
/* An instance of a backend, in f32, on arrays of the test's own, to which the stand-ins then let pointers lead. */
void cuda_open_bench(workbench *bench, const dualprop_backend *backend, int numerics);
/* No rule was broken, and no more than `live` things of the stand-ins are left. */
void cuda_check_clean(long live);

#endif
