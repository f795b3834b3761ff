/*
 * checkpoint_network.c - a network in a checkpoint: its architecture as JSON, its parameters as tensors.
 *
 * When a network is made again, every layer is held against its tensors before anything is allocated for it: a text
 * that promises a large network costs no more memory than the file itself has.
 */
#include <stdio.h>
#include <string.h>

#include "checkpoint_json.h"

#define NAME_SIZE 32

/* ---- putting ---- */

/* Is it the name of a layer's parameter? Those of an older network go when a new one is put in. */
static int is_parameter(const char *name)
{
    if (strncmp(name, "layer", 5) != 0) return 0;
    size_t digits = strspn(name + 5, "0123456789");
    const char *rest = name + 5 + digits;
    return digits > 0 && (strcmp(rest, ".weight") == 0 || strcmp(rest, ".bias") == 0 ||
                          strcmp(rest, ".feedback") == 0);
}

static dualprop_status put_parameter(dualprop_checkpoint *part, const dualprop_layer *layer, int is_bias)
{
    char name[NAME_SIZE];
    snprintf(name, sizeof name, "layer%d.%s", layer->index, is_bias ? "bias" : "weight");
    return dualprop__checkpoint_put_parameter(part, name, layer, is_bias, is_bias ? layer->bias : layer->weight);
}

static json_t *describe_pair(int64_t first, int64_t second)
{
    return json_pack("[I, I]", (json_int_t)first, (json_int_t)second);
}

/* Does it take the layer below as a vector? */
static int is_flattened(const dualprop_network *network, int k)
{
    const dualprop_convolution *map = &network->layers[k]->map;
    int64_t below[3] = { network->height, network->width, network->channels };
    if (k > 0) dualprop__layer_output(below, network->layers[k - 1]);
    return below[0] != map->height || below[1] != map->width || below[2] != map->channels;
}

static json_t *describe_convolution(const dualprop_network *network, int k)
{
    const dualprop_layer *layer = network->layers[k];
    const dualprop_convolution *map = &layer->map;
    return json_pack("{s:s, s:I, s:s, s:b, s:f, s:b, s:o, s:o, s:o, s:s, s:o, s:o}",
                     "kind", dualprop_name(DUALPROP_NAMES_LAYER, layer->kind), "channels", (json_int_t)map->outputs,
                     "activation", dualprop_name(DUALPROP_NAMES_ACTIVATION, layer->activation),
                     "frozen", layer->frozen, "learning_rate", layer->learning_rate,
                     "flatten", is_flattened(network, k),
                     "kernel", describe_pair(map->kernel_height, map->kernel_width),
                     "stride", describe_pair(map->stride_height, map->stride_width),
                     "padding", describe_pair(map->padding_height, map->padding_width),
                     "pooling", dualprop_name(DUALPROP_NAMES_POOLING, map->pooling),
                     "window", describe_pair(map->window_height, map->window_width),
                     "window_stride", describe_pair(map->window_stride_height, map->window_stride_width));
}

static json_t *describe_layer(const dualprop_network *network, int k)
{
    const dualprop_layer *layer = network->layers[k];
    if (layer->kind != DUALPROP_LAYER_DENSE) return describe_convolution(network, k);
    return json_pack("{s:s, s:I, s:s, s:b, s:f}", "kind", "dense", "outputs", (json_int_t)layer->outputs,
                     "activation", dualprop_name(DUALPROP_NAMES_ACTIVATION, layer->activation), "frozen",
                     layer->frozen, "learning_rate", layer->learning_rate);
}

static json_t *describe_layers(const dualprop_network *network)
{
    json_t *layers = json_array();
    for (int k = 0; layers && k < network->layer_count; k++) {
        if (json_array_append_new(layers, describe_layer(network, k)) == 0) continue;
        json_decref(layers);
        return NULL;
    }
    return layers;
}

static json_t *describe_doubles(const double *numbers, int64_t count)
{
    json_t *list = json_array();
    for (int64_t i = 0; list && i < count; i++) {
        if (json_array_append_new(list, json_real(numbers[i])) == 0) continue;
        json_decref(list);
        return NULL;
    }
    return list;
}

static int transforms_input(const dualprop_network *network)
{
    for (int64_t c = 0; c < network->channels; c++)
        if (network->mean[c] != 0.0 || network->deviation[c] != 1.0) return 1;
    return 0;
}

/* Give the architecture, or NULL where memory is out. */
static json_t *describe_network(const dualprop_network *network)
{
    json_t *root = json_pack("{s:s, s:[I, I, I], s:s, s:f, s:o}", "precision",
                             dualprop_name(DUALPROP_NAMES_TYPE, network->context->precision), "input",
                             (json_int_t)network->height, (json_int_t)network->width, (json_int_t)network->channels,
                             "initializer", dualprop_name(DUALPROP_NAMES_INITIALIZER, network->initializer),
                             "initializer_scale", network->initializer_scale, "layers", describe_layers(network));
    if (!root || !transforms_input(network)) return root;
    if (json_object_set_new(root, "mean", describe_doubles(network->mean, network->channels)) == 0 &&
        json_object_set_new(root, "deviation", describe_doubles(network->deviation, network->channels)) == 0)
        return root;
    json_decref(root);
    return NULL;
}

/* With the network open for reading. */
static dualprop_status fill_network(dualprop_checkpoint *part, const dualprop_network *network)
{
    for (int k = 0; k < network->layer_count; k++) {
        DUALPROP__TRY(put_parameter(part, network->layers[k], 0));
        DUALPROP__TRY(put_parameter(part, network->layers[k], 1));
    }
    DUALPROP__TRY(dualprop__checkpoint_put_feedback(part, network));
    return dualprop__checkpoint_dump(part, "network", describe_network(network));
}

dualprop_status dualprop_checkpoint_put_network(dualprop_checkpoint *checkpoint, const dualprop_network *network)
{
    DUALPROP__REQUIRE_HANDLE(checkpoint, DUALPROP__CHECKPOINT);
    DUALPROP__REQUIRE_HANDLE(network, DUALPROP__NETWORK);
    DUALPROP__TRY(dualprop__context_enter(network->context));
    DUALPROP__REQUIRE(checkpoint->context, network->layer_count > 0, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "network has no layers; add one first");
    /* Counting a reader is no change of the network that a caller can see. */
    dualprop_network *read = (dualprop_network *)network;
    dualprop_checkpoint *part;
    DUALPROP__TRY(dualprop_checkpoint_create(&part, checkpoint->context));
    dualprop_status status = dualprop__network_begin_read(read);
    if (status == DUALPROP_OK) {
        status = fill_network(part, network);
        dualprop__network_end_read(read);
    }
    if (status == DUALPROP_OK) status = dualprop__checkpoint_absorb(checkpoint, part, is_parameter);
    dualprop_checkpoint_destroy(part);
    return status;
}

/* ---- getting: what the text says ---- */

struct network_record {
    const char *precision, *initializer;
    int64_t input[3], inputs; /* height, width, channels, and their product */
    double scale;
    json_t *layers, *mean, *deviation;
};

struct layer_record {
    int index; /* 1..L */
    const char *kind, *activation, *pooling;
    int64_t outputs;
    int frozen, flatten;
    double learning_rate;
    int64_t kernel[2], stride[2], padding[2], window[2], window_stride[2];
};

static dualprop_status check_layer_record(struct network_record *record, const dualprop_checkpoint *checkpoint)
{
    const dualprop_context *context = checkpoint->context;
    const char *expected = dualprop_name(DUALPROP_NAMES_TYPE, context->precision);
    int64_t area;
    DUALPROP__REQUIRE(context, strcmp(record->precision, expected) == 0, DUALPROP_ERROR_FORMAT,
                      "%s: the network's precision is %s; expected %s, the context's", checkpoint->source,
                      dualprop__quote(record->precision).text, expected);
    int fits = record->input[0] >= 1 && record->input[1] >= 1 && record->input[2] >= 1 &&
               DUALPROP__MULTIPLY(&area, record->input[0], record->input[1]) &&
               DUALPROP__MULTIPLY(&record->inputs, area, record->input[2]);
    DUALPROP__REQUIRE(context, fits, DUALPROP_ERROR_FORMAT,
                      "%s: the network's input is [%lld, %lld, %lld]; expected extents >= 1 whose product fits",
                      checkpoint->source, (long long)record->input[0], (long long)record->input[1],
                      (long long)record->input[2]);
    DUALPROP__REQUIRE(context, json_is_array(record->layers) && json_array_size(record->layers) > 0 &&
                      json_array_size(record->layers) <= checkpoint->tensors.count / 2,
                      DUALPROP_ERROR_FORMAT, "%s: the network's layers are no list of 1..%zu, half the tensors",
                      checkpoint->source, checkpoint->tensors.count / 2);
    DUALPROP__REQUIRE(context, (record->mean == NULL) == (record->deviation == NULL), DUALPROP_ERROR_FORMAT,
                      "%s: the network has one of mean and deviation; expected both or none", checkpoint->source);
    return DUALPROP_OK;
}

static dualprop_status unpack_network(struct network_record *record, const dualprop_checkpoint *checkpoint,
                                      json_t *root)
{
    json_int_t height, width, channels;
    *record = (struct network_record){ 0 };
    record->mean = json_object_get(root, "mean");
    record->deviation = json_object_get(root, "deviation");
    DUALPROP__TRY(dualprop__json_unpack(
        checkpoint->context, checkpoint->source, "text \"network\"", root,
        (record->mean != NULL) + (record->deviation != NULL), "{s:s, s:[I, I, I!], s:s, s:F, s:o}",
        "precision", &record->precision, "input", &height, &width, &channels, "initializer", &record->initializer,
        "initializer_scale", &record->scale, "layers", &record->layers));
    record->input[0] = height;
    record->input[1] = width;
    record->input[2] = channels;
    return check_layer_record(record, checkpoint);
}

static dualprop_status unpack_dense(struct layer_record *layer, const dualprop_checkpoint *checkpoint, json_t *value)
{
    json_int_t outputs;
    DUALPROP__TRY(dualprop__json_unpack(
        checkpoint->context, checkpoint->source, "text \"network\"", value, 0, "{s:s, s:I, s:s, s:b, s:F}",
        "kind", &layer->kind, "outputs", &outputs, "activation", &layer->activation, "frozen", &layer->frozen,
        "learning_rate", &layer->learning_rate));
    layer->outputs = outputs;
    return DUALPROP_OK;
}

static dualprop_status unpack_convolution(struct layer_record *layer, const dualprop_checkpoint *checkpoint,
                                          json_t *value)
{
    json_int_t channels, pairs[5][2];
    int64_t *places[5] = { layer->kernel, layer->stride, layer->padding, layer->window, layer->window_stride };
    DUALPROP__TRY(dualprop__json_unpack(
        checkpoint->context, checkpoint->source, "text \"network\"", value, 0,
        "{s:s, s:I, s:s, s:b, s:F, s:b, s:[I, I!], s:[I, I!], s:[I, I!], s:s, s:[I, I!], s:[I, I!]}",
        "kind", &layer->kind, "channels", &channels, "activation", &layer->activation, "frozen", &layer->frozen,
        "learning_rate", &layer->learning_rate, "flatten", &layer->flatten, "kernel", &pairs[0][0], &pairs[0][1],
        "stride", &pairs[1][0], &pairs[1][1], "padding", &pairs[2][0], &pairs[2][1], "pooling", &layer->pooling,
        "window", &pairs[3][0], &pairs[3][1], "window_stride", &pairs[4][0], &pairs[4][1]));
    layer->outputs = channels;
    for (int i = 0; i < 10; i++) places[i / 2][i % 2] = pairs[i / 2][i % 2];
    return DUALPROP_OK;
}

static dualprop_status unpack_layer(int *kind, struct layer_record *layer, const dualprop_checkpoint *checkpoint,
                                    json_t *value)
{
    const char *name = json_string_value(json_object_get(value, "kind"));
    if (!name || dualprop_from_name(kind, DUALPROP_NAMES_LAYER, name) != DUALPROP_OK)
        return dualprop__fail(checkpoint->context, DUALPROP_ERROR_FORMAT,
                              "%s: layer %d is of kind %s; expected dense, convolution or local", checkpoint->source,
                              layer->index, name ? dualprop__quote(name).text : "(none)");
    return *kind == DUALPROP_LAYER_DENSE ? unpack_dense(layer, checkpoint, value)
                                         : unpack_convolution(layer, checkpoint, value);
}

/* ---- getting: tensors and layers ---- */

static dualprop_status describe_image_layer(dualprop_layer *layer, const dualprop_checkpoint *checkpoint,
                                            const struct layer_record *record, int kind, const int64_t top[3])
{
    int64_t input[3] = { top[0], top[1], top[2] };
    int pooling;
    if (record->flatten) dualprop__flatten(input);
    DUALPROP__TRY(dualprop__checkpoint_choice(&pooling, checkpoint, "network", DUALPROP_NAMES_POOLING,
                                              record->pooling));
    DUALPROP__TRY(dualprop__describe_convolution(layer, checkpoint->context, kind, input, record->outputs,
                                                 record->kernel, record->stride, record->padding, layer->activation));
    if (pooling == DUALPROP_POOL_NONE) return DUALPROP_OK;
    return dualprop__describe_pooling(layer, checkpoint->context, pooling, record->window, record->window_stride);
}

/* From a record and what lies below to a layer's description. */
static dualprop_status describe_record(dualprop_layer *layer, const dualprop_checkpoint *checkpoint, json_t *value,
                                       int index, const int64_t top[3])
{
    struct layer_record record = { .index = index };
    int kind, activation;
    DUALPROP__TRY(unpack_layer(&kind, &record, checkpoint, value));
    DUALPROP__TRY(dualprop__checkpoint_choice(&activation, checkpoint, "network", DUALPROP_NAMES_ACTIVATION,
                                              record.activation));
    layer->activation = activation;
    if (kind == DUALPROP_LAYER_DENSE)
        DUALPROP__TRY(dualprop__describe_dense(layer, checkpoint->context, top, record.outputs, activation));
    else
        DUALPROP__TRY(describe_image_layer(layer, checkpoint, &record, kind, top));
    layer->index = index;
    layer->frozen = record.frozen;
    layer->learning_rate = record.learning_rate;
    return DUALPROP_OK;
}

/* Find a layer's two tensors. */
static dualprop_status expect(dualprop__tensor *tensors[2], const dualprop_checkpoint *checkpoint,
                              const dualprop_layer *layer)
{
    for (int is_bias = 0; is_bias <= 1; is_bias++) {
        char name[NAME_SIZE];
        int64_t shape[DUALPROP_MAX_RANK];
        int rank = dualprop__parameter_shape(shape, layer, is_bias);
        snprintf(name, sizeof name, "layer%d.%s", layer->index, is_bias ? "bias" : "weight");
        DUALPROP__TRY(dualprop__checkpoint_expect_finite(&tensors[is_bias], checkpoint, name,
                                                         checkpoint->context->precision, rank, shape));
    }
    return DUALPROP_OK;
}

static dualprop_status check_layer_list(const dualprop_checkpoint *checkpoint, const struct network_record *record)
{
    int64_t top[3] = { record->input[0], record->input[1], record->input[2] };
    for (size_t k = 0; k < json_array_size(record->layers); k++) {
        dualprop_layer layer = { 0 };
        dualprop__tensor *tensors[2];
        dualprop_status status =
            describe_record(&layer, checkpoint, json_array_get(record->layers, k), (int)k + 1, top);
        DUALPROP__TRY(dualprop__checkpoint_accept(checkpoint, "network", status));
        DUALPROP__TRY(expect(tensors, checkpoint, &layer));
        dualprop__layer_output(top, &layer);
    }
    return DUALPROP_OK;
}

static dualprop_status add_described_layer(dualprop_network *network, const dualprop_checkpoint *checkpoint,
                                           json_t *value)
{
    dualprop_layer layer = { 0 };
    dualprop__tensor *tensors[2];
    dualprop_layer *added;
    DUALPROP__TRY(describe_record(&layer, checkpoint, value, network->layer_count + 1, network->top));
    DUALPROP__TRY(expect(tensors, checkpoint, &layer));
    DUALPROP__TRY(dualprop__network_append(network, &layer));
    DUALPROP__TRY(dualprop_network_layer(&added, network, layer.index));
    DUALPROP__TRY(dualprop_layer_set_frozen(added, layer.frozen));
    DUALPROP__TRY(dualprop_layer_set_learning_rate(added, layer.learning_rate));
    DUALPROP__TRY(dualprop__parameter_store(added, 0, tensors[0]->data));
    return dualprop__parameter_store(added, 1, tensors[1]->data);
}

static dualprop_status read_numbers(double *numbers, const dualprop_checkpoint *checkpoint, const json_t *list,
                                    int64_t count)
{
    DUALPROP__REQUIRE(checkpoint->context, json_is_array(list) && json_array_size(list) == (size_t)count,
                      DUALPROP_ERROR_FORMAT, "%s: the network's mean or deviation is no list of %lld, its channels",
                      checkpoint->source, (long long)count);
    for (int64_t i = 0; i < count; i++) {
        const json_t *number = json_array_get(list, (size_t)i);
        DUALPROP__REQUIRE(checkpoint->context, json_is_number(number), DUALPROP_ERROR_FORMAT,
                          "%s: the network's mean or deviation has an entry that is no number", checkpoint->source);
        numbers[i] = json_number_value(number);
    }
    return DUALPROP_OK;
}

static dualprop_status set_transform(dualprop_network *network, const dualprop_checkpoint *checkpoint,
                                     const struct network_record *record)
{
    int64_t channels = network->channels;
    if (!record->mean) return DUALPROP_OK;
    double *numbers = dualprop__allocate_array(checkpoint->context, (size_t)channels, 2 * sizeof *numbers);
    if (!numbers) return DUALPROP_ERROR_NO_MEMORY;
    dualprop_status status = read_numbers(numbers, checkpoint, record->mean, channels);
    if (status == DUALPROP_OK) status = read_numbers(numbers + channels, checkpoint, record->deviation, channels);
    if (status == DUALPROP_OK)
        status = dualprop_network_set_input_transform(network, numbers, numbers + channels, channels);
    dualprop__release(checkpoint->context, numbers);
    return status;
}

static dualprop_status put_back_network(dualprop_network *network, const dualprop_checkpoint *checkpoint,
                                        const struct network_record *record)
{
    int initializer;
    DUALPROP__TRY(dualprop__checkpoint_choice(&initializer, checkpoint, "network", DUALPROP_NAMES_INITIALIZER,
                                              record->initializer));
    DUALPROP__TRY(dualprop_network_set_initializer(network, initializer, record->scale));
    DUALPROP__TRY(set_transform(network, checkpoint, record));
    for (size_t k = 0; k < json_array_size(record->layers); k++)
        DUALPROP__TRY(add_described_layer(network, checkpoint, json_array_get(record->layers, k)));
    return dualprop__checkpoint_get_feedback(network, checkpoint);
}

static dualprop_status build_network(dualprop_network **out, const dualprop_checkpoint *checkpoint, json_t *root)
{
    struct network_record record;
    dualprop_network *network;
    DUALPROP__TRY(unpack_network(&record, checkpoint, root));
    DUALPROP__TRY(check_layer_list(checkpoint, &record));
    DUALPROP__TRY(dualprop_network_create(&network, checkpoint->context, record.input[0], record.input[1],
                                          record.input[2]));
    dualprop_status status = put_back_network(network, checkpoint, &record);
    if (status == DUALPROP_OK) *out = network;
    else dualprop_network_destroy(network);
    return dualprop__checkpoint_accept(checkpoint, "network", status);
}

dualprop_status dualprop_checkpoint_get_network(dualprop_network **out, const dualprop_checkpoint *checkpoint)
{
    DUALPROP__REQUIRE(NULL, out, DUALPROP_ERROR_INVALID_ARGUMENT, "network is NULL; expected a place for the result");
    *out = NULL;
    DUALPROP__REQUIRE_HANDLE(checkpoint, DUALPROP__CHECKPOINT);
    json_t *root;
    DUALPROP__TRY(dualprop__context_enter(checkpoint->context));
    DUALPROP__TRY(dualprop__checkpoint_load(&root, checkpoint, "network"));
    dualprop_status status = build_network(out, checkpoint, root);
    json_decref(root);
    return status;
}
