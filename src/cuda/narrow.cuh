/*
 * narrow.cuh - products of dense layers with few outputs, such as classes, for the kernels that begin with them.
 *
 * Such a layer is too small for a library's kernel to be worth a launch. Its sums are formed where they are read: by
 * the output step, the dyad update of the layer below and the learning step, or by themselves with the same bits
 * (narrow.cu). They add in f32, whatever the precision of other products, each sum in an order that the shape alone
 * decides.
 */
#ifndef DUALPROP_CUDA_NARROW_CUH
#define DUALPROP_CUDA_NARROW_CUH

#include "launch.cuh"

namespace dualprop_cuda {

/* a [rows, outputs] = x [rows, inputs] W [inputs, outputs] + bias. */
struct narrow_up {
    const float *x, *weights, *bias; /* bias NULL: none */
    float *a;
    int64_t rows, inputs, outputs;
};

/* One row of it, by all threads of a block; `after` is what the first warp does with the row. */
template <class After> struct narrow_up_body {
    narrow_up product;
    After after;

    static constexpr const char *name()
    {
        return After::name_after_product();
    }

    DUALPROP__CUDA_BOTH int sums() const
    {
        return (int)product.outputs;
    }

    DUALPROP__CUDA_BOTH void part(int64_t row, int thread, float sums[row_sums]) const
    {
        const float *x = product.x + row * product.inputs;
        for (int k = 0; k < row_sums; k++) sums[k] = 0;
        for (int64_t i = thread; i < product.inputs; i += block) {
            const float *weights = product.weights + i * product.outputs;
            for (int k = 0; k < row_sums; k++)
                if (k < product.outputs) sums[k] = fmaf(x[i], weights[k], sums[k]);
        }
    }

    DUALPROP__CUDA_BOTH void store(int64_t row, int number, float sum) const
    {
        product.a[row * product.outputs + number] = product.bias ? sum + product.bias[number] : sum;
    }
};

/* The sum over rows of x[., i] delta[., k], where an element of the gradient lies at [i, k]. */
struct narrow_gradient {
    const float *x, *delta; /* at the first row, of this element */
    int64_t inputs, outputs;

    DUALPROP__CUDA_BOTH narrow_gradient() : x(NULL), delta(NULL), inputs(0), outputs(0)
    {
    }

    DUALPROP__CUDA_BOTH narrow_gradient(const float *all_x, const float *all_delta, int64_t with_inputs,
                                        int64_t with_outputs, int64_t at)
        : inputs(with_inputs), outputs(with_outputs)
    {
        int64_t input = quotient(at, outputs);
        x = all_x + input;
        delta = all_delta + (at - input * outputs);
    }

    DUALPROP__CUDA_BOTH float with_row(int64_t row, float sum) const
    {
        return fmaf(x[row * inputs], delta[row * outputs], sum);
    }
};

} // namespace dualprop_cuda

#endif
