/*
 * test_image_files.c - CIFAR's binary files and ImageNet32's archives: what is right comes out right, everything else
 * is refused, and nothing is left.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "common/cifar.h"
#include "common/imagenet32.h"
#include "main.h"
#include "support/memory_files.h"
#include "support/randomness.h"

#define RECORDS 2 /* in each training file of CIFAR-10: labels 2 i and 2 i + 1 in file i */
#define PIXELS 1024
#define IMAGE (3 * PIXELS)
#define RECORD (1 + IMAGE)

static memory_files files;
static unsigned char batches[6][RECORDS * RECORD];

static void fill(unsigned char *bytes, size_t count, uint64_t stream)
{
    randomness random = random_start(stream);

    for (size_t i = 0; i < count; i++) bytes[i] = (unsigned char)random_bits(&random);
}

/* A good CIFAR-10 set of 10 + 2 samples in the folder "set". */
static void make_cifar10(void)
{
    char path[64];

    memory_files_init(&files);
    for (int i = 0; i < 6; i++) {
        fill(batches[i], sizeof batches[i], (uint64_t)i);
        for (int record = 0; record < RECORDS; record++)
            batches[i][record * RECORD] = (unsigned char)(i < 5 ? 2 * i + record : record);
        snprintf(path, sizeof path, i < 5 ? "set/data_batch_%d.bin" : "set/test_batch.bin", i + 1);
        memory_files_put(&files, path, batches[i], sizeof batches[i]);
    }
}

static dualprop_status open_set(dataset *set, int kind)
{
    memset(set, 0, sizeof *set);
    return dataset_open(set, &files.host, kind, "set", 0);
}

/* The set is refused by a sentence with the text in it, and nothing is left. */
static void expect_refused(int kind, dualprop_status status, const char *text)
{
    dataset set;

    ck_assert_int_eq(open_set(&set, kind), status);
    ck_assert_msg(strstr(files.host.message, text) != NULL, "\"%s\" has no \"%s\"", files.host.message, text);
    memory_files_expect_idle(&files);
}

static void expect_pixels(const unsigned char *pixels, const unsigned char *planes)
{
    for (int i = 0; i < PIXELS; i++) {
        for (int channel = 0; channel < 3; channel++)
            ck_assert_int_eq(pixels[3 * i + channel], planes[channel * PIXELS + i]);
    }
}

START_TEST(cifar10_comes_out_as_it_went_in)
{
    dataset set;

    make_cifar10();
    ck_assert_int_eq(open_set(&set, DATASET_CIFAR10), DUALPROP_OK);
    ck_assert_int_eq(set.train.count, 10);
    ck_assert_int_eq(set.test.count, RECORDS);
    ck_assert_int_eq(set.classes, 10);
    ck_assert(set.height == 32 && set.width == 32 && set.channels == 3);
    ck_assert(set.mean[0] == .4914 && set.deviation[2] == .2010);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(((int32_t *)set.train.labels.data)[i], i);
        expect_pixels((unsigned char *)set.train.images.data + i * IMAGE, batches[i / 2] + i % 2 * RECORD + 1);
    }
    expect_pixels(set.test.images.data, batches[5] + 1);
    dataset_close(&set, &files.host);
    memory_files_expect_idle(&files);
}
END_TEST

START_TEST(the_folder_inside_the_folder_is_found)
{
    dataset set;

    make_cifar10();
    for (int i = 0; i < 6; i++) {
        char path[64] = "set/cifar-10-batches-bin";
        strcat(path, files.file[i].path + 3);
        strcpy(files.file[i].path, path);
    }
    ck_assert_int_eq(open_set(&set, DATASET_CIFAR10), DUALPROP_OK);
    dataset_close(&set, &files.host);
}
END_TEST

/* Every length of the test file, every seventh of a training file, but those of whole records. */
START_TEST(cut_cifar_files_are_refused)
{
    make_cifar10();
    for (size_t size = 0; size < sizeof batches[0]; size += _i ? 1 : 7) {
        memory_files_put(&files, _i ? "set/test_batch.bin" : "set/data_batch_3.bin", batches[_i ? 5 : 2], size);
        if (size == 0) expect_refused(DATASET_CIFAR10, DUALPROP_ERROR_FORMAT, "it is empty");
        else if (size != RECORD) expect_refused(DATASET_CIFAR10, DUALPROP_ERROR_FORMAT, "wrong size");
        /* A whole record less in the training set is a class less. */
        else if (_i == 0) expect_refused(DATASET_CIFAR10, DUALPROP_ERROR_FORMAT, "no training sample of class 5");
    }
}
END_TEST

START_TEST(labels_out_of_range_are_refused)
{
    for (int label = 10; label < 256; label++) {
        make_cifar10();
        batches[_i][RECORD] = (unsigned char)label;
        expect_refused(DATASET_CIFAR10, DUALPROP_ERROR_FORMAT,
                       _i < 5 ? "set/data_batch_" : "set/test_batch.bin: label 1 is");
    }
}
END_TEST

START_TEST(a_missing_class_is_named)
{
    make_cifar10();
    batches[3][0] = 7;
    expect_refused(DATASET_CIFAR10, DUALPROP_ERROR_FORMAT, "no training sample of class 6");
}
END_TEST

START_TEST(a_packed_cifar_file_is_refused)
{
    static const unsigned char packed[3073] = { 0x1f, 0x8b, 8 };

    make_cifar10();
    memory_files_put(&files, "set/data_batch_1.bin", packed, sizeof packed);
    expect_refused(DATASET_CIFAR10, DUALPROP_ERROR_FORMAT, "it is gzip");
}
END_TEST

START_TEST(a_missing_cifar_file_is_named)
{
    make_cifar10();
    strcpy(files.file[4].path, "elsewhere");
    expect_refused(DATASET_CIFAR10, DUALPROP_ERROR_ACCESS, "set/data_batch_5.bin: no such file");
}
END_TEST

/* 100 classes; the coarse label is the fine one divided by five. */
static unsigned char fine[100 * (2 + IMAGE)];

static void make_cifar100(void)
{
    memory_files_init(&files);
    fill(fine, sizeof fine, 100);
    for (int i = 0; i < 100; i++) {
        fine[i * (2 + IMAGE)] = (unsigned char)(i / 5);
        fine[i * (2 + IMAGE) + 1] = (unsigned char)i;
    }
    memory_files_put(&files, "set/train.bin", fine, sizeof fine);
    memory_files_put(&files, "set/test.bin", fine, 2 * (2 + IMAGE));
}

START_TEST(cifar100_gives_the_fine_label)
{
    dataset set;

    make_cifar100();
    ck_assert_int_eq(open_set(&set, DATASET_CIFAR100), DUALPROP_OK);
    ck_assert(set.train.count == 100 && set.test.count == 2 && set.classes == 100);
    for (int i = 0; i < 100; i++) ck_assert_int_eq(((int32_t *)set.train.labels.data)[i], i);
    expect_pixels((unsigned char *)set.train.images.data + 99 * IMAGE, fine + 99 * (2 + IMAGE) + 2);
    dataset_close(&set, &files.host);
    make_cifar100();
    fine[2 + IMAGE] = 20;
    expect_refused(DATASET_CIFAR100, DUALPROP_ERROR_FORMAT, "coarse label 1 is 20");
    make_cifar100();
    fine[3 + IMAGE] = 100;
    expect_refused(DATASET_CIFAR100, DUALPROP_ERROR_FORMAT, "label 1 is 100");
    memory_files_put(&files, "set/train.bin", fine, 3073 * 10);
    expect_refused(DATASET_CIFAR100, DUALPROP_ERROR_FORMAT, "expected a multiple of 3074");
}
END_TEST

/* ---- Archives ---- */

/* A zip archive that is being written: members are stored or packed. */
typedef struct archive {
    unsigned char *bytes;
    size_t size;
    unsigned char directory[1000];
    size_t directory_size;
    int members;
} archive;

static void put(unsigned char *bytes, size_t *place, uint32_t value, int size)
{
    for (int i = 0; i < size; i++) bytes[(*place)++] = (unsigned char)(value >> 8 * i);
}

/* What the two headers of a member share. */
static void put_fields(unsigned char *bytes, size_t *place, int packed, const unsigned char *content, size_t size,
                       size_t packed_size, size_t name_size)
{
    put(bytes, place, 20, 2);             /* version needed */
    put(bytes, place, 0, 2);              /* flags */
    put(bytes, place, packed ? 8 : 0, 2); /* method */
    put(bytes, place, 0x21, 4);           /* time and date: 1 January 1980 */
    put(bytes, place, (uint32_t)crc32(0, content, (unsigned)size), 4);
    put(bytes, place, (uint32_t)packed_size, 4);
    put(bytes, place, (uint32_t)size, 4);
    put(bytes, place, (uint32_t)name_size, 2);
    put(bytes, place, 0, 2); /* extra field */
}

static size_t pack(unsigned char *out, size_t room, const unsigned char *content, size_t size)
{
    z_stream stream = { 0 };

    ck_assert_int_eq(deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 9, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = (unsigned char *)(uintptr_t)content;
    stream.avail_in = (unsigned)size;
    stream.next_out = out;
    stream.avail_out = (unsigned)room;
    ck_assert_int_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
    deflateEnd(&stream);
    return stream.total_out;
}

static void add_member(archive *self, const char *name, const unsigned char *content, size_t size, int packed)
{
    unsigned char *room = malloc(size + 1000);
    size_t packed_size = packed ? pack(room, size + 1000, content, size) : size;
    size_t begin = self->size, length = strlen(name);

    self->bytes = realloc(self->bytes, self->size + packed_size + 2000);
    put(self->bytes, &self->size, 0x04034b50, 4);
    put_fields(self->bytes, &self->size, packed, content, size, packed_size, length);
    memcpy(self->bytes + self->size, name, length);
    memcpy(self->bytes + self->size + length, packed ? room : content, packed_size);
    self->size += length + packed_size;
    put(self->directory, &self->directory_size, 0x02014b50, 4);
    put(self->directory, &self->directory_size, 20, 2);
    put_fields(self->directory, &self->directory_size, packed, content, size, packed_size, length);
    put(self->directory, &self->directory_size, 0, 2); /* comment */
    put(self->directory, &self->directory_size, 0, 2); /* disk */
    put(self->directory, &self->directory_size, 0, 2); /* attributes */
    put(self->directory, &self->directory_size, 0, 4);
    put(self->directory, &self->directory_size, (uint32_t)begin, 4);
    memcpy(self->directory + self->directory_size, name, length);
    self->directory_size += length;
    self->members++;
    free(room);
}

static void close_archive(archive *self)
{
    size_t begin = self->size;

    memcpy(self->bytes + self->size, self->directory, self->directory_size);
    self->size += self->directory_size;
    put(self->bytes, &self->size, 0x06054b50, 4);
    put(self->bytes, &self->size, 0, 4);
    put(self->bytes, &self->size, (uint32_t)self->members, 2);
    put(self->bytes, &self->size, (uint32_t)self->members, 2);
    put(self->bytes, &self->size, (uint32_t)self->directory_size, 4);
    put(self->bytes, &self->size, (uint32_t)begin, 4);
    put(self->bytes, &self->size, 0, 2);
}

/* Header and content of a .npy file; gives its size. */
static size_t write_npy(unsigned char *out, const char *type, const char *shape, const void *content, size_t size)
{
    memcpy(out, "\x93NUMPY\x01\x00\x76\x00", 10);
    size_t length = 10 + (size_t)snprintf((char *)out + 10, 118,
                                          "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", type, shape);
    memset(out + length, ' ', 127 - length);
    out[127] = '\n';
    memcpy(out + 128, content, size);
    return 128 + size;
}

#define ARCHIVE_IMAGES 1
static unsigned char planes[ARCHIVE_IMAGES * IMAGE];

/* One archive of an image with other members, in the file "images". */
static archive make_archive(int packed, const char *type, const char *shape, size_t size)
{
    static unsigned char content[129 + sizeof planes], written[sizeof planes + 1];
    static const unsigned char note[] = "a member that was not asked for";
    archive made = { 0 };

    memory_files_init(&files);
    fill(planes, sizeof planes, 3);
    memcpy(written, planes, sizeof planes);
    add_member(&made, "mean.npy", note, sizeof note, 0);
    add_member(&made, "data.npy", content, write_npy(content, type, shape, written, size), packed);
    close_archive(&made);
    memory_files_put(&files, "images", made.bytes, made.size);
    return made;
}

START_TEST(images_of_an_archive)
{
    archive made = make_archive(_i, "|u1", "1, 3072", sizeof planes);
    array images;

    ck_assert_int_eq(images_open(&images, &files.host, DATASET_IMAGENET32, "images"), DUALPROP_OK);
    ck_assert(images.shape[0] == ARCHIVE_IMAGES && images.shape[1] == 32 && images.shape[2] == 32 &&
              images.shape[3] == 3);
    expect_pixels(images.data, planes);
    array_release(&images, &files.host);
    memory_files_expect_idle(&files);
    free(made.bytes);
}
END_TEST

static void expect_archive_refused(archive made, const char *text)
{
    array images;
    dualprop_status status = images_open(&images, &files.host, DATASET_IMAGENET32, "images");

    ck_assert_int_ne(status, DUALPROP_OK);
    ck_assert_msg(strstr(files.host.message, text) != NULL, "\"%s\" has no \"%s\"", files.host.message, text);
    memory_files_expect_idle(&files);
    free(made.bytes);
}

START_TEST(archives_of_something_else)
{
    expect_archive_refused(make_archive(0, "<f4", "1, 768", sizeof planes), "images: data.npy: wrong element type");
    expect_archive_refused(make_archive(0, "|u1", "3072,", sizeof planes), "images: data.npy: wrong shape");
    expect_archive_refused(make_archive(0, "|u1", "3, 1024", sizeof planes), "images: data.npy: wrong shape");
    expect_archive_refused(make_archive(0, "|u1", "0, 3072", 0), "it is empty");
    expect_archive_refused(make_archive(1, "|u1", "2, 3072", sizeof planes), "truncated");
    expect_archive_refused(make_archive(1, "|u1", "1, 3072", sizeof planes + 1), "trailing bytes");
    expect_archive_refused(make_archive(1, "|u1", "1000000000000, 3072", sizeof planes), "truncated");
    archive other = make_archive(0, "|u1", "1, 3072", sizeof planes);
    for (size_t i = 0; i + 8 < other.size; i++) {
        if (memcmp(other.bytes + i, "data.npy", 8) == 0) other.bytes[i] = 'D';
    }
    expect_archive_refused(other, "there is no such member");
}
END_TEST

START_TEST(cut_archives_are_refused)
{
    archive made = make_archive(_i, "|u1", "1, 3072", sizeof planes);
    array images;

    for (size_t size = 0; size < made.size; size++) {
        memory_files_put(&files, "images", made.bytes, size);
        ck_assert_int_ne(images_open(&images, &files.host, DATASET_IMAGENET32, "images"), DUALPROP_OK);
        memory_files_expect_idle(&files);
    }
    free(made.bytes);
}
END_TEST

/* One bit of each byte: what is still read is what was written. */
START_TEST(changed_archives_give_nothing_else)
{
    archive made = make_archive(_i, "|u1", "1, 3072", sizeof planes);
    randomness random = random_start(4);
    array images;

    for (size_t i = 0; i < made.size; i++) {
        unsigned char kept = made.bytes[i];
        made.bytes[i] ^= (unsigned char)(1 << random_below(&random, 8));
        if (images_open(&images, &files.host, DATASET_IMAGENET32, "images") == DUALPROP_OK) {
            ck_assert_int_eq(images.shape[0], ARCHIVE_IMAGES);
            for (int k = 0; k < ARCHIVE_IMAGES; k++)
                expect_pixels((unsigned char *)images.data + k * IMAGE, planes + k * IMAGE);
            array_release(&images, &files.host);
        }
        made.bytes[i] = kept;
        memory_files_expect_idle(&files);
    }
    free(made.bytes);
}
END_TEST

/* 1,000 classes in ten archives of 100 images; the images are shared, the labels are not. */
#define PART 100
static unsigned char part_data[128 + PART * IMAGE], part_labels[128 + 8 * PART];

/* The archive whose labels, counted from 1, begin at first; the last one is given as changed, 0 if it is as it
 * should be. */
static archive make_part(int first, int64_t changed, int label_count)
{
    int64_t labels[PART];
    char shape[16];
    archive made = { 0 };

    for (int i = 0; i < PART; i++) labels[i] = first + i;
    if (changed != 0) labels[label_count - 1] = changed;
    fill(part_data + 128, PART * IMAGE, (uint64_t)first);
    snprintf(shape, sizeof shape, "%d,", label_count);
    write_npy(part_data, "|u1", "100, 3072", part_data + 128, 0);
    add_member(&made, "data.npy", part_data, 128 + PART * IMAGE, 1);
    add_member(&made, "labels.npy", part_labels, write_npy(part_labels, "<i8", shape, labels, 8 * (size_t)label_count),
               0);
    close_archive(&made);
    return made;
}

static archive parts[11];

static void make_imagenet32(int64_t changed, int label_count)
{
    char path[64];

    memory_files_init(&files);
    for (int i = 0; i < 11; i++) {
        int is_changed = i == 6;
        parts[i] = make_part(i < 10 ? 100 * i + 1 : 1, is_changed ? changed : 0, is_changed ? label_count : PART);
        snprintf(path, sizeof path, i < 10 ? "set/train_data_batch_%d.npz" : "set/val_data.npz", i + 1);
        memory_files_put(&files, path, parts[i].bytes, parts[i].size);
    }
}

static void free_imagenet32(void)
{
    for (int i = 0; i < 11; i++) free(parts[i].bytes);
}

START_TEST(imagenet32_counts_labels_from_one)
{
    dataset set;

    make_imagenet32(0, PART);
    ck_assert_int_eq(open_set(&set, DATASET_IMAGENET32), DUALPROP_OK);
    ck_assert(set.train.count == 1000 && set.test.count == PART && set.classes == 1000);
    for (int i = 0; i < 1000; i++) ck_assert_int_eq(((int32_t *)set.train.labels.data)[i], i);
    fill(planes, IMAGE, 901);
    expect_pixels((unsigned char *)set.train.images.data + 900 * IMAGE, planes);
    dataset_close(&set, &files.host);
    memory_files_expect_idle(&files);
    free_imagenet32();
}
END_TEST

static const struct {
    int64_t label;
    int count;
    const char *text;
} wrong_labels[] = {
    { 1001, PART, "train_data_batch_7.npz: labels.npy: label 99 is 1001" },
    { 5000000000, PART, "train_data_batch_7.npz: labels.npy: label 99 is 5000000000" },
    { -1, PART, "label 99 is -1" },
    { 650, PART, "no training sample of class 699" },
    { 650, PART - 1, "wrong count: 99 labels for 100 images" },
};

START_TEST(wrong_labels_of_imagenet32_are_refused)
{
    make_imagenet32(wrong_labels[_i].label, wrong_labels[_i].count);
    expect_refused(DATASET_IMAGENET32, DUALPROP_ERROR_FORMAT, wrong_labels[_i].text);
    free_imagenet32();
}
END_TEST

/* ---- Out of memory ---- */

static void sweep(int kind, int for_ever)
{
    dataset set;
    long at = 1;

    for (;; at++) {
        failing_allocator_arm(&files.memory, at, for_ever);
        dualprop_status status = open_set(&set, kind);
        if (status == DUALPROP_OK) break;
        ck_assert_int_eq(status, DUALPROP_ERROR_NO_MEMORY);
        memory_files_expect_idle(&files);
    }
    ck_assert_int_gt(at, 5);
    failing_allocator_arm(&files.memory, 0, 0);
    dataset_close(&set, &files.host);
    memory_files_expect_idle(&files);
}

START_TEST(any_allocation_may_fail)
{
    make_cifar10();
    sweep(DATASET_CIFAR10, _i);
    make_imagenet32(0, PART);
    sweep(DATASET_IMAGENET32, _i);
    free_imagenet32();
}
END_TEST

Suite *test_image_files_suite(void)
{
    Suite *suite = suite_create("image_files");
    TCase *tests = tcase_create("image_files");
    tcase_add_test(tests, cifar10_comes_out_as_it_went_in);
    tcase_add_test(tests, the_folder_inside_the_folder_is_found);
    tcase_add_loop_test(tests, cut_cifar_files_are_refused, 0, 2);
    tcase_add_loop_test(tests, labels_out_of_range_are_refused, 0, 6);
    tcase_add_test(tests, a_missing_class_is_named);
    tcase_add_test(tests, a_packed_cifar_file_is_refused);
    tcase_add_test(tests, a_missing_cifar_file_is_named);
    tcase_add_test(tests, cifar100_gives_the_fine_label);
    tcase_add_loop_test(tests, images_of_an_archive, 0, 2);
    tcase_add_test(tests, archives_of_something_else);
    tcase_add_loop_test(tests, cut_archives_are_refused, 0, 2);
    tcase_add_loop_test(tests, changed_archives_give_nothing_else, 0, 2);
    tcase_add_test(tests, imagenet32_counts_labels_from_one);
    tcase_add_loop_test(tests, wrong_labels_of_imagenet32_are_refused, 0, sizeof wrong_labels / sizeof wrong_labels[0]);
    tcase_add_loop_test(tests, any_allocation_may_fail, 0, 2);
    suite_add_tcase(suite, tests);
    return suite;
}
