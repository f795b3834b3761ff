/*
 * launch.cuh - the one place where kernels are launched, and the six shapes that kernels have.
 *
 * A kernel is a body: a plain struct of arguments with __host__ __device__ members that do one element. The six
 * shapes put a body on the device:
 *
 *   each            element i of count, every one on its own                 void operator()(int64_t i) const
 *   each_with_max   the same, and the greatest of what all elements return   maxima operator()(int64_t i) const
 *                   is left in two slots
 *   each_group      the same for bodies that do several elements at once, and follow the maxima of them all
 *                                            void operator()(int64_t group, max_tracker *) const
 *   team            row r of count by the 32 lanes of a warp: in every round each lane forms a part, the parts are
 *                   combined in a fixed tree, and every lane takes the result; at last each lane finishes its share
 *   block_a_row     row r of count by all threads of a block: each forms a part of up to 16 sums, which are added in a
 *                   fixed tree, a thread stores each sum, and then the first warp does the row of a team's body
 *   one_block       a single block asks a question of each of count elements (at most `block`), and then, knowing
 *                   whether any of them answered yes, each thread of the block acts
 *                                            int ask(int64_t i) const; void act(int thread, int any) const
 *
 * Each shape has a serial form too, which does the same on the host, lanes and tree included. Only stand-ins of the
 * CUDA runtime in tests call it, through the kernel_info that goes along with a launch; so the tests run every body.
 *
 * Bodies hold their eight-byte members first and leave no gap, so that equal work has equal bytes (graph_cache.h).
 */
#ifndef DUALPROP_CUDA_LAUNCH_CUH
#define DUALPROP_CUDA_LAUNCH_CUH

#include <cuda_runtime.h>
#include <string.h>

#include "slots.h"
#include "kernel_info.h"
#include "math/formulas.h"

#define DUALPROP__CUDA_BOTH __host__ __device__

/* Before a loop that mostly runs once: unrolling it would take registers, which limit how many threads run. */
#ifdef __CUDA_ARCH__
#define ROLLED _Pragma("unroll 1")
/* Before one that mostly loads: two rounds in flight hide most of what a load takes, four would take too many. */
#define BY_TWOS _Pragma("unroll 2")
#else
#define ROLLED
#define BY_TWOS
#endif

namespace dualprop_cuda {

constexpr int lanes = 32;
constexpr int block = 256;
constexpr int most_blocks = 8192; /* beyond this threads take several elements each */

/* a / b for a >= 0, b > 0: in 32 bits where that is enough, which is several times as fast on a device. */
DUALPROP__CUDA_BOTH static inline int64_t quotient(int64_t a, int64_t b)
{
    if (((a | b) >> 32) == 0) return (int64_t)((uint32_t)a / (uint32_t)b);
    return a / b;
}

/* Take the last axis, of this extent, off a row-major index: what is left is in *index. */
DUALPROP__CUDA_BOTH static inline int64_t split_axis(int64_t *index, int64_t extent)
{
    int64_t rest = quotient(*index, extent), last = *index - rest * extent;
    *index = rest;
    return last;
}

/* ---- maxima ---- */

/* |s+-| and its change; 0 if there is nothing to report. */
struct maxima {
    double change;
    float max_abs;
};

/* The bits of |x|, whose order as whole numbers is that of the values, NaN being the greatest. */
DUALPROP__CUDA_BOTH static inline unsigned long long order_of(double x)
{
#ifdef __CUDA_ARCH__
    return (unsigned long long)__double_as_longlong(fabs(x));
#else
    unsigned long long bits;
    x = fabs(x);
    memcpy(&bits, &x, sizeof bits);
    return bits;
#endif
}

DUALPROP__CUDA_BOTH static inline unsigned int order_of(float x)
{
#ifdef __CUDA_ARCH__
    return (unsigned int)__float_as_int(fabsf(x));
#else
    unsigned int bits;
    x = fabsf(x);
    memcpy(&bits, &x, sizeof bits);
    return bits;
#endif
}

DUALPROP__CUDA_BOTH static inline double value_of(unsigned int order)
{
#ifdef __CUDA_ARCH__
    return (double)__int_as_float((int)order);
#else
    float x;
    memcpy(&x, &order, sizeof x);
    return (double)x;
#endif
}

/* Follows the maxima of one thread. */
struct max_tracker {
    unsigned long long change = 0;
    unsigned int max_abs = 0;

    DUALPROP__CUDA_BOTH void add(const maxima &seen)
    {
        unsigned int p = order_of(seen.max_abs);
        unsigned long long c = order_of(seen.change);
        max_abs = p > max_abs ? p : max_abs;
        change = c > change ? c : change;
    }

    /* One that is known by its order already. */
    DUALPROP__CUDA_BOTH void add(unsigned int p)
    {
        max_abs = p > max_abs ? p : max_abs;
    }
};

/* Where maxima go: slots on the device, or NULL. */
struct max_places {
    uint64_t *max_abs, *change;
};

static inline void raise_serial(const max_places &to, const max_tracker &seen)
{
    uint64_t max_abs = order_of(value_of(seen.max_abs));
    if (to.max_abs && max_abs > *to.max_abs) *to.max_abs = max_abs;
    if (to.change && seen.change > *to.change) *to.change = seen.change;
}

#ifdef __CUDACC__
/* All threads of the block have to come here. */
__device__ static inline void raise(const max_places &to, max_tracker seen)
{
    __shared__ unsigned long long changes[block / lanes];
    __shared__ unsigned int maxima_of[block / lanes];
    if (!to.max_abs && !to.change) return; /* the same for the whole block */
    for (int distance = lanes / 2; distance > 0; distance /= 2) {
        unsigned int max_abs = __shfl_xor_sync(0xffffffffu, seen.max_abs, distance);
        unsigned long long change = __shfl_xor_sync(0xffffffffu, seen.change, distance);
        seen.max_abs = max_abs > seen.max_abs ? max_abs : seen.max_abs;
        seen.change = change > seen.change ? change : seen.change;
    }
    if (threadIdx.x % lanes == 0) {
        maxima_of[threadIdx.x / lanes] = seen.max_abs;
        changes[threadIdx.x / lanes] = seen.change;
    }
    __syncthreads();
    if (threadIdx.x != 0) return;
    for (int i = 1; i < block / lanes; i++) {
        seen.max_abs = maxima_of[i] > seen.max_abs ? maxima_of[i] : seen.max_abs;
        seen.change = changes[i] > seen.change ? changes[i] : seen.change;
    }
    if (to.max_abs) atomicMax((unsigned long long *)to.max_abs, order_of(value_of(seen.max_abs)));
    if (to.change) atomicMax((unsigned long long *)to.change, seen.change);
}
#endif

/* ---- four elements at once ---- */

DUALPROP__CUDA_BOTH static inline void load_four(float to[4], const float *from)
{
    float4 four = *(const float4 *)from;
    to[0] = four.x, to[1] = four.y, to[2] = four.z, to[3] = four.w;
}

DUALPROP__CUDA_BOTH static inline void store_four(float *to, const float from[4])
{
    float4 four = { from[0], from[1], from[2], from[3] };
    *(float4 *)to = four;
}

DUALPROP__CUDA_BOTH static inline void store_four(uint16_t *to, const uint16_t from[4])
{
    ushort4 four = { from[0], from[1], from[2], from[3] };
    *(ushort4 *)to = four;
}

/* Is an array, or NULL, aligned to so many bytes, those of four of its elements? */
static inline int is_aligned(const void *array, size_t bytes)
{
    return (uintptr_t)array % bytes == 0;
}

/* Do so many elements have indices of 32 bits, four of them beyond the last included? */
static inline int is_narrow(int64_t count)
{
    return count < ((int64_t)1 << 31) - 4;
}

/* ---- the six shapes ---- */

template <class Body>
__global__ void __launch_bounds__(block) each_kernel(Body body, int64_t count, const dualprop__cuda_kernel_info *)
{
    int64_t step = (int64_t)gridDim.x * block;
    for (int64_t i = (int64_t)blockIdx.x * block + threadIdx.x; i < count; i += step) body(i);
}

template <class Body> struct each {
    static auto kernel()
    {
        return each_kernel<Body>;
    }

    static void serial(const void *bytes, int64_t count)
    {
        Body body;
        memcpy(&body, bytes, sizeof body);
        for (int64_t i = 0; i < count; i++) body(i);
    }

    static int64_t blocks(int64_t count)
    {
        return (count + block - 1) / block;
    }
};

template <class Body>
__global__ void __launch_bounds__(block) max_kernel(Body body, int64_t count, const dualprop__cuda_kernel_info *)
{
    max_tracker seen;
    int64_t step = (int64_t)gridDim.x * block;
    for (int64_t i = (int64_t)blockIdx.x * block + threadIdx.x; i < count; i += step) seen.add(body(i));
    raise(body.to, seen);
}

template <class Body> struct each_with_max {
    static auto kernel()
    {
        return max_kernel<Body>;
    }

    static void serial(const void *bytes, int64_t count)
    {
        Body body;
        max_tracker seen;
        memcpy(&body, bytes, sizeof body);
        for (int64_t i = 0; i < count; i++) seen.add(body(i));
        raise_serial(body.to, seen);
    }

    static int64_t blocks(int64_t count)
    {
        return each<Body>::blocks(count);
    }
};

template <class Body>
__global__ void __launch_bounds__(block) group_kernel(Body body, int64_t count, const dualprop__cuda_kernel_info *)
{
    max_tracker seen;
    int64_t step = (int64_t)gridDim.x * block;
    for (int64_t i = (int64_t)blockIdx.x * block + threadIdx.x; i < count; i += step) body(i, &seen);
    raise(body.to, seen);
}

template <class Body> struct each_group {
    static auto kernel()
    {
        return group_kernel<Body>;
    }

    static void serial(const void *bytes, int64_t count)
    {
        Body body;
        max_tracker seen;
        memcpy((void *)&body, bytes, sizeof body);
        for (int64_t i = 0; i < count; i++) body(i, &seen);
        raise_serial(body.to, seen);
    }

    static int64_t blocks(int64_t count)
    {
        return each<Body>::blocks(count);
    }
};

/*
 * A team's body has a type `parts` of doubles (member v[]) for what is combined, a type `memory` that each lane keeps,
 * and
 *
 *   int rounds() const                                              how many rounds there are
 *   parts part(int round, int64_t row, int lane, const memory &) const
 *   double combine(int round, double, double) const                 commutative
 *   void take(int round, const parts &total, memory *) const
 *   void finish(int64_t row, int lane, const memory &, max_tracker *) const
 *   places to                                                       where the maxima go
 */
#ifdef __CUDACC__
/* One row, by a whole warp. */
template <class Body>
__device__ static inline void team_row(const Body &body, int64_t row, int lane, max_tracker *seen)
{
    constexpr int width = (int)(sizeof(typename Body::parts) / sizeof(double));
    typename Body::memory kept;
    for (int round = 0; round < body.rounds(); round++) {
        typename Body::parts own = body.part(round, row, lane, kept);
        for (int distance = lanes / 2; distance > 0; distance /= 2)
            for (int k = 0; k < width; k++)
                own.v[k] = body.combine(round, own.v[k], __shfl_xor_sync(0xffffffffu, own.v[k], distance));
        body.take(round, own, &kept);
    }
    body.finish(row, lane, kept, seen);
}
#endif

template <class Body>
__global__ void __launch_bounds__(block) team_kernel(Body body, int64_t rows, const dualprop__cuda_kernel_info *)
{
    max_tracker seen;
    int64_t step = (int64_t)gridDim.x * (block / lanes);
    for (int64_t row = (int64_t)blockIdx.x * (block / lanes) + threadIdx.x / lanes; row < rows; row += step)
        team_row(body, row, (int)threadIdx.x % lanes, &seen);
    raise(body.to, seen);
}

template <class Body> struct team {
    using parts = typename Body::parts;
    using memory = typename Body::memory;
    static constexpr int width = (int)(sizeof(parts) / sizeof(double));

    static auto kernel()
    {
        return team_kernel<Body>;
    }

    /* Every lane ends with the same total, as on the device, since combine is commutative. */
    static void combine_serial(const Body &body, int round, parts *all)
    {
        for (int distance = lanes / 2; distance > 0; distance /= 2)
            for (int lane = 0; lane < distance; lane++)
                for (int k = 0; k < width; k++)
                    all[lane].v[k] = body.combine(round, all[lane].v[k], all[lane + distance].v[k]);
    }

    static void row_serial(const Body &body, int64_t row, max_tracker *seen)
    {
        memory kept[lanes];
        parts all[lanes];
        for (int round = 0; round < body.rounds(); round++) {
            for (int lane = 0; lane < lanes; lane++) all[lane] = body.part(round, row, lane, kept[lane]);
            combine_serial(body, round, all);
            for (int lane = 0; lane < lanes; lane++) body.take(round, all[0], &kept[lane]);
        }
        for (int lane = 0; lane < lanes; lane++) body.finish(row, lane, kept[lane], seen);
    }

    static void serial(const void *bytes, int64_t rows)
    {
        Body body;
        max_tracker seen;
        memcpy(&body, bytes, sizeof body);
        for (int64_t row = 0; row < rows; row++) row_serial(body, row, &seen);
        raise_serial(body.to, seen);
    }

    static int64_t blocks(int64_t rows)
    {
        return (rows + block / lanes - 1) / (block / lanes);
    }
};

/*
 * A body of rows has, beside `after`, the body of a team,
 *
 *   void part(int64_t row, int thread, float sums[row_sums]) const    what a thread adds to each sum
 *   int sums() const                                                   how many there are
 *   void store(int64_t row, int number, float sum) const
 */
constexpr int row_sums = 16;

#ifdef __CUDACC__
/*
 * The sums of all threads of the block, `own` being a thread's; each thread with number < row_sums gets one of them.
 * Two lanes that meet share the sums that they still have between them: in the end a lane has one sum of its warp, the
 * one of half its number. That is 16 shuffles, where each lane would need 80 for all sums, and the same tree of each.
 */
__device__ static inline float block_sum(float own[row_sums])
{
    __shared__ float sums[block / lanes][row_sums];
    int thread = (int)threadIdx.x;
    float total = 0;
    static_assert(lanes == 2 * row_sums, "two lanes are left for each sum");
    for (int half = row_sums / 2; half > 0; half /= 2) {
        int is_upper = (thread & 2 * half) != 0;
        for (int k = 0; k < half; k++) {
            float given = is_upper ? own[k] : own[k + half], kept = is_upper ? own[k + half] : own[k];
            own[k] = kept + __shfl_xor_sync(0xffffffffu, given, 2 * half);
        }
    }
    own[0] += __shfl_xor_sync(0xffffffffu, own[0], 1);
    if (thread % 2 == 0) sums[thread / lanes][thread % lanes / 2] = own[0];
    __syncthreads();
    for (int warp = 0; thread < row_sums && warp < block / lanes; warp++) total += sums[warp][thread];
    return total;
}
#endif

template <class Body>
__global__ void __launch_bounds__(block) row_kernel(Body body, int64_t rows, const dualprop__cuda_kernel_info *)
{
    max_tracker seen;
    int thread = (int)threadIdx.x;
    for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
        float sums[row_sums];
        body.part(row, thread, sums);
        float total = block_sum(sums);
        if (thread < body.sums()) body.store(row, thread, total);
        __syncthreads(); /* what was stored is there, and the shared sums are free again */
        if (thread < lanes) team_row(body.after, row, thread, &seen);
    }
    raise(body.after.to, seen);
}

template <class Body> struct block_a_row {
    static auto kernel()
    {
        return row_kernel<Body>;
    }

    static void add_serial(float all[block][row_sums], float totals[row_sums])
    {
        for (int k = 0; k < row_sums; k++) totals[k] = 0;
        for (int first = 0; first < block; first += lanes) {
            for (int distance = lanes / 2; distance > 0; distance /= 2)
                for (int i = first; i < first + distance; i++)
                    for (int k = 0; k < row_sums; k++) all[i][k] += all[i + distance][k];
            for (int k = 0; k < row_sums; k++) totals[k] += all[first][k];
        }
    }

    static void serial(const void *bytes, int64_t rows)
    {
        Body body;
        max_tracker seen;
        memcpy((void *)&body, bytes, sizeof body);
        for (int64_t row = 0; row < rows; row++) {
            float all[block][row_sums], totals[row_sums];
            for (int thread = 0; thread < block; thread++) body.part(row, thread, all[thread]);
            add_serial(all, totals);
            for (int k = 0; k < body.sums(); k++) body.store(row, k, totals[k]);
            team<decltype(body.after)>::row_serial(body.after, row, &seen);
        }
        raise_serial(body.after.to, seen);
    }

    static int64_t blocks(int64_t rows)
    {
        return rows;
    }
};

#ifdef __CUDACC__
/* Is one of the first `count` threads' answers not 0? All threads of the block have to come here. */
__device__ static inline int any_of(int answer, int64_t count)
{
    __shared__ int answers[block];
    int any = 0;
    if ((int64_t)threadIdx.x < count) answers[threadIdx.x] = answer;
    __syncthreads();
    for (int64_t i = 0; i < count; i++) any |= answers[i];
    return any;
}
#endif

template <class Body>
__global__ void __launch_bounds__(block) one_block_kernel(Body body, int64_t count, const dualprop__cuda_kernel_info *)
{
    int answer = (int64_t)threadIdx.x < count ? body.ask(threadIdx.x) : 0;
    body.act((int)threadIdx.x, any_of(answer, count));
}

template <class Body> struct one_block {
    static auto kernel()
    {
        return one_block_kernel<Body>;
    }

    static void serial(const void *bytes, int64_t count)
    {
        Body body;
        int any = 0;
        memcpy((void *)&body, bytes, sizeof body);
        for (int64_t i = 0; i < count; i++) any |= body.ask(i);
        for (int thread = 0; thread < block; thread++) body.act(thread, any);
    }

    static int64_t blocks(int64_t)
    {
        return 1;
    }
};

/* ---- launching ---- */

template <class Shape, class Body> struct launch {
    int64_t count;
    Body body;

    static const dualprop__cuda_kernel_info *info()
    {
        static const dualprop__cuda_kernel_info made = { DUALPROP__CUDA_KERNEL_INFO, Body::name(), sizeof(Body),
                                                         Shape::serial };
        return &made;
    }

    static dualprop_status run(dualprop__cuda *self, const void *bytes)
    {
        launch own;
        memcpy((void *)&own, bytes, sizeof own);
        const dualprop__cuda_kernel_info *with = info();
        void *arguments[3] = { &own.body, &own.count, &with };
        int64_t blocks = Shape::blocks(own.count);
        dim3 grid((unsigned)(blocks < most_blocks ? blocks : most_blocks)), threads(block);
        cudaError_t error = cudaLaunchKernel(Shape::kernel(), grid, threads, arguments, 0, self->stream);
        return error == cudaSuccess ? DUALPROP_OK : dualprop__cuda_status(self, error, Body::name());
    }
};

/*
 * Launch count elements of a body, now or when the thread's section ends. Where arrays are named, in a section, not if
 * the same launch is there already and nothing has written to one of them since.
 */
template <template <class> class Shape, class Body>
dualprop_status issue(dualprop__cuda *self, const Body &body, int64_t count,
                      const struct dualprop__cuda_range *arrays = NULL, int array_count = 0)
{
    launch<Shape<Body>, Body> work;
    dualprop__cuda_run run = launch<Shape<Body>, Body>::run;
    if (count <= 0) return DUALPROP_OK;
    memset((void *)&work, 0, sizeof work);
    work.count = count;
    memcpy((void *)&work.body, (const void *)&body, sizeof body);
    if (arrays && dualprop__cuda_is_done(self, run, &work, sizeof work, arrays, array_count)) return DUALPROP_OK;
    return dualprop__cuda_issue(self, run, &work, sizeof work);
}

/*
 * The same for a body of a kind to which work may be added while it is deferred, or that other work takes over, `at` so
 * many bytes into the body. `written` as in its traits.
 */
template <template <class> class Shape, class Body>
dualprop_status issue_kind(dualprop__cuda *self, const Body &body, int64_t count, int kind, size_t at,
                           const void *written = NULL)
{
    launch<Shape<Body>, Body> work;
    struct dualprop__cuda_traits traits = { written, kind, 0 };
    if (count <= 0) return DUALPROP_OK;
    memset((void *)&work, 0, sizeof work);
    traits.at = (const char *)&work.body - (const char *)&work + (int64_t)at;
    work.count = count;
    memcpy((void *)&work.body, (const void *)&body, sizeof body);
    return dualprop__cuda_issue_known(self, launch<Shape<Body>, Body>::run, &work, sizeof work, &traits);
}

} // namespace dualprop_cuda

#endif
