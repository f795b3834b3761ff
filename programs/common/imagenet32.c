/*
 * imagenet32.c - every archive is opened twice: to count its images, and to read them to their place among all.
 *
 * The training set has 3.9 GB; counting first keeps it from being in memory twice.
 */
#include "imagenet32.h"

#include <stdio.h>
#include <string.h>

#include "npy.h"
#include "zip_archive.h"

#define SIDE 32
#define PIXELS (SIDE * SIDE)
#define IMAGE_BYTES (3 * PIXELS)
#define CLASSES 1000
#define TRAIN_FILES 10

/* Does something with an archive that is open. */
typedef dualprop_status (*archive_task)(void *context, host *owner, zip_archive *archive);

static dualprop_status with_archive(const char *path, host *owner, archive_task task, void *context)
{
    zip_archive *archive;

    TRY(zip_archive_open(&archive, owner, path));
    dualprop_status status = task(context, owner, archive);
    zip_archive_close(archive);
    return status;
}

static dualprop_status read_shape(array *shape, host *owner, const char *path, byte_source *source)
{
    char text[128];

    TRY(npy_read_shape_from(shape, owner, path, source));
    array_describe_shape(text, sizeof text, shape->shape, shape->rank);
    if (shape->type != DUALPROP_U8)
        return host_fail(owner, DUALPROP_ERROR_FORMAT, "%s: wrong element type; expected u1", path);
    if (shape->rank != 2 || shape->shape[1] != IMAGE_BYTES)
        return host_fail(owner, DUALPROP_ERROR_FORMAT, "%s: wrong shape: it is %s; expected (N, %d)", path, text,
                         IMAGE_BYTES);
    if (shape->shape[0] == 0)
        return host_fail(owner, DUALPROP_ERROR_FORMAT, "%s: it is empty; expected at least one image", path);
    return DUALPROP_OK;
}

static dualprop_status count_images(void *total, host *owner, zip_archive *archive)
{
    byte_source *source;
    const char *path;
    array shape;

    TRY(zip_archive_member(&source, &path, archive, "data.npy"));
    dualprop_status status = read_shape(&shape, owner, path, source);
    byte_source_close(source);
    if (status == DUALPROP_OK) *(int64_t *)total += shape.shape[0];
    return status;
}

/* Where the next archive's samples go. labels NULL: they are not wanted. */
typedef struct destination {
    unsigned char *images;
    int32_t *labels;
    int64_t room;
} destination;

static dualprop_status read_rows(const destination *to, int64_t count, byte_source *source)
{
    unsigned char row[IMAGE_BYTES];

    for (int64_t i = 0; i < count; i++) {
        TRY(byte_source_read(source, row, IMAGE_BYTES, "the data"));
        images_interleave(to->images + i * IMAGE_BYTES, row, PIXELS);
    }
    return byte_source_finish(source, byte_source_delivered(source));
}

static dualprop_status read_data(int64_t *count, const destination *to, host *owner, const char *path,
                                 byte_source *source)
{
    array shape;

    TRY(read_shape(&shape, owner, path, source));
    *count = shape.shape[0];
    if (*count > to->room)
        return host_fail(owner, DUALPROP_ERROR_IO, "%s: it grew while it was read; expected the same number of images",
                         path);
    return read_rows(to, *count, source);
}

static dualprop_status read_images(int64_t *count, const destination *to, host *owner, zip_archive *archive)
{
    byte_source *source;
    const char *path;

    TRY(zip_archive_member(&source, &path, archive, "data.npy"));
    dualprop_status status = read_data(count, to, owner, path, source);
    byte_source_close(source);
    return status;
}

/* In the files 1 to 1000, here from 0. */
static dualprop_status take_labels(int32_t *out, const array *labels, host *owner, const char *path, int64_t count)
{
    const int32_t *label = labels->data;

    if (labels->shape[0] != count)
        return host_fail(owner, DUALPROP_ERROR_FORMAT, "%s: wrong count: %lld labels for %lld images; expected as many",
                         path, (long long)labels->shape[0], (long long)count);
    for (int64_t i = 0; i < count; i++) {
        if (label[i] < 1 || label[i] > CLASSES)
            return host_fail(owner, DUALPROP_ERROR_FORMAT, "%s: label %lld is %d; expected 1 to %d", path, (long long)i,
                             label[i], CLASSES);
        out[i] = label[i] - 1;
    }
    return DUALPROP_OK;
}

static dualprop_status read_labels(int32_t *out, int64_t count, host *owner, zip_archive *archive)
{
    byte_source *source;
    const char *path;
    array labels = { 0 };

    TRY(zip_archive_member(&source, &path, archive, "labels.npy"));
    dualprop_status status = npy_read_labels_from(&labels, owner, path, source);
    byte_source_close(source);
    if (status == DUALPROP_OK) status = take_labels(out, &labels, owner, path, count);
    array_release(&labels, owner);
    return status;
}

static dualprop_status read_archive(void *context, host *owner, zip_archive *archive)
{
    destination *to = context;
    int64_t count = 0;

    TRY(read_images(&count, to, owner, archive));
    if (to->labels != NULL) TRY(read_labels(to->labels, count, owner, archive));
    to->images += count * IMAGE_BYTES;
    if (to->labels != NULL) to->labels += count;
    to->room -= count;
    return DUALPROP_OK;
}

/* All archives of a list of paths, closed by NULL, counted and then read. */
static dualprop_status read_paths(samples *out, host *owner, const char *const *paths, int with_labels)
{
    int64_t total = 0;

    for (int i = 0; paths[i] != NULL; i++) TRY(with_archive(paths[i], owner, count_images, &total));
    TRY(samples_create(out, owner, total, SIDE, SIDE, 3));
    destination to = { out->images.data, with_labels ? out->labels.data : NULL, total };
    for (int i = 0; paths[i] != NULL; i++) TRY(with_archive(paths[i], owner, read_archive, &to));
    if (to.room == 0) return DUALPROP_OK;
    return host_fail(
        owner, DUALPROP_ERROR_IO,
        "%s: it or a file of the same data set shrank while it was read; expected the same number of images", paths[0]);
}

/* The paths of an archive or of train_data_batch_1 ... */
typedef struct paths {
    char text[TRAIN_FILES][DATASET_PATH_BYTES];
    const char *list[TRAIN_FILES + 1];
} paths;

static dualprop_status find_training(paths *found, host *owner, const char *folder)
{
    char name[40];

    for (int i = 0; i < TRAIN_FILES; i++) {
        snprintf(name, sizeof name, "train_data_batch_%d.npz", i + 1);
        TRY(dataset_find_file(found->text[i], owner, folder, NULL, name));
        found->list[i] = found->text[i];
    }
    found->list[TRAIN_FILES] = NULL;
    return DUALPROP_OK;
}

static dualprop_status find_test(paths *found, host *owner, const char *folder)
{
    found->list[0] = found->text[0];
    found->list[1] = NULL;
    return dataset_find_file(found->text[0], owner, folder, NULL, "val_data.npz");
}

static dualprop_status read_both(dataset *out, paths *found, host *owner, const char *folder)
{
    TRY(find_training(found, owner, folder));
    TRY(read_paths(&out->train, owner, found->list, 1));
    TRY(find_test(found, owner, folder));
    return read_paths(&out->test, owner, found->list, 1);
}

dualprop_status imagenet32_read_set(dataset *out, host *owner, const char *folder)
{
    paths *found = host_allocate(owner, 1, sizeof *found);

    if (found == NULL) return host_no_memory(owner, folder);
    out->classes = CLASSES;
    dualprop_status status = read_both(out, found, owner, folder);
    host_release(owner, found, 1, sizeof *found);
    return status;
}

dualprop_status imagenet32_read_images(array *out, host *owner, const char *path)
{
    const char *const list[] = { path, NULL };
    samples made = { 0 };
    dualprop_status status = read_paths(&made, owner, list, 0);

    if (status != DUALPROP_OK) {
        samples_release(&made, owner);
        return status;
    }
    *out = made.images;
    array_release(&made.labels, owner);
    return DUALPROP_OK;
}
