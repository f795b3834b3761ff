/*
 * names.c - choices and their names, the same in every program and file.
 *
 * Where a value has two rows the first is its name and the second an alias.
 */
#include <stdio.h>

#include "base.h"

static const struct name {
    int group, value;
    const char *text;
} names[] = {
    { DUALPROP_NAMES_ACTIVATION, DUALPROP_IDENTITY, "identity" },
    { DUALPROP_NAMES_ACTIVATION, DUALPROP_RELU, "relu" },
    { DUALPROP_NAMES_ACTIVATION, DUALPROP_LEAKY_RELU, "leaky-relu" },
    { DUALPROP_NAMES_ACTIVATION, DUALPROP_HARD_SIGMOID, "hard-sigmoid" },
    { DUALPROP_NAMES_ACTIVATION, DUALPROP_SIGMOID, "sigmoid" },
    { DUALPROP_NAMES_ACTIVATION, DUALPROP_TANH, "tanh" },
    { DUALPROP_NAMES_ACTIVATION, DUALPROP_SOFTPLUS, "softplus" },
    { DUALPROP_NAMES_ACTIVATION, DUALPROP_ELU, "elu" },
    { DUALPROP_NAMES_ACTIVATION, DUALPROP_SILU, "silu" },
    { DUALPROP_NAMES_ACTIVATION, DUALPROP_SOFTMAX, "softmax" },
    { DUALPROP_NAMES_RULE, DUALPROP_BP, "bp" },
    { DUALPROP_NAMES_RULE, DUALPROP_DP, "dp" },
    { DUALPROP_NAMES_RULE, DUALPROP_DP_ADJOINT, "dp-adjoint" },
    { DUALPROP_NAMES_RULE, DUALPROP_DP_DAMPED, "dp-damped" },
    { DUALPROP_NAMES_RULE, DUALPROP_LPOM, "lpom" },
    { DUALPROP_NAMES_RULE, DUALPROP_INVERTED_LPOM, "inverted-lpom" },
    { DUALPROP_NAMES_RULE, DUALPROP_FENCHEL, "fenchel" },
    { DUALPROP_NAMES_RULE, DUALPROP_LECUN, "lecun" },
    { DUALPROP_NAMES_LOSS, DUALPROP_MSE, "mse" },
    { DUALPROP_NAMES_LOSS, DUALPROP_CROSS_ENTROPY, "ce" },
    { DUALPROP_NAMES_LOSS, DUALPROP_CROSS_ENTROPY, "cross-entropy" },
    { DUALPROP_NAMES_LOSS, DUALPROP_LOSS_FUNCTION, "function" },
    { DUALPROP_NAMES_OUTPUT_STEP, DUALPROP_OUTPUT_LINEAR, "linear" },
    { DUALPROP_NAMES_OUTPUT_STEP, DUALPROP_OUTPUT_EXACT, "exact" },
    { DUALPROP_NAMES_OUTPUT_STEP, DUALPROP_OUTPUT_SPROVR, "sprovr" },
    { DUALPROP_NAMES_NUDGE_AT, DUALPROP_NUDGE_AT_CURRENT, "current" },
    { DUALPROP_NAMES_NUDGE_AT, DUALPROP_NUDGE_AT_PREDICTION, "prediction" },
    { DUALPROP_NAMES_SCHEDULE, DUALPROP_FORWARD_BACKWARD, "fw-bw" },
    { DUALPROP_NAMES_SCHEDULE, DUALPROP_FORWARD, "fw" },
    { DUALPROP_NAMES_SCHEDULE, DUALPROP_BACKWARD, "bw" },
    { DUALPROP_NAMES_SCHEDULE, DUALPROP_ODD_EVEN, "odd-even" },
    { DUALPROP_NAMES_SCHEDULE, DUALPROP_EVEN_ODD, "even-odd" },
    { DUALPROP_NAMES_SCHEDULE, DUALPROP_JACOBI, "jacobi" },
    { DUALPROP_NAMES_SCHEDULE, DUALPROP_RANDOM, "random" },
    { DUALPROP_NAMES_SCHEDULE, DUALPROP_ASYNC, "async" },
    { DUALPROP_NAMES_SCHEDULE, DUALPROP_LIST, "list" },
    { DUALPROP_NAMES_INITIALIZER, DUALPROP_INIT_PAPER, "paper" },
    { DUALPROP_NAMES_INITIALIZER, DUALPROP_INIT_NORMAL, "normal" },
    { DUALPROP_NAMES_INITIALIZER, DUALPROP_INIT_LECUN, "lecun" },
    { DUALPROP_NAMES_INITIALIZER, DUALPROP_INIT_TRUNCATED, "truncated" },
    { DUALPROP_NAMES_INITIALIZER, DUALPROP_INIT_GLOROT, "glorot" },
    { DUALPROP_NAMES_INITIALIZER, DUALPROP_INIT_HE, "he" },
    { DUALPROP_NAMES_OPTIMIZER, DUALPROP_SGD, "sgd" },
    { DUALPROP_NAMES_OPTIMIZER, DUALPROP_ADAM, "adam" },
    { DUALPROP_NAMES_OPTIMIZER, DUALPROP_ADAMW, "adamw" },
    { DUALPROP_NAMES_OPTIMIZER, DUALPROP_PLAIN_SGD, "plain-sgd" },
    { DUALPROP_NAMES_BACKEND, DUALPROP_BACKEND_AUTO, "auto" },
    { DUALPROP_NAMES_BACKEND, DUALPROP_BACKEND_REFERENCE, "reference" },
    { DUALPROP_NAMES_BACKEND, DUALPROP_BACKEND_BLIS, "blis" },
    { DUALPROP_NAMES_BACKEND, DUALPROP_BACKEND_BLIS, "cpu" },
    { DUALPROP_NAMES_BACKEND, DUALPROP_BACKEND_CUDA, "cuda" },
    { DUALPROP_NAMES_TYPE, DUALPROP_F32, "f32" },
    { DUALPROP_NAMES_TYPE, DUALPROP_F64, "f64" },
    { DUALPROP_NAMES_TYPE, DUALPROP_U8, "u8" },
    { DUALPROP_NAMES_TYPE, DUALPROP_I32, "i32" },
    { DUALPROP_NAMES_TYPE, DUALPROP_I64, "i64" },
    { DUALPROP_NAMES_LEVEL, DUALPROP_LEVEL_AUTO, "auto" },
    { DUALPROP_NAMES_LEVEL, DUALPROP_LEVEL_BASELINE, "baseline" },
    { DUALPROP_NAMES_LEVEL, DUALPROP_LEVEL_AVX2, "avx2" },
    { DUALPROP_NAMES_LEVEL, DUALPROP_LEVEL_AVX512, "avx512" },
    { DUALPROP_NAMES_RATE, DUALPROP_RATE_CONSTANT, "constant" },
    { DUALPROP_NAMES_RATE, DUALPROP_RATE_WARMUP_COSINE, "warmup-cosine" },
    { DUALPROP_NAMES_DAMPING, DUALPROP_DAMPING_NONE, "none" },
    { DUALPROP_NAMES_DAMPING, DUALPROP_DAMPING_HALF, "half" },
    { DUALPROP_NAMES_DAMPING, DUALPROP_DAMPING_GAMMA2, "gamma2" },
    { DUALPROP_NAMES_DAMPING, DUALPROP_DAMPING_GIVEN, "given" },
    { DUALPROP_NAMES_FEEDBACK, DUALPROP_FEEDBACK_SYMMETRIC, "symmetric" },
    { DUALPROP_NAMES_FEEDBACK, DUALPROP_FEEDBACK_KOLEN_POLLACK, "kolen-pollack" },
    { DUALPROP_NAMES_FEEDBACK, DUALPROP_FEEDBACK_RANDOM, "random" },
    { DUALPROP_NAMES_FEEDBACK, DUALPROP_FEEDBACK_SIGN, "sign" },
    { DUALPROP_NAMES_LAYER, DUALPROP_LAYER_DENSE, "dense" },
    { DUALPROP_NAMES_LAYER, DUALPROP_LAYER_CONVOLUTION, "convolution" },
    { DUALPROP_NAMES_LAYER, DUALPROP_LAYER_LOCAL, "local" },
    { DUALPROP_NAMES_LAYER, DUALPROP_LAYER_CUSTOM, "custom" },
    { DUALPROP_NAMES_POOLING, DUALPROP_POOL_NONE, "none" },
    { DUALPROP_NAMES_POOLING, DUALPROP_POOL_MAX, "max" },
    { DUALPROP_NAMES_POOLING, DUALPROP_POOL_AVERAGE, "average" },
    { DUALPROP_NAMES_SWITCHES, DUALPROP_SWITCHES_BOTTOM_UP, "bottom-up" },
    { DUALPROP_NAMES_SWITCHES, DUALPROP_SWITCHES_ORIGINAL, "original" },
    { DUALPROP_NAMES_NUMERICS, DUALPROP_NUMERICS_STRICT, "strict" },
    { DUALPROP_NAMES_NUMERICS, DUALPROP_NUMERICS_TF32, "tf32" },
    { DUALPROP_NAMES_NUMERICS, DUALPROP_NUMERICS_BF16, "bf16" },
};

static const size_t count = sizeof names / sizeof names[0];

/* '-' and '_' are the same, and so are "ReLU" and "relu", whatever the locale. */
static char folded(char c)
{
    if (c >= 'A' && c <= 'Z') return (char)(c - 'A' + 'a');
    return c == '_' ? '-' : c;
}

int dualprop__same_name(const char *a, const char *b)
{
    for (; *a && *b; a++, b++)
        if (folded(*a) != folded(*b)) return 0;
    return *a == *b;
}

const char *dualprop_name(int group, int value)
{
    for (size_t i = 0; i < count; i++)
        if (names[i].group == group && names[i].value == value) return names[i].text;
    return NULL;
}

/* All names of a group for a sentence; "" if there is no such group. */
static void list_names(char *list, size_t size, int group)
{
    size_t used = 0;
    list[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        if (names[i].group != group || used >= size) continue;
        int added = snprintf(list + used, size - used, "%s%s", used > 0 ? ", " : "", names[i].text);
        used += added > 0 ? (size_t)added : 0;
    }
}

int dualprop__find_name(int *value, int group, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (names[i].group != group || !dualprop__same_name(names[i].text, name)) continue;
        *value = names[i].value;
        return 1;
    }
    return 0;
}

dualprop_status dualprop_from_name(int *value, int group, const char *name)
{
    char list[256];
    DUALPROP__REQUIRE(NULL, value, DUALPROP_ERROR_INVALID_ARGUMENT, "dualprop_from_name: value is NULL");
    DUALPROP__REQUIRE(NULL, name, DUALPROP_ERROR_INVALID_ARGUMENT, "dualprop_from_name: name is NULL");
    if (dualprop__find_name(value, group, name)) return DUALPROP_OK;
    list_names(list, sizeof list, group);
    DUALPROP__REQUIRE(NULL, list[0], DUALPROP_ERROR_INVALID_ARGUMENT, "group is %d; expected DUALPROP_NAMES_...",
                      group);
    return dualprop__fail(NULL, DUALPROP_ERROR_INVALID_ARGUMENT, "name is '%.64s'; expected one of %s", name, list);
}
