/*
 * minimal_mpi.c - processes learn one network together, with the bits of one process.
 *
 *     mpirun -n 4 minimal_mpi        prints the same sum of weights as  mpirun -n 1, 2 or 3
 */
#include <dualprop/dualprop.h>
#include <dualprop/mpi.h>
#include <stdio.h>

enum { INPUTS = 20, CLASSES = 3, BATCH = 60, BLOCKS = 4, STEPS = 50 };

/* A process that fails alone must not reach MPI_Finalize(), which waits for the others. */
static void check(dualprop_status status)
{
    char text[512] = "";
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) == DUALPROP_OK) fprintf(stderr, "%s\n", text);
    MPI_Abort(MPI_COMM_WORLD, 1);
}

/* Sample i of all: any process can compute it. */
static int32_t make_sample(float x[INPUTS], int64_t i)
{
    for (int j = 0; j < INPUTS; j++) x[j] = (float)((i * 37 + j * 101) % 97) / 97.0f - 0.5f;
    return x[0] + x[1] > 0.2f ? 0 : x[2] > x[3] ? 1 : 2;
}

int main(int argc, char **argv)
{
    static float images[BATCH * INPUTS], weights[INPUTS * 32];
    static int32_t labels[BATCH];
    int64_t first, count;
    dualprop_transport transport;
    dualprop_context *context;
    dualprop_group *group;
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
    double sum = 0;
    MPI_Init(&argc, &argv);
    if (dualprop_mpi_transport_create(&transport, MPI_COMM_WORLD) != MPI_SUCCESS) MPI_Abort(MPI_COMM_WORLD, 1);
    check(dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, NULL));
    check(dualprop_group_create(&group, context, &transport));
    check(dualprop_network_create(&network, context, 1, 1, INPUTS));
    check(dualprop_network_add_dense(network, 32, DUALPROP_RELU));
    check(dualprop_network_add_dense(network, CLASSES, DUALPROP_IDENTITY));
    check(dualprop_network_initialize(network, 1));
    check(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
    check(dualprop_state_create(&state, network, rule, BATCH));
    check(dualprop_optimizer_create(&optimizer, network, DUALPROP_ADAM));
    check(dualprop_optimizer_set_group(optimizer, group, BLOCKS)); /* the blocks decide the bits, not the processes */
    check(dualprop_group_share(&first, &count, group, BLOCKS, BATCH));
    for (int step = 0; step < STEPS; step++) {
        for (int64_t i = 0; i < count; i++) labels[i] = make_sample(&images[i * INPUTS], step * BATCH + first + i);
        check(dualprop_learn(optimizer, state, images, labels, count));
    }
    dualprop_view view = { sizeof view, weights, DUALPROP_F32, 2, { INPUTS, 32 }, { 32, 1 } };
    check(dualprop_network_read(&view, network, "layer1.weight"));
    for (int i = 0; i < INPUTS * 32; i++) sum += weights[i];
    if (transport.rank == 0) printf("sum of layer 1's weights %.17g\n", sum);
    dualprop_optimizer_destroy(optimizer);
    dualprop_state_destroy(state);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
    dualprop_group_destroy(group);
    dualprop_context_destroy(context);
    dualprop_mpi_transport_destroy(&transport);
    MPI_Finalize();
}
