/*
 * safetensors.h - the file format: 8 bytes that give the header's length N (little endian), N bytes of JSON, the data.
 *
 * The header maps each tensor's name to {"dtype", "shape", "data_offsets": [begin, end]} and, optionally,
 * "__metadata__" to texts. We hold files to this: in order of their offsets the tensors lie without gap or overlap from
 * the first byte of the data to the last; end - begin is the product of the extents times the size of the type; and
 * names occur once. A tensor without elements is fine: it takes no room, and begins where its neighbour does. Types
 * that we have a use for are F32, F64, U8 and I32, of at most DUALPROP_MAX_RANK extents; tensors of others are held to
 * the same rules and left out.
 *
 * Files of ours have "format": "dualprop-1" among their texts, and "crc32", 8 hexadecimal digits over the data; a file
 * of another major version is refused. "crc32_texts" covers the other texts in ascending order of their keys, each key
 * and each value followed by a zero byte; it is checked if it is there, so that other programs need not write it.
 */
#ifndef DUALPROP_CORE_SAFETENSORS_H
#define DUALPROP_CORE_SAFETENSORS_H

#include "checkpoint_internal.h"

/*
 * Fill an empty checkpoint from the bytes of a file, which stay the caller's and are changed: names and texts are
 * decoded where they lie in the header. Tensors have no elements yet; *data_start says where in the bytes the data
 * section begins, and tensor->begin where in it each one does.
 */
dualprop_status dualprop__safetensors_parse(size_t *data_start, dualprop_checkpoint *checkpoint, void *bytes,
                                            size_t size);
/* Write a checkpoint to a file. */
dualprop_status dualprop__safetensors_write(const dualprop_checkpoint *checkpoint, const char *path);

/* The bytes of N, and the largest N that the format allows. */
#define DUALPROP__LENGTH_BYTES 8
#define DUALPROP__LONGEST_HEADER 100000000
/* Texts that only the writer sets. */
#define DUALPROP__FORMAT "format"
#define DUALPROP__CRC32 "crc32"
#define DUALPROP__CRC32_TEXTS "crc32_texts"
/* "F32" and so on, of a type that a tensor may have. */
const char *dualprop__safetensors_dtype(int type);
uint32_t dualprop__safetensors_crc32_texts(const dualprop_checkpoint *checkpoint);

#endif
