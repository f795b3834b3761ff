/*
 * test_testing.c - the installed tester accepts what is right and finds what is wrong, slot by slot.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dualprop/testing.h>

#include "main.h"
#include "support/expect.h"

/* What a slot of ours does wrong, in the case that it is asked for. */
enum { NOTHING, WRONG_NUMBER, WRITES_BESIDE, FAILS, LOSES_NAN, WRONG_SWITCH };

static int fault;
static int first_failures;
static char first_sentence[256];

static const dualprop_backend *builtin(void)
{
    return dualprop_backend_builtin(DUALPROP_BACKEND_AUTO);
}

static void spoil(void *reals, int64_t count, int type)
{
    if (fault == WRONG_NUMBER && type == DUALPROP_F64) ((double *)reals)[count - 1] += 1e-3;
    if (fault == WRONG_NUMBER && type == DUALPROP_F32) ((float *)reals)[count - 1] += 1e-2f;
    if (fault == WRITES_BESIDE) ((unsigned char *)reals)[count * (type == DUALPROP_F64 ? 8 : 4)] ^= 1;
}

static int tested_type;

static dualprop_status spoiled_up(void *self, const dualprop_dense *shape, void *a, const void *x, const void *weights,
                                  const void *bias, const dualprop_dyad *dyad)
{
    dualprop_status status = builtin()->dense_bottom_up(self, shape, a, x, weights, bias, dyad);
    spoil(a, shape->batch * shape->outputs, tested_type);
    return fault == FAILS ? DUALPROP_ERROR_DEVICE : status;
}

static dualprop_status spoiled_down(void *self, const dualprop_dense *shape, void *top_down, const void *delta,
                                    const void *weights, const dualprop_dyad *dyad)
{
    dualprop_status status = builtin()->dense_top_down(self, shape, top_down, delta, weights, dyad);
    spoil(top_down, shape->batch * shape->inputs, tested_type);
    return status;
}

static dualprop_status spoiled_gradient(void *self, const dualprop_dense *shape, void *gradient, void *bias_gradient,
                                        const void *x, const void *delta, double scale, int accumulate,
                                        const dualprop_step_numbers *step, void *weights, void *bias, void *moments[4])
{
    dualprop_status status = builtin()->dense_gradient(self, shape, gradient, bias_gradient, x, delta, scale,
                                                       accumulate, step, weights, bias, moments);
    spoil(step ? bias : bias_gradient, shape->outputs, tested_type);
    return status;
}

static dualprop_status spoiled_update(void *self, const dualprop_dyad *dyad)
{
    dualprop_status status = builtin()->dyad_update(self, dyad);
    spoil(dyad->delta, dyad->count, tested_type);
    return status;
}

static dualprop_status spoiled_step(void *self, const dualprop_step_numbers *step, int64_t count, void *w,
                                    const void *g, void *moment1, void *moment2)
{
    dualprop_status status = builtin()->optimizer_step(self, step, count, w, g, moment1, moment2);
    spoil(moment1 ? moment1 : w, count, tested_type);
    return status;
}

static dualprop_status spoiled_max_abs(void *self, int64_t count, const void *x, double *max_abs)
{
    dualprop_status status = builtin()->max_abs(self, count, x, max_abs);
    if (fault == LOSES_NAN && isnan(*max_abs)) *max_abs = 0;
    return status;
}

static int64_t elements_above(const dualprop_convolution *shape)
{
    return shape->batch * shape->pooled_height * shape->pooled_width * shape->outputs;
}

static dualprop_status spoiled_map_up(void *self, const dualprop_convolution *shape, void *a, uint8_t *switches,
                                      const void *x, const void *weights, const void *bias, const dualprop_dyad *dyad)
{
    dualprop_status status = builtin()->convolution_bottom_up(self, shape, a, switches, x, weights, bias, dyad);
    spoil(a, elements_above(shape), tested_type);
    if (fault == WRONG_SWITCH && switches) switches[0] ^= 1;
    return status;
}

static dualprop_status spoiled_map_down(void *self, const dualprop_convolution *shape, void *top_down,
                                        const void *delta, const uint8_t *switches, const void *weights,
                                        const dualprop_dyad *dyad)
{
    dualprop_status status = builtin()->convolution_top_down(self, shape, top_down, delta, switches, weights, dyad);
    spoil(top_down, shape->batch * shape->height * shape->width * shape->channels, tested_type);
    return status;
}

static dualprop_status spoiled_map_gradient(void *self, const dualprop_convolution *shape, void *gradient,
                                            void *bias_gradient, const void *x, const void *delta,
                                            const uint8_t *switches, double scale, int accumulate,
                                            const dualprop_step_numbers *step, void *weights, void *bias,
                                            void *moments[4])
{
    dualprop_status status = builtin()->convolution_gradient(self, shape, gradient, bias_gradient, x, delta, switches,
                                                             scale, accumulate, step, weights, bias, moments);
    int64_t places = shape->kind == DUALPROP_LAYER_LOCAL ? shape->map_height * shape->map_width : 1;
    spoil(step ? bias : bias_gradient, places * shape->outputs, tested_type);
    return status;
}

static dualprop_status spoiled_load(void *self, void *x, const dualprop_view *input, const double *mean,
                                    const double *deviation, const int32_t *augmentation, double *max_abs)
{
    dualprop_status status = builtin()->load_input(self, x, input, mean, deviation, augmentation, max_abs);
    spoil(x, input->shape[0] * input->shape[1] * input->shape[2] * input->shape[3], tested_type);
    return status;
}

static dualprop_status spoiled_evaluate(void *self, int loss, const void *prediction, const void *target, int64_t rows,
                                        int64_t width, int k, double *sum, int64_t *correct, int64_t *top_k)
{
    dualprop_status status = builtin()->evaluate(self, loss, prediction, target, rows, width, k, sum, correct, top_k);
    if (fault == WRONG_NUMBER) *top_k -= 1;
    return status;
}

static dualprop_status spoiled_extended(void *self, const dualprop_extended_update *update)
{
    dualprop_status status = builtin()->extended_update(self, update);
    spoil(update->error_signal ? update->error_signal : update->delta, update->rows * update->width, tested_type);
    return status;
}

static dualprop_status spoiled_proximal(void *self, const dualprop_output *output)
{
    dualprop_status status = builtin()->output_proximal(self, output);
    spoil(output->mean, output->rows * output->width, tested_type);
    return status;
}

static void report(void *user_data, int passed, const char *what, const char *sentence)
{
    (void)user_data;
    if (passed || first_failures++) return;
    snprintf(first_sentence, sizeof first_sentence, "%s: %s", what, sentence);
}

static int test_table(const dualprop_backend *table, int type, int wrong)
{
    int failed = -1;
    tested_type = type;
    fault = wrong;
    first_failures = 0;
    ck_assert_int_gt(dualprop_testing_slots(&failed, table, type, report, NULL), 0);
    ck_assert_int_eq(failed, first_failures);
    return failed;
}

static const int TYPES[] = { DUALPROP_F32, DUALPROP_F64 };

START_TEST(right_slots_pass)
{
    dualprop_backend table = *builtin();
    table.dense_bottom_up = spoiled_up;
    table.dense_top_down = spoiled_down;
    table.dense_gradient = spoiled_gradient;
    table.dyad_update = spoiled_update;
    table.optimizer_step = spoiled_step;
    table.max_abs = spoiled_max_abs;
    table.convolution_bottom_up = spoiled_map_up;
    table.convolution_top_down = spoiled_map_down;
    table.convolution_gradient = spoiled_map_gradient;
    table.load_input = spoiled_load;
    table.evaluate = spoiled_evaluate;
    table.extended_update = spoiled_extended;
    table.output_proximal = spoiled_proximal;
    ck_assert_msg(test_table(&table, TYPES[_i], NOTHING) == 0, "%s", first_sentence);
    table.flags |= DUALPROP_BACKEND_UNFUSED;
    ck_assert_msg(test_table(&table, TYPES[_i], NOTHING) == 0, "%s", first_sentence);
}
END_TEST

/* Each of the later slots alone, and what is wrong in it. */
START_TEST(wrong_slots_of_images_and_options_are_found)
{
    static const char *const SLOTS[] = { "convolution_bottom_up",
                                         "convolution_top_down",
                                         "convolution_gradient",
                                         "load_input",
                                         "extended_update",
                                         "output_proximal",
                                         "evaluate" };
    for (int slot = 0; slot < 7; slot++)
        for (int wrong = WRONG_NUMBER; wrong <= WRITES_BESIDE; wrong++) {
            dualprop_backend table = *builtin();
            if (slot == 0) table.convolution_bottom_up = spoiled_map_up;
            if (slot == 1) table.convolution_top_down = spoiled_map_down;
            if (slot == 2) table.convolution_gradient = spoiled_map_gradient;
            if (slot == 3) table.load_input = spoiled_load;
            if (slot == 4) table.extended_update = spoiled_extended;
            if (slot == 5) table.output_proximal = spoiled_proximal;
            if (slot == 6) table.evaluate = spoiled_evaluate;
            if (slot == 6 && wrong == WRITES_BESIDE) continue; /* it writes no array */
            ck_assert_msg(test_table(&table, TYPES[_i], wrong) > 0, "slot %s, fault %d was not found", SLOTS[slot],
                          wrong);
            ck_assert_msg(strstr(first_sentence, SLOTS[slot]) == first_sentence, "%s", first_sentence);
            ck_assert_ptr_nonnull(strstr(first_sentence, wrong == WRITES_BESIDE ? "beside" : "expected"));
        }
    dualprop_backend table = *builtin();
    table.convolution_bottom_up = spoiled_map_up;
    ck_assert_int_gt(test_table(&table, TYPES[_i], WRONG_SWITCH), 0);
    ck_assert_ptr_nonnull(strstr(first_sentence, "switches"));
}
END_TEST

START_TEST(wrong_slots_are_found)
{
    for (int slot = 0; slot < 5; slot++)
        for (int wrong = WRONG_NUMBER; wrong <= WRITES_BESIDE; wrong++) {
            dualprop_backend table = *builtin();
            if (slot == 0) table.dense_bottom_up = spoiled_up;
            if (slot == 1) table.dense_top_down = spoiled_down;
            if (slot == 2) table.dense_gradient = spoiled_gradient;
            if (slot == 3) table.dyad_update = spoiled_update;
            if (slot == 4) table.optimizer_step = spoiled_step;
            ck_assert_msg(test_table(&table, TYPES[_i], wrong) > 0, "slot %d, fault %d was not found", slot, wrong);
            ck_assert_ptr_nonnull(strstr(first_sentence, wrong == WRITES_BESIDE ? "beside" : "expected"));
        }
    dualprop_backend table = *builtin();
    table.max_abs = spoiled_max_abs;
    ck_assert_int_gt(test_table(&table, TYPES[_i], LOSES_NAN), 0);
    table.dense_bottom_up = spoiled_up;
    ck_assert_int_gt(test_table(&table, TYPES[_i], FAILS), 0);
}
END_TEST

START_TEST(a_table_without_slots_of_its_own_has_no_cases)
{
    dualprop_backend table = *builtin();
    int failed = -1;
    ck_assert_int_eq(dualprop_testing_slots(&failed, &table, DUALPROP_F32, NULL, NULL), 0);
    ck_assert_int_eq(failed, 0);
    ck_assert_int_eq(dualprop_testing_slots(NULL, &table, -1, NULL, NULL), 0); /* create refuses the type */
}
END_TEST

/* The gradient of a network is right, and an error of 1e-3 in one number of one product shows. */
static void keep_sentence(void *user_data, int passed, const char *what, const char *sentence)
{
    ck_assert(!passed && strcmp(what, "the table") == 0);
    snprintf(user_data, 256, "%s", sentence);
}

/* What a beginner forgets is told, and does not end the process. */
START_TEST(an_incomplete_table_is_told)
{
    char sentence[256];
    int failed = 0;
    dualprop_backend table = { .struct_size = sizeof table,
                               .api = DUALPROP_BACKEND_API,
                               .flags = DUALPROP_BACKEND_HOST_MEMORY,
                               .name = "mine",
                               .dense_bottom_up =
                                   dualprop_backend_builtin(DUALPROP_BACKEND_REFERENCE)->dense_bottom_up };
    ck_assert_int_eq(dualprop_testing_slots(&failed, &table, DUALPROP_F32, keep_sentence, sentence), 1);
    ck_assert_int_eq(failed, 1);
    ck_assert_msg(strstr(sentence, "create, destroy and describe are required") != NULL, "%s", sentence);
    ck_assert_int_eq(dualprop_testing_slots(&failed, NULL, DUALPROP_F32, keep_sentence, sentence), 1);
    ck_assert_msg(strstr(sentence, "NULL") != NULL, "%s", sentence);
    table = *dualprop_backend_builtin(DUALPROP_BACKEND_REFERENCE);
    table.convolution_bottom_up = NULL;
    ck_assert_int_eq(dualprop_testing_slots(&failed, &table, DUALPROP_F32, keep_sentence, sentence), 1);
    ck_assert_msg(strstr(sentence, "convolutions come together") != NULL, "%s", sentence);
    table.struct_size = 8;
    ck_assert_int_eq(dualprop_testing_slots(NULL, &table, DUALPROP_F32, NULL, NULL), 1);
}
END_TEST

/* Of any size that an older header could have: what is not there is not tested, and not read. */
START_TEST(a_shorter_table_is_read_to_its_end)
{
    dualprop_backend table = *dualprop_backend_builtin(DUALPROP_BACKEND_REFERENCE);
    table.name = "short";
    for (size_t size = sizeof(uint64_t); size <= sizeof table; size += sizeof(void *)) {
        uint8_t *copy = malloc(size);
        int failed = -1;
        memcpy(copy, &table, size);
        memcpy(copy, &(uint64_t){ size }, sizeof(uint64_t));
        int cases = dualprop_testing_slots(&failed, (dualprop_backend *)(void *)copy, DUALPROP_F64, NULL, NULL);
        ck_assert_msg(cases == failed && cases == (size < sizeof table && failed == 1), "size %d: %d of %d failed",
                      (int)size, failed, cases);
        free(copy);
    }
}
END_TEST

START_TEST(gradients_are_checked)
{
    for (int wrong = NOTHING; wrong <= WRONG_NUMBER; wrong++) {
        dualprop_backend table = *builtin();
        dualprop_options options = { .struct_size = sizeof options, .precision = DUALPROP_F64, .backend = &table };
        dualprop_context *context;
        dualprop_network *network;
        dualprop_rule *rule;
        double x[6 * 5], error = -1;
        int32_t labels[6];
        table.dense_top_down = spoiled_down;
        table.flags |= DUALPROP_BACKEND_UNFUSED; /* else the update has been made before the product is spoiled */
        tested_type = DUALPROP_F64;
        fault = wrong;
        for (int i = 0; i < 30; i++) x[i] = sin(i * 3.1);
        for (int i = 0; i < 6; i++) labels[i] = i % 3;
        expect_ok(dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, &options));
        expect_ok(dualprop_network_create(&network, context, 1, 1, 5));
        expect_ok(dualprop_network_add_dense(network, 8, DUALPROP_TANH));
        expect_ok(dualprop_network_add_dense(network, 3, DUALPROP_IDENTITY));
        expect_ok(dualprop_network_initialize(network, 2));
        expect_ok(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
        expect_ok(dualprop_rule_set_alpha(rule, 0.5));
        expect_ok(dualprop_rule_set_beta(rule, 1e-4));
        expect_ok(dualprop_testing_gradient(&error, network, rule, x, labels, 6, _i ? 7 : 0));
        ck_assert_msg(wrong ? error > 1e-2 : error < 1e-6, "error %g with fault %d", error, wrong);
        expect_error(dualprop_testing_gradient(NULL, network, rule, x, labels, 6, 0), DUALPROP_ERROR_INVALID_ARGUMENT,
                     "error is NULL; expected a place for the result");
        dualprop_rule_destroy(rule);
        dualprop_network_destroy(network);
        dualprop_context_destroy(context);
    }
}
END_TEST

Suite *test_testing_suite(void)
{
    Suite *suite = suite_create("testing");
    TCase *cases = tcase_create("testing");
    tcase_add_loop_test(cases, right_slots_pass, 0, 2);
    tcase_add_loop_test(cases, wrong_slots_are_found, 0, 2);
    tcase_add_loop_test(cases, wrong_slots_of_images_and_options_are_found, 0, 2);
    tcase_add_test(cases, a_table_without_slots_of_its_own_has_no_cases);
    tcase_add_test(cases, an_incomplete_table_is_told);
    tcase_add_test(cases, a_shorter_table_is_read_to_its_end);
    tcase_add_loop_test(cases, gradients_are_checked, 0, 2);
    suite_add_tcase(suite, cases);
    return suite;
}
