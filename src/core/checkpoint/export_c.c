/*
 * export_c.c - a network as C source: its weights as constant arrays, and one function that predicts.
 *
 * What is written needs a C11 compiler and nothing else: no file, no heap, no library, not even libc. A layer's sum
 * runs in double, in the order of its inputs, as the reference backend's does, and the formulas of activations are
 * those of src/math in the same order of operations, so that scores have the bits of the reference backend.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "checkpoint_internal.h"

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
    while (room - text->size < more) {
        if (room > SIZE_MAX / 2) return text->failed = 1, 0;
        room *= 2;
    }
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

/* ---- activations ---- */

/* The formulas of src/math/activation.h and elementary.h; test_export.c compares the bits. */
static const char EXPONENTIAL_F32[] = "static real as_real(uint32_t bits)\n"
                                      "{\n"
                                      "    union { uint32_t bits; real number; } both;\n"
                                      "    both.bits = bits;\n"
                                      "    return both.number;\n"
                                      "}\n\n"
                                      "static uint32_t as_bits(real number)\n"
                                      "{\n"
                                      "    union { uint32_t bits; real number; } both;\n"
                                      "    both.number = number;\n"
                                      "    return both.bits;\n"
                                      "}\n\n"
                                      "static real power_of_two(real n)\n"
                                      "{\n"
                                      "    return as_real(as_bits(n + (0x1.8p23f + 127.0f)) << 23);\n"
                                      "}\n\n"
                                      "/* e^x for x <= 0 */\n"
                                      "static real exponential(real x)\n"
                                      "{\n"
                                      "    real least = x < -104.0f ? -104.0f : x;\n"
                                      "    real n = (least * 1.4426950408889634f + 0x1.8p23f) - 0x1.8p23f;\n"
                                      "    real near = least - n * 0x1.62ep-1f, far = n * 0x1.0bfbe8p-15f;\n"
                                      "    real high = near - far, low = (near - high) - far;\n"
                                      "    real sum = 0.00019913594f;\n"
                                      "    sum = sum * high + 0.0013940285f;\n"
                                      "    sum = sum * high + 0.0083332742f;\n"
                                      "    sum = sum * high + 0.0416663665f;\n"
                                      "    sum = sum * high + 0.166666668f;\n"
                                      "    sum = sum * high + 0.5000000042f;\n"
                                      "    real half = (0.5f * n + 0x1.8p23f) - 0x1.8p23f;\n"
                                      "    real e = 1 + (high + (high * high * sum + low));\n"
                                      "    return e * power_of_two(half) * power_of_two(n - half);\n"
                                      "}\n\n";

static const char EXPONENTIAL_F64[] = "static real as_real(uint64_t bits)\n"
                                      "{\n"
                                      "    union { uint64_t bits; real number; } both;\n"
                                      "    both.bits = bits;\n"
                                      "    return both.number;\n"
                                      "}\n\n"
                                      "static uint64_t as_bits(real number)\n"
                                      "{\n"
                                      "    union { uint64_t bits; real number; } both;\n"
                                      "    both.number = number;\n"
                                      "    return both.bits;\n"
                                      "}\n\n"
                                      "static real power_of_two(real n)\n"
                                      "{\n"
                                      "    return as_real(as_bits(n + (0x1.8p52 + 1023.0)) << 52);\n"
                                      "}\n\n"
                                      "/* e^x for x <= 0 */\n"
                                      "static real exponential(real x)\n"
                                      "{\n"
                                      "    real least = x < -746.0 ? -746.0 : x;\n"
                                      "    real n = (least * 1.4426950408889634 + 0x1.8p52) - 0x1.8p52;\n"
                                      "    real near = least - n * 0x1.62e42feep-1, far = n * 0x1.a39ef35793c76p-33;\n"
                                      "    real high = near - far, low = (near - high) - far;\n"
                                      "    real sum = 2.5113990251622669577e-8;\n"
                                      "    sum = sum * high + 2.7625545158103437487e-7;\n"
                                      "    sum = sum * high + 2.7557229593309713293e-6;\n"
                                      "    sum = sum * high + 0.00002480150669213751243;\n"
                                      "    sum = sum * high + 0.00019841269901050681382;\n"
                                      "    sum = sum * high + 0.0013888888930169974074;\n"
                                      "    sum = sum * high + 0.0083333333333155808385;\n"
                                      "    sum = sum * high + 0.041666666666582066221;\n"
                                      "    sum = sum * high + 0.16666666666666684322;\n"
                                      "    sum = sum * high + 0.50000000000000045773;\n"
                                      "    real half = (0.5 * n + 0x1.8p52) - 0x1.8p52;\n"
                                      "    real e = 1 + (high + (high * high * sum + low));\n"
                                      "    return e * power_of_two(half) * power_of_two(n - half);\n"
                                      "}\n\n";

static const char SIGMOID[] = "static real sigmoid(real x)\n"
                              "{\n"
                              "    real fall = exponential(x < 0 ? x : -x);\n"
                              "    return (x < 0 ? fall : 1) / (1 + fall);\n"
                              "}\n\n";

static const char SILU[] = "static real silu(real x)\n"
                           "{\n"
                           "    real fall = exponential(x < 0 ? x : -x);\n"
                           "    return x * ((x < 0 ? fall : 1) / (1 + fall));\n"
                           "}\n\n";

static const char TANH_F32[] = "static real hyperbolic_tangent(real x)\n"
                               "{\n"
                               "    real size = x < 0 ? -x : x, z = x * x, fall = exponential(-(2 * size));\n"
                               "    real sum = -0.0062975323f;\n"
                               "    sum = sum * z + 0.021089548f;\n"
                               "    sum = sum * z - 0.053857105f;\n"
                               "    sum = sum * z + 0.133326381f;\n"
                               "    sum = sum * z - 0.333333194f;\n"
                               "    real value = size < 0.55f ? size + size * (z * sum) : (1 - fall) / (1 + fall);\n"
                               "    return x < 0 ? -value : x > 0 ? value : x;\n"
                               "}\n\n";

static const char TANH_F64[] = "static real hyperbolic_tangent(real x)\n"
                               "{\n"
                               "    real size = x < 0 ? -x : x, z = x * x, fall = exponential(-(2 * size));\n"
                               "    real sum = -0.000019636046910452107275;\n"
                               "    sum = sum * z + 0.000083556835823889453821;\n"
                               "    sum = sum * z - 0.00023355859237897659848;\n"
                               "    sum = sum * z + 0.00058851840958691122127;\n"
                               "    sum = sum * z - 0.0014555620931525337389;\n"
                               "    sum = sum * z + 0.0035920952660284088828;\n"
                               "    sum = sum * z - 0.0088632329529017378438;\n"
                               "    sum = sum * z + 0.021869488409827049589;\n"
                               "    sum = sum * z - 0.053968253964721131725;\n"
                               "    sum = sum * z + 0.13333333333328594719;\n"
                               "    sum = sum * z - 0.33333333333333313363;\n"
                               "    real value = size < 0.55 ? size + size * (z * sum) : (1 - fall) / (1 + fall);\n"
                               "    return x < 0 ? -value : x > 0 ? value : x;\n"
                               "}\n\n";

/* An activation in C, of x; `text` are the functions that it needs beside exponential(), if it needs that. */
struct exported_activation {
    int activation;
    const char *expression;
    int needs_exponential;
    const char *text[2]; /* for f32 and f64 */
};

static const struct exported_activation exported_activations[] = {
    { DUALPROP_IDENTITY, "x", 0, { "", "" } },
    { DUALPROP_RELU, "0 > x ? 0 : x", 0, { "", "" } },
    { DUALPROP_LEAKY_RELU, "x > 0 ? x : (real)0.01 * x", 0, { "", "" } },
    { DUALPROP_HARD_SIGMOID, "0 > (1 < x ? 1 : x) ? 0 : (1 < x ? 1 : x)", 0, { "", "" } },
    { DUALPROP_SIGMOID, "sigmoid(x)", 1, { SIGMOID, SIGMOID } },
    { DUALPROP_TANH, "hyperbolic_tangent(x)", 1, { TANH_F32, TANH_F64 } },
    { DUALPROP_SILU, "silu(x)", 1, { SILU, SILU } },
};

#define EXPORTED_COUNT ((int)(sizeof exported_activations / sizeof *exported_activations))

static const struct exported_activation *find_exported(int activation)
{
    for (int i = 0; i < EXPORTED_COUNT; i++)
        if (exported_activations[i].activation == activation) return &exported_activations[i];
    return NULL;
}

static int uses_activation(const dualprop_network *network, int activation)
{
    int uses = 0;
    for (int k = 0; k < network->layer_count; k++) uses |= network->layers[k]->activation == activation;
    return uses;
}

/* ---- the two files ---- */

static void add_header(struct source_text *text, const dualprop_network *network, const char *name)
{
    const char *real = network->context->precision == DUALPROP_F32 ? "float" : "double";
    add_line(text, "/* %s.h - a network of %d layers, written by libdualprop %s. */\n", name, network->layer_count,
             dualprop_version_string());
    add_line(text, "#ifndef %s_h\n#define %s_h\n\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n", name, name);
    add_line(text, "enum { %s_inputs = %lld, %s_outputs = %lld };\n\n", name,
             (long long)dualprop__network_inputs(network), name, (long long)dualprop__network_outputs(network));
    add_line(text, "/* scores [%s_outputs] of one sample [%s_inputs]; bytes come after the input transform. */\n", name,
             name);
    add_line(text, "void %s_predict(%s *scores, const %s *sample);\n\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n", name,
             real, real);
}

static void add_activations(struct source_text *text, const dualprop_network *network)
{
    int is_double = network->context->precision == DUALPROP_F64, needs = 0;
    for (int i = 0; i < EXPORTED_COUNT; i++)
        needs |=
            exported_activations[i].needs_exponential && uses_activation(network, exported_activations[i].activation);
    if (needs) add_block(text, is_double ? EXPONENTIAL_F64 : EXPONENTIAL_F32);
    for (int i = 0; i < EXPORTED_COUNT; i++)
        if (uses_activation(network, exported_activations[i].activation))
            add_block(text, exported_activations[i].text[is_double]);
}

static void add_array(struct source_text *text, const char *array, int layer, const void *reals, int type,
                      int64_t count)
{
    add_line(text, "static const real %s%d[%lld] = {", array, layer, (long long)count);
    for (int64_t i = 0; i < count && !text->failed; i++) {
        add_block(text, i % 6 == 0 ? "\n    " : " ");
        add_number(text, dualprop__real_at(reals, type, i), type == DUALPROP_F32 ? "f," : ",");
    }
    add_block(text, "\n};\n\n");
}

static void add_layer_function(struct source_text *text)
{
    add_block(text, "/* a [outputs] = x [inputs] W [inputs, outputs] + b, summed in double, input by input */\n"
                    "static void multiply(real *a, const real *x, const real *w, const real *b, int inputs,\n"
                    "                     int outputs)\n"
                    "{\n"
                    "    for (int o = 0; o < outputs; o++) {\n"
                    "        double sum = 0;\n"
                    "        for (int i = 0; i < inputs; i++) sum += (double)x[i] * (double)w[(long)i * outputs + o];\n"
                    "        a[o] = (real)(sum + (double)b[o]);\n"
                    "    }\n"
                    "}\n\n");
}

static void add_predict(struct source_text *text, const dualprop_network *network, const char *name)
{
    int last = network->layer_count;
    add_line(text, "void %s_predict(%s *scores, const %s *sample)\n{\n", name, "real", "real");
    for (int k = 1; k < last; k++)
        add_line(text, "    real a%d[%lld];\n", k, (long long)network->layers[k - 1]->outputs);
    for (int k = 1; k <= last; k++) {
        const dualprop_layer *layer = network->layers[k - 1];
        char to[16] = "scores", from[16] = "sample";
        if (k < last) snprintf(to, sizeof to, "a%d", k);
        if (k > 1) snprintf(from, sizeof from, "a%d", k - 1);
        add_line(text, "\n    multiply(%s, %s, weight%d, bias%d, %lld, %lld);\n", to, from, k, k,
                 (long long)layer->inputs, (long long)layer->outputs);
        if (layer->activation == DUALPROP_IDENTITY) continue;
        add_line(text, "    for (int i = 0; i < %lld; i++) {\n        real x = %s[i];\n        %s[i] = %s;\n    }\n",
                 (long long)layer->outputs, to, to, find_exported(layer->activation)->expression);
    }
    add_block(text, "}\n");
}

static dualprop_status add_source(struct source_text *text, const dualprop_network *network, const char *name,
                                  void *staging)
{
    int type = network->context->precision;
    add_line(text,
             "/* %s.c - see %s.h. With -ffp-contract=off (gcc's -std=c11 means that) scores have the reference\n"
             " * backend's bits. */\n#include \"%s.h\"\n\n#include <stdint.h>\n\ntypedef %s real;\n\n",
             name, name, name, type == DUALPROP_F32 ? "float" : "double");
    for (int k = 0; k < network->layer_count; k++) {
        const dualprop_layer *layer = network->layers[k];
        DUALPROP__TRY(dualprop__parameter_fetch(staging, layer, 0));
        add_array(text, "weight", k + 1, staging, type, dualprop__parameter_elements(layer, 0));
        DUALPROP__TRY(dualprop__parameter_fetch(staging, layer, 1));
        add_array(text, "bias", k + 1, staging, type, dualprop__parameter_elements(layer, 1));
    }
    add_activations(text, network);
    add_layer_function(text);
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
    for (int k = 0; k < network->layer_count; k++) {
        const dualprop_layer *layer = network->layers[k];
        DUALPROP__REQUIRE(network->context, layer->kind == DUALPROP_LAYER_DENSE, DUALPROP_ERROR_UNSUPPORTED,
                          "layer %d is %s; only dense layers are written as C source", k + 1,
                          dualprop_name(DUALPROP_NAMES_LAYER, layer->kind));
        DUALPROP__REQUIRE(network->context, find_exported(layer->activation), DUALPROP_ERROR_UNSUPPORTED,
                          "layer %d has the activation %s, which is not written as C source; expected identity, relu, "
                          "leaky-relu, hard-sigmoid, sigmoid, tanh or silu",
                          k + 1, dualprop__layer_activation_name(layer));
        DUALPROP__REQUIRE(network->context, layer->inputs <= INT32_MAX && layer->outputs <= INT32_MAX,
                          DUALPROP_ERROR_UNSUPPORTED, "layer %d is too wide for C's int", k + 1);
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
