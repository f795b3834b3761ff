/*
 * narrow.cu - the three directions of a dense layer with few outputs (narrow.cuh).
 *
 *     a = x W + b            a block for each sample, whose threads share its inputs
 *     Delta = delta W^T      a thread for each element, or for four and the update of their dyads
 *     gradient = x^T delta   a thread for each element; the learning step forms its own (learn.cu)
 */
#include "narrow.cuh"

#include "dyad.cuh"

using namespace dualprop_cuda;

namespace {

constexpr int64_t most_rows = 1024; /* beyond, a product is large enough for a library */

/* ---- up ---- */

/* After the product nothing. */
struct nothing_body {
    max_places to;

    struct parts {
        double v[1];
    };

    struct memory {
    };

    static constexpr const char *name_after_product()
    {
        return "narrow product";
    }

    DUALPROP__CUDA_BOTH int rounds() const
    {
        return 0;
    }

    DUALPROP__CUDA_BOTH parts part(int, int64_t, int, const memory &) const
    {
        return parts();
    }

    DUALPROP__CUDA_BOTH double combine(int, double x, double) const
    {
        return x;
    }

    DUALPROP__CUDA_BOTH void take(int, const parts &, memory *) const
    {
    }

    DUALPROP__CUDA_BOTH void finish(int64_t, int, const memory &, max_tracker *) const
    {
    }
};

/* ---- down ---- */

/* top_down [rows, inputs] = delta [rows, outputs] W^T. */
struct narrow_down {
    const float *delta, *weights;
    float *top_down;
    int64_t inputs, outputs;

    DUALPROP__CUDA_BOTH float element(int64_t row, int64_t input) const
    {
        const float *own = delta + row * outputs, *of = weights + input * outputs;
        float sum = 0;
        for (int64_t k = 0; k < outputs; k++) sum = fmaf(own[k], of[k], sum);
        return sum;
    }
};

struct narrow_down_body {
    narrow_down product;

    static constexpr const char *name()
    {
        return "narrow product down";
    }

    DUALPROP__CUDA_BOTH void operator()(int64_t i) const
    {
        int64_t row = i, input = split_axis(&row, product.inputs);
        product.top_down[i] = product.element(row, input);
    }
};

/* The same for four neighbours of a row, and the update of their dyads. */
template <int Activation> struct narrow_dyads_body {
    dyad_body dyad;
    narrow_down product;
    max_places to;

    static constexpr const char *name()
    {
        return "narrow product down and dyad update by fours";
    }

    DUALPROP__CUDA_BOTH void operator()(int64_t group, max_tracker *seen) const
    {
        int64_t row = 4 * group, input = split_axis(&row, product.inputs);
        float at[4], down[4];
        for (int j = 0; j < 4; j++) down[j] = product.element(row, input + j);
        store_four(product.top_down + 4 * group, down);
        load_four(at, dyad.a + 4 * group);
        dyad.four_with<Activation>((uint32_t)(4 * group), at, down, seen);
    }
};

struct narrow_dyads {
    dualprop__cuda *self;
    const dyad_body &dyad;
    const narrow_down &product;

    template <int Activation> dualprop_status run() const
    {
        narrow_dyads_body<Activation> body;
        memset((void *)&body, 0, sizeof body);
        body.dyad = dyad;
        body.product = product;
        body.to = dyad.to;
        return issue_dyads(self, body, dyad.elements / 4);
    }
};

/* ---- gradient ---- */

struct narrow_gradient_body {
    const float *x, *delta;
    float *gradient;
    int64_t rows, inputs, outputs;
    double scale;
    int64_t accumulate;

    static constexpr const char *name()
    {
        return "narrow gradient";
    }

    DUALPROP__CUDA_BOTH void operator()(int64_t i) const
    {
        narrow_gradient own(x, delta, inputs, outputs, i);
        float sum = 0;
        for (int64_t row = 0; row < rows; row++) sum = own.with_row(row, sum);
        double scaled = scale * (double)sum;
        gradient[i] = (float)(accumulate ? (double)gradient[i] + scaled : scaled);
    }
};

} // namespace

int dualprop__cuda_is_narrow(const dualprop_dense *shape)
{
    return shape->outputs <= row_sums && shape->batch <= most_rows;
}

int dualprop__cuda_has_narrow_gradient(const dualprop_dense *shape)
{
    return shape->outputs <= row_sums && dualprop__cuda_are_few_rows(shape->batch);
}

dualprop_status dualprop__cuda_narrow_up(dualprop__cuda *self, const dualprop_dense *shape, float *a, const float *x,
                                         const float *weights, const float *bias)
{
    narrow_up_body<nothing_body> body;
    memset((void *)&body, 0, sizeof body);
    body.product = { x, weights, bias, a, shape->batch, shape->inputs, shape->outputs };
    return issue_kind<block_a_row>(self, body, shape->batch, DUALPROP__CUDA_NARROW, 0, a);
}

dualprop_status dualprop__cuda_narrow_down(dualprop__cuda *self, const dualprop_dense *shape, float *top_down,
                                           const float *delta, const float *weights, const dualprop_dyad *dyad)
{
    int64_t count = shape->batch * shape->inputs;
    narrow_down product = { delta, weights, top_down, shape->inputs, shape->outputs };
    if (dyad && dyad->activation != DUALPROP_SOFTMAX && dyad->top_down == top_down && shape->inputs % 4 == 0) {
        dyad_body body;
        DUALPROP__CUDA_PASS(fill_dyad(self, &body, dyad));
        narrow_dyads together = { self, body, product };
        dualprop_status status = DUALPROP_OK;
        if (body.takes_four(count)) {
            if (!with_activation(dyad->activation, &status, together)) status = together.run<any_activation>();
            return status == DUALPROP_OK ? dualprop__cuda_max_abs_deliver(self) : status;
        }
    }
    narrow_down_body alone = { product };
    DUALPROP__CUDA_PASS(issue<each>(self, alone, count));
    return dyad ? dualprop__cuda_dyad(self, dyad) : DUALPROP_OK;
}

dualprop_status dualprop__cuda_narrow_slopes(dualprop__cuda *self, const dualprop_dense *shape, float *gradient,
                                             const float *x, const float *delta, double scale, int accumulate)
{
    narrow_gradient_body body = { x, delta, gradient, shape->batch, shape->inputs, shape->outputs, scale, accumulate };
    return issue<each>(self, body, shape->inputs * shape->outputs);
}
