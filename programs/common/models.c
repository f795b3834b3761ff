/*
 * models.c - the networks as lists, and how a list becomes layers.
 */
#include "models.h"

#include <stdio.h>

/* Lists end with 0. */
enum { POOL = -1 };

typedef struct model {
    const int *convolutions; /* channels, or POOL after a convolution */
    const int *dense;        /* outputs */
} model;

static const int vgg16_convolutions[] = { 64,  64,  POOL, 128,  128, POOL, 256, 256,  256, POOL,
                                          512, 512, 512,  POOL, 512, 512,  512, POOL, 0 };
static const int vgg16_dense[] = { 4096, 4096, 0 };
static const int vgglike_convolutions[] = { 64, 64, POOL, 128, 128, POOL, 256, 256, POOL, 0 };
static const int vgglike_dense[] = { 1024, 0 };
static const int cnn_convolutions[] = { 32, POOL, 64, POOL, 128, POOL, 0 };
static const int cnn_dense[] = { 256, 0 };
static const int minicnn_convolutions[] = { 16, POOL, 32, POOL, 32, POOL, 0 };
static const int minicnn_dense[] = { 0 };

static const model models[] = {
    [MODEL_VGG16] = { vgg16_convolutions, vgg16_dense },
    [MODEL_VGGLIKE] = { vgglike_convolutions, vgglike_dense },
    [MODEL_CNN] = { cnn_convolutions, cnn_dense },
    [MODEL_MINICNN] = { minicnn_convolutions, minicnn_dense },
};

const char model_help[] =
    "\nModels (a number: 3 x 3 convolution with so many channels; M: 2 x 2 max pooling; F: dense layer; then one "
    "output a\n"
    "class). A pooling for which a small image has no room is left out.\n"
    "  vgg16     64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M F4096 F4096\n"
    "  vgglike   64 64 M 128 128 M 256 256 M F1024\n"
    "  cnn       32 M 64 M 128 M F256\n"
    "  minicnn   16 M 32 M 32 M\n"
    "Images of colour sets lose the mean of each channel and are divided by its deviation; others are in [0, 1].\n";

/* A convolution, with the pooling after it if that fits; halve the sides then. */
static dualprop_status add_convolution(dualprop_network *network, host *owner, int channels, int pooled, int activation,
                                       int64_t *sides)
{
    static const int64_t kernel[2] = { 3, 3 }, window[2] = { 2, 2 };

    TRY_LIBRARY(owner, dualprop_network_add_convolution(network, channels, kernel, NULL, NULL, activation));
    if (!pooled || sides[0] < 2 || sides[1] < 2) return DUALPROP_OK;
    TRY_LIBRARY(owner, dualprop_network_add_pooling(network, DUALPROP_POOL_MAX, window, NULL));
    sides[0] /= 2;
    sides[1] /= 2;
    return DUALPROP_OK;
}

static dualprop_status add_convolutions(dualprop_network *network, host *owner, const int *list, int activation,
                                        const dataset *data)
{
    int64_t sides[2] = { data->height, data->width };

    for (const int *next = list; *next != 0; next++) {
        if (*next != POOL) TRY(add_convolution(network, owner, *next, next[1] == POOL, activation, sides));
    }
    return DUALPROP_OK;
}

dualprop_status model_add_layers(dualprop_network *network, host *owner, const settings *run, const dataset *data)
{
    const model *wanted = &models[run->model];

    TRY(add_convolutions(network, owner, wanted->convolutions, run->activation, data));
    for (const int *outputs = wanted->dense; *outputs != 0; outputs++)
        TRY_LIBRARY(owner, dualprop_network_add_dense(network, *outputs, run->activation));
    TRY_LIBRARY(owner, dualprop_network_add_dense(network, data->classes, DUALPROP_IDENTITY));
    return DUALPROP_OK;
}

void model_describe(char *text, size_t size, const settings *run, const dataset *data)
{
    char name[40];

    setting_write(name, sizeof name, run, setting_find("model"));
    snprintf(text, size, "%s for %lldx%lldx%lld images and %d classes", name, (long long)data->height,
             (long long)data->width, (long long)data->channels, data->classes);
}
