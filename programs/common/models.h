/*
 * models.h - the convolutional networks of the program vgg16.
 *
 * Written as in the literature: a number is a 3 x 3 convolution with so many channels, M a pooling of 2 x 2 after it
 * (inside the layer's linear map), F a dense layer; the last dense layer, one output a class, is not written.
 */
#ifndef PROGRAMS_MODELS_H
#define PROGRAMS_MODELS_H

#include "dataset.h"
#include "settings.h"

/* In the order of the option's choices. */
enum { MODEL_VGG16 = 0, MODEL_VGGLIKE = 1, MODEL_CNN = 2, MODEL_MINICNN = 3 };

/* Add the layers of settings->model. A pooling that a small image has no room for is left out. */
dualprop_status model_add_layers(dualprop_network *network, host *owner, const settings *run, const dataset *data);
/* For instance "vgg16 for 32x32x3 images and 10 classes". */
void model_describe(char *text, size_t size, const settings *run, const dataset *data);
/* The models as --help lists them. */
extern const char model_help[];

#endif
