/*
 * test_cuda_input_staging.c - samples on their way to the device: more of them than the two places of input staging
 * hold, and images that are larger than a place was at first.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cuda_test.h"
#include "support/expect.h"
#include "support/randomness.h"

#define SIDE 300
#define CHANNELS 3
#define IMAGE (SIDE * SIDE * CHANNELS)
#define OUTPUTS 4

/* An image has 270 kB of bytes, or 2160 kB of doubles: three to a place of a megabyte, or one to a place that grew. */
static const struct row {
    const char *name;
    int type, moved;
    int64_t count;
} rows[] = {
    { "bytes", DUALPROP_U8, 0, 11 },
    { "bytes that are moved", DUALPROP_U8, 1, 10 },
    { "doubles", DUALPROP_F64, 0, 5 },
    { "doubles that are moved", DUALPROP_F64, 1, 4 },
};

static void *draw_images(const struct row *row)
{
    randomness random = random_start(9);
    int64_t elements = row->count * IMAGE;
    void *images = malloc((size_t)elements * (row->type == DUALPROP_U8 ? 1 : sizeof(double)));
    ck_assert_ptr_nonnull(images);
    for (int64_t i = 0; i < elements; i++) {
        uint8_t byte = (uint8_t)(random_bits(&random) & 255);
        if (row->type == DUALPROP_U8) ((uint8_t *)images)[i] = byte;
        else ((double *)images)[i] = byte / 255.0 - 0.5;
    }
    return images;
}

static void set_moves(dualprop_state *state, int64_t count)
{
    int32_t moves[3 * 16];
    for (int32_t i = 0; i < count; i++) moves[3 * i] = i - 3, moves[3 * i + 1] = 5 - 2 * i, moves[3 * i + 2] = i % 2;
    expect_ok(dualprop_state_set_augmentation(state, moves, count));
}

/* The predictions of a network with one layer. */
static void predict(float *scores, const struct row *row, int backend)
{
    static const double mean[CHANNELS] = { 0.5, 0.4, 0.6 }, deviation[CHANNELS] = { 0.3, 0.2, 0.25 };
    dualprop_context *context;
    dualprop_network *network;
    dualprop_state *state;
    void *data = draw_images(row);
    dualprop_view images = {
        sizeof images, data, row->type, 4, { row->count, SIDE, SIDE, CHANNELS }, { IMAGE, SIDE * CHANNELS, CHANNELS, 1 }
    };
    dualprop_view to = { sizeof to, scores, DUALPROP_F32, 2, { row->count, OUTPUTS }, { OUTPUTS, 1 } };
    expect_ok(dualprop_context_create(&context, backend, NULL));
    expect_ok(dualprop_network_create(&network, context, SIDE, SIDE, CHANNELS));
    expect_ok(dualprop_network_add_dense(network, OUTPUTS, DUALPROP_IDENTITY));
    expect_ok(dualprop_network_set_input_transform(network, mean, deviation, CHANNELS));
    expect_ok(dualprop_network_initialize(network, 3));
    expect_ok(dualprop_state_create(&state, network, NULL, row->count));
    if (row->moved) set_moves(state, row->count);
    expect_ok(dualprop_predict_view(&to, state, &images));
    dualprop_state_destroy(state);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
    free(data);
}

static void compare(const float *scores, const float *expected, const struct row *row, double tolerance)
{
    for (int64_t i = 0; i < row->count * OUTPUTS; i++)
        ck_assert_msg(fabs((double)scores[i] - (double)expected[i]) <= tolerance,
                      "%s: score %lld is %.9g, expected %.9g", row->name, (long long)i, (double)scores[i],
                      (double)expected[i]);
}

/* Whichever stream runs ahead. The scores are of the size of 1, sums of 270000 products. */
START_TEST(samples_arrive_in_order)
{
    static float scores[16 * OUTPUTS], expected[16 * OUTPUTS];
    const struct row *row = &rows[_i];
    predict(expected, row, DUALPROP_BACKEND_REFERENCE);
    for (int ahead = 0; ahead < 4; ahead++) {
        standin_state *standin = cuda_standin();
        if (standin) standin->ahead = ahead, standin->eager = ahead == 3;
        predict(scores, row, DUALPROP_BACKEND_CUDA);
        compare(scores, expected, row, standin ? 1e-5 : 1e-3);
        cuda_check_clean(0);
    }
}
END_TEST

Suite *test_cuda_input_staging_suite(void)
{
    Suite *suite = suite_create("cuda input staging");
    TCase *tests = tcase_create("input staging");
    tcase_add_loop_test(tests, samples_arrive_in_order, 0, (int)(sizeof rows / sizeof rows[0]));
    suite_add_tcase(suite, tests);
    return suite;
}
