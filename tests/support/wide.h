/*
 * wide.h - the blis backend with the extents of AVX-512 on any processor: vectors of 64 bytes, which the compiler makes
 * of what there is, and micro-kernels of 32x12 floats and 16x14 doubles, as BLIS's for AVX-512 are, in C.
 *
 * So everything that depends on these widths, panels, pads, stages, edges, runs where the instructions themselves
 * cannot.
 */
#ifndef TESTS_WIDE_H
#define TESTS_WIDE_H

/* Make a fresh instance of the blis backend so wide; before any weights are written. */
void wide_install(void *blis);

#endif
