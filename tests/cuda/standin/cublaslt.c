/*
 * cublaslt.c - the stand-in for cuBLASLt: products in f32, summed in double in the order of the index.
 *
 * It refuses what the real one would, as far as the module can get it wrong: descriptors that do not fit each other,
 * steps shorter than a column, a workspace larger than was allowed for, pointers less aligned than was promised, a bias
 * that is not known when an algorithm is asked for. Where the real one is installed it has its say about every
 * descriptor (cublaslt_real.h).
 */
#include "standin.h"

#include <stdlib.h>
#include <string.h>

#include "cublaslt_real.h"

struct operation {
    cublasComputeType_t compute;
    int32_t a, b;
    uint32_t epilogue;
    const float *bias;
    cublasLtMatmulDesc_t real;
};

struct layout {
    int64_t rows, columns, step;
    int32_t batch;
    int64_t stride;
    cublasLtMatrixLayout_t real;
};

struct preference {
    uint64_t workspace;
    uint32_t reductions, alignment[4];
    cublasLtMatmulPreference_t real;
};

/* What the stand-in writes into an algorithm, which is opaque to its callers. */
struct algorithm {
    uint64_t workspace;
    uint32_t alignment, bias_alignment;
    uint32_t mark;
};

#define MARK 0x5ca1ab1eu

#define CALL()                                                                      \
    do {                                                                            \
        cudaError_t error_ = standin_call(__func__);                                \
        if (error_ == cudaErrorMemoryAllocation) return CUBLAS_STATUS_ALLOC_FAILED; \
        if (error_ != cudaSuccess) return CUBLAS_STATUS_EXECUTION_FAILED;           \
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
    if (cublaslt_real())
        cublaslt_judge(cublaslt_real()->cublasLtMatmulDescCreate(&operation->real, compute, scale), "an operation");
    standin_made(1);
    *made = (cublasLtMatmulDesc_t)operation;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t made)
{
    struct operation *operation = (struct operation *)made;
    if (operation->real) cublaslt_real_loaded()->cublasLtMatmulDescDestroy(operation->real);
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
    default: return CUBLAS_STATUS_NOT_SUPPORTED;
    }
    if (operation->real)
        cublaslt_judge(cublaslt_real_loaded()->cublasLtMatmulDescSetAttribute(operation->real, attribute, value, size),
                       "an attribute of an operation");
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *made, cudaDataType type, uint64_t rows,
                                          uint64_t columns, int64_t step)
{
    CALL();
    struct layout *layout = calloc(1, sizeof *layout);
    if (!layout) abort();
    *layout = (struct layout){ (int64_t)rows, (int64_t)columns, step, 1, 0, NULL };
    if (type != CUDA_R_32F) standin_complain("a matrix is not of f32");
    if (cublaslt_real())
        cublaslt_judge(cublaslt_real()->cublasLtMatrixLayoutCreate(&layout->real, type, rows, columns, step),
                       "a layout");
    standin_made(1);
    *made = (cublasLtMatrixLayout_t)layout;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t made)
{
    struct layout *layout = (struct layout *)made;
    if (layout->real) cublaslt_real_loaded()->cublasLtMatrixLayoutDestroy(layout->real);
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
    if (layout->real)
        cublaslt_judge(cublaslt_real_loaded()->cublasLtMatrixLayoutSetAttribute(layout->real, attribute, value, size),
                       "an attribute of a layout");
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *made)
{
    CALL();
    struct preference *preference = calloc(1, sizeof *preference);
    if (!preference) abort();
    preference->reductions = CUBLASLT_REDUCTION_SCHEME_MASK;
    for (int i = 0; i < 4; i++) preference->alignment[i] = 256;
    if (cublaslt_real())
        cublaslt_judge(cublaslt_real()->cublasLtMatmulPreferenceCreate(&preference->real), "a preference");
    standin_made(1);
    *made = (cublasLtMatmulPreference_t)preference;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t made)
{
    struct preference *preference = (struct preference *)made;
    if (preference->real) cublaslt_real_loaded()->cublasLtMatmulPreferenceDestroy(preference->real);
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
    if (preference->real)
        cublaslt_judge(
            cublaslt_real_loaded()->cublasLtMatmulPreferenceSetAttribute(preference->real, attribute, value, size),
            "an attribute of a preference");
    return CUBLAS_STATUS_SUCCESS;
}

/* ---- is the real one of one mind with us? ---- */

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static void compare_operation(const struct operation *ours)
{
    const struct cublaslt_fact facts[] = {
        { CUBLASLT_MATMUL_DESC_COMPUTE_TYPE, (uint64_t)ours->compute, 4, "the type of the sums" },
        { CUBLASLT_MATMUL_DESC_SCALE_TYPE, CUDA_R_32F, 4, "the type of the factors" },
        { CUBLASLT_MATMUL_DESC_POINTER_MODE, CUBLASLT_POINTER_MODE_HOST, 4, "where the factors are" },
        { CUBLASLT_MATMUL_DESC_TRANSA, (uint64_t)ours->a, 4, "whether A is transposed" },
        { CUBLASLT_MATMUL_DESC_TRANSB, (uint64_t)ours->b, 4, "whether B is transposed" },
        { CUBLASLT_MATMUL_DESC_TRANSC, CUBLAS_OP_N, 4, "whether C is transposed" },
        { CUBLASLT_MATMUL_DESC_FILL_MODE, CUBLAS_FILL_MODE_FULL, 4, "the part of D that is wanted" },
        { CUBLASLT_MATMUL_DESC_EPILOGUE, ours->epilogue, 4, "the epilogue" },
        { CUBLASLT_MATMUL_DESC_BIAS_POINTER, (uintptr_t)ours->bias, 8, "the bias" },
        { CUBLASLT_MATMUL_DESC_BIAS_BATCH_STRIDE, 0, 8, "the way from one bias to the next" },
        { CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, UINT32_MAX, 4, "the type of the bias, D's" },
    };
    cublaslt_compare_operation(ours->real, facts, COUNT_OF(facts));
}

static void compare_layout(const struct layout *ours)
{
    const struct cublaslt_fact facts[] = {
        { CUBLASLT_MATRIX_LAYOUT_TYPE, CUDA_R_32F, 4, "the type of a matrix" },
        { CUBLASLT_MATRIX_LAYOUT_ORDER, CUBLASLT_ORDER_COL, 4, "the order of a matrix" },
        { CUBLASLT_MATRIX_LAYOUT_ROWS, (uint64_t)ours->rows, 8, "the rows of a matrix" },
        { CUBLASLT_MATRIX_LAYOUT_COLS, (uint64_t)ours->columns, 8, "the columns of a matrix" },
        { CUBLASLT_MATRIX_LAYOUT_LD, (uint64_t)ours->step, 8, "the step of a matrix" },
        { CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, (uint64_t)ours->batch, 4, "the number of matrices" },
        { CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, (uint64_t)ours->stride, 8, "the way to the next matrix" },
    };
    cublaslt_compare_layout(ours->real, facts, COUNT_OF(facts));
}

static void compare_preference(const struct preference *ours)
{
    const struct cublaslt_fact facts[] = {
        { CUBLASLT_MATMUL_PREF_SEARCH_MODE, CUBLASLT_SEARCH_BEST_FIT, 4, "the kind of search" },
        { CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, ours->workspace, 8, "the greatest workspace" },
        { CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, ours->reductions, 4, "the kinds of reduction" },
        { CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, ours->alignment[0], 4, "the alignment of A" },
        { CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, ours->alignment[1], 4, "the alignment of B" },
        { CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, ours->alignment[2], 4, "the alignment of C" },
        { CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, ours->alignment[3], 4, "the alignment of D" },
    };
    cublaslt_compare_preference(ours->real, facts, COUNT_OF(facts));
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

static uint32_t alignment_of(const void *pointer)
{
    uintptr_t bits = (uintptr_t)pointer | 256;
    return (uint32_t)(bits & (~bits + 1));
}

/* The bias is not read yet, but how it is aligned decides; some kernels read 16 bytes at once without asking. */
static int knows_its_bias(const struct operation *operation)
{
    int wanted = operation->epilogue == CUBLASLT_EPILOGUE_BIAS;
    if (wanted != (operation->bias != NULL)) {
        standin_complain(wanted ? "an algorithm was asked for before the bias was known"
                                : "a bias was given and no epilogue that adds it");
        return 0;
    }
    if (wanted && alignment_of(operation->bias) < 16) standin_complain("a bias is not aligned to 16 bytes");
    return 1;
}

static void check_preference(const struct preference *preference)
{
    if (preference->reductions & CUBLASLT_REDUCTION_SCHEME_INPLACE)
        standin_complain("an algorithm was asked for that may reduce in place");
    for (int i = 0; i < 4; i++)
        if (preference->alignment[i] < sizeof(float) || (preference->alignment[i] & (preference->alignment[i] - 1)))
            standin_complain("an alignment of %u bytes was promised", preference->alignment[i]);
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t operation,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t made, int wanted,
                                              cublasLtMatmulHeuristicResult_t results[], int *found)
{
    CALL();
    const struct preference *preference = (const struct preference *)made;
    const struct operation *ours = (const struct operation *)operation;
    struct algorithm algorithm = { preference->workspace, preference->alignment[0], alignment_of(ours->bias), MARK };
    *found = 0;
    if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;
    if (wanted < 1 || !knows_its_bias(ours)) return CUBLAS_STATUS_INVALID_VALUE;
    if (c != d || !fits(ours, (struct layout *)a, (struct layout *)b, (struct layout *)d)) {
        standin_complain("the matrices of a product do not fit each other");
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    check_preference(preference);
    compare_operation(ours);
    compare_layout((struct layout *)a);
    compare_layout((struct layout *)b);
    compare_layout((struct layout *)d);
    compare_preference(preference);
    int fast = ours->compute != CUBLAS_COMPUTE_32F;
    if (standin_control()->no_algorithms == 1 || (fast && standin_control()->no_fast_algorithms))
        return CUBLAS_STATUS_NOT_SUPPORTED;
    memset(&results[0], 0, sizeof results[0]);
    memcpy(&results[0].algo, &algorithm, sizeof algorithm);
    results[0].workspaceSize = preference->workspace;
    results[0].state = standin_control()->no_algorithms == 3 ? CUBLAS_STATUS_NOT_SUPPORTED : CUBLAS_STATUS_SUCCESS;
    *found = standin_control()->no_algorithms == 2 ? 0 : 1;
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
    const float *bias = product->operation.epilogue == CUBLASLT_EPILOGUE_BIAS ? product->operation.bias : NULL;
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
    for (int64_t number = 0; !standin_control()->idle && number < product->d.batch; number++) do_one(product, number);
}

static void check_bias(const struct operation *operation, int64_t rows, uint32_t alignment)
{
    if (operation->epilogue != CUBLASLT_EPILOGUE_BIAS) return;
    standin_check(operation->bias, (size_t)rows * sizeof(float), "a bias");
    if (alignment_of(operation->bias) < alignment)
        standin_complain("a bias is not aligned to %u bytes, as the one was that the algorithm was chosen for",
                         alignment);
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
    /* clang-format off */
    struct product product = { *(struct operation *)operation, *(struct layout *)a_layout, *(struct layout *)b_layout,
                               *(struct layout *)d_layout, a, b, d, *(const float *)scale, *(const float *)keep };
    /* clang-format on */
    struct algorithm algorithm;
    memcpy(&algorithm, made, sizeof algorithm);
    if (!handle || c != d || c_layout != d_layout || algorithm.mark != MARK) {
        standin_complain("a product came with wrong handles");
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    if (workspace_size < algorithm.workspace) standin_complain("a product came with less workspace than planned");
    standin_check(workspace, workspace_size, "the workspace of a product");
    if (alignment_of(workspace) < 256) standin_complain("the workspace of a product is not aligned to 256 bytes");
    check_matrix(a, &product.a, algorithm.alignment, "A");
    check_matrix(b, &product.b, algorithm.alignment, "B");
    check_matrix(d, &product.d, algorithm.alignment, "D");
    check_bias(&product.operation, product.d.rows, algorithm.bias_alignment);
    standin_control()->products++;
    standin_enqueue(stream, do_product, &product, sizeof product);
    return CUBLAS_STATUS_SUCCESS;
}
