/*
 * npy.h - arrays saved by numpy.save(): format versions 1 to 3, row-major, little-endian.
 *
 * Images are f32, f64 or bytes and are kept as they are; labels are any integers and become int32.
 */
#ifndef PROGRAMS_NPY_H
#define PROGRAMS_NPY_H

#include "array.h"
#include "byte_source.h"

/* Read u8, f32 ('<f4') or f64 ('<f8'); values must be finite. On failure *out is untouched. */
dualprop_status npy_read_reals(array *out, host *owner, const char *path);
/* Read one axis of integers of 1 to 8 bytes; each must fit into int32. */
dualprop_status npy_read_labels(array *out, host *owner, const char *path);

/* The same from a source that is open (and stays so). */
dualprop_status npy_read_labels_from(array *out, host *owner, const char *path, byte_source *source);
/* Read the header of an array of reals only: shape->data is NULL; the source stands at the first element. */
dualprop_status npy_read_shape_from(array *shape, host *owner, const char *path, byte_source *source);

#endif
