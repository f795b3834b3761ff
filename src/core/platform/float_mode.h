/*
 * float_mode.h - how this thread's processor rounds, and whether it flushes subnormal numbers to zero.
 *
 * A host may set both for its own threads (fesetround(), or by compiling a part of itself with -ffast-math). What a
 * call computes then follows the calling thread's mode on all threads that take part, so that the number of threads
 * never changes a bit; and texts of files are written and read in the default mode, so that numbers survive. Which
 * exceptions trap, and which have been raised, is each thread's own and stays.
 */
#ifndef DUALPROP_CORE_FLOAT_MODE_H
#define DUALPROP_CORE_FLOAT_MODE_H

#include <fenv.h>
#include <stdint.h>

typedef uint64_t dualprop__float_mode;

#if defined(__SSE2__)

#define DUALPROP__FLOAT_MODE 0xe040u /* of MXCSR: flush to zero, rounding, denormals are zeros */

static inline dualprop__float_mode dualprop__float_mode_get(void)
{
    return __builtin_ia32_stmxcsr() & DUALPROP__FLOAT_MODE;
}

static inline void dualprop__float_mode_set(dualprop__float_mode mode)
{
    unsigned now = __builtin_ia32_stmxcsr();
    if ((now & DUALPROP__FLOAT_MODE) != mode) __builtin_ia32_ldmxcsr((now & ~DUALPROP__FLOAT_MODE) | (unsigned)mode);
}

#elif defined(__aarch64__)

#define DUALPROP__FLOAT_MODE (UINT64_C(0x7) << 22) /* of FPCR: rounding, flush to zero */

static inline dualprop__float_mode dualprop__float_mode_get(void)
{
    uint64_t now;
    __asm__ volatile("mrs %0, fpcr" : "=r"(now));
    return now & DUALPROP__FLOAT_MODE;
}

static inline void dualprop__float_mode_set(dualprop__float_mode mode)
{
    uint64_t now;
    __asm__ volatile("mrs %0, fpcr" : "=r"(now));
    if ((now & DUALPROP__FLOAT_MODE) == mode) return;
    now = (now & ~DUALPROP__FLOAT_MODE) | mode;
    __asm__ volatile("msr fpcr, %0" : : "r"(now));
}

#else

/* Rounding alone; FE_TONEAREST is 0 here, so that the default is 0 everywhere. */
static inline dualprop__float_mode dualprop__float_mode_get(void)
{
    return (dualprop__float_mode)(fegetround() ^ FE_TONEAREST);
}

static inline void dualprop__float_mode_set(dualprop__float_mode mode)
{
    fesetround((int)mode ^ FE_TONEAREST);
}

#endif

/* Round to nearest and keep subnormal numbers; gives the mode before, for dualprop__float_mode_leave(). The C library's
 * printf() and strtod() follow a rounding mode that is not in the same register everywhere. */
static inline dualprop__float_mode dualprop__float_mode_enter_default(int *rounding)
{
    dualprop__float_mode before = dualprop__float_mode_get();
    *rounding = fegetround();
    if (*rounding != FE_TONEAREST) fesetround(FE_TONEAREST);
    dualprop__float_mode_set(0);
    return before;
}

static inline void dualprop__float_mode_leave(dualprop__float_mode before, int rounding)
{
    if (rounding != FE_TONEAREST) fesetround(rounding);
    dualprop__float_mode_set(before);
}

#endif
