/*
 * export_c.c - a network as C source: its weights as constant arrays, and one function that predicts.
 *
 * What is written needs a C11 compiler and nothing else: no file, no heap, no library, not even libc. A layer's sum
 * runs in double, in the order of its inputs, as the reference backend's does (tools/exported_layers.h), and the text
 * of activations is that of src/math, so that scores have the bits of the reference backend.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "checkpoint_internal.h"
#include "exported_formulas.h"

/* ---- text that grows ---- */

struct source_text {
    dualprop_context *context;
    char *bytes;
    size_t size, room;
    int failed; /* out of memory: the rest is not written */
};

static int grow_text(struct source_text *text, size_t more)
{
    size_t room = text->room ? text->room : 4096;
    if (text->failed) return 0;
    while (room - text->size < more) room *= 2; /* which memory of half the size allows */
    if (room == text->room) return 1;
    char *bytes = dualprop__allocate(text->context, room);
    if (!bytes) return text->failed = 1, 0;
    if (text->size > 0) memcpy(bytes, text->bytes, text->size);
    dualprop__release(text->context, text->bytes);
    text->bytes = bytes;
    text->room = room;
    return 1;
}

/* Add formatted text of at most 1 KiB: names and integers only, so that the locale does not matter. */
__attribute__((format(printf, 2, 3))) static void add_line(struct source_text *text, const char *format, ...)
{
    va_list arguments;
    if (!grow_text(text, 1024)) return;
    va_start(arguments, format);
    int length = vsnprintf(text->bytes + text->size, 1024, format, arguments);
    va_end(arguments);
    text->size += (size_t)length;
}

static void add_block(struct source_text *text, const char *block)
{
    size_t length = strlen(block);
    if (!grow_text(text, length)) return;
    memcpy(text->bytes + text->size, block, length);
    text->size += length;
}

/* A finite number, exactly, in hexadecimal: printf()'s %a would write the locale's decimal point. */
static void add_number(struct source_text *text, double value, const char *suffix)
{
    char digits[16];
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    int exponent = (int)(bits >> 52 & 0x7ff), length = 13;
    snprintf(digits, sizeof digits, "%013llx", (unsigned long long)(bits & UINT64_C(0xfffffffffffff)));
    while (length > 0 && digits[length - 1] == '0') length--;
    const char *sign = bits >> 63 ? "-" : "";
    if (exponent == 0 && length == 0) add_line(text, "%s0x0p+0%s", sign, suffix);
    else if (length == 0) add_line(text, "%s0x1p%+d%s", sign, exponent - 1023, suffix);
    else
        add_line(text, "%s0x%d.%.*sp%+d%s", sign, exponent > 0, length, digits, exponent > 0 ? exponent - 1023 : -1022,
                 suffix);
}

/* ---- formulas ---- */

enum { FORMULA_COUNT = sizeof exported_formulas / sizeof *exported_formulas };

/* Does the text have the name as a word? */
static int mentions(const char *text, const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    size_t length = strlen(name);
    for (const char *at = strstr(text, name); at; at = strstr(at + 1, name)) {
        int begins = at == text || !strchr(letters, at[-1]);
        if (begins && (at[length] == 0 || !strchr(letters, at[length]))) return 1;
    }
    return 0;
}

/* The name of an activation's function: "math_leaky_relu". */
struct function_name {
    char text[32];
};

static struct function_name name_of_activation(int activation)
{
    struct function_name name;
    snprintf(name.text, sizeof name.text, activation == DUALPROP_SOFTMAX ? "%s" : "math_%s",
             dualprop_name(DUALPROP_NAMES_ACTIVATION, activation));
    for (char *at = name.text; *at; at++)
        if (*at == '-') *at = '_';
    return name;
}

static int network_needs(const dualprop_network *network, const char *name)
{
    for (int k = 0; k < network->layer_count; k++) {
        const dualprop_layer *layer = network->layers[k];
        if (strcmp(name, dualprop__layer_is_image(layer) ? "convolution_layer" : "dense_layer") == 0) return 1;
        if (strcmp(name, name_of_activation(layer->activation).text) == 0) return 1;
    }
    return 0;
}

/* Those that the layers need, and what these need: each refers to earlier ones alone. */
static void add_formulas(struct source_text *text, const dualprop_network *network)
{
    int type = network->context->precision;
    char needed[FORMULA_COUNT] = { 0 };
    for (int i = FORMULA_COUNT - 1; i >= 0; i--) {
        const struct exported_formula *formula = &exported_formulas[i];
        needed[i] = network_needs(network, formula->name);
        for (int j = i + 1; j < FORMULA_COUNT && !needed[i]; j++)
            needed[i] = needed[j] && mentions(exported_formulas[j].text, formula->name);
        if (formula->type != 0 && formula->type != type) needed[i] = 0;
    }
    for (int i = 0; i < FORMULA_COUNT; i++) {
        if (!needed[i]) continue;
        add_block(text, exported_formulas[i].text);
        add_block(text, "\n");
    }
}

/* ---- the two files ---- */

/* Elements of the largest of layers first, first + 2, ..., without the last one, whose values are the scores. */
static int64_t scratch_values(const dualprop_network *network, int first)
{
    int64_t most = 0;
    for (int k = first; k < network->layer_count; k += 2)
        if (network->layers[k - 1]->outputs > most) most = network->layers[k - 1]->outputs;
    return most;
}

static void add_header(struct source_text *text, const dualprop_network *network, const char *name)
{
    const char *real = network->context->precision == DUALPROP_F32 ? "float" : "double";
    int64_t stack = (scratch_values(network, 1) + scratch_values(network, 2)) * (int64_t)network->context->real_size;
    add_line(text, "/* %s.h - a network of %d layers, written by libdualprop %s. */\n", name, network->layer_count,
             dualprop_version_string());
    add_line(text, "#ifndef %s_h\n#define %s_h\n\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n", name, name);
    add_line(text, "enum { %s_inputs = %lld, %s_outputs = %lld };\n\n", name,
             (long long)dualprop__network_inputs(network), name, (long long)dualprop__network_outputs(network));
    add_line(text,
             "/* scores [%s_outputs] of one sample [%s_inputs], which is (height, width, channels) = (%lld, %lld, %lld)"
             " in this\n * order. Takes %lld bytes of the stack, and some 500 more. */\n",
             name, name, (long long)network->height, (long long)network->width, (long long)network->channels,
             (long long)stack);
    add_line(text, "void %s_predict(%s *scores, const %s *sample);\n", name, real, real);
    add_line(
        text,
        "/* A sample from bytes [%s_inputs]: (byte / 255 - mean) / deviation, by channel, as the network has it. */\n"
        "void %s_load_bytes(%s *sample, const unsigned char *bytes);\n",
        name, name, real);
    add_block(text, "\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n");
}

static void add_array(struct source_text *text, const char *declaration, const void *reals, int type, int64_t count)
{
    add_line(text, "%s[%lld] = {", declaration, (long long)count);
    for (int64_t i = 0; i < count && !text->failed; i++) {
        add_block(text, i % 6 == 0 ? "\n    " : " ");
        add_number(text, dualprop__real_at(reals, type, i), type == DUALPROP_F32 ? "f," : ",");
    }
    add_block(text, "\n};\n\n");
}

static void add_load_bytes(struct source_text *text, const dualprop_network *network, const char *name)
{
    add_array(text, "static const double mean", network->mean, DUALPROP_F64, network->channels);
    add_array(text, "static const double deviation", network->deviation, DUALPROP_F64, network->channels);
    add_line(text,
             "void %s_load_bytes(real *sample, const unsigned char *bytes)\n{\n"
             "    for (long i = 0; i < %s_inputs; i++)\n"
             "        sample[i] = (real)((bytes[i] / 255.0 - mean[i %% %lld]) / deviation[i %% %lld]);\n}\n\n",
             name, name, (long long)network->channels, (long long)network->channels);
}

/* The shape of layer k as a constant of the source. */
static void add_image_layer(struct source_text *text, const dualprop_layer *layer, int k)
{
    const dualprop_convolution *map = &layer->map;
    int is_pooled = map->pooling != DUALPROP_POOL_NONE;
    add_line(text,
             "static const struct image_layer shape%d = {\n    .height = %lld, .width = %lld, .channels = %lld,\n"
             "    .kernel = { %lld, %lld }, .stride = { %lld, %lld }, .padding = { %lld, %lld },\n",
             k, (long long)map->height, (long long)map->width, (long long)map->channels, (long long)map->kernel_height,
             (long long)map->kernel_width, (long long)map->stride_height, (long long)map->stride_width,
             (long long)map->padding_height, (long long)map->padding_width);
    add_line(text,
             "    .map_width = %lld, .outputs = %lld, .is_local = %d,\n    .pooled = { %lld, %lld }, "
             ".window = { %lld, %lld }, .window_stride = { %lld, %lld }, .is_average = %d\n};\n\n",
             (long long)map->map_width, (long long)map->outputs, layer->kind == DUALPROP_LAYER_LOCAL,
             (long long)(is_pooled ? map->pooled_height : map->map_height),
             (long long)(is_pooled ? map->pooled_width : map->map_width),
             (long long)(is_pooled ? map->window_height : 1), (long long)(is_pooled ? map->window_width : 1),
             (long long)(is_pooled ? map->window_stride_height : 1),
             (long long)(is_pooled ? map->window_stride_width : 1), map->pooling == DUALPROP_POOL_AVERAGE);
}

static void add_activation(struct source_text *text, const dualprop_layer *layer, const char *values)
{
    long long outputs = (long long)layer->outputs, channels = (long long)dualprop__layer_channels(layer);
    if (layer->activation == DUALPROP_SOFTMAX)
        add_line(text, "    softmax(%s, %lld, %lld);\n", values, outputs / channels, channels);
    else if (layer->activation != DUALPROP_IDENTITY)
        add_line(text, "    for (long i = 0; i < %lld; i++) %s[i] = %s(%s[i]);\n", outputs, values,
                 name_of_activation(layer->activation).text, values);
}

/* Layers write into two arrays by turns, and the last one into the scores. */
static void add_predict(struct source_text *text, const dualprop_network *network, const char *name)
{
    static const char *const arrays[2] = { "even", "odd" };
    const char *from = "sample";
    add_line(text, "void %s_predict(real *scores, const real *sample)\n{\n", name);
    for (int first = 1; first <= 2; first++)
        if (first < network->layer_count)
            add_line(text, "    real %s[%lld];\n", arrays[first % 2], (long long)scratch_values(network, first));
    for (int k = 1; k <= network->layer_count; k++) {
        const dualprop_layer *layer = network->layers[k - 1];
        const char *to = k < network->layer_count ? arrays[k % 2] : "scores";
        if (dualprop__layer_is_image(layer))
            add_line(text, "\n    convolution_layer(%s, %s, weight%d, bias%d, &shape%d);\n", to, from, k, k, k);
        else
            add_line(text, "\n    dense_layer(%s, %s, weight%d, bias%d, %lld, %lld);\n", to, from, k, k,
                     (long long)layer->inputs, (long long)layer->outputs);
        add_activation(text, layer, to);
        from = to;
    }
    add_block(text, "}\n");
}

static dualprop_status add_parameter(struct source_text *text, const dualprop_layer *layer, int is_bias, void *staging)
{
    char declaration[64];
    snprintf(declaration, sizeof declaration, "static const real %s%d", is_bias ? "bias" : "weight", layer->index);
    DUALPROP__TRY(dualprop__parameter_fetch(staging, layer, is_bias));
    add_array(text, declaration, staging, layer->network->context->precision,
              dualprop__parameter_elements(layer, is_bias));
    return DUALPROP_OK;
}

static dualprop_status add_source(struct source_text *text, const dualprop_network *network, const char *name,
                                  void *staging)
{
    int is_float = network->context->precision == DUALPROP_F32;
    add_line(text,
             "/* %s.c - see %s.h. With -ffp-contract=off (gcc's -std=c11 means that) scores have the bits of\n"
             " * libdualprop's reference backend. */\n#include \"%s.h\"\n\n#include <stdint.h>\n\n"
             "#ifdef __clang__\n#pragma STDC FP_CONTRACT OFF\n#endif\n\n"
             "typedef %s real;\ntypedef %s math_pattern;\n\n",
             name, name, name, is_float ? "float" : "double", is_float ? "uint32_t" : "uint64_t");
    add_formulas(text, network);
    for (int k = 1; k <= network->layer_count; k++) {
        const dualprop_layer *layer = network->layers[k - 1];
        if (dualprop__layer_is_image(layer)) add_image_layer(text, layer, k);
        DUALPROP__TRY(add_parameter(text, layer, 0, staging));
        DUALPROP__TRY(add_parameter(text, layer, 1, staging));
    }
    add_load_bytes(text, network, name);
    add_predict(text, network, name);
    return DUALPROP_OK;
}

/* ---- writing them ---- */

#define EXPORT_PATH_SIZE 3072 /* more would be too much for a small stack */

static dualprop_status write_text(const struct source_text *text, const char *folder, const char *name,
                                  const char *suffix)
{
    char path[EXPORT_PATH_SIZE];
    dualprop__piece piece = { text->bytes, text->size };
    if (text->failed)
        return dualprop__fail(text->context, DUALPROP_ERROR_NO_MEMORY, "no memory for the text of %s%s", name, suffix);
    int length = snprintf(path, sizeof path, "%s/%s%s", folder, name, suffix);
    DUALPROP__REQUIRE(text->context, length > 0 && (size_t)length < sizeof path, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "folder has more than %d bytes", EXPORT_PATH_SIZE - 1);
    return dualprop__file_replace(text->context, path, &piece, 1);
}

static dualprop_status write_both(const dualprop_network *network, const char *folder, const char *name)
{
    struct source_text header = { .context = network->context }, source = { .context = network->context };
    void *staging = dualprop__parameter_staging(network);
    dualprop_status status = staging ? DUALPROP_OK : DUALPROP_ERROR_NO_MEMORY;
    if (status == DUALPROP_OK) {
        add_header(&header, network, name);
        status = add_source(&source, network, name, staging);
    }
    if (status == DUALPROP_OK) status = write_text(&source, folder, name, ".c");
    if (status == DUALPROP_OK) status = write_text(&header, folder, name, ".h");
    dualprop__release(network->context, staging);
    dualprop__release(network->context, header.bytes);
    dualprop__release(network->context, source.bytes);
    return status;
}

static int is_identifier(const char *name)
{
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    return length > 0 && length <= 64 && name[length] == 0 && (name[0] < '0' || name[0] > '9');
}

static dualprop_status check_exported(const dualprop_network *network)
{
    DUALPROP__REQUIRE(network->context, network->layer_count > 0, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "network has no layers; add one first");
    for (int k = 1; k <= network->layer_count; k++) {
        const dualprop_layer *layer = network->layers[k - 1];
        DUALPROP__REQUIRE(network->context, !layer->custom_map, DUALPROP_ERROR_UNSUPPORTED,
                          "layer %d has the map %s, whose functions are the program's and cannot be written as C "
                          "source; expected dense, convolutional and local layers",
                          k, layer->custom_map->part.name);
        DUALPROP__REQUIRE(network->context, !layer->custom_activation, DUALPROP_ERROR_UNSUPPORTED,
                          "layer %d has the activation %s, whose functions are the program's and cannot be written as "
                          "C source; expected a built-in one",
                          k, dualprop__layer_activation_name(layer));
        DUALPROP__REQUIRE(network->context,
                          layer->inputs <= INT32_MAX && layer->outputs <= INT32_MAX &&
                              dualprop__parameter_elements(layer, 0) <= INT32_MAX,
                          DUALPROP_ERROR_UNSUPPORTED,
                          "layer %d has %lld inputs, %lld outputs and %lld weights; expected at most %d of each, the "
                          "largest long of any compiler",
                          k, (long long)layer->inputs, (long long)layer->outputs,
                          (long long)dualprop__parameter_elements(layer, 0), INT32_MAX);
    }
    return DUALPROP_OK;
}

dualprop_status dualprop_network_export_c(const dualprop_network *network, const char *folder, const char *name)
{
    DUALPROP__REQUIRE_HANDLE(network, DUALPROP__NETWORK);
    DUALPROP__TRY(dualprop__context_enter(network->context));
    DUALPROP__REQUIRE(network->context, folder, DUALPROP_ERROR_INVALID_ARGUMENT, "folder is NULL; expected a path");
    DUALPROP__REQUIRE(network->context, name && is_identifier(name), DUALPROP_ERROR_INVALID_ARGUMENT,
                      "name is %s%.80s; expected a name of C of at most 64 letters", name ? "" : "NULL",
                      name ? name : "");
    DUALPROP__TRY(check_exported(network));
    dualprop_network *opened;
    DUALPROP__TRY(dualprop__network_open(&opened, network));
    dualprop_status status = dualprop__network_check_set(opened);
    if (status == DUALPROP_OK) status = write_both(opened, folder, name);
    dualprop__network_end_read(opened);
    return status;
}
