/*
 * feedback.c - brings delta down through weights of its own: how far may they be from the transposed forward weights?
 *
 * Two networks have the same forward weights; one of them has feedback weights that a device might have copied badly.
 * Printed is the angle between their gradients.
 *
 * To compile: cc -O2 -o feedback feedback.c $(pkg-config --cflags --libs dualprop) -lm
 */
#include <dualprop/dualprop.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { INPUTS = 20, HIDDEN = 64, LAYERS = 3, BATCH = 100 };

static void check(dualprop_status status)
{
    char text[512] = "";
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) == DUALPROP_OK) fprintf(stderr, "%s\n", text);
    exit(1);
}

/* A network, and what learns it. Both draw the same initial weights. */
typedef struct learner {
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
} learner;

static learner create(dualprop_context *context, int feedback)
{
    learner made;

    check(dualprop_network_create(&made.network, context, 1, 1, INPUTS));
    check(dualprop_network_add_dense(made.network, HIDDEN, DUALPROP_TANH));
    check(dualprop_network_add_dense(made.network, HIDDEN, DUALPROP_TANH));
    check(dualprop_network_add_dense(made.network, 2, DUALPROP_IDENTITY));
    check(dualprop_network_initialize(made.network, 1));
    check(dualprop_network_set_feedback(made.network, feedback, 2));
    check(dualprop_rule_create(&made.rule, context, DUALPROP_DP_ADJOINT));
    check(dualprop_rule_set_feedback(made.rule, feedback));
    check(dualprop_rule_set_noise(made.rule, 0, 0.01, 0)); /* of what comes down */
    check(dualprop_state_create(&made.state, made.network, made.rule, BATCH));
    check(dualprop_optimizer_create(&made.optimizer, made.network, DUALPROP_SGD));
    return made;
}

static void destroy(learner *self)
{
    dualprop_optimizer_destroy(self->optimizer);
    dualprop_state_destroy(self->state);
    dualprop_rule_destroy(self->rule);
    dualprop_network_destroy(self->network);
}

/* Let the feedback weights of a layer be its weights, but for an error relative to their mean size. */
static void copy_badly(dualprop_network *network, int layer, const char *name, int64_t outputs, float error)
{
    static float weights[HIDDEN * HIDDEN], feedback[HIDDEN * HIDDEN];
    dualprop_view from = { sizeof from, weights, DUALPROP_F32, 2, { HIDDEN, outputs }, { outputs, 1 } }, to = from;
    float size = 1 / sqrtf(HIDDEN);

    to.data = feedback;
    check(dualprop_network_read(&from, network, name));
    check(dualprop_network_read_feedback(&to, network, layer));
    for (int64_t i = 0; i < HIDDEN * outputs; i++)
        feedback[i] = weights[i] + error * size * 3.4f * ((float)rand() / (float)RAND_MAX - 0.5f);
    check(dualprop_network_write_feedback(network, layer, &to));
}

int main(void)
{
    static float x[BATCH][INPUTS];
    static int32_t classes[BATCH];
    dualprop_context *context;
    uint64_t inferences;

    for (int i = 0; i < BATCH; i++) {
        for (int j = 0; j < INPUTS; j++) x[i][j] = 2 * (float)rand() / (float)RAND_MAX - 1;
        classes[i] = x[i][0] > x[i][1];
    }
    check(dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, NULL));
    learner exact = create(context, DUALPROP_FEEDBACK_SYMMETRIC), own = create(context, DUALPROP_FEEDBACK_RANDOM);
    for (float error = 0; error<5; error = error> 0 ? 4 * error : 0.25f) {
        copy_badly(own.network, 2, "layer2.weight", HIDDEN, error);
        copy_badly(own.network, 3, "layer3.weight", 2, error);
        check(dualprop_infer(exact.state, x, classes, BATCH));
        check(dualprop_gradient(exact.optimizer, exact.state));
        /* An inference's noise depends on its number, so that both are disturbed in the same way. */
        check(dualprop_state_inference_count(&inferences, exact.state));
        check(dualprop_state_set_inference_count(own.state, inferences - 1));
        check(dualprop_infer(own.state, x, classes, BATCH));
        check(dualprop_gradient(own.optimizer, own.state));
        printf("error %.2f:", (double)error);
        for (int layer = 1; layer <= LAYERS; layer++) {
            double cosine;
            check(dualprop_gradient_compare(&cosine, NULL, NULL, NULL, own.optimizer, exact.optimizer, layer));
            printf(" %6.2f", acos(fmin(cosine, 1)) * 180 / 3.14159265358979);
        }
        printf(" degrees in layers 1 to 3\n");
    }
    destroy(&own);
    destroy(&exact);
    dualprop_context_destroy(context);
}
