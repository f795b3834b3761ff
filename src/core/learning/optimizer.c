/*
 * optimizer.c - the optimizer's memory and settings, and the learning rate of a step.
 */
#include <math.h>

#include "group_gradient.h"

static const double PI = 3.14159265358979323846;

/* ---- kinds ---- */

static const struct dualprop__optimizer_row OPTIMIZER_ROWS[] = {
    [DUALPROP_SGD] = { .moments = 1, .learning_rate = 0.025, .largest = { { 1.0001e300, 0 }, { 1.0001e30, 0 } } },
    [DUALPROP_ADAM] = { .moments = 2,
                        .is_adaptive = 1,
                        .learning_rate = 1e-3,
                        .largest = { { 1e151, 1e301 }, { 1e19, 1e37 } } },
    [DUALPROP_ADAMW] = { .moments = 2,
                         .is_adaptive = 1,
                         .learning_rate = 1e-3,
                         .weight_decay = 0.01,
                         .largest = { { 1e151, 1e301 }, { 1e19, 1e37 } } },
    [DUALPROP_PLAIN_SGD] = { .learning_rate = 0.025 },
};

const struct dualprop__optimizer_row *dualprop__optimizer_row_of(int kind)
{
    int is_known = kind >= 0 && (size_t)kind < sizeof OPTIMIZER_ROWS / sizeof *OPTIMIZER_ROWS;
    return is_known ? &OPTIMIZER_ROWS[kind] : NULL;
}

/* ---- memory ---- */

static int moment_count(int kind)
{
    return dualprop__optimizer_row_of(kind)->moments;
}

static dualprop_status create_learning(struct dualprop__learning *learning, const dualprop_layer *layer, int kind,
                                       int is_fused)
{
    dualprop_context *context = layer->network->context;
    if (!is_fused) {
        DUALPROP__TRY(dualprop__reals_create(context, &learning->weight_gradient, layer->weight_elements));
        DUALPROP__TRY(dualprop__reals_create(context, &learning->bias_gradient, layer->bias_elements));
    }
    for (int i = 0; i < moment_count(kind); i++) {
        DUALPROP__TRY(dualprop__reals_create(context, &learning->moments[i], layer->weight_elements));
        DUALPROP__TRY(dualprop__reals_create(context, &learning->moments[2 + i], layer->bias_elements));
    }
    for (int i = 0; i < moment_count(kind) && layer->network->feedback == DUALPROP_FEEDBACK_KOLEN_POLLACK; i++)
        DUALPROP__TRY(dualprop__reals_create(context, &learning->feedback_moments[i], layer->weight_elements));
    return DUALPROP_OK;
}

static void destroy_learning(struct dualprop__learning *learning, const dualprop_layer *layer)
{
    dualprop_context *context = layer->network->context;
    for (int i = 0; i < 2; i++) dualprop__reals_destroy(context, learning->feedback_moments[i], layer->weight_elements);
    for (int i = 0; i < 4; i++)
        dualprop__reals_destroy(context, learning->moments[i], i < 2 ? layer->weight_elements : layer->bias_elements);
    dualprop__reals_destroy(context, learning->bias_gradient, layer->bias_elements);
    dualprop__reals_destroy(context, learning->weight_gradient, layer->weight_elements);
}

static void set_optimizer_defaults(dualprop_optimizer *optimizer, int kind)
{
    const struct dualprop__optimizer_row *row = dualprop__optimizer_row_of(kind);
    optimizer->kind = kind;
    optimizer->learning_rate = row->learning_rate;
    optimizer->momentum = row->moments > 0 ? 0.9 : 0;
    optimizer->beta1 = 0.9;
    optimizer->beta2 = 0.999;
    optimizer->epsilon = 1e-8;
    optimizer->weight_decay = row->weight_decay;
}

static dualprop_status create_bare_optimizer(dualprop_optimizer **out, dualprop_network *network, int kind)
{
    dualprop_context *context = network->context;
    dualprop_optimizer *optimizer = dualprop__allocate(context, sizeof *optimizer);
    if (!optimizer) return DUALPROP_ERROR_NO_MEMORY;
    optimizer->magic = DUALPROP__OPTIMIZER;
    optimizer->context = context;
    optimizer->network = network;
    set_optimizer_defaults(optimizer, kind);
    dualprop__network_retain(network);
    optimizer->layers = dualprop__allocate_array(context, (size_t)network->layer_count, sizeof *optimizer->layers);
    if (!optimizer->layers) {
        dualprop_optimizer_destroy(optimizer);
        return DUALPROP_ERROR_NO_MEMORY;
    }
    *out = optimizer;
    return DUALPROP_OK;
}

static dualprop_status create_optimizer(dualprop_optimizer **out, dualprop_network *network, int kind, int is_fused)
{
    dualprop_optimizer *optimizer;
    DUALPROP__TRY(create_bare_optimizer(&optimizer, network, kind));
    optimizer->is_fused = is_fused;
    for (int k = 0; k < network->layer_count; k++) {
        dualprop_status status = create_learning(&optimizer->layers[k], network->layers[k], kind, is_fused);
        if (status != DUALPROP_OK) {
            dualprop_optimizer_destroy(optimizer);
            return status;
        }
    }
    atomic_store(&network->sealed, 1);
    *out = optimizer;
    return DUALPROP_OK;
}

/* As create_learning() takes. */
static uint64_t bytes_of_learning(const dualprop_layer *layer, int kind, int fused)
{
    const dualprop_context *context = layer->network->context;
    int moments = moment_count(kind), of_biases = moments + !fused;
    int of_weights = of_biases + (layer->network->feedback == DUALPROP_FEEDBACK_KOLEN_POLLACK ? moments : 0);
    return (uint64_t)of_weights * dualprop__reals_bytes(context, layer->weight_elements) +
           (uint64_t)of_biases * dualprop__reals_bytes(context, layer->bias_elements);
}

static uint64_t bytes_of_optimizer(const dualprop_network *network, int kind, int fused)
{
    uint64_t sum = dualprop__block_bytes(sizeof(dualprop_optimizer)) +
                   dualprop__block_bytes((uint64_t)network->layer_count * sizeof(struct dualprop__learning));
    for (int k = 0; k < network->layer_count; k++) sum += bytes_of_learning(network->layers[k], kind, fused);
    return sum;
}

static const char *what_needs_gradients(const dualprop_network *network)
{
    if (dualprop__network_has_custom_maps(network)) return "linear maps of the caller's own";
    return network->feedback == DUALPROP_FEEDBACK_KOLEN_POLLACK ? "feedback weights that learn"
                                                                : "learning steps of the caller's own";
}

static dualprop_status check_optimized(dualprop_network *network, int kind, int fused, const char *function)
{
    DUALPROP__TRY(dualprop__check_handle(network, DUALPROP__NETWORK, "network", function));
    DUALPROP__TRY(dualprop__context_enter(network->context));
    DUALPROP__REQUIRE(network->context, dualprop__optimizer_row_of(kind), DUALPROP_ERROR_INVALID_ARGUMENT,
                      "kind is %d; expected DUALPROP_SGD, _ADAM, _ADAMW or _PLAIN_SGD", kind);
    DUALPROP__REQUIRE(network->context, network->layer_count > 0, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "network has no layers; add one first");
    DUALPROP__REQUIRE(network->context, !fused || dualprop__needs_no_gradient(network), DUALPROP_ERROR_UNSUPPORTED,
                      "%s need a gradient in memory; expected dualprop_optimizer_create()",
                      what_needs_gradients(network));
    return DUALPROP_OK;
}

static dualprop_status check_and_create(dualprop_optimizer **out, dualprop_network *network, int kind, int fused,
                                        const char *function)
{
    DUALPROP__REQUIRE(NULL, out, DUALPROP_ERROR_INVALID_ARGUMENT, "optimizer is NULL; expected a place for the result");
    *out = NULL;
    DUALPROP__TRY(check_optimized(network, kind, fused, function));
    DUALPROP__TRY(dualprop__network_check_real(network));
    return dualprop__whole_memory(network->context, create_optimizer(out, network, kind, fused), "an optimizer",
                                  bytes_of_optimizer(network, kind, fused), "dualprop_optimizer_memory_needed");
}

dualprop_status dualprop_optimizer_create(dualprop_optimizer **out, dualprop_network *network, int kind)
{
    return check_and_create(out, network, kind, 0, __func__);
}

dualprop_status dualprop_optimizer_create_fused(dualprop_optimizer **out, dualprop_network *network, int kind)
{
    return check_and_create(out, network, kind, 1, __func__);
}

dualprop_status dualprop_optimizer_memory_needed(uint64_t *bytes, dualprop_network *network, int kind, int fused)
{
    DUALPROP__REQUIRE(NULL, bytes, DUALPROP_ERROR_INVALID_ARGUMENT, "bytes is NULL; expected a place for the result");
    DUALPROP__TRY(check_optimized(network, kind, fused, __func__));
    DUALPROP__REQUIRE(network->context, fused == 0 || fused == 1, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "fused is %d; expected 0 or 1", fused);
    *bytes = bytes_of_optimizer(network, kind, fused);
    return DUALPROP_OK;
}

void dualprop_optimizer_destroy(dualprop_optimizer *optimizer)
{
    if (!optimizer || optimizer->magic != DUALPROP__OPTIMIZER) return;
    dualprop_context *context = optimizer->context;
    dualprop_network *network = optimizer->network;
    (void)dualprop__settle_step(optimizer);
    dualprop__group_sums_destroy(optimizer);
    if (optimizer->layers)
        for (int k = 0; k < network->layer_count; k++) destroy_learning(&optimizer->layers[k], network->layers[k]);
    dualprop__release(context, optimizer->layers);
    optimizer->magic = DUALPROP__DEAD;
    dualprop__release(context, optimizer);
    dualprop__network_release(network);
}

/* ---- one call at a time ---- */

dualprop_status dualprop__optimizer_enter(dualprop_optimizer *optimizer, const char *function)
{
    DUALPROP__TRY(dualprop__check_handle(optimizer, DUALPROP__OPTIMIZER, "optimizer", function));
    DUALPROP__TRY(dualprop__context_enter(optimizer->context));
    DUALPROP__TRY(dualprop__enter(optimizer->context, &optimizer->busy, "optimizer"));
    dualprop_status status = dualprop__settle_step(optimizer);
    if (status != DUALPROP_OK) dualprop__optimizer_leave(optimizer);
    return status;
}

void dualprop__optimizer_leave(dualprop_optimizer *optimizer)
{
    dualprop__leave(&optimizer->busy);
}

/* ---- settings ---- */

static int is_at_least(double value, double least)
{
    return isfinite(value) && value >= least;
}

static int is_decay(double value)
{
    return isfinite(value) && value >= 0 && value < 1;
}

dualprop_status dualprop_optimizer_set_learning_rate(dualprop_optimizer *optimizer, double learning_rate)
{
    DUALPROP__REQUIRE_HANDLE(optimizer, DUALPROP__OPTIMIZER);
    DUALPROP__REQUIRE(optimizer->context, is_at_least(learning_rate, 0), DUALPROP_ERROR_INVALID_ARGUMENT,
                      "learning_rate is %g; expected a finite number >= 0", learning_rate);
    optimizer->learning_rate = learning_rate;
    return DUALPROP_OK;
}

static dualprop_status check_momentum(const dualprop_optimizer *optimizer, double momentum)
{
    DUALPROP__REQUIRE(optimizer->context, is_decay(momentum), DUALPROP_ERROR_INVALID_ARGUMENT,
                      "momentum is %g; expected 0 <= momentum < 1", momentum);
    return DUALPROP_OK;
}

dualprop_status dualprop_optimizer_set_momentum(dualprop_optimizer *optimizer, double momentum)
{
    DUALPROP__REQUIRE_HANDLE(optimizer, DUALPROP__OPTIMIZER);
    DUALPROP__TRY(check_momentum(optimizer, momentum));
    DUALPROP__REQUIRE(optimizer->context, optimizer->kind == DUALPROP_SGD, DUALPROP_ERROR_UNSUPPORTED,
                      "momentum is SGD's, and this optimizer is %s, which has %s",
                      dualprop_name(DUALPROP_NAMES_OPTIMIZER, optimizer->kind),
                      dualprop__is_adaptive(optimizer) ? "dualprop_optimizer_set_moments()"
                                                       : "no moments; create one of DUALPROP_SGD");
    optimizer->momentum = momentum;
    return DUALPROP_OK;
}

/* Squares of gradients may vanish; then the step is m / epsilon, where |m| is below the root of the least square. */
static double least_epsilon(const dualprop_context *context)
{
    return context->precision == DUALPROP_F32 ? 1e-30 : 1e-150;
}

static dualprop_status check_moments(const dualprop_optimizer *optimizer, double beta1, double beta2, double epsilon)
{
    DUALPROP__REQUIRE(optimizer->context, is_decay(beta1) && is_decay(beta2), DUALPROP_ERROR_INVALID_ARGUMENT,
                      "beta1, beta2 are %g, %g; expected 0 <= beta < 1", beta1, beta2);
    DUALPROP__REQUIRE(optimizer->context, is_at_least(epsilon, least_epsilon(optimizer->context)),
                      DUALPROP_ERROR_INVALID_ARGUMENT, "epsilon is %g; expected a finite number >= %g", epsilon,
                      least_epsilon(optimizer->context));
    return DUALPROP_OK;
}

dualprop_status dualprop_optimizer_set_moments(dualprop_optimizer *optimizer, double beta1, double beta2,
                                               double epsilon)
{
    DUALPROP__REQUIRE_HANDLE(optimizer, DUALPROP__OPTIMIZER);
    DUALPROP__TRY(check_moments(optimizer, beta1, beta2, epsilon));
    DUALPROP__REQUIRE(optimizer->context, dualprop__is_adaptive(optimizer), DUALPROP_ERROR_UNSUPPORTED,
                      "beta1, beta2 and epsilon are Adam's, and this optimizer is %s, which has %s",
                      dualprop_name(DUALPROP_NAMES_OPTIMIZER, optimizer->kind),
                      optimizer->kind == DUALPROP_SGD ? "dualprop_optimizer_set_momentum()" : "no moments");
    optimizer->beta1 = beta1;
    optimizer->beta2 = beta2;
    optimizer->epsilon = epsilon;
    return DUALPROP_OK;
}

dualprop_status dualprop__optimizer_restore(dualprop_optimizer *optimizer, double momentum, double beta1, double beta2,
                                            double epsilon)
{
    DUALPROP__TRY(check_momentum(optimizer, momentum));
    DUALPROP__TRY(check_moments(optimizer, beta1, beta2, epsilon));
    optimizer->momentum = moment_count(optimizer->kind) > 0 ? momentum : 0;
    optimizer->beta1 = beta1;
    optimizer->beta2 = beta2;
    optimizer->epsilon = epsilon;
    return DUALPROP_OK;
}

dualprop_status dualprop_optimizer_set_weight_decay(dualprop_optimizer *optimizer, double weight_decay)
{
    DUALPROP__REQUIRE_HANDLE(optimizer, DUALPROP__OPTIMIZER);
    DUALPROP__REQUIRE(optimizer->context, is_at_least(weight_decay, 0), DUALPROP_ERROR_INVALID_ARGUMENT,
                      "weight_decay is %g; expected a finite number >= 0", weight_decay);
    optimizer->weight_decay = weight_decay;
    return DUALPROP_OK;
}

dualprop_status dualprop_optimizer_set_schedule(dualprop_optimizer *optimizer, int schedule, double start, double end,
                                                int64_t warmup, int64_t decay)
{
    DUALPROP__REQUIRE_HANDLE(optimizer, DUALPROP__OPTIMIZER);
    DUALPROP__REQUIRE(optimizer->context, schedule == DUALPROP_RATE_CONSTANT || schedule == DUALPROP_RATE_WARMUP_COSINE,
                      DUALPROP_ERROR_INVALID_ARGUMENT,
                      "schedule is %d; expected DUALPROP_RATE_CONSTANT or _WARMUP_COSINE", schedule);
    if (schedule == DUALPROP_RATE_WARMUP_COSINE) {
        DUALPROP__REQUIRE(optimizer->context, is_at_least(start, 0) && is_at_least(end, 0),
                          DUALPROP_ERROR_INVALID_ARGUMENT, "start, end are %g, %g; expected finite numbers >= 0", start,
                          end);
        DUALPROP__REQUIRE(optimizer->context, warmup >= 0 && decay >= warmup, DUALPROP_ERROR_INVALID_ARGUMENT,
                          "warmup, decay are %lld, %lld; expected 0 <= warmup <= decay", (long long)warmup,
                          (long long)decay);
        optimizer->rate_start = start;
        optimizer->rate_end = end;
        optimizer->rate_warmup = warmup;
        optimizer->rate_decay = decay;
    }
    optimizer->schedule = schedule;
    return DUALPROP_OK;
}

dualprop_status dualprop_optimizer_set_clip(dualprop_optimizer *optimizer, double norm)
{
    DUALPROP__REQUIRE_HANDLE(optimizer, DUALPROP__OPTIMIZER);
    DUALPROP__REQUIRE(optimizer->context, is_at_least(norm, 0), DUALPROP_ERROR_INVALID_ARGUMENT,
                      "norm is %g; expected a finite number >= 0", norm);
    if (norm > 0) DUALPROP__TRY(dualprop__gradient_check_kept(optimizer));
    optimizer->clip = norm;
    return DUALPROP_OK;
}

dualprop_status dualprop_optimizer_info(int *kind, int64_t *steps, double *learning_rate,
                                        const dualprop_optimizer *optimizer)
{
    DUALPROP__REQUIRE_HANDLE(optimizer, DUALPROP__OPTIMIZER);
    if (kind) *kind = optimizer->kind;
    if (steps) *steps = optimizer->steps;
    if (learning_rate) *learning_rate = dualprop__optimizer_rate(optimizer);
    return DUALPROP_OK;
}

/* Linear from start to the peak, a cosine down to end, then flat; by the number of steps already made. */
double dualprop__optimizer_rate(const dualprop_optimizer *optimizer)
{
    double peak = optimizer->learning_rate, step = (double)optimizer->steps;
    double warmup = (double)optimizer->rate_warmup, decay = (double)optimizer->rate_decay;
    if (optimizer->schedule == DUALPROP_RATE_CONSTANT) return peak;
    if (step < warmup) return optimizer->rate_start + (peak - optimizer->rate_start) * step / warmup;
    if (step >= decay) return optimizer->rate_end;
    double turned = PI * (step - warmup) / (decay - warmup);
    return optimizer->rate_end + (peak - optimizer->rate_end) * 0.5 * (1.0 + cos(turned));
}
