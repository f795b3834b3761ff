/*
 * dataset.h - a training set and a test set of images with class labels.
 *
 * mnist, fashion-mnist: the four IDX files of the original distributions (train-images-idx3-ubyte and so on), raw or
 * with .gz after the name; the two have the same layout and are distinguished by the SHA-256 of their contents. idx:
 * other files of that layout, images of any size, as many classes as the labels say. npy: train-images.npy,
 * train-labels.npy, test-images.npy and test-labels.npy; images of shape (N, features), (N, height, width) or (N,
 * height, width, channels). cifar10, cifar100: see cifar.h; imagenet32: see imagenet32.h. Bytes stay bytes: the
 * network's input transform makes numbers of them, value / 255, for the colour sets minus the mean and divided by the
 * deviation of each channel.
 */
#ifndef PROGRAMS_DATASET_H
#define PROGRAMS_DATASET_H

#include "digest.h"
#include "samples.h"

enum {
    DATASET_MNIST = 0,
    DATASET_FASHION_MNIST = 1,
    DATASET_NPY = 2,
    DATASET_CIFAR10 = 3,
    DATASET_CIFAR100 = 4,
    DATASET_IMAGENET32 = 5,
    DATASET_IDX = 6
};

/* The longest path of a data file, closing zero included. */
#define DATASET_PATH_BYTES 1500

typedef struct dataset {
    samples train, test;
    int64_t height, width, channels;
    int classes;
    const double *mean, *deviation; /* of each channel of value / 255; NULL: as it is */
    char sha256[DIGEST_TEXT];       /* of the unpacked contents of its files, see digest.h */
} dataset;

/* Where the data set lies by default: a folder, or NULL if there is none. */
const char *dataset_default_folder(int kind);
/*
 * Read all files, or nothing. Each class must occur in the training set. limit > 0 keeps the first limit training
 * samples (refused if there are fewer). Errors name the file, the check that failed and what was expected.
 */
dualprop_status dataset_open(dataset *out, host *owner, int kind, const char *folder, int64_t limit);
void dataset_close(dataset *self, host *owner);

/*
 * Hold a fraction of the training set out, which samples the seed decides: *first receives where they begin, after the
 * others, which keep their order.
 */
dualprop_status dataset_hold_out(dataset *self, host *owner, double fraction, uint64_t seed, int64_t *first);

/* Images alone, for prediction: .npy, found by content, or what the files of this kind of data set are. */
dualprop_status images_open(array *out, host *owner, int kind, const char *path);

/* folder/name, or where that is not there folder/inner/name. inner may be NULL. */
dualprop_status dataset_find_file(char *path, host *owner, const char *folder, const char *inner, const char *name);

#endif
