/*
 * pooling_template.h - pooling and its adjoint, a row of pooled pixels at a time.
 *
 * A template, see convolution_loops.h. The inner loops run over channels and are free of branches, so that the compiler
 * makes vectors of them.
 */

/* A NaN is greater than everything, the first of several. */
static void FORMULA(take_greater)(REAL *restrict best, uint8_t *restrict switches, const REAL *restrict x,
                                  uint8_t place, int64_t channels)
{
    for (int64_t c = 0; c < channels; c++) {
        int greater = !(x[c] <= best[c]) & (best[c] == best[c]);
        best[c] = greater ? x[c] : best[c];
        switches[c] = greater ? place : switches[c];
    }
}

static void FORMULA(pool_max)(const dualprop__pooled_row *row, void *to, uint8_t *switches, const void *map)
{
    int64_t places = row->window_height * row->window_width;
    for (int64_t x = 0; x < row->width; x++) {
        const REAL *corner = (const REAL *)map + x * row->step * row->map_pixel;
        REAL *best = (REAL *)to + x * row->pooled_pixel;
        uint8_t *chosen = switches + x * row->pooled_pixel;
        memcpy(best, corner, (size_t)row->channels * sizeof(REAL));
        memset(chosen, 0, (size_t)row->channels);
        for (int64_t p = 1; p < places; p++) FORMULA(take_greater)
        (best, chosen, corner + p / row->window_width * row->map_row + p % row->window_width * row->map_pixel,
         (uint8_t)p, row->channels);
    }
}

static void FORMULA(add_row)(REAL *restrict sums, const REAL *restrict x, int64_t channels)
{
    for (int64_t c = 0; c < channels; c++) sums[c] += x[c];
}

static void FORMULA(pool_average)(const dualprop__pooled_row *row, void *to, const void *map)
{
    int64_t places = row->window_height * row->window_width;
    for (int64_t x = 0; x < row->width; x++) {
        const REAL *corner = (const REAL *)map + x * row->step * row->map_pixel;
        REAL *mean = (REAL *)to + x * row->pooled_pixel;
        memcpy(mean, corner, (size_t)row->channels * sizeof(REAL));
        for (int64_t p = 1; p < places; p++) FORMULA(add_row)
        (mean, corner + p / row->window_width * row->map_row + p % row->window_width * row->map_pixel, row->channels);
        for (int64_t c = 0; c < row->channels; c++) mean[c] /= (REAL)places;
    }
}

/* One place of one window. */
static void FORMULA(unpool_place)(REAL *restrict map, const REAL *restrict delta, const uint8_t *restrict switches,
                                  uint8_t place, int accumulate, int64_t channels)
{
    if (accumulate)
        for (int64_t c = 0; c < channels; c++) map[c] += switches[c] == place ? delta[c] : 0;
    else
        for (int64_t c = 0; c < channels; c++) map[c] = switches[c] == place ? delta[c] : 0;
}

static void FORMULA(unpool_share)(REAL *restrict map, const REAL *restrict delta, REAL places, int accumulate,
                                  int64_t channels)
{
    if (accumulate)
        for (int64_t c = 0; c < channels; c++) map[c] += delta[c] / places;
    else
        for (int64_t c = 0; c < channels; c++) map[c] = delta[c] / places;
}

static void FORMULA(unpool)(const dualprop__pooled_row *row, int64_t window_row, void *map, const void *delta,
                            const uint8_t *switches, int accumulate)
{
    REAL places = (REAL)(row->window_height * row->window_width);
    for (int64_t x = 0; x < row->width; x++)
        for (int64_t j = 0; j < row->window_width; j++) {
            REAL *to = (REAL *)map + (x * row->step + j) * row->map_pixel;
            const REAL *from = (const REAL *)delta + x * row->pooled_pixel;
            uint8_t place = (uint8_t)(window_row * row->window_width + j);
            if (switches)
                FORMULA(unpool_place)(to, from, switches + x * row->pooled_pixel, place, accumulate, row->channels);
            else FORMULA(unpool_share)(to, from, places, accumulate, row->channels);
        }
}
