/*
 * spectral.c - spectral norms of linear maps by power iteration: one layer's, or all layers' one after another.
 *
 * With v a unit vector, u = W v and w = W^T u/|u|, |u| <= |w| <= ||W||_2, and v <- w/|w| brings both closer: their
 * error falls as (sigma_2/sigma_1)^4 a step. All in double: see norm_maps.c.
 */
#include <float.h>
#include <math.h>

#include "diagnostics_internal.h"
#include "math/formulas.h"

#define MOST_ITERATIONS 1000000

/* Philox's streams here, apart from those of dualprop_network_initialize(), which count layers from 1. */
#define STREAM ((uint64_t)1 << 40)

/* ---- linear maps on one vector ---- */

/*
 * One layer is taken without its pooling; where there are several, pooling is on the way, and max pooling goes down
 * through the switches that the vector itself chose: the norm is then of the network as the vector sees it, which a
 * Lipschitz constant of all its inputs can only exceed.
 */
static dualprop_status map_up(dualprop_state *maps, int k, void *to, const void *from, int alone)
{
    return alone ? dualprop__map_linear_up(maps, k, to, from) : dualprop__map_pooled_up(maps, k, to, from);
}

static dualprop_status map_down(dualprop_state *maps, int k, void *to, const void *from, int alone)
{
    return alone ? dualprop__map_linear_down(maps, k, to, from) : dualprop__map_pooled_down(maps, k, to, from);
}

/* Layers first..last, with or without pooling between them; the state's arrays hold what is on the way. */
struct span {
    dualprop_state *maps;
    int first, last, alone;
};

static dualprop_status go_up(const struct span *span)
{
    for (int k = span->first; k <= span->last; k++) {
        const struct dualprop__dyads *below = dualprop__below(span->maps, k);
        const void *from = k == span->first ? below->arrays.mean : below->arrays.a;
        DUALPROP__TRY(map_up(span->maps, k, span->maps->dyads[k].arrays.a, from, span->alone));
    }
    return DUALPROP_OK;
}

static dualprop_status go_down(const struct span *span)
{
    for (int k = span->last; k >= span->first; k--) {
        const struct dualprop__dyads *own = &span->maps->dyads[k], *below = dualprop__below(span->maps, k);
        const void *from = k == span->last ? own->arrays.delta : own->arrays.top_down;
        void *to = k == span->first ? below->arrays.mean : below->arrays.top_down;
        DUALPROP__TRY(map_down(span->maps, k, to, from, span->alone));
    }
    return DUALPROP_OK;
}

static dualprop_status copy_vector_out(double *values, const struct span *span, const void *memory, int64_t count)
{
    const dualprop_context *context = span->maps->context;
    return context->backend.copy_out(context->instance, values, memory, (size_t)count * sizeof *values);
}

static dualprop_status copy_vector_in(void *memory, const struct span *span, const double *values, int64_t count)
{
    const dualprop_context *context = span->maps->context;
    return context->backend.copy_in(context->instance, memory, values, (size_t)count * sizeof *values);
}

/* ---- the iteration ---- */

static void draw_vector(double *vector, int64_t count, int which)
{
    for (int64_t i = 0; i < count; i++)
        vector[i] = dualprop__uniform_f64(dualprop__philox_word(0, STREAM + (uint64_t)which, (uint64_t)i)) - 0.5;
    dualprop__normalize(vector, DUALPROP_F64, count);
}

/*
 * vector <- W^T W vector, normalised; returns |W^T u| for the unit vector u along W vector, which image has room for.
 */
static dualprop_status iterate_span(double *norm, double *vector, double *image, const struct span *span)
{
    struct dualprop__dyads *below = dualprop__below(span->maps, span->first), *top = &span->maps->dyads[span->last];
    int64_t width = span->alone ? dualprop__map_width(top->layer) : top->width;
    DUALPROP__TRY(copy_vector_in(below->arrays.mean, span, vector, below->width));
    DUALPROP__TRY(go_up(span));
    DUALPROP__TRY(copy_vector_out(image, span, top->arrays.a, width));
    *norm = dualprop__normalize(image, DUALPROP_F64, width);
    if (!(*norm > 0 && isfinite(*norm))) return DUALPROP_OK;
    DUALPROP__TRY(copy_vector_in(top->arrays.delta, span, image, width));
    DUALPROP__TRY(go_down(span));
    DUALPROP__TRY(copy_vector_out(vector, span, below->arrays.mean, below->width));
    *norm = dualprop__normalize(vector, DUALPROP_F64, below->width);
    return DUALPROP_OK;
}

static dualprop_status check_not_cancelled(const dualprop_context *context)
{
    DUALPROP__REQUIRE(context, !atomic_load(&context->cancelled), DUALPROP_ERROR_CANCELLED,
                      "cancelled by dualprop_context_cancel()");
    return DUALPROP_OK;
}

static dualprop_status power_iteration(double *norm, dualprop_diagnostics *diagnostics, int which,
                                       const struct span *span, int iterations)
{
    double previous = -1, *vector = diagnostics->vectors[which];
    if (!diagnostics->begun[which]) draw_vector(vector, dualprop__below(span->maps, span->first)->width, which);
    diagnostics->begun[which] = 0; /* A failure on the way leaves no vector to go on from. */
    for (int i = 0; i < iterations; i++) {
        double now;
        DUALPROP__TRY(check_not_cancelled(diagnostics->context));
        DUALPROP__TRY(iterate_span(&now, vector, diagnostics->rows, span));
        DUALPROP__REQUIRE(diagnostics->context, isfinite(now), DUALPROP_ERROR_NOT_FINITE,
                          "the product of the weights of layers %d..%d overflows", span->first, span->last);
        *norm = fmax(now, previous);
        if (now <= previous * (1 + DBL_EPSILON)) break;
        previous = now;
    }
    diagnostics->begun[which] = *norm > 0;
    return DUALPROP_OK;
}

/* ---- the public calls ---- */

static dualprop_status check_norm_arguments(const dualprop_diagnostics *diagnostics, const double *norm,
                                            const char *name, int iterations)
{
    DUALPROP__REQUIRE(diagnostics->context, norm, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "%s is NULL; expected a place for the result", name);
    DUALPROP__REQUIRE(diagnostics->context, iterations >= 1 && iterations <= MOST_ITERATIONS,
                      DUALPROP_ERROR_INVALID_ARGUMENT, "iterations is %d; expected 1..%d", iterations, MOST_ITERATIONS);
    return DUALPROP_OK;
}

/* The norm is given only when all went well. */
static dualprop_status measure_norm(double *norm, dualprop_diagnostics *diagnostics, int which, int first, int last,
                                    int iterations)
{
    double found = 0;
    struct span span = { NULL, first, last, which > 0 };
    DUALPROP__TRY(dualprop__network_begin_read(diagnostics->network));
    dualprop_status status = dualprop__norm_maps_acquire(&span.maps, diagnostics);
    if (status == DUALPROP_OK) status = power_iteration(&found, diagnostics, which, &span, iterations);
    dualprop__network_end_read(diagnostics->network);
    if (status == DUALPROP_OK) *norm = found;
    return status;
}

static dualprop_status spectral_norm(double *gamma, dualprop_diagnostics *diagnostics, int index, int iterations)
{
    int layers = diagnostics->network->layer_count;
    DUALPROP__TRY(check_norm_arguments(diagnostics, gamma, "gamma", iterations));
    DUALPROP__REQUIRE(diagnostics->context, index >= 1 && index <= layers, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "index is %d; expected 1..%d", index, layers);
    return measure_norm(gamma, diagnostics, index, index, index, iterations);
}

dualprop_status dualprop_diagnostics_spectral_norm(double *gamma, dualprop_diagnostics *diagnostics, int index,
                                                   int iterations)
{
    DUALPROP__TRY(dualprop__diagnostics_enter(diagnostics, __func__));
    dualprop_status status = spectral_norm(gamma, diagnostics, index, iterations);
    dualprop__diagnostics_leave(diagnostics);
    return status;
}

dualprop_status dualprop_diagnostics_lipschitz(double *norm, dualprop_diagnostics *diagnostics, int iterations)
{
    DUALPROP__TRY(dualprop__diagnostics_enter(diagnostics, __func__));
    dualprop_status status = check_norm_arguments(diagnostics, norm, "norm", iterations);
    if (status == DUALPROP_OK)
        status = measure_norm(norm, diagnostics, 0, 1, diagnostics->network->layer_count, iterations);
    dualprop__diagnostics_leave(diagnostics);
    return status;
}

dualprop_status dualprop_diagnostics_restart(dualprop_diagnostics *diagnostics)
{
    DUALPROP__TRY(dualprop__diagnostics_enter(diagnostics, __func__));
    for (int k = 0; k <= diagnostics->network->layer_count; k++) diagnostics->begun[k] = 0;
    dualprop__diagnostics_leave(diagnostics);
    return DUALPROP_OK;
}
