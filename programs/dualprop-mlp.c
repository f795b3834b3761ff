/*
 * dualprop-mlp.c - a dense network on images, trained by dual propagation: the program of `make demo`.
 *
 *     dualprop-mlp --epochs 5 --diagnostics angle --log run.jsonl --checkpoint run.safetensors
 *     dualprop-mlp --resume run.safetensors --checkpoint run.safetensors --epochs 10
 *     dualprop-mlp --resume run.safetensors --predict images.npy
 *     dualprop-mlp --resume run.safetensors --export-c DIR
 *
 * Exit status: 0; 1 after a failure; 2 for a wrong option; 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP.
 * Errors are one line on stderr. The last line of stdout is "test accuracy ... %", with --quiet too.
 */
#include <stdio.h>
#include <string.h>

#include "common/program.h"

static dualprop_status add_layers(dualprop_network *network, host *owner, const settings *run, const dataset *data)
{
    for (int i = 0; i < run->hidden.count; i++)
        TRY_LIBRARY(owner, dualprop_network_add_dense(network, run->hidden.size[i], run->activation));
    TRY_LIBRARY(owner, dualprop_network_add_dense(network, data->classes, DUALPROP_IDENTITY));
    return DUALPROP_OK;
}

/* For instance 784-512-512-10. */
static void describe(char *text, size_t size, const settings *run, const dataset *data)
{
    char hidden[400];

    setting_write(hidden, sizeof hidden, run, setting_find("hidden"));
    for (char *comma = hidden; (comma = strchr(comma, ',')) != NULL;) *comma = '-';
    snprintf(text, size, "%lld-%s-%d", (long long)(data->height * data->width * data->channels), hidden, data->classes);
}

/* The paper's weights divide the first layer by 28, which suits images of 28 x 28 alone. */
static void complete(settings *run, int (*said)(const void *context, const char *option), const void *context)
{
    int is_own = run->dataset == DATASET_IDX || run->dataset == DATASET_NPY;

    if (!said(context, "init")) run->initializer = is_own ? DUALPROP_INIT_LECUN : DUALPROP_INIT_PAPER;
}

/* An empty value: complete() decides. */
static const char *const defaults[] = { "init=", NULL };
static const char *const without[] = { "model", NULL };

int main(int argc, char **argv)
{
    static const program mlp = { .name = "dualprop-mlp",
                                 .key = "mlp",
                                 .purpose = "Train a dense network by dual propagation, and test it.",
                                 .defaults = defaults,
                                 .without = without,
                                 .presets = mlp_presets,
                                 .notes = "",
                                 .complete = complete,
                                 .add_layers = add_layers,
                                 .describe = describe };

    return program_main(&mlp, argc, argv);
}
