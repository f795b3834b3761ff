/*
 * pipeline.c - the layers of one network in different processes, each of which learns from its own dyads alone.
 *
 *     mpirun -n 3 pipeline --mode sync            the bits of  mpirun -n 1 pipeline --mode sync
 *     mpirun -n 3 pipeline --mode wave            several batches in flight
 *     mpirun -n 3 pipeline --mode free --drop .3  and nobody waits: 30 % of all messages are lost
 *
 * Process r has the layers r L/N + 1 .. (r+1) L/N. What crosses a cut is sbar of the layer below it, upwards, and
 * Delta = W^T delta of the layer above it, downwards; no gradient and no weight does. Options: --steps --batch --passes
 * (sync) --in-flight --wait (free: milliseconds until a batch is given up) --seed --data (Fashion-MNIST's folder).
 */
#include <dualprop/dualprop.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../read_idx.h"

enum { PIXELS = 784, WIDTH = 512, CLASSES = 10, LAYERS = 6, MOST_IN_FLIGHT = 16, END = 30000 };

static int rank, size;
static int steps = 600, batch = 100, passes = 6, in_flight = 3, seed = 1;
static double drop, patience = 50;
static const char *mode = "sync", *folder = "/usr/share/datasets/fashion-mnist";

static void check(dualprop_status status)
{
    char text[512] = "";
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) == DUALPROP_OK)
        fprintf(stderr, "process %d: %s\n", rank, text);
    MPI_Abort(MPI_COMM_WORLD, 1);
    exit(1);
}

/* ---- this process's layers ---- */

static dualprop_context *context;
static dualprop_network *network;
static dualprop_rule *rule;
static dualprop_optimizer *optimizer;
static dualprop_state *states[MOST_IN_FLIGHT]; /* one for each batch in flight */
static int low, high;                          /* layers low + 1 .. high of all */
static float *images, *values;
static int32_t *labels, *order;
static int64_t samples;

/* clang-format off */
static int width_of(int layer) { return layer == 0 ? PIXELS : layer == LAYERS ? CLASSES : WIDTH; }
static int is_bottom(void) { return rank == 0; }
static int is_top(void) { return rank == size - 1; }
/* clang-format on */

static dualprop_view view_of(void *data, int type, int64_t rows, int64_t columns)
{
    return (dualprop_view){ sizeof(dualprop_view),       data, type, columns ? 2 : 1, { rows, columns },
                            { columns ? columns : 1, 1 } };
}

static void add_layer(dualprop_network *to, int layer)
{
    check(dualprop_network_add_dense(to, width_of(layer), layer == LAYERS ? DUALPROP_IDENTITY : DUALPROP_RELU));
}

/* All processes draw the whole network and keep their part, so that any number of them begins in the same way. */
static dualprop_network *draw_whole(void)
{
    dualprop_network *whole;
    check(dualprop_network_create(&whole, context, 1, 1, PIXELS));
    for (int layer = 1; layer <= LAYERS; layer++) add_layer(whole, layer);
    check(dualprop_network_initialize(whole, (uint64_t)seed));
    return whole;
}

/* Weights or biases of a layer, out of one network or into another; `layer` counts from 1 in that network. */
static int64_t move_parameter(dualprop_network *of, int layer, int is_bias, int inputs, int outputs, int writes)
{
    char name[32];
    dualprop_view view =
        is_bias ? view_of(values, DUALPROP_F32, outputs, 0) : view_of(values, DUALPROP_F32, inputs, outputs);
    snprintf(name, sizeof name, "layer%d.%s", layer, is_bias ? "bias" : "weight");
    check(writes ? dualprop_network_write(of, name, &view) : dualprop_network_read(&view, of, name));
    return is_bias ? outputs : (int64_t)inputs * outputs;
}

static void create_layers(void)
{
    dualprop_network *whole = draw_whole();
    low = rank * LAYERS / size;
    high = (rank + 1) * LAYERS / size;
    check(dualprop_network_create(&network, context, 1, 1, width_of(low)));
    for (int layer = low + 1; layer <= high; layer++) add_layer(network, layer);
    check(dualprop_network_set_open(network,
                                    (is_bottom() ? 0 : DUALPROP_OPEN_BOTTOM) + (is_top() ? 0 : DUALPROP_OPEN_TOP)));
    for (int layer = low + 1; layer <= high; layer++)
        for (int is_bias = 0; is_bias < 2; is_bias++) {
            move_parameter(whole, layer, is_bias, width_of(layer - 1), width_of(layer), 0);
            move_parameter(network, layer - low, is_bias, width_of(layer - 1), width_of(layer), 1);
        }
    dualprop_network_destroy(whole);
    check(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
    if (strcmp(mode, "sync") == 0) check(dualprop_rule_set_schedule(rule, DUALPROP_JACOBI, passes));
    for (int i = 0; i < in_flight; i++) check(dualprop_state_create(&states[i], network, rule, batch));
    check(dualprop_optimizer_create(&optimizer, network, DUALPROP_ADAM));
}

/* ---- batches: every process knows the order, so the top has the labels that belong to a batch ---- */

static void shuffle(int epoch)
{
    uint64_t random = (uint64_t)(epoch + 1) * 0x9e3779b97f4a7c15u + (uint64_t)seed;
    for (int64_t i = 0; i < samples; i++) order[i] = (int32_t)i;
    for (int64_t i = samples - 1; i > 0; i--) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        int64_t j = (int64_t)((random >> 33) % (uint64_t)(i + 1));
        int32_t other = order[i];
        order[i] = order[j];
        order[j] = other;
    }
}

/* Sample i of a batch. An epoch is shuffled when a batch of it is asked for; late batches may be of the one before. */
static int32_t sample_of(int number, int i)
{
    static int epoch = -1;
    int per_epoch = (int)(samples / batch);
    if (number / per_epoch != epoch) shuffle(epoch = number / per_epoch);
    return order[number % per_epoch * batch + i];
}

/* ---- messages ---- */

static float *up[MOST_IN_FLIGHT], *down[MOST_IN_FLIGHT], *news; /* what is on its way, for each batch in flight */
static MPI_Request going_up[MOST_IN_FLIGHT], going_down[MOST_IN_FLIGHT];
static long sent, lost, learned, given_up, late;
static uint64_t dice;

static int is_lost(void)
{
    dice = dice * 6364136223846793005u + 1442695040888963407u;
    return (double)(dice >> 11) * 0x1p-53 < drop;
}

/*
 * May a message be written to the place of `request`, and sent? The one before it there was taken long ago, where
 * processes wait for each other; where they do not, a message that finds the one before it on its way is lost too.
 */
static int may_send(MPI_Request *request)
{
    int is_sent = 1;
    sent++;
    if (strcmp(mode, "free") == 0) MPI_Test(request, &is_sent, MPI_STATUS_IGNORE);
    else MPI_Wait(request, MPI_STATUS_IGNORE);
    int goes = is_sent && !is_lost();
    lost += !goes;
    return goes;
}

/* sbar of the highest layer here, to the process above. */
static void send_up(int place, int tag)
{
    dualprop_view view = view_of(up[place], DUALPROP_F32, batch, width_of(high));
    if (is_top() || !may_send(&going_up[place])) return;
    check(dualprop_state_read(&view, states[place], high - low, DUALPROP_S_MEAN));
    MPI_Isend(up[place], batch * width_of(high), MPI_FLOAT, rank + 1, tag, MPI_COMM_WORLD, &going_up[place]);
}

/* Delta of the layer below, to its process. */
static void send_down(int place, int tag)
{
    dualprop_view view = view_of(down[place], DUALPROP_F32, batch, width_of(low));
    if (is_bottom() || !may_send(&going_down[place])) return;
    check(dualprop_state_read(&view, states[place], 0, DUALPROP_S_TOP_DOWN));
    MPI_Isend(down[place], batch * width_of(low), MPI_FLOAT, rank - 1, tag, MPI_COMM_WORLD, &going_down[place]);
}

static void write_up(dualprop_state *state, float *message)
{
    dualprop_view view = view_of(message, DUALPROP_F32, batch, width_of(low));
    check(dualprop_state_write(state, 0, DUALPROP_S_MEAN, &view));
}

static void write_down(dualprop_state *state, float *message)
{
    dualprop_view view = view_of(message, DUALPROP_F32, batch, width_of(high));
    check(dualprop_state_write(state, high - low, DUALPROP_S_TOP_DOWN, &view));
}

/* Begin a batch: the bottom has its images, the others sbar of the layer below; the top has its labels. */
static void begin(dualprop_state *state, int number, float *below)
{
    static float *pixels;
    static int32_t *targets;
    if (!pixels) pixels = malloc(sizeof(float) * (size_t)(batch * PIXELS));
    if (!targets) targets = malloc(sizeof(int32_t) * (size_t)batch);
    if (!pixels || !targets) MPI_Abort(MPI_COMM_WORLD, 1);
    for (int i = 0; i < batch; i++) {
        int32_t sample = sample_of(number, i);
        targets[i] = labels[sample];
        if (is_bottom()) memcpy(pixels + i * PIXELS, images + (size_t)sample * PIXELS, sizeof(float) * PIXELS);
    }
    dualprop_view inputs = view_of(is_bottom() ? pixels : below, DUALPROP_F32, batch, width_of(low));
    dualprop_view answers = view_of(targets, DUALPROP_I32, batch, 0);
    check(dualprop_infer_begin(state, &inputs, is_top() ? &answers : NULL));
}

static void finish(dualprop_state *state)
{
    check(dualprop_infer_end(state));
    check(dualprop_update(optimizer, state));
    learned++;
}

/* ---- sync: all exchange before each pass of the schedule jacobi, which is what one process computes ---- */

static void take(float *message, int from, int count, int tag)
{
    MPI_Recv(message, count, MPI_FLOAT, from, tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

static void exchange(dualprop_state *state, int goes_down)
{
    int above = batch * width_of(high), below = batch * width_of(low);
    send_up(0, 1);
    if (goes_down) send_down(0, 2);
    if (!is_bottom()) {
        take(news, rank - 1, below, 1);
        write_up(state, news);
    }
    if (!is_top() && goes_down) {
        take(news, rank + 1, above, 2);
        write_down(state, news);
    }
}

static void run_in_step(void)
{
    for (int number = 0; number < steps; number++) {
        dualprop_state *state = states[0];
        if (!is_bottom()) take(news, rank - 1, batch * width_of(low), 0);
        begin(state, number, news);
        send_up(0, 0);
        for (int pass = 0; pass < passes; pass++) {
            exchange(state, 1);
            check(dualprop_infer_pass(state));
        }
        exchange(state, 0); /* the gradient of a lowest layer needs the last sbar below it */
        finish(state);
    }
}

/* ---- wave and free: a batch goes up and comes down; meanwhile others do ---- */

static int numbers[MOST_IN_FLIGHT]; /* the batch in each place; -1: none */

static void give_up(int place)
{
    if (numbers[place] < 0) return;
    check(dualprop_infer_end(states[place])); /* learned from by other layers, perhaps; not by these */
    numbers[place] = -1;
    given_up++;
}

/* Down through this process's layers, of which Delta is known, and on to the process below. */
static void go_down(int place)
{
    for (int layer = high - low; layer >= 1; layer--) check(dualprop_infer_layer(states[place], layer));
    send_down(place, numbers[place]);
    finish(states[place]);
    numbers[place] = -1;
}

static void go_up(int number, float *below)
{
    int place = number % in_flight;
    give_up(place);
    begin(states[place], number, below);
    numbers[place] = number;
    if (is_top()) go_down(place);
    else send_up(place, number);
}

enum { NOTHING, NEWS, LAST };

/* Take one message, if there is one; the last comes from below. */
static int hear(void)
{
    MPI_Status status;
    int is_there, count;
    MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &is_there, &status);
    if (!is_there) return NOTHING;
    MPI_Get_count(&status, MPI_FLOAT, &count);
    take(news, status.MPI_SOURCE, count, status.MPI_TAG);
    if (status.MPI_TAG == END) return LAST;
    int place = status.MPI_TAG % in_flight;
    if (status.MPI_SOURCE == rank - 1) {
        go_up(status.MPI_TAG, news);
    } else if (numbers[place] == status.MPI_TAG) {
        write_down(states[place], news);
        go_down(place);
    } else {
        late++;
    }
    return NEWS;
}

/* The same, and leave the core to others for a moment if there is none. */
static int wait_and_hear(void)
{
    int what = hear();
    if (what == NOTHING) nanosleep(&(struct timespec){ 0, 200000 }, NULL);
    return what;
}

/* Wait until a place is free; without patience as long as it takes. */
static void wait_for(int place)
{
    double begun = MPI_Wtime();
    int waits = strcmp(mode, "wave") == 0;
    while (numbers[place] >= 0 && (waits || MPI_Wtime() - begun < patience / 1000)) wait_and_hear();
}

static void run_in_flight(void)
{
    for (int place = 0; place < in_flight; place++) numbers[place] = -1;
    for (int number = 0; is_bottom() && number < steps; number++) {
        wait_for(number % in_flight);
        go_up(number, NULL);
        hear();
    }
    while (!is_bottom() && wait_and_hear() != LAST) continue;
    if (is_bottom())
        for (int place = 0; place < in_flight; place++) wait_for(place);
    if (!is_top()) MPI_Send(NULL, 0, MPI_FLOAT, rank + 1, END, MPI_COMM_WORLD);
    /* What is still on its way from above is taken, so that nobody waits for this process. */
    int above_is_done = is_top(), below_knows = 0;
    MPI_Request done = MPI_REQUEST_NULL;
    if (!is_top()) MPI_Irecv(&above_is_done, 1, MPI_INT, rank + 1, END + 1, MPI_COMM_WORLD, &done);
    while (!below_knows) {
        MPI_Test(&done, &below_knows, MPI_STATUS_IGNORE);
        while (wait_and_hear() != NOTHING) continue;
    }
    for (int place = 0; place < in_flight; place++) give_up(place);
    MPI_Waitall(in_flight, going_down, MPI_STATUSES_IGNORE);
    if (!is_bottom()) MPI_Send(&above_is_done, 1, MPI_INT, rank - 1, END + 1, MPI_COMM_WORLD);
}

/* ---- what came of it ---- */

/* Bring all layers to process 0, and test them. */
static void test(double seconds)
{
    dualprop_network *whole = is_bottom() ? draw_whole() : NULL;
    double megabytes = 0;
    for (int layer = 1, owner = 0; layer <= LAYERS; layer++) {
        while (layer > (owner + 1) * LAYERS / size) owner++;
        for (int is_bias = 0; is_bias < 2; is_bias++) {
            int inputs = width_of(layer - 1), outputs = width_of(layer);
            int count = is_bias ? outputs : inputs * outputs;
            if (owner == rank) {
                move_parameter(network, layer - low, is_bias, inputs, outputs, 0);
                megabytes += 3 * sizeof(float) * (double)count / 1e6; /* and two moments */
                if (!is_bottom()) MPI_Send(values, count, MPI_FLOAT, 0, layer, MPI_COMM_WORLD);
            } else if (is_bottom()) {
                MPI_Recv(values, count, MPI_FLOAT, owner, layer, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
            }
            if (is_bottom()) move_parameter(whole, layer, is_bias, inputs, outputs, 1);
        }
    }
    for (int r = 0; r < size; r++) {
        MPI_Barrier(MPI_COMM_WORLD);
        if (r != rank) continue;
        printf("process %d: layers %d..%d, %.1f MB of weights and moments, %.2f MB sent a step, learned from %ld of %d "
               "batches, gave up %ld, %ld messages lost, %ld late\n",
               rank, low + 1, high, megabytes, (double)(sent - lost) * batch * WIDTH * sizeof(float) / 1e6 / steps,
               learned, steps, given_up, lost, late);
        fflush(stdout);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    if (!is_bottom()) return;
    int64_t tests = 0, correct;
    uint64_t hash = 1469598103934665603u;
    float *test_images = read_idx(folder, "t10k-images-idx3-ubyte", &tests, PIXELS);
    int32_t *test_labels = read_idx(folder, "t10k-labels-idx1-ubyte", &tests, 0);
    dualprop_state *state;
    for (int layer = 1; layer <= LAYERS; layer++) {
        int64_t count = move_parameter(whole, layer, 0, width_of(layer - 1), width_of(layer), 0);
        for (int64_t i = 0; i < count * (int64_t)sizeof(float); i++)
            hash = (hash ^ ((unsigned char *)values)[i]) * 1099511628211u;
    }
    check(dualprop_state_create(&state, whole, NULL, batch));
    check(dualprop_evaluate(NULL, &correct, NULL, 1, state, test_images, test_labels, tests));
    printf("%s, %d processes, drop %g, %.1f ms a step, weights %016llx, test accuracy %.2f %%\n", mode, size, drop,
           1000 * seconds / steps, (unsigned long long)hash, 100 * (double)correct / (double)tests);
    dualprop_state_destroy(state);
    dualprop_network_destroy(whole);
    free(test_images);
    free(test_labels);
}

/* Every process reads the same options; process 0 tells which one is wrong. */
static void refuse(const char *option, const char *value, const char *expected)
{
    if (rank == 0) fprintf(stderr, "pipeline: %s is \"%s\"; expected %s\n", option, value, expected);
    MPI_Finalize();
    exit(2);
}

static double number_of(const char *option, const char *value, double least, double most)
{
    char *end, expected[64];
    double number = strtod(value, &end);
    snprintf(expected, sizeof expected, "a number from %g to %g", least, most);
    if (end == value || *end || !(number >= least && number <= most)) refuse(option, value, expected);
    return number;
}

static void read_options(int argc, char **argv)
{
    char processes[12];
    for (int i = 1; i < argc; i += 2) {
        const char *option = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(option, "--mode") == 0) mode = value;
        else if (strcmp(option, "--data") == 0) folder = value;
        else if (strcmp(option, "--drop") == 0) drop = number_of(option, value, 0, 1);
        else if (strcmp(option, "--wait") == 0) patience = number_of(option, value, 0, 1e9);
        else if (strcmp(option, "--steps") == 0) steps = (int)number_of(option, value, 1, END - 1);
        else if (strcmp(option, "--batch") == 0) batch = (int)number_of(option, value, 1, 10000);
        else if (strcmp(option, "--passes") == 0) passes = (int)number_of(option, value, 1, 1000);
        else if (strcmp(option, "--in-flight") == 0) in_flight = (int)number_of(option, value, 1, MOST_IN_FLIGHT);
        else if (strcmp(option, "--seed") == 0) seed = (int)number_of(option, value, 0, 1e9);
        else refuse("the option", option, "one of those at the head of pipeline.c");
    }
    snprintf(processes, sizeof processes, "%d", size);
    if (strcmp(mode, "sync") != 0 && strcmp(mode, "wave") != 0 && strcmp(mode, "free") != 0)
        refuse("--mode", mode, "sync, wave or free");
    if (drop > 0 && strcmp(mode, "free") != 0) refuse("--mode", mode, "free, since --drop is given");
    if (size > LAYERS) refuse("the number of processes", processes, "at most 6, the layers");
}

int main(int argc, char **argv)
{
    dualprop_options options = DUALPROP_OPTIONS_INIT;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    read_options(argc, argv);
    images = read_idx(folder, "train-images-idx3-ubyte", &samples, PIXELS);
    labels = read_idx(folder, "train-labels-idx1-ubyte", &samples, 0);
    order = malloc(sizeof *order * (size_t)samples);
    values = malloc(sizeof *values * PIXELS * WIDTH);
    news = malloc(sizeof *news * (size_t)(batch * PIXELS));
    if (!order || !values || !news || batch > samples) MPI_Abort(MPI_COMM_WORLD, 1);
    for (int i = 0; i < in_flight; i++) {
        up[i] = malloc(sizeof(float) * (size_t)(batch * PIXELS));
        down[i] = malloc(sizeof(float) * (size_t)(batch * PIXELS));
        if (!up[i] || !down[i]) MPI_Abort(MPI_COMM_WORLD, 1);
        going_up[i] = going_down[i] = MPI_REQUEST_NULL;
    }
    dice = (uint64_t)seed * 1000003u + (uint64_t)rank;
    options.threads = 1;
    check(dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, &options));
    create_layers();
    MPI_Barrier(MPI_COMM_WORLD);
    double begun = MPI_Wtime();
    if (strcmp(mode, "sync") == 0) run_in_step();
    else run_in_flight();
    double seconds = MPI_Wtime() - begun;
    MPI_Barrier(MPI_COMM_WORLD); /* no process sends its layers while another one still listens for news */
    MPI_Waitall(in_flight, going_up, MPI_STATUSES_IGNORE);
    MPI_Waitall(in_flight, going_down, MPI_STATUSES_IGNORE);
    test(seconds);

    dualprop_optimizer_destroy(optimizer);
    for (int i = 0; i < in_flight; i++) {
        dualprop_state_destroy(states[i]);
        free(up[i]);
        free(down[i]);
    }
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
    free(order);
    free(values);
    free(news);
    free(images);
    free(labels);
    MPI_Finalize();
}
