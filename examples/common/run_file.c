/*
 * run_file.c - saving and resuming through dualprop/checkpoint.h.
 */
#include "run_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command_line.h"

#define KEY_SETTINGS "run.settings"
#define KEY_POSITION "run.position"

static dualprop_status check_folder(host *owner, const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    char folder[1500] = ".";

    if (length >= sizeof folder)
        return host_fail(owner, DUALPROP_ERROR_ACCESS, "%.100s...: the path is too long; expected below 1500 bytes", path);
    if (slash != NULL) {
        memcpy(folder, path, length);
        folder[length] = '\0';
    }
    if (access(folder, W_OK | X_OK) == 0) return DUALPROP_OK;
    return host_fail(owner, DUALPROP_ERROR_ACCESS, "%s: its folder cannot be written to: %s; expected one that can", path,
                     strerror(errno));
}

dualprop_status run_file_check(host *owner, const char *path)
{
    struct stat status;

    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode))
        return host_fail(owner, DUALPROP_ERROR_ACCESS, "%s: it is %s; expected a file, or nothing yet", path,
                         S_ISDIR(status.st_mode) ? "a directory" : "no regular file");
    return check_folder(owner, path);
}

/* Takes object over. Seventeen digits keep every bit of a double; sorted keys make equal runs write equal files. */
static dualprop_status put_json(dualprop_checkpoint *checkpoint, host *owner, const char *key, json_t *object)
{
    char *text = object == NULL ? NULL : json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(17));

    json_decref(object);
    if (text == NULL) return host_no_memory(owner, "a checkpoint");
    dualprop_status status = dualprop_checkpoint_put_text(checkpoint, key, text);
    free(text);
    return status == DUALPROP_OK ? status : host_library(owner, status);
}

static dualprop_status fill(dualprop_checkpoint *checkpoint, host *owner, const run_parts *parts, const settings *run,
                            const run_position *position)
{
    TRY_LIBRARY(owner, dualprop_checkpoint_put_network(checkpoint, parts->network));
    TRY_LIBRARY(owner, dualprop_checkpoint_put_rule(checkpoint, parts->rule));
    TRY_LIBRARY(owner, dualprop_checkpoint_put_optimizer(checkpoint, parts->optimizer));
    TRY(put_json(checkpoint, owner, KEY_SETTINGS, settings_store(run)));
    return put_json(checkpoint, owner, KEY_POSITION, run_position_to_json(position));
}

dualprop_status run_file_write(host *owner, const char *path, dualprop_context *context, const run_parts *parts,
                               const settings *run, const run_position *position)
{
    dualprop_checkpoint *checkpoint;

    TRY(run_file_check(owner, path));
    TRY_LIBRARY(owner, dualprop_checkpoint_create(&checkpoint, context));
    dualprop_status status = fill(checkpoint, owner, parts, run, position);
    if (status == DUALPROP_OK) {
        status = dualprop_checkpoint_write(checkpoint, path);
        if (status != DUALPROP_OK) host_library(owner, status);
    }
    dualprop_checkpoint_destroy(checkpoint);
    return status;
}

static dualprop_status refuse_text(host *owner, const char *path, const char *key, const char *check)
{
    return host_fail(owner, DUALPROP_ERROR_FORMAT, "%s: %s \"%s\"; expected a checkpoint that this program wrote", path,
                     check, key);
}

static dualprop_status parse_json(json_t **object, host *owner, const char *path, const char *key,
                                  const dualprop_checkpoint *checkpoint, size_t size)
{
    char *text = host_allocate(owner, size, 1);

    if (text == NULL) return host_no_memory(owner, path);
    dualprop_status status = dualprop_checkpoint_get_text(text, size, NULL, checkpoint, key);
    *object = status == DUALPROP_OK ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    host_release(owner, text, size, 1);
    if (json_is_object(*object)) return DUALPROP_OK;
    json_decref(*object);
    return refuse_text(owner, path, key, "no JSON object in the text");
}

static dualprop_status get_json(json_t **object, host *owner, const char *path, const char *key,
                                const dualprop_checkpoint *checkpoint)
{
    size_t size;

    if (dualprop_checkpoint_get_text(NULL, 0, &size, checkpoint, key) != DUALPROP_OK)
        return refuse_text(owner, path, key, "there is no text");
    return parse_json(object, owner, path, key, checkpoint, size);
}

dualprop_status run_file_peek(json_t **stored, host *owner, const char *path)
{
    dualprop_context *context;
    dualprop_checkpoint *checkpoint;
    dualprop_status status;

    *stored = NULL;
    TRY_LIBRARY(owner, dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, NULL));
    status = dualprop_checkpoint_read(&checkpoint, context, path);
    if (status != DUALPROP_OK) {
        host_library(owner, status);
    } else {
        status = get_json(stored, owner, path, KEY_SETTINGS, checkpoint);
        dualprop_checkpoint_destroy(checkpoint);
    }
    dualprop_context_destroy(context);
    return status;
}

static dualprop_status get_position(run_position *position, host *owner, const char *path,
                                    const dualprop_checkpoint *checkpoint)
{
    json_t *object;

    TRY(get_json(&object, owner, path, KEY_POSITION, checkpoint));
    int good = run_position_from_json(position, object);
    json_decref(object);
    return good ? DUALPROP_OK : refuse_text(owner, path, KEY_POSITION, "values out of range in the text");
}

static dualprop_status get_parts(run_parts *parts, run_position *position, host *owner, const char *path,
                                 const dualprop_checkpoint *checkpoint)
{
    TRY_LIBRARY(owner, dualprop_checkpoint_get_network(&parts->network, checkpoint));
    if (position == NULL) return DUALPROP_OK;
    TRY_LIBRARY(owner, dualprop_checkpoint_get_rule(&parts->rule, checkpoint));
    TRY_LIBRARY(owner, dualprop_checkpoint_get_optimizer(&parts->optimizer, checkpoint, parts->network));
    return get_position(position, owner, path, checkpoint);
}

dualprop_status run_file_read(run_parts *parts, run_position *position, host *owner, const char *path,
                              dualprop_context *context)
{
    dualprop_checkpoint *checkpoint;

    TRY_LIBRARY(owner, dualprop_checkpoint_read(&checkpoint, context, path));
    dualprop_status status = get_parts(parts, position, owner, path, checkpoint);
    dualprop_checkpoint_destroy(checkpoint);
    return status;
}
