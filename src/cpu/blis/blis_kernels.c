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

/* Fill a context for the level and give the architecture's name. The generic kernels are C, and run everywhere. */
static const char *fill_context(cntx_t *context, int level)
{
    (void)level;
#if defined(BLIS_CONFIG_SKX) && defined(BLIS_CONFIG_HASWELL)
    if (level == DUALPROP_LEVEL_AVX512) {
        bli_cntx_init_skx(context);
        return "skx";
    }
    if (level == DUALPROP_LEVEL_AVX2) {
        bli_cntx_init_haswell(context);
        return "haswell";
    }
#endif
#if defined(BLIS_CONFIG_CORTEXA57)
    bli_cntx_init_cortexa57(context);
    return "cortexa57";
#else
    bli_cntx_init_generic(context);
    return "generic";
#endif
}

void dualprop__microkernel_find(dualprop__microkernel *kernel, void *context, int type, int level)
{
    num_t number = type == DUALPROP_F32 ? BLIS_FLOAT : BLIS_DOUBLE;
    kernel->name = fill_context(context, level);
    kernel->context = context;
    kernel->run_direct = NULL;
    /* BLIS keeps functions as void *, which ISO C converts by way of an integer only. */
    kernel->function = (void (*)(void))(uintptr_t)bli_cntx_get_l3_nat_ukr_dt(number, BLIS_GEMM_UKR, context);
    int64_t rows = bli_cntx_get_blksz_def_dt(number, BLIS_MR, context);
    int64_t columns = bli_cntx_get_blksz_def_dt(number, BLIS_NR, context);
    if (bli_cntx_l3_nat_ukr_prefers_rows_dt(number, BLIS_GEMM_UKR, context)) {
        kernel->run = type == DUALPROP_F32 ? run_s_rows : run_d_rows;
        kernel->vector = columns;
        kernel->broadcast = rows;
    } else {
        kernel->run = type == DUALPROP_F32 ? run_s_columns : run_d_columns;
        kernel->vector = rows;
        kernel->broadcast = columns;
    }
#if defined(__x86_64__)
    if (type == DUALPROP_F32 && level == DUALPROP_LEVEL_AVX2) dualprop__microkernel_use_avx2(kernel);
    if (level == DUALPROP_LEVEL_AVX512) dualprop__microkernel_use_avx512(kernel, type);
#endif
}

const char *dualprop__blis_version(void)
{
    return bli_info_get_version_str();
}
