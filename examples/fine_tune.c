/*
 * fine_tune.c - takes the layers of one network into another, and trains only what is new.
 *
 * A network that knows four classes well lends its layers to one that has 24 samples of two other classes.
 *
 * To compile: cc -O2 -o fine_tune fine_tune.c $(pkg-config --cflags --libs dualprop)
 */
#include <dualprop/dualprop.h>
#include <stdio.h>
#include <stdlib.h>

enum { MANY = 2000, FEW = 24, TEST = 1000, LAYERS = 3 };

static void check(dualprop_status status)
{
    char text[512] = "";
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) == DUALPROP_OK) fprintf(stderr, "%s\n", text);
    exit(1);
}

/* Points of a square. Four classes: its quadrants. Two classes: whether the coordinates' signs agree. */
static void draw(float points[][2], int32_t *classes, int count, int kinds)
{
    for (int i = 0; i < count; i++) {
        int right = rand() % 2, up = rand() % 2;
        points[i][0] = (right ? 1 : -1) * (float)rand() / (float)RAND_MAX;
        points[i][1] = (up ? 1 : -1) * (float)rand() / (float)RAND_MAX;
        classes[i] = kinds == 4 ? 2 * up + right : up == right;
    }
}

static dualprop_network *create(dualprop_context *context, int outputs)
{
    dualprop_network *network;

    check(dualprop_network_create(&network, context, 1, 1, 2));
    check(dualprop_network_add_dense(network, 32, DUALPROP_TANH));
    check(dualprop_network_add_dense(network, 32, DUALPROP_TANH));
    check(dualprop_network_add_dense(network, outputs, DUALPROP_IDENTITY));
    check(dualprop_network_initialize(network, 1));
    return network;
}

/* Train, and return the percentage of test points that are classified correctly. */
static double train(dualprop_network *network, dualprop_rule *rule, float points[][2], const int32_t *classes,
                    int count, int steps, int kinds)
{
    static float test[TEST][2];
    static int32_t test_classes[TEST];
    dualprop_state *state;
    dualprop_optimizer *optimizer;
    int64_t correct;
    int batch = count < 50 ? count : 50;

    check(dualprop_state_create(&state, network, rule, batch));
    check(dualprop_optimizer_create(&optimizer, network, DUALPROP_ADAM));
    check(dualprop_optimizer_set_learning_rate(optimizer, 0.01));
    for (int step = 0; step < steps; step++)
        check(dualprop_learn(optimizer, state, points[step * batch % count], classes + step * batch % count, batch));
    draw(test, test_classes, TEST, kinds);
    check(dualprop_evaluate(NULL, &correct, NULL, 1, state, test, test_classes, TEST));
    dualprop_optimizer_destroy(optimizer);
    dualprop_state_destroy(state);
    return 100.0 * (double)correct / TEST;
}

int main(void)
{
    static float points[MANY][2], few[FEW][2];
    static int32_t classes[MANY], few_classes[FEW];
    dualprop_context *context;
    dualprop_rule *rule;
    dualprop_checkpoint *saved;
    dualprop_layer *layer;
    char name[32];
    int64_t shape[DUALPROP_MAX_RANK];
    int rank, parameters;

    draw(points, classes, MANY, 4);
    draw(few, few_classes, FEW, 2);
    check(dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, NULL));
    check(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
    dualprop_network *old = create(context, 4), *network = create(context, 2);
    printf("four classes, %d samples: %.1f %%\n", MANY, train(old, rule, points, classes, MANY, 1000, 4));
    printf("two classes, %d samples, alone: %.1f %%\n", FEW, train(network, rule, few, few_classes, FEW, 100, 2));

    /* A checkpoint is a container of named tensors; this one is never written to a file. */
    check(dualprop_checkpoint_create(&saved, context));
    check(dualprop_checkpoint_put_network(saved, old));
    check(dualprop_network_initialize(network, 1));
    check(dualprop_network_parameter_count(&parameters, network));
    for (int i = 0; i < parameters; i++) {
        dualprop_view view;
        check(dualprop_network_parameter(name, sizeof name, shape, &rank, network, i));
        check(dualprop_checkpoint_find(&view, saved, name));
        int taken = view.rank == rank && view.shape[rank - 1] == shape[rank - 1];
        if (taken) check(dualprop_network_write(network, name, &view));
        printf("    %-14s %s\n", name, taken ? "taken" : "new");
    }

    check(dualprop_network_layer(&layer, network, 1)); /* layer 1 stays as it is; layer 2 learns slowly */
    check(dualprop_layer_set_frozen(layer, 1));
    check(dualprop_network_layer(&layer, network, 2));
    check(dualprop_layer_set_learning_rate(layer, 0.1));
    printf("two classes, %d samples, fine-tuned: %.1f %%\n", FEW, train(network, rule, few, few_classes, FEW, 100, 2));

    dualprop_checkpoint_destroy(saved);
    dualprop_network_destroy(network);
    dualprop_network_destroy(old);
    dualprop_rule_destroy(rule);
    dualprop_context_destroy(context);
}
