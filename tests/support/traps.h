/*
 * traps.h - a host that traps invalid operations, divisions by zero and overflow, where the C library can be asked to.
 */
#ifndef TESTS_TRAPS_H
#define TESTS_TRAPS_H

#include <fenv.h>

/* 0: it cannot be asked. */
static inline int traps_set(int on)
{
#ifdef __GLIBC__
    (on ? feenableexcept : fedisableexcept)(FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW);
    return 1;
#else
    (void)on;
    return 0;
#endif
}

#endif
