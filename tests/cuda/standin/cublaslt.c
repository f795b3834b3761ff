/*
 * cublaslt.c - the stand-in for cuBLASLt: products in f32, summed in double in the order of the index.
 *
 * It refuses what the real one would, as far as the module can get it wrong: descriptors that do not fit each other,
 * steps shorter than a column, a workspace larger than was allowed for, pointers less aligned than was promised.
 */
#include "standin.h"

#include <cublasLt.h>
#include <stdlib.h>
#include <string.h>

struct operation {
    cublasComputeType_t compute;
    int32_t a, b;
    uint32_t epilogue;
    const float *bias;
    int64_t bias_stride;
};

struct layout {
    int64_t rows, columns, step;
    int32_t batch;
    int64_t stride;
};

struct preference {
    uint64_t workspace;
    uint32_t reductions, alignment[4];
};

/* What the stand-in writes into an algorithm, which is opaque to everybody else. */
struct algorithm {
    uint64_t workspace;
    uint32_t alignment;
    uint32_t mark;
};

#define MARK 0x5ca1ab1eu

#define CALL()                                                                             \
    do {                                                                                   \
        cudaError_t error_ = standin_call(__func__);                                       \
        if (error_ == cudaErrorMemoryAllocation) return CUBLAS_STATUS_ALLOC_FAILED;         \
        if (error_ != cudaSuccess) return CUBLAS_STATUS_EXECUTION_FAILED;                  \
    } while (0)

size_t cublasLtGetVersion(void)
{
    return CUBLAS_VERSION;
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle)
{
    CALL();
    *handle = malloc(1);
    standin_made(1);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle)
{
    free(handle);
    standin_made(-1);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *made, cublasComputeType_t compute, cudaDataType_t scale)
{
    CALL();
    struct operation *operation = calloc(1, sizeof *operation);
    if (!operation) abort();
    operation->compute = compute;
    operation->epilogue = CUBLASLT_EPILOGUE_DEFAULT;
    if (scale != CUDA_R_32F) standin_complain("the scale type is not f32");
    standin_made(1);
    *made = (cublasLtMatmulDesc_t)operation;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t operation)
{
    free(operation);
    standin_made(-1);
    return CUBLAS_STATUS_SUCCESS;
}

static void set(void *to, size_t room, const void *value, size_t size)
{
    if (size != room) standin_complain("an attribute has %zu bytes, expected %zu", size, room);
    memcpy(to, value, size < room ? size : room);
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t made, cublasLtMatmulDescAttributes_t attribute,
                                              const void *value, size_t size)
{
    CALL();
    struct operation *operation = (struct operation *)made;
    switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA: set(&operation->a, sizeof operation->a, value, size); break;
    case CUBLASLT_MATMUL_DESC_TRANSB: set(&operation->b, sizeof operation->b, value, size); break;
    case CUBLASLT_MATMUL_DESC_EPILOGUE: set(&operation->epilogue, sizeof operation->epilogue, value, size); break;
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER: set(&operation->bias, sizeof operation->bias, value, size); break;
    case CUBLASLT_MATMUL_DESC_BIAS_BATCH_STRIDE:
        set(&operation->bias_stride, sizeof operation->bias_stride, value, size);
        break;
    default: return CUBLAS_STATUS_NOT_SUPPORTED;
    }
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *made, cudaDataType type, uint64_t rows,
                                          uint64_t columns, int64_t step)
{
    CALL();
    struct layout *layout = calloc(1, sizeof *layout);
    if (!layout) abort();
    *layout = (struct layout){ (int64_t)rows, (int64_t)columns, step, 1, 0 };
    if (type != CUDA_R_32F) standin_complain("a matrix is not of f32");
    standin_made(1);
    *made = (cublasLtMatrixLayout_t)layout;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout)
{
    free(layout);
    standin_made(-1);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t made, cublasLtMatrixLayoutAttribute_t attribute,
                                                const void *value, size_t size)
{
    CALL();
    struct layout *layout = (struct layout *)made;
    switch (attribute) {
    case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT: set(&layout->batch, sizeof layout->batch, value, size); break;
    case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET: set(&layout->stride, sizeof layout->stride, value, size); break;
    default: return CUBLAS_STATUS_NOT_SUPPORTED;
    }
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *made)
{
    CALL();
    struct preference *preference = calloc(1, sizeof *preference);
    if (!preference) abort();
    preference->reductions = CUBLASLT_REDUCTION_SCHEME_MASK;
    for (int i = 0; i < 4; i++) preference->alignment[i] = 256;
    standin_made(1);
    *made = (cublasLtMatmulPreference_t)preference;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference)
{
    free(preference);
    standin_made(-1);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t made,
                                                    cublasLtMatmulPreferenceAttributes_t attribute, const void *value,
                                                    size_t size)
{
    CALL();
    struct preference *preference = (struct preference *)made;
    switch (attribute) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
        set(&preference->workspace, sizeof preference->workspace, value, size);
        break;
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK:
        set(&preference->reductions, sizeof preference->reductions, value, size);
        break;
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES:
        set(&preference->alignment[attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES], sizeof(uint32_t), value,
            size);
        break;
    default: return CUBLAS_STATUS_NOT_SUPPORTED;
    }
    return CUBLAS_STATUS_SUCCESS;
}

/* ---- shapes ---- */

static int64_t depth_of(const struct operation *operation, const struct layout *a)
{
    return operation->a == CUBLAS_OP_T ? a->rows : a->columns;
}

static int fits(const struct operation *operation, const struct layout *a, const struct layout *b,
                const struct layout *d)
{
    int64_t rows = operation->a == CUBLAS_OP_T ? a->columns : a->rows;
    int64_t columns = operation->b == CUBLAS_OP_T ? b->rows : b->columns;
    int64_t depth = operation->b == CUBLAS_OP_T ? b->columns : b->rows;
    return rows == d->rows && columns == d->columns && depth == depth_of(operation, a) && a->batch == d->batch &&
           b->batch == d->batch && a->step >= a->rows && b->step >= b->rows && d->step >= d->rows;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t operation,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t made, int wanted,
                                              cublasLtMatmulHeuristicResult_t results[], int *found)
{
    CALL();
    const struct preference *preference = (const struct preference *)made;
    struct algorithm algorithm = { preference->workspace, preference->alignment[0], MARK };
    (void)handle, (void)c;
    *found = 0;
    if (wanted < 1) return CUBLAS_STATUS_INVALID_VALUE;
    if (!fits((struct operation *)operation, (struct layout *)a, (struct layout *)b, (struct layout *)d)) {
        standin_complain("the matrices of a product do not fit each other");
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    if (preference->reductions & CUBLASLT_REDUCTION_SCHEME_INPLACE)
        standin_complain("an algorithm was asked for that may reduce in place");
    memset(&results[0], 0, sizeof results[0]);
    memcpy(&results[0].algo, &algorithm, sizeof algorithm);
    results[0].workspaceSize = preference->workspace;
    results[0].state = CUBLAS_STATUS_SUCCESS;
    *found = 1;
    return CUBLAS_STATUS_SUCCESS;
}

/* ---- the product ---- */

struct product {
    struct operation operation;
    struct layout a, b, d;
    const float *from_a, *from_b;
    float *to;
    float scale, keep;
};

static double sum_of(const struct product *product, const float *a, const float *b, int64_t row, int64_t column)
{
    int a_turned = product->operation.a == CUBLAS_OP_T, b_turned = product->operation.b == CUBLAS_OP_T;
    int64_t depth = depth_of(&product->operation, &product->a);
    int64_t a_step = a_turned ? 1 : product->a.step, b_step = b_turned ? product->b.step : 1;
    double sum = 0;
    a += a_turned ? row * product->a.step : row;
    b += b_turned ? column : column * product->b.step;
    for (int64_t k = 0; k < depth; k++) sum += (double)a[k * a_step] * (double)b[k * b_step];
    return sum;
}

static void do_one(const struct product *product, int64_t number)
{
    const float *a = product->from_a + number * product->a.stride, *b = product->from_b + number * product->b.stride;
    float *to = product->to + number * product->d.stride;
    int biased = product->operation.epilogue == CUBLASLT_EPILOGUE_BIAS;
    const float *bias = biased ? product->operation.bias + number * product->operation.bias_stride : NULL;
    for (int64_t column = 0; column < product->d.columns; column++)
        for (int64_t row = 0; row < product->d.rows; row++) {
            float *element = to + column * product->d.step + row;
            double sum = (double)product->scale * sum_of(product, a, b, row, column);
            if (product->keep != 0) sum += (double)product->keep * (double)*element;
            *element = (float)(sum + (bias ? (double)bias[row] : 0));
        }
}

static void do_product(const void *payload)
{
    const struct product *product = payload;
    for (int64_t number = 0; number < product->d.batch; number++) do_one(product, number);
}

static void check_matrix(const float *matrix, const struct layout *layout, uint32_t alignment, const char *what)
{
    int64_t elements = (layout->batch - 1) * layout->stride + (layout->columns - 1) * layout->step + layout->rows;
    standin_check(matrix, (size_t)elements * sizeof(float), what);
    if ((uintptr_t)matrix % alignment) standin_complain("%s is not aligned to the promised %u bytes", what, alignment);
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t operation, const void *scale, const void *a,
                              cublasLtMatrixLayout_t a_layout, const void *b, cublasLtMatrixLayout_t b_layout,
                              const void *keep, const void *c, cublasLtMatrixLayout_t c_layout, void *d,
                              cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t *made, void *workspace,
                              size_t workspace_size, cudaStream_t stream)
{
    CALL();
    struct product product = { *(struct operation *)operation, *(struct layout *)a_layout, *(struct layout *)b_layout,
                               *(struct layout *)d_layout, a, b, d, *(const float *)scale, *(const float *)keep };
    struct algorithm algorithm;
    memcpy(&algorithm, made, sizeof algorithm);
    if (!handle || c != d || c_layout != d_layout || algorithm.mark != MARK) {
        standin_complain("a product came with wrong handles");
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    if (workspace_size < algorithm.workspace) standin_complain("a product came with less workspace than planned");
    standin_check(workspace, workspace_size, "the workspace of a product");
    check_matrix(a, &product.a, algorithm.alignment, "A");
    check_matrix(b, &product.b, algorithm.alignment, "B");
    check_matrix(d, &product.d, algorithm.alignment, "D");
    if (product.operation.epilogue == CUBLASLT_EPILOGUE_BIAS)
        standin_check(product.operation.bias, (size_t)product.d.rows * sizeof(float), "a bias");
    standin_control()->products++;
    standin_enqueue(stream, do_product, &product, sizeof product);
    return CUBLAS_STATUS_SUCCESS;
}
