/*
 * test_learning.c - the learning step: formulas, the order of calls, freezing, clipping, accumulation, refusals.
 */
#include <check.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "support/backends.h"
#include "support/expect.h"
#include "support/small_network.h"

static struct small_plan plan_of(int backend)
{
    struct small_plan plan = {
        .backend = BACKENDS[backend],
        .layers = 3,
        .widths = { 6, 9, 7, 4 },
        .activation = DUALPROP_RELU,
        .variant = DUALPROP_DP_ADJOINT,
        .alpha = 0.5,
        .beta = 0.5,
        .loss = DUALPROP_MSE,
        .batch = 4,
        .seed = 5,
    };
    return plan;
}

static void replace_optimizer(struct small_network *small, int kind)
{
    dualprop_optimizer_destroy(small->optimizer);
    ck_assert_int_eq(dualprop_optimizer_create(&small->optimizer, small->network, kind), DUALPROP_OK);
}

static void read_weight(double *weight, struct small_network *small, int k)
{
    char name[] = "layer0.weight";
    dualprop_view view = { .struct_size = sizeof view, .data = weight, .type = DUALPROP_F64, .rank = 2 };
    name[5] = (char)('0' + k);
    view.shape[0] = small->plan.widths[k - 1];
    view.shape[1] = view.strides[0] = small->plan.widths[k];
    view.strides[1] = 1;
    ck_assert_int_eq(dualprop_network_read(&view, small->network, name), DUALPROP_OK);
}

static int64_t weights_of(const struct small_network *small, int k)
{
    return small->plan.widths[k - 1] * small->plan.widths[k];
}

static void train_fused(struct small_network *small, int steps)
{
    for (int i = 0; i < steps; i++) {
        ck_assert_int_eq(small_infer(small), DUALPROP_OK);
        ck_assert_int_eq(dualprop_update(small->optimizer, small->state), DUALPROP_OK);
    }
}

static void train_apart(struct small_network *small, int steps)
{
    for (int i = 0; i < steps; i++) {
        small_gradient(small);
        ck_assert_int_eq(dualprop_step(small->optimizer), DUALPROP_OK);
    }
}

static dualprop_view rows_of(double *reals, int64_t columns)
{
    return (dualprop_view){ .struct_size = sizeof(dualprop_view),
                            .data = reals,
                            .type = DUALPROP_F64,
                            .rank = 2,
                            .shape = { 4, columns },
                            .strides = { columns, 1 } };
}

static dualprop_status learn(struct small_network *small)
{
    dualprop_view x = rows_of(small->x, 6), y = rows_of(small->y, 4);
    return dualprop_learn_view(small->optimizer, small->state, &x, &y);
}

static void expect_same_weights(struct small_network *one, struct small_network *other)
{
    double here[SMALL_MAX_REALS], there[SMALL_MAX_REALS];
    for (int k = 1; k <= one->plan.layers; k++) {
        read_weight(here, one, k);
        read_weight(there, other, k);
        ck_assert_mem_eq(here, there, (size_t)weights_of(one, k) * sizeof *here);
    }
}

/* The same bits as in two calls, also where a gradient was held, which the step replaces. */
START_TEST(test_learning_in_one_call)
{
    struct small_plan plan = plan_of(_i);
    struct small_network one = small_create(&plan), two = small_create(&plan);
    small_gradient(&one);
    for (int i = 0; i < 4; i++) ck_assert_int_eq(learn(&one), DUALPROP_OK);
    train_fused(&two, 4);
    expect_same_weights(&one, &two);
    ck_assert_int_eq(dualprop_step(one.optimizer), DUALPROP_ERROR_INVALID_STATE);
    small_destroy(&two);
    small_destroy(&one);
}
END_TEST

/* Whatever is wrong with a batch, the weights, the moments and the number of steps are as if it had not been there. */
START_TEST(test_failed_learning_leaves_no_trace)
{
    struct small_plan plan = plan_of(_i);
    struct small_network one = small_create(&plan), two = small_create(&plan);
    const double bad[] = { NAN, INFINITY, 1e300 };
    for (int i = 0; i < 3; i++) {
        double kept = one.x[11];
        ck_assert_int_eq(learn(&one), DUALPROP_OK);
        one.x[11] = bad[i];
        ck_assert_int_ne(learn(&one), DUALPROP_OK);
        one.x[11] = kept;
    }
    train_fused(&two, 3);
    expect_same_weights(&one, &two);
    small_destroy(&two);
    small_destroy(&one);
}
END_TEST

/* On the CPU a step's status comes with its own call, delayed or not, and no bit depends on it. */
START_TEST(test_delayed_status_has_no_effect)
{
    struct small_plan plan = plan_of(_i);
    struct small_network at_once = small_create(&plan), delayed = small_create(&plan);
    const double inputs[] = { 0.5, NAN, 0.25, 1e300, INFINITY, 0.125 };
    ck_assert_int_eq(dualprop_optimizer_set_delayed_status(delayed.optimizer, 1), DUALPROP_OK);
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        char here[256] = "", there[256] = "";
        at_once.x[11] = delayed.x[11] = inputs[i];
        dualprop_status status = learn(&at_once);
        if (status != DUALPROP_OK) expect_ok(dualprop_last_error(here, sizeof here, NULL, NULL));
        ck_assert_int_eq(learn(&delayed), status);
        if (status != DUALPROP_OK) expect_ok(dualprop_last_error(there, sizeof there, NULL, NULL));
        ck_assert_str_eq(here, there);
        ck_assert_int_eq(status == DUALPROP_OK, fabs(inputs[i]) < 1);
        expect_same_weights(&at_once, &delayed);
        expect_ok(dualprop_optimizer_wait(delayed.optimizer));
    }
    small_destroy(&delayed);
    small_destroy(&at_once);
}
END_TEST

START_TEST(test_update_is_gradient_and_step)
{
    struct small_plan plan = plan_of(_i);
    double one[SMALL_MAX_REALS], two[SMALL_MAX_REALS];
    for (int kind = DUALPROP_SGD; kind <= DUALPROP_PLAIN_SGD; kind++) {
        struct small_network fused = small_create(&plan), apart = small_create(&plan);
        replace_optimizer(&fused, kind);
        replace_optimizer(&apart, kind);
        ck_assert_int_eq(dualprop_optimizer_set_weight_decay(fused.optimizer, 0.01), DUALPROP_OK);
        ck_assert_int_eq(dualprop_optimizer_set_weight_decay(apart.optimizer, 0.01), DUALPROP_OK);
        train_fused(&fused, 5);
        train_apart(&apart, 5);
        for (int k = 1; k <= plan.layers; k++) {
            read_weight(one, &fused, k);
            read_weight(two, &apart, k);
            ck_assert_mem_eq(one, two, (size_t)weights_of(&fused, k) * sizeof *one);
        }
        small_destroy(&apart);
        small_destroy(&fused);
    }
}
END_TEST

/* What one step of each kind should do to one weight, written out once more in plain double. */
static double expected_weight(int kind, double w, double g, double *m, double *v, int t, double decay)
{
    const double rate = kind == DUALPROP_SGD || kind == DUALPROP_PLAIN_SGD ? 0.025 : 1e-3;
    if (kind != DUALPROP_ADAMW) g += decay * w;
    if (kind == DUALPROP_PLAIN_SGD) return w - rate * g;
    if (kind == DUALPROP_SGD) {
        *m = 0.9 * *m + g;
        return w - rate * *m;
    }
    *m = 0.9 * *m + 0.1 * g;
    *v = 0.999 * *v + 0.001 * g * g;
    double mean = *m / (1 - pow(0.9, t)), square = *v / (1 - pow(0.999, t));
    return w - rate * mean / (sqrt(square) + 1e-8) - (kind == DUALPROP_ADAMW ? rate * decay * w : 0);
}

START_TEST(test_formulas)
{
    struct small_plan plan = plan_of(_i);
    const double decay = 0.05;
    for (int kind = DUALPROP_SGD; kind <= DUALPROP_PLAIN_SGD; kind++) {
        double before[SMALL_MAX_REALS], after[SMALL_MAX_REALS], g[SMALL_MAX_REALS], bias[SMALL_MAX_REALS];
        double m[SMALL_MAX_REALS] = { 0 }, v[SMALL_MAX_REALS] = { 0 };
        struct small_network small = small_create(&plan);
        replace_optimizer(&small, kind);
        ck_assert_int_eq(dualprop_optimizer_set_weight_decay(small.optimizer, decay), DUALPROP_OK);
        for (int t = 1; t <= 4; t++) {
            small_gradient(&small);
            read_weight(before, &small, 2);
            small_read_gradient(g, bias, &small, 2);
            ck_assert_int_eq(dualprop_step(small.optimizer), DUALPROP_OK);
            read_weight(after, &small, 2);
            for (int64_t i = 0; i < weights_of(&small, 2); i++)
                before[i] = expected_weight(kind, before[i], g[i], &m[i], &v[i], t, decay);
            ck_assert_double_le(relative_difference(after, before, weights_of(&small, 2)), 1e-13);
        }
        small_destroy(&small);
    }
}
END_TEST

static uint64_t bytes_of_optimizer(struct small_network *small, int kind)
{
    uint64_t with, without;
    expect_ok(dualprop_context_memory(&with, NULL, NULL, small->context));
    dualprop_optimizer_destroy(small->optimizer);
    expect_ok(dualprop_context_memory(&without, NULL, NULL, small->context));
    expect_ok(dualprop_optimizer_create(&small->optimizer, small->network, kind));
    return with - without;
}

/* Plain SGD has the bits of SGD of momentum 0 and no moments, in memory or in a file; SGD's files load as before. */
START_TEST(test_plain_sgd)
{
    struct small_plan plan = plan_of(_i);
    struct small_network plain = small_create(&plan), other = small_create(&plan);
    int64_t parameters = 0, tensors, steps;
    dualprop_checkpoint *checkpoint;
    dualprop_optimizer *loaded;
    int kind;
    for (int k = 1; k <= plan.layers; k++) parameters += weights_of(&plain, k) + plan.widths[k];
    replace_optimizer(&plain, DUALPROP_PLAIN_SGD);
    replace_optimizer(&other, DUALPROP_SGD);
    expect_ok(dualprop_optimizer_set_momentum(other.optimizer, 0));
    for (int step = 0; step < 4; step++) { /* without decay, then with it */
        expect_ok(dualprop_optimizer_set_weight_decay(plain.optimizer, step / 2 * 0.01));
        expect_ok(dualprop_optimizer_set_weight_decay(other.optimizer, step / 2 * 0.01));
        train_fused(&plain, 1);
        train_apart(&other, 1);
        expect_same_weights(&plain, &other);
    }
    expect_error(dualprop_optimizer_set_momentum(plain.optimizer, 0.5), DUALPROP_ERROR_UNSUPPORTED,
                 "this optimizer is plain-sgd, which has no moments");
    expect_error(dualprop_optimizer_set_moments(plain.optimizer, 0.9, 0.99, 1e-8), DUALPROP_ERROR_UNSUPPORTED,
                 "this optimizer is plain-sgd, which has no moments");

    expect_ok(dualprop_checkpoint_create(&checkpoint, plain.context));
    expect_ok(dualprop_checkpoint_put_optimizer(checkpoint, plain.optimizer));
    expect_ok(dualprop_checkpoint_tensor_count(&tensors, checkpoint));
    ck_assert_int_eq(tensors, 0);
    expect_ok(dualprop_checkpoint_get_optimizer(&loaded, checkpoint, plain.network));
    expect_ok(dualprop_optimizer_info(&kind, &steps, NULL, loaded));
    ck_assert_int_eq(kind, DUALPROP_PLAIN_SGD);
    ck_assert_int_eq(steps, 4);
    dualprop_optimizer_destroy(plain.optimizer);
    plain.optimizer = loaded;
    train_fused(&plain, 2);
    train_apart(&other, 2);
    expect_same_weights(&plain, &other);
    dualprop_checkpoint_destroy(checkpoint);

    replace_optimizer(&other, DUALPROP_SGD);
    uint64_t with = bytes_of_optimizer(&other, DUALPROP_PLAIN_SGD);
    ck_assert_uint_ge(with, bytes_of_optimizer(&other, DUALPROP_SGD) + (uint64_t)parameters * sizeof(double));
    small_destroy(&other);
    small_destroy(&plain);
}
END_TEST

START_TEST(test_frozen_and_slow_layers)
{
    struct small_plan plan = plan_of(_i);
    double before[SMALL_MAX_REALS], after[SMALL_MAX_REALS];
    struct small_network small = small_create(&plan);
    dualprop_layer *layer;
    ck_assert_int_eq(dualprop_network_layer(&layer, small.network, 1), DUALPROP_OK);
    ck_assert_int_eq(dualprop_layer_set_frozen(layer, 1), DUALPROP_OK);
    ck_assert_int_eq(dualprop_network_layer(&layer, small.network, 2), DUALPROP_OK);
    ck_assert_int_eq(dualprop_layer_set_learning_rate(layer, 0), DUALPROP_OK);
    for (int k = 1; k <= 3; k++) {
        read_weight(before, &small, k);
        train_fused(&small, 1);
        train_apart(&small, 1);
        read_weight(after, &small, k);
        int same = !memcmp(before, after, (size_t)weights_of(&small, k) * sizeof *before);
        ck_assert_int_eq(same, k <= 2);
    }
    small_destroy(&small);
}
END_TEST

/* The sums of x.x, y.y, x.y and |x - y|^2. */
static void add_products(double sums[4], const double *x, const double *y, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        sums[0] += x[i] * x[i], sums[1] += y[i] * y[i], sums[2] += x[i] * y[i];
        sums[3] += (x[i] - y[i]) * (x[i] - y[i]);
    }
}

/*
 * One optimizer holds the mean of two batches, as a sum, the other one that of the first of them, or that of the first
 * of them twice: of sums that are divided by the same number the differences keep all their digits.
 */
START_TEST(gradients_of_one_and_of_two_batches_are_compared_as_means)
{
    struct small_plan plan = plan_of(_i % 2);
    struct small_network small = small_create(&plan), single = small;
    int twice = _i / 2;
    expect_ok(dualprop_optimizer_create(&single.optimizer, small.network, DUALPROP_SGD));
    expect_ok(small_infer(&small));
    expect_ok(dualprop_gradient(single.optimizer, small.state));
    if (twice) expect_ok(dualprop_gradient_accumulate(single.optimizer, small.state));
    expect_ok(dualprop_gradient(small.optimizer, small.state));
    for (int64_t i = 0; i < plan.batch * plan.widths[0]; i++) small.x[i] = 0.7 - small.x[i];
    expect_ok(small_infer(&small));
    expect_ok(dualprop_gradient_accumulate(small.optimizer, small.state));
    for (int k = 1; k <= plan.layers; k++) {
        double x[2][SMALL_MAX_REALS], y[2][SMALL_MAX_REALS], sums[4] = { 0 }, cosine, norm, other, difference;
        small_read_gradient(x[0], x[1], &small, k);
        small_read_gradient(y[0], y[1], &single, k);
        add_products(sums, x[0], y[0], plan.widths[k - 1] * plan.widths[k]);
        add_products(sums, x[1], y[1], plan.widths[k]);
        expect_ok(dualprop_gradient_compare(&cosine, &norm, &other, &difference, small.optimizer, single.optimizer, k));
        ck_assert_double_eq_tol(norm, sqrt(sums[0]), 1e-12 * norm);
        ck_assert_double_eq_tol(other, sqrt(sums[1]), 1e-12 * other);
        ck_assert_double_eq_tol(cosine, sums[2] / sqrt(sums[0] * sums[1]), 1e-12);
        ck_assert_double_eq_tol(difference, sqrt(sums[3]), (twice ? 1e-12 : 1e-8) * norm);
        ck_assert_double_gt(difference, 1e-3 * norm);
    }
    dualprop_optimizer_destroy(single.optimizer);
    small_destroy(&small);
}
END_TEST

START_TEST(test_clipping)
{
    struct small_plan plan = plan_of(_i);
    double before[SMALL_MAX_REALS], after[SMALL_MAX_REALS], g[SMALL_MAX_REALS], bias[SMALL_MAX_REALS];
    struct small_network small = small_create(&plan);
    double sum = 0, norm;
    ck_assert_int_eq(dualprop_optimizer_set_clip(small.optimizer, 0.01), DUALPROP_OK);
    small_gradient(&small);
    for (int k = 1; k <= 3; k++) {
        ck_assert_int_eq(dualprop_gradient_compare(NULL, &norm, NULL, NULL, small.optimizer, small.optimizer, k),
                         DUALPROP_OK);
        sum += norm * norm;
    }
    ck_assert_double_gt(sqrt(sum), 0.01);
    read_weight(before, &small, 1);
    small_read_gradient(g, bias, &small, 1);
    ck_assert_int_eq(dualprop_step(small.optimizer), DUALPROP_OK);
    read_weight(after, &small, 1);
    for (int64_t i = 0; i < weights_of(&small, 1); i++) before[i] -= 0.025 * g[i] * 0.01 / sqrt(sum);
    ck_assert_double_le(relative_difference(after, before, weights_of(&small, 1)), 1e-14);
    small_destroy(&small);
}
END_TEST

/* Two micro-batches accumulated are one batch. */
START_TEST(test_accumulation)
{
    struct small_plan plan = plan_of(_i);
    double whole[SMALL_MAX_REALS], parts[SMALL_MAX_REALS], bias[SMALL_MAX_REALS];
    struct small_network small = small_create(&plan);
    small_gradient(&small);
    small_read_gradient(whole, bias, &small, 1);
    small.plan.batch = 1;
    ck_assert_int_eq(small_infer(&small), DUALPROP_OK);
    ck_assert_int_eq(dualprop_gradient(small.optimizer, small.state), DUALPROP_OK);
    memmove(small.x, small.x + 6, sizeof(double) * 18);
    memmove(small.y, small.y + 4, sizeof(double) * 12);
    small.plan.batch = 3;
    ck_assert_int_eq(small_infer(&small), DUALPROP_OK);
    ck_assert_int_eq(dualprop_gradient_accumulate(small.optimizer, small.state), DUALPROP_OK);
    small_read_gradient(parts, bias, &small, 1);
    ck_assert_double_le(relative_difference(parts, whole, weights_of(&small, 1)), 1e-14);
    small_destroy(&small);
}
END_TEST

/* ---- gradients in and out ---- */

static const char *const PARAMETERS[] = { "layer1.weight", "layer1.bias",   "layer2.weight",
                                          "layer2.bias",   "layer3.weight", "layer3.bias" };

static dualprop_view parameter_view(double *reals, const struct small_network *small, int parameter)
{
    const int64_t *widths = &small->plan.widths[parameter / 2];
    dualprop_view view = { .struct_size = sizeof view,
                           .data = reals,
                           .type = DUALPROP_F64,
                           .rank = 1,
                           .shape = { widths[1] },
                           .strides = { 1 } };
    if (parameter % 2 == 0) {
        view.rank = 2;
        view.shape[0] = widths[0];
        view.shape[1] = view.strides[0] = widths[1];
        view.strides[1] = 1;
    }
    return view;
}

/* Take the gradient of every parameter from one optimizer to another, and allocate nothing on the way. */
static void carry_gradient(struct small_network *to, struct small_network *from)
{
    double reals[SMALL_MAX_REALS];
    uint64_t before, after;
    expect_ok(dualprop_context_memory(NULL, NULL, &before, from->context));
    for (int i = 0; i < 6; i++) {
        dualprop_view view = parameter_view(reals, from, i);
        expect_ok(dualprop_gradient_read(&view, from->optimizer, PARAMETERS[i]));
        expect_ok(dualprop_gradient_write(to->optimizer, PARAMETERS[i], &view));
    }
    expect_ok(dualprop_context_memory(NULL, NULL, &after, from->context));
    ck_assert_uint_eq(before, after);
}

/* A gradient that went through the caller's hands gives the same step, to the bit, for every kind of optimizer. */
START_TEST(test_gradient_written_is_applied)
{
    for (int kind = DUALPROP_SGD; kind <= DUALPROP_PLAIN_SGD; kind++) {
        struct small_plan plan = plan_of(_i);
        struct small_network one = small_create(&plan), other = small_create(&plan);
        replace_optimizer(&one, kind);
        replace_optimizer(&other, kind);
        for (int step = 0; step < 3; step++) {
            small_gradient(&one);
            carry_gradient(&other, &one); /* which has inferred nothing itself */
            ck_assert_int_eq(dualprop_step(one.optimizer), DUALPROP_OK);
            ck_assert_int_eq(dualprop_step(other.optimizer), DUALPROP_OK);
            expect_same_weights(&one, &other);
        }
        small_destroy(&one);
        small_destroy(&other);
    }
}
END_TEST

/* One parameter's gradient alone: the others' are zero where none was held, and stay where one was. */
START_TEST(test_gradient_written_in_part)
{
    struct small_plan plan = plan_of(_i);
    double kept[SMALL_MAX_REALS], read[SMALL_MAX_REALS], given[4] = { 1, -2, 0.5, 1.0 / 3 };
    uint64_t before, after;
    struct small_network small = small_create(&plan);
    dualprop_view bias = parameter_view(given, &small, 5), weights = parameter_view(read, &small, 2);
    expect_ok(dualprop_gradient_write(small.optimizer, "layer3.bias", &bias));
    expect_ok(dualprop_gradient_read(&weights, small.optimizer, "layer2.weight"));
    for (int i = 0; i < 63; i++) ck_assert_double_eq(read[i], 0);

    small_gradient(&small);
    weights.data = kept;
    expect_ok(dualprop_gradient_read(&weights, small.optimizer, "layer2.weight"));
    ck_assert_int_eq(dualprop_gradient_accumulate(small.optimizer, small.state), DUALPROP_OK);
    ck_assert_int_eq(dualprop_gradient_accumulate(small.optimizer, small.state), DUALPROP_OK);
    expect_ok(dualprop_context_memory(NULL, NULL, &before, small.context));
    expect_ok(dualprop_gradient_write(small.optimizer, "layer3.bias", &bias));
    weights.data = read;
    expect_ok(dualprop_gradient_read(&weights, small.optimizer, "layer2.weight"));
    ck_assert_double_le(relative_difference(read, kept, 63), 1e-14);
    expect_ok(dualprop_gradient_write(small.optimizer, "layer2.weight", &weights));
    expect_ok(dualprop_gradient_read(&weights, small.optimizer, "layer2.weight"));
    ck_assert_double_le(relative_difference(read, kept, 63), 1e-14);
    expect_ok(dualprop_context_memory(NULL, NULL, &after, small.context));
    ck_assert_uint_eq(before, after);
    bias.data = read;
    expect_ok(dualprop_gradient_read(&bias, small.optimizer, "layer3.bias"));
    ck_assert_double_le(relative_difference(read, given, 4), 1e-15);

    given[2] = DBL_MAX; /* three times as much, the sum of three batches, is not held */
    bias.data = given;
    expect_error(dualprop_gradient_write(small.optimizer, "layer3.bias", &bias), DUALPROP_ERROR_NOT_FINITE,
                 "layer3.bias");
    given[2] = NAN;
    expect_error(dualprop_gradient_write(small.optimizer, "layer3.bias", &bias), DUALPROP_ERROR_NOT_FINITE,
                 "layer3.bias");
    small_destroy(&small);
}
END_TEST

static void replace_by_fused(struct small_network *small, int kind)
{
    dualprop_optimizer_destroy(small->optimizer);
    expect_ok(dualprop_optimizer_create_fused(&small->optimizer, small->network, kind));
}

/* One that keeps no gradient learns with the same bits, and is smaller by the gradient. */
START_TEST(test_learning_without_a_gradient)
{
    struct small_plan plan = plan_of(_i);
    for (int kind = DUALPROP_SGD; kind <= DUALPROP_PLAIN_SGD; kind++) {
        struct small_network fused = small_create(&plan), other = small_create(&plan);
        int64_t parameters = 0;
        dualprop_checkpoint *checkpoint;
        for (int k = 1; k <= plan.layers; k++) parameters += weights_of(&fused, k) + plan.widths[k];
        replace_optimizer(&fused, kind);
        uint64_t with = bytes_of_optimizer(&fused, kind);
        replace_by_fused(&fused, kind);
        uint64_t without = bytes_of_optimizer(&fused, kind);
        ck_assert_uint_ge(with, without + (uint64_t)parameters * sizeof(double));
        replace_by_fused(&fused, kind);
        replace_optimizer(&other, kind);
        expect_ok(dualprop_optimizer_set_weight_decay(fused.optimizer, 0.01));
        expect_ok(dualprop_optimizer_set_weight_decay(other.optimizer, 0.01));
        train_fused(&fused, 3);
        train_apart(&other, 3);
        expect_same_weights(&fused, &other);

        expect_ok(dualprop_checkpoint_create(&checkpoint, fused.context));
        expect_ok(dualprop_checkpoint_put_optimizer(checkpoint, fused.optimizer));
        dualprop_optimizer_destroy(fused.optimizer);
        expect_ok(dualprop_checkpoint_get_optimizer(&fused.optimizer, checkpoint, fused.network));
        dualprop_checkpoint_destroy(checkpoint);
        for (int i = 0; i < 2; i++) expect_ok(learn(&fused));
        train_apart(&other, 2);
        expect_same_weights(&fused, &other);

        /* Rates above 1 check the weights first. */
        expect_ok(dualprop_optimizer_set_learning_rate(fused.optimizer, 1.5));
        expect_ok(dualprop_optimizer_set_learning_rate(other.optimizer, 1.5));
        train_fused(&fused, 1);
        train_apart(&other, 1);
        expect_same_weights(&fused, &other);
        small_destroy(&other);
        small_destroy(&fused);
    }
}
END_TEST

START_TEST(test_what_needs_a_gradient_is_refused)
{
    struct small_plan plan = plan_of(_i);
    double g[SMALL_MAX_REALS], before[SMALL_MAX_REALS], after[SMALL_MAX_REALS], huge[4 * 4];
    struct small_network small = small_create(&plan), other = small_create(&plan);
    dualprop_view view = parameter_view(g, &small, 5), x = rows_of(small.x, 6), y = rows_of(small.y, 4);
    dualprop_view dyads = rows_of(huge, 4);
    dualprop_optimizer *kept = small.optimizer;
    const char *sentence = "keeps no gradient";
    expect_ok(dualprop_optimizer_create_fused(&small.optimizer, small.network, DUALPROP_SGD));
    expect_ok(small_infer(&small));
    expect_error(dualprop_gradient(small.optimizer, small.state), DUALPROP_ERROR_UNSUPPORTED, sentence);
    expect_error(dualprop_gradient_accumulate(small.optimizer, small.state), DUALPROP_ERROR_UNSUPPORTED, sentence);
    expect_error(dualprop_step(small.optimizer), DUALPROP_ERROR_UNSUPPORTED, sentence);
    expect_error(dualprop_gradient_read(&view, small.optimizer, "layer3.bias"), DUALPROP_ERROR_UNSUPPORTED, sentence);
    memset(g, 0, sizeof g);
    expect_error(dualprop_gradient_write(small.optimizer, "layer3.bias", &view), DUALPROP_ERROR_UNSUPPORTED, sentence);
    expect_error(dualprop_optimizer_set_clip(small.optimizer, 1), DUALPROP_ERROR_UNSUPPORTED, sentence);
    expect_ok(dualprop_optimizer_set_clip(small.optimizer, 0));
    expect_error(dualprop_optimizer_set_group(small.optimizer, NULL, 2), DUALPROP_ERROR_UNSUPPORTED, sentence);
    expect_ok(dualprop_gradient(kept, small.state));
    expect_error(dualprop_gradient_compare(NULL, NULL, NULL, NULL, small.optimizer, kept, 1),
                 DUALPROP_ERROR_UNSUPPORTED, sentence);
    expect_error(dualprop_gradient_compare(NULL, NULL, NULL, NULL, kept, small.optimizer, 1),
                 DUALPROP_ERROR_UNSUPPORTED, sentence);

    /* During an inference it learns as others do; from dyads beyond a step's range it does not. */
    replace_optimizer(&other, DUALPROP_SGD);
    expect_ok(dualprop_infer_begin(small.state, &x, &y));
    expect_ok(dualprop_infer_begin(other.state, &x, &y));
    for (int pass = 0; pass < 2; pass++) {
        expect_ok(dualprop_infer_pass(small.state));
        expect_ok(dualprop_infer_pass(other.state));
        expect_ok(dualprop_infer_update(small.optimizer, small.state));
        expect_ok(dualprop_infer_update(other.optimizer, other.state));
        expect_same_weights(&small, &other);
    }
    for (int i = 0; i < 16; i++) huge[i] = 1e40;
    expect_ok(dualprop_state_write(small.state, 3, DUALPROP_S_DELTA, &dyads));
    read_weight(before, &small, 3);
    expect_error(dualprop_infer_update(small.optimizer, small.state), DUALPROP_ERROR_NOT_FINITE,
                 "the gradient of layer 3 may exceed");
    read_weight(after, &small, 3);
    ck_assert_mem_eq(before, after, (size_t)weights_of(&small, 3) * sizeof *before);
    expect_ok(dualprop_infer_end(small.state));
    expect_error(dualprop_update(small.optimizer, small.state), DUALPROP_ERROR_NOT_FINITE, "layer 3");
    expect_ok(dualprop_infer_end(other.state));
    dualprop_optimizer_destroy(kept);
    small_destroy(&other);
    small_destroy(&small);
}
END_TEST

START_TEST(test_learning_rate_schedule)
{
    struct small_plan plan = plan_of(_i);
    struct small_network small = small_create(&plan);
    double rate;
    ck_assert_int_eq(dualprop_optimizer_set_learning_rate(small.optimizer, 1.0), DUALPROP_OK);
    ck_assert_int_eq(dualprop_optimizer_set_schedule(small.optimizer, DUALPROP_RATE_WARMUP_COSINE, 0.2, 0.1, 4, 8),
                     DUALPROP_OK);
    const double expected[] = {
        0.2, 0.4, 0.6, 0.8, 1.0, 0.1 + 0.9 * 0.5 * (1 + sqrt(0.5)), 0.55, 0.1 + 0.9 * 0.5 * (1 - sqrt(0.5)), 0.1, 0.1
    };
    for (int step = 0; step < 10; step++) {
        ck_assert_int_eq(dualprop_optimizer_info(NULL, NULL, &rate, small.optimizer), DUALPROP_OK);
        ck_assert_double_eq_tol(rate, expected[step], 1e-15);
        train_fused(&small, 1);
    }
    small_destroy(&small);
}
END_TEST

START_TEST(test_order_of_calls)
{
    struct small_plan plan = plan_of(_i);
    struct small_network small = small_create(&plan);
    ck_assert_int_eq(dualprop_update(small.optimizer, small.state), DUALPROP_ERROR_INVALID_STATE);
    ck_assert_int_eq(dualprop_step(small.optimizer), DUALPROP_ERROR_INVALID_STATE);
    small_gradient(&small);
    ck_assert_int_eq(dualprop_step(small.optimizer), DUALPROP_OK);
    ck_assert_int_eq(dualprop_step(small.optimizer), DUALPROP_ERROR_INVALID_STATE);
    ck_assert_int_eq(dualprop_rule_set_schedule(small.rule, DUALPROP_FORWARD, 3), DUALPROP_OK);
    ck_assert_int_eq(small_infer(&small), DUALPROP_ERROR_INVALID_STATE);
    ck_assert_int_eq(dualprop_state_prepare(small.state), DUALPROP_OK);
    ck_assert_int_eq(small_infer(&small), DUALPROP_OK);
    small_destroy(&small);
}
END_TEST

START_TEST(test_busy_network)
{
    struct small_plan plan = plan_of(_i);
    struct small_network small = small_create(&plan);
    struct small_network twin = small_twin(&small, DUALPROP_BP);
    /* clang-format off */
    dualprop_view x = { .struct_size = sizeof x, .data = small.x, .type = DUALPROP_F64, .rank = 2,
                        .shape = { 4, 6 }, .strides = { 6, 1 } };
    dualprop_view y = { .struct_size = sizeof y, .data = small.y, .type = DUALPROP_F64, .rank = 2,
                        .shape = { 4, 4 }, .strides = { 4, 1 } };
    /* clang-format on */
    small_gradient(&small);
    ck_assert_int_eq(dualprop_infer_begin(twin.state, &x, &y), DUALPROP_OK);
    ck_assert_int_eq(dualprop_step(small.optimizer), DUALPROP_ERROR_BUSY);
    ck_assert_int_eq(dualprop_update(small.optimizer, small.state), DUALPROP_ERROR_BUSY);
    ck_assert_int_eq(learn(&small), DUALPROP_ERROR_BUSY);
    ck_assert_int_eq(dualprop_infer_end(twin.state), DUALPROP_OK);
    ck_assert_int_eq(dualprop_update(small.optimizer, small.state), DUALPROP_OK);
    small_destroy(&twin);
    small_destroy(&small);
}
END_TEST

static void expect_finite_weights(struct small_network *small)
{
    double weight[SMALL_MAX_REALS];
    for (int k = 1; k <= 3; k++) {
        read_weight(weight, small, k);
        for (int64_t i = 0; i < weights_of(small, k); i++) ck_assert(isfinite(weight[i]));
    }
}

/* A learning rate far too large is reported, sooner or later, and no weight ever becomes NaN or infinite. */
START_TEST(test_huge_learning_rate)
{
    struct small_plan plan = plan_of(_i);
    struct small_network small = small_create(&plan);
    dualprop_status status = DUALPROP_OK;
    ck_assert_int_eq(dualprop_optimizer_set_learning_rate(small.optimizer, 1e6), DUALPROP_OK);
    for (int step = 0; step < 200 && status == DUALPROP_OK; step++) {
        status = small_infer(&small);
        if (status == DUALPROP_OK) status = dualprop_update(small.optimizer, small.state);
        expect_finite_weights(&small);
    }
    ck_assert(status == DUALPROP_ERROR_DIVERGED || status == DUALPROP_ERROR_NOT_FINITE);
    small_destroy(&small);
}
END_TEST

static void let_states_grow(dualprop_rule *rule)
{
    ck_assert_int_eq(dualprop_rule_set_divergence_limit(rule, 1e300), DUALPROP_OK);
}

/* A weight decay that turns weights over and makes them grow is stopped before they overflow, with a sentence. */
START_TEST(test_huge_weight_decay)
{
    static const int kinds[] = { DUALPROP_SGD, DUALPROP_ADAM, DUALPROP_ADAMW, DUALPROP_PLAIN_SGD };
    struct small_plan plan = plan_of(_i % 2);
    plan.configure = let_states_grow;
    struct small_network small = small_create(&plan);
    dualprop_status status = DUALPROP_OK;
    dualprop_optimizer_destroy(small.optimizer);
    expect_ok(dualprop_optimizer_create(&small.optimizer, small.network, kinds[_i / 2]));
    expect_ok(dualprop_optimizer_set_learning_rate(small.optimizer, 1e12));
    expect_ok(dualprop_optimizer_set_weight_decay(small.optimizer, 1e-3));
    for (int step = 0; step < 200 && status == DUALPROP_OK; step++) {
        expect_ok(small_infer(&small));
        status = dualprop_update(small.optimizer, small.state);
        expect_finite_weights(&small);
    }
    expect_error(status, DUALPROP_ERROR_NOT_FINITE, "the weights of layer");
    expect_error(learn(&small), DUALPROP_ERROR_NOT_FINITE, "the weights of layer");
    expect_ok(dualprop_optimizer_set_learning_rate(small.optimizer, 1e-3));
    small_destroy(&small);
}
END_TEST

START_TEST(test_non_finite_input)
{
    struct small_plan plan = plan_of(_i);
    const double bad[] = { NAN, INFINITY, -INFINITY };
    struct small_network small = small_create(&plan);
    for (int i = 0; i < 3; i++) {
        double kept = small.x[11];
        small.x[11] = bad[i];
        ck_assert_int_eq(small_infer(&small), DUALPROP_ERROR_NOT_FINITE);
        ck_assert_int_eq(dualprop_update(small.optimizer, small.state), DUALPROP_ERROR_INVALID_STATE);
        small.x[11] = kept;
        kept = small.y[3];
        small.y[3] = bad[i];
        ck_assert_int_eq(small_infer(&small), DUALPROP_ERROR_NOT_FINITE);
        small.y[3] = kept;
    }
    train_fused(&small, 1);
    small_destroy(&small);
}
END_TEST

START_TEST(test_cancel)
{
    struct small_plan plan = plan_of(_i);
    struct small_network small = small_create(&plan);
    ck_assert_int_eq(dualprop_context_cancel(small.context), DUALPROP_OK);
    ck_assert_int_eq(small_infer(&small), DUALPROP_ERROR_CANCELLED);
    ck_assert_int_eq(dualprop_context_resume(small.context), DUALPROP_OK);
    train_fused(&small, 1);
    small_destroy(&small);
}
END_TEST

/* Writing part of a dyad keeps the rest, and the layer's next visit reads its neighbours again. */
START_TEST(test_writing_dyads)
{
    struct small_plan plan = plan_of(_i);
    double plus[SMALL_MAX_REALS], minus[SMALL_MAX_REALS], kept[SMALL_MAX_REALS], again[SMALL_MAX_REALS];
    struct small_network small = small_create(&plan);
    /* clang-format off */
    dualprop_view x = { .struct_size = sizeof x, .data = small.x, .type = DUALPROP_F64, .rank = 2,
                        .shape = { 4, 6 }, .strides = { 6, 1 } };
    dualprop_view y = { .struct_size = sizeof y, .data = small.y, .type = DUALPROP_F64, .rank = 2,
                        .shape = { 4, 4 }, .strides = { 4, 1 } };
    dualprop_view s = { .struct_size = sizeof s, .data = plus, .type = DUALPROP_F64, .rank = 2,
                        .shape = { 4, 7 }, .strides = { 7, 1 } };
    /* clang-format on */
    ck_assert_int_eq(dualprop_infer_begin(small.state, &x, &y), DUALPROP_OK);
    ck_assert_int_eq(dualprop_infer_pass(small.state), DUALPROP_OK);
    small_read(kept, &small, 2, DUALPROP_S_PLUS);
    small_read(minus, &small, 2, DUALPROP_S_MINUS);
    for (int i = 0; i < 28; i++) plus[i] = 0.125 * i;
    ck_assert_int_eq(dualprop_state_write(small.state, 2, DUALPROP_S_PLUS, &s), DUALPROP_OK);
    small_read(again, &small, 2, DUALPROP_S_PLUS);
    ck_assert_double_le(relative_difference(again, plus, 28), 1e-15);
    small_read(again, &small, 2, DUALPROP_S_MINUS);
    ck_assert_double_le(relative_difference(again, minus, 28), 1e-14);
    ck_assert_int_eq(dualprop_infer_layer(small.state, 2), DUALPROP_OK);
    small_read(again, &small, 2, DUALPROP_S_PLUS);
    ck_assert_double_eq(relative_difference(again, kept, 28), 0);
    ck_assert_int_eq(dualprop_infer_end(small.state), DUALPROP_OK);
    ck_assert_int_eq(dualprop_state_write(small.state, 2, DUALPROP_S_PLUS, &s), DUALPROP_ERROR_INVALID_STATE);
    small_destroy(&small);
}
END_TEST

Suite *test_learning_suite(void)
{
    Suite *suite = suite_create("learning");
    TCase *tcase = tcase_create("each of BACKENDS");
    tcase_add_loop_test(tcase, test_update_is_gradient_and_step, 0, 2);
    tcase_add_loop_test(tcase, test_learning_in_one_call, 0, 2);
    tcase_add_loop_test(tcase, test_failed_learning_leaves_no_trace, 0, 2);
    tcase_add_loop_test(tcase, test_delayed_status_has_no_effect, 0, 2);
    tcase_add_loop_test(tcase, test_formulas, 0, 2);
    tcase_add_loop_test(tcase, test_plain_sgd, 0, 2);
    tcase_add_loop_test(tcase, test_learning_without_a_gradient, 0, 2);
    tcase_add_loop_test(tcase, test_what_needs_a_gradient_is_refused, 0, 2);
    tcase_add_loop_test(tcase, test_frozen_and_slow_layers, 0, 2);
    tcase_add_loop_test(tcase, gradients_of_one_and_of_two_batches_are_compared_as_means, 0, 4);
    tcase_add_loop_test(tcase, test_clipping, 0, 2);
    tcase_add_loop_test(tcase, test_accumulation, 0, 2);
    tcase_add_loop_test(tcase, test_gradient_written_is_applied, 0, 2);
    tcase_add_loop_test(tcase, test_gradient_written_in_part, 0, 2);
    tcase_add_loop_test(tcase, test_learning_rate_schedule, 0, 2);
    tcase_add_loop_test(tcase, test_order_of_calls, 0, 2);
    tcase_add_loop_test(tcase, test_busy_network, 0, 2);
    tcase_add_loop_test(tcase, test_huge_learning_rate, 0, 2);
    tcase_add_loop_test(tcase, test_huge_weight_decay, 0, 8);
    tcase_add_loop_test(tcase, test_non_finite_input, 0, 2);
    tcase_add_loop_test(tcase, test_cancel, 0, 2);
    tcase_add_loop_test(tcase, test_writing_dyads, 0, 2);
    suite_add_tcase(suite, tcase);
    return suite;
}
