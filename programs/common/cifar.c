/*
 * cifar.c - the size of every file is held against the size of a record before memory is taken for all of them.
 */
#include "cifar.h"

#include <stdio.h>

#include "byte_source.h"

#define SIDE 32
#define PIXELS (SIDE * SIDE)
#define IMAGE_BYTES (3 * PIXELS)
#define LABEL_BYTES_LIMIT 2
#define TRAIN_FILES_LIMIT 5

/* What distinguishes the two. The last byte of the labels is the one that is learned. */
typedef struct layout {
    int label_bytes;
    int classes[LABEL_BYTES_LIMIT];
    const char *folder; /* that the original archive makes */
    int train_files;
    const char *names[TRAIN_FILES_LIMIT + 1]; /* training files, then the test file */
} layout;

static const layout cifar10 = {
    1,
    { 10 },
    "cifar-10-batches-bin",
    5,
    { "data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin",
      "test_batch.bin" },
};
static const layout cifar100 = { 2, { 20, 100 }, "cifar-100-binary", 1, { "train.bin", "test.bin" } };

/* A file that is open and has the right size. */
typedef struct record_file {
    host *owner;
    const layout *form;
    char path[DATASET_PATH_BYTES];
    byte_source *source;
    int64_t count;
    unsigned char record[LABEL_BYTES_LIMIT + IMAGE_BYTES];
} record_file;

static int64_t record_bytes(const layout *form)
{
    return form->label_bytes + IMAGE_BYTES;
}

static dualprop_status check_size(record_file *file)
{
    int64_t size = (int64_t)byte_source_bound(file->source), record = record_bytes(file->form);

    if (byte_source_is_zipped(file->source))
        return host_fail(file->owner, DUALPROP_ERROR_FORMAT, "%s: it is gzip; expected raw records: unpack it first",
                         file->path);
    if (size == 0)
        return host_fail(file->owner, DUALPROP_ERROR_FORMAT,
                         "%s: it is empty; expected at least one record of %lld bytes", file->path, (long long)record);
    if (size % record != 0)
        return host_fail(file->owner, DUALPROP_ERROR_FORMAT,
                         "%s: wrong size: %lld bytes; expected a multiple of %lld, the bytes of a record", file->path,
                         (long long)size, (long long)record);
    file->count = size / record;
    return DUALPROP_OK;
}

static dualprop_status open_records(record_file *file)
{
    TRY(byte_source_open(&file->source, file->owner, file->path));
    return check_size(file);
}

/* Labels in front of an image. */
static dualprop_status check_labels(const record_file *file, int64_t index)
{
    for (int i = 0; i < file->form->label_bytes; i++) {
        if (file->record[i] >= file->form->classes[i])
            return host_fail(file->owner, DUALPROP_ERROR_FORMAT, "%s: %s %lld is %d; expected 0 to %d", file->path,
                             i + 1 < file->form->label_bytes ? "coarse label" : "label", (long long)index,
                             file->record[i], file->form->classes[i] - 1);
    }
    return DUALPROP_OK;
}

/* Read all records, to places from first on; labels may be NULL. */
static dualprop_status read_records(unsigned char *images, int32_t *labels, record_file *file)
{
    for (int64_t i = 0; i < file->count; i++) {
        TRY(byte_source_read(file->source, file->record, (uint64_t)record_bytes(file->form), "a record"));
        if (labels != NULL) {
            TRY(check_labels(file, i));
            labels[i] = file->record[file->form->label_bytes - 1];
        }
        images_interleave(images + i * IMAGE_BYTES, file->record + file->form->label_bytes, PIXELS);
    }
    return byte_source_finish(file->source, (uint64_t)(file->count * record_bytes(file->form)));
}

static dualprop_status open_all(int64_t *total, record_file *files, host *owner, const layout *form, const char *folder,
                                const char *const *names, int count)
{
    *total = 0;
    for (int i = 0; i < count; i++) {
        files[i].owner = owner;
        files[i].form = form;
        TRY(dataset_find_file(files[i].path, owner, folder, form->folder, names[i]));
        TRY(open_records(&files[i]));
        *total += files[i].count;
    }
    return DUALPROP_OK;
}

static dualprop_status read_all(samples *out, record_file *files, int count)
{
    int64_t place = 0;

    for (int i = 0; i < count; i++) {
        TRY(read_records((unsigned char *)out->images.data + place * IMAGE_BYTES, (int32_t *)out->labels.data + place,
                         &files[i]));
        place += files[i].count;
    }
    return DUALPROP_OK;
}

static dualprop_status read_files(samples *out, record_file *files, host *owner, const layout *form, const char *folder,
                                  const char *const *names, int count)
{
    int64_t total;

    TRY(open_all(&total, files, owner, form, folder, names, count));
    TRY(samples_create(out, owner, total, SIDE, SIDE, 3));
    return read_all(out, files, count);
}

static dualprop_status read_part(samples *out, host *owner, const layout *form, const char *folder,
                                 const char *const *names, int count)
{
    record_file *files = host_allocate(owner, (uint64_t)count, sizeof *files);

    if (files == NULL) return host_no_memory(owner, folder);
    dualprop_status status = read_files(out, files, owner, form, folder, names, count);
    for (int i = 0; i < count; i++) byte_source_close(files[i].source);
    host_release(owner, files, (uint64_t)count, sizeof *files);
    return status;
}

dualprop_status cifar_read_set(dataset *out, host *owner, int kind, const char *folder)
{
    const layout *form = kind == DATASET_CIFAR100 ? &cifar100 : &cifar10;

    out->classes = form->classes[form->label_bytes - 1];
    TRY(read_part(&out->train, owner, form, folder, form->names, form->train_files));
    return read_part(&out->test, owner, form, folder, form->names + form->train_files, 1);
}

static dualprop_status read_images_only(samples *out, record_file *file, const char *path)
{
    if (snprintf(file->path, sizeof file->path, "%s", path) >= (int)sizeof file->path)
        return host_fail(file->owner, DUALPROP_ERROR_ACCESS, "%.100s...: the path is too long; expected below %d bytes",
                         path, DATASET_PATH_BYTES);
    TRY(open_records(file));
    TRY(samples_create(out, file->owner, file->count, SIDE, SIDE, 3));
    return read_records(out->images.data, NULL, file);
}

dualprop_status cifar_read_images(array *out, host *owner, int kind, const char *path)
{
    samples made = { 0 };
    record_file *file = host_allocate(owner, 1, sizeof *file);

    if (file == NULL) return host_no_memory(owner, path);
    file->owner = owner;
    file->form = kind == DATASET_CIFAR100 ? &cifar100 : &cifar10;
    dualprop_status status = read_images_only(&made, file, path);
    if (status == DUALPROP_OK) {
        *out = made.images;
        array_release(&made.labels, owner);
    } else {
        samples_release(&made, owner);
    }
    byte_source_close(file->source);
    host_release(owner, file, 1, sizeof *file);
    return status;
}
