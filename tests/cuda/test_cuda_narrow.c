/*
 * test_cuda_narrow.c - dense layers with few outputs, which kernels of ours multiply: by themselves, or, in a deferred
 * section, in the output step, in the update of the dyads below and in the learning step, with the same bits.
 */
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cuda_test.h"
#include "support/workbench.h"

#define ROOM 400000

static const struct shape {
    int64_t batch, inputs, outputs;
    int kernels; /* in a section: product with output step, product down with dyads, learning step; 0: not counted */
} shapes[] = {
    { 100, 32, 10, 3 }, { 1, 4, 1, 3 },    { 33, 516, 16, 3 }, { 256, 300, 3, 3 }, { 5, 13, 7, 0 },
    { 257, 64, 2, 0 },  { 9, 256, 17, 0 }, { 1025, 8, 4, 0 },  { 7, 1, 16, 0 },
};
#define SHAPES ((int)(sizeof shapes / sizeof shapes[0]))

/* What a step left. */
struct record {
    float values[ROOM];
    int64_t count;
    double start, max_abs, below;
};

static void keep(struct record *record, const float *array, int64_t count)
{
    ck_assert_int_le(record->count + count, ROOM);
    memcpy(record->values + record->count, array, (size_t)count * sizeof(float));
    record->count += count;
}

static float *numbers(workbench *bench, int64_t count)
{
    float *x = bench_reals(bench, count);
    for (int64_t i = 0; i < count; i++) x[i] = (float)random_below(&bench->random, 20011) / 10007 - 1;
    return x;
}

/* The last layer of a network in a training step: up, the output step, down with the dyads below, the step. */
static void step(struct record *record, workbench *bench, const struct shape *row, int loss, int activation,
                 int deferred)
{
    const dualprop_backend *with = bench->backend;
    memset(record, 0, sizeof *record);
    bench_begin(bench, 3);
    int64_t below = row->batch * row->inputs, above = row->batch * row->outputs, weights = row->inputs * row->outputs;
    dualprop_dense shape = { row->batch, row->inputs, row->outputs, NULL, 0 };
    float *x = numbers(bench, below), *w = numbers(bench, weights), *bias = numbers(bench, row->outputs);
    float *a = bench_reals(bench, above), *mean = bench_zeros(bench, above), *delta = bench_zeros(bench, above);
    float *prediction = bench_reals(bench, above), *target = numbers(bench, above), *down = bench_reals(bench, below);
    float *a_below = numbers(bench, below), *mean_below = bench_zeros(bench, below),
          *gradient = bench_reals(bench, weights);
    float *delta_below = bench_zeros(bench, below), *bias_gradient = bench_reals(bench, row->outputs);
    void *moments[4] = { bench_zeros(bench, weights), NULL, bench_zeros(bench, row->outputs), NULL };
    for (int64_t i = 0; i < above; i++) target[i] = (float)(i % row->outputs == i / row->outputs % row->outputs);
    dualprop_dyad start = { .activation = DUALPROP_IDENTITY,
                            .gain_plus = .5,
                            .gain_minus = .5,
                            .alpha = .5,
                            .count = above,
                            .width = row->outputs,
                            .a = a,
                            .mean = mean,
                            .max_abs = &record->start };
    dualprop_output output = { .loss = loss,
                               .gain_plus = .5,
                               .gain_minus = .5,
                               .alpha = .5,
                               .beta = .25,
                               .rows = row->batch,
                               .width = row->outputs,
                               .a = a,
                               .at = prediction,
                               .target = target,
                               .mean = mean,
                               .delta = delta,
                               .max_abs = &record->max_abs };
    dualprop_dyad hidden = start;
    hidden.activation = activation, hidden.count = below, hidden.width = row->inputs, hidden.a = a_below;
    hidden.top_down = down, hidden.mean = mean_below, hidden.delta = delta_below, hidden.max_abs = &record->below;
    dualprop_step_numbers numbers_of = {
        .kind = DUALPROP_SGD, .learning_rate = .125, .momentum = .5, .gradient_scale = 1
    };
    const standin_state *standin = cuda_peek();
    if (deferred) ck_assert_int_eq(with->begin_deferred(bench->self), DUALPROP_OK);
    ck_assert_int_eq(with->dense_bottom_up(bench->self, &shape, a, x, w, bias, &start), DUALPROP_OK);
    ck_assert_int_eq(with->copy(bench->self, prediction, a, (size_t)above * sizeof(float)), DUALPROP_OK);
    ck_assert_int_eq(with->output_step(bench->self, &output), DUALPROP_OK);
    ck_assert_int_eq(with->dense_top_down(bench->self, &shape, down, delta, w, &hidden), DUALPROP_OK);
    ck_assert_int_eq(with->dense_gradient(bench->self, &shape, gradient, bias_gradient, x, delta, .375, 0, &numbers_of,
                                          w, bias, moments),
                     DUALPROP_OK);
    long kernels = standin ? standin->kernels : 0, products = standin ? standin->products : 0;
    if (deferred) ck_assert_int_eq(with->end_deferred(bench->self, 0), DUALPROP_OK);
    ck_assert_int_eq(with->synchronize(bench->self), DUALPROP_OK);
    if (deferred && standin && row->kernels) {
        ck_assert_int_eq(standin->kernels - kernels, row->kernels);
        ck_assert_int_eq(standin->products - products, 0);
    }
    ck_assert(bench_intact(bench));
    keep(record, a, above), keep(record, prediction, above), keep(record, mean, above), keep(record, delta, above);
    keep(record, down, below), keep(record, mean_below, below), keep(record, delta_below, below);
    keep(record, w, weights), keep(record, bias, row->outputs);
    keep(record, moments[0], weights), keep(record, moments[2], row->outputs);
}

START_TEST(a_section_has_the_bits_of_calls)
{
    static struct record one, other;
    static const int activations[] = { DUALPROP_RELU, DUALPROP_TANH, DUALPROP_SOFTMAX };
    workbench bench;
    cuda_standin();
    cuda_open_bench(&bench, cuda_table(), DUALPROP_NUMERICS_STRICT);
    for (int i = 0; i < 3; i++) {
        int loss = i == 1 ? DUALPROP_CROSS_ENTROPY : DUALPROP_MSE;
        struct shape row = shapes[_i];
        if (activations[i] == DUALPROP_SOFTMAX) row.kernels = 0;
        step(&one, &bench, &row, loss, activations[i], 0);
        step(&other, &bench, &row, loss, activations[i], 1);
        ck_assert_int_eq(one.count, other.count);
        for (int64_t k = 0; k < one.count; k++)
            ck_assert_msg(memcmp(&one.values[k], &other.values[k], sizeof(float)) == 0, "%lld of %lld: %.9g, %.9g",
                          (long long)k, (long long)one.count, (double)one.values[k], (double)other.values[k]);
        ck_assert(one.start == other.start && one.max_abs == other.max_abs && one.below == other.below);
    }
    bench_close(&bench);
    cuda_check_clean(0);
}
END_TEST

/* Each sum is that of exact terms, to f32's rounding of so many, in each precision. */
static void check_sum(double sum, double exact, double magnitude, int64_t terms, const char *what)
{
    double allowed = (double)(terms + 2) * 0x1p-24 * magnitude; /* each addition rounds what has been added so far */
    ck_assert_msg(fabs(sum - exact) <= allowed, "%s: %.9g, expected %.9g +- %.2g", what, sum, exact, allowed);
}

START_TEST(narrow_products_are_sums_in_f32)
{
    static const int numerics[] = { DUALPROP_NUMERICS_STRICT, DUALPROP_NUMERICS_TF32, DUALPROP_NUMERICS_BF16 };
    const struct shape *row = &shapes[2];
    workbench bench;
    cuda_standin();
    cuda_open_bench(&bench, cuda_table(), numerics[_i]);
    bench_begin(&bench, 4);
    int64_t batch = row->batch, inputs = row->inputs, outputs = row->outputs;
    dualprop_dense shape = { batch, inputs, outputs, NULL, 0 };
    float *x = numbers(&bench, batch * inputs), *w = numbers(&bench, inputs * outputs);
    float *delta = numbers(&bench, batch * outputs), *a = bench_reals(&bench, batch * outputs);
    float *down = bench_reals(&bench, batch * inputs), *gradient = numbers(&bench, inputs * outputs);
    float *kept = bench_reals(&bench, inputs * outputs), *bias = numbers(&bench, outputs);
    memcpy(kept, gradient, (size_t)(inputs * outputs) * sizeof *kept);
    ck_assert_int_eq(bench.backend->dense_bottom_up(bench.self, &shape, a, x, w, bias, NULL), DUALPROP_OK);
    ck_assert_int_eq(bench.backend->dense_top_down(bench.self, &shape, down, delta, w, NULL), DUALPROP_OK);
    ck_assert_int_eq(bench.backend->dense_gradient(bench.self, &shape, gradient, NULL, x, delta, .25, 1, NULL, NULL,
                                                   NULL, (void *[4]){ NULL }),
                     DUALPROP_OK);
    ck_assert_int_eq(bench.backend->synchronize(bench.self), DUALPROP_OK);
    for (int64_t b = 0; b < batch; b++)
        for (int64_t k = 0; k < outputs; k++) {
            double sum = (double)bias[k], magnitude = fabs(sum);
            for (int64_t i = 0; i < inputs; i++) {
                sum += (double)x[b * inputs + i] * (double)w[i * outputs + k];
                magnitude += fabs((double)x[b * inputs + i] * (double)w[i * outputs + k]);
            }
            check_sum((double)a[b * outputs + k], sum, magnitude, inputs, "up");
        }
    for (int64_t b = 0; b < batch; b++)
        for (int64_t i = 0; i < inputs; i++) {
            double sum = 0, magnitude = 0;
            for (int64_t k = 0; k < outputs; k++) {
                sum += (double)delta[b * outputs + k] * (double)w[i * outputs + k];
                magnitude += fabs((double)delta[b * outputs + k] * (double)w[i * outputs + k]);
            }
            check_sum((double)down[b * inputs + i], sum, magnitude, outputs, "down");
        }
    for (int64_t i = 0; i < inputs; i++)
        for (int64_t k = 0; k < outputs; k++) {
            double sum = (double)kept[i * outputs + k], magnitude = fabs(sum);
            for (int64_t b = 0; b < batch; b++) {
                sum += .25 * (double)x[b * inputs + i] * (double)delta[b * outputs + k];
                magnitude += fabs(.25 * (double)x[b * inputs + i] * (double)delta[b * outputs + k]);
            }
            check_sum((double)gradient[i * outputs + k], sum, magnitude, batch, "gradient");
        }
    bench_close(&bench);
    cuda_check_clean(0);
}
END_TEST

/* What comes down is written as it is by itself, and dyads are updated with it, as they are by themselves. */
START_TEST(what_comes_down_is_there_with_an_update)
{
    static const int activations[] = { DUALPROP_RELU, DUALPROP_TANH };
    const struct shape *row = &shapes[2];
    workbench bench;
    cuda_standin();
    cuda_open_bench(&bench, cuda_table(), DUALPROP_NUMERICS_STRICT);
    bench_begin(&bench, 6);
    int64_t below = row->batch * row->inputs;
    dualprop_dense shape = { row->batch, row->inputs, row->outputs, NULL, 0 };
    float *w = numbers(&bench, row->inputs * row->outputs), *delta = numbers(&bench, row->batch * row->outputs);
    float *a = numbers(&bench, below), *down[2], *mean[2], *deltas[2];
    for (int i = 0; i < 2; i++) {
        down[i] = bench_reals(&bench, below);
        mean[i] = bench_zeros(&bench, below);
        deltas[i] = bench_zeros(&bench, below);
    }
    dualprop_dyad apart = { .activation = activations[_i],
                            .gain_plus = .75,
                            .gain_minus = .25,
                            .alpha = .5,
                            .count = below,
                            .width = row->inputs,
                            .a = a,
                            .top_down = down[0],
                            .mean = mean[0],
                            .delta = deltas[0] };
    dualprop_dyad together = apart;
    together.top_down = down[1], together.mean = mean[1], together.delta = deltas[1];
    ck_assert_int_eq(bench.backend->dense_top_down(bench.self, &shape, down[0], delta, w, NULL), DUALPROP_OK);
    ck_assert_int_eq(bench.backend->dyad_update(bench.self, &apart), DUALPROP_OK);
    ck_assert_int_eq(bench.backend->dense_top_down(bench.self, &shape, down[1], delta, w, &together), DUALPROP_OK);
    ck_assert_int_eq(bench.backend->synchronize(bench.self), DUALPROP_OK);
    ck_assert(memcmp(down[0], down[1], (size_t)below * sizeof(float)) == 0);
    ck_assert(memcmp(mean[0], mean[1], (size_t)below * sizeof(float)) == 0);
    ck_assert(memcmp(deltas[0], deltas[1], (size_t)below * sizeof(float)) == 0);
    bench_close(&bench);
    cuda_check_clean(0);
}
END_TEST

/* Numbers that end where a page does, after which nothing may be read; they are mapped for the life of the process. */
static float *numbers_at_the_end(workbench *bench, int64_t count)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = (size_t)count * sizeof(float);
    size_t pages = (bytes + page - 1) / page * page;
    char *begin = mmap(NULL, pages + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert(begin != MAP_FAILED && mprotect(begin + pages, page, PROT_NONE) == 0);
    float *x = (float *)(begin + pages - bytes), *drawn = numbers(bench, count);
    return memcpy(x, drawn, bytes);
}

/*
 * The learning step forms the gradients of weights and biases by fours, of which the last lie beyond the end: it reads
 * nothing there. Both tensors learn, though they are in one launch.
 */
START_TEST(a_step_learns_all_and_reads_no_further)
{
    enum { BATCH = 5, INPUTS = 13, OUTPUTS = 7, WEIGHTS = INPUTS * OUTPUTS };
    workbench bench;
    if (cuda_needs_standin("memory that ends")) return;
    cuda_standin();
    cuda_open_bench(&bench, cuda_table(), DUALPROP_NUMERICS_STRICT);
    bench_begin(&bench, 7);
    dualprop_dense shape = { BATCH, INPUTS, OUTPUTS, NULL, 0 };
    float *x = numbers_at_the_end(&bench, BATCH * INPUTS), *delta = numbers_at_the_end(&bench, BATCH * OUTPUTS);
    float *w = numbers(&bench, WEIGHTS), *bias = numbers(&bench, OUTPUTS), before[WEIGHTS], bias_before[OUTPUTS];
    float *gradient = bench_reals(&bench, WEIGHTS), *bias_gradient = bench_reals(&bench, OUTPUTS);
    dualprop_step_numbers step_of = { .kind = DUALPROP_PLAIN_SGD, .learning_rate = .125, .gradient_scale = 1 };
    memcpy(before, w, sizeof before);
    memcpy(bias_before, bias, sizeof bias_before);
    ck_assert_int_eq(bench.backend->begin_deferred(bench.self), DUALPROP_OK);
    ck_assert_int_eq(bench.backend->dense_gradient(bench.self, &shape, gradient, bias_gradient, x, delta, .375, 0,
                                                   &step_of, w, bias, (void *[4]){ NULL }),
                     DUALPROP_OK);
    ck_assert_int_eq(bench.backend->end_deferred(bench.self, 0), DUALPROP_OK);
    ck_assert_int_eq(bench.backend->synchronize(bench.self), DUALPROP_OK);
    for (int i = 0; i < INPUTS; i++)
        for (int k = 0; k < OUTPUTS; k++) {
            double sum = 0;
            for (int b = 0; b < BATCH; b++) sum += (double)x[b * INPUTS + i] * (double)delta[b * OUTPUTS + k];
            ck_assert_double_eq_tol(w[i * OUTPUTS + k], before[i * OUTPUTS + k] - .125 * .375 * sum, 1e-5);
        }
    for (int k = 0; k < OUTPUTS; k++) {
        double sum = 0;
        for (int b = 0; b < BATCH; b++) sum += (double)delta[b * OUTPUTS + k];
        ck_assert_double_eq_tol(bias[k], bias_before[k] - .125 * .375 * sum, 1e-5);
    }
    ck_assert(bench_intact(&bench));
    bench_close(&bench);
    cuda_check_clean(0);
}
END_TEST

Suite *test_cuda_narrow_suite(void)
{
    Suite *suite = suite_create("cuda narrow");
    TCase *tests = tcase_create("narrow");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, a_section_has_the_bits_of_calls, 0, SHAPES);
    tcase_add_loop_test(tests, narrow_products_are_sums_in_f32, 0, 3);
    tcase_add_loop_test(tests, what_comes_down_is_there_with_an_update, 0, 2);
    tcase_add_test(tests, a_step_learns_all_and_reads_no_further);
    suite_add_tcase(suite, tests);
    return suite;
}
