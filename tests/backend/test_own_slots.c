/*
 * test_own_slots.c - a caller's slots are called, built-in ones do the rest, and what both compute has the same bits.
 */
#include <check.h>
#include <math.h>
#include <string.h>

#include <dualprop/backend.h>

#include "main.h"
#include "support/expect.h"

enum { BATCH = 9, STEPS = 4, SIDE = 6, CHANNELS = 3, INPUTS = SIDE * SIDE * CHANNELS, CLASSES = 5 };

static int updates, steps, products, fused;

static int copied = DUALPROP_BACKEND_AUTO; /* the backend whose table is copied */

static const dualprop_backend *builtin(void)
{
    return dualprop_backend_builtin(copied);
}

static void copy_the_first(void)
{
    copied = DUALPROP_BACKEND_AUTO;
}

/* ---- slots of ours on the built-in instance ---- */

static dualprop_status count_update(void *self, const dualprop_dyad *dyad)
{
    updates++;
    return builtin()->dyad_update(self, dyad);
}

static dualprop_status count_step(void *self, const dualprop_step_numbers *numbers, int64_t count, void *w,
                                  const void *g, void *moment1, void *moment2)
{
    steps++;
    return builtin()->optimizer_step(self, numbers, count, w, g, moment1, moment2);
}

static dualprop_status count_product(void *self, const dualprop_dense *shape, void *a, const void *x,
                                     const void *weights, const void *bias, const dualprop_dyad *dyad)
{
    products++;
    fused += dyad != NULL;
    return builtin()->dense_bottom_up(self, shape, a, x, weights, bias, dyad);
}

/* ---- a table with an instance of its own, and slots on weights as rows ---- */

static const dualprop_host *own_host;

static dualprop_status create_own(void **self, const dualprop_host *host, int type, int level)
{
    (void)type;
    (void)level;
    own_host = host;
    *self = &own_host;
    return DUALPROP_OK;
}

static void destroy_own(void *self)
{
    ck_assert(self == &own_host);
}

static void describe_own(void *self, char *buffer, size_t size)
{
    (void)self;
    if (size > 0) buffer[0] = 0;
}

static dualprop_status bottom_up_rows(void *self, const dualprop_dense *shape, void *a, const void *x,
                                      const void *weights, const void *bias, const dualprop_dyad *dyad)
{
    ck_assert(self == &own_host && !dyad); /* the table is unfused */
    products++;
    for (int64_t b = 0; b < shape->batch; b++)
        for (int64_t o = 0; o < shape->outputs; o++) {
            double sum = bias ? ((const double *)bias)[o] : 0;
            for (int64_t i = 0; i < shape->inputs; i++)
                sum += ((const double *)x)[b * shape->inputs + i] * ((const double *)weights)[i * shape->outputs + o];
            ((double *)a)[b * shape->outputs + o] = sum;
        }
    return DUALPROP_OK;
}

static dualprop_status top_down_rows(void *self, const dualprop_dense *shape, void *top_down, const void *delta,
                                     const void *weights, const dualprop_dyad *dyad)
{
    ck_assert(self == &own_host && !dyad);
    products++;
    for (int64_t b = 0; b < shape->batch; b++)
        for (int64_t i = 0; i < shape->inputs; i++) {
            double sum = 0;
            for (int64_t o = 0; o < shape->outputs; o++)
                sum +=
                    ((const double *)delta)[b * shape->outputs + o] * ((const double *)weights)[i * shape->outputs + o];
            ((double *)top_down)[b * shape->inputs + i] = sum;
        }
    return DUALPROP_OK;
}

static dualprop_backend own_table(void)
{
    return (dualprop_backend){
        .struct_size = sizeof(dualprop_backend),
        .api = DUALPROP_BACKEND_API,
        .flags = DUALPROP_BACKEND_HOST_MEMORY | DUALPROP_BACKEND_UNFUSED,
        .name = "own",
        .create = create_own,
        .destroy = destroy_own,
        .describe = describe_own,
    };
}

/* ---- learning on a table ---- */

struct learned {
    double last[40 * CLASSES], loss;
};

static dualprop_network *create_network(dualprop_context *context, int images)
{
    static const int64_t three[2] = { 3, 3 }, two[2] = { 2, 2 }, none[2] = { 0, 0 };
    dualprop_network *network;
    expect_ok(dualprop_network_create(&network, context, SIDE, SIDE, CHANNELS));
    if (images) {
        expect_ok(dualprop_network_add_convolution(network, 8, three, NULL, NULL, DUALPROP_TANH));
        expect_ok(dualprop_network_add_pooling(network, DUALPROP_POOL_MAX, two, NULL));
        expect_ok(dualprop_network_add_local(network, 2, two, NULL, none, DUALPROP_TANH));
    } else {
        expect_ok(dualprop_network_add_dense(network, 33, DUALPROP_TANH));
    }
    expect_ok(dualprop_network_add_dense(network, 40, DUALPROP_TANH));
    expect_ok(dualprop_network_add_dense(network, CLASSES, DUALPROP_IDENTITY));
    expect_ok(dualprop_network_initialize(network, 3));
    return network;
}

static void learn_on(struct learned *learned, const dualprop_backend *table, int images, int kind)
{
    dualprop_options options = { .struct_size = sizeof options, .precision = DUALPROP_F64, .backend = table };
    dualprop_context *context;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
    static double x[BATCH * INPUTS];
    int32_t labels[BATCH];
    expect_ok(dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, &options));
    dualprop_network *network = create_network(context, images);
    expect_ok(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
    expect_ok(dualprop_state_create(&state, network, rule, BATCH));
    if (table && table->optimizer_step && table->optimizer_step != builtin()->optimizer_step)
        expect_error(dualprop_optimizer_create_fused(&optimizer, network, kind), DUALPROP_ERROR_UNSUPPORTED,
                     "learning steps of the caller's own");
    expect_ok(dualprop_optimizer_create(&optimizer, network, kind));
    for (int i = 0; i < BATCH * INPUTS; i++) x[i] = i * 7919 % 1009 / 504.0 - 1;
    for (int i = 0; i < BATCH; i++) labels[i] = i % CLASSES;
    for (int i = 0; i < STEPS; i++) expect_ok(dualprop_learn(optimizer, state, x, labels, BATCH - i));
    expect_ok(dualprop_evaluate(&learned->loss, NULL, NULL, 1, state, x, labels, BATCH));
    dualprop_view last = matrix_view(learned->last, DUALPROP_F64, 40, CLASSES);
    expect_ok(dualprop_network_read(&last, network, images ? "layer4.weight" : "layer3.weight"));
    dualprop_optimizer_destroy(optimizer);
    dualprop_state_destroy(state);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}

static void expect_near(const struct learned *own, const struct learned *expected, double tolerance)
{
    for (int i = 0; i < 40 * CLASSES; i++)
        ck_assert_msg(fabs(own->last[i] - expected->last[i]) <= tolerance, "weight %d is %.17g, not %.17g", i,
                      own->last[i], expected->last[i]);
    ck_assert(fabs(own->loss - expected->loss) <= tolerance);
}

static const int KINDS[] = { DUALPROP_SGD, DUALPROP_ADAM };

/* A copy of a built-in table with a part of a fused slot replaced: the part is called, and the bits stay. */
START_TEST(an_overridden_part_is_called)
{
    int images = _i % 2, kind = KINDS[_i / 2 % 2];
    struct learned own, expected;
    copied = _i / 4 ? DUALPROP_BACKEND_REFERENCE : DUALPROP_BACKEND_AUTO;
    learn_on(&expected, builtin(), images, kind);
    for (int which = 1; which < 8; which++) {
        dualprop_backend table = *builtin();
        updates = steps = products = fused = 0;
        if (which & 1) table.dyad_update = count_update;
        if (which & 2) table.optimizer_step = count_step;
        if (which & 4) table.dense_bottom_up = count_product;
        table.name = "copied";
        learn_on(&own, &table, images, kind);
        expect_near(&own, &expected, 0);
        ck_assert_int_eq(updates > 0, (which & 1) != 0);
        ck_assert_int_eq(products > 0, (which & 4) != 0);
        /* Weights and bias of each layer at each step. */
        ck_assert_int_eq(steps, which & 2 ? 2 * STEPS * (images ? 4 : 3) : 0);
        ck_assert_int_eq(fused > 0, (which & 4) != 0);
    }
}
END_TEST

START_TEST(products_that_stand_alone_get_no_followers)
{
    struct learned own, expected;
    dualprop_backend table = *builtin();
    learn_on(&expected, NULL, 0, DUALPROP_ADAM);
    updates = products = fused = 0;
    table.flags |= DUALPROP_BACKEND_UNFUSED;
    table.dense_bottom_up = count_product;
    learn_on(&own, &table, 0, DUALPROP_ADAM);
    expect_near(&own, &expected, 0);
    ck_assert_int_gt(products, 0);
    ck_assert_int_eq(fused, 0);
}
END_TEST

/* Slots that a table leaves NULL are the built-in ones: with none of its own it has their bits. */
START_TEST(what_is_left_out_is_built_in)
{
    struct learned own, expected;
    dualprop_backend table = own_table();
    learn_on(&expected, NULL, _i, DUALPROP_ADAM);
    learn_on(&own, &table, _i, DUALPROP_ADAM);
    expect_near(&own, &expected, 0);
}
END_TEST

/* Products on rows beside built-in ones on panels, which add up in another order. */
START_TEST(rows_and_panels_work_together)
{
    struct learned own, expected;
    learn_on(&expected, NULL, 0, KINDS[_i % 2]);
    for (int which = 1; which < 4; which++) {
        dualprop_backend table = own_table();
        products = 0;
        if (which & 1) table.dense_bottom_up = bottom_up_rows;
        if (which & 2) table.dense_top_down = top_down_rows;
        learn_on(&own, &table, 0, KINDS[_i % 2]);
        ck_assert_int_gt(products, 0);
        expect_near(&own, &expected, 1e-9); /* Adam divides by the gradient's own size: small ones lose digits */
    }
}
END_TEST

START_TEST(built_in_tables_are_there)
{
    ck_assert_str_eq(dualprop_backend_builtin(DUALPROP_BACKEND_REFERENCE)->name, "reference");
    ck_assert_ptr_null(dualprop_backend_builtin(DUALPROP_BACKEND_CUDA));
    ck_assert_ptr_null(dualprop_backend_builtin(-1));
    ck_assert_ptr_nonnull(builtin());
    ck_assert_int_eq(builtin()->struct_size, sizeof(dualprop_backend));
}
END_TEST

Suite *test_own_slots_suite(void)
{
    Suite *suite = suite_create("own_slots");
    TCase *cases = tcase_create("own_slots");
    tcase_add_checked_fixture(cases, copy_the_first, NULL);
    tcase_add_loop_test(cases, an_overridden_part_is_called, 0, 8);
    tcase_add_test(cases, products_that_stand_alone_get_no_followers);
    tcase_add_loop_test(cases, what_is_left_out_is_built_in, 0, 2);
    tcase_add_loop_test(cases, rows_and_panels_work_together, 0, 2);
    tcase_add_test(cases, built_in_tables_are_there);
    suite_add_tcase(suite, cases);
    return suite;
}
