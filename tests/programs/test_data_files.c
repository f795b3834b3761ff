/*
 * test_data_files.c - IDX, gzip and .npy: what is right comes out right, everything else is refused by a sentence that
 * names the file and the check, and nothing of it is kept.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "common/dataset.h"
#include "common/idx.h"
#include "common/npy.h"
#include "main.h"
#include "support/memory_files.h"
#include "support/randomness.h"
#include "support/scratch_folder.h"

#define SIDE 28
#define IMAGE (SIDE * SIDE)
#define IMAGES 10 /* the labels 0 to 9 */

static memory_files files;

static void setup(void)
{
    memory_files_init(&files);
}

static void teardown(void)
{
    memory_files_expect_idle(&files);
}

static void put(const void *bytes, size_t size)
{
    memory_files_put(&files, "file", bytes, size);
}

static void expect_sentence(dualprop_status status, dualprop_status expected, const char *word)
{
    if (status != expected || !strstr(files.host.message, word) || strchr(files.host.message, '\n'))
        ck_abort_msg("%s with \"%s\"; expected %s with \"%s\"", dualprop_status_name(status),
                     status == DUALPROP_OK ? "" : files.host.message, dualprop_status_name(expected), word);
}

/* ---- IDX ---- */

static const unsigned char small_idx[] = { 0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 10, 20, 30, 40, 50, 60 };

static dualprop_status read_idx(int rank)
{
    array out = { .count = 77 };
    dualprop_status status = idx_read(&out, &files.host, "file", rank);
    if (status != DUALPROP_OK) ck_assert(out.count == 77 && out.data == NULL);
    else array_release(&out, &files.host);
    return status;
}

START_TEST(idx_comes_out_as_it_went_in)
{
    array out = { 0 };
    put(small_idx, sizeof small_idx);
    ck_assert_int_eq(idx_read(&out, &files.host, "file", 2), DUALPROP_OK);
    ck_assert(out.type == DUALPROP_U8 && out.rank == 2 && out.shape[0] == 2 && out.shape[1] == 3 && out.count == 6);
    ck_assert_mem_eq(out.data, small_idx + 12, 6);
    array_release(&out, &files.host);
}
END_TEST

START_TEST(idx_of_any_other_length_is_refused)
{
    unsigned char longer[sizeof small_idx + 3] = { 0 };
    memcpy(longer, small_idx, sizeof small_idx);
    for (size_t size = 0; size <= sizeof longer; size++) {
        put(longer, size);
        if (size == sizeof small_idx) ck_assert_int_eq(read_idx(2), DUALPROP_OK);
        else expect_sentence(read_idx(2), DUALPROP_ERROR_FORMAT, size < sizeof small_idx ? "truncated" : "trailing");
    }
}
END_TEST

/* No flipped bit of the header goes unnoticed, nor is anything large allocated for it. */
START_TEST(idx_with_another_header_is_refused)
{
    unsigned char changed[sizeof small_idx];
    for (int bit = 0; bit < 12 * 8; bit++) {
        memcpy(changed, small_idx, sizeof small_idx);
        changed[bit / 8] ^= (unsigned char)(1 << bit % 8);
        put(changed, sizeof changed);
        expect_sentence(read_idx(2), DUALPROP_ERROR_FORMAT, "file: ");
    }
}
END_TEST

static const struct {
    unsigned char bytes[24];
    size_t size;
    int rank;
    const char *word;
} bad_idx[] = {
    { { 1, 0, 8, 1, 0, 0, 0, 1, 5 }, 9, 1, "magic" },
    { { 0, 1, 8, 1, 0, 0, 0, 1, 5 }, 9, 1, "magic" },
    { { 0, 0, 9, 1, 0, 0, 0, 1, 5 }, 9, 1, "element type" },
    { { 0, 0, 0x0d, 1, 0, 0, 0, 1, 5 }, 9, 1, "element type" },
    { { 0, 0, 8, 0, 0, 0, 0, 1, 5 }, 9, 1, "rank" },
    { { 0, 0, 8, 255, 0, 0, 0, 1, 5 }, 9, 1, "rank" },
    { { 0, 0, 8, 3, 0, 0, 0, 1, 5 }, 9, 1, "rank" },
    { { 0, 0, 8, 1, 0x80, 0, 0, 1, 5 }, 9, 1, "truncated" },
    { { 0, 0, 8, 1, 0xff, 0xff, 0xff, 0xff, 5 }, 9, 1, "truncated" },
    { { 0, 0, 8, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 5 }, 13, 2, "overflow" },
    { { 0, 0, 8, 3, 0x80, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 4, 5 }, 17, 3, "overflow" },
    { { 0, 0, 8, 3, 0x80, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 1, 5 }, 17, 3, "truncated" },
    { { 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0 }, 8, 1, "magic" },
    { { 0x1f, 0x8b, 8, 1, 0, 0, 0, 1, 5 }, 9, 1, "truncated" },
    { { 0x1f, 0x8b, 7, 1, 0, 0, 0, 1, 5 }, 9, 1, "gzip" },
    { { 0x1f, 0x8b }, 2, 1, "truncated" },
    { { 0 }, 0, 1, "truncated" },
};

START_TEST(bad_idx_is_refused)
{
    put(bad_idx[_i].bytes, bad_idx[_i].size);
    files.memory.live_bytes = 0;
    dualprop_status status = read_idx(bad_idx[_i].rank);
    ck_assert(status == DUALPROP_ERROR_FORMAT || status == DUALPROP_ERROR_CORRUPT);
    expect_sentence(status, status, bad_idx[_i].word);
}
END_TEST

START_TEST(absurd_ranks_are_the_callers_mistake)
{
    put(small_idx, sizeof small_idx);
    expect_sentence(read_idx(0), DUALPROP_ERROR_INVALID_ARGUMENT, "rank");
    expect_sentence(read_idx(DUALPROP_MAX_RANK + 1), DUALPROP_ERROR_INVALID_ARGUMENT, "rank");
}
END_TEST

/* ---- gzip ---- */

static size_t zip(unsigned char *out, size_t room, const void *content, size_t size)
{
    z_stream stream = { 0 };
    ck_assert_int_eq(deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = (unsigned char *)(uintptr_t)content;
    stream.avail_in = (unsigned)size;
    stream.next_out = out;
    stream.avail_out = (unsigned)room;
    ck_assert_int_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
    deflateEnd(&stream);
    return stream.total_out;
}

START_TEST(a_packed_file_is_unpacked)
{
    static unsigned char content[100016], packed[120000];
    array out = { 0 };
    randomness random = random_start(1);
    memcpy(content, ((unsigned char[]){ 0, 0, 8, 3, 0, 0, 0, 10, 0, 0, 0, 100, 0, 0, 0, 100 }), 16);
    for (size_t i = 16; i < sizeof content; i++) content[i] = (unsigned char)random_bits(&random);
    size_t size = zip(packed, sizeof packed, content, sizeof content);
    put(packed, size);
    ck_assert_int_eq(idx_read(&out, &files.host, "file", 3), DUALPROP_OK);
    ck_assert_uint_eq(out.count, 100000);
    ck_assert_mem_eq(out.data, content + 16, 100000);
    array_release(&out, &files.host);
}
END_TEST

START_TEST(a_packed_file_of_another_length_is_refused)
{
    unsigned char packed[200] = { 0 };
    size_t size = zip(packed, sizeof packed, small_idx, sizeof small_idx);
    memset(packed + size, 0x1e, 3);
    for (size_t length = 0; length <= size + 3; length++) {
        put(packed, length);
        dualprop_status status = read_idx(2);
        if ((status == DUALPROP_OK) != (length == size)) ck_abort_msg("length %zu of %zu", length, size);
        if (status != DUALPROP_OK) expect_sentence(status, DUALPROP_ERROR_FORMAT, "file: ");
    }
}
END_TEST

/* As bgzip, pigz, cat and tapes make them: several members, empty ones among them, and zeros after the last. */
START_TEST(a_file_packed_in_pieces_is_unpacked)
{
    unsigned char packed[600] = { 0 };
    for (size_t cut = 0; cut <= sizeof small_idx; cut++) {
        array out = { 0 };
        size_t size = zip(packed, 200, small_idx, cut);
        size += zip(packed + size, 100, "", 0);
        size += zip(packed + size, 200, small_idx + cut, sizeof small_idx - cut);
        size += zip(packed + size, 100, "", 0);
        for (size_t zeros = 0; zeros < 2; zeros++) {
            memset(packed + size, 0, 20);
            put(packed, size + 20 * zeros);
            ck_assert_int_eq(idx_read(&out, &files.host, "file", 2), DUALPROP_OK);
            ck_assert_mem_eq(out.data, small_idx + 12, 6);
            array_release(&out, &files.host);
        }
        put(packed, size - 1);
        expect_sentence(read_idx(2), DUALPROP_ERROR_FORMAT, "file: ");
    }
}
END_TEST

/* Some bits of gzip mean nothing (the time, the operating system, what fills up the last byte). */
START_TEST(a_packed_file_with_another_bit_gives_nothing_else)
{
    unsigned char packed[200];
    size_t size = zip(packed, sizeof packed, small_idx, sizeof small_idx);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        array out = { 0 };
        packed[bit / 8] ^= (unsigned char)(1 << bit % 8);
        put(packed, size);
        if (idx_read(&out, &files.host, "file", 2) == DUALPROP_OK) ck_assert_mem_eq(out.data, small_idx + 12, 6);
        array_release(&out, &files.host);
        packed[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
}
END_TEST

/* A few bytes that unpack to a lot: nothing is allocated for what the header does not announce. */
START_TEST(a_bomb_does_not_go_off)
{
    size_t size = 64 << 20;
    unsigned char *content = calloc(1, size), *packed = malloc(1 << 20);
    ck_assert_ptr_nonnull(content);
    ck_assert_ptr_nonnull(packed);
    memcpy(content, small_idx, sizeof small_idx);
    put(packed, zip(packed, 1 << 20, content, size));
    expect_sentence(read_idx(2), DUALPROP_ERROR_FORMAT, "trailing");
    free(content);
    free(packed);
}
END_TEST

/* ---- .npy ---- */

static unsigned char npy[1024];

/* A file of version 1 with this dictionary; gives its size. */
static size_t write_npy(const char *dictionary, const void *content, size_t size)
{
    size_t length = strlen(dictionary);
    memcpy(npy, "\x93NUMPY\x01\x00", 8);
    npy[8] = (unsigned char)length;
    npy[9] = (unsigned char)(length >> 8);
    memcpy(npy + 10, dictionary, length);
    memcpy(npy + 10 + length, content, size);
    put(npy, 10 + length + size);
    return 10 + length + size;
}

static dualprop_status read_reals(void)
{
    array out = { .count = 77 };
    dualprop_status status = npy_read_reals(&out, &files.host, "file");
    if (status != DUALPROP_OK) ck_assert(out.count == 77 && out.data == NULL);
    else array_release(&out, &files.host);
    return status;
}

static dualprop_status read_labels(void)
{
    array out = { .count = 77 };
    dualprop_status status = npy_read_labels(&out, &files.host, "file");
    if (status != DUALPROP_OK) ck_assert(out.count == 77 && out.data == NULL);
    else array_release(&out, &files.host);
    return status;
}

static const float six[6] = { 1, -2, 3.5f, 0, 1e-30f, 6 };
#define GOOD "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n"

START_TEST(npy_comes_out_as_it_went_in)
{
    array out = { 0 };
    write_npy(GOOD, six, sizeof six);
    ck_assert_int_eq(npy_read_reals(&out, &files.host, "file"), DUALPROP_OK);
    ck_assert(out.type == DUALPROP_F32 && out.rank == 2 && out.shape[0] == 2 && out.shape[1] == 3);
    ck_assert_mem_eq(out.data, six, sizeof six);
    array_release(&out, &files.host);
    write_npy("{'shape': (3,), 'fortran_order': False, 'descr': '<f8'}", six, sizeof six);
    ck_assert_int_eq(read_reals(), DUALPROP_OK);
}
END_TEST

/* numpy writes what it is given: columns first, and the bytes of another machine. */
START_TEST(npy_in_another_order_comes_out_the_same)
{
    static const float columns[6] = { 1, 0, -2, 1e-30f, 3.5f, 6 };
    static const unsigned char labels[] = { 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 1, 0, 2 };
    unsigned char swapped[24];
    array out = { 0 };
    for (int i = 0; i < 24; i++) swapped[i] = ((const unsigned char *)columns)[i / 4 * 4 + 3 - i % 4];
    write_npy("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }\n", columns, sizeof columns);
    ck_assert_int_eq(npy_read_reals(&out, &files.host, "file"), DUALPROP_OK);
    ck_assert_mem_eq(out.data, six, sizeof six);
    array_release(&out, &files.host);
    write_npy("{'descr': '>f4', 'fortran_order': True, 'shape': (2, 3), }\n", swapped, sizeof swapped);
    ck_assert_int_eq(npy_read_reals(&out, &files.host, "file"), DUALPROP_OK);
    ck_assert_mem_eq(out.data, six, sizeof six);
    array_release(&out, &files.host);
    write_npy("{'descr': '>i8', 'fortran_order': True, 'shape': (2, 1), }\n", labels, sizeof labels);
    ck_assert_int_eq(npy_read_labels(&out, &files.host, "file"), DUALPROP_OK);
    ck_assert(out.rank == 1 && out.shape[0] == 2);
    ck_assert(((const int32_t *)out.data)[0] == 5 && ((const int32_t *)out.data)[1] == 65538);
    array_release(&out, &files.host);
}
END_TEST

START_TEST(npy_of_any_other_length_is_refused)
{
    size_t whole = write_npy(GOOD, six, sizeof six);
    for (size_t size = 0; size < whole + 3; size++) {
        put(npy, size);
        if (size == whole) ck_assert_int_eq(read_reals(), DUALPROP_OK);
        else expect_sentence(read_reals(), DUALPROP_ERROR_FORMAT, "file: ");
    }
}
END_TEST

/* A change of the header is refused, or still describes 24 bytes; a change of the content is a change of a number. */
START_TEST(npy_with_another_bit_does_no_harm)
{
    size_t whole = write_npy(GOOD, six, sizeof six);
    for (size_t bit = 0; bit < 8 * (whole - sizeof six); bit++) {
        npy[bit / 8] ^= (unsigned char)(1 << bit % 8);
        dualprop_status status = read_reals();
        if (status != DUALPROP_OK && status != DUALPROP_ERROR_NOT_FINITE)
            expect_sentence(status, DUALPROP_ERROR_FORMAT, "file: ");
        npy[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
}
END_TEST

static const char *const bad_dictionaries[] = {
    "",
    "{}",
    "{",
    "}",
    "garbage",
    "{'descr': '<f4', 'fortran_order': False}",
    "{'descr': '<f4', 'fortran_order': true, 'shape': (2, 3), }",
    "{'descr': '=f4', 'fortran_order': False, 'shape': (2, 3), }",
    "{'descr': '|O8', 'fortran_order': False, 'shape': (2, 3), }",
    "{'descr': '<f2', 'fortran_order': False, 'shape': (4, 3), }",
    "{'descr': '<i4', 'fortran_order': False, 'shape': (2, 3), }",
    "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2, 3), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2, -3), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2 3), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3, }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': 6, }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1, 1, 1, 1, 1, 1, 6), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807,), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999,), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } more",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'and': 1}",
};
enum { BAD_DICTIONARIES = sizeof bad_dictionaries / sizeof *bad_dictionaries };

START_TEST(bad_npy_is_refused)
{
    write_npy(bad_dictionaries[_i], six, sizeof six);
    expect_sentence(read_reals(), DUALPROP_ERROR_FORMAT, "file: ");
}
END_TEST

START_TEST(npy_of_another_version_or_with_a_long_header_is_refused)
{
    size_t size = write_npy(GOOD, six, sizeof six);
    npy[6] = 4;
    expect_sentence(read_reals(), DUALPROP_ERROR_FORMAT, "version");
    npy[6] = 0;
    expect_sentence(read_reals(), DUALPROP_ERROR_FORMAT, "version");
    npy[6] = 1;
    npy[8] = npy[9] = 0xff;
    expect_sentence(read_reals(), DUALPROP_ERROR_FORMAT, "header is too long");
    npy[6] = 2;
    put(npy, size);
    memset(npy + 8, 0xff, 4);
    expect_sentence(read_reals(), DUALPROP_ERROR_FORMAT, "header is too long");
}
END_TEST

START_TEST(numbers_that_are_not_finite_are_refused)
{
    float changed[6];
    double wide[3] = { 0, 1, -INFINITY };
    memcpy(changed, six, sizeof six);
    changed[5] = NAN;
    write_npy(GOOD, changed, sizeof changed);
    expect_sentence(read_reals(), DUALPROP_ERROR_NOT_FINITE, "element 5");
    write_npy("{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }", wide, sizeof wide);
    expect_sentence(read_reals(), DUALPROP_ERROR_NOT_FINITE, "element 2");
}
END_TEST

START_TEST(labels_of_every_kind_of_integer)
{
    static const char *const kinds[] = { "|u1", "<u2", "<u4", "<u8", "|i1", "<i2", "<i4", "<i8" };
    for (int i = 0; i < 8; i++) {
        unsigned char content[3 * 8] = { 0 };
        char dictionary[100];
        array out = { 0 };
        int size = 1 << i % 4;
        for (int k = 0; k < 3; k++) content[k * size] = (unsigned char)(5 * k);
        snprintf(dictionary, sizeof dictionary, "{'descr': '%s', 'fortran_order': False, 'shape': (3,), }", kinds[i]);
        write_npy(dictionary, content, 3 * (size_t)size);
        ck_assert_int_eq(npy_read_labels(&out, &files.host, "file"), DUALPROP_OK);
        ck_assert_mem_eq(out.data, ((int32_t[]){ 0, 5, 10 }), 12);
        array_release(&out, &files.host);
        content[3 * size - 1] = 0xff; /* the last one is huge, or negative */
        write_npy(dictionary, content, 3 * (size_t)size);
        if (i == 0 || i == 1) ck_assert_int_eq(read_labels(), DUALPROP_OK);
        else expect_sentence(read_labels(), DUALPROP_ERROR_FORMAT, "label 2");
    }
    write_npy(GOOD, six, sizeof six);
    expect_sentence(read_labels(), DUALPROP_ERROR_FORMAT, "integers");
    write_npy("{'descr': '|u1', 'fortran_order': False, 'shape': (4, 6), }", six, sizeof six);
    expect_sentence(read_labels(), DUALPROP_ERROR_FORMAT, "rank");
}
END_TEST

/* ---- whole sets ---- */

static unsigned char images[16 + IMAGES * IMAGE], labels[8 + IMAGES];

/* A good set of 10 + 10 samples in the folder "set". */
static void make_mnist(void)
{
    randomness random = random_start(5);
    memcpy(images, ((unsigned char[]){ 0, 0, 8, 3, 0, 0, 0, IMAGES, 0, 0, 0, SIDE, 0, 0, 0, SIDE }), 16);
    memcpy(labels, ((unsigned char[]){ 0, 0, 8, 1, 0, 0, 0, IMAGES }), 8);
    for (size_t i = 16; i < sizeof images; i++) images[i] = (unsigned char)random_bits(&random);
    for (int i = 0; i < IMAGES; i++) labels[8 + i] = (unsigned char)i;
    memory_files_put(&files, "set/train-images-idx3-ubyte", images, sizeof images);
    memory_files_put(&files, "set/train-labels-idx1-ubyte", labels, sizeof labels);
    memory_files_put(&files, "set/t10k-images-idx3-ubyte", images, sizeof images);
    memory_files_put(&files, "set/t10k-labels-idx1-ubyte", labels, sizeof labels);
}

static dualprop_status open_set(int kind, int64_t limit)
{
    dataset set = { .classes = 77 };
    dualprop_status status = dataset_open(&set, &files.host, kind, "set", limit);
    ck_assert(files.host.digest == NULL);
    if (status == DUALPROP_OK) dataset_close(&set, &files.host);
    else ck_assert(set.classes == 77 && set.train.images.data == NULL);
    return status;
}

START_TEST(a_set_comes_out_as_it_went_in)
{
    dataset set = { 0 };
    make_mnist();
    ck_assert_int_eq(dataset_open(&set, &files.host, DATASET_IDX, "set", 0), DUALPROP_OK);
    ck_assert(set.train.count == IMAGES && set.test.count == IMAGES && set.classes == 10);
    ck_assert(set.height == SIDE && set.width == SIDE && set.channels == 1);
    ck_assert_mem_eq(set.train.images.data, images + 16, IMAGES * IMAGE);
    for (int i = 0; i < IMAGES; i++) ck_assert_int_eq(((int32_t *)set.test.labels.data)[i], i);
    dataset_close(&set, &files.host);
}
END_TEST

START_TEST(files_that_contradict_each_other_are_refused)
{
    make_mnist();
    labels[8 + 3] = 10;
    expect_sentence(open_set(DATASET_MNIST, 0), DUALPROP_ERROR_FORMAT, "label 3 is 10");
    make_mnist();
    labels[7] = IMAGES - 1;
    memory_files_put(&files, "set/train-labels-idx1-ubyte", labels, sizeof labels - 1);
    expect_sentence(open_set(DATASET_MNIST, 0), DUALPROP_ERROR_FORMAT, "9 labels for the 10 images");
    make_mnist();
    labels[8] = 1;
    expect_sentence(open_set(DATASET_MNIST, 0), DUALPROP_ERROR_FORMAT, "class 0");
    make_mnist();
    images[11] = SIDE / 2;
    images[15] = 2 * SIDE;
    expect_sentence(open_set(DATASET_MNIST, 0), DUALPROP_ERROR_FORMAT, "14 x 56");
    make_mnist();
    images[7] = labels[7] = 0;
    for (int i = 0; i < 4; i++) files.file[i].size = i % 2 ? 8 : 16;
    expect_sentence(open_set(DATASET_MNIST, 0), DUALPROP_ERROR_FORMAT, "empty");
}
END_TEST

START_TEST(a_set_is_what_its_name_says)
{
    dataset set = { 0 };
    digest whole;
    char expected[DIGEST_TEXT];
    make_mnist();
    digest_begin(&whole);
    digest_add(&whole, images, sizeof images);
    digest_add(&whole, labels, sizeof labels);
    digest_add(&whole, images, sizeof images);
    digest_add(&whole, labels, sizeof labels);
    digest_end(expected, &whole);
    ck_assert_int_eq(dataset_open(&set, &files.host, DATASET_IDX, "set", 0), DUALPROP_OK);
    ck_assert_str_eq(set.sha256, expected);
    dataset_close(&set, &files.host);
    expect_sentence(open_set(DATASET_MNIST, 0), DUALPROP_ERROR_FORMAT, "does not hold mnist");
    expect_sentence(open_set(DATASET_FASHION_MNIST, 0), DUALPROP_ERROR_FORMAT, expected);
}
END_TEST

START_TEST(another_set_of_the_layout_has_its_own_classes_and_size)
{
    dataset set = { 0 };
    make_mnist();
    labels[8 + 9] = 8;
    images[11] = SIDE / 2;
    images[15] = 2 * SIDE;
    ck_assert_int_eq(dataset_open(&set, &files.host, DATASET_IDX, "set", 0), DUALPROP_OK);
    ck_assert(set.classes == 9 && set.height == SIDE / 2 && set.width == 2 * SIDE);
    dataset_close(&set, &files.host);
}
END_TEST

START_TEST(each_file_is_missed)
{
    for (int i = 0; i < 4; i++) {
        char name[64];
        make_mnist();
        strcpy(name, files.file[i].path);
        strcpy(files.file[i].path, "elsewhere");
        expect_sentence(open_set(DATASET_IDX, 0), DUALPROP_ERROR_ACCESS, name);
        strcat(strcpy(files.file[i].path, name), ".gz");
        ck_assert_int_eq(open_set(DATASET_IDX, 0), DUALPROP_OK); /* found by content, whatever its name is */
        strcpy(files.file[i].path, name);
        *strstr(files.file[i].path, "-idx") = '.'; /* as some unpackers call it */
        ck_assert_int_eq(open_set(DATASET_IDX, 0), DUALPROP_OK);
        setup();
    }
}
END_TEST

START_TEST(the_limit_is_held_against_what_is_there)
{
    dataset set = { 0 };
    make_mnist();
    ck_assert_int_eq(dataset_open(&set, &files.host, DATASET_IDX, "set", 7), DUALPROP_OK);
    ck_assert(set.train.count == 7 && set.test.count == IMAGES);
    dataset_close(&set, &files.host);
    expect_sentence(open_set(DATASET_IDX, IMAGES + 1), DUALPROP_ERROR_INVALID_ARGUMENT, "--limit is 11");
}
END_TEST

/* ---- memory and reads that fail ---- */

START_TEST(any_allocation_may_fail)
{
    unsigned char packed[IMAGES * IMAGE + 1000];
    dualprop_status status;
    long at = 0;
    make_mnist();
    memory_files_put(&files, "set/t10k-images-idx3-ubyte", packed, zip(packed, sizeof packed, images, sizeof images));
    do {
        failing_allocator_arm(&files.memory, ++at, _i);
        status = open_set(DATASET_IDX, 0);
        ck_assert_int_eq(files.memory.live_blocks, 0);
        ck_assert(status == DUALPROP_ERROR_NO_MEMORY || (status == DUALPROP_OK && files.memory.failures == 0));
    } while (status != DUALPROP_OK);
    ck_assert_int_gt(at, 10);
}
END_TEST

static struct {
    int64_t (*read)(void *user_data, int64_t file, void *buffer, size_t size);
    int calls, at, for_ever, error; /* error 0: one byte only */
} fault;

static int64_t faulty_read(void *user_data, int64_t file, void *buffer, size_t size)
{
    int call = fault.calls++, hit = call == fault.at || (fault.for_ever && call > fault.at);
    if (hit && fault.error) return -fault.error;
    return fault.read(user_data, file, buffer, hit && size > 0 ? 1 : size);
}

START_TEST(any_read_may_fail)
{
    static const int errors[] = { EIO, EINTR, 0 };
    make_mnist();
    fault.read = files.host.io.read;
    files.host.io.read = faulty_read;
    fault.error = errors[_i % 3];
    fault.for_ever = _i / 3;
    if (fault.error == EINTR) fault.for_ever = 0; /* an endless one would be retried without end, as POSIX has it */
    for (fault.at = 0;; fault.at++) {
        fault.calls = 0;
        dualprop_status status = open_set(DATASET_IDX, 0);
        if (fault.calls <= fault.at) break;
        if (fault.error == EIO) expect_sentence(status, DUALPROP_ERROR_IO, "set/");
        else ck_assert_int_eq(status, DUALPROP_OK);
        ck_assert_int_eq(files.open_files, 0);
    }
    ck_assert_int_gt(fault.at, 4);
}
END_TEST

/* ---- what is no file ---- */

START_TEST(only_regular_files_are_read)
{
    static const char *const words[] = {
        "directory",       "no regular file",    "no regular file", "No such file",
        "Too many levels", "File name too long", "No such file",    "Not a directory"
    };
    static char name[600];
    scratch_folder folder = scratch_folder_create();
    array out;
    host_init(&files.host, "test");
    snprintf(name, sizeof name, "%s/odd", folder.path);
    switch (_i) {
    case 0: ck_assert_int_eq(mkdir(name, 0700), 0); break;
    case 1: ck_assert_int_eq(mkfifo(name, 0600), 0); break;
    case 2: strcpy(name, "/dev/zero"); break;
    case 4: ck_assert_int_eq(symlink("odd", name), 0); break;
    case 5: memset(name + strlen(folder.path) + 1, 'x', 300); break;
    case 6: name[0] = 0; break;
    case 7: strcpy(name, "/dev/null/file"); break;
    }
    alarm(2);
    expect_sentence(idx_read(&out, &files.host, name, 1), DUALPROP_ERROR_ACCESS, words[_i]);
    expect_sentence(npy_read_reals(&out, &files.host, name), DUALPROP_ERROR_ACCESS, words[_i]);
    alarm(0);
    scratch_folder_destroy(&folder);
}
END_TEST

Suite *test_data_files_suite(void)
{
    Suite *suite = suite_create("data_files");
    TCase *tests = tcase_create("data_files");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, idx_comes_out_as_it_went_in);
    tcase_add_test(tests, idx_of_any_other_length_is_refused);
    tcase_add_test(tests, idx_with_another_header_is_refused);
    tcase_add_loop_test(tests, bad_idx_is_refused, 0, (int)(sizeof bad_idx / sizeof *bad_idx));
    tcase_add_test(tests, absurd_ranks_are_the_callers_mistake);
    tcase_add_test(tests, a_packed_file_is_unpacked);
    tcase_add_test(tests, a_packed_file_of_another_length_is_refused);
    tcase_add_test(tests, a_file_packed_in_pieces_is_unpacked);
    tcase_add_test(tests, a_packed_file_with_another_bit_gives_nothing_else);
    tcase_add_test(tests, a_bomb_does_not_go_off);
    tcase_add_test(tests, npy_comes_out_as_it_went_in);
    tcase_add_test(tests, npy_of_any_other_length_is_refused);
    tcase_add_test(tests, npy_in_another_order_comes_out_the_same);
    tcase_add_test(tests, npy_with_another_bit_does_no_harm);
    tcase_add_loop_test(tests, bad_npy_is_refused, 0, BAD_DICTIONARIES);
    tcase_add_test(tests, npy_of_another_version_or_with_a_long_header_is_refused);
    tcase_add_test(tests, numbers_that_are_not_finite_are_refused);
    tcase_add_test(tests, labels_of_every_kind_of_integer);
    tcase_add_test(tests, a_set_comes_out_as_it_went_in);
    tcase_add_test(tests, files_that_contradict_each_other_are_refused);
    tcase_add_test(tests, a_set_is_what_its_name_says);
    tcase_add_test(tests, another_set_of_the_layout_has_its_own_classes_and_size);
    tcase_add_test(tests, each_file_is_missed);
    tcase_add_test(tests, the_limit_is_held_against_what_is_there);
    tcase_add_loop_test(tests, any_allocation_may_fail, 0, 2);
    tcase_add_loop_test(tests, any_read_may_fail, 0, 6);
    tcase_add_loop_test(tests, only_regular_files_are_read, 0, 8);
    suite_add_tcase(suite, tests);
    return suite;
}
