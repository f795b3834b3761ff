/*
 * model.c - see model.h.
 */
#include "model.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

double model_activate(int activation, double a)
{
    switch (activation) {
    case DUALPROP_RELU: return a > 0 ? a : 0;
    case DUALPROP_LEAKY_RELU: return a > 0 ? a : 0.01 * a;
    case DUALPROP_HARD_SIGMOID: return a < 0 ? 0 : a > 1 ? 1 : a;
    case DUALPROP_SIGMOID: return 1 / (1 + exp(-a));
    case DUALPROP_TANH: return tanh(a);
    default: return a;
    }
}

double model_slope(int activation, double a)
{
    switch (activation) {
    case DUALPROP_RELU: return a > 0;
    case DUALPROP_LEAKY_RELU: return a > 0 ? 1 : 0.01;
    case DUALPROP_HARD_SIGMOID: return a > 0 && a < 1;
    case DUALPROP_SIGMOID: return model_activate(activation, a) * (1 - model_activate(activation, a));
    case DUALPROP_TANH: return 1 - tanh(a) * tanh(a);
    default: return 1;
    }
}

static int activation_of(const struct model *model, int k)
{
    return k == 0 || k == model->layers ? DUALPROP_IDENTITY : model->activation;
}

double model_mean(const struct model *model, int k, int64_t b, int64_t i)
{
    double alpha = model->alpha[k][i];
    int64_t at = b * model->widths[k] + i;
    return alpha * model->plus[k][at] + (1 - alpha) * model->minus[k][at];
}

/* a_k of neuron i of sample b; x where k is 0. */
static double bottom_up(const struct model *model, int k, int64_t b, int64_t i)
{
    if (k == 0) return model->of->x[b * model->widths[0] + i];
    double sum = model->bias[k][i];
    for (int64_t j = 0; j < model->widths[k - 1]; j++)
        sum += model_mean(model, k - 1, b, j) * model->weight[k][j * model->widths[k] + i];
    return sum;
}

/* Delta_k = sum over j of W_k delta_{k+1}, with the next layer's slope in it for LeCun's variant. */
static double top_down(const struct model *model, int k, int64_t b, int64_t i)
{
    double sum = 0;
    int64_t above = model->widths[k + 1];
    for (int64_t j = 0; j < above; j++) {
        double delta = model->plus[k + 1][b * above + j] - model->minus[k + 1][b * above + j];
        if (model->straight) delta *= model_slope(activation_of(model, k + 1), bottom_up(model, k + 1, b, j));
        sum += model->feedback[k + 1][i * above + j] * delta;
    }
    return sum;
}

/* beta loss'(s) of sample b at class i. */
static double nudge(const struct model *model, const double *s, int64_t b, int64_t i)
{
    int64_t classes = model->widths[model->layers];
    const double *y = model->of->y + b * classes;
    double beta = model->beta[model->layers], sum = 0;
    if (model->loss == DUALPROP_MSE) return beta * (s[i] - y[i]);
    for (int64_t j = 0; j < classes; j++) sum += exp(s[j]);
    return beta * (exp(s[i]) / sum - y[i]);
}

/* The neuron's new states, from bottom-up and top-down input and its old ones. */
static void settle(struct model *model, int k, int64_t at, int64_t i, double a, double down, double *plus,
                   double *minus)
{
    double alpha = model->alpha[k][i], rest = 1 - alpha;
    double strength = k == 0 ? model->robustness : k == model->layers ? 1 : model->beta[k] / model->beta[k + 1];
    double high = strength * (model->adjoint ? rest : alpha), low = strength * (model->adjoint ? alpha : rest);
    double damping = k == model->layers ? 0 : model->damping[k], old_plus = model->plus[k][at],
           old_minus = model->minus[k][at];
    int f = activation_of(model, k);
    if (model->straight) {
        *plus = model_activate(f, a) + high * down;
        *minus = model_activate(f, a) - low * down;
    } else {
        *plus = model_activate(f, (a + high * down + damping * old_plus) / (1 + damping));
        *minus = model_activate(f, (a - low * down + damping * old_minus) / (1 + damping));
    }
    *plus = old_plus + model->time_step * (*plus - old_plus);
    *minus = old_minus + model->time_step * (*minus - old_minus);
}

/* Squared error's steps, each as its own minimisation says. */
static void settle_squared(struct model *model, int64_t b, int64_t i, double a, double *plus, double *minus)
{
    int top = model->layers;
    int64_t classes = model->widths[top], at = b * classes + i;
    double alpha = model->alpha[top][i], beta = model->beta[top], y = model->of->y[at];
    if (model->output_step == DUALPROP_OUTPUT_EXACT) {
        *plus = (a + alpha * beta * y) / (1 + alpha * beta);
        *minus = (a - (1 - alpha) * beta * y) / (1 - (1 - alpha) * beta);
    } else {
        double tilt = (2 * alpha - 1) * beta, mean = (a + tilt * y) / (1 + tilt), delta = -beta * (mean - y);
        *plus = mean + (1 - alpha) * delta;
        *minus = mean - alpha * delta;
    }
    *plus = model->plus[top][at] + model->time_step * (*plus - model->plus[top][at]);
    *minus = model->minus[top][at] + model->time_step * (*minus - model->minus[top][at]);
}

static void respond(struct model *model, int k, double *plus, double *minus)
{
    int top = model->layers;
    int64_t width = model->widths[k];
    for (int64_t b = 0; b < model->batch; b++) {
        double a[SMALL_MAX_REALS];
        for (int64_t i = 0; i < width; i++) a[i] = bottom_up(model, k, b, i);
        const double *at = model->at_prediction ? model->prediction + b * width : a;
        for (int64_t i = 0; i < width; i++) {
            double *p = plus + b * width + i, *m = minus + b * width + i;
            if (k == top && model->output_step != DUALPROP_OUTPUT_LINEAR) settle_squared(model, b, i, a[i], p, m);
            else
                settle(model, k, b * width + i, i, a[i], k == top ? -nudge(model, at, b, i) : top_down(model, k, b, i),
                       p, m);
        }
    }
}

void model_listen(struct model *model, int k)
{
    double plus[SMALL_MAX_REALS], minus[SMALL_MAX_REALS];
    size_t bytes = (size_t)(model->batch * model->widths[k]) * sizeof *plus;
    respond(model, k, plus, minus);
    memcpy(model->plus[k], plus, bytes);
    memcpy(model->minus[k], minus, bytes);
}

void model_run(struct model *model, const int *order, int count)
{
    for (int i = 0; i < count; i++) model_listen(model, order[i]);
}

void model_jacobi(struct model *model, int lowest)
{
    static double plus[SMALL_MAX_LAYERS + 1][SMALL_MAX_REALS], minus[SMALL_MAX_LAYERS + 1][SMALL_MAX_REALS];
    for (int k = lowest; k <= model->layers; k++) respond(model, k, plus[k], minus[k]);
    for (int k = lowest; k <= model->layers; k++) {
        size_t bytes = (size_t)(model->batch * model->widths[k]) * sizeof(double);
        memcpy(model->plus[k], plus[k], bytes);
        memcpy(model->minus[k], minus[k], bytes);
    }
}

void model_start(struct model *model)
{
    for (int64_t i = 0; i < model->batch * model->widths[0]; i++)
        model->plus[0][i] = model->minus[0][i] = model->of->x[i];
    for (int k = 1; k <= model->layers; k++)
        for (int64_t b = 0; b < model->batch; b++)
            for (int64_t i = 0; i < model->widths[k]; i++) {
                double s = model_activate(activation_of(model, k), bottom_up(model, k, b, i));
                model->plus[k][b * model->widths[k] + i] = model->minus[k][b * model->widths[k] + i] = s;
            }
    memcpy(model->prediction, model->plus[model->layers],
           (size_t)(model->batch * model->widths[model->layers]) * sizeof(double));
}

static void read_parameters(struct model *model, int k)
{
    const struct small_network *small = model->of;
    dualprop_view view = { .struct_size = sizeof view,
                           .data = model->weight[k],
                           .type = DUALPROP_F64,
                           .rank = 2,
                           .shape = { model->widths[k - 1], model->widths[k] },
                           .strides = { model->widths[k], 1 } };
    char name[32];
    snprintf(name, sizeof name, "layer%d.weight", k);
    ck_assert_int_eq(dualprop_network_read(&view, small->network, name), DUALPROP_OK);
    memcpy(model->feedback[k], model->weight[k], sizeof model->weight[k]);
    view.data = model->feedback[k];
    if (small->plan.feedback) ck_assert_int_eq(dualprop_network_read_feedback(&view, small->network, k), DUALPROP_OK);
    dualprop_view bias = { .struct_size = sizeof view,
                           .data = model->bias[k],
                           .type = DUALPROP_F64,
                           .rank = 1,
                           .shape = { model->widths[k] },
                           .strides = { 1 } };
    snprintf(name, sizeof name, "layer%d.bias", k);
    ck_assert_int_eq(dualprop_network_read(&bias, small->network, name), DUALPROP_OK);
}

static int is_adjoint(int variant)
{
    return variant == DUALPROP_DP_ADJOINT || variant == DUALPROP_FENCHEL || variant == DUALPROP_LECUN;
}

void model_create(struct model *model, const struct small_network *small)
{
    const struct small_plan *plan = &small->plan;
    double alpha;
    memset(model, 0, sizeof *model);
    model->of = small;
    model->layers = plan->layers;
    model->batch = plan->batch;
    memcpy(model->widths, plan->widths, sizeof model->widths);
    model->activation = plan->activation;
    model->adjoint = is_adjoint(plan->variant);
    model->straight = plan->variant == DUALPROP_LECUN;
    model->loss = plan->loss;
    model->output_step = model->adjoint ? DUALPROP_OUTPUT_LINEAR : plan->output_step;
    model->at_prediction = plan->nudge_at == DUALPROP_NUDGE_AT_PREDICTION;
    model->time_step = 1;
    ck_assert_int_eq(dualprop_rule_get_alpha(&alpha, small->rule), DUALPROP_OK);
    for (int k = 0; k <= plan->layers; k++) {
        for (int64_t i = 0; i < plan->widths[k]; i++) model->alpha[k][i] = alpha;
        model->beta[k] = plan->beta;
        if (k > 0) read_parameters(model, k);
    }
    model_start(model);
}

void model_gradient(double *weight, double *bias, const struct model *model, int k)
{
    int64_t inputs = model->widths[k - 1], outputs = model->widths[k];
    double scale = -1 / (model->beta[k] * (double)model->batch);
    memset(weight, 0, (size_t)(inputs * outputs) * sizeof *weight);
    memset(bias, 0, (size_t)outputs * sizeof *bias);
    for (int64_t b = 0; b < model->batch; b++)
        for (int64_t j = 0; j < outputs; j++) {
            double delta = scale * (model->plus[k][b * outputs + j] - model->minus[k][b * outputs + j]);
            if (model->straight) delta *= model_slope(activation_of(model, k), bottom_up(model, k, b, j));
            bias[j] += delta;
            for (int64_t i = 0; i < inputs; i++) weight[i * outputs + j] += delta * model_mean(model, k - 1, b, i);
        }
}

/* ---- the objective ---- */

static double loss_of(const struct model *model, const double *s, int64_t b)
{
    int64_t classes = model->widths[model->layers];
    const double *y = model->of->y + b * classes;
    double sum = 0, value = 0;
    if (model->loss == DUALPROP_MSE) {
        for (int64_t i = 0; i < classes; i++) value += (s[i] - y[i]) * (s[i] - y[i]) / 2;
        return value;
    }
    for (int64_t i = 0; i < classes; i++) sum += exp(s[i]);
    for (int64_t i = 0; i < classes; i++) value += y[i] * (log(sum) - s[i]);
    return value;
}

/* E_k(s+, sbar) - E_k(s-, sbar) = 1/2 s+^2 - 1/2 s-^2 - (s+ - s-) a, summed over the layer. */
static double contrast(const struct model *model, int k, int64_t b)
{
    double sum = 0;
    for (int64_t i = 0; i < model->widths[k]; i++) {
        double p = model->plus[k][b * model->widths[k] + i], m = model->minus[k][b * model->widths[k] + i];
        sum += (p * p - m * m) / 2 - (p - m) * bottom_up(model, k, b, i);
    }
    return sum;
}

static double output_loss(const struct model *model, int64_t b)
{
    int top = model->layers;
    int64_t classes = model->widths[top];
    double mean[SMALL_MAX_REALS], alpha = model->alpha[top][0];
    if (model->output_step == DUALPROP_OUTPUT_SPROVR) {
        for (int64_t i = 0; i < classes; i++) mean[i] = model_mean(model, top, b, i);
        return loss_of(model, mean, b);
    }
    return alpha * loss_of(model, model->plus[top] + b * classes, b) +
           (1 - alpha) * loss_of(model, model->minus[top] + b * classes, b);
}

double model_objective(const struct model *model)
{
    double sum = 0;
    for (int64_t b = 0; b < model->batch; b++) {
        sum += output_loss(model, b);
        for (int k = 1; k <= model->layers; k++) sum += contrast(model, k, b) / model->beta[k];
        if (model->robustness > 0) sum += contrast(model, 0, b) / (model->beta[1] * model->robustness);
    }
    return sum / (double)model->batch;
}
