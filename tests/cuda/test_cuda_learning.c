/*
 * test_cuda_learning.c - networks learn through the CUDA module what they learn on the reference backend.
 *
 * On the stand-ins products are summed in double, as the reference does, and elements are formed by the same formulas: what
 * is left is the rounding of the gradient's scale to a float. On a real device sums are in float too.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cuda_test.h"
#include "learner.h"
#include "support/expect.h"

#define ROOM 200000
#define EPOCHS 3

static const struct row {
    const char *name;
    int variant, loss, nudge_at, schedule, passes, optimizer;
    double alpha, beta, tolerance, clip;
} rows[] = {
    { "DP^T, Adam", DUALPROP_DP_ADJOINT, DUALPROP_MSE, 0, DUALPROP_FORWARD_BACKWARD, 1, DUALPROP_ADAM, .5, .5, 0, 0 },
    { "DP, SGD", DUALPROP_DP, DUALPROP_MSE, 0, DUALPROP_FORWARD_BACKWARD, 3, DUALPROP_SGD, .3, .5, 0, 0 },
    { "DP^T, cross-entropy at the prediction, AdamW", DUALPROP_DP_ADJOINT, DUALPROP_CROSS_ENTROPY,
      DUALPROP_NUDGE_AT_PREDICTION, DUALPROP_FORWARD_BACKWARD, 2, DUALPROP_ADAMW, .5, .1, 0, 0 },
    { "back-propagation", DUALPROP_BP, DUALPROP_CROSS_ENTROPY, 0, DUALPROP_FORWARD_BACKWARD, 1, DUALPROP_SGD, .5, 1, 0, 0 },
    { "forward, 16 passes", DUALPROP_DP_ADJOINT, DUALPROP_MSE, 0, DUALPROP_FORWARD, 16, DUALPROP_ADAM, .5, .5, 0, 0 },
    { "until settled", DUALPROP_DP_ADJOINT, DUALPROP_MSE, 0, DUALPROP_FORWARD, 30, DUALPROP_ADAM, .4, .3, 1e-4, 0 },
    { "clipped", DUALPROP_DP_ADJOINT, DUALPROP_MSE, 0, DUALPROP_FORWARD_BACKWARD, 1, DUALPROP_SGD, .5, .5, 0, .5 },
};

static learner_plan plan_of(const struct row *row)
{
    learner_plan plan = learner_plan_mlp();
    plan.variant = row->variant, plan.loss = row->loss, plan.nudge_at = row->nudge_at;
    plan.schedule = row->schedule, plan.passes = row->passes, plan.optimizer = row->optimizer;
    plan.alpha = row->alpha, plan.beta = row->beta, plan.tolerance = row->tolerance, plan.clip = row->clip;
    return plan;
}

struct outcome {
    float *values;
    int64_t count, correct;
    double loss;
};

static struct outcome learn(const learner_plan *plan, int backend)
{
    static learner self;
    struct outcome outcome = { .values = malloc(ROOM * sizeof(float)) };
    expect_ok(learner_begin(&self, plan, backend));
    for (int epoch = 0; epoch < EPOCHS; epoch++) expect_ok(learner_epoch(&self));
    expect_ok(learner_score(&self, &outcome.loss, &outcome.correct));
    expect_ok(learner_parameters(&self, outcome.values, ROOM, &outcome.count));
    learner_end(&self);
    return outcome;
}

/* The largest difference over the largest value. */
static double distance(const struct outcome *one, const struct outcome *other)
{
    double most = 0, apart = 0;
    ck_assert_int_eq(one->count, other->count);
    for (int64_t i = 0; i < one->count; i++) {
        most = fmax(most, fabs((double)other->values[i]));
        apart = fmax(apart, fabs((double)one->values[i] - (double)other->values[i]));
        ck_assert(isfinite(one->values[i]));
    }
    return apart / most;
}

static void compare_with_reference(const learner_plan *plan, const char *name)
{
    struct outcome cuda = learn(plan, DUALPROP_BACKEND_CUDA), reference = learn(plan, DUALPROP_BACKEND_REFERENCE);
    double far = distance(&cuda, &reference);
    /* Nine steps, each of which passes on a relative error of some 1e-6 of the gradient; Adam divides by its size. */
    ck_assert_msg(far < 2e-4, "%s: the weights are %.3g apart", name, far);
    ck_assert_msg(fabs(cuda.loss - reference.loss) < 1e-3 * (1 + reference.loss), "%s: loss %.9g, expected %.9g", name,
                  cuda.loss, reference.loss);
    ck_assert_msg(llabs((long long)(cuda.correct - reference.correct)) <= 1, "%s: %lld right, expected %lld", name,
                  (long long)cuda.correct, (long long)reference.correct);
    free(cuda.values);
    free(reference.values);
}

START_TEST(an_mlp_learns_as_on_the_reference)
{
    learner_plan plan = plan_of(&rows[_i]);
    cuda_standin();
    compare_with_reference(&plan, rows[_i].name);
    cuda_check_clean(0);
}
END_TEST

/* The same run again has the same bits. */
START_TEST(runs_have_the_same_bits)
{
    learner_plan plan = plan_of(&rows[_i]);
    cuda_standin();
    plan.options.deterministic = 1;
    struct outcome one = learn(&plan, DUALPROP_BACKEND_CUDA), other = learn(&plan, DUALPROP_BACKEND_CUDA);
    ck_assert_int_eq(one.count, other.count);
    ck_assert(memcmp(one.values, other.values, (size_t)one.count * sizeof(float)) == 0);
    free(one.values);
    free(other.values);
    cuda_check_clean(0);
}
END_TEST

Suite *test_cuda_learning_suite(void)
{
    Suite *suite = suite_create("cuda learning");
    TCase *tests = tcase_create("learning");
    tcase_add_loop_test(tests, an_mlp_learns_as_on_the_reference, 0, (int)(sizeof rows / sizeof rows[0]));
    tcase_add_loop_test(tests, runs_have_the_same_bits, 0, (int)(sizeof rows / sizeof rows[0]));
    suite_add_tcase(suite, tests);
    return suite;
}
