/*
 * blis_panels.h - panels of reals, which micro-kernels multiply: their layout, packing, and how work on them is cut.
 *
 * A micro-kernel's vector side is V wide, its broadcast side N. The weights [inputs, outputs] are kept as panels
 *
 *     W [ceil(outputs / V)][inputs][V],
 *
 * zeros if the last panel is not full, with one more row of V zeros, since kernels read a row ahead. Gradient and
 * moments have the same layout. Dense and convolutional layers, in all directions, are built on this file.
 *
 * Work is cut by the shape alone, and every sum runs in the order of its index, DEPTH terms at a time: the same bits
 * for any number of threads.
 */
#ifndef DUALPROP_CPU_BLIS_PANELS_H
#define DUALPROP_CPU_BLIS_PANELS_H

#include "blis_instance.h"
#include "blis_team.h"

/* Terms of a sum that one call of the micro-kernel adds: so many rows of both panels fit into the nearest caches. */
#define DUALPROP__DEPTH ((int64_t)256)
/* Threads that share one product, at most: each has a slice of the workspace in top-down. */
#define DUALPROP__MEMBERS ((int64_t)64)
#define DUALPROP__LINE ((int64_t)64)

static inline int64_t dualprop__ceil_div(int64_t x, int64_t y)
{
    return (x + y - 1) / y;
}

static inline int64_t dualprop__least(int64_t x, int64_t y)
{
    return x < y ? x : y;
}

static inline int64_t dualprop__most(int64_t x, int64_t y)
{
    return x > y ? x : y;
}

/* Element `index` of an array of the instance's type. */
static inline char *dualprop__at(const dualprop__blis *blis, const void *array, int64_t index)
{
    return (char *)(uintptr_t)array + index * (int64_t)blis->loops->real_size;
}

/* A range that is cut into equal parts of at most `most`, as near to each other in size as can be. */
typedef struct dualprop__partition {
    int64_t whole, part, parts;
} dualprop__partition;

dualprop__partition dualprop__partition_evenly(int64_t whole, int64_t most);
/* How much of part `index` there is, and where it begins. */
static inline int64_t dualprop__part_first(const dualprop__partition *cut, int64_t index)
{
    return index * cut->part;
}

static inline int64_t dualprop__part_size(const dualprop__partition *cut, int64_t index)
{
    return dualprop__least(cut->part, cut->whole - index * cut->part);
}

/* Bring bytes `from` to `to` of an array into the second-level cache. */
static inline void dualprop__fetch(const char *array, int64_t from, int64_t to)
{
    for (int64_t i = from & -DUALPROP__LINE; i < to; i += DUALPROP__LINE) __builtin_prefetch(array + i, 0, 2);
}

/* The same for what will be written, so that no other core keeps a copy that the write would have to wait for. */
static inline void dualprop__fetch_to_write(const char *array, int64_t from, int64_t to)
{
    for (int64_t i = from & -DUALPROP__LINE; i < to; i += DUALPROP__LINE) {
#if defined(__x86_64__)
        /* Compilers use it only if told that it exists; processors that do not have it ignore it. */
        __asm__ volatile("prefetchw %0" : : "m"(array[i]));
#else
        __builtin_prefetch(array + i, 1, 2);
#endif
    }
}

/* Bring the tile of everything into it that a dyad update reads and writes beside what a product is about to write. */
void dualprop__fetch_dyads(const dualprop__blis *blis, const dualprop_dyad *dyad, const dualprop__tile *tile);

/*
 * Bytes of a layer's weights from which on products fetch beside what comes next. Smaller ones stay in the second-level
 * cache, with their moments nearly.
 */
#define DUALPROP__FETCHED_WEIGHTS ((int64_t)1 << 20)

/* Are the weights that these panels are of fetched so? */
static inline int dualprop__fetches_beside(const dualprop__blis *blis, int64_t inputs, int64_t outputs)
{
    return blis->kernel.fetches_beside &&
           inputs * outputs * (int64_t)blis->loops->real_size >= DUALPROP__FETCHED_WEIGHTS;
}

/* Let a product fetch `bytes`, evenly, from each of `count` places, 1 to 3. */
static inline void dualprop__fetch_beside(dualprop__product *product, const char *const *places, int count,
                                          int64_t bytes)
{
    for (int i = 0; i < 3; i++) product->fetch[i] = count == 1 && i > 0 ? NULL : places[dualprop__least(i, count - 1)];
    product->fetch_step = dualprop__ceil_div(bytes, product->depth);
}

/* ---- samples as broadcasts: [ceil(batch / N)][width][N] ---- */

/* One job: pack rows of an array [batch, width]. */
typedef struct dualprop__packing {
    const dualprop__blis *blis;
    const void *from;
    void *to;
    int64_t batch, width;
    dualprop__partition columns;
} dualprop__packing;

dualprop__packing dualprop__packing_of(const dualprop__blis *blis, void *to, const void *from, int64_t batch,
                                       int64_t width);
int64_t dualprop__packing_units(const dualprop__packing *packing);
void dualprop__packing_run(const dualprop__packing *packing, int64_t unit);
/*
 * Are a product's samples read where they lie? Few are, since packing them would take a phase of its own, which threads
 * wait for. More are if the kernel is fast at it and a row is whole lines, but not whole pages: then all rows would
 * compete for the same places of the nearest cache.
 */
int dualprop__reads_in_place(const dualprop__blis *blis, int64_t batch, int64_t width);
/* Bytes that the packed samples take, rounded up to lines. */
int64_t dualprop__packed_bytes(const dualprop__blis *blis, int64_t batch, int64_t width);

/* Bytes of reals, with the row that kernels read ahead, rounded up to lines. */
int64_t dualprop__panel_bytes(const dualprop__blis *blis, int64_t elements);

#endif
