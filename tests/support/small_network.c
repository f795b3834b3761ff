/*
 * small_network.c - see small_network.h.
 */
#include "small_network.h"
#include "comparison.h"

#include <check.h>
#include <math.h>
#include <stdio.h>

static void must(dualprop_status status)
{
    char text[512] = "";
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) != DUALPROP_OK) text[0] = 0;
    ck_abort_msg("%s: %s", dualprop_status_name(status), text);
}

/* A small generator of the test's own: uniform in (-1, 1). */
static double draw(uint64_t *random)
{
    *random = *random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (double)(int64_t)(*random >> 11) / 4503599627370496.0 - 1.0;
}

static dualprop_view matrix(double *data, int64_t rows, int64_t columns)
{
    dualprop_view view = { .struct_size = sizeof view, .data = data, .type = DUALPROP_F64, .rank = 2 };
    view.shape[0] = rows;
    view.shape[1] = columns;
    view.strides[0] = columns;
    view.strides[1] = 1;
    return view;
}

static dualprop_view vector(double *data, int64_t count)
{
    dualprop_view view = { .struct_size = sizeof view, .data = data, .type = DUALPROP_F64, .rank = 1 };
    view.shape[0] = count;
    view.strides[0] = 1;
    return view;
}

static void fill_bias(struct small_network *small, int k, uint64_t *random)
{
    double bias[SMALL_MAX_REALS];
    char name[32];
    for (int64_t i = 0; i < small->plan.widths[k]; i++) bias[i] = 0.3 * draw(random);
    dualprop_view view = vector(bias, small->plan.widths[k]);
    snprintf(name, sizeof name, "layer%d.bias", k);
    must(dualprop_network_write(small->network, name, &view));
}

static void fill_data(struct small_network *small, uint64_t *random)
{
    const struct small_plan *plan = &small->plan;
    int64_t classes = plan->widths[plan->layers];
    for (int64_t i = 0; i < plan->batch * plan->widths[0]; i++) small->x[i] = draw(random);
    for (int64_t b = 0; b < plan->batch; b++)
        for (int64_t i = 0; i < classes; i++)
            small->y[b * classes + i] = plan->loss == DUALPROP_MSE ? draw(random) : i == b % classes;
}

static void create_rule(struct small_network *small)
{
    const struct small_plan *plan = &small->plan;
    must(dualprop_rule_create(&small->rule, small->context, plan->variant));
    int fixes_alpha = plan->variant >= DUALPROP_LPOM && plan->variant <= DUALPROP_FENCHEL;
    if (!fixes_alpha) must(dualprop_rule_set_alpha(small->rule, plan->alpha));
    must(dualprop_rule_set_beta(small->rule, plan->beta));
    must(dualprop_rule_set_feedback(small->rule, plan->feedback));
    must(dualprop_rule_set_loss(small->rule, plan->loss));
    must(dualprop_rule_set_output_step(small->rule, plan->output_step));
    must(dualprop_rule_set_nudge_at(small->rule, plan->nudge_at));
    must(dualprop_rule_set_schedule(small->rule, plan->schedule, plan->passes ? plan->passes : 1));
    must(dualprop_rule_set_tolerance(small->rule, plan->tolerance));
    if (plan->configure) plan->configure(small->rule);
    must(dualprop_state_create(&small->state, small->network, small->rule, plan->batch));
    must(dualprop_optimizer_create(&small->optimizer, small->network, DUALPROP_SGD));
}

struct small_network small_create(const struct small_plan *plan)
{
    struct small_network small = { .plan = *plan };
    uint64_t random = plan->seed + 99;
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    options.precision = DUALPROP_F64;
    must(dualprop_context_create(&small.context, plan->backend, &options));
    must(dualprop_network_create(&small.network, small.context, 1, 1, plan->widths[0]));
    int hidden = plan->register_activation ? plan->register_activation(small.context) : plan->activation;
    int map = plan->register_map ? plan->register_map(small.context) : 0;
    for (int k = 1; k <= plan->layers; k++) {
        int64_t inputs = plan->widths[k - 1], outputs = plan->widths[k];
        int activation = k == plan->layers ? DUALPROP_IDENTITY : hidden;
        must(map ? dualprop_network_add_custom(small.network, map, outputs, inputs * outputs, inputs, activation)
                 : dualprop_network_add_dense(small.network, outputs, activation));
    }
    must(dualprop_network_set_initializer(small.network, DUALPROP_INIT_LECUN, plan->scale > 0 ? plan->scale : 1.0));
    must(dualprop_network_initialize(small.network, plan->seed));
    if (plan->feedback) must(dualprop_network_set_feedback(small.network, plan->feedback, plan->seed + 1));
    for (int k = 1; k <= plan->layers; k++) fill_bias(&small, k, &random);
    fill_data(&small, &random);
    create_rule(&small);
    return small;
}

struct small_network small_twin(const struct small_network *small, int variant)
{
    struct small_network twin = *small;
    twin.plan.variant = variant;
    twin.plan.schedule = DUALPROP_FORWARD_BACKWARD;
    twin.plan.passes = 1;
    twin.plan.tolerance = 0;
    twin.plan.feedback = DUALPROP_FEEDBACK_SYMMETRIC;
    twin.plan.configure = NULL;
    if (variant == DUALPROP_BP) {
        twin.plan.output_step = DUALPROP_OUTPUT_LINEAR;
        twin.plan.nudge_at = DUALPROP_NUDGE_AT_CURRENT;
    }
    twin.context = NULL;
    twin.network = NULL;
    struct small_network borrowed = twin;
    borrowed.context = small->context;
    borrowed.network = small->network;
    create_rule(&borrowed);
    twin.rule = borrowed.rule;
    twin.state = borrowed.state;
    twin.optimizer = borrowed.optimizer;
    return twin;
}

void small_destroy(struct small_network *small)
{
    dualprop_optimizer_destroy(small->optimizer);
    dualprop_state_destroy(small->state);
    dualprop_rule_destroy(small->rule);
    dualprop_network_destroy(small->network);
    dualprop_context_destroy(small->context);
}

dualprop_status small_infer(struct small_network *small)
{
    const struct small_plan *plan = &small->plan;
    dualprop_view inputs = matrix(small->x, plan->batch, plan->widths[0]);
    dualprop_view targets = matrix(small->y, plan->batch, plan->widths[plan->layers]);
    return dualprop_infer_view(small->state, &inputs, &targets);
}

void small_gradient(struct small_network *small)
{
    must(small_infer(small));
    must(dualprop_gradient(small->optimizer, small->state));
}

void small_read_gradient(double *weight, double *bias, struct small_network *small, int k)
{
    char name[32];
    dualprop_view view = matrix(weight, small->plan.widths[k - 1], small->plan.widths[k]);
    if (small->plan.register_map) view = vector(weight, small->plan.widths[k - 1] * small->plan.widths[k]);
    snprintf(name, sizeof name, "layer%d.weight", k);
    must(dualprop_gradient_read(&view, small->optimizer, name));
    view = vector(bias, small->plan.widths[k]);
    snprintf(name, sizeof name, "layer%d.bias", k);
    must(dualprop_gradient_read(&view, small->optimizer, name));
}

void small_read(double *reals, struct small_network *small, int k, int which)
{
    dualprop_view view = matrix(reals, small->plan.batch, small->plan.widths[k]);
    must(dualprop_state_read(&view, small->state, k, which));
}

double small_cosine(struct small_network *small, struct small_network *twin, int k)
{
    double cosine;
    must(dualprop_gradient_compare(&cosine, NULL, NULL, NULL, small->optimizer, twin->optimizer, k));
    return cosine;
}

double small_norm_ratio(struct small_network *small, struct small_network *twin, int k)
{
    double norm, other;
    must(dualprop_gradient_compare(NULL, &norm, &other, NULL, small->optimizer, twin->optimizer, k));
    return norm / other;
}

double small_error(struct small_network *small, struct small_network *twin)
{
    double worst = 0;
    for (int k = 1; k <= small->plan.layers; k++) {
        double other, difference;
        must(dualprop_gradient_compare(NULL, NULL, &other, &difference, small->optimizer, twin->optimizer, k));
        worst = comparison_larger(worst, difference / other);
    }
    return worst;
}

double small_error_of(const struct small_plan *plan)
{
    struct small_network small = small_create(plan);
    struct small_network twin = small_twin(&small, DUALPROP_BP);
    small_gradient(&small);
    small_gradient(&twin);
    double error = small_error(&small, &twin);
    small_destroy(&twin);
    small_destroy(&small);
    return error;
}

void small_expect_dyads(struct small_network *small, struct small_network *other, int k, double tolerance)
{
    double x[SMALL_MAX_REALS], y[SMALL_MAX_REALS];
    for (int which = DUALPROP_S_PLUS; which <= DUALPROP_S_DELTA; which++) {
        small_read(x, small, k, which);
        small_read(y, other, k, which);
        double error = relative_difference(x, y, small->plan.batch * small->plan.widths[k]);
        ck_assert_msg(error <= tolerance, "layer %d, value %d: error %g", k, which, error);
    }
}

void small_expect_gradient(struct small_network *small, struct small_network *other, int k, double tolerance)
{
    double x[SMALL_MAX_REALS], y[SMALL_MAX_REALS], bias[2][SMALL_MAX_REALS];
    const int64_t *widths = small->plan.widths;
    small_read_gradient(x, bias[0], small, k);
    small_read_gradient(y, bias[1], other, k);
    ck_assert_msg(relative_difference(x, y, widths[k - 1] * widths[k]) <= tolerance, "gradient of layer %d", k);
    ck_assert(relative_difference(bias[0], bias[1], widths[k]) <= tolerance);
}

double relative_difference(const double *x, const double *y, int64_t count)
{
    double difference = 0, largest = 0;
    for (int64_t i = 0; i < count; i++) {
        difference = comparison_larger(difference, fabs(x[i] - y[i]));
        largest = comparison_larger(largest, fabs(y[i]));
    }
    return largest > 0 ? difference / largest : difference;
}
