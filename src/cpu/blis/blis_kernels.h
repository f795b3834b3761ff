/*
 * blis_kernels.h - BLIS's micro-kernels and our own, seen without blis.h.
 *
 * A micro-kernel multiplies two packed panels: one of `vector` numbers a step of the sum, which it loads as vectors,
 * and one of `broadcast` numbers, which it loads one by one. The result is a tile of C whose rows (one for each
 * broadcast number) are contiguous along the vector side and `stride` elements apart.
 */
#ifndef DUALPROP_CPU_BLIS_KERNELS_H
#define DUALPROP_CPU_BLIS_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* C[j][i] = sum over k < depth of broadcasts[k][j] * vectors[k][i], added to C where accumulate is set. */
typedef struct dualprop__product {
    int64_t vector_count, broadcast_count; /* how much of the tile is wanted */
    int64_t depth;
    const void *vectors;    /* [depth][vector], aligned to 64 bytes; up to one row beyond it is read */
    const void *broadcasts; /* [depth][broadcast]; the same */
    int is_cold;            /* the first product with these vectors: they are worth fetching ahead */
    int accumulate;
    /*
     * What is needed after this product, fetched meanwhile: from each of these places so many bytes a step of the sum.
     * One, three or none; only a kernel that fetches_beside heeds them, in run with all its broadcasts.
     */
    const char *fetch[3];
    int64_t fetch_step;
    void *c;
    int64_t stride;
    /* For run_direct: elements between terms of vectors and broadcasts, and from one broadcast to the next. */
    int64_t vector_step, broadcast_step, broadcast_row;
    int is_tile; /* for run_direct, without accumulate: C is a whole tile; what is not wanted is stored as 0 */
} dualprop__product;

/* Products with one broadcast each, made together: how far apart they have their operands and results. */
typedef struct dualprop__row_streams {
    int count; /* 2 to DUALPROP__MOST_STREAMS */
    int64_t vectors, broadcasts;
    int64_t c; /* 0: they have one result, to which they are added one after another */
} dualprop__row_streams;

#define DUALPROP__MOST_STREAMS 4

typedef struct dualprop__microkernel {
    const char *name;
    int64_t vector, broadcast;
    void (*run)(const struct dualprop__microkernel *kernel, const dualprop__product *product);
    /*
     * The same sums, bit for bit, of operands that lie at any steps and need not be aligned or padded: vectors are read
     * as far as they are wanted. NULL: there is no such form.
     */
    void (*run_direct)(const struct dualprop__microkernel *kernel, const dualprop__product *product);
    /*
     * Several products of run_direct with one broadcast each, of the same depth and width; `product` is the first. One
     * alone waits for its own sums at each term. Goes with run_direct.
     */
    void (*run_row)(const dualprop__product *product, const dualprop__row_streams *streams);
    int fetches_beside;     /* does run heed what a product says of fetching? */
    int reads_rows_fast;    /* is run_direct so fast that packing rows of whole lines for run gains nothing? */
    void (*function)(void); /* BLIS's own */
    void *context;          /* BLIS's cntx_t */
} dualprop__microkernel;

/* Bytes of memory that a kernel's context takes. */
size_t dualprop__microkernel_context_size(void);

/*
 * Find the micro-kernel for a type and an instruction-set level. context is memory for as long as the kernel is used.
 * BLIS's global state, and with it the environment, is not touched.
 */
void dualprop__microkernel_find(dualprop__microkernel *kernel, void *context, int type, int level);

/* blis_product_avx2.c: make a kernel ours, for f32 on processors with AVX2 and FMA. */
void dualprop__microkernel_use_avx2(dualprop__microkernel *kernel);
/* blis_product_avx512.c: the same on processors with AVX-512, for f32 or f64 (a type of dualprop/types.h). */
void dualprop__microkernel_use_avx512(dualprop__microkernel *kernel, int type);

/* "0.9.0" */
const char *dualprop__blis_version(void);

#endif
