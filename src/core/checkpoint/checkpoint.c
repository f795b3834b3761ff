/*
 * checkpoint.c - the container as callers see it: made, read, written, and filled with texts and tensors of their own.
 */
#include <pthread.h>
#include <string.h>

#include "json_text.h"
#include "safetensors.h"

/* ---- life ---- */

static void set_source(dualprop_checkpoint *checkpoint, const char *name)
{
    size_t length = strlen(name), room = sizeof checkpoint->source - 1;
    /* The end of a path says more than its beginning. */
    if (length > room) {
        memcpy(checkpoint->source, "...", 3);
        memcpy(checkpoint->source + 3, name + length - (room - 3), room - 3);
    } else {
        memcpy(checkpoint->source, name, length);
    }
}

static dualprop_status create_checkpoint(dualprop_checkpoint **out, dualprop_context *context, const char *source)
{
    DUALPROP__TRY(dualprop__context_enter(context));
    dualprop_checkpoint *checkpoint = dualprop__allocate(context, sizeof *checkpoint);
    if (!checkpoint) return DUALPROP_ERROR_NO_MEMORY;
    checkpoint->magic = DUALPROP__CHECKPOINT;
    checkpoint->context = context;
    set_source(checkpoint, source);
    dualprop__context_retain(context);
    *out = checkpoint;
    return DUALPROP_OK;
}

dualprop_status dualprop_checkpoint_create(dualprop_checkpoint **out, dualprop_context *context)
{
    DUALPROP__REQUIRE(NULL, out, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "checkpoint is NULL; expected a place for the result");
    *out = NULL;
    DUALPROP__REQUIRE_HANDLE(context, DUALPROP__CONTEXT);
    return create_checkpoint(out, context, "checkpoint");
}

void dualprop_checkpoint_destroy(dualprop_checkpoint *checkpoint)
{
    if (!checkpoint || checkpoint->magic != DUALPROP__CHECKPOINT) return;
    dualprop_context *context = checkpoint->context;
    for (size_t i = 0; i < checkpoint->tensors.count; i++)
        dualprop__tensor_destroy(context, checkpoint->tensors.items[i]);
    for (size_t i = 0; i < checkpoint->texts.count; i++) dualprop__text_destroy(context, checkpoint->texts.items[i]);
    dualprop__release(context, checkpoint->texts.items);
    dualprop__release(context, checkpoint->tensors.items);
    dualprop__release(context, checkpoint->read);
    dualprop__release(context, checkpoint->bytes);
    checkpoint->magic = DUALPROP__DEAD;
    dualprop__release(context, checkpoint);
    dualprop__context_release(context);
}

/* ---- reading ---- */

/* Point the tensors at their elements. Another program's header may leave some misaligned: those get copies. */
static dualprop_status place_tensors(dualprop_checkpoint *checkpoint, const char *data)
{
    for (size_t i = 0; i < checkpoint->tensors.count; i++) {
        dualprop__tensor *tensor = checkpoint->tensors.items[i];
        const char *elements = data + tensor->begin;
        tensor->data = (void *)elements;
        if ((uintptr_t)elements % dualprop__type_size(tensor->type) != 0) {
            tensor->data = dualprop__allocate(checkpoint->context, tensor->size);
            if (!tensor->data) return DUALPROP_ERROR_NO_MEMORY;
            memcpy(tensor->data, elements, tensor->size);
            tensor->owned = 1;
        }
        dualprop__swap_elements(tensor);
    }
    return DUALPROP_OK;
}

static dualprop_status read_checkpoint_file(dualprop_checkpoint *checkpoint, const char *path)
{
    dualprop_context *context = checkpoint->context;
    size_t size, data_start;
    DUALPROP__TRY(
        dualprop__file_read(&checkpoint->bytes, &size, context, path, context->limits[DUALPROP_LIMIT_FILE_BYTES]));
    DUALPROP__TRY(dualprop__safetensors_parse(&data_start, checkpoint, checkpoint->bytes, size));
    return place_tensors(checkpoint, (const char *)checkpoint->bytes + data_start);
}

dualprop_status dualprop_checkpoint_read(dualprop_checkpoint **out, dualprop_context *context, const char *path)
{
    DUALPROP__REQUIRE(NULL, out, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "checkpoint is NULL; expected a place for the result");
    *out = NULL;
    DUALPROP__REQUIRE_HANDLE(context, DUALPROP__CONTEXT);
    DUALPROP__REQUIRE(context, path && *path, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "path is %s; expected the name of a file", path ? "empty" : "NULL");
    dualprop_checkpoint *checkpoint;
    DUALPROP__TRY(create_checkpoint(&checkpoint, context, path));
    dualprop_status status = read_checkpoint_file(checkpoint, path);
    if (status == DUALPROP_OK) *out = checkpoint;
    else dualprop_checkpoint_destroy(checkpoint);
    return status;
}

static dualprop_status read_tensor_bytes(dualprop_checkpoint *checkpoint, const void *data, size_t size)
{
    dualprop_context *context = checkpoint->context;
    uint64_t limit = context->limits[DUALPROP_LIMIT_FILE_BYTES];
    size_t data_start;
    DUALPROP__REQUIRE(context, size <= limit, DUALPROP_ERROR_LIMIT,
                      "size is %zu; expected at most the context's limit of %llu", size, (unsigned long long)limit);
    checkpoint->bytes = dualprop__allocate(context, size);
    if (!checkpoint->bytes) return DUALPROP_ERROR_NO_MEMORY;
    if (size > 0) memcpy(checkpoint->bytes, data, size);
    DUALPROP__TRY(dualprop__safetensors_parse(&data_start, checkpoint, checkpoint->bytes, size));
    return place_tensors(checkpoint, (const char *)checkpoint->bytes + data_start);
}

dualprop_status dualprop_checkpoint_read_memory(dualprop_checkpoint **out, dualprop_context *context, const void *data,
                                                size_t size)
{
    DUALPROP__REQUIRE(NULL, out, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "checkpoint is NULL; expected a place for the result");
    *out = NULL;
    DUALPROP__REQUIRE_HANDLE(context, DUALPROP__CONTEXT);
    DUALPROP__REQUIRE(context, data, DUALPROP_ERROR_INVALID_ARGUMENT, "data is NULL; expected the bytes of a file");
    dualprop_checkpoint *checkpoint;
    DUALPROP__TRY(create_checkpoint(&checkpoint, context, "data"));
    dualprop_status status = read_tensor_bytes(checkpoint, data, size);
    if (status == DUALPROP_OK) *out = checkpoint;
    else dualprop_checkpoint_destroy(checkpoint);
    return status;
}

/* ---- writing ---- */

dualprop_status dualprop_checkpoint_write(const dualprop_checkpoint *checkpoint, const char *path)
{
    DUALPROP__REQUIRE_HANDLE(checkpoint, DUALPROP__CHECKPOINT);
    DUALPROP__TRY(dualprop__context_enter(checkpoint->context));
    DUALPROP__REQUIRE(checkpoint->context, path && *path, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "path is %s; expected the name of a file", path ? "empty" : "NULL");
    return dualprop__safetensors_write(checkpoint, path);
}

/* ---- texts ---- */

static dualprop_status check_item_name(const dualprop_checkpoint *checkpoint, const char *name, const char *argument)
{
    const dualprop_context *context = checkpoint->context;
    uint64_t limit = context->limits[DUALPROP_LIMIT_NAME_BYTES];
    DUALPROP__REQUIRE(context, name && *name && dualprop__utf8_valid(name), DUALPROP_ERROR_INVALID_ARGUMENT,
                      "%s is %s; expected a name in UTF-8", argument,
                      !name    ? "NULL"
                      : !*name ? "empty"
                               : "not UTF-8");
    DUALPROP__REQUIRE(context, strlen(name) <= limit, DUALPROP_ERROR_LIMIT,
                      "%s has %zu bytes; expected at most the context's limit of %llu", argument, strlen(name),
                      (unsigned long long)limit);
    return DUALPROP_OK;
}

static int is_our_key(const char *key)
{
    static const char *const ours[] = { DUALPROP__FORMAT, DUALPROP__CRC32, DUALPROP__CRC32_TEXTS,
                                        "network",        "rule",          "optimizer",
                                        "feedback",       "state" };
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (strcmp(key, ours[i]) == 0) return 1;
    return 0;
}

dualprop_status dualprop_checkpoint_put_text(dualprop_checkpoint *checkpoint, const char *key, const char *value)
{
    DUALPROP__REQUIRE_HANDLE(checkpoint, DUALPROP__CHECKPOINT);
    dualprop_context *context = checkpoint->context;
    DUALPROP__TRY(check_item_name(checkpoint, key, "key"));
    DUALPROP__REQUIRE(context, !is_our_key(key), DUALPROP_ERROR_INVALID_ARGUMENT,
                      "key is \"%s\", which is one of ours; expected another", key);
    if (!value) {
        dualprop__text_destroy(context, dualprop__named_list_remove(&checkpoint->texts, key));
        return DUALPROP_OK;
    }
    DUALPROP__REQUIRE(context, dualprop__utf8_valid(value), DUALPROP_ERROR_INVALID_ARGUMENT,
                      "value of text %s is not UTF-8", dualprop__quote(key).text);
    return dualprop__checkpoint_put_text(checkpoint, dualprop__text_create(context, key, value));
}

dualprop_status dualprop_checkpoint_get_text(char *buffer, size_t size, size_t *needed,
                                             const dualprop_checkpoint *checkpoint, const char *key)
{
    DUALPROP__REQUIRE_HANDLE(checkpoint, DUALPROP__CHECKPOINT);
    const dualprop_context *context = checkpoint->context;
    DUALPROP__REQUIRE(context, key, DUALPROP_ERROR_INVALID_ARGUMENT, "key is NULL; expected the name of a text");
    DUALPROP__REQUIRE(context, buffer || size == 0, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "buffer is NULL and size is %zu; expected a buffer, or 0", size);
    const char *value = dualprop__checkpoint_text(checkpoint, key);
    DUALPROP__REQUIRE(context, value, DUALPROP_ERROR_INVALID_ARGUMENT, "%s has no text %s", checkpoint->source,
                      dualprop__quote(key).text);
    dualprop__text_copy_out(buffer, size, needed, value);
    return DUALPROP_OK;
}

/* ---- tensors ---- */

/* Copy the elements in row-major order: count upwards through the extents, the last one fastest. */
static void copy_elements(void *to, const dualprop_view *view, int64_t count)
{
    size_t size = dualprop__type_size(view->type);
    int64_t index[DUALPROP_MAX_RANK] = { 0 }, offset = 0;
    for (int64_t i = 0; i < count; i++) {
        memcpy((char *)to + (size_t)i * size, (const char *)view->data + offset * (int64_t)size, size);
        for (int axis = view->rank - 1; axis >= 0; axis--) {
            offset += view->strides[axis];
            if (++index[axis] < view->shape[axis]) break;
            offset -= view->strides[axis] * view->shape[axis];
            index[axis] = 0;
        }
    }
}

dualprop_status dualprop_checkpoint_put_tensor(dualprop_checkpoint *checkpoint, const char *name,
                                               const dualprop_view *view)
{
    DUALPROP__REQUIRE_HANDLE(checkpoint, DUALPROP__CHECKPOINT);
    dualprop_context *context = checkpoint->context;
    unsigned all = 1u << DUALPROP_F32 | 1u << DUALPROP_F64 | 1u << DUALPROP_U8 | 1u << DUALPROP_I32;
    size_t bytes;
    DUALPROP__TRY(check_item_name(checkpoint, name, "name"));
    DUALPROP__REQUIRE(context, strcmp(name, "__metadata__") != 0, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "name is \"__metadata__\", which is reserved for the texts; expected another");
    DUALPROP__TRY(dualprop__view_check(context, view, all, "view"));
    DUALPROP__REQUIRE(context, dualprop__tensor_bytes(&bytes, view->type, view->rank, view->shape),
                      DUALPROP_ERROR_RANGE, "the size of tensor %s overflows", dualprop__quote(name).text);
    dualprop__tensor *tensor = dualprop__tensor_create(context, name, view->type, view->rank, view->shape);
    if (!tensor) return DUALPROP_ERROR_NO_MEMORY;
    copy_elements(tensor->data, view, (int64_t)(bytes / dualprop__type_size(view->type)));
    return dualprop__checkpoint_put_tensor(checkpoint, tensor);
}

dualprop_status dualprop_checkpoint_tensor_count(int64_t *count, const dualprop_checkpoint *checkpoint)
{
    DUALPROP__REQUIRE_HANDLE(checkpoint, DUALPROP__CHECKPOINT);
    DUALPROP__REQUIRE(checkpoint->context, count, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "count is NULL; expected a place for the result");
    *count = (int64_t)checkpoint->tensors.count;
    return DUALPROP_OK;
}

static void copy_out_name(dualprop_view *view, const dualprop__tensor *tensor)
{
    dualprop_view whole = dualprop__tensor_view(tensor);
    dualprop__view_copy_out(view, &whole);
}

dualprop_status dualprop_checkpoint_tensor(const char **name, dualprop_view *view,
                                           const dualprop_checkpoint *checkpoint, int64_t index)
{
    DUALPROP__REQUIRE_HANDLE(checkpoint, DUALPROP__CHECKPOINT);
    int64_t count = (int64_t)checkpoint->tensors.count;
    DUALPROP__REQUIRE(checkpoint->context, index >= 0 && index < count, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "index is %lld; expected 0..%lld", (long long)index, (long long)count - 1);
    const dualprop__tensor *tensor = checkpoint->tensors.items[index];
    if (name) *name = tensor->name;
    if (view) copy_out_name(view, tensor);
    return DUALPROP_OK;
}

dualprop_status dualprop_checkpoint_find(dualprop_view *view, const dualprop_checkpoint *checkpoint, const char *name)
{
    DUALPROP__REQUIRE_HANDLE(checkpoint, DUALPROP__CHECKPOINT);
    const dualprop_context *context = checkpoint->context;
    DUALPROP__REQUIRE(context, name, DUALPROP_ERROR_INVALID_ARGUMENT, "name is NULL; expected a tensor's name");
    DUALPROP__REQUIRE(context, view, DUALPROP_ERROR_INVALID_ARGUMENT, "view is NULL; expected a place for the result");
    const dualprop__tensor *tensor = dualprop__named_list_find(&checkpoint->tensors, name);
    DUALPROP__REQUIRE(context, tensor, DUALPROP_ERROR_INVALID_ARGUMENT, "%s has no tensor %s", checkpoint->source,
                      dualprop__quote(name).text);
    copy_out_name(view, tensor);
    return DUALPROP_OK;
}
