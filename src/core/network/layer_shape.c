/*
 * layer_shape.c - shape inference: from what a caller asks for to a layer's description, or to a clear sentence.
 */
#include "network_internal.h"

#include <stdio.h>
#include <string.h>

/* Windows have to fit the bytes in which switches are kept. */
#define LARGEST_WINDOW 256

/*
 * Backends pad extents and keep transformed weights; this much for each extent, and so many times the whole, keeps
 * every byte count that a backend can form from a shape that passed within int64_t.
 */
#define PADDING 4096
#define FORMS 64

/* Can `copies` arrays of rows * columns reals, padded, be counted in bytes? */
static int fits(int64_t rows, int64_t columns, int64_t copies)
{
    int64_t count;
    return DUALPROP__ADD(&rows, rows, PADDING) && DUALPROP__ADD(&columns, columns, PADDING) &&
           DUALPROP__MULTIPLY(&count, rows, columns) && DUALPROP__MULTIPLY(&count, count, copies) &&
           DUALPROP__MULTIPLY(&count, count, (int64_t)sizeof(double));
}

static dualprop_status check_activation(const dualprop_context *context, int activation)
{
    int is_builtin = activation >= DUALPROP_IDENTITY && activation <= DUALPROP_SOFTMAX;
    DUALPROP__REQUIRE(context, is_builtin || dualprop__custom_activation(context, activation),
                      DUALPROP_ERROR_INVALID_ARGUMENT,
                      "activation is %d; expected DUALPROP_IDENTITY .. DUALPROP_SOFTMAX, or one that is registered "
                      "with this context",
                      activation);
    return DUALPROP_OK;
}

dualprop_status dualprop__describe_dense(dualprop_layer *layer, const dualprop_context *context, const int64_t input[3],
                                         int64_t outputs, int activation)
{
    DUALPROP__REQUIRE(context, outputs >= 1, DUALPROP_ERROR_INVALID_ARGUMENT, "outputs is %lld; expected >= 1",
                      (long long)outputs);
    DUALPROP__TRY(check_activation(context, activation));
    *layer = (dualprop_layer){
        .kind = DUALPROP_LAYER_DENSE,
        .activation = activation,
        .custom_activation = dualprop__custom_activation(context, activation),
        .inputs = input[0] * input[1] * input[2],
        .outputs = outputs,
        .bias_elements = outputs,
        .learning_rate = 1.0,
    };
    DUALPROP__REQUIRE(context, fits(layer->inputs, outputs, 1), DUALPROP_ERROR_RANGE,
                      "outputs is %lld; the number of weights for %lld inputs overflows", (long long)outputs,
                      (long long)layer->inputs);
    return DUALPROP_OK;
}

/* ---- maps of the caller's ---- */

dualprop_status dualprop__describe_custom(dualprop_layer *layer, const dualprop_context *context,
                                          const int64_t input[3], const struct dualprop__custom_map *map,
                                          int64_t outputs, int64_t weights, int64_t fan_in, int activation)
{
    DUALPROP__REQUIRE(context, outputs >= 1, DUALPROP_ERROR_INVALID_ARGUMENT, "outputs is %lld; expected >= 1",
                      (long long)outputs);
    DUALPROP__REQUIRE(context, weights >= 1, DUALPROP_ERROR_INVALID_ARGUMENT, "weights is %lld; expected >= 1",
                      (long long)weights);
    int64_t inputs = input[0] * input[1] * input[2], most = weights > inputs ? weights : inputs;
    DUALPROP__REQUIRE(context, fan_in >= 1 && fan_in <= most, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "fan_in is %lld; expected 1..%lld, the layer's inputs or weights", (long long)fan_in,
                      (long long)most);
    DUALPROP__TRY(check_activation(context, activation));
    DUALPROP__REQUIRE(context, fits(1, outputs, 1), DUALPROP_ERROR_RANGE, "outputs is %lld; its size overflows",
                      (long long)outputs);
    DUALPROP__REQUIRE(context, fits(1, weights, 1), DUALPROP_ERROR_RANGE, "weights is %lld; its size overflows",
                      (long long)weights);
    *layer = (dualprop_layer){
        .kind = DUALPROP_LAYER_CUSTOM,
        .activation = activation,
        .custom_activation = dualprop__custom_activation(context, activation),
        .custom_map = map,
        .custom_weights = weights,
        .fan_in = fan_in,
        .inputs = inputs,
        .outputs = outputs,
        .bias_elements = outputs,
        .learning_rate = 1.0,
    };
    return DUALPROP_OK;
}

/* ---- convolutions ---- */

static dualprop_status check_pair(const dualprop_context *context, const int64_t pair[2], const char *argument)
{
    DUALPROP__REQUIRE(context, pair, DUALPROP_ERROR_INVALID_ARGUMENT, "%s is NULL; expected two numbers", argument);
    DUALPROP__REQUIRE(context, pair[0] >= 1 && pair[1] >= 1, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "%s is [%lld, %lld]; expected both >= 1", argument, (long long)pair[0], (long long)pair[1]);
    return DUALPROP_OK;
}

/* NULL keeps the size at stride 1, which takes an odd kernel. */
static dualprop_status choose_padding(int64_t chosen[2], const dualprop_context *context, const int64_t *padding,
                                      const int64_t kernel[2])
{
    for (int axis = 0; axis < 2; axis++) chosen[axis] = padding ? padding[axis] : (kernel[axis] - 1) / 2;
    DUALPROP__REQUIRE(
        context, padding || (kernel[0] % 2 && kernel[1] % 2), DUALPROP_ERROR_INVALID_ARGUMENT,
        "padding is NULL, which keeps the size, and kernel is [%lld, %lld]; expected odd extents, or a padding",
        (long long)kernel[0], (long long)kernel[1]);
    DUALPROP__REQUIRE(context, chosen[0] >= 0 && chosen[0] < kernel[0] && chosen[1] >= 0 && chosen[1] < kernel[1],
                      DUALPROP_ERROR_INVALID_ARGUMENT,
                      "padding is [%lld, %lld]; expected 0 .. one less than the kernel, [%lld, %lld]",
                      (long long)chosen[0], (long long)chosen[1], (long long)kernel[0], (long long)kernel[1]);
    return DUALPROP_OK;
}

/* Places of a window along an axis of the padded input: floor((extent - window) / stride) + 1. */
static int64_t places(int64_t extent, int64_t window, int64_t stride)
{
    return (extent - window) / stride + 1;
}

static dualprop_status infer_map(dualprop_convolution *map, const dualprop_context *context)
{
    int64_t height, width;
    int counts = DUALPROP__ADD(&height, map->height, map->padding_height) &&
                 DUALPROP__ADD(&height, height, map->padding_height) &&
                 DUALPROP__ADD(&width, map->width, map->padding_width) &&
                 DUALPROP__ADD(&width, width, map->padding_width);
    DUALPROP__REQUIRE(context, counts, DUALPROP_ERROR_RANGE, "the padded input overflows");
    DUALPROP__REQUIRE(context, map->kernel_height <= height && map->kernel_width <= width,
                      DUALPROP_ERROR_INVALID_ARGUMENT,
                      "kernel is [%lld, %lld]; expected at most the padded input, [%lld, %lld]",
                      (long long)map->kernel_height, (long long)map->kernel_width, (long long)height, (long long)width);
    map->map_height = places(height, map->kernel_height, map->stride_height);
    map->map_width = places(width, map->kernel_width, map->stride_width);
    map->pooled_height = map->map_height;
    map->pooled_width = map->map_width;
    return DUALPROP_OK;
}

/* The sizes that follow from a map; RANGE if one overflows. */
static dualprop_status infer_sizes(dualprop_layer *layer, const dualprop_context *context)
{
    const dualprop_convolution *map = &layer->map;
    int64_t taps, depth, area, copies;
    int is_local = layer->kind == DUALPROP_LAYER_LOCAL;
    int counts = DUALPROP__MULTIPLY(&area, map->map_height, map->map_width) &&
                 DUALPROP__MULTIPLY(&copies, is_local ? area : 1, (int64_t)FORMS) &&
                 DUALPROP__MULTIPLY(&taps, map->kernel_height, map->kernel_width) &&
                 DUALPROP__MULTIPLY(&depth, taps, map->channels) && fits(depth, map->outputs, copies) &&
                 fits(area, map->outputs, FORMS) && fits(area, depth, FORMS);
    DUALPROP__REQUIRE(context, counts, DUALPROP_ERROR_RANGE,
                      "channels is %lld; the sizes of a layer with kernel [%lld, %lld] on (%lld, %lld, %lld) overflow",
                      (long long)map->outputs, (long long)map->kernel_height, (long long)map->kernel_width,
                      (long long)map->height, (long long)map->width, (long long)map->channels);
    layer->inputs = map->height * map->width * map->channels;
    layer->outputs = map->pooled_height * map->pooled_width * map->outputs;
    layer->bias_elements = is_local ? area * map->outputs : map->outputs;
    return DUALPROP_OK;
}

dualprop_status dualprop__describe_convolution(dualprop_layer *layer, const dualprop_context *context, int kind,
                                               const int64_t input[3], int64_t channels, const int64_t kernel[2],
                                               const int64_t *stride, const int64_t *padding, int activation)
{
    static const int64_t ones[2] = { 1, 1 };
    int64_t edge[2];
    const int64_t *step = stride ? stride : ones;
    DUALPROP__REQUIRE(context, channels >= 1, DUALPROP_ERROR_INVALID_ARGUMENT, "channels is %lld; expected >= 1",
                      (long long)channels);
    DUALPROP__TRY(check_pair(context, kernel, "kernel"));
    DUALPROP__TRY(check_pair(context, step, "stride"));
    DUALPROP__TRY(choose_padding(edge, context, padding, kernel));
    DUALPROP__TRY(check_activation(context, activation));
    DUALPROP__REQUIRE(context, context->backend.convolution_bottom_up, DUALPROP_ERROR_UNSUPPORTED,
                      "the backend %.64s has no convolutions", context->backend.name);
    *layer = (dualprop_layer){ .kind = kind, .activation = activation, .learning_rate = 1.0 };
    layer->custom_activation = dualprop__custom_activation(context, activation);
    /* clang-format off */
    layer->map = (dualprop_convolution){
        .kind = kind, .pooling = DUALPROP_POOL_NONE, .batch = 1,
        .height = input[0], .width = input[1], .channels = input[2], .outputs = channels,
        .kernel_height = kernel[0], .kernel_width = kernel[1], .stride_height = step[0], .stride_width = step[1],
        .padding_height = edge[0], .padding_width = edge[1],
    };
    /* clang-format on */
    DUALPROP__TRY(infer_map(&layer->map, context));
    return infer_sizes(layer, context);
}

dualprop_status dualprop__describe_pooling(dualprop_layer *layer, const dualprop_context *context, int pooling,
                                           const int64_t window[2], const int64_t *stride)
{
    dualprop_convolution *map = &layer->map;
    const int64_t *step = stride ? stride : window;
    DUALPROP__REQUIRE(context, pooling == DUALPROP_POOL_MAX || pooling == DUALPROP_POOL_AVERAGE,
                      DUALPROP_ERROR_INVALID_ARGUMENT,
                      "pooling is %d; expected DUALPROP_POOL_MAX or DUALPROP_POOL_AVERAGE", pooling);
    DUALPROP__TRY(check_pair(context, window, "window"));
    DUALPROP__TRY(check_pair(context, step, "stride"));
    DUALPROP__REQUIRE(context, window[0] <= map->map_height && window[1] <= map->map_width,
                      DUALPROP_ERROR_INVALID_ARGUMENT, "window is [%lld, %lld]; expected at most the map, [%lld, %lld]",
                      (long long)window[0], (long long)window[1], (long long)map->map_height,
                      (long long)map->map_width);
    DUALPROP__REQUIRE(context, window[0] <= LARGEST_WINDOW && window[1] <= LARGEST_WINDOW / window[0],
                      DUALPROP_ERROR_INVALID_ARGUMENT, "window is [%lld, %lld]; expected at most %d places",
                      (long long)window[0], (long long)window[1], LARGEST_WINDOW);
    map->pooling = pooling;
    map->window_height = window[0];
    map->window_width = window[1];
    map->window_stride_height = step[0];
    map->window_stride_width = step[1];
    map->pooled_height = places(map->map_height, window[0], step[0]);
    map->pooled_width = places(map->map_width, window[1], step[1]);
    return infer_sizes(layer, context);
}

/* ---- what a layer's shape says ---- */

/* Maps of two contexts are the same if their names are. */
static int has_same_map(const dualprop_layer *one, const dualprop_layer *other)
{
    if (dualprop__layer_is_image(one)) return !memcmp(&one->map, &other->map, sizeof one->map);
    if (one->kind == DUALPROP_LAYER_DENSE) return 1;
    return one->custom_weights == other->custom_weights &&
           dualprop__same_name(one->custom_map->part.name, other->custom_map->part.name);
}

int dualprop__layer_alike(const dualprop_layer *one, const dualprop_layer *other)
{
    return one->kind == other->kind && one->inputs == other->inputs && one->outputs == other->outputs &&
           has_same_map(one, other);
}

void dualprop__layer_output(int64_t shape[3], const dualprop_layer *layer)
{
    int is_image = dualprop__layer_is_image(layer);
    shape[0] = is_image ? layer->map.pooled_height : 1;
    shape[1] = is_image ? layer->map.pooled_width : 1;
    shape[2] = is_image ? layer->map.outputs : layer->outputs;
}

int64_t dualprop__layer_channels(const dualprop_layer *layer)
{
    return dualprop__layer_is_image(layer) ? layer->map.outputs : layer->outputs;
}

void dualprop__layer_fans(double *in, double *out, const dualprop_layer *layer)
{
    double taps = (double)(layer->map.kernel_height * layer->map.kernel_width);
    int is_dense = layer->kind == DUALPROP_LAYER_DENSE;
    if (layer->kind == DUALPROP_LAYER_CUSTOM) {
        *in = (double)layer->fan_in; /* and as many connections come from the inputs as go to the outputs */
        *out = *in * (double)layer->outputs / (double)layer->inputs;
        return;
    }
    *in = is_dense ? (double)layer->inputs : taps * (double)layer->map.channels;
    *out = is_dense ? (double)layer->outputs : taps * (double)layer->map.outputs;
}

/* ---- shapes of parameters ---- */

int dualprop__parameter_shape(int64_t shape[DUALPROP_MAX_RANK], const dualprop_layer *layer, int is_bias)
{
    const dualprop_convolution *map = &layer->map;
    int rank = 0;
    if (layer->kind == DUALPROP_LAYER_CUSTOM) {
        shape[0] = is_bias ? layer->outputs : layer->custom_weights;
        return 1;
    }
    if (layer->kind == DUALPROP_LAYER_LOCAL) {
        shape[rank++] = map->map_height;
        shape[rank++] = map->map_width;
    }
    if (!is_bias && layer->kind != DUALPROP_LAYER_DENSE) {
        shape[rank++] = map->kernel_height;
        shape[rank++] = map->kernel_width;
    }
    if (!is_bias) shape[rank++] = layer->kind == DUALPROP_LAYER_DENSE ? layer->inputs : map->channels;
    shape[rank++] = dualprop__layer_channels(layer);
    return rank;
}

int64_t dualprop__parameter_elements(const dualprop_layer *layer, int is_bias)
{
    int64_t shape[DUALPROP_MAX_RANK], elements = 1;
    int rank = dualprop__parameter_shape(shape, layer, is_bias);
    for (int i = 0; i < rank; i++) elements *= shape[i];
    return elements;
}

dualprop__shape_text dualprop__describe_shape(const int64_t *shape, int rank)
{
    dualprop__shape_text text = { "[" };
    size_t length = 1;
    for (int i = 0; i < rank; i++)
        length += (size_t)snprintf(text.text + length, sizeof text.text - length, "%s%lld", i ? ", " : "",
                                   (long long)shape[i]);
    snprintf(text.text + length, sizeof text.text - length, "]");
    return text;
}

dualprop_status dualprop__check_matrix(const dualprop_context *context, const dualprop_view *view, int64_t rows,
                                       int64_t columns, const char *name)
{
    DUALPROP__REQUIRE(context, view->rank == 2 && view->shape[0] == rows && view->shape[1] == columns,
                      DUALPROP_ERROR_INVALID_ARGUMENT, "%s has the shape %s; expected [%lld, %lld]", name,
                      dualprop__describe_shape(view->shape, view->rank).text, (long long)rows, (long long)columns);
    return DUALPROP_OK;
}

dualprop_status dualprop__parameter_check(const dualprop_view *view, const dualprop_layer *layer, int is_bias,
                                          const char *name)
{
    int64_t shape[DUALPROP_MAX_RANK];
    int rank = dualprop__parameter_shape(shape, layer, is_bias);
    int same = view->rank == rank && !memcmp(view->shape, shape, (size_t)rank * sizeof *shape);
    DUALPROP__REQUIRE(layer->network->context, same, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "view has the shape %s; expected %s, that of %s",
                      dualprop__describe_shape(view->shape, view->rank).text,
                      dualprop__describe_shape(shape, rank).text, name);
    return DUALPROP_OK;
}
