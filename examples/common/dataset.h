/*
 * dataset.h - a training set and a test set of images with class labels.
 *
 * mnist, fashion-mnist: the four IDX files of the original distributions (train-images-idx3-ubyte and so on), raw or
 * with .gz behind the name. npy: train-images.npy, train-labels.npy, test-images.npy and test-labels.npy; images of
 * shape (N, features), (N, height, width) or (N, height, width, channels). Bytes stay bytes: the network's input
 * transform makes numbers of them, value / 255.
 */
#ifndef EXAMPLES_DATASET_H
#define EXAMPLES_DATASET_H

#include "array.h"

enum { DATASET_MNIST = 0, DATASET_FASHION_MNIST = 1, DATASET_NPY = 2 };

/* Some samples: images of shape (count, height, width, channels), and one int32 label each. */
typedef struct samples {
    array images;
    array labels;
    int64_t count; /* the first so many are used */
} samples;

typedef struct dataset {
    samples train, test;
    int64_t height, width, channels;
    int classes;
} dataset;

/* Where the data set lies if nobody says: a folder, or NULL where there is no such place. */
const char *dataset_default_folder(int kind);
/*
 * Read all four files, or nothing. limit > 0 keeps the first limit training samples (refused if there are fewer).
 * Errors name the file, the check that failed and what was expected.
 */
dualprop_status dataset_open(dataset *out, host *owner, int kind, const char *folder, int64_t limit);
void dataset_close(dataset *self, host *owner);

/* Images alone, for prediction: IDX or .npy, told by content. */
dualprop_status images_open(array *out, host *owner, const char *path);

/* Views of count samples from the one numbered first on. */
void samples_view(dualprop_view *images, dualprop_view *labels, const samples *self, int64_t first, int64_t count);
/* Elements of one image. */
int64_t images_elements(const array *images);

#endif
