/*
 * learn.c - a run over MPI for tests/mpi.sh: learns a small network and prints a hash of its weights, or shows a fault.
 *
 * usage: learn BLOCKS [MESSAGE_BYTES PATIENCE [FAULT RANK]]   FAULT, by process RANK in step 10: kill, stop, late, nan,
 *        exit, leave (ends by itself as a program that failed alone), rate, order, tell (of a failure of its own), run
 *        (the shell command in $FAULT_COMMAND), alpha; level, precision and memory (it has too little) before the
 *        group is made; absent (it never comes to make a transport)
 */
#include <dualprop/dualprop.h>
#include <dualprop/mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { INPUTS = 31, CLASSES = 4, BATCH = 45, STEPS = 20 };

static int rank;

/* An allocator that has memory for the context, and none for a group. */
static int is_short;

static void *allocate(void *user_data, size_t size, size_t alignment)
{
    void *block = NULL;
    (void)user_data;
    if (is_short || posix_memalign(&block, alignment < sizeof block ? sizeof block : alignment, size ? size : 1) != 0)
        return NULL;
    return block;
}

static void release(void *user_data, void *block, size_t size)
{
    (void)user_data, (void)size;
    free(block);
}

static void check(dualprop_status status)
{
    char text[512] = "";
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) != DUALPROP_OK) text[0] = '\0';
    fprintf(stderr, "process %d: %s: %s\n", rank, dualprop_status_name(status), text);
    MPI_Abort(MPI_COMM_WORLD, 1);
    exit(1);
}

static void fill(float *images, int32_t *labels, int64_t first, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        for (int j = 0; j < INPUTS; j++)
            images[i * INPUTS + j] = (float)(((first + i) * 37 + j * 101) % 97) / 97.0f - 0.5f;
        labels[i] = (int32_t)((first + i) % CLASSES);
    }
}

static void commit(const char *fault, float *images, dualprop_rule *rule, dualprop_optimizer *optimizer,
                   dualprop_group *group)
{
    int64_t one = 1;
    if (strcmp(fault, "kill") == 0) raise(SIGKILL);
    if (strcmp(fault, "stop") == 0) raise(SIGSTOP);
    if (strcmp(fault, "late") == 0) nanosleep(&(struct timespec){ 1, 0 }, NULL);
    if (strcmp(fault, "exit") == 0) exit(3);
    if (strcmp(fault, "leave") == 0) MPI_Abort(MPI_COMM_WORLD, 4);
    if (strcmp(fault, "nan") == 0) images[0] = 0.0f / 0.0f;
    if (strcmp(fault, "tell") == 0) check(dualprop_group_agree(group, DUALPROP_ERROR_IO, "the disk is full"));
    if (strcmp(fault, "run") == 0 && system(getenv("FAULT_COMMAND")) != 0) fprintf(stderr, "the command failed\n");
    if (strcmp(fault, "rate") == 0) check(dualprop_optimizer_set_learning_rate(optimizer, 0.5));
    if (strcmp(fault, "alpha") == 0) check(dualprop_rule_set_alpha(rule, 0.25));
    if (strcmp(fault, "order") == 0) check(dualprop_group_sum(NULL, &one, group, 0, 1));
}

int main(int argc, char **argv)
{
    static float images[BATCH * INPUTS], weights[INPUTS * 40];
    static int32_t labels[BATCH];
    int64_t blocks = argc > 1 ? atoll(argv[1]) : 0;
    const char *fault = argc > 4 ? argv[4] : "";
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_transport transport;
    dualprop_context *context;
    dualprop_group *group;
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
    int level;

    MPI_Init_thread(&argc, &argv, MPI_THREAD_SERIALIZED, &level);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    int odd = argc > 5 && atoi(argv[5]) == rank;
    if (odd && strcmp(fault, "absent") == 0) nanosleep(&(struct timespec){ 60, 0 }, NULL);
    int code = dualprop_mpi_transport_create_within(&transport, MPI_COMM_WORLD, argc > 3 ? atof(argv[3]) : 600);
    if (code != MPI_SUCCESS) {
        fprintf(stderr, "process %d: %s\n", rank, code == MPI_ERR_PENDING ? "a process did not come" : "no transport");
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    if (argc > 3) dualprop_mpi_transport_set_message_size(&transport, atoi(argv[2]));
    options.threads = 1 + rank % 2;
    if (odd && strcmp(fault, "level") == 0) options.level = DUALPROP_LEVEL_BASELINE;
    if (odd && strcmp(fault, "precision") == 0) options.precision = DUALPROP_F64;
    dualprop_allocator allocator = { sizeof allocator, allocate, release, NULL };
    options.allocator = &allocator;
    check(dualprop_context_create(&context, DUALPROP_BACKEND_BLIS, &options));
    is_short = odd && strcmp(fault, "memory") == 0;
    check(dualprop_group_create(&group, context, &transport));
    check(dualprop_network_create(&network, context, 1, 1, INPUTS));
    check(dualprop_network_add_dense(network, 40, DUALPROP_TANH));
    check(dualprop_network_add_dense(network, CLASSES, DUALPROP_IDENTITY));
    check(dualprop_network_initialize(network, (uint64_t)rank + 5)); /* other weights in each, until they are shared */
    check(dualprop_group_share_network(network, group, 0));
    check(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
    check(dualprop_state_create(&state, network, rule, BATCH));
    check(dualprop_optimizer_create(&optimizer, network, DUALPROP_ADAM));
    check(dualprop_optimizer_set_group(optimizer, group, blocks));
    for (int step = 0; step < STEPS; step++) {
        int64_t first, count, total = step % 3 == 2 ? 2 : BATCH; /* now and then fewer samples than processes */
        check(dualprop_group_share(&first, &count, group, blocks, total));
        fill(images, labels, step * BATCH + first, count);
        if (odd && step == 10) commit(fault, images, rule, optimizer, group);
        check(dualprop_learn(optimizer, state, images, labels, count));
    }
    check(dualprop_group_check_network(group, network));
    dualprop_view view = { sizeof view, weights, DUALPROP_F32, 2, { INPUTS, 40 }, { 40, 1 } };
    check(dualprop_network_read(&view, network, "layer1.weight"));
    uint64_t hash = 1469598103934665603u;
    for (size_t i = 0; i < sizeof weights; i++) hash = (hash ^ ((unsigned char *)weights)[i]) * 1099511628211u;
    if (rank == 0) printf("%016llx\n", (unsigned long long)hash);

    dualprop_optimizer_destroy(optimizer);
    dualprop_state_destroy(state);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
    dualprop_group_destroy(group);
    dualprop_context_destroy(context);
    dualprop_mpi_transport_destroy(&transport);
    MPI_Finalize();
}
