/*
 * blis_convolution.h - which of the two ways computes a convolution.
 *
 *     im2col     every shape: the pixels under the kernel's window are packed as the broadcast side of a product
 *     Winograd   3x3, stride 1, padding 1, 16 channels and more on both sides: 36 (or 9) smaller products
 *
 * The shape alone decides, batch apart, so that the cache a state prepares serves every batch.
 */
#ifndef DUALPROP_CPU_BLIS_CONVOLUTION_H
#define DUALPROP_CPU_BLIS_CONVOLUTION_H

/* For tests: compute an instance's convolutions in one way wherever it is possible. Before any weights are written. */
void dualprop__blis_choose_convolutions(void *self, int way);

#endif
