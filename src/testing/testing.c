/*
 * testing.c - see dualprop/testing.h.
 *
 * Each case runs twice: on the table under test, and on the reference backend in double, with the same numbers (all are
 * rounded to float, so that both types hold them). What a slot writes is recorded as doubles and compared.
 */
#include <dualprop/testing.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD = 64, MOST_ARRAYS = 24, MOST_RESULTS = 8, THREADS = 3 };

/* ---- a host for instances without a context ---- */

static void *testing_allocate(void *user_data, size_t size, size_t alignment)
{
    (void)user_data;
    return aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

static void testing_release(void *user_data, void *pointer, size_t size)
{
    (void)user_data;
    (void)size;
    free(pointer);
}

/* From the last task to the first: results must not depend on the order. */
static void run_tasks(void *user_data, void (*task)(void *argument, int64_t index), void *argument, int64_t count)
{
    (void)user_data;
    for (int64_t i = count - 1; i >= 0; i--) task(argument, i);
}

static int testing_threads(void *user_data)
{
    (void)user_data;
    return THREADS;
}

static void no_log(void *user_data, int level, const char *component, const char *message)
{
    (void)user_data, (void)level, (void)component, (void)message;
}

static dualprop_status keep_sentence(void *user_data, dualprop_status status, const char *sentence)
{
    snprintf(user_data, 256, "%s", sentence);
    return status;
}

static char said[256]; /* the last sentence of an instance; the tester is for one thread */
static const dualprop_host testing_host = { sizeof(dualprop_host),
                                            said,
                                            testing_allocate,
                                            testing_release,
                                            run_tasks,
                                            testing_threads,
                                            no_log,
                                            keep_sentence,
                                            DUALPROP_NUMERICS_STRICT,
                                            0,
                                            0,
                                            0 };

/* ---- one side: an instance, its guarded arrays, and what its slots wrote ---- */

struct result {
    const char *name;
    double *values;
    int64_t count;
    double tolerance; /* absolute */
};

struct side {
    const dualprop_backend *table;
    void *self;
    int type;
    uint64_t random;
    unsigned char *blocks[MOST_ARRAYS];
    size_t sizes[MOST_ARRAYS];
    int arrays;
    struct result results[MOST_RESULTS];
    int result_count;
};

static size_t real_size(const struct side *side)
{
    return side->type == DUALPROP_F32 ? sizeof(float) : sizeof(double);
}

/* Bytes between guards, 0xff: reals that nothing has written are NaN. */
static void *guarded(struct side *side, size_t bytes)
{
    size_t rounded = (bytes + GUARD - 1) / GUARD * GUARD;
    unsigned char *block = aligned_alloc(GUARD, rounded + 2 * GUARD);
    if (!block || side->arrays == MOST_ARRAYS) abort(); /* a test program without memory cannot say more */
    memset(block, 0xa5, rounded + 2 * GUARD);
    memset(block + GUARD, 0xff, bytes);
    side->blocks[side->arrays] = block;
    side->sizes[side->arrays++] = bytes;
    return block + GUARD;
}

static int guards_are_intact(const struct side *side)
{
    for (int i = 0; i < side->arrays; i++) {
        const unsigned char *block = side->blocks[i];
        size_t end = (side->sizes[i] + GUARD - 1) / GUARD * GUARD + 2 * GUARD;
        for (size_t k = 0; k < GUARD; k++)
            if (block[k] != 0xa5) return 0;
        for (size_t k = GUARD + side->sizes[i]; k < end; k++)
            if (block[k] != 0xa5) return 0;
    }
    return 1;
}

static void set_real(const struct side *side, void *reals, int64_t i, double value)
{
    if (side->type == DUALPROP_F32) ((float *)reals)[i] = (float)value;
    else ((double *)reals)[i] = value;
}

static double get_real(const struct side *side, const void *reals, int64_t i)
{
    return side->type == DUALPROP_F32 ? (double)((const float *)reals)[i] : ((const double *)reals)[i];
}

static void *empty(struct side *side, int64_t count)
{
    return guarded(side, (size_t)count * real_size(side));
}

static double next_uniform(struct side *side, double low, double high)
{
    side->random = side->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (float)(low + (high - low) * (double)(side->random >> 40) * 0x1p-24);
}

/* The same numbers on both sides, in the order of the calls. */
static void *uniform(struct side *side, int64_t count, double low, double high)
{
    void *reals = empty(side, count);
    for (int64_t i = 0; i < count; i++) set_real(side, reals, i, next_uniform(side, low, high));
    return reals;
}

static void *of_weights(struct side *side, int64_t inputs, int64_t outputs, double low, double high)
{
    void *rows = uniform(side, inputs * outputs, low, high);
    if (!side->table->weight_elements) return rows;
    void *weights = empty(side, side->table->weight_elements(side->self, inputs, outputs));
    return side->table->write_weights(side->self, weights, rows, inputs, outputs) == DUALPROP_OK ? weights : rows;
}

/* The values of another result, for the caller to write. */
static double *new_result(struct side *side, const char *name, int64_t count, double tolerance)
{
    double *values = malloc((size_t)count * sizeof *values);
    if (!values || side->result_count == MOST_RESULTS) abort();
    side->results[side->result_count++] = (struct result){ name, values, count, tolerance };
    return values;
}

static void note(struct side *side, const char *name, const void *reals, int64_t count, double tolerance)
{
    double *values = new_result(side, name, count, tolerance);
    for (int64_t i = 0; i < count; i++) values[i] = get_real(side, reals, i);
}

static void note_numbers(struct side *side, const char *name, const double *numbers, int64_t count, double tolerance)
{
    memcpy(new_result(side, name, count, tolerance), numbers, (size_t)count * sizeof *numbers);
}

static void note_weights(struct side *side, const char *name, const void *weights, int64_t inputs, int64_t outputs,
                         double tolerance)
{
    void *rows = empty(side, inputs * outputs);
    if (!side->table->read_weights) rows = (void *)(uintptr_t)weights;
    else if (side->table->read_weights(side->self, rows, weights, inputs, outputs) != DUALPROP_OK) return;
    note(side, name, rows, inputs * outputs, tolerance);
}

static void clear(struct side *side)
{
    for (int i = 0; i < side->arrays; i++) free(side->blocks[i]);
    for (int i = 0; i < side->result_count; i++) free(side->results[i].values);
    side->arrays = side->result_count = 0;
}

/* ---- the cases: sizes around the tiles of kernels, and not ---- */

static const struct {
    int64_t batch, inputs, outputs;
} shapes[] = {
    { 1, 1, 1 }, { 1, 3, 2 }, { 2, 17, 5 }, { 7, 31, 33 }, { 13, 64, 10 }, { 33, 129, 65 }, { 3, 300, 270 },
};
static const int64_t lengths[] = { 1, 2, 7, 16, 65, 1001 };
static const int activations[] = { DUALPROP_IDENTITY,     DUALPROP_RELU,    DUALPROP_LEAKY_RELU,
                                   DUALPROP_HARD_SIGMOID, DUALPROP_SIGMOID, DUALPROP_TANH,
                                   DUALPROP_SOFTPLUS,     DUALPROP_ELU,     DUALPROP_SILU };

#define SHAPES ((int)(sizeof shapes / sizeof *shapes))
#define LENGTHS ((int)(sizeof lengths / sizeof *lengths))
#define ACTIVATIONS ((int)(sizeof activations / sizeof *activations))

/* A dyad update after a product, of which smooth activations keep the product's tolerance; or none. */
static const int followers[] = { -1, DUALPROP_IDENTITY, DUALPROP_TANH };

static double epsilon_of(const struct side *side)
{
    return DUALPROP_TESTING_EPSILON(side->type);
}

static dualprop_dyad dyad_of(struct side *side, int activation, int64_t count, double size, double *results)
{
    results[0] = results[1] = NAN;
    return (dualprop_dyad){
        .activation = activation,
        .gain_plus = 0.75,
        .gain_minus = 0.25,
        .alpha = 0.25,
        .count = count,
        .a = uniform(side, count, -3, 3),
        .top_down = uniform(side, count, -size, size),
        .mean = empty(side, count),
        .delta = empty(side, count),
        .max_abs = &results[0],
        .width = count,
    };
}

static void note_dyad(struct side *side, const dualprop_dyad *dyad, const double *results, double tolerance,
                      double delta_tolerance)
{
    note(side, "mean", dyad->mean, dyad->count, tolerance);
    note(side, "delta", dyad->delta, dyad->count, delta_tolerance);
    note_numbers(side, "max_abs", results, 1, tolerance);
}

/* Small top-down input, for which delta must not cancel: its error is of its own size. */
static dualprop_status run_dyad(struct side *side, int size, int variant)
{
    double results[2], top_down = variant / ACTIVATIONS ? 1e-4 : 2;
    dualprop_dyad dyad = dyad_of(side, activations[variant % ACTIVATIONS], lengths[size], top_down, results);
    dualprop_status status = side->table->dyad_update(side->self, &dyad);
    note_dyad(side, &dyad, results, 16 * epsilon_of(side), 16 * top_down * epsilon_of(side));
    return status;
}

static dualprop_dense shape_of(struct side *side, int size)
{
    dualprop_dense shape = { shapes[size].batch, shapes[size].inputs, shapes[size].outputs, NULL, 0 };
    if (side->table->dense_workspace)
        shape.workspace_bytes = side->table->dense_workspace(side->self, shape.batch, shape.inputs, shape.outputs);
    shape.workspace = guarded(side, (size_t)shape.workspace_bytes);
    return shape;
}

static dualprop_status run_bottom_up(struct side *side, int size, int variant)
{
    dualprop_dense shape = shape_of(side, size);
    int64_t count = shape.batch * shape.outputs;
    double results[2], tolerance = DUALPROP_TESTING_SUM_TOLERANCE(side->type, shape.inputs);
    void *x = uniform(side, shape.batch * shape.inputs, -1, 1);
    void *weights = of_weights(side, shape.inputs, shape.outputs, -1, 1), *bias = uniform(side, shape.outputs, -1, 1);
    int activation = followers[variant % 3];
    dualprop_dyad dyad = dyad_of(side, activation, count, 1, results);
    void *a = (void *)(uintptr_t)dyad.a;
    memset(a, 0xff, (size_t)count * real_size(side));
    dualprop_status status = side->table->dense_bottom_up(side->self, &shape, a, x, weights, variant < 3 ? bias : NULL,
                                                          activation >= 0 ? &dyad : NULL);
    note(side, "a", a, count, tolerance);
    if (activation >= 0) note_dyad(side, &dyad, results, 2 * tolerance, 2 * tolerance);
    return status;
}

static dualprop_status run_top_down(struct side *side, int size, int variant)
{
    dualprop_dense shape = shape_of(side, size);
    int64_t count = shape.batch * shape.inputs;
    double results[2], tolerance = DUALPROP_TESTING_SUM_TOLERANCE(side->type, shape.outputs);
    void *delta = uniform(side, shape.batch * shape.outputs, -1, 1);
    void *weights = of_weights(side, shape.inputs, shape.outputs, -1, 1);
    dualprop_dyad dyad = dyad_of(side, followers[variant], count, 1, results);
    void *top_down = (void *)(uintptr_t)dyad.top_down;
    memset(top_down, 0xff, (size_t)count * real_size(side));
    dualprop_status status = side->table->dense_top_down(side->self, &shape, top_down, delta, weights,
                                                         followers[variant] >= 0 ? &dyad : NULL);
    note(side, "top_down", top_down, count, tolerance);
    if (followers[variant] >= 0) note_dyad(side, &dyad, results, 2 * tolerance, 2 * tolerance);
    return status;
}

static dualprop_step_numbers step_of(int kind)
{
    return (dualprop_step_numbers){ .kind = kind,
                                    .learning_rate = 0.1,
                                    .momentum = 0.75,
                                    .beta1 = 0.75,
                                    .beta2 = 0.875,
                                    .epsilon = 0.01,
                                    .scale1 = 1.25,
                                    .scale2 = 1.5,
                                    .weight_decay = 0.125,
                                    .gradient_scale = 0.5 };
}

static const int kinds[] = { DUALPROP_SGD, DUALPROP_ADAM, DUALPROP_ADAMW, DUALPROP_PLAIN_SGD };
static const int moments_of_kind[] = { 1, 2, 2, 0 };

/* Variants 0 and 1: the gradient alone, added to another or not; 2 to 5: the learning step of each kind. */
static dualprop_status run_gradient(struct side *side, int size, int variant)
{
    dualprop_dense shape = shape_of(side, size);
    int64_t inputs = shape.inputs, outputs = shape.outputs;
    int kind = variant < 2 ? -1 : kinds[variant - 2], own = variant < 2 ? 0 : moments_of_kind[variant - 2];
    dualprop_step_numbers step = step_of(kind);
    void *x = uniform(side, shape.batch * inputs, -1, 1), *delta = uniform(side, shape.batch * outputs, -1, 1);
    void *gradient = of_weights(side, inputs, outputs, -1, 1), *bias_gradient = uniform(side, outputs, -1, 1);
    void *weights = of_weights(side, inputs, outputs, -1, 1), *bias = uniform(side, outputs, -1, 1);
    void *moments[4] = { of_weights(side, inputs, outputs, -1, 1), of_weights(side, inputs, outputs, 0.1, 1),
                         uniform(side, outputs, -1, 1), uniform(side, outputs, 0.1, 1) };
    for (int i = 0; i < 4; i++)
        if (i % 2 >= own) moments[i] = NULL;
    double tolerance = DUALPROP_TESTING_SUM_TOLERANCE(side->type, shape.batch);
    dualprop_status status = side->table->dense_gradient(
        side->self, &shape, gradient, bias_gradient, x, delta, -0.5 / (double)shape.batch, variant == 1,
        kind < 0 ? NULL : &step, kind < 0 ? NULL : weights, kind < 0 ? NULL : bias, moments);
    note_weights(side, kind < 0 ? "gradient" : "weights", kind < 0 ? gradient : weights, inputs, outputs, tolerance);
    note(side, kind < 0 ? "bias gradient" : "bias", kind < 0 ? bias_gradient : bias, outputs, tolerance);
    return status;
}

static dualprop_status run_step(struct side *side, int size, int variant)
{
    int64_t count = lengths[size];
    dualprop_step_numbers step = step_of(kinds[variant]);
    void *w = uniform(side, count, -1, 1), *g = uniform(side, count, -1, 1);
    void *first = moments_of_kind[variant] > 0 ? uniform(side, count, -1, 1) : NULL;
    void *second = moments_of_kind[variant] > 1 ? uniform(side, count, 0.1, 1) : NULL;
    dualprop_status status = side->table->optimizer_step(side->self, &step, count, w, g, first, second);
    note(side, "weights", w, count, 16 * epsilon_of(side));
    if (first) note(side, "first moment", first, count, 16 * epsilon_of(side));
    if (second) note(side, "second moment", second, count, 16 * epsilon_of(side));
    return status;
}

/* An output of this loss, and what its step is to be measured by. */
static dualprop_output output_of(struct side *side, int size, int loss, double *max_abs)
{
    int64_t rows = 1 + size, width = lengths[size] % 97, count;
    if (width < 2) width = 2;
    count = rows * width;
    *max_abs = NAN;
    void *a = uniform(side, count, -4, 4), *target = uniform(side, count, 0, 2.0 / (double)width);
    return (dualprop_output){ .loss = loss,
                              .gain_plus = 0.25,
                              .gain_minus = 0.75,
                              .alpha = 0.25,
                              .beta = 0.5,
                              .rows = rows,
                              .width = width,
                              .a = a,
                              .at = a,
                              .target = target,
                              .mean = empty(side, count),
                              .delta = empty(side, count),
                              .max_abs = max_abs };
}

static void note_output(struct side *side, const dualprop_output *output)
{
    note(side, "mean", output->mean, output->rows * output->width, 32 * epsilon_of(side));
    note(side, "delta", output->delta, output->rows * output->width, 32 * epsilon_of(side));
    note_numbers(side, "max_abs", output->max_abs, 1, 32 * epsilon_of(side));
}

static dualprop_status run_output(struct side *side, int size, int variant)
{
    double max_abs;
    dualprop_output output = output_of(side, size, variant ? DUALPROP_CROSS_ENTROPY : DUALPROP_MSE, &max_abs);
    dualprop_status status = side->table->output_step(side->self, &output);
    note_output(side, &output);
    return status;
}

static dualprop_status run_compare(struct side *side, int size, int variant)
{
    double sums[4] = { NAN, NAN, NAN, NAN };
    (void)variant;
    void *x = uniform(side, lengths[size], -1, 1), *y = uniform(side, lengths[size], -1, 1);
    dualprop_status status = side->table->compare(side->self, lengths[size], x, y, sums);
    note_numbers(side, "sums", sums, 4, DUALPROP_TESTING_SUM_TOLERANCE(side->type, lengths[size]));
    return status;
}

static dualprop_status run_max_abs(struct side *side, int size, int variant)
{
    double most = -1;
    void *x = uniform(side, lengths[size], -1, 1);
    if (variant) set_real(side, x, lengths[size] / 2, NAN); /* it has to be noticed */
    dualprop_status status = side->table->max_abs(side->self, lengths[size], x, &most);
    note_numbers(side, "max_abs", &most, 1, 0);
    return status;
}

/* Uniform numbers are equal on every backend, up to the type that holds them. */
static dualprop_status run_uniform(struct side *side, int size, int variant)
{
    void *x = empty(side, lengths[size]);
    dualprop_status status = side->table->fill_uniform(side->self, x, lengths[size], 7, 11, (uint64_t)variant * 3);
    note(side, "numbers", x, lengths[size], 2 * epsilon_of(side));
    return status;
}

/* ---- cases of other slots ---- */

#include "convolution_cases.h"
#include "optional_cases.h"

/* ---- running ---- */

struct family {
    const char *slot;
    dualprop_status (*run)(struct side *side, int size, int variant);
    int sizes, variants, cycle, fused_from; /* variants of each cycle from fused_from on pass a follower */
    int is_own;
};

/* Is a slot the caller's own? */
#define TESTING_OWNS(slot)                                                                  \
    (table->slot && table->slot != dualprop_backend_builtin(DUALPROP_BACKEND_AUTO)->slot && \
     table->slot != dualprop_backend_builtin(DUALPROP_BACKEND_REFERENCE)->slot)

static int is_near(double value, double expected, double absolute)
{
    if (isnan(value) || isnan(expected)) return isnan(value) && isnan(expected);
    return value == expected || fabs(value - expected) <= absolute * fmax(1, fabs(expected));
}

/* What is wrong with what was recorded; "" if nothing is. */
static void compare_sides(char sentence[256], const struct side *own, const struct side *reference)
{
    if (!guards_are_intact(own)) {
        snprintf(sentence, 256, "memory beside an array was written");
        return;
    }
    if (own->result_count != reference->result_count) {
        snprintf(sentence, 256, "weights could not be read");
        return;
    }
    for (int r = 0; r < own->result_count; r++)
        for (int64_t i = 0; i < own->results[r].count; i++) {
            double value = own->results[r].values[i], expected = reference->results[r].values[i];
            if (is_near(value, expected, own->results[r].tolerance)) continue;
            snprintf(sentence, 256, "%s[%lld] is %.9g; expected %.9g within %.2g", own->results[r].name, (long long)i,
                     value, expected, own->results[r].tolerance);
            return;
        }
}

static int run_case(struct side *own, struct side *reference, const struct family *family, int size, int variant,
                    dualprop_testing_report report, void *user_data)
{
    char what[128], sentence[256] = "";
    own->random = reference->random = (uint64_t)(size * 131 + variant) * UINT64_C(0x9e3779b97f4a7c15) + 1;
    dualprop_status status = family->run(own, size, variant);
    if (status != DUALPROP_OK) snprintf(sentence, sizeof sentence, "%.60s: %.180s", dualprop_status_name(status), said);
    else if (family->run(reference, size, variant) == DUALPROP_OK) compare_sides(sentence, own, reference);
    else snprintf(sentence, sizeof sentence, "the reference backend failed");
    snprintf(what, sizeof what, "%s, size %d, variant %d", family->slot, size, variant);
    if (report) report(user_data, sentence[0] == 0, what, sentence);
    clear(own);
    clear(reference);
    return sentence[0] == 0;
}

/* Would a context take the table? What it lacks is told in the library's words. */
static int is_table_right(const dualprop_backend *table, dualprop_testing_report report, void *user_data)
{
    char sentence[256] = "table is NULL; expected a table";
    dualprop_context *context = NULL;
    dualprop_options options = { .struct_size = sizeof options, .precision = DUALPROP_F32, .backend = table };
    dualprop_status status = DUALPROP_ERROR_INVALID_ARGUMENT;
    if (table) {
        status = dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, &options);
        if (status != DUALPROP_OK && dualprop_last_error(sentence, sizeof sentence, NULL, NULL) != DUALPROP_OK)
            return 0;
        dualprop_context_destroy(context);
    }
    int is_right = status != DUALPROP_ERROR_INVALID_ARGUMENT && status != DUALPROP_ERROR_BACKEND_VERSION;
    if (!is_right && report) report(user_data, 0, "the table", sentence);
    return is_right;
}

int dualprop_testing_slots(int *failed, const dualprop_backend *given, int type, dualprop_testing_report report,
                           void *user_data)
{
    dualprop_backend whole = { 0 }; /* an older header's is shorter */
    const dualprop_backend *table = &whole;
    if (failed) *failed = 1;
    if (!is_table_right(given, report, user_data)) return 1;
    memcpy(&whole, given, given->struct_size < sizeof whole ? (size_t)given->struct_size : sizeof whole);
    /* The nine share a layout, workspace and cache: one that is the caller's concerns the three directions. */
    int owns_maps = TESTING_OWNS(convolution_weight_elements) || TESTING_OWNS(write_convolution_weights) ||
                    TESTING_OWNS(read_convolution_weights) || TESTING_OWNS(convolution_workspace) ||
                    TESTING_OWNS(convolution_cache) || TESTING_OWNS(convolution_prepare) ||
                    TESTING_OWNS(convolution_bottom_up) || TESTING_OWNS(convolution_top_down) ||
                    TESTING_OWNS(convolution_gradient);
    const struct family families[] = {
        { "dyad_update", run_dyad, LENGTHS, 2 * ACTIVATIONS, 1, 1, TESTING_OWNS(dyad_update) },
        { "dense_bottom_up", run_bottom_up, SHAPES, 6, 3, 1, TESTING_OWNS(dense_bottom_up) },
        { "dense_top_down", run_top_down, SHAPES, 3, 3, 1, TESTING_OWNS(dense_top_down) },
        { "dense_gradient", run_gradient, SHAPES, 6, 6, 2, TESTING_OWNS(dense_gradient) },
        { "output_step", run_output, LENGTHS, 2, 1, 1, TESTING_OWNS(output_step) },
        { "optimizer_step", run_step, LENGTHS, 4, 1, 1, TESTING_OWNS(optimizer_step) },
        { "compare", run_compare, LENGTHS, 1, 1, 1, TESTING_OWNS(compare) },
        { "max_abs", run_max_abs, LENGTHS, 2, 1, 1, TESTING_OWNS(max_abs) },
        { "fill_uniform", run_uniform, LENGTHS, 2, 1, 1, TESTING_OWNS(fill_uniform) },
        { "convolution_bottom_up", run_map_up, IMAGES, 6, 3, 1, owns_maps },
        { "convolution_top_down", run_map_down, IMAGES, 3, 3, 1, owns_maps },
        { "convolution_gradient", run_map_gradient, IMAGES, 6, 6, 2, owns_maps },
        { "load_input", run_load, 1, 9, 1, 1, TESTING_OWNS(load_input) },
        { "evaluate", run_evaluate, LENGTHS, 2, 1, 1, TESTING_OWNS(evaluate) },
        { "extended_update", run_extended, LENGTHS, EXTENDED_VARIANTS, 1, 1, TESTING_OWNS(extended_update) },
        { "output_proximal", run_proximal, LENGTHS, 2, 1, 1, TESTING_OWNS(output_proximal) },
    };
    struct side own = { .table = table, .type = type };
    struct side reference = { .table = dualprop_backend_builtin(DUALPROP_BACKEND_REFERENCE), .type = DUALPROP_F64 };
    int cases = 0, failures = 0;
    if (failed) *failed = 0;
    if (table->create(&own.self, &testing_host, type, DUALPROP_LEVEL_AUTO) != DUALPROP_OK) return 0;
    if (reference.table->create(&reference.self, &testing_host, DUALPROP_F64, DUALPROP_LEVEL_AUTO) == DUALPROP_OK) {
        for (size_t f = 0; f < sizeof families / sizeof *families; f++) {
            const struct family *family = &families[f];
            int unfused = (table->flags & DUALPROP_BACKEND_UNFUSED) != 0;
            for (int size = 0; size < family->sizes && family->is_own; size++)
                for (int variant = 0; variant < family->variants; variant++) {
                    if (unfused && variant % family->cycle >= family->fused_from) continue;
                    cases++;
                    failures += !run_case(&own, &reference, family, size, variant, report, user_data);
                }
        }
        reference.table->destroy(reference.self);
    }
    table->destroy(own.self);
    if (failed) *failed = failures;
    return cases;
}

/* ---- the gradient of a whole network ---- */

#include "map_check.h"

struct check {
    dualprop_network *network;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
    const void *images;
    const int32_t *labels;
    int64_t count, tried;
    double error, largest;
};

static dualprop_status loss_at(double *loss, const struct check *check, const char *name, dualprop_view *view,
                               int64_t i, double value)
{
    double kept = ((double *)view->data)[i];
    ((double *)view->data)[i] = value;
    dualprop_status status = dualprop_network_write(check->network, name, view);
    if (status == DUALPROP_OK)
        status = dualprop_evaluate(loss, NULL, NULL, 1, check->state, check->images, check->labels, check->count);
    ((double *)view->data)[i] = kept;
    dualprop_status restored = dualprop_network_write(check->network, name, view);
    return status == DUALPROP_OK ? restored : status;
}

/* Central differences of one tensor, beside its gradient. */
static dualprop_status check_tensor(struct check *check, const char *name, dualprop_view *values,
                                    dualprop_view *gradient, int64_t elements)
{
    int64_t stride = check->tried > 0 && elements > check->tried ? elements / check->tried : 1;
    dualprop_status status = dualprop_network_read(values, check->network, name);
    if (status == DUALPROP_OK) status = dualprop_gradient_read(gradient, check->optimizer, name);
    for (int64_t i = 0; i < elements && status == DUALPROP_OK; i += stride) {
        double at = ((double *)values->data)[i], step = 1e-5 * fmax(1, fabs(at)), above = 0, below = 0;
        status = loss_at(&above, check, name, values, i, at + step);
        if (status == DUALPROP_OK) status = loss_at(&below, check, name, values, i, at - step);
        double difference = (above - below) / (2 * step);
        note_error(&check->error, fabs(((double *)gradient->data)[i] - difference));
        note_error(&check->largest, fabs(difference));
    }
    return status;
}

static dualprop_status check_parameter(struct check *check, int index)
{
    char name[64];
    dualprop_view values = { .struct_size = sizeof values, .type = DUALPROP_F64 };
    int64_t elements = 1;
    int rank = 0;
    dualprop_status status = dualprop_network_parameter(name, sizeof name, values.shape, &rank, check->network, index);
    if (status != DUALPROP_OK) return status;
    values.rank = rank;
    for (int axis = rank - 1; axis >= 0; axis--) {
        values.strides[axis] = elements;
        elements *= values.shape[axis];
    }
    dualprop_view gradient = values;
    values.data = malloc((size_t)elements * sizeof(double));
    gradient.data = malloc((size_t)elements * sizeof(double));
    status = values.data && gradient.data ? check_tensor(check, name, &values, &gradient, elements)
                                          : DUALPROP_ERROR_NO_MEMORY;
    free(values.data);
    free(gradient.data);
    return status;
}

static dualprop_status check_all(struct check *check)
{
    int parameters = 0;
    dualprop_status status = dualprop_infer(check->state, check->images, check->labels, check->count);
    if (status == DUALPROP_OK) status = dualprop_gradient(check->optimizer, check->state);
    if (status == DUALPROP_OK) status = dualprop_network_parameter_count(&parameters, check->network);
    for (int i = 0; i < parameters && status == DUALPROP_OK; i++) status = check_parameter(check, i);
    return status;
}

static dualprop_status refuse_error(void **self, const dualprop_host *host, int type, int level)
{
    (void)self, (void)type, (void)level;
    return host->fail(host->user_data, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "error is NULL; expected a place for the result");
}

/* The public interface has one way to a sentence of one's own: the function of a table that creates a backend. */
static dualprop_status refuse(void)
{
    dualprop_backend table = *dualprop_backend_builtin(DUALPROP_BACKEND_REFERENCE);
    dualprop_options options = { .struct_size = sizeof options, .backend = &table };
    dualprop_context *context;
    table.create = refuse_error;
    return dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, &options);
}

dualprop_status dualprop_testing_gradient(double *error, dualprop_network *network, dualprop_rule *rule,
                                          const void *images, const int32_t *labels, int64_t count, int64_t tried)
{
    struct check check = { .network = network, .images = images, .labels = labels, .count = count, .tried = tried };
    if (!error) return refuse();
    dualprop_status status = dualprop_state_create(&check.state, network, rule, count);
    if (status == DUALPROP_OK) status = dualprop_optimizer_create(&check.optimizer, network, DUALPROP_SGD);
    if (status == DUALPROP_OK) status = check_all(&check);
    dualprop_optimizer_destroy(check.optimizer);
    dualprop_state_destroy(check.state);
    double worst = isfinite(check.error) ? share_of(check.error, check.largest) : INFINITY;
    if (status == DUALPROP_OK) status = check_maps(&worst, network);
    if (status == DUALPROP_OK) *error = worst;
    return status;
}
