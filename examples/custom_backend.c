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

/* What create() hands to each operation. */
typedef struct crossbar {
    const dualprop_host *host;
    double steps; /* of a converter, in an input's unit */
} crossbar;

static int bits; /* of the converters of the next crossbar */

static dualprop_status create(void **self, const dualprop_host *host, int type, int level)
{
    (void)level;
    if (type != DUALPROP_F32) return host->fail(host->user_data, DUALPROP_ERROR_UNSUPPORTED, "expected f32");
    crossbar *made = host->allocate(host->user_data, sizeof *made, 64);
    if (made == NULL) return host->fail(host->user_data, DUALPROP_ERROR_NO_MEMORY, "no memory for a crossbar");
    made->host = host;
    made->steps = ldexp(1, bits - 1);
    *self = made;
    return DUALPROP_OK;
}

static void destroy(void *self)
{
    const crossbar *made = self;
    made->host->release(made->host->user_data, self, sizeof *made);
}

static void describe(void *self, char *buffer, size_t size)
{
    snprintf(buffer, size, "crossbar with steps of 1/%g", ((const crossbar *)self)->steps);
}

static float f(const dualprop_dyad *dyad, float x)
{
    return dyad->activation == DUALPROP_RELU ? fmaxf(x, 0) : x;
}

/* The update that follows a product: s+ = f(a + c+ Delta), s- = f(a - c- Delta). See dualprop_dyad. */
static dualprop_status update(const crossbar *self, const dualprop_dyad *dyad)
{
    const float *a = dyad->a, *top_down = dyad->top_down;
    float *mean = dyad->mean, *delta = dyad->delta;
    double peak = 0; /* the greatest |s+| or |s-|: how the library notices that dyads diverge */

    int known = dyad->activation == DUALPROP_RELU || dyad->activation == DUALPROP_IDENTITY;
    if (!known || dyad->derivative || dyad->change != NULL)
        return self->host->fail(self->host->user_data, DUALPROP_ERROR_UNSUPPORTED,
                                "the crossbar has relu and identity, without back-propagation and a tolerance");
    for (int64_t i = 0; i < dyad->count; i++) {
        float t = top_down != NULL ? top_down[i] : 0;
        float plus = f(dyad, a[i] + (float)dyad->gain_plus * t), minus = f(dyad, a[i] - (float)dyad->gain_minus * t);
        if (mean != NULL) mean[i] = minus + (float)dyad->alpha * (plus - minus);
        if (delta != NULL) delta[i] = plus - minus;
        double size = fmax(fabs(plus), fabs(minus));
        if (size > peak || isnan(plus + minus)) peak = isnan(plus + minus) ? NAN : size;
    }
    if (dyad->peak != NULL) *dyad->peak = peak;
    return DUALPROP_OK;
}

/* a [batch, outputs] = x [batch, inputs] W [inputs, outputs] + bias. */
static dualprop_status bottom_up(void *self, const dualprop_dense *shape, void *a, const void *x, const void *weights,
                                 const void *bias, const dualprop_dyad *dyad)
{
    const crossbar *own = self;

    for (int64_t sample = 0; sample < shape->batch; sample++) {
        float *to = (float *)a + sample * shape->outputs;
        for (int64_t j = 0; j < shape->outputs; j++) to[j] = bias != NULL ? ((const float *)bias)[j] : 0;
        for (int64_t i = 0; i < shape->inputs; i++) {
            double input = ((const float *)x)[sample * shape->inputs + i];
            float converted = (float)(rint(input * own->steps) / own->steps);
            const float *row = (const float *)weights + i * shape->outputs;
            for (int64_t j = 0; j < shape->outputs; j++) to[j] += converted * row[j];
        }
    }
    return dyad != NULL ? update(own, dyad) : DUALPROP_OK;
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
    int64_t correct;

    for (int i = 0; i < 2 * SAMPLES; i++) {
        for (int j = 0; j < INPUTS; j++) x[i][j] = 2 * (float)rand() / (float)RAND_MAX - 1;
        classes[i] = x[i][0] * x[i][1] + x[i][2] > 0;
    }
    for (bits = 1; bits <= 8; bits *= 2) {
        dualprop_options options = DUALPROP_OPTIONS_INIT;
        dualprop_context *context;
        dualprop_network *network;
        dualprop_rule *rule;
        dualprop_state *state;
        dualprop_optimizer *optimizer;

        options.backend = &table;
        check(dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, &options));
        check(dualprop_network_create(&network, context, 1, 1, INPUTS));
        check(dualprop_network_add_dense(network, 64, DUALPROP_RELU));
        check(dualprop_network_add_dense(network, 2, DUALPROP_IDENTITY));
        check(dualprop_network_set_initializer(network, DUALPROP_INIT_HE, 1));
        check(dualprop_network_initialize(network, 1));
        check(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
        check(dualprop_state_create(&state, network, rule, BATCH));
        check(dualprop_optimizer_create(&optimizer, network, DUALPROP_ADAM));
        for (int first = 0; first < 20 * SAMPLES; first += BATCH)
            check(dualprop_learn(optimizer, state, x[first % SAMPLES], classes + first % SAMPLES, BATCH));
        check(dualprop_evaluate(NULL, &correct, NULL, 1, state, x[SAMPLES], classes + SAMPLES, SAMPLES));
        printf("converters of %d bits: %.1f %% correct\n", bits, 100.0 * (double)correct / SAMPLES);
        dualprop_optimizer_destroy(optimizer);
        dualprop_state_destroy(state);
        dualprop_rule_destroy(rule);
        dualprop_network_destroy(network);
        dualprop_context_destroy(context);
    }
}
