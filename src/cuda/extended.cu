/*
 * extended.cu - the rarer options of rules: damping, leaky steps, alphas of single neurons, noise, quantisation; and
 * the steps of the output layer that have no closed form.
 *
 * The formulas are those of src/math/extended.h.
 */
#include "dyad.cuh"

using namespace dualprop_cuda;

namespace {

struct extended_body {
    dualprop_extended_update update; /* its arrays are the device's; its max_abs and change are in `to` */
    max_places to;
    dualprop__gains_f32 gains; /* where all neurons have one alpha */
    int reserved;

    static constexpr const char *name()
    {
        return "general dyad update";
    }

    DUALPROP__CUDA_BOTH static float element_of(const void *array, int64_t i)
    {
        return array ? ((const float *)array)[i] : 0.0f;
    }

    DUALPROP__CUDA_BOTH dualprop__gains_f32 gains_at(int64_t i) const
    {
        int64_t row = i;
        if (!update.alphas && !update.gains_plus && !update.gains_minus) return gains;
        return dualprop__gains_of_neuron_f32(&update, split_axis(&row, update.width));
    }

    DUALPROP__CUDA_BOTH int is_left_out(int64_t i) const
    {
        int64_t row = i;
        if (update.uniform && !((double)element_of(update.uniform, i) < update.fraction)) return 1;
        return update.listens && element_of(update.listens, split_axis(&row, update.width)) == 0;
    }

    DUALPROP__CUDA_BOTH dualprop__pair_f32 pair_at(int64_t i, const dualprop__gains_f32 &own, const old_dyad &old) const
    {
        dualprop__draws_f32 draws = { element_of(update.noise_plus, i), element_of(update.noise_minus, i),
                                      element_of(update.noise_down, i) };
        float mean = (float)old.mean, delta = (float)old.delta;
        if (is_left_out(i)) {
            dualprop__pair_f32 kept = { 0, 0, mean, delta };
            dualprop__take_apart_f32(&kept, &own);
            return kept;
        }
        return dualprop__extended_pair_f32(&update, &own, element_of(update.a, i), element_of(update.top_down, i), mean,
                                          delta, &draws);
    }

    DUALPROP__CUDA_BOTH maxima operator()(int64_t i) const
    {
        float *mean = (float *)update.mean + i, *delta = (float *)update.delta + i;
        dualprop__gains_f32 own = gains_at(i);
        old_dyad old = { (double)*mean, update.delta_is_zero ? 0 : (double)*delta };
        dualprop__pair_f32 pair = pair_at(i, own, old);
        maxima seen = { to.change ? change_of(pair, old, (double)own.alpha, 0) : 0, max_abs_of(pair, 0) };
        *mean = pair.mean;
        *delta = pair.delta;
        if (update.error_signal)
            ((float *)update.error_signal)[i] =
                dualprop__slope_f32(update.activation, element_of(update.a, i)) * pair.delta;
        return seen;
    }
};

dualprop_status extended_update(dualprop__cuda *self, const dualprop_extended_update *update)
{
    extended_body body;
    memset((void *)&body, 0, sizeof body);
    memcpy((void *)&body.update, update, sizeof *update);
    body.update.max_abs = body.update.change = NULL;
    DUALPROP__CUDA_PASS(dualprop__cuda_max_slot(self, &body.to.max_abs, update->max_abs));
    DUALPROP__CUDA_PASS(dualprop__cuda_max_slot(self, &body.to.change, update->change));
    body.gains = dualprop__extended_gains_f32(update, update->alpha);
    DUALPROP__CUDA_PASS((issue<each_with_max>(self, body, update->rows * update->width)));
    return dualprop__cuda_max_abs_deliver(self);
}

/* ---- output steps without a closed form: a thread a row, with 7 * width doubles of its own ---- */

constexpr int64_t doubles_a_column = 7;

struct proximal_body {
    dualprop_output output;
    double *work; /* [rows at once, 7, width] */
    max_places to;
    dualprop__gains_f32 gains;
    int reserved;

    static constexpr const char *name()
    {
        return "proximal output step";
    }

    DUALPROP__CUDA_BOTH void element(int64_t i, double new_mean, double new_delta, maxima *seen) const
    {
        float *mean = (float *)output.mean + i, *delta = (float *)output.delta + i;
        dualprop__pair_f32 pair = { 0, 0, (float)new_mean, (float)new_delta };
        old_dyad old = { (double)*mean, (double)*delta };
        dualprop__take_apart_f32(&pair, &gains);
        float max_abs = max_abs_of(pair, 0);
        double change = to.change ? change_of(pair, old, output.old_alpha, 0) : 0;
        if (order_of(max_abs) > order_of(seen->max_abs)) seen->max_abs = max_abs;
        if (order_of(change) > order_of(seen->change)) seen->change = change;
        *mean = pair.mean;
        *delta = pair.delta;
    }

    DUALPROP__CUDA_BOTH maxima operator()(int64_t row) const
    {
        int64_t first = row * output.width;
        double *means = work + row * doubles_a_column * output.width, *deltas = means + output.width;
        maxima seen = { 0, 0 };
        dualprop__proximal_step_f32(means, deltas, &output, (const float *)output.a + first,
                                    (const float *)output.target + first, deltas + output.width);
        for (int64_t j = 0; j < output.width; j++) element(first + j, means[j], deltas[j], &seen);
        return seen;
    }
};

/* As many rows at once as the workspace has room for. */
dualprop_status proximal_rows(dualprop__cuda *self, proximal_body body, const dualprop_output *output, int64_t most)
{
    for (int64_t first = 0; first < output->rows; first += most) {
        int64_t rows = output->rows - first < most ? output->rows - first : most, skipped = first * output->width;
        body.output.a = (const float *)output->a + skipped;
        body.output.target = (const float *)output->target + skipped;
        body.output.mean = (float *)output->mean + skipped;
        body.output.delta = (float *)output->delta + skipped;
        DUALPROP__CUDA_PASS((issue<each_with_max>(self, body, rows)));
    }
    return dualprop__cuda_max_abs_deliver(self);
}

dualprop_status output_proximal(dualprop__cuda *self, const dualprop_output *output)
{
    proximal_body body;
    int64_t bytes = doubles_a_column * output->width * (int64_t)sizeof(double);
    memset((void *)&body, 0, sizeof body);
    DUALPROP__CUDA_PASS(dualprop__cuda_reserve(self, (size_t)bytes));
    DUALPROP__CUDA_PASS(dualprop__cuda_max_slot(self, &body.to.max_abs, output->max_abs));
    DUALPROP__CUDA_PASS(dualprop__cuda_max_slot(self, &body.to.change, output->change));
    memcpy((void *)&body.output, output, sizeof *output);
    body.output.max_abs = body.output.change = NULL;
    body.output.workspace = NULL;
    body.work = (double *)self->workspace;
    body.gains = dualprop__gains_of_f32(0, 0, output->alpha);
    return proximal_rows(self, body, output, (int64_t)self->workspace_bytes / bytes);
}

} // namespace

dualprop_status dualprop__cuda_extended_update(void *instance, const dualprop_extended_update *update)
{
    dualprop__cuda *self = (dualprop__cuda *)instance;
    DUALPROP__CUDA_SLOT(self, extended_update(self, update));
}

dualprop_status dualprop__cuda_output_proximal(void *instance, const dualprop_output *output)
{
    dualprop__cuda *self = (dualprop__cuda *)instance;
    DUALPROP__CUDA_SLOT(self, output_proximal(self, output));
}
