/*
 * optional_cases.h - the cases of load_input, evaluate, and the two slots of optional rule features; a part of
 * testing.c.
 */
#ifndef DUALPROP_TESTING_OPTIONAL_CASES_H
#define DUALPROP_TESTING_OPTIONAL_CASES_H

/* ---- load_input: what a caller may pass ---- */

enum { SAMPLES = 3, ROWS = 4, COLUMNS = 5, CHANNELS = 2, PIXELS = SAMPLES * ROWS * COLUMNS * CHANNELS };

static const int loaded_types[] = { DUALPROP_F32, DUALPROP_F64, DUALPROP_U8 };

/* Numbers of a caller's array, which is the same on both sides; bytes are 0..255. */
static void *caller_array(struct side *side, int type)
{
    void *drawn = uniform(side, PIXELS, -3, 3), *array = guarded(side, PIXELS * sizeof(double));
    for (int i = 0; i < PIXELS; i++) {
        double value = get_real(side, drawn, i);
        if (type == DUALPROP_F32) ((float *)array)[i] = (float)value;
        else if (type == DUALPROP_F64) ((double *)array)[i] = value;
        else ((uint8_t *)array)[i] = (uint8_t)(128 + 42 * value);
    }
    return array;
}

/*
 * Variants 0..2: each type, contiguous. 3..5: images upside down and a broadcast over samples. 6..8: shifted and
 * mirrored as well.
 */
static dualprop_status run_load(struct side *side, int size, int variant)
{
    static const double mean[CHANNELS] = { 0.25, 0.5 }, deviation[CHANNELS] = { 0.5, 2 };
    static const int32_t moves[3 * SAMPLES] = { 1, 0, 0, -2, 3, 1, 0, -1, 1 };
    int type = loaded_types[variant % 3], strided = variant >= 3, moved = variant >= 6;
    void *array = caller_array(side, type), *x = empty(side, PIXELS);
    double max_abs = NAN;
    size_t bytes = type == DUALPROP_F32 ? sizeof(float) : type == DUALPROP_F64 ? sizeof(double) : 1;
    dualprop_view view = { .struct_size = sizeof view,
                           .data = array,
                           .type = type,
                           .rank = 4,
                           .shape = { SAMPLES, ROWS, COLUMNS, CHANNELS },
                           .strides = { ROWS * COLUMNS * CHANNELS, COLUMNS * CHANNELS, CHANNELS, 1 } };
    (void)size;
    if (strided) {
        view.data = (char *)array + (size_t)((ROWS - 1) * COLUMNS * CHANNELS) * bytes;
        view.strides[0] = 0;
        view.strides[1] = -COLUMNS * CHANNELS;
    }
    dualprop_status status =
        side->table->load_input(side->self, x, &view, mean, deviation, moved ? moves : NULL, &max_abs);
    note(side, "x", x, PIXELS, 4 * epsilon_of(side));
    note_numbers(side, "max_abs", &max_abs, 1, 4 * epsilon_of(side));
    return status;
}

/* ---- evaluate ---- */

/* Distances between predictions are far above a rounding, so that ranks agree. */
static dualprop_status run_evaluate(struct side *side, int size, int variant)
{
    int64_t rows = 1 + size, width = lengths[size] % 97, correct = -1, top_k = -1;
    if (width < 3) width = 3;
    double sum = NAN;
    void *prediction = uniform(side, rows * width, -4, 4), *target = empty(side, rows * width);
    for (int64_t i = 0; i < rows * width; i++) set_real(side, target, i, i % width == (i / width) % width ? 1 : 0);
    dualprop_status status = side->table->evaluate(side->self, variant ? DUALPROP_CROSS_ENTROPY : DUALPROP_MSE,
                                                   prediction, target, rows, width, 2, &sum, &correct, &top_k);
    double counts[2] = { (double)correct, (double)top_k };
    note_numbers(side, "sum of losses", &sum, 1, 8 * DUALPROP_TESTING_SUM_TOLERANCE(side->type, rows * width));
    note_numbers(side, "correct and top_k", counts, 2, 0);
    return status;
}

/* ---- extended_update ---- */

enum {
    PLAIN,
    DAMPED,
    NOISY,
    STRAIGHT,
    SINGLE_ALPHAS,
    MASKED,
    EXACT_OUTPUT,
    SPROVR_OUTPUT,
    QUANTIZED,
    EXTENDED_VARIANTS
};

static void *sixteenths(struct side *side, int64_t count, double size)
{
    void *reals = uniform(side, count, -size, size);
    for (int64_t i = 0; i < count; i++) set_real(side, reals, i, floor(64 * get_real(side, reals, i)) / 64);
    return reals;
}

static void set_variant(dualprop_extended_update *update, struct side *side, int variant)
{
    int64_t count = update->rows * update->width;
    switch (variant) {
    case DAMPED: update->damping = 0.5, update->activation = DUALPROP_RELU, update->adjoint = 1; break;
    case NOISY:
        update->noise_plus = uniform(side, count, -1, 1);
        update->noise_minus = uniform(side, count, -1, 1);
        update->noise_down = uniform(side, count, -1, 1);
        update->state_noise = 0.125, update->top_down_noise = 0.25, update->time_step = 0.5;
        break;
    case STRAIGHT: update->straight = 1, update->error_signal = empty(side, count); break;
    case SINGLE_ALPHAS: update->alphas = uniform(side, update->width, 0, 1); break;
    case MASKED: update->uniform = uniform(side, count, 0.01, 0.99), update->fraction = 0.5; break;
    case EXACT_OUTPUT:
    case SPROVR_OUTPUT:
        update->activation = DUALPROP_IDENTITY;
        update->output_step = variant == EXACT_OUTPUT ? DUALPROP_OUTPUT_EXACT : DUALPROP_OUTPUT_SPROVR;
        break;
    case QUANTIZED: /* of numbers that no rounding has touched, so that halves are halves on both sides */
        update->activation = DUALPROP_IDENTITY;
        update->a = sixteenths(side, count, 3), update->top_down = sixteenths(side, count, 2);
        update->quantum = 0.125, update->range = 2, update->delta_is_zero = 1;
        break;
    default: update->delta_is_zero = 1;
    }
}

static dualprop_status run_extended(struct side *side, int size, int variant)
{
    double max_abs = NAN, change = NAN, tolerance = 32 * epsilon_of(side);
    dualprop_extended_update update = { .activation = DUALPROP_TANH,
                                        .alpha = 0.25,
                                        .beta_ratio = 1,
                                        .beta = 0.5,
                                        .time_step = 1,
                                        .fraction = 1,
                                        .rows = 3,
                                        .width = lengths[size],
                                        .max_abs = &max_abs,
                                        .change = &change };
    int64_t count = update.rows * update.width;
    update.a = uniform(side, count, -3, 3);
    update.top_down = uniform(side, count, -2, 2);
    update.mean = uniform(side, count, -1, 1);
    update.delta = uniform(side, count, -1, 1);
    set_variant(&update, side, variant);
    dualprop_status status = side->table->extended_update(side->self, &update);
    note(side, "mean", update.mean, count, tolerance);
    note(side, "delta", update.delta, count, tolerance);
    if (update.error_signal) note(side, "error_signal", update.error_signal, count, tolerance);
    note_numbers(side, "max_abs", &max_abs, 1, tolerance);
    note_numbers(side, "change", &change, 1, tolerance);
    return status;
}

/* ---- output_proximal ---- */

static dualprop_status run_proximal(struct side *side, int size, int variant)
{
    double max_abs;
    dualprop_output output = output_of(side, size, DUALPROP_CROSS_ENTROPY, &max_abs);
    output.exact = variant ? DUALPROP_OUTPUT_SPROVR : DUALPROP_OUTPUT_EXACT;
    output.workspace = guarded(side, (size_t)output.width * 7 * sizeof(double));
    dualprop_status status = side->table->output_proximal(side->self, &output);
    note_output(side, &output);
    return status;
}

#endif
