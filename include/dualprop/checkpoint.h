/**
 * @file
 * dualprop/checkpoint.h - named tensors and texts, written and read as safetensors files.
 *
 * A checkpoint is a container in memory: put a network, a rule, an optimizer and texts of your own (for example the
 * epoch) into it and write it; or read one and create them again. Files are written to a temporary name, synced and
 * renamed, so a crash leaves either the old file or the new one. They are read whole and checked before any object is
 * created from them: a file that breaks the rules is refused in bounded time and memory. Python's safetensors package
 * can read them.
 *
 * Tensors: layerK.weight [in, out], layerK.bias [out], and optimizer.layerK.weight.moment1 and so on. Texts in
 * `__metadata__`: format "dualprop-1", crc32 of the data; network, rule and optimizer as JSON; and yours.
 *
 * Ownership: destroy what you create. Put functions copy; the caller destroys what get functions create.
 * Threads: one call at a time on a checkpoint.
 */
#ifndef DUALPROP_CHECKPOINT_H
#define DUALPROP_CHECKPOINT_H

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Create an empty checkpoint. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_checkpoint_create(dualprop_checkpoint **checkpoint, dualprop_context *context);
/** Destroy a checkpoint; NULL is allowed. */
DUALPROP_API void dualprop_checkpoint_destroy(dualprop_checkpoint *checkpoint);

/**
 * Read a safetensors file, written by this library or another. Tensors of another type than f32, f64, i32 and u8
 * (BF16, I64) or of more than DUALPROP_MAX_RANK extents are left out, and so are keys that the format does not define.
 *
 * The time is proportional to the file's size. The context's allocator is asked for at most twice the size and 1 MiB
 * within the default limits (3.5 MiB if tens of thousands of tensors have many extents and no elements).
 *
 * @return DUALPROP_OK, or
 *         DUALPROP_ERROR_ACCESS   cannot be opened, or is not a regular file
 *         DUALPROP_ERROR_FORMAT   breaks a rule; the text names the file, the rule and what was expected
 *         DUALPROP_ERROR_CORRUPT  its data do not match its checksum
 *         DUALPROP_ERROR_LIMIT    above a limit of the context
 *         DUALPROP_ERROR_IO, DUALPROP_ERROR_NO_MEMORY
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_checkpoint_read(dualprop_checkpoint **checkpoint, dualprop_context *context, const char *path);
/** Read a safetensors file from memory; data is borrowed for the call. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_checkpoint_read_memory(
    dualprop_checkpoint **checkpoint, dualprop_context *context, const void *data, size_t size);
/**
 * Write to a temporary file beside path (PATH.PROCESS-NUMBER.tmp), sync it, sync the folder, rename it to path, sync
 * the folder. On failure the old file stays, byte for byte; a crash at any moment leaves either the old or the new
 * file, whole.
 *
 * If only the last sync fails, the new file is already in its place and the call succeeds: a warning in the log says
 * that a power cut may bring the old file back. A symbolic link is replaced, not followed, and the new file has the
 * mode and owner of any new file. The temporary file of a process that was killed while saving is removed by a later
 * save to the same path, once it is older than a minute.
 *
 * @return DUALPROP_OK, or
 *         DUALPROP_ERROR_ACCESS        path is a folder, a pipe or a device, or its folder cannot be written to
 *         DUALPROP_ERROR_NO_SPACE, DUALPROP_ERROR_FILE_TOO_BIG (RLIMIT_FSIZE; no signal is raised), DUALPROP_ERROR_IO
 *         DUALPROP_ERROR_LIMIT         more tensors, or a longer header, than could be read again
 *         DUALPROP_ERROR_NO_MEMORY
 * Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_checkpoint_write(const dualprop_checkpoint *checkpoint, const char *path);

/**
 * Write a network as C source: FOLDER/NAME.h and FOLDER/NAME.c, with the weights as constant arrays and two functions,
 * NAME_predict(scores, sample), and NAME_load_bytes(sample, bytes), which is the network's input transform. They need a
 * C11 compiler alone (-ffreestanding): no file, no heap, no library; compilers may call memcpy. The header says how
 * many bytes of the stack a prediction takes: about those of two layers' values. The source has some 18 bytes of text
 * per weight in f32: it is meant for networks that a compiler can hold.
 *
 * Scores have the bits of the reference backend in the network's precision, if the compiler does not contract
 * multiplications and additions (-ffp-contract=off, which gcc's -std=c11 implies).
 *
 * @param network  dense, convolutional and local layers, pooling, and built-in activations
 * @param folder   exists; existing files of these names are replaced
 * @param name     a name of C, at most 64 letters
 * @return DUALPROP_OK, or
 *         DUALPROP_ERROR_INVALID_ARGUMENT  no layers, or a name that is none of C
 *         DUALPROP_ERROR_INVALID_STATE     the weights were never set
 *         DUALPROP_ERROR_UNSUPPORTED       a map or an activation of the program's own, or more than 2^31 - 1 weights
 *                                          or values in a layer
 *         DUALPROP_ERROR_BUSY, DUALPROP_ERROR_NO_MEMORY, and what dualprop_checkpoint_write() returns for files
 * Threads: any.  Since: 0.1.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_network_export_c(const dualprop_network *network, const char *folder, const char *name);

/** Put in a copy of a network's architecture and parameters. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_checkpoint_put_network(dualprop_checkpoint *checkpoint, const dualprop_network *network);
/** Put in a copy of a rule. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_checkpoint_put_rule(dualprop_checkpoint *checkpoint, const dualprop_rule *rule);
/**
 * Put in what a state carries from one inference to the next: the number of inferences it has begun (which together
 * with the rule's seed determines its random numbers), the vectors of power iterations, and, with warm starts, its
 * dyads. Rules without these have nothing to save.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_checkpoint_put_state(dualprop_checkpoint *checkpoint, const dualprop_state *state);
/** Put in a copy of an optimizer's settings, step count and moments. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_checkpoint_put_optimizer(dualprop_checkpoint *checkpoint, const dualprop_optimizer *optimizer);
/** Put in a text under a key that the library does not use itself; value NULL removes it. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_checkpoint_put_text(dualprop_checkpoint *checkpoint, const char *key, const char *value);
/** Put in a copy of a tensor, stored as the view's type (f32, f64, u8 or i32); replaces one of the same name. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_checkpoint_put_tensor(dualprop_checkpoint *checkpoint, const char *name, const dualprop_view *view);

/**
 * Create the saved network. Its type must be the context's.
 *
 * @return DUALPROP_OK, or
 *         DUALPROP_ERROR_FORMAT       there is none, or it does not match its tensors
 *         DUALPROP_ERROR_NOT_FINITE   a parameter is NaN or infinite
 *         DUALPROP_ERROR_UNSUPPORTED  a layer's activation is neither built in nor registered with the context
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_checkpoint_get_network(dualprop_network **network, const dualprop_checkpoint *checkpoint);
/** Create the saved rule. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_checkpoint_get_rule(dualprop_rule **rule, const dualprop_checkpoint *checkpoint);
/**
 * Restore a state from what dualprop_checkpoint_put_state() saved, so that its next inference continues as if the run
 * had not been interrupted. The state must have the same layers and the same rule.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_checkpoint_get_state(dualprop_state *state, const dualprop_checkpoint *checkpoint);
/** Create the saved optimizer, for a network with the same layers. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_checkpoint_get_optimizer(
    dualprop_optimizer **optimizer, const dualprop_checkpoint *checkpoint, dualprop_network *network);
/**
 * Copy a text.
 *
 * @param buffer      receives the text, truncated to fit and NUL-terminated; may be NULL if size is 0
 * @param size        bytes in buffer
 * @param needed      receives the bytes that the whole text needs, including the NUL; may be NULL
 * @param checkpoint  the checkpoint
 * @param key         the text's key
 * @return DUALPROP_OK, or DUALPROP_ERROR_INVALID_ARGUMENT if there is no such key
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_checkpoint_get_text(
    char *buffer, size_t size, size_t *needed, const dualprop_checkpoint *checkpoint, const char *key);
/** Get the number of tensors. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_checkpoint_tensor_count(int64_t *count, const dualprop_checkpoint *checkpoint);
/**
 * Get tensor number index, in ascending order of names: its name and a contiguous view, both borrowed until the next
 * put. The members of version 0.1 of the view are filled in, including struct_size.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_checkpoint_tensor(
    const char **name, dualprop_view *view, const dualprop_checkpoint *checkpoint, int64_t index);
/** Find a tensor by name; INVALID_ARGUMENT if there is none. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_checkpoint_find(dualprop_view *view, const dualprop_checkpoint *checkpoint, const char *name);

#ifdef __cplusplus
}
#endif

#endif
