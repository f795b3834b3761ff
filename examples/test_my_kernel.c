/*
 * test_my_kernel.c - tests an operation of one's own against the reference backend, and then the gradient of a whole
 * network that uses it. Exit status 1 if something is wrong.
 *
 * To compile: cc -O2 -o test_my_kernel test_my_kernel.c -ldualprop-testing $(pkg-config --cflags --libs dualprop) -lm
 */
#include <dualprop/testing.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SAMPLES = 8, INPUTS = 6, CLASSES = 3 };

static char self_of_ours; /* an instance without contents */

static dualprop_status create(void **self, const dualprop_host *host, int type, int level)
{
    (void)level;
    *self = &self_of_ours;
    return type == DUALPROP_F64 ? DUALPROP_OK
                                : host->fail(host->user_data, DUALPROP_ERROR_UNSUPPORTED, "this kernel is for f64");
}

static void destroy(void *self)
{
    (void)self;
}

static void describe(void *self, char *buffer, size_t size)
{
    (void)self;
    snprintf(buffer, size, "a kernel of ours");
}

/* The kernel: top_down [batch, inputs] = delta [batch, outputs] W^T. The table is UNFUSED, so dyad is NULL. */
static dualprop_status top_down(void *self, const dualprop_dense *shape, void *result, const void *delta,
                                const void *weights, const dualprop_dyad *dyad)
{
    (void)self;
    (void)dyad;
    for (int64_t b = 0; b < shape->batch; b++)
        for (int64_t i = 0; i < shape->inputs; i++) {
            const double *from = (const double *)delta + b * shape->outputs;
            const double *w = (const double *)weights + i * shape->outputs;
            double sum = 0;
            for (int64_t o = 0; o < shape->outputs; o++) sum += from[o] * w[o];
            ((double *)result)[b * shape->inputs + i] = sum;
        }
    return DUALPROP_OK;
}

static void report(void *user_data, int passed, const char *what, const char *sentence)
{
    (void)user_data;
    if (!passed) printf("%s: %s\n", what, sentence);
}

static void check(dualprop_status status)
{
    char text[512] = "";
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) == DUALPROP_OK) fprintf(stderr, "%s\n", text);
    exit(1);
}

int main(void)
{
    static const dualprop_backend table = {
        .struct_size = sizeof table,
        .api = DUALPROP_BACKEND_API,
        .name = "ours",
        .flags = DUALPROP_BACKEND_HOST_MEMORY | DUALPROP_BACKEND_UNFUSED,
        .create = create,
        .destroy = destroy,
        .describe = describe,
        .dense_top_down = top_down,
    };
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;
    double x[SAMPLES * INPUTS], error;
    int32_t labels[SAMPLES];
    int failed, cases = dualprop_testing_slots(&failed, &table, DUALPROP_F64, report, NULL);

    printf("%d of %d cases failed\n", failed, cases);
    options.backend = &table;
    options.precision = DUALPROP_F64;
    check(dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, &options));
    check(dualprop_network_create(&network, context, 1, 1, INPUTS));
    check(dualprop_network_add_dense(network, 9, DUALPROP_TANH));
    check(dualprop_network_add_dense(network, 7, DUALPROP_SIGMOID));
    check(dualprop_network_add_dense(network, CLASSES, DUALPROP_IDENTITY));
    check(dualprop_network_initialize(network, 1));
    check(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT));
    check(dualprop_rule_set_alpha(rule, 0.5));
    check(dualprop_rule_set_beta(rule, 1e-4));
    for (int i = 0; i < SAMPLES * INPUTS; i++) x[i] = sin(i * 1.7);
    for (int i = 0; i < SAMPLES; i++) labels[i] = i % CLASSES;
    check(dualprop_testing_gradient(&error, network, rule, x, labels, SAMPLES, 0));
    printf("the gradient differs from differences of the loss by %.1e of its largest element\n", error);
    dualprop_rule_destroy(rule);
    dualprop_network_destroy(network);
    dualprop_context_destroy(context);
    return cases == 0 || failed > 0 || !(error < 1e-5);
}
