/*
 * digest.c - SHA-256 through libmd.
 */
#include "digest.h"

void digest_begin(digest *self)
{
    SHA256Init(&self->context);
}

void digest_add(digest *self, const void *bytes, size_t size)
{
    SHA256Update(&self->context, bytes, size);
}

void digest_end(char text[DIGEST_TEXT], digest *self)
{
    SHA256End(&self->context, text);
}
