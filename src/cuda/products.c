/*
 * products.c - matrix products by cuBLASLt; the only file that knows it.
 *
 * A plan holds the descriptors and the algorithm for one shape and alignment. It is made when the shape comes for the
 * first time and kept for the instance's life. Strict f32 is CUBLAS_COMPUTE_32F on f32 data, which never uses TF32;
 * TF32 and BF16 are asked for by name, and still add in f32; a shape that has no algorithm of theirs is done in strict.
 * Algorithms that reduce in place, in the order in which blocks happen to finish, are never taken: the same product
 * gives the same bits each time.
 *
 * The library learns from preferences how the matrices are aligned, but of the bias from its address. So the address is
 * in the descriptor before an algorithm is asked for, and a plan is for biases aligned just as that one.
 */
#include "slots.h"

#include <cublasLt.h>
#include <string.h>

#include "vendor.h"

#define FIRST_PLANS 64

/* What decides a plan; compared as bytes. */
struct key {
    int64_t rows, columns, depth, a_step, b_step, d_step, batch, a_stride, b_stride, d_stride;
    int32_t a_transposed, b_transposed;
    uint32_t alignment;      /* of all matrices, up to 256 */
    uint32_t bias_alignment; /* up to 256; 0 if there is no bias */
};

struct plan {
    struct key key;
    cublasLtMatmulDesc_t operation;
    cublasLtMatrixLayout_t a, b, d;
    cublasLtMatmulAlgo_t algorithm;
};

/* clang-format off */
#define FUNCTIONS(X)                        \
    X(cublasLtGetVersion)                   \
    X(cublasLtCreate)                       \
    X(cublasLtDestroy)                      \
    X(cublasLtMatmul)                       \
    X(cublasLtMatmulAlgoGetHeuristic)       \
    X(cublasLtMatmulDescCreate)             \
    X(cublasLtMatmulDescDestroy)            \
    X(cublasLtMatmulDescSetAttribute)       \
    X(cublasLtMatrixLayoutCreate)           \
    X(cublasLtMatrixLayoutDestroy)          \
    X(cublasLtMatrixLayoutSetAttribute)     \
    X(cublasLtMatmulPreferenceCreate)       \
    X(cublasLtMatmulPreferenceDestroy)      \
    X(cublasLtMatmulPreferenceSetAttribute)
/* clang-format on */

struct api {
    FUNCTIONS(DUALPROP__CUDA_POINTER)
};

struct dualprop__cuda_products {
    struct api api;
    cublasLtHandle_t handle;
    struct plan *plans;
    int count, room;
};

/* ---- errors ---- */

static dualprop_status failed(dualprop__cuda *self, cublasStatus_t status, const char *call)
{
    cudaError_t error = status == CUBLAS_STATUS_EXECUTION_FAILED ? dualprop__cuda_device_error(self) : cudaSuccess;
    int length = (int)strcspn(call, "(");
    if (error != cudaSuccess) return dualprop__cuda_status(self, error, call);
    if (status == CUBLAS_STATUS_ALLOC_FAILED)
        return dualprop__cuda_fail(self, DUALPROP_ERROR_NO_MEMORY, "cuBLASLt found no memory (%.*s)", length, call);
    return dualprop__cuda_fail(self, DUALPROP_ERROR_DEVICE, "cuBLASLt: status %d (%.*s)", (int)status, length, call);
}

#define TRY(self, call)                                                              \
    do {                                                                             \
        cublasStatus_t status_ = (self)->products->api.call;                         \
        if (status_ != CUBLAS_STATUS_SUCCESS) return failed((self), status_, #call); \
    } while (0)

/* ---- plans ---- */

/* The greatest power of two, up to 256, that divides these addresses, which are given or-ed. */
static uint32_t alignment_of(uintptr_t addresses)
{
    addresses |= 256;
    return (uint32_t)(addresses & (~addresses + 1));
}

static struct key key_of(const dualprop__cuda_product *product)
{
    struct key key;
    memset(&key, 0, sizeof key);
    key.rows = product->rows, key.columns = product->columns, key.depth = product->depth;
    key.a_step = product->a_step, key.b_step = product->b_step, key.d_step = product->d_step;
    key.batch = product->batch;
    key.a_stride = product->a_stride, key.b_stride = product->b_stride, key.d_stride = product->d_stride;
    key.a_transposed = product->a_transposed, key.b_transposed = product->b_transposed;
    key.alignment = alignment_of((uintptr_t)product->a | (uintptr_t)product->b | (uintptr_t)product->d);
    key.bias_alignment = product->bias ? alignment_of((uintptr_t)product->bias) : 0;
    return key;
}

static void destroy_plan(const struct api *api, struct plan *plan)
{
    if (plan->operation) api->cublasLtMatmulDescDestroy(plan->operation);
    if (plan->a) api->cublasLtMatrixLayoutDestroy(plan->a);
    if (plan->b) api->cublasLtMatrixLayoutDestroy(plan->b);
    if (plan->d) api->cublasLtMatrixLayoutDestroy(plan->d);
}

static cublasComputeType_t compute_type(const dualprop__cuda *self, int strict)
{
    if (strict) return CUBLAS_COMPUTE_32F;
    if (self->numerics == DUALPROP_NUMERICS_TF32) return CUBLAS_COMPUTE_32F_FAST_TF32;
    if (self->numerics == DUALPROP_NUMERICS_BF16) return CUBLAS_COMPUTE_32F_FAST_16BF;
    return CUBLAS_COMPUTE_32F;
}

static dualprop_status set_bias(dualprop__cuda *self, const struct plan *plan, const float *bias)
{
    TRY(self, cublasLtMatmulDescSetAttribute(plan->operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias));
    return DUALPROP_OK;
}

static dualprop_status make_operation(dualprop__cuda *self, struct plan *plan, const float *bias, int strict)
{
    int32_t a = plan->key.a_transposed ? CUBLAS_OP_T : CUBLAS_OP_N,
            b = plan->key.b_transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
    uint32_t epilogue = CUBLASLT_EPILOGUE_BIAS;
    TRY(self, cublasLtMatmulDescCreate(&plan->operation, compute_type(self, strict), CUDA_R_32F));
    TRY(self, cublasLtMatmulDescSetAttribute(plan->operation, CUBLASLT_MATMUL_DESC_TRANSA, &a, sizeof a));
    TRY(self, cublasLtMatmulDescSetAttribute(plan->operation, CUBLASLT_MATMUL_DESC_TRANSB, &b, sizeof b));
    if (!bias) return DUALPROP_OK;
    TRY(self,
        cublasLtMatmulDescSetAttribute(plan->operation, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue));
    return set_bias(self, plan, bias);
}

static dualprop_status make_layout(dualprop__cuda *self, cublasLtMatrixLayout_t *layout, int64_t rows, int64_t columns,
                                   int64_t step, int64_t batch, int64_t stride)
{
    int32_t count = (int32_t)batch;
    TRY(self, cublasLtMatrixLayoutCreate(layout, CUDA_R_32F, (uint64_t)rows, (uint64_t)columns, step));
    if (batch == 1) return DUALPROP_OK;
    TRY(self, cublasLtMatrixLayoutSetAttribute(*layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count));
    TRY(self,
        cublasLtMatrixLayoutSetAttribute(*layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride, sizeof stride));
    return DUALPROP_OK;
}

static dualprop_status make_layouts(dualprop__cuda *self, struct plan *plan)
{
    const struct key *key = &plan->key;
    int64_t a_rows = key->a_transposed ? key->depth : key->rows, a_columns = key->a_transposed ? key->rows : key->depth;
    int64_t b_rows = key->b_transposed ? key->columns : key->depth;
    int64_t b_columns = key->b_transposed ? key->depth : key->columns;
    DUALPROP__CUDA_PASS(make_layout(self, &plan->a, a_rows, a_columns, key->a_step, key->batch, key->a_stride));
    DUALPROP__CUDA_PASS(make_layout(self, &plan->b, b_rows, b_columns, key->b_step, key->batch, key->b_stride));
    return make_layout(self, &plan->d, key->rows, key->columns, key->d_step, key->batch, key->d_stride);
}

static dualprop_status prefer(dualprop__cuda *self, cublasLtMatmulPreference_t preference, uint32_t alignment)
{
    static const cublasLtMatmulPreferenceAttributes_t alignments[] = {
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES,
    };
    uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE | CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE;
    uint64_t workspace = DUALPROP__CUDA_PRODUCT_WORKSPACE;
    TRY(self, cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace,
                                                   sizeof workspace));
    TRY(self, cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &reductions,
                                                   sizeof reductions));
    for (size_t i = 0; i < sizeof alignments / sizeof alignments[0]; i++)
        TRY(self, cublasLtMatmulPreferenceSetAttribute(preference, alignments[i], &alignment, sizeof alignment));
    return DUALPROP_OK;
}

/* That there is nothing for a product the library says by a status, by no result or by a result with a status. */
static dualprop_status query_algorithms(dualprop__cuda *self, struct plan *plan, cublasLtMatmulPreference_t preference)
{
    const struct key *key = &plan->key;
    cublasLtMatmulHeuristicResult_t result;
    int found = 0;
    memset(&result, 0, sizeof result);
    DUALPROP__CUDA_PASS(prefer(self, preference, key->alignment));
    cublasStatus_t status = self->products->api.cublasLtMatmulAlgoGetHeuristic(
        self->products->handle, plan->operation, plan->a, plan->b, plan->d, plan->d, preference, 1, &result, &found);
    if (status == CUBLAS_STATUS_SUCCESS) status = found > 0 ? result.state : CUBLAS_STATUS_NOT_SUPPORTED;
    if (status == CUBLAS_STATUS_NOT_SUPPORTED || status == CUBLAS_STATUS_INVALID_VALUE)
        return dualprop__cuda_fail(
            self, DUALPROP_ERROR_UNSUPPORTED,
            "cuBLASLt has no algorithm for a product of %lld x %lld x %lld, %lld at once (status %d)",
            (long long)key->rows, (long long)key->columns, (long long)key->depth, (long long)key->batch, (int)status);
    if (status != CUBLAS_STATUS_SUCCESS) return failed(self, status, "cublasLtMatmulAlgoGetHeuristic");
    plan->algorithm = result.algo;
    return DUALPROP_OK;
}

static dualprop_status choose_algorithm(dualprop__cuda *self, struct plan *plan)
{
    cublasLtMatmulPreference_t preference;
    TRY(self, cublasLtMatmulPreferenceCreate(&preference));
    dualprop_status status = query_algorithms(self, plan, preference);
    self->products->api.cublasLtMatmulPreferenceDestroy(preference);
    return status;
}

static dualprop_status make_plan(dualprop__cuda *self, struct plan *plan, const struct key *key, const float *bias,
                                 int strict)
{
    memset(plan, 0, sizeof *plan);
    plan->key = *key;
    dualprop_status status = make_operation(self, plan, bias, strict);
    if (status == DUALPROP_OK) status = make_layouts(self, plan);
    if (status == DUALPROP_OK) status = choose_algorithm(self, plan);
    if (status != DUALPROP_OK) destroy_plan(&self->products->api, plan);
    return status;
}

static dualprop_status make_room(dualprop__cuda *self)
{
    struct dualprop__cuda_products *products = self->products;
    if (products->count < products->room) return DUALPROP_OK;
    int room = products->room ? 2 * products->room : FIRST_PLANS;
    struct plan *plans = dualprop__cuda_host_allocate(self, (size_t)room * sizeof *plans);
    if (!plans) return DUALPROP_ERROR_NO_MEMORY;
    if (products->count > 0) memcpy(plans, products->plans, (size_t)products->count * sizeof *plans);
    dualprop__cuda_host_release(self, products->plans, (size_t)products->room * sizeof *plans);
    products->plans = plans;
    products->room = room;
    return DUALPROP_OK;
}

static dualprop_status find_plan(dualprop__cuda *self, struct plan **plan, const struct key *key, const float *bias)
{
    struct dualprop__cuda_products *products = self->products;
    for (int i = 0; i < products->count; i++) {
        *plan = &products->plans[i];
        if (memcmp(&(*plan)->key, key, sizeof *key) == 0) return DUALPROP_OK;
    }
    DUALPROP__CUDA_PASS(make_room(self));
    *plan = &products->plans[products->count];
    dualprop_status status = make_plan(self, *plan, key, bias, 0);
    if (status == DUALPROP_ERROR_UNSUPPORTED && self->numerics != DUALPROP_NUMERICS_STRICT)
        status = make_plan(self, *plan, key, bias, 1);
    if (status == DUALPROP_OK) products->count++;
    return status;
}

/* ---- multiplying ---- */

static dualprop_status run_product(dualprop__cuda *self, const void *arguments)
{
    const dualprop__cuda_product *product = arguments;
    struct key key = key_of(product);
    struct plan *plan;
    DUALPROP__CUDA_PASS(find_plan(self, &plan, &key, product->bias));
    if (product->bias) DUALPROP__CUDA_PASS(set_bias(self, plan, product->bias));
    TRY(self, cublasLtMatmul(self->products->handle, plan->operation, &product->scale, product->a, plan->a, product->b,
                             plan->b, &product->keep, product->d, plan->d, product->d, plan->d, &plan->algorithm,
                             self->workspace, DUALPROP__CUDA_PRODUCT_WORKSPACE, self->stream));
    return DUALPROP_OK;
}

dualprop_status dualprop__cuda_multiply(dualprop__cuda *self, const dualprop__cuda_product *product)
{
    struct dualprop__cuda_traits traits = { product->d, DUALPROP__CUDA_OTHER, 0 };
    return dualprop__cuda_issue_known(self, run_product, product, sizeof *product, &traits);
}

/* ---- the handle ---- */

size_t dualprop__cuda_products_version(const dualprop__cuda *self)
{
    return self->products->api.cublasLtGetVersion();
}

static dualprop_status load(dualprop__cuda *self, struct api *api)
{
    static const char *const names[] = { FUNCTIONS(DUALPROP__CUDA_NAME) };
    return dualprop__cuda_vendor_load(self, api, names, sizeof names / sizeof names[0], DUALPROP_CUBLASLT, "cuBLASLt");
}

dualprop_status dualprop__cuda_products_create(dualprop__cuda *self)
{
    self->products = dualprop__cuda_host_allocate(self, sizeof *self->products);
    if (!self->products) return DUALPROP_ERROR_NO_MEMORY;
    DUALPROP__CUDA_PASS(load(self, &self->products->api));
    TRY(self, cublasLtCreate(&self->products->handle));
    return make_room(self);
}

void dualprop__cuda_products_destroy(dualprop__cuda *self)
{
    struct dualprop__cuda_products *products = self->products;
    if (!products) return;
    if (dualprop__cuda_is_ours(self)) {
        for (int i = 0; i < products->count; i++) destroy_plan(&products->api, &products->plans[i]);
        if (products->handle) products->api.cublasLtDestroy(products->handle);
    }
    dualprop__cuda_host_release(self, products->plans, (size_t)products->room * sizeof *products->plans);
    dualprop__cuda_host_release(self, products, sizeof *products);
}
