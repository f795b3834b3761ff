/*
 * dualprop/checkpoint.h - named tensors and texts, written and read as safetensors files.
 *
 * A checkpoint is a container in memory: put a network, a rule, an optimizer and texts of your own (the epoch, say)
 * into it and write it; or read one and make them again. Files are written to a temporary name, synced and renamed,
 * so that a crash leaves the old file or the new one. They are read whole and checked before anything is made of them:
 * a file that breaks the rules is refused in bounded time and memory. Python's safetensors package reads them.
 *
 * Tensors: layerK.weight [in, out], layerK.bias [out], and optimizer.layerK.weight.moment1 and so on. Texts in
 * __metadata__: format "dualprop-1", crc32 of the data, network, rule and optimizer as JSON, and yours.
 *
 * Ownership: destroy what you create; what is put in is copied, what is made from it is the caller's to destroy.
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
/** Destroy a checkpoint; NULL is fine. */
DUALPROP_API void dualprop_checkpoint_destroy(dualprop_checkpoint *checkpoint);

/**
 * Read a safetensors file, ours or another's.
 *
 * @return DUALPROP_OK, or
 *         DUALPROP_ERROR_ACCESS   not to be opened, or no regular file
 *         DUALPROP_ERROR_FORMAT   breaks a rule; the text names the file, the rule and what was expected
 *         DUALPROP_ERROR_CORRUPT  its data do not match its checksum
 *         DUALPROP_ERROR_LIMIT    above a limit of the context
 *         DUALPROP_ERROR_IO, DUALPROP_ERROR_NO_MEMORY
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_checkpoint_read(dualprop_checkpoint **checkpoint, dualprop_context *context, const char *path);
/** The same from memory; data is borrowed for the call. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_checkpoint_read_memory(
    dualprop_checkpoint **checkpoint, dualprop_context *context, const void *data, size_t size);
/**
 * Write to a temporary file beside path (PATH.PROCESS-NUMBER.tmp), sync it, sync the folder, rename it to path, sync
 * the folder. The old file stays on failure, byte for byte; a crash at any moment leaves the old or the new one, whole.
 *
 * Where only the last sync fails the new file is in its place already, so that the call has succeeded: a warning in the
 * log says that a power cut may bring the old one back. A symbolic link is replaced, not followed, and the new file has
 * the mode and owner of any new file. What a killed saver left beside it is removed by a later save to the same path,
 * once it is older than a minute.
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

/** Put a copy of a network's architecture and parameters in. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_checkpoint_put_network(dualprop_checkpoint *checkpoint, const dualprop_network *network);
/** Put a copy of a rule in. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_checkpoint_put_rule(dualprop_checkpoint *checkpoint, const dualprop_rule *rule);
/**
 * Put in what a state carries from one inference to the next: how many it has begun (which with the rule's seed decides
 * what is drawn), the vectors of power iterations, and where the rule starts warm its dyads. Under rules without these
 * there is nothing to save.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_checkpoint_put_state(dualprop_checkpoint *checkpoint, const dualprop_state *state);
/** Put a copy of an optimizer's settings, step count and moments in. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_checkpoint_put_optimizer(dualprop_checkpoint *checkpoint, const dualprop_optimizer *optimizer);
/** Put a text in under a key that is not one of ours; value NULL removes it. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_checkpoint_put_text(dualprop_checkpoint *checkpoint, const char *key, const char *value);
/** Put a copy of a tensor in, stored as the view's type (f32, f64, u8 or i32); replaces one of the same name. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_checkpoint_put_tensor(dualprop_checkpoint *checkpoint, const char *name, const dualprop_view *view);

/** Make the network again. FORMAT where there is none or it does not agree with its tensors; its type must be the
 * context's; NOT_FINITE where a parameter is NaN or infinite. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_checkpoint_get_network(dualprop_network **network, const dualprop_checkpoint *checkpoint);
/** Make the rule again. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_checkpoint_get_rule(dualprop_rule **rule, const dualprop_checkpoint *checkpoint);
/**
 * Give a state what dualprop_checkpoint_put_state() saved, so that its next inference is as if it had never stopped.
 * The state has to be of the same layers and the same rule; a failure changes nothing.
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_checkpoint_get_state(dualprop_state *state, const dualprop_checkpoint *checkpoint);
/** Make the optimizer again, for a network with the same layers. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_checkpoint_get_optimizer(
    dualprop_optimizer **optimizer, const dualprop_checkpoint *checkpoint, dualprop_network *network);
/**
 * Copy a text.
 *
 * @param buffer, size  receive it, cut to fit and closed by a zero; may be NULL and 0
 * @param needed        receives the bytes the whole text needs; may be NULL
 * @return DUALPROP_OK, or DUALPROP_ERROR_INVALID_ARGUMENT where there is no such key
 */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_checkpoint_get_text(
    char *buffer, size_t size, size_t *needed, const dualprop_checkpoint *checkpoint, const char *key);
/** Give the number of tensors. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_checkpoint_tensor_count(int64_t *count, const dualprop_checkpoint *checkpoint);
/** Give tensor number index, by ascending name: its name and a contiguous view; both borrowed until the next put. view is
 * filled, its struct_size too, with the members of version 0.1. */
DUALPROP_API DUALPROP_CHECKED dualprop_status dualprop_checkpoint_tensor(
    const char **name, dualprop_view *view, const dualprop_checkpoint *checkpoint, int64_t index);
/** Find a tensor by name; INVALID_ARGUMENT where there is none. */
DUALPROP_API DUALPROP_CHECKED dualprop_status
dualprop_checkpoint_find(dualprop_view *view, const dualprop_checkpoint *checkpoint, const char *name);

#ifdef __cplusplus
}
#endif

#endif
