/*
 * vgg16.c - trains VGG16 (33.6 million parameters) on CIFAR-10 by dual propagation, with random crops and flips.
 *
 *     vgg16 FOLDER [EPOCHS [CHECKPOINT]]        vgg16 cifar-10-batches-bin 130 run.safetensors
 *
 * FOLDER holds the six .bin files of CIFAR-10. The run is saved to CHECKPOINT after each epoch, and resumed from it.
 * To compile: cc -O2 -o vgg16 vgg16.c $(pkg-config --cflags --libs dualprop)
 */
#include <dualprop/dualprop.h>
#include <string.h>
#include "read_cifar.h"

enum { BATCH = 100, CLASSES = 10 };

static void check(dualprop_status status)
{
    char text[512] = "";
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) == DUALPROP_OK) fprintf(stderr, "%s\n", text);
    exit(1);
}

/* Thirteen convolutions of 3 x 3, a max pooling of 2 x 2 where the list says 0, and three dense layers. */
static void add_layers(dualprop_network *network)
{
    static const int channels[] = { 64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0 };
    static const int64_t kernel[] = { 3, 3 }, window[] = { 2, 2 };
    static const double mean[] = { 0.4914, 0.4822, 0.4465 }, deviation[] = { 0.2470, 0.2435, 0.2616 };

    for (size_t i = 0; i < sizeof channels / sizeof *channels; i++) {
        if (channels[i] > 0)
            check(dualprop_network_add_convolution(network, channels[i], kernel, NULL, NULL, DUALPROP_RELU));
        else check(dualprop_network_add_pooling(network, DUALPROP_POOL_MAX, window, NULL));
    }
    check(dualprop_network_add_dense(network, 4096, DUALPROP_RELU));
    check(dualprop_network_add_dense(network, 4096, DUALPROP_RELU));
    check(dualprop_network_add_dense(network, CLASSES, DUALPROP_IDENTITY));
    check(dualprop_network_set_input_transform(network, mean, deviation, 3)); /* of bytes, by channel */
    check(dualprop_network_set_initializer(network, DUALPROP_INIT_TRUNCATED, 1));
    check(dualprop_network_initialize(network, 1));
}

static uint64_t draw(uint64_t *random)
{
    *random ^= *random << 13, *random ^= *random >> 7, *random ^= *random << 17;
    return *random >> 16;
}

/* Learn from all images, in an order and with crops and flips that depend on the epoch alone. Return the mean loss. */
static double learn_epoch(dualprop_optimizer *optimizer, dualprop_state *state, const unsigned char *images,
                          const int32_t *labels, int64_t samples, int epoch)
{
    static unsigned char batch[BATCH][CIFAR_BYTES];
    static int32_t classes[BATCH], moves[BATCH][3];
    uint64_t random = 0x9E3779B97F4A7C15u * ((uint64_t)epoch + 1);
    int64_t *order = malloc(sizeof *order * (size_t)samples);
    double loss, sum = 0;

    if (order == NULL) exit(1);
    for (int64_t i = 0; i < samples; i++) { /* a shuffle */
        int64_t other = (int64_t)(draw(&random) % (uint64_t)(i + 1));
        order[i] = order[other];
        order[other] = i;
    }
    for (int64_t first = 0; first < samples; first += BATCH) {
        int64_t count = samples - first < BATCH ? samples - first : BATCH;
        dualprop_view inputs = { sizeof inputs, batch, DUALPROP_U8, 2, { count, CIFAR_BYTES }, { CIFAR_BYTES, 1 } };
        dualprop_view targets = { sizeof targets, classes, DUALPROP_I32, 1, { count }, { 1 } };
        for (int64_t i = 0; i < count; i++) {
            memcpy(batch[i], images + order[first + i] * CIFAR_BYTES, CIFAR_BYTES);
            classes[i] = labels[order[first + i]];
            for (int axis = 0; axis < 2; axis++) moves[i][axis] = (int32_t)(draw(&random) % 9) - 4; /* down and right */
            moves[i][2] = (int32_t)(draw(&random) % 2);                                             /* 1: mirrored */
        }
        check(dualprop_state_set_augmentation(state, moves[0], count));
        check(dualprop_learn_view(optimizer, state, &inputs, &targets));
        check(dualprop_state_report(NULL, NULL, NULL, NULL, &loss, NULL, state));
        sum += loss * (double)count;
    }
    free(order);
    return sum / (double)samples;
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : "cifar-10-batches-bin", *path = argc > 3 ? argv[3] : NULL;
    int epochs = argc > 2 ? atoi(argv[2]) : 130, epoch = 0;
    unsigned char *images = NULL, *test = NULL;
    int32_t *labels = NULL, *test_labels = NULL;
    int64_t count = 0, tested = 0, correct;
    FILE *saved = path != NULL ? fopen(path, "rb") : NULL;
    char text[32];
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
    dualprop_checkpoint *checkpoint;

    for (int i = 1; i <= 5; i++) {
        snprintf(text, sizeof text, "data_batch_%d.bin", i);
        read_cifar(folder, text, &images, &labels, &count);
    }
    read_cifar(folder, "test_batch.bin", &test, &test_labels, &tested);
    options.threads = DUALPROP_ALL_CPUS;
    check(dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, &options));
    check(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
    check(dualprop_rule_set_beta(rule, 0.1));
    check(dualprop_rule_set_loss(rule, DUALPROP_CROSS_ENTROPY));
    check(dualprop_rule_set_nudge_at(rule, DUALPROP_NUDGE_AT_PREDICTION));
    if (saved != NULL) {
        fclose(saved);
        check(dualprop_checkpoint_read(&checkpoint, context, path));
        check(dualprop_checkpoint_get_network(&network, checkpoint));
        check(dualprop_checkpoint_get_optimizer(&optimizer, checkpoint, network));
        check(dualprop_checkpoint_get_text(text, sizeof text, NULL, checkpoint, "epoch"));
        dualprop_checkpoint_destroy(checkpoint);
        printf("resumed after epoch %d\n", epoch = atoi(text));
    } else {
        int64_t steps = (count + BATCH - 1) / BATCH * epochs;
        check(dualprop_network_create(&network, context, 32, 32, 3));
        add_layers(network);
        check(dualprop_optimizer_create(&optimizer, network, DUALPROP_SGD)); /* learning rate 0.025, momentum 0.9 */
        check(dualprop_optimizer_set_weight_decay(optimizer, 5e-4));
        check(dualprop_optimizer_set_schedule(optimizer, DUALPROP_RATE_WARMUP_COSINE, 1e-3, 2e-6, steps / 13, steps));
    }
    check(dualprop_state_create(&state, network, rule, BATCH));
    while (epoch < epochs) {
        dualprop_view inputs = { sizeof inputs, test, DUALPROP_U8, 2, { tested, CIFAR_BYTES }, { CIFAR_BYTES, 1 } };
        dualprop_view targets = { sizeof targets, test_labels, DUALPROP_I32, 1, { tested }, { 1 } };
        double loss = learn_epoch(optimizer, state, images, labels, count, epoch);
        check(dualprop_evaluate_view(NULL, &correct, NULL, 1, state, &inputs, &targets));
        printf("epoch %d: loss %.4f, test accuracy %.2f %%\n", ++epoch, loss, 100.0 * (double)correct / (double)tested);
        if (path == NULL) continue;
        snprintf(text, sizeof text, "%d", epoch);
        check(dualprop_checkpoint_create(&checkpoint, context));
        check(dualprop_checkpoint_put_network(checkpoint, network));
        check(dualprop_checkpoint_put_optimizer(checkpoint, optimizer));
        check(dualprop_checkpoint_put_text(checkpoint, "epoch", text));
        check(dualprop_checkpoint_write(checkpoint, path));
        dualprop_checkpoint_destroy(checkpoint);
    }
    dualprop_state_destroy(state);
    dualprop_optimizer_destroy(optimizer);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
    free(images), free(labels), free(test), free(test_labels);
}
