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

/* The module's table; ends the test where the module cannot be loaded. */
const dualprop_backend *cuda_table(void);
/* The stand-ins' state, reset; NULL on a real device. */
standin_state *cuda_standin(void);
/* The stand-ins' state as it is; NULL on a real device. */
const standin_state *cuda_peek(void);
/* Skip a test that needs the stand-ins: true if it has to return. */
int cuda_needs_standin(const char *test);
/* No rule was broken, and no more than `live` things of the stand-ins are left. */
void cuda_check_clean(long live);

#endif
