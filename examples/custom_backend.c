/*
 * custom_backend.c - a backend with one operation of its own: a crossbar whose inputs pass converters of a few bits.
 *
 * The table names the operation that is ours, the product on the way up. The reference backend does everything
 * else. So the library trains through the imprecision of the hardware, and the program shows what that costs.
 *
 * To compile: cc -O2 -o custom_backend custom_backend.c $(pkg-config --cflags --libs dualprop) -lm
 */
#include <dualprop/backend.h>
#include <dualprop/dualprop.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { INPUTS = 20, SAMPLES = 512, BATCH = 32 };

static const dualprop_host *host; /* what the library lends to a backend: here, how to fail */
static double steps;              /* of a converter, in an input's unit */

static dualprop_status create(void **self, const dualprop_host *lent, int type, int level)
{
    (void)level;
    host = lent;
    *self = &steps; /* what each operation receives */
    return type == DUALPROP_F32 ? DUALPROP_OK : DUALPROP_ERROR_UNSUPPORTED;
}

static void destroy(void *self) { (void)self; }

static void describe(void *self, char *buffer, size_t size) { snprintf(buffer, size, "%g steps", *(double *)self); }

/* a [batch, outputs] = x [batch, inputs] W [inputs, outputs] + bias, and then the update of the dyads of that layer. */
static dualprop_status bottom_up(void *self, const dualprop_dense *shape, void *a, const void *x, const void *weights,
                                 const void *bias, const dualprop_dyad *dyad)
{
    const double own_steps = *(const double *)self;
    float *to = a;
    for (int64_t row = 0; row < shape->batch; row++, to += shape->outputs) {
        for (int64_t j = 0; j < shape->outputs; j++) to[j] = bias != NULL ? ((const float *)bias)[j] : 0;
        for (int64_t i = 0; i < shape->inputs; i++) {
            float input = (float)(rint(((const float *)x)[row * shape->inputs + i] * own_steps) / own_steps);
            for (int64_t j = 0; j < shape->outputs; j++)
                to[j] += input * ((const float *)weights)[i * shape->outputs + j];
        }
    }
    if (dyad == NULL) return DUALPROP_OK;
    if (dyad->activation > DUALPROP_RELU || dyad->derivative || dyad->change != NULL)
        return host->fail(host->user_data, DUALPROP_ERROR_UNSUPPORTED, "the crossbar has identity and relu alone");
    /* s+ = f(a + c+ Delta), s- = f(a - c- Delta): see dualprop_dyad. */
    const float *at = dyad->a, *top_down = dyad->top_down, least = dyad->activation == DUALPROP_RELU ? 0 : -INFINITY;
    *dyad->max_abs = 0; /* the greatest |s+| or |s-|, or NaN: how the library notices that dyads diverge */
    for (int64_t i = 0; i < dyad->count; i++) {
        float t = top_down != NULL ? top_down[i] : 0;
        float plus = at[i] + (float)dyad->gain_plus * t, minus = at[i] - (float)dyad->gain_minus * t;
        if (plus < least) plus = least;
        if (minus < least) minus = least;
        if (dyad->mean != NULL) ((float *)dyad->mean)[i] = minus + (float)dyad->alpha * (plus - minus);
        if (dyad->delta != NULL) ((float *)dyad->delta)[i] = plus - minus;
        if (fabs(plus) > *dyad->max_abs || isnan(plus)) *dyad->max_abs = fabs(plus);
        if (fabs(minus) > *dyad->max_abs || isnan(minus)) *dyad->max_abs = fabs(minus);
    }
    return DUALPROP_OK;
}

static const dualprop_backend table = {
    .struct_size = sizeof table,
    .api = DUALPROP_BACKEND_API,
    .flags = DUALPROP_BACKEND_HOST_MEMORY,
    .name = "crossbar",
    .create = create,
    .destroy = destroy,
    .describe = describe,
    .dense_bottom_up = bottom_up,
};

static void check(dualprop_status status)
{
    char text[512] = "";
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) == DUALPROP_OK) fprintf(stderr, "%s\n", text);
    exit(1);
}

int main(void)
{
    static float x[2 * SAMPLES][INPUTS]; /* the second half is for testing */
    static int32_t classes[2 * SAMPLES];
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
    int64_t correct;
    for (int i = 0; i < 2 * SAMPLES; i++) {
        for (int j = 0; j < INPUTS; j++) x[i][j] = 2 * (float)rand() / (float)RAND_MAX - 1;
        classes[i] = x[i][0] * x[i][1] + x[i][2] > 0;
    }
    options.backend = &table;
    check(dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, &options));
    check(dualprop_network_create(&network, context, 1, 1, INPUTS));
    check(dualprop_network_add_dense(network, 64, DUALPROP_RELU));
    check(dualprop_network_add_dense(network, 2, DUALPROP_IDENTITY));
    check(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
    check(dualprop_state_create(&state, network, rule, BATCH));
    for (int bits = 1; bits <= 8; bits *= 2) {
        steps = ldexp(1, bits - 1);
        check(dualprop_network_initialize(network, 1)); /* each kind of converter starts from the same weights */
        check(dualprop_optimizer_create(&optimizer, network, DUALPROP_ADAM));
        for (int first = 0; first < 20 * SAMPLES; first += BATCH)
            check(dualprop_learn(optimizer, state, x[first % SAMPLES], classes + first % SAMPLES, BATCH));
        check(dualprop_evaluate(NULL, &correct, NULL, 1, state, x[SAMPLES], classes + SAMPLES, SAMPLES));
        printf("converters of %d bits: %.1f %% correct\n", bits, 100.0 * (double)correct / SAMPLES);
        dualprop_optimizer_destroy(optimizer);
    }
    dualprop_state_destroy(state);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
}
