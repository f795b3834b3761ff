/*
 * dualprop-vgg16.c - convolutional networks on images, trained by dual propagation: the paper's Table 3, and smaller
 * ones.
 *
 *     dualprop-vgg16 --data DIR --checkpoint run.safetensors --log run.jsonl
 *     dualprop-vgg16 --data DIR --model minicnn --epochs 10 --rule bp
 *     dualprop-vgg16 --preset table3-dp-adjoint-0-beta-0.01-cifar10 --data DIR
 *     dualprop-vgg16 --resume run.safetensors --predict test_batch.bin
 *
 * Exit status and last line as those of dualprop-mlp.
 */
#include "common/models.h"
#include "common/program.h"

/* The paper's 130 epochs warm up for 10 and have decayed after 120; other numbers of epochs do so in proportion. */
#define PAPER_EPOCHS 130
#define PAPER_WARMUP 10
#define PAPER_DECAY 120

static int64_t in_proportion(int64_t epochs, int64_t part)
{
    return (epochs * part + PAPER_EPOCHS / 2) / PAPER_EPOCHS;
}

static void complete(settings *run, int (*said)(const void *context, const char *option), const void *context)
{
    int is_grey = run->dataset == DATASET_MNIST || run->dataset == DATASET_FASHION_MNIST ||
                  run->dataset == DATASET_IDX || run->dataset == DATASET_NPY;

    if (!said(context, "warmup")) run->warmup = in_proportion(run->epochs, PAPER_WARMUP);
    if (!said(context, "decay-epochs")) run->decay_epochs = in_proportion(run->epochs, PAPER_DECAY);
    if (!said(context, "decay-epochs") && run->decay_epochs < run->warmup && run->warmup <= run->epochs)
        run->decay_epochs = run->warmup;
    if (!said(context, "augment")) run->augment = is_grey ? 0 : AUGMENT_CROP | AUGMENT_FLIP;
}

/* Those of the paper's Table 3, except for the schedule, the cheapest with the same gradient at small beta. An empty
 * value: complete() decides. */
static const char *const defaults[] = {
    "dataset=cifar10", "init=truncated", "beta=0.1",          "loss=ce",    "nudge-at=prediction",
    "optimizer=sgd",   "min-lr=2e-6",    "weight-decay=5e-4", "epochs=130", "batch=100",
    "warmup=",         "decay-epochs=",  "augment=",          NULL
};
static const char *const without[] = { "hidden", NULL };

int main(int argc, char **argv)
{
    static const program vgg16 = { .name = "dualprop-vgg16",
                                   .key = "vgg16",
                                   .purpose = "Train a convolutional network by dual propagation, and test it.",
                                   .defaults = defaults,
                                   .without = without,
                                   .presets = vgg16_presets,
                                   .notes = model_help,
                                   .drops_last_batch = 1,
                                   .complete = complete,
                                   .add_layers = model_add_layers,
                                   .describe = model_describe };

    return program_main(&vgg16, argc, argv);
}
