/*
 * digest.h - the SHA-256 of what the files of a data set hold: the unpacked bytes, one file after another in the order
 * in which they are read. `cat` of the files, unpacked, through sha256sum shows the same digits.
 */
#ifndef PROGRAMS_DIGEST_H
#define PROGRAMS_DIGEST_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <sha2.h>

/* Hexadecimal digits and the terminating NUL. */
#define DIGEST_TEXT 65

typedef struct digest {
    SHA2_CTX context;
} digest;

void digest_begin(digest *self);
void digest_add(digest *self, const void *bytes, size_t size);
/* Write the 64 digits and the NUL; the digest must begin again before it is used again. */
void digest_end(char text[DIGEST_TEXT], digest *self);

#endif
