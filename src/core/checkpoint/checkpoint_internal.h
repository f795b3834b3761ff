/*
 * checkpoint_internal.h - what is inside a checkpoint, and what the files that fill and read it offer each other.
 *
 * A checkpoint holds two lists in ascending order of names: tensors and texts. A tensor read from a file borrows its
 * elements from the file's bytes, which the checkpoint keeps; one that was put in owns them.
 */
#ifndef DUALPROP_CORE_CHECKPOINT_INTERNAL_H
#define DUALPROP_CORE_CHECKPOINT_INTERNAL_H

#include "core/learning/learning.h"
#include "named_list.h"

/*
 * An entry that was created alone lies in a block of its own, with its name after the struct. What was read from a file
 * lies in one block for all (`shared`), and its names and values where the file has them: a reader needs no more memory
 * than a file is long.
 */
typedef struct dualprop__tensor {
    const char *name;
    int64_t *shape;                          /* [rank] */
    size_t size;                             /* bytes */
    uint64_t begin;                          /* of a file's data section */
    void *data;                              /* [size], row-major */
    unsigned char type, rank, owned, shared; /* owned: data are a block of their own */
} dualprop__tensor;

typedef struct dualprop__text {
    const char *name, *value;
    int shared;
} dualprop__text;

struct dualprop_checkpoint {
    uint32_t magic;
    dualprop_context *context;
    dualprop__named_list tensors, texts;
    void *bytes;      /* the file that was read, or NULL; its header's texts decoded where they lie */
    void *read;       /* the tensors and texts that were read from it, or NULL */
    char source[208]; /* its name, for sentences about it; "checkpoint" if there is none */
};

/* Room for the name of a tensor of the library's own, as "optimizer.layer1024.feedback.moment2". */
#define DUALPROP__ENTRY_NAME_SIZE 64

/* ---- checkpoint_contents.c ---- */

/* Make a tensor with zeroed elements of its own, whose bytes fit. NULL: out of memory. */
dualprop__tensor *dualprop__tensor_create(dualprop_context *context, const char *name, int type, int rank,
                                          const int64_t *shape);
void dualprop__tensor_destroy(dualprop_context *context, dualprop__tensor *tensor); /* NULL is fine */
/* Bytes of an array of extents of 0 or more; 0 (false) if the product, extent by extent, overflows. */
int dualprop__tensor_bytes(size_t *bytes, int type, int rank, const int64_t *shape);
dualprop__text *dualprop__text_create(dualprop_context *context, const char *name, const char *value);
void dualprop__text_destroy(dualprop_context *context, dualprop__text *text); /* NULL is fine */

/* Make room for one item and put it in; it is the checkpoint's afterwards, and destroyed on failure. A text of NULL is
 * passed on as NO_MEMORY. */
dualprop_status dualprop__checkpoint_put_tensor(dualprop_checkpoint *checkpoint, dualprop__tensor *tensor);
dualprop_status dualprop__checkpoint_put_text(dualprop_checkpoint *checkpoint, dualprop__text *text);
/* Move everything out of `part` into the checkpoint, replacing what has the same names and all tensors for whose names
 * `stale` holds. Nothing changes on failure. */
dualprop_status dualprop__checkpoint_absorb(dualprop_checkpoint *checkpoint, dualprop_checkpoint *part,
                                            int (*stale)(const char *name));
/* Give the value of a text, or NULL. */
const char *dualprop__checkpoint_text(const dualprop_checkpoint *checkpoint, const char *name);
/* Find a tensor of the given type and shape; FORMAT if there is none, or another. */
dualprop_status dualprop__checkpoint_expect(dualprop__tensor **tensor, const dualprop_checkpoint *checkpoint,
                                            const char *name, int type, int rank, const int64_t *shape);
/* The same, and NOT_FINITE if an element is. */
dualprop_status dualprop__checkpoint_expect_finite(dualprop__tensor **tensor, const dualprop_checkpoint *checkpoint,
                                                   const char *name, int type, int rank, const int64_t *shape);
/*
 * Put an array that is laid out as a layer's parameter (weights, moments, feedback weights) in, and read it back into
 * backend memory: FORMAT if there is no such tensor or another, or an element is outside range[0] .. range[1] (NULL:
 * any finite number will do), NOT_FINITE if an element is.
 */
dualprop_status dualprop__checkpoint_put_parameter(dualprop_checkpoint *part, const char *name,
                                                   const dualprop_layer *layer, int is_bias, const void *memory);
dualprop_status dualprop__checkpoint_get_parameter(const dualprop_checkpoint *checkpoint, const char *name,
                                                   const dualprop_layer *layer, int is_bias, void *memory,
                                                   const double *range);
/* Between this machine's order of bytes and that of files, which are little endian. Nothing if they are the same. */
void dualprop__swap_elements(dualprop__tensor *tensor);
/* Describe a tensor's elements. */
dualprop_view dualprop__tensor_view(const dualprop__tensor *tensor);

/* Copy a name for a sentence: cut, and without control characters. */
typedef struct dualprop__quoted {
    char text[72];
} dualprop__quoted;
dualprop__quoted dualprop__quote(const char *name);

#endif
