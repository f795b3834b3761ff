/*
 * run_file.c - saving and resuming through dualprop/checkpoint.h.
 */
#include "run_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "array.h"
#include "command_line.h"

#define KEY_SETTINGS "run.settings"
#define KEY_POSITION "run.position"
#define KEY_BEST "best."

static dualprop_status check_folder(host *owner, const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    char folder[1500] = ".";

    if (length >= sizeof folder)
        return host_fail(owner, DUALPROP_ERROR_ACCESS, "%.100s...: the path is too long; expected below 1500 bytes",
                         path);
    if (slash != NULL) {
        memcpy(folder, path, length);
        folder[length] = '\0';
    }
    if (access(folder, W_OK | X_OK) == 0) return DUALPROP_OK;
    return host_fail(owner, DUALPROP_ERROR_ACCESS, "%s: its folder cannot be written to: %s; expected one that can",
                     path, strerror(errno));
}

dualprop_status run_file_check(host *owner, const char *path)
{
    struct stat status;

    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode))
        return host_fail(owner, DUALPROP_ERROR_ACCESS, "%s: it is %s; expected a file, or nothing yet", path,
                         S_ISDIR(status.st_mode) ? "a directory" : "no regular file");
    return check_folder(owner, path);
}

static dualprop_status try_room(host *owner, const char *path, int file, uint64_t bytes)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && bytes > limit.rlim_cur)
        return host_fail(owner, DUALPROP_ERROR_FILE_TOO_BIG,
                         "%s: a checkpoint will have about %" PRIu64
                         " bytes; expected a limit on file sizes that allows it",
                         path, bytes);
    int error = bytes > 0 && bytes <= INT64_MAX ? posix_fallocate(file, 0, (off_t)bytes) : 0;
    if (error == 0 || error == EINVAL || error == EOPNOTSUPP) return DUALPROP_OK; /* not every file system can tell */
    return host_fail(owner, DUALPROP_ERROR_NO_SPACE,
                     "%s: there is no room for a checkpoint of about %" PRIu64 " bytes: %s", path, bytes,
                     strerror(error));
}

/* The library names its temporary files in the same way: by the beginning of the name and at most 32 bytes more. */
dualprop_status run_file_try(host *owner, const char *path, uint64_t bytes)
{
    const char *slash = strrchr(path, '/'), *name = slash == NULL ? path : slash + 1;
    size_t length = strlen(name);
    char trial[1500 + 64];

    if (length > 255)
        return host_fail(owner, DUALPROP_ERROR_ACCESS, "%.100s...: the name has %zu bytes; expected at most 255", path,
                         length);
    snprintf(trial, sizeof trial, "%.*s.%ld-trial.tmp", (int)(name - path) + (int)(length < 223 ? length : 223), path,
             (long)getpid());
    int file = open(trial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0600);
    if (file < 0)
        return host_fail(owner, DUALPROP_ERROR_ACCESS,
                         "%s: a file beside it cannot be made: %s; expected a place where a checkpoint can be written",
                         path, strerror(errno));
    dualprop_status status = try_room(owner, path, file, bytes);
    close(file);
    unlink(trial);
    return status;
}

/* One parameter tensor of a network: what it is called here and in the file, its shape, and room for it. */
typedef struct parameter {
    char name[64], key[80];
    dualprop_view view;
    uint64_t count;
} parameter;

static dualprop_status parameter_open(parameter *self, host *owner, const dualprop_network *network, int index)
{
    dualprop_view *view = &self->view;

    memset(self, 0, sizeof *self);
    view->struct_size = sizeof *view;
    TRY_LIBRARY(owner,
                dualprop_network_parameter(self->name, sizeof self->name, view->shape, &view->rank, network, index));
    snprintf(self->key, sizeof self->key, KEY_BEST "%s", self->name);
    self->count = 1;
    for (int axis = view->rank - 1; axis >= 0; axis--) {
        view->strides[axis] = (int64_t)self->count;
        self->count *= (uint64_t)view->shape[axis];
    }
    return DUALPROP_OK;
}

static dualprop_status copy_parameter(dualprop_checkpoint *checkpoint, host *owner, const dualprop_network *network,
                                      const parameter *entry)
{
    TRY_LIBRARY(owner, dualprop_network_read(&entry->view, network, entry->name));
    TRY_LIBRARY(owner, dualprop_checkpoint_put_tensor(checkpoint, entry->key, &entry->view));
    return DUALPROP_OK;
}

static dualprop_status put_parameter(dualprop_checkpoint *checkpoint, host *owner, const dualprop_network *network,
                                     int index, int type)
{
    parameter entry;

    TRY(parameter_open(&entry, owner, network, index));
    entry.view.type = type;
    entry.view.data = host_allocate(owner, entry.count, array_type_size(type));
    if (entry.view.data == NULL) return host_no_memory(owner, "a checkpoint");
    dualprop_status status = copy_parameter(checkpoint, owner, network, &entry);
    host_release(owner, entry.view.data, entry.count, array_type_size(type));
    return status;
}

static dualprop_status put_best(dualprop_checkpoint *checkpoint, host *owner, const dualprop_network *best, int type)
{
    int count;

    TRY_LIBRARY(owner, dualprop_network_parameter_count(&count, best));
    for (int i = 0; i < count; i++) TRY(put_parameter(checkpoint, owner, best, i, type));
    return DUALPROP_OK;
}

static dualprop_status get_parameters(dualprop_network *best, host *owner, const dualprop_checkpoint *checkpoint)
{
    int count;

    TRY_LIBRARY(owner, dualprop_network_parameter_count(&count, best));
    for (int i = 0; i < count; i++) {
        parameter entry;
        dualprop_view stored = { .struct_size = sizeof stored };
        TRY(parameter_open(&entry, owner, best, i));
        TRY_LIBRARY(owner, dualprop_checkpoint_find(&stored, checkpoint, entry.key));
        TRY_LIBRARY(owner, dualprop_network_write(best, entry.name, &stored));
    }
    return DUALPROP_OK;
}

/* The best network, where the file has one: a copy of the network with other parameters. */
static dualprop_status get_best(run_parts *parts, host *owner, const char *path, const dualprop_checkpoint *checkpoint)
{
    dualprop_view view = { .struct_size = sizeof view };
    char sentence[MESSAGE_BYTES];

    if (dualprop_checkpoint_find(&view, checkpoint, KEY_BEST "layer1.weight") != DUALPROP_OK) return DUALPROP_OK;
    TRY_LIBRARY(owner, dualprop_network_clone(&parts->best, parts->network));
    dualprop_status status = get_parameters(parts->best, owner, checkpoint);
    if (status == DUALPROP_OK || status == DUALPROP_ERROR_NO_MEMORY) return status;
    snprintf(sentence, sizeof sentence, "%s", owner->message);
    return host_fail(owner, DUALPROP_ERROR_FORMAT, "%s: its best network does not fit: %s", path, sentence);
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
    if (parts->state != NULL) TRY_LIBRARY(owner, dualprop_checkpoint_put_state(checkpoint, parts->state));
    if (parts->best != NULL) TRY(put_best(checkpoint, owner, parts->best, settings_type(run)));
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
    TRY(get_best(parts, owner, path, checkpoint));
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

dualprop_status run_file_read_state(dualprop_state *state, host *owner, const char *path, dualprop_context *context)
{
    dualprop_checkpoint *checkpoint;

    TRY_LIBRARY(owner, dualprop_checkpoint_read(&checkpoint, context, path));
    size_t size; /* a file from before states were saved has no such text */
    int is_there = dualprop_checkpoint_get_text(NULL, 0, &size, checkpoint, "state") == DUALPROP_OK;
    dualprop_status status = is_there ? dualprop_checkpoint_get_state(state, checkpoint) : DUALPROP_OK;
    if (status != DUALPROP_OK) host_library(owner, status);
    dualprop_checkpoint_destroy(checkpoint);
    return status;
}
