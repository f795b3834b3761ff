/*
 * checkpoint_network.c - a network in a checkpoint: its architecture as JSON, its parameters as tensors.
 *
 * When a network is made again, every layer is held against its tensors before anything is allocated for it: a text
 * that promises a large network costs no more memory than the file itself has.
 */
#include <stdio.h>
#include <string.h>

#include "checkpoint_json.h"

/* ---- putting ---- */

/* Is it the name of a layer's parameter? Those of an older network go when a new one is put in. */
static int is_parameter(const char *name)
{
    if (strncmp(name, "layer", 5) != 0) return 0;
    size_t digits = strspn(name + 5, "0123456789");
    const char *rest = name + 5 + digits;
    return digits > 0 && (strcmp(rest, ".weight") == 0 || strcmp(rest, ".bias") == 0 || strcmp(rest, ".feedback") == 0);
}

static dualprop_status put_parameter(dualprop_checkpoint *part, const dualprop_layer *layer, int is_bias)
{
    char name[DUALPROP__ENTRY_NAME_SIZE];
    snprintf(name, sizeof name, "layer%d.%s", layer->index, is_bias ? "bias" : "weight");
    return dualprop__checkpoint_put_parameter(part, name, layer, is_bias, is_bias ? layer->bias : layer->weight);
}

static void put_pair(dualprop__json_writer *writer, const char *key, int64_t first, int64_t second)
{
    dualprop__json_put_key(writer, key);
    dualprop__json_bracket(writer, '[');
    dualprop__json_put_integer(writer, first);
    dualprop__json_put_integer(writer, second);
    dualprop__json_bracket(writer, ']');
}

static void put_boolean(dualprop__json_writer *writer, const char *key, int value)
{
    dualprop__json_put_key(writer, key);
    dualprop__json_put_word(writer, value ? "true" : "false");
}

/* Does it take the layer below as a vector? */
static int is_flattened(const dualprop_network *network, int k)
{
    const dualprop_convolution *map = &network->layers[k]->map;
    int64_t below[3] = { network->height, network->width, network->channels };
    if (k > 0) dualprop__layer_output(below, network->layers[k - 1]);
    return below[0] != map->height || below[1] != map->width; /* one image has as many elements as the other */
}

static void describe_map(dualprop__json_writer *writer, const dualprop_network *network, int k)
{
    const dualprop_convolution *map = &network->layers[k]->map;
    put_boolean(writer, "flatten", is_flattened(network, k));
    put_pair(writer, "kernel", map->kernel_height, map->kernel_width);
    put_pair(writer, "stride", map->stride_height, map->stride_width);
    put_pair(writer, "padding", map->padding_height, map->padding_width);
    dualprop__json_text_member(writer, "pooling", dualprop_name(DUALPROP_NAMES_POOLING, map->pooling));
    put_pair(writer, "window", map->window_height, map->window_width);
    put_pair(writer, "window_stride", map->window_stride_height, map->window_stride_width);
}

static void describe_layer(dualprop__json_writer *writer, const dualprop_network *network, int k)
{
    const dualprop_layer *layer = network->layers[k];
    int is_image = dualprop__layer_is_image(layer);
    dualprop__json_bracket(writer, '{');
    dualprop__json_text_member(writer, "kind", dualprop_name(DUALPROP_NAMES_LAYER, layer->kind));
    dualprop__json_integer_member(writer, is_image ? "channels" : "outputs",
                                  is_image ? layer->map.outputs : layer->outputs);
    dualprop__json_text_member(writer, "activation", dualprop__layer_activation_name(layer));
    put_boolean(writer, "frozen", layer->frozen);
    dualprop__json_real_member(writer, "learning_rate", layer->learning_rate);
    if (is_image) describe_map(writer, network, k);
    if (layer->custom_map) {
        dualprop__json_text_member(writer, "map", layer->custom_map->part.name);
        dualprop__json_integer_member(writer, "weights", layer->custom_weights);
        dualprop__json_integer_member(writer, "fan_in", layer->fan_in);
    }
    dualprop__json_bracket(writer, '}');
}

static void put_numbers(dualprop__json_writer *writer, const char *key, const double *numbers, int64_t count)
{
    dualprop__json_put_key(writer, key);
    dualprop__json_bracket(writer, '[');
    for (int64_t i = 0; i < count; i++) dualprop__json_put_real(writer, numbers[i]);
    dualprop__json_bracket(writer, ']');
}

static int transforms_input(const dualprop_network *network)
{
    for (int64_t c = 0; c < network->channels; c++)
        if (network->mean[c] != 0.0 || network->deviation[c] != 1.0) return 1;
    return 0;
}

static void describe_network(dualprop__json_writer *writer, const dualprop_network *network)
{
    dualprop__json_bracket(writer, '{');
    dualprop__json_text_member(writer, "precision", dualprop_name(DUALPROP_NAMES_TYPE, network->context->precision));
    dualprop__json_put_key(writer, "input");
    dualprop__json_bracket(writer, '[');
    dualprop__json_put_integer(writer, network->height);
    dualprop__json_put_integer(writer, network->width);
    dualprop__json_put_integer(writer, network->channels);
    dualprop__json_bracket(writer, ']');
    dualprop__json_text_member(writer, "initializer", dualprop_name(DUALPROP_NAMES_INITIALIZER, network->initializer));
    dualprop__json_real_member(writer, "initializer_scale", network->initializer_scale);
    dualprop__json_put_key(writer, "layers");
    dualprop__json_bracket(writer, '[');
    for (int k = 0; k < network->layer_count; k++) describe_layer(writer, network, k);
    dualprop__json_bracket(writer, ']');
    if (transforms_input(network)) {
        put_numbers(writer, "mean", network->mean, network->channels);
        put_numbers(writer, "deviation", network->deviation, network->channels);
    }
    dualprop__json_bracket(writer, '}');
}

/* With the network open for reading. */
static dualprop_status fill_network(dualprop_checkpoint *part, const dualprop_network *network)
{
    for (int k = 0; k < network->layer_count; k++) {
        DUALPROP__TRY(put_parameter(part, network->layers[k], 0));
        DUALPROP__TRY(put_parameter(part, network->layers[k], 1));
    }
    DUALPROP__TRY(dualprop__checkpoint_put_feedback(part, network));
    dualprop__json_writer writer;
    dualprop__json_begin(&writer, part->context, 0);
    describe_network(&writer, network);
    return dualprop__checkpoint_dump(part, "network", &writer);
}

dualprop_status dualprop_checkpoint_put_network(dualprop_checkpoint *checkpoint, const dualprop_network *network)
{
    DUALPROP__REQUIRE_HANDLE(checkpoint, DUALPROP__CHECKPOINT);
    DUALPROP__REQUIRE_HANDLE(network, DUALPROP__NETWORK);
    DUALPROP__TRY(dualprop__context_enter(network->context));
    DUALPROP__REQUIRE(checkpoint->context, network->layer_count > 0, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "network has no layers; add one first");
    dualprop_network *opened;
    dualprop_checkpoint *part;
    DUALPROP__TRY(dualprop_checkpoint_create(&part, checkpoint->context));
    dualprop_status status = dualprop__network_open(&opened, network);
    if (status == DUALPROP_OK) {
        status = fill_network(part, opened);
        dualprop__network_end_read(opened);
    }
    if (status == DUALPROP_OK) status = dualprop__checkpoint_absorb(checkpoint, part, is_parameter);
    dualprop_checkpoint_destroy(part);
    return status;
}

/* ---- getting: what the text says ---- */

struct network_record {
    char precision[DUALPROP__JSON_WORD], initializer[DUALPROP__JSON_WORD];
    int64_t input[3], inputs; /* height, width, channels, and their product */
    double scale;
    dualprop__json layers, mean, deviation; /* at NULL: there is none */
};

struct layer_record {
    int index; /* 1..L */
    char kind[DUALPROP__JSON_WORD], activation[DUALPROP__JSON_WORD], pooling[DUALPROP__JSON_WORD];
    char map[DUALPROP__JSON_WORD];
    int64_t outputs, channels, weights, fan_in;
    int frozen, flatten;
    double learning_rate;
    int64_t kernel[2], stride[2], padding[2], window[2], window_stride[2];
};

static dualprop_status check_network_record(struct network_record *record, const dualprop_checkpoint *checkpoint)
{
    const dualprop_context *context = checkpoint->context;
    const char *expected = dualprop_name(DUALPROP_NAMES_TYPE, context->precision);
    int64_t area;
    DUALPROP__REQUIRE(context, strcmp(record->precision, expected) == 0, DUALPROP_ERROR_FORMAT,
                      "%s: the network's precision is %s; expected %s, the context's. Load it with a context whose "
                      "options.precision is that of the file",
                      checkpoint->source, dualprop__quote(record->precision).text, expected);
    int fits = record->input[0] >= 1 && record->input[1] >= 1 && record->input[2] >= 1 &&
               DUALPROP__MULTIPLY(&area, record->input[0], record->input[1]) &&
               DUALPROP__MULTIPLY(&record->inputs, area, record->input[2]);
    DUALPROP__REQUIRE(context, fits, DUALPROP_ERROR_FORMAT,
                      "%s: the network's input is [%lld, %lld, %lld]; expected extents >= 1 whose product fits",
                      checkpoint->source, (long long)record->input[0], (long long)record->input[1],
                      (long long)record->input[2]);
    DUALPROP__REQUIRE(context, (record->mean.at == NULL) == (record->deviation.at == NULL), DUALPROP_ERROR_FORMAT,
                      "%s: the network has one of mean and deviation; expected both or none", checkpoint->source);
    return DUALPROP_OK;
}

static dualprop_status unpack_network(struct network_record *record, const dualprop_checkpoint *checkpoint)
{
    const dualprop__json_member members[] = {
        { "precision", DUALPROP__JSON_TEXT, record->precision, 0, 0 },
        { "input", DUALPROP__JSON_INTEGER, record->input, 3, 0 },
        { "initializer", DUALPROP__JSON_TEXT, record->initializer, 0, 0 },
        { "initializer_scale", DUALPROP__JSON_REAL, &record->scale, 0, 0 },
        { "layers", DUALPROP__JSON_VALUE, &record->layers, 0, 0 },
        { "mean", DUALPROP__JSON_VALUE, &record->mean, 0, 1 },
        { "deviation", DUALPROP__JSON_VALUE, &record->deviation, 0, 1 },
    };
    dualprop__json json;
    *record = (struct network_record){ .inputs = 0 };
    DUALPROP__TRY(dualprop__checkpoint_load(&json, checkpoint, "network"));
    DUALPROP__TRY(dualprop__json_members(&json, members, (int)(sizeof members / sizeof *members)));
    return check_network_record(record, checkpoint);
}

/* A layer's members by its kind, which may stand anywhere among them. */
static dualprop_status unpack_layer(int *kind, struct layer_record *layer, const dualprop_checkpoint *checkpoint,
                                    dualprop__json *json)
{
    const dualprop__json_member members[] = {
        { "kind", DUALPROP__JSON_TEXT, layer->kind, 0, 0 },
        { "activation", DUALPROP__JSON_TEXT, layer->activation, 0, 0 },
        { "frozen", DUALPROP__JSON_BOOLEAN, &layer->frozen, 0, 0 },
        { "learning_rate", DUALPROP__JSON_REAL, &layer->learning_rate, 0, 0 },
        { "outputs", DUALPROP__JSON_INTEGER, &layer->outputs, 0, 1 },
        { "channels", DUALPROP__JSON_INTEGER, &layer->channels, 0, 1 },
        { "flatten", DUALPROP__JSON_BOOLEAN, &layer->flatten, 0, 1 },
        { "kernel", DUALPROP__JSON_INTEGER, layer->kernel, 2, 1 },
        { "stride", DUALPROP__JSON_INTEGER, layer->stride, 2, 1 },
        { "padding", DUALPROP__JSON_INTEGER, layer->padding, 2, 1 },
        { "pooling", DUALPROP__JSON_TEXT, layer->pooling, 0, 1 },
        { "window", DUALPROP__JSON_INTEGER, layer->window, 2, 1 },
        { "window_stride", DUALPROP__JSON_INTEGER, layer->window_stride, 2, 1 },
        { "map", DUALPROP__JSON_TEXT, layer->map, 0, 1 },
        { "weights", DUALPROP__JSON_INTEGER, &layer->weights, 0, 1 },
        { "fan_in", DUALPROP__JSON_INTEGER, &layer->fan_in, 0, 1 },
    };
    /* The common ones are every layer's, outputs of those on vectors, the last three of the caller's maps. */
    enum { COUNT = sizeof members / sizeof *members, COMMON = 4, OUTPUTS = 4, CUSTOM = COUNT - 3 };
    uint32_t seen;
    DUALPROP__TRY(dualprop__json_seen_members(&seen, json, members, COUNT));
    if (dualprop_from_name(kind, DUALPROP_NAMES_LAYER, layer->kind) != DUALPROP_OK)
        return dualprop__fail(checkpoint->context, DUALPROP_ERROR_FORMAT,
                              "%s: layer %d is of kind %s; expected dense, convolution, local or custom",
                              checkpoint->source, layer->index, dualprop__quote(layer->kind).text);
    int is_image = *kind == DUALPROP_LAYER_CONVOLUTION || *kind == DUALPROP_LAYER_LOCAL;
    for (int i = COMMON; i < COUNT; i++) {
        int is_expected = i == OUTPUTS ? !is_image : i < CUSTOM ? is_image : *kind == DUALPROP_LAYER_CUSTOM;
        DUALPROP__REQUIRE(checkpoint->context, !!(seen & UINT32_C(1) << i) == is_expected, DUALPROP_ERROR_FORMAT,
                          "%s: the text \"network\" is not as expected: layer %d, of kind %s, %s %s",
                          checkpoint->source, layer->index, layer->kind, is_expected ? "lacks" : "has",
                          members[i].name);
    }
    if (is_image) layer->outputs = layer->channels;
    return DUALPROP_OK;
}

/* ---- getting: tensors and layers ---- */

static dualprop_status describe_image_layer(dualprop_layer *layer, const dualprop_checkpoint *checkpoint,
                                            const struct layer_record *record, int kind, const int64_t top[3])
{
    int64_t input[3] = { top[0], top[1], top[2] };
    int pooling;
    if (record->flatten) dualprop__flatten(input);
    DUALPROP__TRY(
        dualprop__checkpoint_choice(&pooling, checkpoint, "network", DUALPROP_NAMES_POOLING, record->pooling));
    DUALPROP__TRY(dualprop__describe_convolution(layer, checkpoint->context, kind, input, record->outputs,
                                                 record->kernel, record->stride, record->padding, layer->activation));
    if (pooling == DUALPROP_POOL_NONE) return DUALPROP_OK;
    return dualprop__describe_pooling(layer, checkpoint->context, pooling, record->window, record->window_stride);
}

static dualprop_status describe_custom_layer(dualprop_layer *layer, const dualprop_checkpoint *checkpoint,
                                             const struct layer_record *record, const int64_t top[3])
{
    const struct dualprop__custom_map *map = dualprop__custom_map_named(checkpoint->context, record->map);
    DUALPROP__REQUIRE(checkpoint->context, map, DUALPROP_ERROR_UNSUPPORTED,
                      "%s: layer %d has the map %s, which is not registered with this context; call "
                      "dualprop_map_register() before loading",
                      checkpoint->source, record->index, dualprop__quote(record->map).text);
    return dualprop__describe_custom(layer, checkpoint->context, top, map, record->outputs, record->weights,
                                     record->fan_in, layer->activation);
}

/* A name that is unknown here may be registered elsewhere, or built into a later version. */
static dualprop_status choose_activation(int *activation, const dualprop_checkpoint *checkpoint,
                                         const struct layer_record *record)
{
    if (dualprop_activation_find(activation, checkpoint->context, record->activation) == DUALPROP_OK)
        return DUALPROP_OK;
    return dualprop__fail(checkpoint->context, DUALPROP_ERROR_UNSUPPORTED,
                          "%s: layer %d has the activation %s, which is not built in and not registered with this "
                          "context; call dualprop_activation_register() before loading",
                          checkpoint->source, record->index, dualprop__quote(record->activation).text);
}

/* From a record and what lies below to a layer's description. */
static dualprop_status describe_record(dualprop_layer *layer, const dualprop_checkpoint *checkpoint,
                                       dualprop__json *json, int index, const int64_t top[3])
{
    struct layer_record record = { .index = index };
    int kind, activation;
    DUALPROP__TRY(unpack_layer(&kind, &record, checkpoint, json));
    DUALPROP__TRY(choose_activation(&activation, checkpoint, &record));
    layer->activation = activation;
    if (kind == DUALPROP_LAYER_DENSE)
        DUALPROP__TRY(dualprop__describe_dense(layer, checkpoint->context, top, record.outputs, activation));
    else if (kind == DUALPROP_LAYER_CUSTOM) DUALPROP__TRY(describe_custom_layer(layer, checkpoint, &record, top));
    else DUALPROP__TRY(describe_image_layer(layer, checkpoint, &record, kind, top));
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
        char name[DUALPROP__ENTRY_NAME_SIZE];
        int64_t shape[DUALPROP_MAX_RANK];
        int rank = dualprop__parameter_shape(shape, layer, is_bias);
        snprintf(name, sizeof name, "layer%d.%s", layer->index, is_bias ? "bias" : "weight");
        DUALPROP__TRY(dualprop__checkpoint_expect_finite(&tensors[is_bias], checkpoint, name,
                                                         checkpoint->context->precision, rank, shape));
    }
    return DUALPROP_OK;
}

/* As many layers as half the tensors, each of which is held against its two. */
static dualprop_status check_layers(const dualprop_checkpoint *checkpoint, const struct network_record *record)
{
    int64_t top[3] = { record->input[0], record->input[1], record->input[2] };
    dualprop__json json = record->layers;
    size_t most = checkpoint->tensors.count / 2, k = 0;
    DUALPROP__TRY(dualprop__json_enter(&json, '['));
    for (int more = 1;; k++) {
        dualprop_layer layer = { 0 };
        dualprop__tensor *tensors[2];
        DUALPROP__TRY_ALWAYS(dualprop__json_next(&more, &json, '[', k == 0));
        if (!more) break;
        DUALPROP__REQUIRE(checkpoint->context, k < most, DUALPROP_ERROR_FORMAT,
                          "%s: the network's layers are no list of 1..%zu, half the tensors", checkpoint->source, most);
        dualprop_status status = describe_record(&layer, checkpoint, &json, (int)k + 1, top);
        DUALPROP__TRY(dualprop__checkpoint_accept(checkpoint, "network", status));
        DUALPROP__TRY(expect(tensors, checkpoint, &layer));
        dualprop__layer_output(top, &layer);
    }
    DUALPROP__REQUIRE(checkpoint->context, k > 0, DUALPROP_ERROR_FORMAT,
                      "%s: the network's layers are no list of 1..%zu, half the tensors", checkpoint->source, most);
    return DUALPROP_OK;
}

static dualprop_status add_layer(dualprop_network *network, const dualprop_checkpoint *checkpoint, dualprop__json *json)
{
    dualprop_layer layer = { 0 };
    dualprop__tensor *tensors[2];
    dualprop_layer *added;
    /* check_layers() was here before. */
    DUALPROP__TRY_ALWAYS(describe_record(&layer, checkpoint, json, network->layer_count + 1, network->top));
    DUALPROP__TRY_ALWAYS(expect(tensors, checkpoint, &layer));
    DUALPROP__TRY(dualprop__network_append(network, &layer));
    DUALPROP__TRY_ALWAYS(dualprop_network_layer(&added, network, layer.index));
    DUALPROP__TRY_ALWAYS(dualprop_layer_set_frozen(added, layer.frozen));
    DUALPROP__TRY(dualprop_layer_set_learning_rate(added, layer.learning_rate));
    DUALPROP__TRY(dualprop__parameter_store(added, 0, tensors[0]->data));
    return dualprop__parameter_store(added, 1, tensors[1]->data);
}

static dualprop_status read_channel_numbers(double *numbers, const dualprop_checkpoint *checkpoint,
                                            const dualprop__json *list, int64_t count)
{
    dualprop__json json = *list;
    DUALPROP__TRY(dualprop__json_enter(&json, '['));
    for (int64_t i = 0;; i++) {
        int more = 1;
        DUALPROP__TRY_ALWAYS(dualprop__json_next(&more, &json, '[', i == 0));
        DUALPROP__REQUIRE(checkpoint->context, more == (i < count), DUALPROP_ERROR_FORMAT,
                          "%s: the network's mean or deviation is not a list of %lld, its channels", checkpoint->source,
                          (long long)count);
        if (!more) return DUALPROP_OK;
        DUALPROP__TRY(dualprop__json_real(&json, &numbers[i]));
    }
}

static dualprop_status set_transform(dualprop_network *network, const dualprop_checkpoint *checkpoint,
                                     const struct network_record *record)
{
    int64_t channels = network->channels;
    if (!record->mean.at) return DUALPROP_OK;
    double *numbers = dualprop__allocate_array(checkpoint->context, (size_t)channels, 2 * sizeof *numbers);
    if (!numbers) return DUALPROP_ERROR_NO_MEMORY;
    dualprop_status status = read_channel_numbers(numbers, checkpoint, &record->mean, channels);
    if (status == DUALPROP_OK)
        status = read_channel_numbers(numbers + channels, checkpoint, &record->deviation, channels);
    if (status == DUALPROP_OK)
        status = dualprop_network_set_input_transform(network, numbers, numbers + channels, channels);
    dualprop__release(checkpoint->context, numbers);
    return status;
}

static dualprop_status put_back_network(dualprop_network *network, const dualprop_checkpoint *checkpoint,
                                        const struct network_record *record)
{
    int initializer, more = 1;
    dualprop__json json = record->layers;
    DUALPROP__TRY(dualprop__checkpoint_choice(&initializer, checkpoint, "network", DUALPROP_NAMES_INITIALIZER,
                                              record->initializer));
    DUALPROP__TRY(dualprop_network_set_initializer(network, initializer, record->scale));
    DUALPROP__TRY(set_transform(network, checkpoint, record));
    DUALPROP__TRY_ALWAYS(dualprop__json_enter(&json, '['));
    for (int first = 1;; first = 0) {
        DUALPROP__TRY_ALWAYS(dualprop__json_next(&more, &json, '[', first));
        if (!more) break;
        DUALPROP__TRY(add_layer(network, checkpoint, &json));
    }
    return dualprop__checkpoint_get_feedback(network, checkpoint);
}

static dualprop_status build_network(dualprop_network **out, const dualprop_checkpoint *checkpoint)
{
    struct network_record record;
    dualprop_network *network;
    DUALPROP__TRY(unpack_network(&record, checkpoint));
    DUALPROP__TRY(check_layers(checkpoint, &record));
    DUALPROP__TRY(
        dualprop_network_create(&network, checkpoint->context, record.input[0], record.input[1], record.input[2]));
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
    DUALPROP__TRY(dualprop__context_enter(checkpoint->context));
    return build_network(out, checkpoint);
}
