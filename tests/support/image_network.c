/*
 * image_network.c - see image_network.h.
 */
#include "image_network.h"
#include "comparison.h"

#include <check.h>
#include <math.h>
#include <string.h>

#include "expect.h"
#include "randomness.h"

#define TRY(call)                                   \
    do {                                            \
        dualprop_status status_ = (call);           \
        if (status_ != DUALPROP_OK) return status_; \
    } while (0)

static dualprop_status add_layers(dualprop_network *network, const struct image_plan *plan)
{
    static const int64_t two[2] = { 2, 2 }, three[2] = { 3, 3 }, none[2] = { 0, 0 };
    TRY(dualprop_network_add_convolution(network, 4, three, NULL, NULL, plan->activation));
    TRY(dualprop_network_add_convolution(network, 5, three, NULL, NULL, plan->activation));
    if (plan->pooling != DUALPROP_POOL_NONE) TRY(dualprop_network_add_pooling(network, plan->pooling, two, NULL));
    TRY(dualprop_network_add_local(network, 3, two, NULL, none, plan->activation));
    TRY(dualprop_network_add_dense(network, IMAGE_CLASSES, DUALPROP_IDENTITY));
    TRY(dualprop_network_set_initializer(network, DUALPROP_INIT_LECUN, 1));
    TRY(dualprop_network_initialize(network, 5));
    return plan->feedback ? dualprop_network_set_feedback(network, plan->feedback, 9) : DUALPROP_OK;
}

static dualprop_status create_rule(struct image_network *made)
{
    const struct image_plan *plan = &made->plan;
    TRY(dualprop_rule_create(&made->rule, made->context, plan->variant));
    if (plan->variant < DUALPROP_LPOM || plan->variant > DUALPROP_FENCHEL) /* those say alpha themselves */
        TRY(dualprop_rule_set_alpha(made->rule, plan->alpha));
    TRY(dualprop_rule_set_beta(made->rule, plan->beta != 0 ? plan->beta : 1));
    TRY(dualprop_rule_set_loss(made->rule, plan->loss));
    TRY(dualprop_rule_set_nudge_at(made->rule, plan->nudge_at));
    TRY(dualprop_rule_set_schedule(made->rule, plan->schedule, plan->passes ? plan->passes : 1));
    TRY(dualprop_rule_set_pool_switches(made->rule, plan->switches));
    TRY(dualprop_rule_set_output_step(made->rule, plan->output_step));
    TRY(dualprop_rule_set_feedback(made->rule, plan->feedback));
    if (plan->configure) plan->configure(made->rule);
    TRY(dualprop_state_create(&made->state, made->network, made->rule, IMAGE_BATCH));
    return dualprop_optimizer_create(&made->optimizer, made->network, DUALPROP_SGD);
}

dualprop_status image_try(struct image_network *made, const struct image_plan *plan)
{
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    memset(made, 0, sizeof *made);
    made->plan = *plan;
    options.precision = plan->precision;
    options.threads = plan->threads ? plan->threads : 1;
    options.allocator = plan->allocator;
    options.backend = plan->own_backend;
    TRY(dualprop_context_create(&made->context, plan->backend, &options));
    TRY(dualprop_network_create(&made->network, made->context, IMAGE_HEIGHT, IMAGE_WIDTH, IMAGE_CHANNELS));
    TRY(add_layers(made->network, plan));
    return create_rule(made);
}

static void draw_biases(struct image_network *made, randomness *random)
{
    double bias[IMAGE_MOST];
    for (int index = 1; index < 2 * IMAGE_LAYERS; index += 2) {
        for (int i = 0; i < IMAGE_MOST; i++) bias[i] = random_uniform(random, -0.3, 0.3);
        image_set_parameter(made, index, bias);
    }
}

void image_create(struct image_network *made, const struct image_plan *plan)
{
    randomness random = random_start(77);
    expect_ok(image_try(made, plan));
    draw_biases(made, &random);
    for (int i = 0; i < IMAGE_BATCH * IMAGE_INPUTS; i++) made->x[i] = (double)(float)random_uniform(&random, -1, 1);
    for (int b = 0; b < IMAGE_BATCH; b++) made->y[b * IMAGE_CLASSES + b % IMAGE_CLASSES] = 1;
}

void image_twin(struct image_network *twin, const struct image_network *of, const struct image_plan *plan)
{
    *twin = *of;
    twin->plan = *plan;
    twin->rule = NULL;
    twin->state = NULL;
    twin->optimizer = NULL;
    expect_ok(create_rule(twin));
    twin->context = NULL; /* these are the other's */
}

void image_destroy(struct image_network *made)
{
    dualprop_optimizer_destroy(made->optimizer);
    dualprop_state_destroy(made->state);
    dualprop_rule_destroy(made->rule);
    if (!made->context) return;
    dualprop_network_destroy(made->network);
    dualprop_context_destroy(made->context);
}

dualprop_view image_inputs(struct image_network *of)
{
    return matrix_view(of->x, DUALPROP_F64, IMAGE_BATCH, IMAGE_INPUTS);
}

dualprop_view image_targets(struct image_network *of)
{
    return matrix_view(of->y, DUALPROP_F64, IMAGE_BATCH, IMAGE_CLASSES);
}

void image_infer(struct image_network *of)
{
    dualprop_view inputs = image_inputs(of), targets = image_targets(of);
    expect_ok(dualprop_infer_view(of->state, &inputs, &targets));
}

void image_gradient(struct image_network *of)
{
    image_infer(of);
    expect_ok(dualprop_gradient(of->optimizer, of->state));
}

int64_t image_read(double *reals, struct image_network *of, int k, int which)
{
    dualprop_layer *layer;
    int64_t width = IMAGE_INPUTS;
    if (k > 0) {
        expect_ok(dualprop_network_layer(&layer, of->network, k));
        expect_ok(dualprop_layer_info(NULL, &width, NULL, layer));
    }
    dualprop_view view = matrix_view(reals, DUALPROP_F64, IMAGE_BATCH, width);
    expect_ok(dualprop_state_read(&view, of->state, k, which));
    return IMAGE_BATCH * width;
}

/* A contiguous view of parameter number index; gives its number of elements. */
static int64_t parameter_view(dualprop_view *view, char name[32], const struct image_network *of, int index,
                              double *reals)
{
    int64_t count = 1;
    *view = (dualprop_view){ .struct_size = sizeof *view, .data = reals, .type = DUALPROP_F64 };
    expect_ok(dualprop_network_parameter(name, 32, view->shape, &view->rank, of->network, index));
    for (int axis = view->rank - 1; axis >= 0; axis--) {
        view->strides[axis] = count;
        count *= view->shape[axis];
    }
    ck_assert_int_le(count, IMAGE_MOST);
    return count;
}

int64_t image_parameter(double *reals, const struct image_network *of, int index, int gradient)
{
    char name[32];
    dualprop_view view;
    int64_t count = parameter_view(&view, name, of, index, reals);
    if (gradient) expect_ok(dualprop_gradient_read(&view, of->optimizer, name));
    else expect_ok(dualprop_network_read(&view, of->network, name));
    return count;
}

void image_set_parameter(struct image_network *of, int index, double *reals)
{
    char name[32];
    dualprop_view view;
    parameter_view(&view, name, of, index, reals);
    expect_ok(dualprop_network_write(of->network, name, &view));
}

double image_error(struct image_network *of, struct image_network *twin)
{
    double worst = 0;
    for (int k = 1; k <= IMAGE_LAYERS; k++) {
        double other, difference;
        expect_ok(dualprop_gradient_compare(NULL, NULL, &other, &difference, of->optimizer, twin->optimizer, k));
        worst = comparison_larger(worst, difference / other);
    }
    return worst;
}
