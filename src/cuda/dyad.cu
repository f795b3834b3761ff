/*
 * dyad.cu - the elementwise update of a hidden layer (Eq. 2, 19) and the step of the output layer (Eq. 3, 22).
 *
 * The formulas are those of src/math, which the CPU compiles too.
 */
#include "dyad.cuh"

#include "narrow.cuh"

using namespace dualprop_cuda;

namespace {

/* ---- hidden layers, four elements a thread ---- */

template <int Activation> struct four_dyads_body {
    dyad_body dyad;
    max_places to;
    int64_t count;

    static constexpr const char *name()
    {
        return "dyad update by fours";
    }

    DUALPROP__CUDA_BOTH void operator()(int64_t group, max_tracker *seen) const
    {
        uint32_t first = 4 * (uint32_t)group, end = (uint32_t)count;
        if (first + 4 <= end) {
            float at[4];
            load_four(at, dyad.a + first);
            dyad.four<Activation>(first, at, seen);
            return;
        }
        ROLLED for (; first < end; first++) seen->add(dyad.element<Activation>(first, dyad.a[first]));
    }
};

struct fours_of_dyads {
    dualprop__cuda *self;
    const dyad_body &dyad;
    int64_t count;

    template <int Activation> dualprop_status run() const
    {
        four_dyads_body<Activation> body;
        memset((void *)&body, 0, sizeof body);
        body.dyad = dyad;
        body.to = dyad.to;
        body.count = count;
        return issue_dyads(self, body, (count + 3) / 4);
    }
};

/* ---- hidden layers whose activation is softmax: a thread a row ---- */

struct softmax_body {
    const float *a, *top_down;
    float *mean, *delta;
    max_places to;
    int64_t width;
    double old_alpha;
    dualprop__gains_f32 gains;
    int derivative;

    static constexpr const char *name()
    {
        return "softmax dyad update";
    }

    DUALPROP__CUDA_BOTH void element(int64_t i, const dualprop__softmax_dyads_f32 &row, maxima *seen) const
    {
        float down = top_down ? top_down[i] : 0.0f;
        dualprop__pair_f32 pair = derivative ? dualprop__softmax_slope_pair_f32(&row, a[i], down)
                                             : dualprop__softmax_pair_f32(&row, a[i], down, &gains);
        old_dyad old = { mean ? (double)mean[i] : (double)pair.mean, delta ? (double)delta[i] : 0 };
        float max_abs = max_abs_of(pair, derivative);
        double change = to.change ? change_of(pair, old, old_alpha, derivative) : 0;
        if (order_of(max_abs) > order_of(seen->max_abs)) seen->max_abs = max_abs;
        if (order_of(change) > order_of(seen->change)) seen->change = change;
        if (mean) mean[i] = pair.mean;
        if (delta) delta[i] = pair.delta;
    }

    DUALPROP__CUDA_BOTH maxima operator()(int64_t number) const
    {
        int64_t first = number * width;
        const float *down = top_down ? top_down + first : NULL;
        maxima seen = { 0, 0 };
        dualprop__softmax_dyads_f32 row = derivative ? dualprop__softmax_slopes_of_f32(a + first, down, width)
                                                     : dualprop__softmax_dyads_of_f32(a + first, down, width, &gains);
        for (int64_t i = first; i < first + width; i++) element(i, row, &seen);
        return seen;
    }
};

static_assert(sizeof(softmax_body) == 96, "a body has no gaps");

dualprop_status softmax_update(dualprop__cuda *self, const dualprop_dyad *dyad, const dyad_body &like)
{
    softmax_body body;
    memset((void *)&body, 0, sizeof body);
    body.a = like.a;
    body.top_down = like.top_down;
    body.mean = like.mean;
    body.delta = like.delta;
    body.to = like.to;
    body.width = dyad->width;
    body.old_alpha = like.old_alpha;
    body.gains = like.gains;
    body.derivative = like.derivative;
    return issue<each_with_max>(self, body, dyad->count / dyad->width);
}

/* ---- the output layer: a warp a row ---- */

struct output_body {
    const float *a, *at, *target;
    float *mean, *delta;
    float *a_copied; /* NULL: not wanted */
    max_places to;   /* with `starts`, the greatest |a| in the place of a change */
    int64_t width;
    double old_alpha;
    dualprop__output_gains_f32 gains;
    int loss, derivative, starts;

    struct parts {
        double v[2];
    };

    struct memory {
        dualprop__softmax_row_f32 row;
    };

    static constexpr const char *name()
    {
        return "output step";
    }

    static constexpr const char *name_after_product()
    {
        return "narrow product and output step";
    }

    DUALPROP__CUDA_BOTH int rounds() const
    {
        return loss == DUALPROP_CROSS_ENTROPY ? 2 : 0;
    }

    /* Round 0: the greatest value of the row. Round 1: sum e^(s - top) and sum y. */
    DUALPROP__CUDA_BOTH parts part(int round, int64_t row, int lane, const memory &kept) const
    {
        const float *s = at + row * width, *y = target + row * width;
        parts own = { { round == 0 ? -(double)HUGE_VALF : 0, 0 } };
        for (int64_t i = lane; i < width; i += lanes) {
            if (round == 0) {
                own.v[0] = combine(0, own.v[0], (double)s[i]);
            } else {
                own.v[0] += (double)dualprop__exp_f32(s[i] - kept.row.top);
                own.v[1] += (double)y[i];
            }
        }
        return own;
    }

    DUALPROP__CUDA_BOTH double combine(int round, double x, double y) const
    {
        return round == 0 ? (x > y ? x : y) : x + y;
    }

    DUALPROP__CUDA_BOTH void take(int round, const parts &total, memory *kept) const
    {
        if (round == 0) {
            kept->row.top = (float)total.v[0];
        } else {
            kept->row.scale = (float)(total.v[1] / total.v[0]);
            kept->row.log_sum = 0; /* of the loss alone */
        }
    }

    DUALPROP__CUDA_BOTH void finish(int64_t row, int lane, const memory &kept, max_tracker *seen) const
    {
        for (int64_t i = row * width + lane; i < (row + 1) * width; i += lanes) {
            float slope = loss == DUALPROP_CROSS_ENTROPY
                              ? dualprop__cross_entropy_slope_f32(at[i], target[i], &kept.row)
                              : dualprop__squared_error_slope_f32(at[i], target[i]);
            dualprop__pair_f32 pair = dualprop__output_pair_f32(a[i], gains.beta * slope, &gains);
            old_dyad old = { (double)mean[i], (double)delta[i] };
            double change = to.change && !starts ? change_of(pair, old, old_alpha, derivative) : 0;
            maxima found = { starts ? (double)a[i] : change, max_abs_of(pair, derivative) };
            seen->add(found);
            if (a_copied) a_copied[i] = a[i];
            mean[i] = pair.mean;
            delta[i] = pair.delta;
        }
    }
};

static_assert(sizeof(output_body) == 112, "a body has no gaps");

/*
 * The output's feed-forward start comes right before its step, and what it writes, sbar = a, is written again here. So
 * the step takes over the rest: the greatest |a|, and a copy of a as the prediction.
 */
void take_start(dualprop__cuda *self, output_body *body, const dualprop_output *output)
{
    const dyad_body *start = (const dyad_body *)dualprop__cuda_last_body(self, DUALPROP__CUDA_DYADS);
    if (!start || start->activation != DUALPROP_IDENTITY || start->a != body->a || start->mean != body->mean) return;
    if (start->top_down || start->delta || start->to.change || start->mean_rounded || start->delta_rounded) return;
    if (body->to.change || start->elements != output->rows * output->width || !start->is_alone) return;
    if (body->at == start->a_copied) body->at = body->a;
    body->a_copied = start->a_copied;
    body->to.change = start->to.max_abs;
    body->starts = 1;
    dualprop__cuda_drop_last(self);
}

/* The product that comes right before the step, if it is one that the step can form; it is dropped then. */
int take_product(dualprop__cuda *self, narrow_up *product, const dualprop_output *output)
{
    const narrow_up *last = (const narrow_up *)dualprop__cuda_last_body(self, DUALPROP__CUDA_NARROW);
    if (!last || last->a != output->a || last->rows != output->rows || last->outputs != output->width) return 0;
    *product = *last;
    dualprop__cuda_drop_last(self);
    return 1;
}

dualprop_status issue_output(dualprop__cuda *self, const output_body &body, const dualprop_output *output)
{
    narrow_up_body<output_body> with_product;
    memset((void *)&with_product, 0, sizeof with_product);
    if (!take_product(self, &with_product.product, output)) return issue<team>(self, body, output->rows);
    with_product.after = body;
    return issue<block_a_row>(self, with_product, output->rows);
}

dualprop_status output_step(dualprop__cuda *self, const dualprop_output *output)
{
    output_body body;
    memset(&body, 0, sizeof body);
    DUALPROP__CUDA_PASS(dualprop__cuda_max_slot(self, &body.to.max_abs, output->max_abs));
    DUALPROP__CUDA_PASS(dualprop__cuda_max_slot(self, &body.to.change, output->change));
    body.a = (const float *)output->a;
    body.at = (const float *)(output->exact ? output->a : output->at);
    body.target = (const float *)output->target;
    body.mean = (float *)output->mean;
    body.delta = (float *)output->delta;
    body.width = output->width;
    body.old_alpha = output->old_alpha;
    body.gains = dualprop__output_gains_of_f32(output);
    body.loss = output->loss;
    body.derivative = output->derivative;
    take_start(self, &body, output);
    DUALPROP__CUDA_PASS(issue_output(self, body, output));
    return dualprop__cuda_max_abs_deliver(self);
}

} // namespace

int dualprop__cuda_add_copy(dualprop__cuda *self, void *to, const void *from, size_t bytes)
{
    struct dualprop__cuda_range read = { from, (int64_t)bytes }, written = { to, (int64_t)bytes };
    void *body;
    if (!dualprop__cuda_earlier(self, DUALPROP__CUDA_DYADS, &read, &written, 0, &body)) return 0;
    dyad_body *dyad = (dyad_body *)body;
    if (dyad->a != from || dyad->a_copied || !is_aligned(to, 16)) return 0;
    if (bytes != (size_t)dyad->elements * sizeof(float)) return 0;
    dyad->a_copied = (float *)to;
    return 1;
}

dualprop_status dualprop__cuda_dyad(dualprop__cuda *self, const dualprop_dyad *dyad)
{
    dyad_body body;
    DUALPROP__CUDA_PASS(fill_dyad(self, &body, dyad));
    body.is_alone = 1;
    dualprop_status status = DUALPROP_OK;
    fours_of_dyads fours = { self, body, dyad->count };
    if (dyad->activation == DUALPROP_SOFTMAX) status = softmax_update(self, dyad, body);
    else if (!body.takes_four(dyad->count) || !with_activation(dyad->activation, &status, fours))
        status = issue_kind<each_with_max>(self, body, dyad->count, DUALPROP__CUDA_DYADS, 0);
    DUALPROP__CUDA_PASS(status);
    return dualprop__cuda_max_abs_deliver(self);
}

dualprop_status dualprop__cuda_dyad_update(void *instance, const dualprop_dyad *dyad)
{
    dualprop__cuda *self = (dualprop__cuda *)instance;
    DUALPROP__CUDA_SLOT(self, dualprop__cuda_dyad(self, dyad));
}

dualprop_status dualprop__cuda_output_step(void *instance, const dualprop_output *output)
{
    dualprop__cuda *self = (dualprop__cuda *)instance;
    DUALPROP__CUDA_SLOT(self, output_step(self, output));
}

dualprop_status dualprop__cuda_kernels_check(dualprop__cuda *self)
{
    struct cudaFuncAttributes attributes;
    cudaError_t error = cudaFuncGetAttributes(&attributes, each_with_max<dyad_body>::kernel());
    if (error != cudaErrorNoKernelImageForDevice && error != cudaErrorInvalidDeviceFunction &&
        error != cudaErrorUnsupportedPtxVersion)
        return error == cudaSuccess ? DUALPROP_OK : dualprop__cuda_status(self, error, "cudaFuncGetAttributes");
    cudaGetLastError();
    return dualprop__cuda_fail(self, DUALPROP_ERROR_NO_DEVICE, "this CUDA module has no kernels for compute capability "
                               "%d.%d of device %d; build it with CUDA_ARCHS=all", self->properties.major,
                               self->properties.minor, self->device);
}
