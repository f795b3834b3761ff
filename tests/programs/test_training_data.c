/*
 * test_training_data.c - what a program does to a data set before it learns: holding samples out, cutting batches,
 * drawing crops and flips; the same for the same seed, whichever thread prepares it.
 */
#include <stdlib.h>
#include <string.h>

#include "common/batches.h"
#include "common/augmentation.h"
#include "common/program.h"
#include "common/shuffle.h"
#include "main.h"
#include "support/memory_files.h"

#define COUNT 1003
#define SIDE 40 /* so that a batch is large enough to be prepared by a thread */
#define ELEMENTS (SIDE * SIDE)

static memory_files files;
static dataset set;

/* Every image is filled with its number, which is its label too. */
static void make_set(void)
{
    memory_files_init(&files);
    memset(&set, 0, sizeof set);
    ck_assert_int_eq(samples_create(&set.train, &files.host, COUNT, SIDE, SIDE, 1), DUALPROP_OK);
    for (int i = 0; i < COUNT; i++) {
        ((int32_t *)set.train.labels.data)[i] = i;
        memset((unsigned char *)set.train.images.data + i * ELEMENTS, i % 251, ELEMENTS);
    }
}

static void drop_set(void)
{
    dataset_close(&set, &files.host);
    memory_files_expect_idle(&files);
}

static int32_t label(int64_t place)
{
    return ((const int32_t *)set.train.labels.data)[place];
}

static void expect_image(const unsigned char *pixels, int32_t number)
{
    ck_assert_int_eq(pixels[0], number % 251);
    ck_assert_int_eq(pixels[ELEMENTS - 1], number % 251);
}

START_TEST(what_is_held_out_and_what_stays_keep_their_order)
{
    int64_t first;
    char seen[COUNT] = { 0 };

    ck_assert_int_eq(dataset_hold_out(&set, &files.host, 0.1, 7, &first), DUALPROP_OK);
    ck_assert_int_eq(first, COUNT - 100);
    for (int64_t i = 0; i < COUNT; i++) {
        ck_assert(!seen[label(i)]);
        seen[label(i)] = 1;
        if (i != 0 && i != first) ck_assert_int_lt(label(i - 1), label(i));
        expect_image((const unsigned char *)set.train.images.data + i * ELEMENTS, label(i));
    }
    /* Drawn from everywhere, not from the end. */
    ck_assert_int_lt(label(first), 100);
    ck_assert_int_gt(label(COUNT - 1), COUNT - 100);
}
END_TEST

START_TEST(the_seed_decides_what_is_held_out)
{
    static const uint64_t seeds[3] = { 7, 7, 8 };
    int32_t held[3][10];
    int64_t first;

    for (int k = 0; k < 3; k++) {
        drop_set();
        make_set();
        ck_assert_int_eq(dataset_hold_out(&set, &files.host, 0.01, seeds[k], &first), DUALPROP_OK);
        for (int i = 0; i < 10; i++) held[k][i] = label(first + i);
    }
    ck_assert_mem_eq(held[0], held[1], sizeof held[0]);
    ck_assert_mem_ne(held[0], held[2], sizeof held[0]);
}
END_TEST

START_TEST(nothing_held_out_changes_nothing)
{
    int64_t first;

    ck_assert_int_eq(dataset_hold_out(&set, &files.host, 0.0009, 1, &first), DUALPROP_OK);
    ck_assert_int_eq(first, COUNT);
    for (int64_t i = 0; i < COUNT; i++) ck_assert_int_eq(label(i), i);
}
END_TEST

/* ---- Batches ---- */

static const program keeps = { .name = "keeps" }, drops = { .name = "drops", .drops_last_batch = 1 };

static settings plan(int64_t size, int shuffle_kind, const program *owner)
{
    return (settings){
        .program = owner, .batch = size, .shuffle = shuffle_kind, .seed = 3, .augment = AUGMENT_CROP | AUGMENT_FLIP
    };
}

/* The labels of an epoch in the order in which they are learned; gives their number. */
static int64_t walk(int32_t *learned, const settings *run, int64_t epoch)
{
    batches cut;
    batch next;
    int64_t total = 0;

    ck_assert_int_eq(batches_create(&cut, &files.host, &set.train, COUNT, run, NULL), DUALPROP_OK);
    batches_shuffle(&cut, epoch);
    for (int64_t index = 0; index < cut.batch_count; index++) {
        batches_take(&next, &cut, index);
        for (int64_t i = 0; i < next.count; i++) {
            int32_t move[MOVE_NUMBERS], number = ((const int32_t *)next.labels.data)[i];
            expect_image((const unsigned char *)next.images.data + i * ELEMENTS, number);
            move_draw(move, run->augment, run->seed, epoch, number);
            ck_assert_mem_eq(move, next.moves + MOVE_NUMBERS * i, sizeof move);
            learned[total++] = number;
        }
    }
    ck_assert_int_eq(total, batches_samples(&cut));
    batches_destroy(&cut);
    return total;
}

/* Batches of 100 are prepared by a thread, batches of 7 are not; the order of samples is the same. */
START_TEST(an_epoch_visits_every_sample_once)
{
    int32_t learned[2][COUNT];
    settings large = plan(100, SHUFFLE_SAMPLES, &keeps), small = plan(7, SHUFFLE_SAMPLES, &keeps);
    char seen[COUNT] = { 0 };

    ck_assert_int_eq(walk(learned[0], &large, 5), COUNT);
    ck_assert_int_eq(walk(learned[1], &small, 5), COUNT);
    ck_assert_mem_eq(learned[0], learned[1], sizeof learned[0]);
    for (int i = 0; i < COUNT; i++) {
        ck_assert(!seen[learned[0][i]]);
        seen[learned[0][i]] = 1;
    }
    walk(learned[1], &large, 6);
    ck_assert_mem_ne(learned[0], learned[1], sizeof learned[0]);
}
END_TEST

START_TEST(the_last_short_batch_is_dropped_where_that_is_wanted)
{
    int32_t learned[COUNT];
    settings permuted = plan(100, SHUFFLE_SAMPLES, &drops), cut = plan(100, SHUFFLE_BATCHES, &drops);
    settings huge = plan(5000, SHUFFLE_SAMPLES, &drops);

    ck_assert_int_eq(walk(learned, &permuted, 0), 1000);
    ck_assert_int_eq(walk(learned, &cut, 0), 1000);
    for (int i = 0; i < 1000; i++) ck_assert_int_lt(learned[i], 1000);
    ck_assert_int_eq(walk(learned, &huge, 0), COUNT);
}
END_TEST

START_TEST(batches_cut_once_keep_what_is_in_them)
{
    int32_t learned[COUNT];
    settings run = plan(100, SHUFFLE_BATCHES, &keeps);

    ck_assert_int_eq(walk(learned, &run, 2), COUNT);
    for (int i = 1; i < COUNT; i++) {
        if (learned[i] % 100 != 0) ck_assert_int_eq(learned[i], learned[i - 1] + 1);
    }
}
END_TEST

/* Resuming: an epoch that begins in its middle, after another one that was left in its middle. */
START_TEST(an_epoch_may_begin_anywhere)
{
    batches cut;
    batch next;
    int32_t learned[COUNT];
    settings run = plan(100, SHUFFLE_SAMPLES, &keeps);

    walk(learned, &run, 5);
    ck_assert_int_eq(batches_create(&cut, &files.host, &set.train, COUNT, &run, NULL), DUALPROP_OK);
    batches_shuffle(&cut, 4);
    batches_take(&next, &cut, 0);
    batches_take(&next, &cut, 1);
    batches_shuffle(&cut, 5);
    batches_take(&next, &cut, 2);
    ck_assert_mem_eq(next.labels.data, learned + 200, 100 * sizeof learned[0]);
    batches_take(&next, &cut, 7);
    ck_assert_mem_eq(next.labels.data, learned + 700, 100 * sizeof learned[0]);
    batches_destroy(&cut);
}
END_TEST

START_TEST(any_allocation_may_fail)
{
    settings run = plan(100, SHUFFLE_SAMPLES, &keeps);
    batches cut = { 0 };
    int64_t first;
    long at = 1;

    for (;; at++) {
        failing_allocator_arm(&files.memory, at, 0);
        dualprop_status status = dataset_hold_out(&set, &files.host, 0.1, 1, &first);
        if (status == DUALPROP_OK) status = batches_create(&cut, &files.host, &set.train, first, &run, NULL);
        if (status != DUALPROP_OK) ck_assert_int_eq(status, DUALPROP_ERROR_NO_MEMORY);
        if (files.memory.failures > 0) batches_destroy(&cut);
        else break;
        memset(&cut, 0, sizeof cut);
    }
    batches_destroy(&cut);
    ck_assert_int_gt(at, 8);
}
END_TEST

/* ---- Crops and flips ---- */

START_TEST(crops_and_flips_are_spread_evenly)
{
    int counts[3][9] = { 0 };

    for (int64_t i = 0; i < 9000; i++) {
        int32_t move[MOVE_NUMBERS];
        move_draw(move, AUGMENT_CROP | AUGMENT_FLIP, 1, 3, i);
        ck_assert(abs(move[0]) <= MOVE_BORDER && abs(move[1]) <= MOVE_BORDER && (move[2] == 0 || move[2] == 1));
        counts[0][move[0] + MOVE_BORDER]++;
        counts[1][move[1] + MOVE_BORDER]++;
        counts[2][move[2]]++;
    }
    /* 1,000 expected with a deviation of 30; 4,500 with one of 47. Five deviations. */
    for (int k = 0; k < 9; k++) {
        ck_assert_int_lt(abs(counts[0][k] - 1000), 150);
        ck_assert_int_lt(abs(counts[1][k] - 1000), 150);
    }
    ck_assert_int_lt(abs(counts[2][0] - 4500), 240);
}
END_TEST

START_TEST(moves_depend_on_seed_epoch_and_sample_alone)
{
    int32_t move[MOVE_NUMBERS], same[MOVE_NUMBERS];
    int differing[3] = { 0 };

    for (int64_t i = 0; i < 100; i++) {
        move_draw(move, AUGMENT_CROP | AUGMENT_FLIP, 1, 1, i);
        move_draw(same, AUGMENT_CROP | AUGMENT_FLIP, 1, 1, i);
        ck_assert_mem_eq(move, same, sizeof move);
        move_draw(same, AUGMENT_CROP | AUGMENT_FLIP, 2, 1, i);
        differing[0] += memcmp(move, same, sizeof move) != 0;
        move_draw(same, AUGMENT_CROP | AUGMENT_FLIP, 1, 2, i);
        differing[1] += memcmp(move, same, sizeof move) != 0;
        move_draw(same, AUGMENT_CROP | AUGMENT_FLIP, 1, 1, i + ((int64_t)1 << 32));
        differing[2] += memcmp(move, same, sizeof move) != 0;
        move_draw(same, AUGMENT_CROP, 1, 1, i);
        ck_assert(same[0] == move[0] && same[1] == move[1] && same[2] == 0);
        move_draw(same, AUGMENT_FLIP, 1, 1, i);
        ck_assert(same[0] == 0 && same[1] == 0 && same[2] == move[2]);
    }
    for (int k = 0; k < 3; k++) ck_assert_int_gt(differing[k], 90);
}
END_TEST

Suite *test_training_data_suite(void)
{
    Suite *suite = suite_create("training_data");
    TCase *tests = tcase_create("training_data");
    tcase_add_checked_fixture(tests, make_set, drop_set);
    tcase_add_test(tests, what_is_held_out_and_what_stays_keep_their_order);
    tcase_add_test(tests, the_seed_decides_what_is_held_out);
    tcase_add_test(tests, nothing_held_out_changes_nothing);
    tcase_add_test(tests, an_epoch_visits_every_sample_once);
    tcase_add_test(tests, the_last_short_batch_is_dropped_where_that_is_wanted);
    tcase_add_test(tests, batches_cut_once_keep_what_is_in_them);
    tcase_add_test(tests, an_epoch_may_begin_anywhere);
    tcase_add_test(tests, any_allocation_may_fail);
    tcase_add_test(tests, crops_and_flips_are_spread_evenly);
    tcase_add_test(tests, moves_depend_on_seed_epoch_and_sample_alone);
    suite_add_tcase(suite, tests);
    return suite;
}
