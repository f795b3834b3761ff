/*
 * test_extreme_steps.c - learning steps from numbers at the edges of a type: finite ones stay finite, what a step
 * leaves can be saved and loaded, moments do not stay subnormal, and all backends and instruction sets give the same
 * bits.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "main.h"
#include "support/expect.h"
#include "support/randomness.h"

enum { WIDTH = 6, HIDDEN = 9, CLASSES = 4, ELEMENTS = WIDTH * HIDDEN, MOST_BYTES = 8192 };

static const struct {
    const char *name;
    int64_t rows, columns;
} parameters[] = {
    { "layer1.weight", WIDTH, HIDDEN },
    { "layer1.bias", HIDDEN, 0 },
    { "layer2.weight", HIDDEN, CLASSES },
    { "layer2.bias", CLASSES, 0 },
};
enum { PARAMETERS = sizeof parameters / sizeof *parameters };

typedef struct learner {
    dualprop_context *context;
    dualprop_network *network;
    dualprop_optimizer *optimizer;
} learner;

/* 0: this processor does not have the level. */
static int learner_create(learner *made, int backend, int level, int precision, int kind)
{
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    options.level = level;
    options.precision = precision;
    dualprop_status status = dualprop_context_create(&made->context, backend, &options);
    if (status == DUALPROP_ERROR_UNSUPPORTED || status == DUALPROP_ERROR_NO_BACKEND) return 0;
    expect_ok(status);
    expect_ok(dualprop_network_create(&made->network, made->context, 1, 1, WIDTH));
    expect_ok(dualprop_network_add_dense(made->network, HIDDEN, DUALPROP_RELU));
    expect_ok(dualprop_network_add_dense(made->network, CLASSES, DUALPROP_IDENTITY));
    expect_ok(dualprop_network_initialize(made->network, 1));
    expect_ok(dualprop_optimizer_create(&made->optimizer, made->network, kind));
    return 1;
}

static void learner_destroy(learner *made)
{
    dualprop_optimizer_destroy(made->optimizer);
    dualprop_network_destroy(made->network);
    dualprop_context_destroy(made->context);
}

static dualprop_view view_of(double *reals, int i)
{
    return parameters[i].columns ? matrix_view(reals, DUALPROP_F64, parameters[i].rows, parameters[i].columns)
                                 : vector_view(reals, DUALPROP_F64, parameters[i].rows);
}

typedef double draw(randomness *random, int precision);

static void write_all(learner *to, int gradients, draw *number, randomness *random, int precision)
{
    double reals[ELEMENTS];
    for (int i = 0; i < PARAMETERS; i++) {
        dualprop_view view = view_of(reals, i);
        for (int64_t j = 0; j < ELEMENTS; j++) reals[j] = number(random, precision);
        if (gradients) expect_ok(dualprop_gradient_write(to->optimizer, parameters[i].name, &view));
        else expect_ok(dualprop_network_write(to->network, parameters[i].name, &view));
    }
}

static dualprop_checkpoint *checkpoint_of(const learner *from)
{
    dualprop_checkpoint *checkpoint;
    expect_ok(dualprop_checkpoint_create(&checkpoint, from->context));
    expect_ok(dualprop_checkpoint_put_network(checkpoint, from->network));
    expect_ok(dualprop_checkpoint_put_optimizer(checkpoint, from->optimizer));
    return checkpoint;
}

typedef struct contents {
    size_t size;
    int not_finite, subnormal[2]; /* of first and second moments */
    unsigned char bytes[MOST_BYTES];
} contents;

static int class_of(const dualprop_view *view, int64_t i)
{
    return view->type == DUALPROP_F32 ? fpclassify(((const float *)view->data)[i])
                                      : fpclassify(((const double *)view->data)[i]);
}

static void add_tensor(contents *to, const char *name, const dualprop_view *view)
{
    int64_t count = view->shape[0] * (view->rank > 1 ? view->shape[1] : 1);
    size_t bytes = (size_t)count * (view->type == DUALPROP_F32 ? 4 : 8);
    const char *moment = strstr(name, ".moment");
    for (int64_t i = 0; i < count; i++) {
        int class = class_of(view, i);
        to->not_finite += class == FP_NAN || class == FP_INFINITE;
        if (moment && class == FP_SUBNORMAL) to->subnormal[moment[7] - '1']++;
    }
    ck_assert_uint_le(to->size + bytes, MOST_BYTES);
    memcpy(to->bytes + to->size, view->data, bytes);
    to->size += bytes;
}

/* Parameters and moments, bit by bit, from a checkpoint that has to load again. */
static void look(contents *seen, const learner *at)
{
    dualprop_checkpoint *checkpoint = checkpoint_of(at);
    dualprop_optimizer *loaded = NULL;
    int64_t count;
    int kind;
    *seen = (contents){ 0 };
    expect_ok(dualprop_checkpoint_tensor_count(&count, checkpoint));
    expect_ok(dualprop_optimizer_info(&kind, NULL, NULL, at->optimizer));
    ck_assert_int_ge(count, (kind == DUALPROP_PLAIN_SGD ? 1 : 2) * PARAMETERS);
    for (int64_t i = 0; i < count; i++) {
        const char *name;
        dualprop_view view = { .struct_size = sizeof view };
        expect_ok(dualprop_checkpoint_tensor(&name, &view, checkpoint, i));
        add_tensor(seen, name, &view);
    }
    expect_ok(dualprop_checkpoint_get_optimizer(&loaded, checkpoint, at->network));
    dualprop_optimizer_destroy(loaded);
    dualprop_checkpoint_destroy(checkpoint);
}

/* ---- numbers ---- */

static double any_finite(randomness *random, int precision)
{
    const double f32[] = { 0, 1, FLT_MAX, 3e38, 1e30, 1e19, 1e-20, FLT_MIN, FLT_MIN / 8 };
    const double f64[] = { 0, 1, DBL_MAX, 1e308, 1e300, 1e155, 1e-160, DBL_MIN, DBL_MIN / 8 };
    double size = (precision == DUALPROP_F32 ? f32 : f64)[random_below(random, 9)];
    return random_below(random, 2) ? size : -size;
}

/* As large as a step allows; see the head of step.c. */
static double any_gradient(randomness *random, int precision)
{
    const double sizes[] = { 0, 1, 1e14, 1e-30 };
    double size = sizes[random_below(random, 4)];
    if (precision == DUALPROP_F64 && size == 1e14) size = 1e28;
    return random_below(random, 2) ? size : -size;
}

static double no_gradient(randomness *random, int precision)
{
    (void)random, (void)precision;
    return 0;
}

/* Its tenth, and the thousandth of its square, lie about the smallest normal number. */
static double tiny_gradient(randomness *random, int precision)
{
    double first = precision == DUALPROP_F32 ? -37 : -307, second = precision == DUALPROP_F32 ? -17.5 : -152.5;
    double size = pow(10, (random_below(random, 2) ? first : second) + random_uniform(random, -3, 1));
    return random_below(random, 2) ? size : -size;
}

/* ---- what a step promises ---- */

static const int kinds[] = { DUALPROP_SGD, DUALPROP_ADAM, DUALPROP_ADAMW, DUALPROP_PLAIN_SGD };
static const int precisions[] = { DUALPROP_F32, DUALPROP_F64 };

static void make_extreme_steps(contents *seen, learner *with, int precision)
{
    randomness random = random_start(7);
    expect_ok(dualprop_optimizer_set_weight_decay(with->optimizer, 0.01));
    write_all(with, 0, any_finite, &random, precision);
    for (int step = 0; step < 12; step++) {
        write_all(with, 1, any_gradient, &random, precision);
        expect_ok(dualprop_step(with->optimizer));
        look(seen, with);
        ck_assert_msg(seen->not_finite == 0, "step %d left %d numbers that are not finite", step, seen->not_finite);
    }
}

static void make_tiny_steps(contents *seen, learner *with, int precision)
{
    randomness random = random_start(8);
    for (int step = 0; step < 8; step++) {
        write_all(with, 1, step < 2 ? tiny_gradient : no_gradient, &random, precision);
        expect_ok(dualprop_step(with->optimizer));
        look(seen, with);
        ck_assert_int_eq(seen->subnormal[0], 0);
        ck_assert_int_eq(seen->subnormal[1], 0);
    }
}

static const struct {
    int backend, level;
} machines[] = {
    { DUALPROP_BACKEND_REFERENCE, DUALPROP_LEVEL_AUTO },
    { DUALPROP_BACKEND_BLIS, DUALPROP_LEVEL_BASELINE },
    { DUALPROP_BACKEND_BLIS, DUALPROP_LEVEL_AVX2 },
    { DUALPROP_BACKEND_BLIS, DUALPROP_LEVEL_AVX512 },
};
enum { MACHINES = sizeof machines / sizeof *machines };

static void same_everywhere(void (*steps)(contents *, learner *, int), int number)
{
    static contents first, other;
    int precision = precisions[number % 2], kind = kinds[number / 2];
    for (int i = 0; i < MACHINES; i++) {
        learner one;
        if (!learner_create(&one, machines[i].backend, machines[i].level, precision, kind)) continue;
        steps(i == 0 ? &first : &other, &one, precision);
        ck_assert_msg(i == 0 || (first.size == other.size && !memcmp(first.bytes, other.bytes, first.size)),
                      "machine %d has other bits", i);
        learner_destroy(&one);
    }
}

/* Weight decay adds a hundredth of a weight of 3e38 to the gradient, whose square once was an infinite second
 * moment. */
START_TEST(finite_numbers_stay_finite)
{
    same_everywhere(make_extreme_steps, _i);
}
END_TEST

/* Where a relu is dead the gradient is zero and moments shrink step by step: once they stayed subnormal for ever. */
START_TEST(moments_are_not_subnormal)
{
    same_everywhere(make_tiny_steps, _i);
}
END_TEST

/* With a tiny epsilon m / (sqrt(v) + epsilon) would jump if v were flushed. */
START_TEST(second_moments_stay_where_epsilon_is_tiny)
{
    static contents seen;
    int precision = precisions[_i % 2];
    randomness random = random_start(9);
    learner one;
    ck_assert(learner_create(&one, DUALPROP_BACKEND_REFERENCE, DUALPROP_LEVEL_AUTO, precision, kinds[1 + _i / 2]));
    expect_ok(dualprop_optimizer_set_moments(one.optimizer, 0.9, 0.999, 1e-13));
    write_all(&one, 1, tiny_gradient, &random, precision);
    expect_ok(dualprop_step(one.optimizer));
    look(&seen, &one);
    ck_assert_int_eq(seen.subnormal[0], 0);
    ck_assert_int_gt(seen.subnormal[1], 0);
    learner_destroy(&one);
}
END_TEST

Suite *test_extreme_steps_suite(void)
{
    Suite *suite = suite_create("extreme_steps");
    TCase *tcase = tcase_create("each kind and precision");
    tcase_add_loop_test(tcase, finite_numbers_stay_finite, 0, 8);
    tcase_add_loop_test(tcase, moments_are_not_subnormal, 0, 6); /* plain SGD has none */
    tcase_add_loop_test(tcase, second_moments_stay_where_epsilon_is_tiny, 0, 4);
    suite_add_tcase(suite, tcase);
    return suite;
}
