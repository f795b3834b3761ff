/*
 * cudnn.c - the stand-in for cuDNN's graph API: one convolution, summed in double in the order of the reference
 * backend, of f32 or of BF16; in that case something follows that reads each sum and writes f32.
 *
 * Where the real cuDNN is installed (DUALPROP_REAL_CUDNN names the file), every descriptor is made there too. That
 * needs no GPU: the real one plans for a device that is described to it, here an H100. So what the module asks for is
 * judged by the real library, its heuristics rank the engines, and the module's choice among them is what it would be
 * on such a device; only executing a plan is done here. Without it a few engines are made up, good and bad.
 */
#include "standin.h"

#include <cudnn.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "math/bfloat16.h"

#define MOST_ATTRIBUTES 12
#define MOST_BYTES 512

struct attribute {
    cudnnBackendAttributeName_t name;
    int64_t count;
    char bytes[MOST_BYTES];
};

struct descriptor {
    cudnnBackendDescriptorType_t type;
    int finalized, attribute_count;
    struct attribute attributes[MOST_ATTRIBUTES];
    cudnnBackendDescriptor_t real;
    /* What was read out of others. */
    const struct descriptor *graph;
    struct descriptor *kept; /* x, w, y, the convolution, and the factor of BF16's gradients (type 0: none) */
    int64_t engine;
    int notes[CUDNN_NUMERICAL_NOTE_TYPE_COUNT], note_count;
    int64_t workspace;
};

static struct descriptor *of(cudnnBackendDescriptor_t made)
{
    return (struct descriptor *)made;
}

#define CALL()                                                                                                \
    do {                                                                                                      \
        cudaError_t error_ = standin_call(__func__);                                                          \
        if (error_ == cudaErrorMemoryAllocation) return CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED; \
        if (error_ != cudaSuccess) return CUDNN_STATUS_EXECUTION_FAILED;                                      \
    } while (0)

/* ---- the real one ---- */

#define REAL_FUNCTIONS(X)            \
    X(cudnnBackendCreateDescriptor)  \
    X(cudnnBackendDestroyDescriptor) \
    X(cudnnBackendSetAttribute) X(cudnnBackendGetAttribute) X(cudnnBackendFinalize) X(cudnnGetLastErrorString)
#define POINTER(name) __typeof__(name) *name;

static struct {
    REAL_FUNCTIONS(POINTER)
    cudnnBackendDescriptor_t device;
} real;

static int has_real;

static const char described_device[] =
    "{\"maxGridSize\": [2147483647, 65535, 65535], \"maxBlockSize\": [1024, 1024, 64], \"regsPerBlock\": 65536, "
    "\"multiProcessorCount\": 132, \"smClockRateKHz\": 1980000, \"memClockRateKHz\": 2619000, \"l2CacheSize\": "
    "52428800, "
    "\"warpSize\": 32, \"maxSharedMemoryPerBlock\": 49152, \"maxSharedMemoryPerBlockOptin\": 232448, "
    "\"reservedSharedMemoryPerBlock\": 1024, \"maxRegistersPerSM\": 65536, \"pciDeviceId\": 0, \"maxCtasPerSM\": 32, "
    "\"maxThreadsPerBlock\": 1024, \"maxThreadsPerSM\": 2048, \"isTccDriver\": 0, \"supportCoopLaunch\": 1, "
    "\"deviceVer\": 900, \"driverVer\": 13000, \"cudaDeviceId\": 0, \"totalGlobalMem\": 85000000000, "
    "\"deviceName\": \"NVIDIA H100 80GB HBM3\"}";

static int describe_device(void)
{
    return real.cudnnBackendCreateDescriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, &real.device) ==
               CUDNN_STATUS_SUCCESS &&
           real.cudnnBackendSetAttribute(real.device, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
                                         sizeof described_device, described_device) == CUDNN_STATUS_SUCCESS &&
           real.cudnnBackendFinalize(real.device) == CUDNN_STATUS_SUCCESS;
}

#define LOAD(name)                  \
    symbol = dlsym(library, #name); \
    if (!symbol) return;            \
    memcpy(&real.name, &symbol, sizeof symbol);

static void open_real(void)
{
    void *symbol, *library = standin_open_real("DUALPROP_REAL_CUDNN", "cuDNN");
    if (!library) return;
    REAL_FUNCTIONS(LOAD)
    has_real = describe_device();
    if (!has_real) standin_complain("the real cuDNN does not know the described device");
}

static void find_real(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, open_real);
}

static void judge(cudnnStatus_t status, const char *what)
{
    char words[200] = "";
    if (status == CUDNN_STATUS_SUCCESS) return;
    real.cudnnGetLastErrorString(words, sizeof words);
    standin_complain("the real cuDNN refuses %s: %d, %s", what, (int)status, words);
}

/* ---- handles ---- */

const char *cudnnGetErrorString(cudnnStatus_t status)
{
    return status == CUDNN_STATUS_NOT_SUPPORTED ? "not supported" : "an error";
}

cudnnStatus_t cudnnCreate(cudnnHandle_t *handle)
{
    CALL();
    if (standin_control()->no_parts) return CUDNN_STATUS_SUBLIBRARY_LOADING_FAILED;
    find_real();
    *handle = (cudnnHandle_t)calloc(1, sizeof(cudaStream_t));
    standin_made(1);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnDestroy(cudnnHandle_t handle)
{
    free(handle);
    standin_made(-1);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream)
{
    CALL();
    *(cudaStream_t *)(void *)handle = stream;
    return CUDNN_STATUS_SUCCESS;
}

/* ---- descriptors ---- */

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t *made)
{
    CALL();
    struct descriptor *descriptor = calloc(1, sizeof *descriptor);
    if (!descriptor) abort();
    descriptor->type = type;
    if (has_real && !standin_control()->no_real && type != CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR)
        judge(real.cudnnBackendCreateDescriptor(type, &descriptor->real), "a descriptor");
    standin_made(1);
    *made = (cudnnBackendDescriptor_t)descriptor;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t made)
{
    struct descriptor *descriptor = of(made);
    if (descriptor->real) real.cudnnBackendDestroyDescriptor(descriptor->real);
    free(descriptor->kept);
    free(descriptor);
    standin_made(-1);
    return CUDNN_STATUS_SUCCESS;
}

static size_t size_of(cudnnBackendAttributeType_t type)
{
    switch (type) {
    case CUDNN_TYPE_INT64: return sizeof(int64_t);
    case CUDNN_TYPE_FLOAT: return sizeof(float);
    case CUDNN_TYPE_BOOLEAN: return sizeof(bool);
    case CUDNN_TYPE_HANDLE:
    case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_BACKEND_DESCRIPTOR: return sizeof(void *);
    default: return sizeof(int);
    }
}

static const struct attribute *find(const struct descriptor *descriptor, int name)
{
    for (int i = 0; i < descriptor->attribute_count; i++)
        if ((int)descriptor->attributes[i].name == name) return &descriptor->attributes[i];
    return NULL;
}

static const void *value(const struct descriptor *descriptor, int name)
{
    static const char nothing[MOST_BYTES];
    const struct attribute *attribute = find(descriptor, name);
    if (!attribute)
        standin_complain("attribute %d of a descriptor of type %d was not set", name, (int)descriptor->type);
    return attribute ? attribute->bytes : nothing;
}

static const struct descriptor *referred(const struct descriptor *descriptor, int name)
{
    const struct descriptor *other;
    memcpy(&other, value(descriptor, name), sizeof other);
    return other;
}

/* The real one has no handle, and gets the described device in its place. */
static void set_real(struct descriptor *descriptor, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                     int64_t count, const void *values)
{
    if (!descriptor->real || name == CUDNN_ATTR_OPERATIONGRAPH_HANDLE) return;
    if (name == CUDNN_ATTR_EXECUTION_PLAN_HANDLE) {
        judge(real.cudnnBackendSetAttribute(descriptor->real, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP,
                                            CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &real.device),
              "the described device");
        return;
    }
    cudnnBackendDescriptor_t others[2] = { NULL };
    if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR) {
        for (int64_t i = 0; i < count && i < 2; i++) others[i] = ((struct descriptor *const *)values)[i]->real;
        values = others;
    }
    judge(real.cudnnBackendSetAttribute(descriptor->real, name, type, count, values), "an attribute");
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t made, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count, const void *values)
{
    CALL();
    struct descriptor *descriptor = of(made);
    size_t bytes = (size_t)count * size_of(type);
    if (descriptor->finalized || descriptor->attribute_count == MOST_ATTRIBUTES || bytes > MOST_BYTES) {
        standin_complain("attribute %d was set on a finished descriptor", (int)name);
        return CUDNN_STATUS_BAD_PARAM;
    }
    if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR && !(*(struct descriptor *const *)values)->finalized &&
        name != CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG)
        standin_complain("attribute %d refers to a descriptor that is not finished", (int)name);
    struct attribute *attribute = &descriptor->attributes[descriptor->attribute_count++];
    attribute->name = name;
    attribute->count = count;
    memcpy(attribute->bytes, values, bytes);
    set_real(descriptor, name, type, count, values);
    return CUDNN_STATUS_SUCCESS;
}

/* ---- a graph: a convolution, and what may follow it ---- */

enum { KEPT_CONVOLUTION = 3, KEPT_FACTOR, KEPT };
static const int results[] = { 2, 0, 1 }; /* which of x, w and y a direction forms */

static const struct descriptor *follower_of(const struct descriptor *graph)
{
    const struct attribute *operations = find(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS);
    const struct descriptor *both[2] = { NULL, NULL };
    if (operations && operations->count == 2) memcpy(both, operations->bytes, sizeof both);
    return both[1];
}

/* The tensor that a follower writes instead of the sums; it is a product with a factor or leaves them as they are. */
static const struct descriptor *read_follower(const struct descriptor **factor, const struct descriptor *follower,
                                              const struct descriptor *sums)
{
    int mode, has_factor = find(follower, CUDNN_ATTR_OPERATION_POINTWISE_BDESC) != NULL;
    memcpy(&mode, value(referred(follower, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR), CUDNN_ATTR_POINTWISE_MODE),
           sizeof mode);
    if (mode != (has_factor ? CUDNN_POINTWISE_MUL : CUDNN_POINTWISE_IDENTITY))
        standin_complain("mode %d follows a convolution", mode);
    if (referred(follower, CUDNN_ATTR_OPERATION_POINTWISE_XDESC) != sums || !find(sums, CUDNN_ATTR_TENSOR_IS_VIRTUAL))
        standin_complain("what follows a convolution does not read its sums");
    *factor = has_factor ? referred(follower, CUDNN_ATTR_OPERATION_POINTWISE_BDESC) : NULL;
    if (*factor && !find(*factor, CUDNN_ATTR_TENSOR_IS_BY_VALUE)) standin_complain("the factor does not come by value");
    return referred(follower, CUDNN_ATTR_OPERATION_POINTWISE_YDESC);
}

/* x, w, y, the convolution and the factor (or NULL) of a graph; the direction. */
static int read_operation(const struct descriptor *kept[KEPT], const struct descriptor *graph)
{
    static const int names[3][4] = {
        { CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC },
        { CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC },
        { CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC },
    };
    const struct descriptor *operation = referred(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS);
    int direction = operation->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR         ? 0
                    : operation->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR ? 1
                                                                                                      : 2;
    const struct descriptor **result = &kept[results[direction]];
    for (int i = 0; i <= KEPT_CONVOLUTION; i++) kept[i] = referred(operation, names[direction][i]);
    kept[KEPT_FACTOR] = NULL;
    if (follower_of(graph)) *result = read_follower(&kept[KEPT_FACTOR], follower_of(graph), *result);
    return direction;
}

/* ---- heuristics: what there is to choose from ---- */

/* Made-up engines: tensor cores; no notes, but its plan cannot be built; three settings of a good one; another good
 * one; one without a fixed order. */
static const struct engine {
    int notes[2], note_count, fails;
    int64_t workspace, number;
} engines[] = {
    { { CUDNN_NUMERICAL_NOTE_TENSOR_CORE }, 1, 0, 256, 10 },     { { 0 }, 0, 1, 0, 11 },
    { { CUDNN_NUMERICAL_NOTE_WINOGRAD }, 1, 0, 5000, 12 },       { { CUDNN_NUMERICAL_NOTE_WINOGRAD }, 1, 0, 4000, 12 },
    { { CUDNN_NUMERICAL_NOTE_WINOGRAD }, 1, 0, 3000, 12 },       { { 0 }, 0, 0, 0, 13 },
    { { CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC }, 1, 0, 64, 14 },
};
#define MADE_UP ((int64_t)(sizeof engines / sizeof engines[0]))

static int data_type(const struct descriptor *tensor)
{
    int type;
    memcpy(&type, value(tensor, CUDNN_ATTR_TENSOR_DATA_TYPE), sizeof type);
    return type;
}

/* Of BF16, as of the real one, only with something that follows, and of data and filter only for even channels. */
static int has_engines(const struct descriptor *graph)
{
    const struct descriptor *kept[KEPT];
    int direction = read_operation(kept, graph);
    int64_t extents[4];
    if (data_type(kept[direction == 0 ? 0 : 2]) == CUDNN_DATA_FLOAT) return 1;
    memcpy(extents, value(kept[1], CUDNN_ATTR_TENSOR_DIMENSIONS), sizeof extents);
    return follower_of(graph) && (direction == 0 || (extents[0] % 2 == 0 && extents[1] % 2 == 0));
}

static int64_t results_of(const struct descriptor *heuristics)
{
    int64_t count = 0;
    if (standin_control()->no_engines) return 0;
    if (!heuristics->real)
        return has_engines(referred(heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH)) ? MADE_UP : 0;
    judge(real.cudnnBackendGetAttribute(heuristics->real, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                                        0, &count, NULL),
          "its results");
    return count;
}

static cudnnStatus_t give_results(const struct descriptor *heuristics, int64_t wanted, int64_t *count, void *values)
{
    struct descriptor **configurations = values;
    cudnnBackendDescriptor_t reals[256];
    *count = results_of(heuristics);
    if (wanted == 0) return CUDNN_STATUS_SUCCESS;
    if (*count > wanted) *count = wanted;
    for (int64_t i = 0; i < *count; i++) {
        configurations[i]->graph = referred(heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
        configurations[i]->engine = i;
        reals[i] = configurations[i]->real;
    }
    if (heuristics->real)
        judge(real.cudnnBackendGetAttribute(heuristics->real, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                            CUDNN_TYPE_BACKEND_DESCRIPTOR, wanted, count, reals),
              "its results");
    if (standin_control()->miscounts) *count += 1000;
    return CUDNN_STATUS_SUCCESS;
}

static void read_notes(struct descriptor *engine)
{
    int64_t count = 0;
    if (engine->real) {
        judge(real.cudnnBackendGetAttribute(engine->real, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                            CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &count, engine->notes),
              "notes");
        engine->note_count = (int)count;
        return;
    }
    engine->note_count = engines[engine->engine].note_count;
    memcpy(engine->notes, engines[engine->engine].notes, sizeof engines[0].notes);
}

static void give_engine(struct descriptor *configuration, struct descriptor *engine)
{
    int64_t count = 0;
    engine->engine = configuration->engine;
    if (configuration->real)
        judge(real.cudnnBackendGetAttribute(configuration->real, CUDNN_ATTR_ENGINECFG_ENGINE,
                                            CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &engine->real),
              "its engine");
    read_notes(engine);
    configuration->note_count = engine->note_count;
    memcpy(configuration->notes, engine->notes, sizeof engine->notes);
}

cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t made, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t wanted, int64_t *count, void *values)
{
    CALL();
    struct descriptor *descriptor = of(made);
    *count = 1;
    switch ((int)name) {
    case CUDNN_ATTR_ENGINEHEUR_RESULTS: return give_results(descriptor, wanted, count, values);
    case CUDNN_ATTR_ENGINECFG_ENGINE:
        give_engine(descriptor, *(struct descriptor **)values);
        return CUDNN_STATUS_SUCCESS;
    case CUDNN_ATTR_ENGINE_NUMERICAL_NOTE:
        *count = descriptor->note_count;
        memcpy(values, descriptor->notes, (size_t)descriptor->note_count * sizeof(int));
        return CUDNN_STATUS_SUCCESS;
    case CUDNN_ATTR_ENGINE_GLOBAL_INDEX:
        if (descriptor->real)
            judge(real.cudnnBackendGetAttribute(descriptor->real, name, type, wanted, count, values), "its number");
        else memcpy(values, &engines[descriptor->engine].number, sizeof(int64_t));
        return CUDNN_STATUS_SUCCESS;
    case CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE:
        memcpy(values, &descriptor->workspace, sizeof(int64_t));
        return CUDNN_STATUS_SUCCESS;
    default: return CUDNN_STATUS_NOT_SUPPORTED;
    }
}

/* ---- finishing ---- */

static int is_among(const struct descriptor *descriptor, int note)
{
    for (int i = 0; i < descriptor->note_count; i++)
        if (descriptor->notes[i] == note) return 1;
    return 0;
}

/* A plan keeps copies of what its graph is made of, which may be destroyed before it. */
static void keep_operation(struct descriptor *plan, const struct descriptor *graph)
{
    const struct descriptor *kept[KEPT];
    int direction = read_operation(kept, graph);
    plan->kept = calloc(KEPT, sizeof *plan->kept);
    if (!plan->kept) abort();
    for (int i = 0; i < KEPT; i++)
        if (kept[i]) plan->kept[i] = *kept[i];
    plan->kept[0].engine = direction;
}

static cudnnStatus_t finalize_plan(struct descriptor *plan)
{
    const struct descriptor *configuration = referred(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
    int64_t count = 0;
    plan->note_count = configuration->note_count;
    memcpy(plan->notes, configuration->notes, sizeof plan->notes);
    if (plan->real) {
        if (real.cudnnBackendFinalize(plan->real) != CUDNN_STATUS_SUCCESS) return CUDNN_STATUS_NOT_SUPPORTED;
        judge(real.cudnnBackendGetAttribute(plan->real, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1,
                                            &count, &plan->workspace),
              "its workspace");
    } else {
        if (engines[configuration->engine].fails) return CUDNN_STATUS_NOT_SUPPORTED;
        plan->workspace = engines[configuration->engine].workspace;
    }
    keep_operation(plan, configuration->graph);
    standin_control()->plans++;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t made)
{
    CALL();
    struct descriptor *descriptor = of(made);
    descriptor->finalized = 1;
    if (descriptor->type == CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR) return finalize_plan(descriptor);
    if (!descriptor->real) return CUDNN_STATUS_SUCCESS;
    if (descriptor->type == CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR)
        judge(real.cudnnBackendSetAttribute(descriptor->real, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP,
                                            CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &real.device),
              "the described device");
    judge(real.cudnnBackendFinalize(descriptor->real), "a descriptor that is finished");
    return CUDNN_STATUS_SUCCESS;
}

/* ---- the convolution ---- */

struct convolution {
    int64_t x[4], w[4], y[4]; /* extents n, c, h, w */
    int64_t padding[2], strides[2];
    void *at[3];
    int direction, rounded; /* rounded: the operands are BF16 */
    double factor;
};

/* The three tensors while it is computed. */
struct sums {
    const float *of[3];
    double *to;
};

static const int64_t *extents_of(const struct convolution *self, int tensor)
{
    return tensor == 0 ? self->x : tensor == 1 ? self->w : self->y;
}

static int64_t elements_of(const struct convolution *self, int tensor)
{
    const int64_t *extents = extents_of(self, tensor);
    return extents[0] * extents[1] * extents[2] * extents[3];
}

/* Element (n, c, h, w) of a tensor whose c lies innermost. */
static int64_t index_of(const int64_t extents[4], int64_t n, int64_t c, int64_t h, int64_t w)
{
    return ((n * extents[2] + h) * extents[3] + w) * extents[1] + c;
}

/* Call for every pair of input and map places that a tap joins. */
static int joins(const struct convolution *self, int64_t *from, int64_t map, int64_t tap, int axis)
{
    *from = map * self->strides[axis] - self->padding[axis] + tap;
    return *from >= 0 && *from < self->x[2 + axis];
}

/* One tap of one place of the map: from and to of all three directions. */
static void do_tap(const struct convolution *self, const struct sums *sums, int64_t n, const int64_t map[2],
                   const int64_t tap[2])
{
    const float *const *of = sums->of;
    double *to = sums->to;
    int64_t from[2];
    if (!joins(self, &from[0], map[0], tap[0], 0) || !joins(self, &from[1], map[1], tap[1], 1)) return;
    for (int64_t c = 0; c < self->x[1]; c++)
        for (int64_t k = 0; k < self->w[0]; k++) {
            int64_t x = index_of(self->x, n, c, from[0], from[1]), w = index_of(self->w, k, c, tap[0], tap[1]);
            int64_t y = index_of(self->y, n, k, map[0], map[1]);
            if (self->direction == 0) to[y] += (double)of[0][x] * (double)of[1][w];
            else if (self->direction == 1) to[x] += (double)of[1][w] * (double)of[2][y];
            else to[w] += (double)of[0][x] * (double)of[2][y];
        }
}

static float *widened(const struct convolution *self, int tensor)
{
    float *wide = malloc((size_t)elements_of(self, tensor) * sizeof *wide);
    const uint16_t *from = self->at[tensor];
    if (!wide) abort();
    for (int64_t i = 0; i < elements_of(self, tensor); i++) wide[i] = dualprop__of_bfloat16(from[i]);
    return wide;
}

static void add_taps(const struct convolution *self, const struct sums *sums)
{
    int64_t map[2], tap[2];
    for (int64_t n = 0; n < self->x[0]; n++)
        for (map[0] = 0; map[0] < self->y[2]; map[0]++)
            for (map[1] = 0; map[1] < self->y[3]; map[1]++)
                for (tap[0] = 0; tap[0] < self->w[2]; tap[0]++)
                    for (tap[1] = 0; tap[1] < self->w[3]; tap[1]++) do_tap(self, sums, n, map, tap);
}

static void do_convolution(const void *payload)
{
    const struct convolution *self = payload;
    int result = results[self->direction];
    float *wide[3] = { NULL }, *to = self->at[result];
    if (standin_control()->idle) return;
    struct sums sums = { .to = calloc((size_t)elements_of(self, result), sizeof *sums.to) };
    if (!sums.to) abort();
    for (int i = 0; i < 3; i++) {
        if (self->rounded && i != result) wide[i] = widened(self, i);
        sums.of[i] = wide[i] ? wide[i] : self->at[i];
    }
    add_taps(self, &sums);
    for (int64_t i = 0; i < elements_of(self, result); i++) to[i] = (float)(self->factor * sums.to[i]);
    for (int i = 0; i < 3; i++) free(wide[i]);
    free(sums.to);
}

static void read_tensor(int64_t extents[4], const struct descriptor *tensor)
{
    int64_t strides[4];
    memcpy(extents, value(tensor, CUDNN_ATTR_TENSOR_DIMENSIONS), 4 * sizeof *extents);
    memcpy(strides, value(tensor, CUDNN_ATTR_TENSOR_STRIDES), sizeof strides);
    if (strides[1] != 1 || strides[3] != extents[1] || strides[2] != extents[1] * extents[3] ||
        strides[0] != extents[1] * extents[2] * extents[3])
        standin_complain("a tensor is not packed with its channels innermost");
}

static void check_shapes(const struct convolution *self)
{
    for (int axis = 0; axis < 2; axis++) {
        int64_t expected = (self->x[2 + axis] + 2 * self->padding[axis] - self->w[2 + axis]) / self->strides[axis] + 1;
        if (self->y[2 + axis] != expected)
            standin_complain("the map's extent is %lld, expected %lld", (long long)self->y[2 + axis],
                             (long long)expected);
    }
    if (self->x[0] != self->y[0] || self->x[1] != self->w[1] || self->w[0] != self->y[1])
        standin_complain("the tensors of a convolution do not fit each other");
}

static size_t element_size(const struct convolution *self, int tensor)
{
    return self->rounded && tensor != results[self->direction] ? sizeof(uint16_t) : sizeof(float);
}

static void check_pointers(const struct convolution *self, const struct descriptor *plan, const void *workspace)
{
    for (int i = 0; i < 3; i++) {
        standin_check(self->at[i], (size_t)elements_of(self, i) * element_size(self, i), "an operand of a convolution");
        if ((uintptr_t)self->at[i] % 16) standin_complain("an operand of a convolution is not aligned to 16 bytes");
    }
    if (plan->workspace > 0) standin_check(workspace, (size_t)plan->workspace, "the workspace of a convolution");
}

/* f32 all three, or BF16 for both operands and f32 for the result. */
static void check_types(const struct convolution *self, const struct descriptor *plan)
{
    for (int i = 0; i < 3; i++) {
        size_t size = data_type(&plan->kept[i]) == CUDNN_DATA_BFLOAT16 ? sizeof(uint16_t) : sizeof(float);
        if (size != element_size(self, i)) standin_complain("the types of a convolution do not fit each other");
    }
}

/* What the pack has for a tensor of the plan. */
static void *pointer_of(const struct descriptor *tensor, const struct descriptor *pack)
{
    const struct attribute *ids = find(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
    const char *pointers = value(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
    void *pointer = NULL;
    for (int64_t i = 0; ids && i < ids->count; i++)
        if (memcmp(ids->bytes + (size_t)i * sizeof(int64_t), value(tensor, CUDNN_ATTR_TENSOR_UNIQUE_ID),
                   sizeof(int64_t)) == 0)
            memcpy(&pointer, pointers + (size_t)i * sizeof(void *), sizeof pointer);
    if (!pointer) standin_complain("a tensor of a convolution has no memory");
    return pointer;
}

static void read_convolution(struct convolution *self, const struct descriptor *plan, const struct descriptor *pack)
{
    const struct descriptor *kept = plan->kept, *with = &kept[KEPT_CONVOLUTION], *factor = &kept[KEPT_FACTOR];
    memset(self, 0, sizeof *self);
    read_tensor(self->x, &kept[0]);
    read_tensor(self->w, &kept[1]);
    read_tensor(self->y, &kept[2]);
    memcpy(self->padding, value(with, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS), sizeof self->padding);
    memcpy(self->strides, value(with, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES), sizeof self->strides);
    for (int i = 0; i < 3; i++) self->at[i] = pointer_of(&kept[i], pack);
    self->direction = (int)kept[0].engine;
    self->rounded = data_type(&kept[self->direction == 0 ? 0 : 2]) == CUDNN_DATA_BFLOAT16;
    self->factor = factor->finalized ? (double)*(const float *)pointer_of(factor, pack) : 1;
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t made, cudnnBackendDescriptor_t pack)
{
    CALL();
    const struct descriptor *plan = of(made);
    struct convolution convolution;
    void *workspace;
    read_convolution(&convolution, plan, of(pack));
    memcpy(&workspace, value(of(pack), CUDNN_ATTR_VARIANT_PACK_WORKSPACE), sizeof workspace);
    check_shapes(&convolution);
    check_types(&convolution, plan);
    check_pointers(&convolution, plan, workspace);
    standin_state *state = standin_control();
    state->convolutions++;
    state->rounded += convolution.rounded;
    state->tensor_cores += is_among(plan, CUDNN_NUMERICAL_NOTE_TENSOR_CORE);
    state->unordered += is_among(plan, CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC);
    standin_enqueue(*(cudaStream_t *)(void *)handle, do_convolution, &convolution, sizeof convolution);
    return CUDNN_STATUS_SUCCESS;
}
