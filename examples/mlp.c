/*
 * mlp.c - trains a 784-512-512-10 network on MNIST or Fashion-MNIST by dual propagation.
 *
 *     mlp FOLDER [EPOCHS [CHECKPOINT]]        mlp /usr/share/datasets/fashion-mnist 5 run.safetensors
 *
 * FOLDER holds the four files of the data set, gzipped or not. The run is saved to CHECKPOINT after each epoch. If that
 * file is already there, the run is resumed from it and ends with the same bits as one that never stopped.
 *
 * To compile: cc -O2 -o mlp mlp.c $(pkg-config --cflags --libs dualprop) -lz
 */
#include <dualprop/dualprop.h>
#include <string.h>

#include "read_idx.h"

enum { PIXELS = 28 * 28, CLASSES = 10, BATCH = 100 };

static void check(dualprop_status status)
{
    char text[512] = "";
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) == DUALPROP_OK) fprintf(stderr, "%s\n", text);
    exit(1);
}

/* The order depends on the epoch alone, so that a resumed run sees the same batches. */
static void shuffle(int32_t *order, int64_t count, int epoch)
{
    uint64_t random = 0x9E3779B97F4A7C15u * ((uint64_t)epoch + 1);

    for (int64_t i = 0; i < count; i++) order[i] = (int32_t)i;
    for (int64_t i = count - 1; i > 0; i--) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        int64_t other = (int64_t)(random % (uint64_t)(i + 1));
        int32_t kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
}

/* Learn from each sample once. Return the mean loss of the predictions before each step. */
static double learn_epoch(dualprop_optimizer *optimizer, dualprop_state *state, const float *images,
                          const int32_t *labels, const int32_t *order, int64_t samples)
{
    static float batch[BATCH][PIXELS];
    static int32_t classes[BATCH];
    double loss, sum = 0;

    for (int64_t first = 0; first < samples; first += BATCH) {
        int64_t count = samples - first < BATCH ? samples - first : BATCH;
        for (int64_t i = 0; i < count; i++) {
            memcpy(batch[i], images + (int64_t)order[first + i] * PIXELS, sizeof batch[i]);
            classes[i] = labels[order[first + i]];
        }
        check(dualprop_learn(optimizer, state, batch, classes, count));
        check(dualprop_state_report(NULL, NULL, NULL, NULL, &loss, NULL, state));
        sum += loss * (double)count;
    }
    return sum / (double)samples;
}

static void save(const char *path, dualprop_context *context, dualprop_network *network, dualprop_rule *rule,
                 dualprop_optimizer *optimizer, int epoch)
{
    dualprop_checkpoint *checkpoint;
    char text[16];

    snprintf(text, sizeof text, "%d", epoch);
    check(dualprop_checkpoint_create(&checkpoint, context));
    check(dualprop_checkpoint_put_network(checkpoint, network));
    check(dualprop_checkpoint_put_rule(checkpoint, rule));
    check(dualprop_checkpoint_put_optimizer(checkpoint, optimizer));
    check(dualprop_checkpoint_put_text(checkpoint, "epoch", text));
    check(dualprop_checkpoint_write(checkpoint, path));
    dualprop_checkpoint_destroy(checkpoint);
}

/* Read what save() wrote, and return the number of epochs that it had learned. */
static int resume(const char *path, dualprop_context *context, dualprop_network **network, dualprop_rule **rule,
                  dualprop_optimizer **optimizer)
{
    dualprop_checkpoint *checkpoint;
    char text[16];

    check(dualprop_checkpoint_read(&checkpoint, context, path));
    check(dualprop_checkpoint_get_network(network, checkpoint));
    check(dualprop_checkpoint_get_rule(rule, checkpoint));
    check(dualprop_checkpoint_get_optimizer(optimizer, checkpoint, *network));
    check(dualprop_checkpoint_get_text(text, sizeof text, NULL, checkpoint, "epoch"));
    dualprop_checkpoint_destroy(checkpoint);
    return atoi(text);
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : "/usr/share/datasets/fashion-mnist", *path = argc > 3 ? argv[3] : NULL;
    int epochs = argc > 2 ? atoi(argv[2]) : 5, epoch = 0;
    int64_t count = 0, test_count = 0, correct;
    float *images = read_idx(folder, "train-images-idx3-ubyte", &count, PIXELS);
    float *test_images = read_idx(folder, "t10k-images-idx3-ubyte", &test_count, PIXELS);
    int32_t *labels = read_idx(folder, "train-labels-idx1-ubyte", &count, 0);
    int32_t *test_labels = read_idx(folder, "t10k-labels-idx1-ubyte", &test_count, 0);
    int32_t *order = malloc(sizeof(int32_t) * (size_t)count);
    FILE *saved = path != NULL ? fopen(path, "rb") : NULL;
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;

    if (order == NULL) return 1;
    options.threads = DUALPROP_ALL_CPUS;
    check(dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, &options));
    if (saved != NULL) {
        fclose(saved);
        epoch = resume(path, context, &network, &rule, &optimizer);
        printf("resumed after epoch %d\n", epoch);
    } else {
        check(dualprop_network_create(&network, context, 28, 28, 1));
        check(dualprop_network_add_dense(network, 512, DUALPROP_RELU));
        check(dualprop_network_add_dense(network, 512, DUALPROP_RELU));
        check(dualprop_network_add_dense(network, CLASSES, DUALPROP_IDENTITY));
        check(dualprop_network_initialize(network, 1));
        check(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
        check(dualprop_rule_set_loss(rule, DUALPROP_CROSS_ENTROPY));
        check(dualprop_optimizer_create(&optimizer, network, DUALPROP_ADAM));
    }
    check(dualprop_state_create(&state, network, rule, BATCH));

    while (epoch < epochs) {
        shuffle(order, count, epoch);
        double loss = learn_epoch(optimizer, state, images, labels, order, count);
        check(dualprop_evaluate(NULL, &correct, NULL, 1, state, test_images, test_labels, test_count));
        double accuracy = 100.0 * (double)correct / (double)test_count;
        printf("epoch %d: loss %.4f, test accuracy %.2f %%\n", ++epoch, loss, accuracy);
        if (path != NULL) save(path, context, network, rule, optimizer, epoch);
    }

    dualprop_state_destroy(state);
    dualprop_optimizer_destroy(optimizer);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
    free(order), free(images), free(labels), free(test_images), free(test_labels);
    return 0;
}
