/*
 * map_check.h - a linear map of the caller's, called directly with random vectors; a part of testing.c.
 *
 * Differences of the loss do not show all that rules rely on: nothing goes down from the first layer, so the transposed
 * map is never called there; a forward that is not linear has a gradient, too; and a function that adds to what a
 * result held is right as long as that was 0. So results hold NaN before each call, between guard bytes.
 */
#ifndef DUALPROP_TESTING_MAP_CHECK_H
#define DUALPROP_TESTING_MAP_CHECK_H

enum { MAP_SAMPLES = 3, MAP_ARRAYS = 7, MAP_SEED = 12345 };

struct map_check {
    dualprop_map_product forward, transposed;
    dualprop_map_gradient gradient;
    void *user_data;
    dualprop_map_shape shape;
    struct side side; /* the type of reals, and the random numbers */
    void *weights;
    void *arrays[MAP_ARRAYS]; /* each for what is largest */
    double error;
};

/* What is not a finite number is the worst of all, and remains it. */
static void note_error(double *worst, double error)
{
    if (!(error <= *worst)) *worst = isfinite(error) ? error : INFINITY;
}

static double share_of(double difference, double size)
{
    return difference == 0 ? 0 : difference / size;
}

/* ---- calls ---- */

static void fill_result(const struct map_check *check, void *result, int64_t count)
{
    size_t bytes = (size_t)count * real_size(&check->side);
    memset((unsigned char *)result - GUARD, 0xa5, bytes + 2 * GUARD);
    memset(result, 0xff, bytes); /* NaN */
}

static void inspect_result(struct map_check *check, const void *result, int64_t count)
{
    const unsigned char *before = (const unsigned char *)result - GUARD;
    const unsigned char *after = (const unsigned char *)result + (size_t)count * real_size(&check->side);
    for (int i = 0; i < GUARD; i++)
        if (before[i] != 0xa5 || after[i] != 0xa5) note_error(&check->error, INFINITY);
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(get_real(&check->side, result, i))) note_error(&check->error, INFINITY);
}

/* result = W vectors if it goes up, else W^T vectors. */
static dualprop_status call_product(struct map_check *check, int up, void *result, const void *vectors,
                                    const void *weights, int64_t samples)
{
    dualprop_map_shape shape = check->shape;
    int64_t count = samples * (up ? shape.outputs : shape.inputs);
    shape.count = samples;
    fill_result(check, result, count);
    int answer = (up ? check->forward : check->transposed)(check->user_data, result, vectors, weights, &shape);
    inspect_result(check, result, count);
    return answer == 0 ? DUALPROP_OK : DUALPROP_ERROR_CANCELLED;
}

static dualprop_status call_gradient(struct map_check *check, void *gradient, const void *x, const void *delta)
{
    fill_result(check, gradient, check->shape.weights);
    int answer = check->gradient(check->user_data, gradient, x, delta, check->weights, &check->shape);
    inspect_result(check, gradient, check->shape.weights);
    return answer == 0 ? DUALPROP_OK : DUALPROP_ERROR_CANCELLED;
}

/* ---- vectors ---- */

static void draw(struct map_check *check, void *reals, int64_t count)
{
    for (int64_t i = 0; i < count; i++) set_real(&check->side, reals, i, next_uniform(&check->side, -1, 1));
}

/* to = a x + b y */
static void combine(const struct map_check *check, void *to, double a, const void *x, double b, const void *y,
                    int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        set_real(&check->side, to, i, a * get_real(&check->side, x, i) + b * get_real(&check->side, y, i));
}

static double dot(const struct map_check *check, const void *x, const void *y, int64_t first, int64_t count)
{
    double sum = 0;
    for (int64_t i = first; i < first + count; i++) sum += get_real(&check->side, x, i) * get_real(&check->side, y, i);
    return sum;
}

static double greatest(const struct map_check *check, const void *x, int64_t count)
{
    double most = 0;
    for (int64_t i = 0; i < count; i++) note_error(&most, fabs(get_real(&check->side, x, i)));
    return most;
}

/*
 * Random numbers beside `reals`, with which its inner product does not cancel: an error of one part in a thousand then
 * is one part in a thousand of the product, whatever the number of elements.
 */
static void draw_along(struct map_check *check, void *to, const void *reals, int64_t count)
{
    double size = sqrt(dot(check, reals, reals, 0, count) / (double)count);
    draw(check, to, count);
    if (size > 0) combine(check, to, 1, to, 1 / size, reals, count);
}

/* ---- what is checked ---- */

/* W (a x + b y) = a W x + b W y, where a + b is not 1, so that W 0 = 0, too; and each sample alone as among others. */
static dualprop_status check_product(struct map_check *check, int up)
{
    const double a = 1.5, b = -0.75;
    int64_t from = up ? check->shape.inputs : check->shape.outputs,
            to = up ? check->shape.outputs : check->shape.inputs;
    void *x = check->arrays[0], *y = check->arrays[1], *sum = check->arrays[2];
    void *of_x = check->arrays[3], *of_y = check->arrays[4], *of_sum = check->arrays[5], *alone = check->arrays[6];
    draw(check, x, MAP_SAMPLES * from);
    draw(check, y, MAP_SAMPLES * from);
    combine(check, sum, a, x, b, y, MAP_SAMPLES * from);
    dualprop_status status = call_product(check, up, of_x, x, check->weights, MAP_SAMPLES);
    if (status == DUALPROP_OK) status = call_product(check, up, of_y, y, check->weights, MAP_SAMPLES);
    if (status == DUALPROP_OK) status = call_product(check, up, of_sum, sum, check->weights, MAP_SAMPLES);
    if (status != DUALPROP_OK) return status;
    double size = fmax(greatest(check, of_x, MAP_SAMPLES * to), greatest(check, of_y, MAP_SAMPLES * to));
    combine(check, of_y, a, of_x, b, of_y, MAP_SAMPLES * to);
    combine(check, of_y, 1, of_y, -1, of_sum, MAP_SAMPLES * to);
    note_error(&check->error, share_of(greatest(check, of_y, MAP_SAMPLES * to), size));
    for (int sample = 0; sample < MAP_SAMPLES; sample++) {
        const void *own = (const char *)x + (size_t)(sample * from) * real_size(&check->side);
        const void *among = (const char *)of_x + (size_t)(sample * to) * real_size(&check->side);
        status = call_product(check, up, alone, own, check->weights, 1);
        if (status != DUALPROP_OK) return status;
        combine(check, alone, 1, alone, -1, among, to);
        note_error(&check->error, share_of(greatest(check, alone, to), size));
    }
    return DUALPROP_OK;
}

/* <W x, d> = <x, W^T d>, sample by sample. */
static dualprop_status check_transpose(struct map_check *check)
{
    int64_t inputs = check->shape.inputs, outputs = check->shape.outputs;
    void *x = check->arrays[0], *of_x = check->arrays[1], *delta = check->arrays[2], *of_delta = check->arrays[3];
    draw(check, x, MAP_SAMPLES * inputs);
    dualprop_status status = call_product(check, 1, of_x, x, check->weights, MAP_SAMPLES);
    if (status != DUALPROP_OK) return status;
    draw_along(check, delta, of_x, MAP_SAMPLES * outputs);
    status = call_product(check, 0, of_delta, delta, check->weights, MAP_SAMPLES);
    for (int sample = 0; sample < MAP_SAMPLES && status == DUALPROP_OK; sample++) {
        double above = dot(check, of_x, delta, sample * outputs, outputs);
        double below = dot(check, x, of_delta, sample * inputs, inputs);
        note_error(&check->error, share_of(fabs(above - below), fmax(fabs(above), fabs(below))));
    }
    return status;
}

/* The slope of <W(w + h v) x, d> in h, as a central difference, is <gradient, v>. */
static dualprop_status check_slope(struct map_check *check)
{
    int64_t outputs = MAP_SAMPLES * check->shape.outputs, weights = check->shape.weights;
    double step = cbrt(epsilon_of(&check->side)), slope = 0;
    void *x = check->arrays[0], *delta = check->arrays[1], *gradient = check->arrays[2], *direction = check->arrays[3];
    void *moved = check->arrays[4], *of_x = check->arrays[5];
    draw(check, x, MAP_SAMPLES * check->shape.inputs);
    draw(check, delta, outputs);
    dualprop_status status = call_gradient(check, gradient, x, delta);
    if (status != DUALPROP_OK) return status;
    draw_along(check, direction, gradient, weights);
    for (int sign = -1; sign <= 1; sign += 2) {
        combine(check, moved, 1, check->weights, sign * step, direction, weights);
        status = call_product(check, 1, of_x, x, moved, MAP_SAMPLES);
        if (status != DUALPROP_OK) return status;
        slope += sign * dot(check, of_x, delta, 0, outputs) / (2 * step);
    }
    double expected = dot(check, gradient, direction, 0, weights);
    note_error(&check->error, share_of(fabs(slope - expected), fmax(fabs(slope), fabs(expected))));
    return status;
}

/* ---- the maps of a network ---- */

/* The map of a layer, and its weights as they are. */
static dualprop_status check_functions(struct map_check *check, const dualprop_network *network, int index)
{
    char name[64];
    dualprop_view view = { sizeof view, check->weights, check->shape.type, 1, { check->shape.weights }, { 1 } };
    snprintf(name, sizeof name, "layer%d.weight", index);
    dualprop_status status = dualprop_network_read(&view, network, name);
    if (status == DUALPROP_OK) status = check_product(check, 1);
    if (status == DUALPROP_OK) status = check_product(check, 0);
    if (status == DUALPROP_OK) status = check_transpose(check);
    if (status == DUALPROP_OK) status = check_slope(check);
    return status;
}

static dualprop_status describe_map(struct map_check *check, dualprop_network *network, int index)
{
    dualprop_layer *layer;
    int type = 0;
    dualprop_status status = dualprop_network_layer(&layer, network, index);
    if (status == DUALPROP_OK)
        status = dualprop_layer_map_functions(&check->forward, &check->transposed, &check->gradient, &check->user_data,
                                              &type, layer);
    if (status == DUALPROP_OK) status = dualprop_layer_info(&check->shape.inputs, &check->shape.outputs, NULL, layer);
    if (status == DUALPROP_OK) status = dualprop_layer_custom(NULL, &check->shape.weights, NULL, layer);
    check->shape.struct_size = sizeof check->shape;
    check->shape.type = check->side.type = type;
    check->shape.count = MAP_SAMPLES;
    check->side.random = MAP_SEED;
    return status;
}

/* Nothing of a layer that is no map of the caller's. */
static dualprop_status check_map(double *error, dualprop_network *network, int index)
{
    struct map_check check = { .error = *error };
    dualprop_status status = describe_map(&check, network, index);
    if (status != DUALPROP_OK || !check.forward) return status;
    int64_t sides = MAP_SAMPLES * (check.shape.inputs > check.shape.outputs ? check.shape.inputs : check.shape.outputs);
    int64_t most = sides > check.shape.weights ? sides : check.shape.weights;
    size_t bytes = ((size_t)most * real_size(&check.side) + GUARD - 1) / GUARD * GUARD + 2 * GUARD;
    unsigned char *memory = aligned_alloc(GUARD, (MAP_ARRAYS + 1) * bytes);
    if (!memory) return DUALPROP_ERROR_NO_MEMORY;
    for (int i = 0; i < MAP_ARRAYS; i++) check.arrays[i] = memory + (size_t)i * bytes + GUARD;
    check.weights = memory + MAP_ARRAYS * bytes + GUARD;
    status = check_functions(&check, network, index);
    free(memory);
    *error = check.error;
    return status;
}

static dualprop_status check_maps(double *error, dualprop_network *network)
{
    int layers = 0;
    dualprop_status status = dualprop_network_info(&layers, NULL, NULL, NULL, network);
    for (int index = 1; index <= layers && status == DUALPROP_OK; index++) status = check_map(error, network, index);
    return status;
}

#endif
