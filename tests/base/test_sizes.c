/*
 * test_sizes.c - sizes that wrap, are negative or are more than there is: no memory is given for them, and what is told
 * of them is a status.
 */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/base.h"
#include "core/checkpoint/named_list.h"
#include "main.h"
#include "support/expect.h"

static dualprop_context *context;

static void setup(void)
{
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    options.precision = DUALPROP_F64;
    expect_ok(dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, &options));
}

static void teardown(void)
{
    dualprop_context_destroy(context);
}

START_TEST(blocks_of_absurd_sizes)
{
    static const size_t sizes[] = { SIZE_MAX,       SIZE_MAX - 1,   SIZE_MAX - 63,   SIZE_MAX - 64,
                                    SIZE_MAX - 127, SIZE_MAX - 128, SIZE_MAX / 2 + 1 };
    uint64_t before, after;
    expect_ok(dualprop_context_memory(&before, NULL, NULL, context));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        ck_assert_ptr_null(dualprop__allocate(context, sizes[i]));
        ck_assert_ptr_null(dualprop__allocate_aligned(context, sizes[i], 4096));
        ck_assert_ptr_null(dualprop__allocate_array(context, sizes[i], 2));
        ck_assert_ptr_null(dualprop__allocate_array(context, sizes[i], 1));
        ck_assert_ptr_null(dualprop__default_allocator.allocate(NULL, sizes[i], 64));
    }
    void *nothing = dualprop__allocate_array(context, 0, SIZE_MAX);
    ck_assert_ptr_nonnull(nothing); /* an array without elements is one */
    dualprop__release(context, nothing);
    expect_ok(dualprop_context_memory(&after, NULL, NULL, context));
    ck_assert_uint_eq(before, after);
}
END_TEST

enum { COUNTERS = 4, EACH = 5000 };

static void *allocate_much(void *blocks)
{
    for (int i = 0; i < EACH; i++) ((void **)blocks)[i] = dualprop__allocate(context, 64);
    return NULL;
}

/* As nothing is released meanwhile, the peak is what is there in the end, whichever thread came last. */
START_TEST(threads_count_their_memory_together)
{
    static void *blocks[COUNTERS][EACH];
    pthread_t threads[COUNTERS];
    uint64_t before, current, peak, allocations, more;
    expect_ok(dualprop_context_memory(&before, NULL, &allocations, context));
    for (int i = 0; i < COUNTERS; i++) ck_assert_int_eq(pthread_create(&threads[i], NULL, allocate_much, blocks[i]), 0);
    for (int i = 0; i < COUNTERS; i++) pthread_join(threads[i], NULL);
    expect_ok(dualprop_context_memory(&current, &peak, &more, context));
    ck_assert_uint_eq(current - before, (uint64_t)COUNTERS * EACH * dualprop__block_bytes(64));
    ck_assert_uint_eq(peak, current);
    ck_assert_uint_eq(more - allocations, (uint64_t)COUNTERS * EACH);
    for (int i = 0; i < COUNTERS; i++)
        for (int k = 0; k < EACH; k++) dualprop__release(context, blocks[i][k]);
    expect_ok(dualprop_context_memory(&current, &peak, NULL, context));
    ck_assert_uint_eq(current, before);
    ck_assert_uint_gt(peak, current);
}
END_TEST

/* Alignments of less and of more than a large page, of blocks of less and of more. */
START_TEST(blocks_are_aligned_and_zero)
{
    static const size_t sizes[] = { 1, 4096, ((size_t)1 << 21) - 1, (size_t)1 << 21, ((size_t)3 << 21) + 5 };
    static const size_t alignments[] = { 1, 64, 4096, (size_t)1 << 21, (size_t)1 << 22 };
    for (size_t s = 0; s < 5; s++)
        for (size_t a = 0; a < 5; a++) {
            char *block = dualprop__allocate_aligned(context, sizes[s], alignments[a]);
            ck_assert_ptr_nonnull(block);
            ck_assert_uint_eq((uintptr_t)block % alignments[a], 0);
            for (size_t i = 0; i < sizes[s]; i += 509) ck_assert_int_eq(block[i], 0);
            ck_assert_int_eq(block[sizes[s] - 1], 0);
            memset(block, 1, sizes[s]);
            dualprop__release(context, block);
        }
}
END_TEST

START_TEST(arrays_of_reals_of_absurd_sizes)
{
    void *memory = &memory;
    expect_error(dualprop__reals_create(context, &memory, -1), DUALPROP_ERROR_RANGE, "-1 numbers");
    ck_assert_ptr_null(memory);
    expect_error(dualprop__reals_create(context, &memory, INT64_MAX), DUALPROP_ERROR_RANGE, "does not fit");
    ck_assert_int_eq(dualprop__reals_create(context, &memory, INT64_MAX / 16), DUALPROP_ERROR_NO_MEMORY);
    ck_assert_ptr_null(memory);
    expect_ok(dualprop__reals_create(context, &memory, 0));
    dualprop__reals_destroy(context, memory, 0);
    ck_assert_uint_gt(dualprop__reals_bytes(context, 0), 0); /* a block of its own */
}
END_TEST

START_TEST(ranges_of_reals)
{
    static const double range[2] = { -1, 2 };
    static const double rows[][2] = { { 0, 1 },
                                      { -1, 1 },
                                      { 2, 1 },
                                      { -1.0001, 0 },
                                      { 2.0001, 0 },
                                      { (double)INFINITY, 0 },
                                      { (double)-INFINITY, 0 },
                                      { (double)NAN, 0 } };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int place = 0; place < 3; place++) {
            double wide[3] = { 0, 0, 0 };
            float narrow[3] = { 0, 0, 0 };
            wide[place] = rows[i][0];
            narrow[place] = (float)rows[i][0];
            ck_assert_int_eq(dualprop__reals_within(wide, DUALPROP_F64, 3, range), (int)rows[i][1]);
            ck_assert_int_eq(dualprop__reals_within(narrow, DUALPROP_F32, 3, range), (int)rows[i][1]);
            ck_assert_int_eq(dualprop__reals_finite(wide, DUALPROP_F64, 3), isfinite(rows[i][0]) != 0);
            ck_assert_int_eq(dualprop__reals_finite(narrow, DUALPROP_F32, 3), isfinite(rows[i][0]) != 0);
        }
}
END_TEST

START_TEST(more_names_than_memory_has)
{
    static const char *name = "name";
    dualprop__named_list list = { NULL, 0, 0 };
    ck_assert_int_eq(dualprop__named_list_reserve(&list, context, SIZE_MAX / 4), DUALPROP_ERROR_NO_MEMORY);
    expect_error(dualprop__named_list_reserve(&list, context, SIZE_MAX / 2 + 1), DUALPROP_ERROR_RANGE, "names");
    expect_ok(dualprop__named_list_reserve(&list, context, 1));
    dualprop__named_list_append(&list, (void *)(uintptr_t)&name);
    expect_error(dualprop__named_list_reserve(&list, context, SIZE_MAX), DUALPROP_ERROR_RANGE, "names");
    ck_assert_ptr_eq(dualprop__named_list_find(&list, "name"), &name);
    ck_assert_ptr_null(dualprop__named_list_remove(&list, "other"));
    ck_assert_ptr_eq(dualprop__named_list_remove(&list, "name"), &name);
    dualprop__release(context, list.items);
}
END_TEST

/* ---- views ---- */

START_TEST(views_whose_sizes_wrap)
{
    static const int64_t huge[3] = { INT64_MAX / 2, 3, 2 };
    static double number;
    dualprop_view view = dualprop__view_of(&number, DUALPROP_F64, 3, huge);
    ck_assert_int_eq(dualprop__view_count(&view), -1);
    expect_error(dualprop__view_check(context, &view, 1u << DUALPROP_F64, "it"), DUALPROP_ERROR_RANGE, "beyond");
    static const struct {
        int64_t shape[2], strides[2];
    } rows[] = {
        { { 2, 2 }, { INT64_MAX, 1 } },        { { 3, 2 }, { INT64_MAX / 2 + 1, 1 } },
        { { 2, 2 }, { INT64_MIN, 1 } },        { { 2, 2 }, { INT64_MIN + 1, 1 } },
        { { 2, 2 }, { INT64_MAX / 8, 1 } },    { { 2, 2 }, { 1, INT64_MAX / 4 } },
        { { INT64_MAX, 1 }, { 1, 1 } },        { { 1, INT64_MAX / 8 + 1 }, { 1, 1 } },
        { { 2, 2 }, { -(INT64_MAX / 8), 1 } },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        dualprop_view row = { .struct_size = sizeof row, .data = &number, .type = DUALPROP_F64, .rank = 2 };
        memcpy(row.shape, rows[i].shape, sizeof rows[i].shape);
        memcpy(row.strides, rows[i].strides, sizeof rows[i].strides);
        dualprop_status status = dualprop__view_check(context, &row, 1u << DUALPROP_F64, "it");
        ck_assert_msg(status == DUALPROP_ERROR_RANGE, "row %zu: %s", i, dualprop_status_name(status));
    }
}
END_TEST

START_TEST(arrays_are_told_from_views)
{
    static const int64_t shape[3] = { 2, 1, 3 };
    static double numbers[64];
    dualprop_view view = dualprop__view_of(numbers, DUALPROP_F64, 3, shape);
    ck_assert(dualprop__view_is_array(&view, DUALPROP_F64));
    ck_assert(!dualprop__view_is_array(&view, DUALPROP_F32));
    view.strides[1] = 77; /* of one element: it is never taken */
    ck_assert(dualprop__view_is_array(&view, DUALPROP_F64));
    view.strides[2] = 2;
    ck_assert(!dualprop__view_is_array(&view, DUALPROP_F64));
    view.strides[2] = 1, view.strides[0] = 4;
    ck_assert(!dualprop__view_is_array(&view, DUALPROP_F64));
}
END_TEST

/* ---- arenas ---- */

enum { ARENA = 1 << 16, ROUNDS = 20000 };
static _Alignas(64) char arena_buffer[ARENA];
static dualprop_allocator arena;
static atomic_int ends;

static void *use_arena(void *seed)
{
    unsigned random = (unsigned)(uintptr_t)seed;
    while (!atomic_load(&ends)) {
        void *blocks[8];
        size_t sizes[8];
        for (int i = 0; i < 8; i++) {
            random = random * 1664525 + 1013904223;
            sizes[i] = 1 + (random >> 22);
            blocks[i] = arena.allocate(arena.user_data, sizes[i], 64);
            if (blocks[i]) memset(blocks[i], (int)i, sizes[i]);
        }
        for (int i = 0; i < 8; i++) {
            if (!blocks[i]) continue;
            for (size_t k = 0; k < sizes[i]; k++)
                if (((char *)blocks[i])[k] != i) return (void *)1; /* someone else has it too */
            arena.release(arena.user_data, blocks[i], sizes[i]);
        }
    }
    return NULL;
}

static void start_arena(void)
{
    arena = (dualprop_allocator){ .struct_size = sizeof arena };
    expect_ok(dualprop_arena_allocator(&arena, arena_buffer, sizeof arena_buffer));
}

START_TEST(an_arena_gives_no_more_than_it_has)
{
    start_arena();
    ck_assert_ptr_null(arena.allocate(arena.user_data, SIZE_MAX, 64));
    ck_assert_ptr_null(arena.allocate(arena.user_data, SIZE_MAX - 64, 64));
    ck_assert_ptr_null(arena.allocate(arena.user_data, ARENA, 64));
    void *block = arena.allocate(arena.user_data, ARENA - 64, 64); /* all but its head */
    ck_assert_ptr_nonnull(block);
    ck_assert_ptr_null(arena.allocate(arena.user_data, 1, 64));
    arena.release(arena.user_data, block, ARENA - 64);
    block = arena.allocate(arena.user_data, 100, 4096);
    ck_assert_uint_eq((uintptr_t)block % 4096, 0);
    arena.release(arena.user_data, block, 100);
    block = arena.allocate(arena.user_data, ARENA - 64, 64);
    ck_assert_ptr_nonnull(block); /* nothing was lost */
    arena.release(arena.user_data, block, ARENA - 64);
}
END_TEST

START_TEST(threads_share_an_arena)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    start_arena();
    atomic_store(&ends, 0);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, use_arena, (void *)(uintptr_t)(i + 1)), 0);
    usleep(300000);
    atomic_store(&ends, 1);
    for (int i = 0; i < THREADS; i++) {
        void *wrong = NULL;
        pthread_join(threads[i], &wrong);
        ck_assert_ptr_null(wrong);
    }
    void *block = arena.allocate(arena.user_data, ARENA - 64, 64);
    ck_assert_ptr_nonnull(block); /* all came back, and joined */
}
END_TEST

/* A child that was forked off while another thread was in the arena gets no memory from it; it does not hang. */
START_TEST(an_arena_in_a_forked_child)
{
    pthread_t thread;
    int held = 0;
    start_arena();
    atomic_store(&ends, 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, use_arena, (void *)(uintptr_t)5), 0);
    for (int i = 0; i < 300; i++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(20);
            void *block = arena.allocate(arena.user_data, 64, 64);
            if (block) arena.release(arena.user_data, block, 64);
            _exit(block ? 0 : 1);
        }
        int status = -1;
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert(WIFEXITED(status));
        held += WEXITSTATUS(status);
    }
    atomic_store(&ends, 1);
    pthread_join(thread, NULL);
    ck_assert_int_le(held, 300);
}
END_TEST

/* The same for certain: the child finds the arena as a thread that is not in it has left it. */
START_TEST(an_arena_that_was_held_at_the_fork)
{
    atomic_int *holder;
    start_arena();
    void *block = arena.allocate(arena.user_data, 64, 64);
    holder = (atomic_int *)arena.user_data; /* the record begins with it */
    ck_assert_int_eq(atomic_load(holder), 0);
    atomic_store(holder, dualprop__process_number());
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        arena.release(arena.user_data, block, 64); /* without effect */
        _exit(arena.allocate(arena.user_data, 64, 64) == NULL ? 0 : 1);
    }
    int status = -1;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    atomic_store(holder, 0);
}
END_TEST

Suite *test_sizes_suite(void)
{
    Suite *suite = suite_create("sizes");
    TCase *tests = tcase_create("sizes");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, blocks_of_absurd_sizes);
    tcase_add_test(tests, threads_count_their_memory_together);
    tcase_add_test(tests, blocks_are_aligned_and_zero);
    tcase_add_test(tests, arrays_of_reals_of_absurd_sizes);
    tcase_add_test(tests, ranges_of_reals);
    tcase_add_test(tests, more_names_than_memory_has);
    tcase_add_test(tests, views_whose_sizes_wrap);
    tcase_add_test(tests, arrays_are_told_from_views);
    tcase_add_test(tests, an_arena_gives_no_more_than_it_has);
    tcase_add_test(tests, threads_share_an_arena);
    tcase_add_test(tests, an_arena_in_a_forked_child);
    tcase_add_test(tests, an_arena_that_was_held_at_the_fork);
    suite_add_tcase(suite, tests);
    return suite;
}
