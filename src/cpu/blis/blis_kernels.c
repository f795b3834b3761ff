/*
 * blis_kernels.c - the only file that includes blis.h.
 *
 * A context of BLIS lists the kernels for one architecture and their sizes. We fill contexts of our own instead of
 * initialising BLIS: then nothing is global, no variable of the environment can end the process, and the kernel for
 * AVX-512 is available where BLIS would choose another. The signatures here are those of BLIS 0.9.
 */
#include "blis_kernels.h"

#include <blis.h>

#include "dualprop/types.h"

size_t dualprop__microkernel_context_size(void)
{
    return sizeof(cntx_t);
}

/* ---- running: a kernel that prefers rows has the vectors in its second operand ---- */

static auxinfo_t next_of(const void *a, const void *b)
{
    auxinfo_t next;
    memset(&next, 0, sizeof next);
    bli_auxinfo_set_next_ab((void *)(uintptr_t)a, (void *)(uintptr_t)b, &next);
    return next;
}

static void run_s_columns(const dualprop__microkernel *kernel, const dualprop__product *product)
{
    float one = 1, beta = product->accumulate ? 1 : 0;
    auxinfo_t next = next_of(product->vectors, product->broadcasts);
    ((sgemm_ukr_ft)kernel->function)(product->vector_count, product->broadcast_count, product->depth, &one,
                                     (float *)(uintptr_t)product->vectors, (float *)(uintptr_t)product->broadcasts,
                                     &beta, product->c, 1, product->stride, &next, kernel->context);
}

static void run_s_rows(const dualprop__microkernel *kernel, const dualprop__product *product)
{
    float one = 1, beta = product->accumulate ? 1 : 0;
    auxinfo_t next = next_of(product->broadcasts, product->vectors);
    ((sgemm_ukr_ft)kernel->function)(product->broadcast_count, product->vector_count, product->depth, &one,
                                     (float *)(uintptr_t)product->broadcasts, (float *)(uintptr_t)product->vectors,
                                     &beta, product->c, product->stride, 1, &next, kernel->context);
}

static void run_d_columns(const dualprop__microkernel *kernel, const dualprop__product *product)
{
    double one = 1, beta = product->accumulate ? 1 : 0;
    auxinfo_t next = next_of(product->vectors, product->broadcasts);
    ((dgemm_ukr_ft)kernel->function)(product->vector_count, product->broadcast_count, product->depth, &one,
                                     (double *)(uintptr_t)product->vectors, (double *)(uintptr_t)product->broadcasts,
                                     &beta, product->c, 1, product->stride, &next, kernel->context);
}

static void run_d_rows(const dualprop__microkernel *kernel, const dualprop__product *product)
{
    double one = 1, beta = product->accumulate ? 1 : 0;
    auxinfo_t next = next_of(product->broadcasts, product->vectors);
    ((dgemm_ukr_ft)kernel->function)(product->broadcast_count, product->vector_count, product->depth, &one,
                                     (double *)(uintptr_t)product->broadcasts, (double *)(uintptr_t)product->vectors,
                                     &beta, product->c, product->stride, 1, &next, kernel->context);
}

/* ---- finding ---- */

/* In the library, and in no header. */
#if !defined(BLIS_CONFIG_CORTEXA57)
GEMM_UKR_PROT(float, s, gemm_generic_ref)
GEMM_UKR_PROT(double, d, gemm_generic_ref)
#endif

/*
 * The kernels are named one by one: bli_cntx_init_haswell() and its like refer to all that BLIS has, 9.5 MB of it. A
 * context holds no more than the size of the tile; the kernels of 0.9 for x86 do not even read that.
 */
struct choice {
    const char *name;
    sgemm_ukr_ft single;
    dgemm_ukr_ft twice;                    /* of double */
    int64_t single_tile[2], twice_tile[2]; /* rows, columns */
    int prefers_rows;
};

/* The generic kernels are C, and run everywhere. */
static struct choice choose_kernels(int level)
{
    (void)level;
#if defined(BLIS_CONFIG_SKX) && defined(BLIS_CONFIG_HASWELL)
    if (level >= DUALPROP_LEVEL_AVX2) /* the products of AVX-512 are all our own */
        return (
            struct choice){ "haswell", bli_sgemm_haswell_asm_6x16, bli_dgemm_haswell_asm_6x8, { 6, 16 }, { 6, 8 }, 1 };
#endif
#if defined(BLIS_CONFIG_CORTEXA57)
    return (struct choice){ "cortexa57", bli_sgemm_armv8a_asm_8x12, bli_dgemm_armv8a_asm_6x8, { 8, 12 }, { 6, 8 }, 0 };
#else
    return (struct choice){ "generic", bli_sgemm_generic_ref, bli_dgemm_generic_ref, { 4, 16 }, { 4, 8 }, 1 };
#endif
}

static void fill_context(cntx_t *context, const struct choice *choice)
{
    static const bszid_t sides[2] = { BLIS_MR, BLIS_NR };
    memset(context, 0, sizeof *context);
    for (int side = 0; side < 2; side++) {
        blksz_t *size = &context->blkszs[sides[side]];
        size->v[BLIS_FLOAT] = size->e[BLIS_FLOAT] = choice->single_tile[side];
        size->v[BLIS_DOUBLE] = size->e[BLIS_DOUBLE] = choice->twice_tile[side];
    }
}

void dualprop__microkernel_find(dualprop__microkernel *kernel, void *context, int type, int level)
{
    struct choice choice = choose_kernels(level);
    int is_single = type == DUALPROP_F32;
    const int64_t *tile = is_single ? choice.single_tile : choice.twice_tile;
    fill_context(context, &choice);
    kernel->name = choice.name;
    kernel->context = context;
    kernel->run_direct = NULL;
    kernel->run_row = NULL;
    kernel->fetches_beside = 0;
    kernel->reads_rows_fast = 0;
    kernel->function = is_single ? (void (*)(void))choice.single : (void (*)(void))choice.twice;
    kernel->vector = tile[choice.prefers_rows];
    kernel->broadcast = tile[!choice.prefers_rows];
    if (choice.prefers_rows) kernel->run = is_single ? run_s_rows : run_d_rows;
    else kernel->run = is_single ? run_s_columns : run_d_columns;
#if defined(__x86_64__)
    if (is_single && level == DUALPROP_LEVEL_AVX2) dualprop__microkernel_use_avx2(kernel);
    if (level == DUALPROP_LEVEL_AVX512) dualprop__microkernel_use_avx512(kernel, type);
#endif
}

/* BLIS's own function for it refers to everything again. */
const char *dualprop__blis_version(void)
{
#ifdef DUALPROP_BLIS_VERSION
    return DUALPROP_BLIS_VERSION;
#else
    return "(version unknown)";
#endif
}
