/*
 * worker_group.c - the time of a training step that processes share, and of adding up one array over them.
 *
 * usage: worker_group mlp|vgg16 BATCH BLOCKS THREADS STEPS      BLOCKS 0: no blocks, and one process
 *        worker_group sum NUMBERS mpi|ours STEPS                MPI_Allreduce(), or exchange, own order, gather
 *
 * Process 0 prints the minimum and the median in milliseconds.
 */
#include <dualprop/dualprop.h>
#include <dualprop/mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vgg16_step.h"

enum { PIXELS = 784, CLASSES = 10, WARM_UP = 3 };

static int rank, size;

static int by_value(const void *one, const void *other)
{
    double difference = *(const double *)one - *(const double *)other;
    return (difference > 0) - (difference < 0);
}

/* Call once(), `steps` times after some to warm up, and print how long it takes. */
static void measure(void (*once)(void *argument), void *argument, int steps)
{
    double *times = malloc(sizeof *times * (size_t)steps);
    if (!times) exit(1);
    for (int i = -WARM_UP; i < steps; i++) {
        MPI_Barrier(MPI_COMM_WORLD);
        double begun = now_ms();
        once(argument);
        if (i >= 0) times[i] = now_ms() - begun;
    }
    qsort(times, (size_t)steps, sizeof *times, by_value);
    if (rank == 0) printf("%.4f %.4f\n", times[0], times[steps / 2]);
    free(times);
}

/* ---- a training step ---- */

static void create_mlp(struct bench *bench)
{
    must(dualprop_network_create(&bench->network, bench->context, 1, 1, PIXELS));
    must(dualprop_network_add_dense(bench->network, 512, DUALPROP_RELU));
    must(dualprop_network_add_dense(bench->network, 512, DUALPROP_RELU));
    must(dualprop_network_add_dense(bench->network, CLASSES, DUALPROP_IDENTITY));
    must(dualprop_network_initialize(bench->network, 1));
    must(dualprop_rule_create(&bench->rule, bench->context, DUALPROP_DP_ADJOINT));
    must(dualprop_state_create(&bench->state, bench->network, bench->rule, bench->batch));
    must(dualprop_optimizer_create(&bench->optimizer, bench->network, DUALPROP_ADAM));
    bench->images = malloc(sizeof(float) * (size_t)(bench->batch * PIXELS));
    bench->labels = malloc(sizeof(int32_t) * (size_t)bench->batch);
    if (!bench->images || !bench->labels) exit(1);
    uint32_t random = 12345;
    for (int64_t i = 0; i < bench->batch * PIXELS; i++) {
        random = random * 1664525u + 1013904223u;
        bench->images[i] = (float)(random >> 8) * 0x1p-24f;
    }
    for (int64_t i = 0; i < bench->batch; i++) bench->labels[i] = (int32_t)(i * 7 % CLASSES);
}

static void step(void *argument)
{
    struct bench *bench = argument;
    must(dualprop_learn(bench->optimizer, bench->state, bench->images, bench->labels, bench->batch));
}

static void time_steps(char **words)
{
    static struct bench bench;
    dualprop_group *group = NULL;
    dualprop_transport transport;
    int64_t batch = atoll(words[1]), blocks = atoll(words[2]);
    bench.batch = batch / size; /* batches of the measurement are divisible */
    if (strcmp(words[0], "vgg16") == 0) {
        char count[24];
        snprintf(count, sizeof count, "%lld", (long long)bench.batch);
        char *rule[] = { "dp-adjoint", "0.5", "fw-bw", "1", words[3], count };
        vgg16_create(&bench, rule, NULL);
    } else {
        dualprop_options options = DUALPROP_OPTIONS_INIT;
        options.threads = atoi(words[3]);
        must(dualprop_context_create(&bench.context, DUALPROP_BACKEND_BLIS, &options));
        create_mlp(&bench);
    }
    if (size > 1) {
        if (dualprop_mpi_transport_create(&transport, MPI_COMM_WORLD) != MPI_SUCCESS) exit(1);
        must(dualprop_group_create(&group, bench.context, &transport));
    }
    if (blocks > 0) must(dualprop_optimizer_set_group(bench.optimizer, group, blocks));
    measure(step, &bench, atoi(words[4]));
}

/* ---- one array ---- */

struct sum {
    float *own, *result, *received;
    int64_t count, *offsets, *receive_offsets;
    dualprop_transport transport;
};

static void add_by_mpi(void *argument)
{
    struct sum *sum = argument;
    MPI_Allreduce(sum->own, sum->result, (int)sum->count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
}

/* What a layer's gradient goes through: part r of all arrays to process r, added up in one order, gathered by all. */
static void add_in_order(void *argument)
{
    struct sum *sum = argument;
    int64_t begin = sum->offsets[rank] / (int64_t)sizeof(float);
    int64_t mine = (sum->offsets[rank + 1] - sum->offsets[rank]) / (int64_t)sizeof(float);
    void *carrier = sum->transport.user_data;
    if (sum->transport.exchange(carrier, sum->received, sum->receive_offsets, sum->own, sum->offsets) != 0) exit(1);
    memcpy(sum->result + begin, rank == 0 ? sum->own : sum->received, sizeof(float) * (size_t)mine);
    for (int r = 1, from = rank > 0; r < size; r++) {
        const float *other = r == rank ? sum->own + begin : sum->received + from++ * mine;
        for (int64_t i = 0; i < mine; i++) sum->result[begin + i] += other[i];
    }
    if (sum->transport.gather(carrier, sum->result, sum->offsets) != 0) exit(1);
}

static void time_sums(char **words)
{
    struct sum sum = { .count = atoll(words[1]) };
    size_t bytes = sizeof(float) * (size_t)sum.count;
    sum.own = malloc(bytes);
    sum.result = malloc(bytes);
    sum.received = malloc(bytes + sizeof(float) * (size_t)size);
    sum.offsets = malloc(2 * sizeof(int64_t) * ((size_t)size + 1));
    if (!sum.own || !sum.result || !sum.received || !sum.offsets) exit(1);
    sum.receive_offsets = sum.offsets + size + 1;
    for (int64_t i = 0; i < sum.count; i++) sum.own[i] = (float)(i % 97) / 97;
    for (int r = 0; r <= size; r++) sum.offsets[r] = sum.count * r / size * (int64_t)sizeof(float);
    for (int r = 0; r <= size; r++)
        sum.receive_offsets[r] = (r - (r > rank)) * (sum.offsets[rank + 1] - sum.offsets[rank]);
    if (dualprop_mpi_transport_create(&sum.transport, MPI_COMM_WORLD) != MPI_SUCCESS) exit(1);
    measure(strcmp(words[2], "mpi") == 0 ? add_by_mpi : add_in_order, &sum, atoi(words[3]));
}

int main(int argc, char **argv)
{
    int level;
    MPI_Init_thread(&argc, &argv, MPI_THREAD_SERIALIZED, &level);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (argc > 4 && strcmp(argv[1], "sum") == 0) time_sums(argv + 1);
    else if (argc > 5) time_steps(argv + 1);
    MPI_Finalize();
}
