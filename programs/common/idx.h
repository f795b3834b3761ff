/*
 * idx.h - the IDX format of MNIST and Fashion-MNIST: bytes, raw or packed with gzip.
 *
 * A file is: two zero bytes, a type byte (08 for unsigned bytes, the only one taken here), the rank, one big-endian
 * 32-bit extent for each axis, and the elements in row-major order, then nothing.
 */
#ifndef PROGRAMS_IDX_H
#define PROGRAMS_IDX_H

#include "array.h"

/*
 * Read the file at path, whose rank must be as given. Nothing is allocated before header and size of the file have
 * been held against each other, and on failure *out is untouched.
 */
dualprop_status idx_read(array *out, host *owner, const char *path, int rank);

#endif
