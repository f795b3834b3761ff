/**
 * @file
 * dualprop/testing.h - tests for a backend of your own: every slot against the reference backend, and a gradient check.
 *
 * Experimental: names and numbers here may change between versions. Link libdualprop-testing.a beside libdualprop; the
 * tester calls no more than the public interface. examples/test_my_kernel.c shows both functions.
 */
#ifndef DUALPROP_TESTING_H
#define DUALPROP_TESTING_H

#include "backend.h"
#include "dualprop.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The distance from 1 to the next number of a type. */
#define DUALPROP_TESTING_EPSILON(type) ((type) == DUALPROP_F32 ? 0x1p-23 : 0x1p-52)
/**
 * How far a sum of `terms` products of numbers within [-1, 1], rounded at each step in any order, may be from the exact
 * one: each addition rounds a partial sum, which is of the size of a third of the terms, and 2 more for what follows.
 */
#define DUALPROP_TESTING_SUM_TOLERANCE(type, terms) (4 * DUALPROP_TESTING_EPSILON(type) * ((double)(terms) / 3 + 2))

/**
 * Receives the result of one case.
 *
 * @param user_data  as passed
 * @param passed     1 or 0
 * @param what       slot and case, "dense_top_down 7x31x65, tanh"
 * @param sentence   what was wrong; "" if it passed
 */
typedef void (*dualprop_testing_report)(void *user_data, int passed, const char *what, const char *sentence);

/**
 * Test the slots of a table that are the caller's own, not NULL and not a built-in backend's: dense_bottom_up,
 * dense_top_down, dense_gradient and the same three of convolutions (with their followers unless the table is
 * DUALPROP_BACKEND_UNFUSED), dyad_update, output_step, load_input, evaluate, optimizer_step, compare, max_abs,
 * fill_uniform, extended_update and output_proximal. Sizes are odd, arrays lie between guard bytes and begin as NaN,
 * and each result is compared with the reference backend's in double within a tolerance from the number of terms. The
 * layout, workspace and cache of weights are tested by the products that use them; memory and slots for devices are not
 * tested here.
 *
 * @param failed     receives the number of cases that failed; may be NULL
 * @param table      on host memory; complete, or with NULL slots
 * @param type       DUALPROP_F32 or DUALPROP_F64
 * @param report     called for each case; may be NULL
 * @param user_data  for report
 * @return the number of cases that ran; 0: the table has no slot of its own that is tested, or create failed. A table
 *         that dualprop_context_create() would refuse is one case, which failed, and its sentence says what is missing
 */
int dualprop_testing_slots(int *failed, const dualprop_backend *table, int type, dualprop_testing_report report,
                           void *user_data);

/**
 * Check the gradient of a whole network and rule against central differences of the loss.
 *
 * With alpha 1/2, a small beta (1e-4) and smooth activations the rules of dual propagation give the gradient of
 * back-propagation up to order beta^2, so an error in any direction of any kernel shows. Parameters are changed one at
 * a time, evaluated, and put back. The context should compute in f64.
 *
 * Each linear map of the caller's (dualprop/custom.h) in the network is also called directly, in the context's
 * precision, with the layer's weights and random vectors, whichever layer it is. Checked are: W and W^T are linear, and
 * a sample's result is the same alone and in a batch; <W x, d> = <x, W^T d>; the gradient is the slope of <W(w) x, d>
 * along a random direction of w; every element of a result is set, none is added to, and nothing beside it is written.
 * Not tested are: a map in the other precision, with weights and sizes that the network does not have, and from several
 * threads at once.
 *
 * Compare the error with 1e-6. What is wrong by a small share gives a small error: a transposed map that is 1 % too
 * large 0.01, a gradient that is 0.1 % too large 0.001.
 *
 * @param error     receives the largest error: |gradient - difference| of the parameters that were tried, over the
 *                  largest |difference|, or of one of the checks of a map, over the numbers that are compared;
 *                  infinite if a result is NaN or infinite, or memory beside it was written.
 *                  Untouched on failure
 * @param network   initialised, and no other call uses it
 * @param rule      whose loss is the one that is differentiated
 * @param images    count samples, in the context's precision
 * @param labels    [count]
 * @param count     samples
 * @param tried     parameters to try of each tensor, evenly spread; 0: all
 * @return DUALPROP_OK, DUALPROP_ERROR_CANCELLED (a function of a map did not return 0), or what the library's calls
 *         return; INVALID_ARGUMENT, whose text dualprop_last_error() has without a context, if error is NULL
 */
DUALPROP_CHECKED dualprop_status dualprop_testing_gradient(
    double *error, dualprop_network *network, dualprop_rule *rule, const void *images, const int32_t *labels,
    int64_t count, int64_t tried);

#ifdef __cplusplus
}
#endif

#endif
