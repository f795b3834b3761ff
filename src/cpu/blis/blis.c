/*
 * blis.c - the blis backend: micro-kernels, BLIS's and our own, on panels of our own, and loops for the instruction set
 * at hand.
 *
 * This file holds the instance and the table; blis_dense.c and blis_convolution.c the products, blis_arrays.c the loops
 * over arrays. The rest is the reference backend's: an instance begins as one of its instances.
 */
#include <stdio.h>

#include "blis_instance.h"

#define BLIS_ALIGNMENT 64
/* The longest sides of a micro-kernel that our functions keep on their stack. */
#define LONGEST_SIDE 64

/* ---- levels ---- */

static int has_level(int level)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (level == DUALPROP_LEVEL_AVX512)
        return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    if (level == DUALPROP_LEVEL_AVX2) return avx2;
#endif
    return level == DUALPROP_LEVEL_BASELINE;
}

static int best_level(void)
{
    int level = DUALPROP_LEVEL_AVX512;
    while (!has_level(level)) level--;
    return level;
}

/* ---- the instance ---- */

static const dualprop_host *host_of(const dualprop__blis *blis)
{
    return blis->reference.host;
}

static void destroy_blis(void *self)
{
    dualprop__blis *blis = self;
    if (!blis) return;
    const dualprop_host *host = host_of(blis);
    if (blis->kernel.context)
        host->release(host->user_data, blis->kernel.context, dualprop__microkernel_context_size());
    host->release(host->user_data, blis, sizeof *blis);
}

static dualprop_status fill_blis(dualprop__blis *blis, const dualprop_host *host, int type, int level)
{
    *blis = (dualprop__blis){ .reference = { .host = host, .type = type }, .level = level };
    blis->reference.kernels =
        type == DUALPROP_F32 ? &dualprop__reference_kernels_f32 : &dualprop__reference_kernels_f64;
    blis->loops = dualprop__elementwise_find(type, level);
    blis->convolution_loops = dualprop__convolution_loops_find(type, level);
    void *context = host->allocate(host->user_data, dualprop__microkernel_context_size(), BLIS_ALIGNMENT);
    if (!context) return DUALPROP_ERROR_NO_MEMORY;
    dualprop__microkernel_find(&blis->kernel, context, type, level);
    size_t tile = (size_t)(blis->kernel.vector * blis->kernel.broadcast) * blis->loops->real_size;
    int fits =
        tile <= DUALPROP__LARGEST_TILE && blis->kernel.broadcast <= LONGEST_SIDE && blis->kernel.vector <= LONGEST_SIDE;
    return fits ? DUALPROP_OK : DUALPROP_ERROR_NO_BACKEND;
}

static dualprop_status check_blis(const dualprop_host *host, int type, int level)
{
    if (type != DUALPROP_F32 && type != DUALPROP_F64)
        return host->fail(host->user_data, DUALPROP_ERROR_UNSUPPORTED, "the blis backend computes in f32 and f64");
    if (level < DUALPROP_LEVEL_AUTO || level > DUALPROP_LEVEL_AVX512)
        return host->fail(host->user_data, DUALPROP_ERROR_INVALID_ARGUMENT,
                          "level: expected one of DUALPROP_LEVEL_...");
    if (level != DUALPROP_LEVEL_AUTO && !has_level(level))
        return host->fail(host->user_data, DUALPROP_ERROR_NO_BACKEND,
                          "this processor has not the instruction set that the level asks for");
    return DUALPROP_OK;
}

static dualprop_status create_blis(void **self, const dualprop_host *host, int type, int level)
{
    *self = NULL;
    dualprop_status status = check_blis(host, type, level);
    if (status != DUALPROP_OK) return status;
    dualprop__blis *made = host->allocate(host->user_data, sizeof *made, BLIS_ALIGNMENT);
    if (!made) return host->fail(host->user_data, DUALPROP_ERROR_NO_MEMORY, "no memory for the blis backend");
    status = fill_blis(made, host, type, level == DUALPROP_LEVEL_AUTO ? best_level() : level);
    if (status != DUALPROP_OK) {
        destroy_blis(made);
        return host->fail(host->user_data, status,
                          status == DUALPROP_ERROR_NO_MEMORY
                              ? "no memory for the blis backend"
                              : "BLIS's micro-kernel is larger than this library expects");
    }
    *self = made;
    return DUALPROP_OK;
}

static void describe_blis(void *self, char *buffer, size_t size)
{
    static const char *const levels[] = {
        [DUALPROP_LEVEL_BASELINE] = "baseline",
        [DUALPROP_LEVEL_AVX2] = "AVX2",
        [DUALPROP_LEVEL_AVX512] = "AVX-512",
    };
    const dualprop__blis *blis = self;
    const dualprop__microkernel *kernel = &blis->kernel;
    if (size == 0) return;
    snprintf(buffer, size, "%s, %s micro-kernels %lldx%lld, BLIS %s, %s", levels[blis->level], kernel->name,
             (long long)kernel->vector, (long long)kernel->broadcast, dualprop__blis_version(),
             blis->reference.type == DUALPROP_F32 ? "f32" : "f64");
}

/* ---- slots of the reference backend ---- */

#define BLIS_MEMORY_SLOT(result, name, parameters, arguments)                    \
    static result blis_##name(void *self, DUALPROP__LIST parameters)             \
    {                                                                            \
        return dualprop__reference_backend.name(self, DUALPROP__LIST arguments); \
    }

DUALPROP__MEMORY_SLOTS(BLIS_MEMORY_SLOT)

static void release_blis(void *self, void *memory, size_t bytes)
{
    dualprop__reference_backend.release(self, memory, bytes);
}

static dualprop_status synchronize_blis(void *self)
{
    return dualprop__reference_backend.synchronize(self);
}

dualprop_status dualprop__blis_output_step(void *self, const dualprop_output *output)
{
    return dualprop__reference_backend.output_step(self, output);
}

dualprop_status dualprop__blis_output_proximal(void *self, const dualprop_output *output)
{
    return dualprop__reference_backend.output_proximal(self, output);
}

dualprop_status dualprop__blis_evaluate(void *self, int loss, const void *prediction, const void *target, int64_t rows,
                                        int64_t width, int k, double *sum, int64_t *correct, int64_t *top_k)
{
    return dualprop__reference_backend.evaluate(self, loss, prediction, target, rows, width, k, sum, correct, top_k);
}

dualprop_status dualprop__blis_fill_uniform(void *self, void *x, int64_t count, uint64_t seed, uint64_t stream,
                                            uint64_t first)
{
    return dualprop__reference_backend.fill_uniform(self, x, count, seed, stream, first);
}

/* ---- the table ---- */

#define BLIS_MEMORY_ENTRY(result, name, parameters, arguments) .name = blis_##name,
#define BLIS_ENTRY(result, name, parameters, arguments) .name = dualprop__blis_##name,

const dualprop_backend dualprop__blis_backend = {
    .struct_size = sizeof(dualprop_backend),
    .api = DUALPROP_BACKEND_API,
    .flags = DUALPROP_BACKEND_HOST_MEMORY,
    .name = "blis",
    .create = create_blis,
    .destroy = destroy_blis,
    .describe = describe_blis,
    .release = release_blis,
    .synchronize = synchronize_blis,
    DUALPROP__MEMORY_SLOTS(BLIS_MEMORY_ENTRY) DUALPROP__LAYOUT_SLOTS(BLIS_ENTRY) DUALPROP__COMPUTING_SLOTS(BLIS_ENTRY)
        .dense_bottom_up_workspace = dualprop__blis_dense_bottom_up_workspace,
    .convolution_bottom_up_workspace = dualprop__blis_convolution_bottom_up_workspace,
};
