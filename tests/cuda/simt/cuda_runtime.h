/*
 * cuda_runtime.h - in the place of CUDA's own header, for a build of the module's kernels that runs on the host, in
 * tests, as a device would run them: grids of blocks of threads, where everything else calls their serial form.
 *
 * g++ compiles the .cu files as they are, with this folder first in its include path. It sees what nvcc's pass for the
 * device sees (__CUDA_ARCH__ is defined, and the maxima of launch.cuh take the intrinsics); a kernel becomes an
 * ordinary function, and each thread of a block a fiber that calls it (simt.cpp). What a device leaves undefined is
 * reported:
 *
 *   a shuffle to which a lane of its mask does not come, or that asks a lane outside the mask
 *   a barrier to which not all threads of the block come
 *   two threads that touch the same bytes without a barrier between them, one of them writing (race.cpp)
 *   an address outside of the device's memory
 *
 * A grid gets at most 7 blocks, whatever it asks for, so that threads have to take several elements, as they do where
 * there are more of these than threads. Shared memory holds garbage when a block begins. Blocks, and the threads of a
 * block between two meetings, go in an order drawn from DUALPROP_TEST_ORDER (a number; 1 unless given), and every
 * launch draws on: what depends on the order is another result when it is computed again.
 *
 * Not shown: how warps overlap between meetings (race.cpp reports instead what would depend on it), caches, limits of
 * registers and shared memory, and the device's own mathematical functions.
 */
#ifndef DUALPROP_TESTS_SIMT_CUDA_RUNTIME_H
#define DUALPROP_TESTS_SIMT_CUDA_RUNTIME_H

#include <cuda_runtime_api.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "cuda/kernel_info.h"

/* From here on as in nvcc's pass for an sm_90. */
#define __CUDACC__
#define __CUDA_ARCH__ 900

#undef __host__
#undef __device__
#undef __global__
#undef __shared__
#undef __launch_bounds__
#define __host__
#define __device__
#define __global__
#define __launch_bounds__(...)
#define __shared__ static __attribute__((section("simt_shared")))

namespace simt
{

/* Run all threads of a grid: thread(launch) is one of them. Only one grid at a time. */
void run(void (*thread)(const void *launch), const void *launch, dim3 grid, dim3 threads, const char *name);

/* What a thread asks for. */
dim3 grid_size();
dim3 block_size();
uint3 block_number();
uint3 thread_number();
void barrier(int line);
uint64_t shuffle(unsigned mask, uint64_t bits, unsigned distance, int line);
unsigned long long atomic_max(unsigned long long *place, unsigned long long value);

template <class To, class From> static inline To bits_as(const From &from)
{
    To to = To();
    static_assert(sizeof from <= sizeof to, "a shuffle moves 4 or 8 bytes");
    memcpy(&to, &from, sizeof from);
    return to;
}

template <class T> static inline T shuffle_xor(unsigned mask, T value, int distance, int line)
{
    uint64_t bits = shuffle(mask, bits_as<uint64_t>(value), (unsigned)distance, line);
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* A kernel on its way through the runtime: it goes as the body of a kernel_info whose serial form runs the grid. */
template <class Body> struct launch {
    void (*kernel)(Body, int64_t, const dualprop__cuda_kernel_info *);
    const dualprop__cuda_kernel_info *info;
    int64_t count;
    dim3 grid, threads;
    Body body;

    __attribute__((no_sanitize("thread"))) static void thread(const void *of)
    {
        const launch *self = (const launch *)of;
        self->kernel(self->body, self->count, self->info);
    }

    static void all(const void *of, int64_t)
    {
        launch self;
        memcpy((void *)&self, of, sizeof self);
        run(thread, &self, self.grid, self.threads, self.info->name);
    }
};

} // namespace simt

#define gridDim (simt::grid_size())
#define blockDim (simt::block_size())
#define blockIdx (simt::block_number())
#define threadIdx (simt::thread_number())
#define __syncthreads() simt::barrier(__LINE__)
#define __shfl_xor_sync(mask, value, distance) simt::shuffle_xor(mask, value, distance, __LINE__)
#define atomicMax simt::atomic_max
#define __double_as_longlong simt::bits_as<long long, double>
#define __longlong_as_double simt::bits_as<double, long long>
#define __float_as_int simt::bits_as<int, float>
#define __int_as_float simt::bits_as<float, int>

constexpr unsigned simt_most_blocks = 7;

/* CUDA's header too has these two in front of those of C, for kernels whose types are known. */
template <class Body>
static inline cudaError_t cudaLaunchKernel(void (*kernel)(Body, int64_t, const dualprop__cuda_kernel_info *), dim3 grid,
                                           dim3 threads, void **arguments, size_t shared, cudaStream_t stream)
{
    using launch = simt::launch<Body>;
    const dualprop__cuda_kernel_info *info = *(const dualprop__cuda_kernel_info **)arguments[2];
    static const dualprop__cuda_kernel_info whole = { DUALPROP__CUDA_KERNEL_INFO, info->name, sizeof(launch),
                                                      launch::all };
    const dualprop__cuda_kernel_info *with = &whole;
    if (grid.x > simt_most_blocks) grid.x = simt_most_blocks;
    launch own = { kernel, info, *(const int64_t *)arguments[1], grid, threads, *(const Body *)arguments[0] };
    void *all[3] = { &own, &own.count, &with };
    return cudaLaunchKernel((const void *)kernel, grid, threads, all, shared, stream);
}

template <class Kernel> static inline cudaError_t cudaFuncGetAttributes(cudaFuncAttributes *attributes, Kernel *kernel)
{
    return cudaFuncGetAttributes(attributes, (const void *)kernel);
}

#endif
