/*
 * dnn.c - convolutions by cuDNN's graph API; the only file that knows cuDNN.
 *
 * A plan is one convolution of three NHWC tensors, made when its shape comes for the first time: cuDNN's heuristics
 * rank engines, and the first whose plan can be built and whose notes the numerics allow is taken:
 *
 *   strict          no tensor cores (which would mean TF32), no inputs converted down, no reduced-precision sums, no
 *                   transforms as large as FFT's or Winograd's 13 x 13
 *   TF32, BF16      tensor cores may be used
 *   always          nothing whose result depends on the order in which blocks finish
 *
 * So a plan depends on the shape, the device and the library alone, and two runs have the same bits. If the context
 * asks for it (options.autotune), the first few that qualify, at most two settings of an engine, are timed on the
 * operands at hand, once, and the fastest is kept. (All of them overwrite their result, so running them again does no
 * harm.) A shape that no engine takes is left to the matrix products of convolution.c, and so is everything if cuDNN is
 * not installed.
 *
 * BF16: no engine does a convolution of BF16 operands alone with an f32 result. Those that cuDNN generates and compiles
 * while the plan is made do, where an operation on each element follows, which reads the f32 sums and writes f32:
 *
 *     x, w (BF16) -> convolution -> sums (f32, virtual) -> identity -> y (f32)
 *
 * For the gradient of the filter it is a product with 1 instead: on Hopper the engines for the identity do not cut the
 * long sums over the batch and the places into pieces, those for the product do. Compiling takes seconds, so one
 * candidate has to do, and it is never timed. What has no such plan (3 channels, except for the forward direction)
 * takes TF32 instead.
 */
#include "dnn.h"

#include <cudnn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "vendor.h"

#define MOST_RESULTS 64
#define MOST_CANDIDATES 8
#define MOST_OF_AN_ENGINE 2 /* settings of one engine among the candidates */
#define MOST_WORKSPACE ((int64_t)256 << 20)
#define TIMED_RUNS 3
#define FIRST_PLANS 32
#define HINTS 256

struct key {
    dualprop__cuda_conv shape;
    int64_t direction;
};

struct plan {
    struct key key;
    cudnnBackendDescriptor_t candidates[MOST_CANDIDATES]; /* execution plans; the first is the chosen one */
    int64_t engines[MOST_CANDIDATES];                     /* their engines' numbers */
    int count;                                            /* 0: cuDNN has none */
    int64_t workspace;                                    /* bytes that the hungriest of them needs */
    int rounded;                                          /* its operands are BF16 */
};

/* clang-format off */
#define FUNCTIONS(X)                 \
    X(cudnnCreate)                   \
    X(cudnnDestroy)                  \
    X(cudnnSetStream)                \
    X(cudnnGetErrorString)           \
    X(cudnnBackendCreateDescriptor)  \
    X(cudnnBackendDestroyDescriptor) \
    X(cudnnBackendSetAttribute)      \
    X(cudnnBackendGetAttribute)      \
    X(cudnnBackendFinalize)          \
    X(cudnnBackendExecute)
/* clang-format on */

struct api {
    FUNCTIONS(DUALPROP__CUDA_POINTER)
};

struct dualprop__cuda_dnn {
    struct api api;
    cudnnHandle_t handle;
    int missing; /* cuDNN is not installed */
    struct plan *plans;
    int count, room;
    int found_last[HINTS]; /* by a hash of the key: where it was found the last time */
    cudaEvent_t begin, end;
};

/* ---- errors ---- */

static dualprop_status failed(dualprop__cuda *self, cudnnStatus_t status, const char *call)
{
    cudaError_t error = dualprop__cuda_device_error(self);
    int length = (int)strcspn(call, "(");
    if (error != cudaSuccess) return dualprop__cuda_status(self, error, call);
    if (status == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED ||
        status == CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED)
        return dualprop__cuda_fail(self, DUALPROP_ERROR_NO_MEMORY, "cuDNN found no memory (%.*s)", length, call);
    return dualprop__cuda_fail(self, DUALPROP_ERROR_DEVICE, "cuDNN: %s (%.*s)",
                               self->dnn->api.cudnnGetErrorString(status), length, call);
}

#define TRY(self, call)                                                             \
    do {                                                                            \
        cudnnStatus_t status_ = (self)->dnn->api.call;                              \
        if (status_ != CUDNN_STATUS_SUCCESS) return failed((self), status_, #call); \
    } while (0)

/* ---- descriptors ---- */

static dualprop_status make(dualprop__cuda *self, cudnnBackendDescriptor_t *descriptor,
                            cudnnBackendDescriptorType_t type)
{
    *descriptor = NULL;
    TRY(self, cudnnBackendCreateDescriptor(type, descriptor));
    return DUALPROP_OK;
}

static void drop(dualprop__cuda *self, cudnnBackendDescriptor_t descriptor)
{
    if (descriptor) self->dnn->api.cudnnBackendDestroyDescriptor(descriptor);
}

static dualprop_status set(dualprop__cuda *self, cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                           cudnnBackendAttributeType_t type, int64_t count, const void *values)
{
    TRY(self, cudnnBackendSetAttribute(descriptor, name, type, count, values));
    return DUALPROP_OK;
}

static dualprop_status refer(dualprop__cuda *self, cudnnBackendDescriptor_t descriptor,
                             cudnnBackendAttributeName_t name, cudnnBackendDescriptor_t other)
{
    return set(self, descriptor, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &other);
}

static dualprop_status finalize(dualprop__cuda *self, cudnnBackendDescriptor_t descriptor)
{
    TRY(self, cudnnBackendFinalize(descriptor));
    return DUALPROP_OK;
}

/* ---- the graph ---- */

/* Tensors by their ids: the three of the convolution, and, with BF16, its sums and the factor that follows. */
enum { X, W, Y, TENSORS, SUMS = TENSORS, FACTOR, IDS };

struct graph {
    int rounded, result; /* are the operands BF16, and which tensor is formed of the other two */
    cudnnBackendDescriptor_t tensors[IDS], convolution, operation, pointwise, finish, graph;
};

static void drop_graph(dualprop__cuda *self, const struct graph *graph)
{
    drop(self, graph->graph);
    drop(self, graph->finish);
    drop(self, graph->pointwise);
    drop(self, graph->operation);
    drop(self, graph->convolution);
    for (int i = 0; i < IDS; i++) drop(self, graph->tensors[i]);
}

/* A tensor whose extents are given in cuDNN's order (n, c, h, w), while c lies innermost. */
static dualprop_status make_tensor(dualprop__cuda *self, struct graph *graph, int64_t id, const int64_t extents[4])
{
    cudnnDataType_t type =
        graph->rounded && id != graph->result && id < TENSORS ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
    int64_t c = extents[1], w = extents[3] * c, strides[4] = { extents[2] * w, 1, w, c };
    int64_t alignment = id == FACTOR ? (int64_t)sizeof(float) : 16;
    cudnnBackendDescriptor_t *tensor = &graph->tensors[id];
    DUALPROP__CUDA_PASS(make(self, tensor, CUDNN_BACKEND_TENSOR_DESCRIPTOR));
    DUALPROP__CUDA_PASS(set(self, *tensor, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type));
    DUALPROP__CUDA_PASS(set(self, *tensor, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, extents));
    DUALPROP__CUDA_PASS(set(self, *tensor, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, strides));
    DUALPROP__CUDA_PASS(set(self, *tensor, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &id));
    return set(self, *tensor, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment);
}

/* One that lies in memory; or, marked, one that is never written out, or whose one value comes from the host. */
static dualprop_status add_tensor(dualprop__cuda *self, struct graph *graph, int64_t id, const int64_t extents[4])
{
    static const bool yes = true;
    DUALPROP__CUDA_PASS(make_tensor(self, graph, id, extents));
    if (id >= TENSORS)
        DUALPROP__CUDA_PASS(set(self, graph->tensors[id],
                                id == SUMS ? CUDNN_ATTR_TENSOR_IS_VIRTUAL : CUDNN_ATTR_TENSOR_IS_BY_VALUE,
                                CUDNN_TYPE_BOOLEAN, 1, &yes));
    return finalize(self, graph->tensors[id]);
}

static dualprop_status add_tensors(dualprop__cuda *self, struct graph *graph, const dualprop__cuda_conv *shape)
{
    static const int64_t one[4] = { 1, 1, 1, 1 };
    int64_t extents[TENSORS][4] = {
        { shape->batch, shape->channels, shape->height, shape->width },
        { shape->outputs, shape->channels, shape->kernel_height, shape->kernel_width },
        { shape->batch, shape->outputs, shape->map_height, shape->map_width },
    };
    for (int i = 0; i < TENSORS; i++) DUALPROP__CUDA_PASS(add_tensor(self, graph, i, extents[i]));
    if (!graph->rounded) return DUALPROP_OK;
    DUALPROP__CUDA_PASS(add_tensor(self, graph, SUMS, extents[graph->result]));
    return graph->result == W ? add_tensor(self, graph, FACTOR, one) : DUALPROP_OK;
}

static dualprop_status make_convolution(dualprop__cuda *self, struct graph *graph, const dualprop__cuda_conv *shape)
{
    cudnnDataType_t type = CUDNN_DATA_FLOAT;
    cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    int64_t dimensions = 2, ones[2] = { 1, 1 };
    int64_t padding[2] = { shape->padding_height, shape->padding_width };
    int64_t strides[2] = { shape->stride_height, shape->stride_width };
    DUALPROP__CUDA_PASS(make(self, &graph->convolution, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR));
    cudnnBackendDescriptor_t to = graph->convolution;
    DUALPROP__CUDA_PASS(set(self, to, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &dimensions));
    DUALPROP__CUDA_PASS(set(self, to, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type));
    DUALPROP__CUDA_PASS(set(self, to, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode));
    DUALPROP__CUDA_PASS(set(self, to, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, padding));
    DUALPROP__CUDA_PASS(set(self, to, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, padding));
    DUALPROP__CUDA_PASS(set(self, to, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, ones));
    DUALPROP__CUDA_PASS(set(self, to, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, strides));
    return finalize(self, to);
}

/* What the attributes of a direction's operation are called. */
static const struct operation {
    cudnnBackendDescriptorType_t type;
    cudnnBackendAttributeName_t tensors[TENSORS], convolution, scale, keep;
} operations[] = {
    { CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
      { CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y },
      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA },
    { CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
      { CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY },
      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA },
    { CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
      { CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY },
      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA },
};

static dualprop_status make_operation(dualprop__cuda *self, struct graph *graph, int direction)
{
    const struct operation *names = &operations[direction];
    float one = 1, zero = 0;
    DUALPROP__CUDA_PASS(make(self, &graph->operation, names->type));
    for (int i = 0; i < TENSORS; i++)
        DUALPROP__CUDA_PASS(refer(self, graph->operation, names->tensors[i],
                                  graph->tensors[graph->rounded && i == graph->result ? SUMS : i]));
    DUALPROP__CUDA_PASS(refer(self, graph->operation, names->convolution, graph->convolution));
    DUALPROP__CUDA_PASS(set(self, graph->operation, names->scale, CUDNN_TYPE_FLOAT, 1, &one));
    DUALPROP__CUDA_PASS(set(self, graph->operation, names->keep, CUDNN_TYPE_FLOAT, 1, &zero));
    return finalize(self, graph->operation);
}

/* What follows the sums of BF16 operands. */
static dualprop_status make_finish(dualprop__cuda *self, struct graph *graph)
{
    cudnnDataType_t type = CUDNN_DATA_FLOAT;
    cudnnPointwiseMode_t mode = graph->result == W ? CUDNN_POINTWISE_MUL : CUDNN_POINTWISE_IDENTITY;
    DUALPROP__CUDA_PASS(make(self, &graph->pointwise, CUDNN_BACKEND_POINTWISE_DESCRIPTOR));
    DUALPROP__CUDA_PASS(set(self, graph->pointwise, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode));
    DUALPROP__CUDA_PASS(set(self, graph->pointwise, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &type));
    DUALPROP__CUDA_PASS(finalize(self, graph->pointwise));
    DUALPROP__CUDA_PASS(make(self, &graph->finish, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR));
    cudnnBackendDescriptor_t to = graph->finish;
    DUALPROP__CUDA_PASS(refer(self, to, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, graph->pointwise));
    DUALPROP__CUDA_PASS(refer(self, to, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, graph->tensors[SUMS]));
    if (graph->result == W)
        DUALPROP__CUDA_PASS(refer(self, to, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, graph->tensors[FACTOR]));
    DUALPROP__CUDA_PASS(refer(self, to, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, graph->tensors[graph->result]));
    return finalize(self, to);
}

static dualprop_status make_graph(dualprop__cuda *self, struct graph *graph, const struct key *key)
{
    static const int results[] = { Y, X, W };
    graph->result = results[key->direction];
    DUALPROP__CUDA_PASS(add_tensors(self, graph, &key->shape));
    DUALPROP__CUDA_PASS(make_convolution(self, graph, &key->shape));
    DUALPROP__CUDA_PASS(make_operation(self, graph, (int)key->direction));
    if (graph->rounded) DUALPROP__CUDA_PASS(make_finish(self, graph));
    cudnnBackendDescriptor_t operations_of_it[2] = { graph->operation, graph->finish };
    DUALPROP__CUDA_PASS(make(self, &graph->graph, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR));
    DUALPROP__CUDA_PASS(
        set(self, graph->graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &self->dnn->handle));
    DUALPROP__CUDA_PASS(set(self, graph->graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                            graph->rounded ? 2 : 1, operations_of_it));
    return finalize(self, graph->graph);
}

/* ---- engines ---- */

static int is_allowed(const dualprop__cuda *self, cudnnBackendNumericalNote_t note)
{
    switch (note) {
    case CUDNN_NUMERICAL_NOTE_TENSOR_CORE: return self->numerics != DUALPROP_NUMERICS_STRICT;
    case CUDNN_NUMERICAL_NOTE_WINOGRAD:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6:
    case CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP: return 1;
    default: return 0; /* and whatever later versions may note */
    }
}

/* Do the notes of a configuration's engine allow it, and which engine is it? cuDNN counts notes that do not fit,
 * too. */
static dualprop_status qualifies(dualprop__cuda *self, int *yes, int64_t *number,
                                 cudnnBackendDescriptor_t configuration)
{
    cudnnBackendDescriptor_t engine;
    cudnnBackendNumericalNote_t notes[MOST_RESULTS];
    int64_t count = 0, one = 0;
    const struct api *api = &self->dnn->api;
    *yes = 0;
    DUALPROP__CUDA_PASS(make(self, &engine, CUDNN_BACKEND_ENGINE_DESCRIPTOR));
    cudnnStatus_t status = api->cudnnBackendGetAttribute(configuration, CUDNN_ATTR_ENGINECFG_ENGINE,
                                                         CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &engine);
    if (status == CUDNN_STATUS_SUCCESS)
        status = api->cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                               MOST_RESULTS, &count, notes);
    if (status == CUDNN_STATUS_SUCCESS)
        status =
            api->cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &one, number);
    drop(self, engine);
    if (status != CUDNN_STATUS_SUCCESS) return failed(self, status, "cudnnBackendGetAttribute");
    *yes = count <= MOST_RESULTS;
    for (int64_t i = 0; i < count && i < MOST_RESULTS; i++) *yes &= is_allowed(self, notes[i]);
    return DUALPROP_OK;
}

static int64_t workspace_of(dualprop__cuda *self, cudnnBackendDescriptor_t plan)
{
    int64_t bytes = 0, count = 0;
    cudnnStatus_t status = self->dnn->api.cudnnBackendGetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                                                   CUDNN_TYPE_INT64, 1, &count, &bytes);
    return status == CUDNN_STATUS_SUCCESS ? bytes : INT64_MAX;
}

/* A configuration whose plan cannot be built is passed over: heuristics name some that turn out not to be supported. */
static dualprop_status consider(dualprop__cuda *self, struct plan *plan, cudnnBackendDescriptor_t configuration)
{
    cudnnBackendDescriptor_t made;
    int64_t engine = -1;
    int yes, same = 0;
    DUALPROP__CUDA_PASS(qualifies(self, &yes, &engine, configuration));
    for (int i = 0; i < plan->count; i++) same += plan->engines[i] == engine;
    if (!yes || same == MOST_OF_AN_ENGINE) return DUALPROP_OK;
    DUALPROP__CUDA_PASS(make(self, &made, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR));
    dualprop_status status =
        set(self, made, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &self->dnn->handle);
    if (status == DUALPROP_OK) status = refer(self, made, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration);
    int built = status == DUALPROP_OK && self->dnn->api.cudnnBackendFinalize(made) == CUDNN_STATUS_SUCCESS;
    int64_t bytes = built ? workspace_of(self, made) : INT64_MAX;
    if (bytes > MOST_WORKSPACE) {
        drop(self, made);
        return status;
    }
    plan->engines[plan->count] = engine;
    plan->candidates[plan->count++] = made;
    if (bytes > plan->workspace) plan->workspace = bytes;
    return DUALPROP_OK;
}

struct results {
    cudnnBackendDescriptor_t heuristics, configurations[MOST_RESULTS];
    int64_t count;
};

static void drop_results(dualprop__cuda *self, const struct results *results)
{
    for (int i = 0; i < MOST_RESULTS; i++) drop(self, results->configurations[i]);
    drop(self, results->heuristics);
}

static dualprop_status query_engines(dualprop__cuda *self, struct results *results, const struct graph *graph,
                                     cudnnBackendHeurMode_t mode)
{
    int64_t count = 0;
    memset(results, 0, sizeof *results);
    DUALPROP__CUDA_PASS(make(self, &results->heuristics, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR));
    DUALPROP__CUDA_PASS(refer(self, results->heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph->graph));
    DUALPROP__CUDA_PASS(set(self, results->heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode));
    DUALPROP__CUDA_PASS(finalize(self, results->heuristics));
    TRY(self, cudnnBackendGetAttribute(results->heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                       CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &count, NULL));
    if (count > MOST_RESULTS) count = MOST_RESULTS;
    for (int64_t i = 0; i < count; i++)
        DUALPROP__CUDA_PASS(make(self, &results->configurations[i], CUDNN_BACKEND_ENGINECFG_DESCRIPTOR));
    if (count > 0)
        TRY(self,
            cudnnBackendGetAttribute(results->heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                                     count, &results->count, results->configurations));
    if (results->count > count) results->count = count; /* it may be the number there is instead of the number copied */
    return DUALPROP_OK;
}

static dualprop_status choose(dualprop__cuda *self, struct plan *plan, const struct graph *graph,
                              cudnnBackendHeurMode_t mode)
{
    struct results results;
    int most = self->autotune && !graph->rounded ? MOST_CANDIDATES : 1;
    dualprop_status status = query_engines(self, &results, graph, mode);
    for (int64_t i = 0; i < results.count && plan->count < most && status == DUALPROP_OK; i++)
        status = consider(self, plan, results.configurations[i]);
    drop_results(self, &results);
    return status;
}

/* ---- plans ---- */

static void drop_plan(dualprop__cuda *self, struct plan *plan)
{
    for (int i = 0; i < plan->count; i++) drop(self, plan->candidates[i]);
    plan->count = 0;
}

static dualprop_status look_for_plan(dualprop__cuda *self, struct plan *plan, int rounded)
{
    struct graph graph;
    memset(&graph, 0, sizeof graph);
    graph.rounded = plan->rounded = rounded;
    dualprop_status status = make_graph(self, &graph, &plan->key);
    if (status == DUALPROP_OK) status = choose(self, plan, &graph, CUDNN_HEUR_MODE_A);
    if (status == DUALPROP_OK && plan->count == 0) status = choose(self, plan, &graph, CUDNN_HEUR_MODE_FALLBACK);
    drop_graph(self, &graph);
    return status;
}

/* "batch x height x width x channels to outputs, direction: words" */
static void log_plan(const dualprop__cuda *self, int level, const struct key *key, const char *words)
{
    static const char *const directions[] = { "bottom-up", "top-down", "gradient" };
    const dualprop__cuda_conv *shape = &key->shape;
    char message[400];
    snprintf(message, sizeof message, "%lld x %lld x %lld x %lld to %lld channels, %s: %s", (long long)shape->batch,
             (long long)shape->height, (long long)shape->width, (long long)shape->channels, (long long)shape->outputs,
             directions[key->direction], words);
    self->host->log(self->host->user_data, level, "cuda", message);
}

static void log_engines(const dualprop__cuda *self, const struct plan *plan)
{
    char words[200];
    if (plan->count == 0) {
        log_plan(self, DUALPROP_LOG_DEBUG, &plan->key, "cuDNN has no engine; matrix products");
        return;
    }
    snprintf(words, sizeof words, "cuDNN engine %lld%s, %lld bytes of workspace, first of %d",
             (long long)plan->engines[0], plan->rounded ? " of BF16" : "", (long long)plan->workspace, plan->count);
    log_plan(self, DUALPROP_LOG_DEBUG, &plan->key, words);
}

static dualprop_status make_plan(dualprop__cuda *self, struct plan *plan, const struct key *key)
{
    dualprop_status status = DUALPROP_OK;
    memset(plan, 0, sizeof *plan);
    plan->key = *key;
    if (self->numerics == DUALPROP_NUMERICS_BF16) {
        log_plan(self, DUALPROP_LOG_DEBUG, key, "cuDNN compiles a plan of BF16, which takes a second or so");
        status = look_for_plan(self, plan, 1);
        /* Odd numbers of channels have no plan of BF16, and none has one if cuDNN cannot compile it. */
        if (status == DUALPROP_OK && plan->count == 0)
            log_plan(self, DUALPROP_LOG_INFO, key, "cuDNN has no BF16 plan, so TF32 is used");
    }
    if (status == DUALPROP_OK && plan->count == 0) status = look_for_plan(self, plan, 0);
    if (status == DUALPROP_OK) log_engines(self, plan);
    if (status == DUALPROP_OK) status = dualprop__cuda_reserve(self, (size_t)plan->workspace);
    if (status != DUALPROP_OK) drop_plan(self, plan);
    return status;
}

static dualprop_status make_room(dualprop__cuda *self)
{
    struct dualprop__cuda_dnn *dnn = self->dnn;
    if (dnn->count < dnn->room) return DUALPROP_OK;
    int room = dnn->room ? 2 * dnn->room : FIRST_PLANS;
    struct plan *plans = dualprop__cuda_host_allocate(self, (size_t)room * sizeof *plans);
    if (!plans) return DUALPROP_ERROR_NO_MEMORY;
    if (dnn->count > 0) memcpy(plans, dnn->plans, (size_t)dnn->count * sizeof *plans);
    dualprop__cuda_host_release(self, dnn->plans, (size_t)dnn->room * sizeof *plans);
    dnn->plans = plans;
    dnn->room = room;
    return DUALPROP_OK;
}

static dualprop_status do_without(dualprop__cuda *self, const char *reason)
{
    char message[200];
    snprintf(message, sizeof message, "%s; convolutions go through matrix products", reason);
    self->dnn->missing = 1;
    self->host->log(self->host->user_data, 1, "cuda", message);
    return DUALPROP_OK;
}

/* Libraries of another version beside it, or none. */
static int lacks_parts(cudnnStatus_t status)
{
    return status == CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH || status == CUDNN_STATUS_SUBLIBRARY_LOADING_FAILED;
}

/* cuDNN is a thin library that ends the process if its graph part is not there, so that is looked for first. */
static dualprop_status open_dnn(dualprop__cuda *self)
{
    static const char *const names[] = { FUNCTIONS(DUALPROP__CUDA_NAME) };
    struct dualprop__cuda_dnn *dnn = dualprop__cuda_host_allocate(self, sizeof *dnn);
    if (!dnn) return DUALPROP_ERROR_NO_MEMORY;
    self->dnn = dnn;
    if (dualprop__cuda_vendor_load(self, &dnn->api, names, sizeof names / sizeof names[0], DUALPROP_CUDNN, "cuDNN") !=
        DUALPROP_OK)
        return do_without(self, "cuDNN cannot be loaded");
    if (!dualprop__cuda_vendor_has((const void *)(uintptr_t)dnn->api.cudnnCreate, DUALPROP_CUDNN_GRAPH))
        return do_without(self, "cuDNN is there without " DUALPROP_CUDNN_GRAPH);
    DUALPROP__CUDA_TRY(self, cudaEventCreate(&dnn->begin));
    DUALPROP__CUDA_TRY(self, cudaEventCreate(&dnn->end));
    cudnnStatus_t status = dnn->api.cudnnCreate(&dnn->handle);
    if (lacks_parts(status)) return do_without(self, dnn->api.cudnnGetErrorString(status));
    return status == CUDNN_STATUS_SUCCESS ? make_room(self) : failed(self, status, "cudnnCreate");
}

/* Whatever an opening that failed has left is dropped, so that the next one starts from nothing. */
static dualprop_status be_open(dualprop__cuda *self)
{
    if (self->dnn) return DUALPROP_OK;
    dualprop_status status = open_dnn(self);
    if (status != DUALPROP_OK) dualprop__cuda_dnn_destroy(self);
    return status;
}

static int hint_of(const struct key *key)
{
    int64_t numbers[sizeof *key / sizeof(int64_t)];
    uint64_t hash = 0;
    memcpy(numbers, key, sizeof numbers);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        hash = (hash ^ (uint64_t)numbers[i]) * 0x9E3779B97F4A7C15u;
    return (int)(hash >> 56);
}

static int is_plan_of(const struct dualprop__cuda_dnn *dnn, int index, const struct key *key)
{
    return index < dnn->count && memcmp(&dnn->plans[index].key, key, sizeof *key) == 0;
}

/* Several times a layer and step, so the place where it was the last time is checked first. */
static dualprop_status find_plan(dualprop__cuda *self, struct plan **plan, int direction,
                                 const dualprop__cuda_conv *shape)
{
    struct dualprop__cuda_dnn *dnn = self->dnn;
    struct key key;
    memset(&key, 0, sizeof key);
    key.shape = *shape;
    key.direction = direction;
    int *hint = &dnn->found_last[hint_of(&key)], at = *hint;
    if (!is_plan_of(dnn, at, &key))
        for (at = 0; at < dnn->count && !is_plan_of(dnn, at, &key);) at++;
    if (at == dnn->count) {
        DUALPROP__CUDA_PASS(make_room(self));
        DUALPROP__CUDA_PASS(make_plan(self, &dnn->plans[at], &key));
        dnn->count++;
    }
    *hint = at;
    *plan = &dnn->plans[at];
    return DUALPROP_OK;
}

dualprop_status dualprop__cuda_dnn_plan(dualprop__cuda *self, int *found, int direction,
                                        const dualprop__cuda_conv *shape)
{
    struct plan *plan;
    *found = DUALPROP__CUDA_NO_PLAN;
    DUALPROP__CUDA_PASS(be_open(self));
    if (self->dnn->missing) return DUALPROP_OK;
    DUALPROP__CUDA_PASS(find_plan(self, &plan, direction, shape));
    if (plan->count > 0) *found = plan->rounded ? DUALPROP__CUDA_OF_BF16 : DUALPROP__CUDA_OF_F32;
    return DUALPROP_OK;
}

/* ---- running ---- */

static dualprop_status fill_pack(dualprop__cuda *self, const struct plan *plan, cudnnBackendDescriptor_t pack,
                                 void *const pointers[TENSORS])
{
    static const int64_t ids[] = { X, W, Y, FACTOR };
    static float one = 1; /* read while the plan is executed, not later */
    void *all[] = { pointers[X], pointers[W], pointers[Y], &one };
    int count = plan->rounded && plan->key.direction == DUALPROP__CUDA_FILTER ? 4 : 3;
    DUALPROP__CUDA_PASS(set(self, pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, count, ids));
    DUALPROP__CUDA_PASS(set(self, pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, count, all));
    DUALPROP__CUDA_PASS(set(self, pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &self->workspace));
    return finalize(self, pack);
}

static dualprop_status execute(dualprop__cuda *self, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t pack)
{
    TRY(self, cudnnBackendExecute(self->dnn->handle, plan, pack));
    return DUALPROP_OK;
}

static dualprop_status measure(dualprop__cuda *self, float *milliseconds, cudnnBackendDescriptor_t plan,
                               cudnnBackendDescriptor_t pack)
{
    struct dualprop__cuda_dnn *dnn = self->dnn;
    DUALPROP__CUDA_PASS(execute(self, plan, pack));
    DUALPROP__CUDA_TRY(self, cudaEventRecord(dnn->begin, self->stream));
    for (int i = 0; i < TIMED_RUNS; i++) DUALPROP__CUDA_PASS(execute(self, plan, pack));
    DUALPROP__CUDA_TRY(self, cudaEventRecord(dnn->end, self->stream));
    DUALPROP__CUDA_TRY(self, cudaEventSynchronize(dnn->end));
    DUALPROP__CUDA_TRY(self, cudaEventElapsedTime(milliseconds, dnn->begin, dnn->end));
    return DUALPROP_OK;
}

/* Keep the fastest candidate alone. */
static dualprop_status time_candidates(dualprop__cuda *self, struct plan *plan, cudnnBackendDescriptor_t pack)
{
    float best_time = 0;
    int best = 0;
    char words[200];
    for (int i = 0; i < plan->count; i++) {
        float time = 0;
        DUALPROP__CUDA_PASS(measure(self, &time, plan->candidates[i], pack));
        if (i == 0 || time < best_time) best = i, best_time = time;
        snprintf(words, sizeof words, "cuDNN engine %lld takes %.1f us", (long long)plan->engines[i],
                 1e3 * (double)time / TIMED_RUNS);
        log_plan(self, DUALPROP_LOG_DEBUG, &plan->key, words);
    }
    cudnnBackendDescriptor_t kept = plan->candidates[best];
    plan->engines[0] = plan->engines[best];
    for (int i = 0; i < plan->count; i++)
        if (i != best) drop(self, plan->candidates[i]);
    plan->candidates[0] = kept;
    plan->count = 1;
    return DUALPROP_OK;
}

static dualprop_status run_packed(dualprop__cuda *self, struct plan *plan, cudnnBackendDescriptor_t pack,
                                  void *const pointers[TENSORS])
{
    DUALPROP__CUDA_PASS(fill_pack(self, plan, pack, pointers));
    if (plan->count > 1 && self->capturing) {
        self->not_ready = 1;
        return dualprop__cuda_fail(self, DUALPROP_ERROR_UNSUPPORTED, "an engine has not been chosen yet");
    }
    if (plan->count > 1) DUALPROP__CUDA_PASS(time_candidates(self, plan, pack));
    return execute(self, plan->candidates[0], pack);
}

dualprop_status dualprop__cuda_dnn_run(dualprop__cuda *self, int direction, const dualprop__cuda_conv *shape, void *x,
                                       void *w, void *y)
{
    struct plan *plan;
    cudnnBackendDescriptor_t pack;
    void *pointers[TENSORS] = { x, w, y };
    DUALPROP__CUDA_PASS(find_plan(self, &plan, direction, shape));
    TRY(self, cudnnSetStream(self->dnn->handle, self->stream));
    DUALPROP__CUDA_PASS(make(self, &pack, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR));
    dualprop_status status = run_packed(self, plan, pack, pointers);
    drop(self, pack);
    return status;
}

void dualprop__cuda_dnn_destroy(dualprop__cuda *self)
{
    struct dualprop__cuda_dnn *dnn = self->dnn;
    if (!dnn) return;
    if (dualprop__cuda_is_ours(self)) {
        for (int i = 0; i < dnn->count; i++) drop_plan(self, &dnn->plans[i]);
        if (dnn->handle) dnn->api.cudnnDestroy(dnn->handle);
        if (dnn->end) cudaEventDestroy(dnn->end);
        if (dnn->begin) cudaEventDestroy(dnn->begin);
    }
    dualprop__cuda_host_release(self, dnn->plans, (size_t)dnn->room * sizeof *dnn->plans);
    dualprop__cuda_host_release(self, dnn, sizeof *dnn);
    self->dnn = NULL;
}
