/*
 * dataset.c - the files of a data set, held against each other: counts, sizes, labels.
 */
#include "dataset.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "byte_source.h"
#include "cifar.h"
#include "idx.h"
#include "imagenet32.h"
#include "npy.h"

#define MNIST_SIDE 28
#define MNIST_CLASSES 10

/* The four files by kind: images and labels of the training set, then of the test set. */
static const char *const mnist_names[4] = { "train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                            "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte" };
static const char *const npy_names[4] = { "train-images.npy", "train-labels.npy", "test-images.npy",
                                          "test-labels.npy" };

const char *dataset_default_folder(int kind)
{
    return kind == DATASET_FASHION_MNIST ? "/usr/share/datasets/fashion-mnist" : NULL;
}

/* Is there something at path, whatever it is? */
static int is_there(host *owner, const char *path)
{
    int64_t file = owner->io.open(owner->io.user_data, path, 0);

    if (file >= 0) owner->io.close(owner->io.user_data, file);
    return file != -ENOENT && file != -ENOTDIR;
}

/* folder/name, or folder/name.gz where only that is there. */
static dualprop_status find_as_named(char *path, host *owner, const char *folder, const char *name)
{
    if (snprintf(path, DATASET_PATH_BYTES, "%s/%s.gz", folder, name) >= DATASET_PATH_BYTES)
        return host_fail(owner, DUALPROP_ERROR_ACCESS, "%.100s...: the path is too long; expected below %d bytes",
                         folder, DATASET_PATH_BYTES);
    int packed = is_there(owner, path);
    path[strlen(path) - 3] = '\0';
    if (is_there(owner, path)) return DUALPROP_OK;
    if (!packed)
        return host_fail(owner, DUALPROP_ERROR_ACCESS,
                         "%s: no such file, nor one with .gz; expected an array of the data set there (see --data)",
                         path);
    strcat(path, ".gz");
    return DUALPROP_OK;
}

/* Some unpackers and mirrors write train-images.idx3-ubyte for train-images-idx3-ubyte. */
static dualprop_status find_file(char *path, host *owner, const char *folder, const char *name)
{
    const char *kind = strstr(name, "-idx");
    char dotted[64];

    if (kind != NULL && snprintf(dotted, sizeof dotted, "%.*s.%s", (int)(kind - name), name, kind + 1) > 0 &&
        find_as_named(path, owner, folder, name) != DUALPROP_OK &&
        find_as_named(path, owner, folder, dotted) == DUALPROP_OK)
        return DUALPROP_OK;
    return find_as_named(path, owner, folder, name);
}

dualprop_status dataset_find_file(char *path, host *owner, const char *folder, const char *inner, const char *name)
{
    int length = snprintf(path, DATASET_PATH_BYTES, "%s/%s%s%s", folder, inner != NULL ? inner : "",
                          inner != NULL ? "/" : "", name);

    if (length >= DATASET_PATH_BYTES)
        return host_fail(owner, DUALPROP_ERROR_ACCESS, "%.100s...: the path is too long; expected below %d bytes",
                         folder, DATASET_PATH_BYTES);
    if (inner != NULL && is_there(owner, path)) return DUALPROP_OK;
    snprintf(path, DATASET_PATH_BYTES, "%s/%s", folder, name);
    if (is_there(owner, path)) return DUALPROP_OK;
    return host_fail(owner, DUALPROP_ERROR_ACCESS,
                     "%s: no such file; expected a file of the data set there (see --data)", path);
}

static dualprop_status check_side(const array *images, host *owner, const char *path)
{
    if (images->shape[1] == MNIST_SIDE && images->shape[2] == MNIST_SIDE) return DUALPROP_OK;
    return host_fail(owner, DUALPROP_ERROR_FORMAT, "%s: wrong shape: images of %lld x %lld; expected 28 x 28", path,
                     (long long)images->shape[1], (long long)images->shape[2]);
}

/* One int32 for each byte. */
static dualprop_status widen_labels(array *out, host *owner, const array *bytes)
{
    int32_t *labels = host_allocate(owner, bytes->count, sizeof *labels);

    if (labels == NULL) return host_no_memory(owner, "labels");
    for (uint64_t i = 0; i < bytes->count; i++) labels[i] = ((const unsigned char *)bytes->data)[i];
    *out = *bytes;
    out->type = DUALPROP_I32;
    out->data = labels;
    return DUALPROP_OK;
}

static dualprop_status read_idx_labels(array *out, host *owner, const char *path)
{
    array bytes;

    TRY(idx_read(&bytes, owner, path, 1));
    dualprop_status status = widen_labels(out, owner, &bytes);
    array_release(&bytes, owner);
    return status;
}

static dualprop_status read_npy_images(array *out, host *owner, const char *path)
{
    char shape[128];

    TRY(npy_read_reals(out, owner, path));
    if (out->rank >= 2 && out->rank <= 4) return DUALPROP_OK;
    array_describe_shape(shape, sizeof shape, out->shape, out->rank);
    return host_fail(
        owner, DUALPROP_ERROR_FORMAT,
        "%s: wrong rank: its shape is %s; expected (N, features), (N, height, width) or (N, height, width, channels)",
        path, shape);
}

static dualprop_status read_images(array *out, host *owner, int kind, const char *path)
{
    if (kind == DATASET_NPY) return read_npy_images(out, owner, path);
    TRY(idx_read(out, owner, path, 3));
    return kind == DATASET_IDX ? DUALPROP_OK : check_side(out, owner, path);
}

static dualprop_status read_labels(array *out, host *owner, int kind, const char *path)
{
    return kind == DATASET_NPY ? npy_read_labels(out, owner, path) : read_idx_labels(out, owner, path);
}

static dualprop_status check_pair(const samples *pair, host *owner, const char *images_path, const char *labels_path)
{
    if (pair->images.shape[0] == 0 || pair->images.count == 0)
        return host_fail(owner, DUALPROP_ERROR_FORMAT, "%s: it is empty; expected at least one image", images_path);
    if (pair->images.shape[0] == pair->labels.shape[0]) return DUALPROP_OK;
    return host_fail(owner, DUALPROP_ERROR_FORMAT,
                     "%s: wrong count: %lld labels for the %lld images of %s; expected as many", labels_path,
                     (long long)pair->labels.shape[0], (long long)pair->images.shape[0], images_path);
}

/* Every label must be below classes; 0 classes means whatever the labels say. */
static dualprop_status check_labels(int *greatest, const samples *pair, host *owner, const char *path, int classes)
{
    const int32_t *labels = pair->labels.data;

    for (int64_t i = 0; i < pair->labels.shape[0]; i++) {
        if (classes > 0 && labels[i] >= classes)
            return host_fail(owner, DUALPROP_ERROR_FORMAT, "%s: label %lld is %d; expected 0 to %d", path, (long long)i,
                             labels[i], classes - 1);
        if (labels[i] > *greatest) *greatest = labels[i];
    }
    return DUALPROP_OK;
}

static dualprop_status read_pair(samples *pair, int *greatest, host *owner, int kind, const char *folder,
                                 const char *const *names, int classes)
{
    char images_path[DATASET_PATH_BYTES], labels_path[DATASET_PATH_BYTES];

    TRY(find_file(images_path, owner, folder, names[0]));
    TRY(find_file(labels_path, owner, folder, names[1]));
    TRY(read_images(&pair->images, owner, kind, images_path));
    TRY(read_labels(&pair->labels, owner, kind, labels_path));
    TRY(check_pair(pair, owner, images_path, labels_path));
    pair->count = pair->images.shape[0];
    return check_labels(greatest, pair, owner, labels_path, classes);
}

/* (N, features), (N, height, width) and (N, height, width, channels) as height, width, channels. */
static void set_shape(dataset *self)
{
    const array *images = &self->train.images;

    self->height = images->rank > 2 ? images->shape[1] : 1;
    self->width = images->rank > 2 ? images->shape[2] : 1;
    self->channels = images->rank == 2 ? images->shape[1] : images->rank == 4 ? images->shape[3] : 1;
}

static dualprop_status check_same_shape(const dataset *self, host *owner, const char *folder, const char *name)
{
    char train[128], test[128];
    const array *images = &self->test.images;

    if (images->rank == self->train.images.rank &&
        memcmp(images->shape + 1, self->train.images.shape + 1, sizeof(int64_t) * (size_t)(images->rank - 1)) == 0)
        return DUALPROP_OK;
    array_describe_shape(train, sizeof train, self->train.images.shape + 1, self->train.images.rank - 1);
    array_describe_shape(test, sizeof test, images->shape + 1, images->rank - 1);
    return host_fail(owner, DUALPROP_ERROR_FORMAT,
                     "%s/%s: wrong shape: images of %s; expected %s as in the training set", folder, name, test, train);
}

static dualprop_status apply_limit(dataset *self, host *owner, const char *folder, int64_t limit)
{
    if (limit > self->train.count)
        return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT,
                         "--limit is %lld; expected at most %lld, the training samples of %s", (long long)limit,
                         (long long)self->train.count, folder);
    if (limit > 0) self->train.count = limit;
    return DUALPROP_OK;
}

/* A class that never occurs in training is a label that was meant otherwise (counted from 1, say), or a part
 * missing. */
static dualprop_status check_classes(const dataset *self, host *owner, const char *folder)
{
    unsigned char *seen = host_allocate(owner, (uint64_t)self->classes, 1);
    const int32_t *labels = self->train.labels.data;
    int label = 0;

    if (seen == NULL) return host_no_memory(owner, "labels");
    for (int64_t i = 0; i < self->train.count; i++) seen[labels[i]] = 1;
    while (label < self->classes && seen[label]) label++;
    host_release(owner, seen, (uint64_t)self->classes, 1);
    if (label == self->classes) return DUALPROP_OK;
    return host_fail(owner, DUALPROP_ERROR_FORMAT,
                     "%s: no training sample of class %d; expected at least one of each of the classes 0 to %d", folder,
                     label, self->classes - 1);
}

/* The greatest label decides how many outputs a network gets, so it is held below what could be meant. */
#define CLASSES_LIMIT 1000000

static dualprop_status read_own_set(dataset *self, host *owner, int kind, const char *folder, const char *const *names)
{
    int greatest = 1;

    TRY(read_pair(&self->train, &greatest, owner, kind, folder, names, CLASSES_LIMIT));
    self->classes = greatest + 1;
    return read_pair(&self->test, &greatest, owner, kind, folder, names + 2, self->classes);
}

static dualprop_status read_mnist_set(dataset *self, host *owner, int kind, const char *folder)
{
    int greatest = 0;

    self->classes = MNIST_CLASSES;
    TRY(read_pair(&self->train, &greatest, owner, kind, folder, mnist_names, MNIST_CLASSES));
    return read_pair(&self->test, &greatest, owner, kind, folder, mnist_names + 2, MNIST_CLASSES);
}

/* Of the training images of CIFAR-10, CIFAR-100 and ImageNet, as the paper's experiments took them. */
static const double cifar10_mean[3] = { .4914, .4822, .4465 }, cifar10_deviation[3] = { .2023, .1994, .2010 };
static const double cifar100_mean[3] = { .5074, .4867, .4411 }, cifar100_deviation[3] = { .2011, .1987, .2025 };
static const double imagenet_mean[3] = { .485, .456, .406 }, imagenet_deviation[3] = { .229, .224, .225 };

static void set_normalisation(dataset *self, int kind)
{
    if (kind == DATASET_CIFAR10) self->mean = cifar10_mean, self->deviation = cifar10_deviation;
    if (kind == DATASET_CIFAR100) self->mean = cifar100_mean, self->deviation = cifar100_deviation;
    if (kind == DATASET_IMAGENET32) self->mean = imagenet_mean, self->deviation = imagenet_deviation;
}

static dualprop_status read_files(dataset *self, host *owner, int kind, const char *folder)
{
    switch (kind) {
    case DATASET_NPY: return read_own_set(self, owner, kind, folder, npy_names);
    case DATASET_IDX: return read_own_set(self, owner, kind, folder, mnist_names);
    case DATASET_CIFAR10:
    case DATASET_CIFAR100: return cifar_read_set(self, owner, kind, folder);
    case DATASET_IMAGENET32: return imagenet32_read_set(self, owner, folder);
    default: return read_mnist_set(self, owner, kind, folder);
    }
}

/* The same of the files that their authors published. */
static const struct {
    int kind;
    const char *name, *sha256;
} published[] = {
    { DATASET_MNIST, "mnist", "b2d8f5bf39174ee5ffeefa97e42d673c35432b411bb5d1f74fbbeddae7f1690a" },
    { DATASET_FASHION_MNIST, "fashion-mnist", "14410854cf7a289477dcfc7df3f8ec24741e281cdcc425ede0d9a748ca630214" },
};
#define PUBLISHED ((int)(sizeof published / sizeof published[0]))

/* Only their contents distinguish mnist from fashion-mnist. */
static dualprop_status check_identity(const dataset *self, host *owner, int kind, const char *folder)
{
    int named = 0, found = 0;

    while (named < PUBLISHED && published[named].kind != kind) named++;
    if (named == PUBLISHED || strcmp(self->sha256, published[named].sha256) == 0) return DUALPROP_OK;
    while (found < PUBLISHED && strcmp(self->sha256, published[found].sha256) != 0) found++;
    if (found < PUBLISHED)
        return host_fail(owner, DUALPROP_ERROR_FORMAT, "%s: it holds %s; expected %s (see --dataset and --data)",
                         folder, published[found].name, published[named].name);
    return host_fail(owner, DUALPROP_ERROR_FORMAT,
                     "%s: it does not hold %s: the SHA-256 of its four files is %s; expected %s, or --dataset idx for "
                     "another set of this layout",
                     folder, published[named].name, self->sha256, published[named].sha256);
}

static dualprop_status read_and_digest(dataset *self, host *owner, int kind, const char *folder)
{
    digest contents;

    digest_begin(&contents);
    owner->digest = &contents;
    dualprop_status status = read_files(self, owner, kind, folder);
    owner->digest = NULL;
    digest_end(self->sha256, &contents);
    return status;
}

static dualprop_status read_set(dataset *self, host *owner, int kind, const char *folder, int64_t limit)
{
    TRY(read_and_digest(self, owner, kind, folder));
    set_shape(self);
    set_normalisation(self, kind);
    TRY(check_same_shape(self, owner, folder, kind == DATASET_NPY ? npy_names[2] : mnist_names[2]));
    TRY(check_classes(self, owner, folder));
    TRY(check_identity(self, owner, kind, folder));
    return apply_limit(self, owner, folder, limit);
}

dualprop_status dataset_open(dataset *out, host *owner, int kind, const char *folder, int64_t limit)
{
    dataset made = { 0 };
    dualprop_status status = read_set(&made, owner, kind, folder, limit);

    if (status == DUALPROP_OK) *out = made;
    else dataset_close(&made, owner);
    return status;
}

void dataset_close(dataset *self, host *owner)
{
    samples_release(&self->train, owner);
    samples_release(&self->test, owner);
    memset(self, 0, sizeof *self);
}

static dualprop_status has_npy_magic(int *is_npy, host *owner, const char *path)
{
    byte_source *source;
    unsigned char first = 0;

    TRY(byte_source_open(&source, owner, path));
    dualprop_status status = byte_source_read(source, &first, 1, "the header");
    byte_source_close(source);
    *is_npy = first == 0x93;
    return status;
}

static dualprop_status read_images_alone(array *out, host *owner, int kind, const char *path)
{
    int is_npy;

    TRY(has_npy_magic(&is_npy, owner, path));
    if (is_npy) return read_npy_images(out, owner, path);
    if (kind == DATASET_CIFAR10 || kind == DATASET_CIFAR100) return cifar_read_images(out, owner, kind, path);
    if (kind == DATASET_IMAGENET32) return imagenet32_read_images(out, owner, path);
    return idx_read(out, owner, path, 3);
}

dualprop_status images_open(array *out, host *owner, int kind, const char *path)
{
    array made = { 0 };
    dualprop_status status = read_images_alone(&made, owner, kind, path);

    if (status == DUALPROP_OK && made.count == 0)
        status = host_fail(owner, DUALPROP_ERROR_FORMAT, "%s: it is empty; expected at least one image", path);
    if (status == DUALPROP_OK) *out = made;
    else array_release(&made, owner);
    return status;
}
