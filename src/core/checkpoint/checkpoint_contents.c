/*
 * checkpoint_contents.c - tensors and texts, and putting them into a checkpoint so that a failure changes nothing.
 */
#include "checkpoint_internal.h"

#include <string.h>

/* ---- tensors and texts ---- */

int dualprop__tensor_bytes(size_t *bytes, int type, int rank, const int64_t *shape)
{
    int64_t product = (int64_t)dualprop__type_size(type);
    for (int i = 0; i < rank; i++)
        if (!DUALPROP__MULTIPLY(&product, product, shape[i])) return 0;
    *bytes = (size_t)product;
    return (uint64_t)product <= SIZE_MAX / 2;
}

dualprop__tensor *dualprop__tensor_create(dualprop_context *context, const char *name, int type, int rank,
                                          const int64_t *shape)
{
    size_t length = strlen(name) + 1, extents = (size_t)rank * sizeof *shape, size = 0;
    dualprop__tensor *tensor = dualprop__allocate(context, sizeof *tensor + extents + length);
    if (!tensor) return NULL;
    tensor->shape = (int64_t *)(tensor + 1);
    tensor->name = memcpy((char *)(tensor + 1) + extents, name, length);
    tensor->type = (unsigned char)type;
    tensor->rank = (unsigned char)rank;
    if (rank > 0) memcpy(tensor->shape, shape, extents);
    tensor->owned = 1;
    (void)dualprop__tensor_bytes(&size, type, rank, shape); /* which the caller has checked */
    tensor->size = size;
    if (!(tensor->data = dualprop__allocate(context, size))) {
        dualprop__release(context, tensor);
        return NULL;
    }
    return tensor;
}

void dualprop__tensor_destroy(dualprop_context *context, dualprop__tensor *tensor)
{
    if (!tensor) return;
    if (tensor->owned) dualprop__release(context, tensor->data);
    if (!tensor->shared) dualprop__release(context, tensor);
}

dualprop_view dualprop__tensor_view(const dualprop__tensor *tensor)
{
    return dualprop__view_of(tensor->data, tensor->type, tensor->rank, tensor->shape);
}

void dualprop__swap_elements(dualprop__tensor *tensor)
{
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    size_t each = dualprop__type_size(tensor->type);
    for (char *at = tensor->data, *end = at + tensor->size; each > 1 && at < end; at += each)
        for (size_t low = 0, high = each - 1; low < high; low++, high--) {
            char kept = at[low];
            at[low] = at[high];
            at[high] = kept;
        }
#else
    (void)tensor;
#endif
}

dualprop__text *dualprop__text_create(dualprop_context *context, const char *name, const char *value)
{
    size_t name_size = strlen(name) + 1, value_size = strlen(value) + 1;
    dualprop__text *text = dualprop__allocate(context, sizeof *text + name_size + value_size);
    if (!text) return NULL;
    char *place = (char *)(text + 1);
    text->name = memcpy(place, name, name_size);
    text->value = memcpy(place + name_size, value, value_size);
    return text;
}

void dualprop__text_destroy(dualprop_context *context, dualprop__text *text)
{
    if (text && !text->shared) dualprop__release(context, text);
}

dualprop__quoted dualprop__quote(const char *name)
{
    dualprop__quoted quoted;
    size_t length = strlen(name), most = sizeof quoted.text - 4, kept = length < most ? length : most;
    for (size_t i = 0; i < kept; i++) {
        unsigned char byte = (unsigned char)name[i];
        quoted.text[i] = byte < 0x20 || byte >= 0x7f ? '?' : (char)byte;
    }
    strcpy(quoted.text + kept, length > kept ? "..." : "");
    return quoted;
}

/* ---- putting ---- */

dualprop_status dualprop__checkpoint_put_tensor(dualprop_checkpoint *checkpoint, dualprop__tensor *tensor)
{
    dualprop_context *context = checkpoint->context;
    dualprop_status status = dualprop__named_list_reserve(&checkpoint->tensors, context, 1);
    if (status == DUALPROP_OK) tensor = dualprop__named_list_put(&checkpoint->tensors, tensor);
    dualprop__tensor_destroy(context, tensor);
    return status;
}

dualprop_status dualprop__checkpoint_put_text(dualprop_checkpoint *checkpoint, dualprop__text *text)
{
    dualprop_context *context = checkpoint->context;
    if (!text) return DUALPROP_ERROR_NO_MEMORY;
    dualprop_status status = dualprop__named_list_reserve(&checkpoint->texts, context, 1);
    if (status == DUALPROP_OK) text = dualprop__named_list_put(&checkpoint->texts, text);
    dualprop__text_destroy(context, text);
    return status;
}

static void drop_stale(dualprop_checkpoint *checkpoint, int (*stale)(const char *name))
{
    dualprop__named_list *tensors = &checkpoint->tensors;
    size_t kept = 0;
    for (size_t i = 0; i < tensors->count; i++) {
        dualprop__tensor *tensor = tensors->items[i];
        if (stale(tensor->name)) dualprop__tensor_destroy(checkpoint->context, tensor);
        else tensors->items[kept++] = tensor;
    }
    tensors->count = kept;
}

dualprop_status dualprop__checkpoint_absorb(dualprop_checkpoint *checkpoint, dualprop_checkpoint *part,
                                            int (*stale)(const char *name))
{
    dualprop_context *context = checkpoint->context;
    DUALPROP__TRY(dualprop__named_list_reserve(&checkpoint->tensors, context, part->tensors.count));
    DUALPROP__TRY(dualprop__named_list_reserve(&checkpoint->texts, context, part->texts.count));
    drop_stale(checkpoint, stale);
    for (size_t i = 0; i < part->tensors.count; i++)
        dualprop__tensor_destroy(context, dualprop__named_list_put(&checkpoint->tensors, part->tensors.items[i]));
    for (size_t i = 0; i < part->texts.count; i++)
        dualprop__text_destroy(context, dualprop__named_list_put(&checkpoint->texts, part->texts.items[i]));
    part->tensors.count = part->texts.count = 0;
    return DUALPROP_OK;
}

/* ---- finding ---- */

const char *dualprop__checkpoint_text(const dualprop_checkpoint *checkpoint, const char *name)
{
    const dualprop__text *text = dualprop__named_list_find(&checkpoint->texts, name);
    return text ? text->value : NULL;
}

dualprop_status dualprop__checkpoint_expect(dualprop__tensor **out, const dualprop_checkpoint *checkpoint,
                                            const char *name, int type, int rank, const int64_t *shape)
{
    dualprop__tensor *tensor = dualprop__named_list_find(&checkpoint->tensors, name);
    DUALPROP__REQUIRE(checkpoint->context, tensor, DUALPROP_ERROR_FORMAT, "%s: tensor %s is missing",
                      checkpoint->source, name);
    DUALPROP__REQUIRE(checkpoint->context, tensor->type == type, DUALPROP_ERROR_FORMAT,
                      "%s: tensor %s is of type %s; expected %s, the context's precision", checkpoint->source, name,
                      dualprop_name(DUALPROP_NAMES_TYPE, tensor->type), dualprop_name(DUALPROP_NAMES_TYPE, type));
    DUALPROP__REQUIRE(
        checkpoint->context, tensor->rank == rank && memcmp(tensor->shape, shape, (size_t)rank * sizeof *shape) == 0,
        DUALPROP_ERROR_FORMAT, "%s: tensor %s has the shape %s; expected %s, its layer's", checkpoint->source, name,
        dualprop__describe_shape(tensor->shape, tensor->rank).text, dualprop__describe_shape(shape, rank).text);
    *out = tensor;
    return DUALPROP_OK;
}

dualprop_status dualprop__checkpoint_expect_finite(dualprop__tensor **out, const dualprop_checkpoint *checkpoint,
                                                   const char *name, int type, int rank, const int64_t *shape)
{
    dualprop__tensor *tensor = NULL;
    DUALPROP__TRY(dualprop__checkpoint_expect(&tensor, checkpoint, name, type, rank, shape));
    DUALPROP__REQUIRE(checkpoint->context,
                      dualprop__reals_finite(tensor->data, type, (int64_t)(tensor->size / dualprop__type_size(type))),
                      DUALPROP_ERROR_NOT_FINITE, "%s: tensor %s holds NaN or an infinity; expected finite numbers",
                      checkpoint->source, name);
    *out = tensor;
    return DUALPROP_OK;
}

/* ---- arrays of parameters ---- */

dualprop_status dualprop__checkpoint_put_parameter(dualprop_checkpoint *part, const char *name,
                                                   const dualprop_layer *layer, int is_bias, const void *memory)
{
    int64_t shape[DUALPROP_MAX_RANK];
    int rank = dualprop__parameter_shape(shape, layer, is_bias), type = layer->network->context->precision;
    dualprop__tensor *tensor = dualprop__tensor_create(part->context, name, type, rank, shape);
    if (!tensor) return DUALPROP_ERROR_NO_MEMORY;
    dualprop_status status = dualprop__parameter_read(tensor->data, layer, is_bias, memory);
    if (status == DUALPROP_OK) return dualprop__checkpoint_put_tensor(part, tensor);
    dualprop__tensor_destroy(part->context, tensor);
    return status;
}

dualprop_status dualprop__checkpoint_get_parameter(const dualprop_checkpoint *checkpoint, const char *name,
                                                   const dualprop_layer *layer, int is_bias, void *memory,
                                                   const double *range)
{
    int64_t shape[DUALPROP_MAX_RANK];
    int rank = dualprop__parameter_shape(shape, layer, is_bias), type = layer->network->context->precision;
    dualprop__tensor *tensor = NULL;
    DUALPROP__TRY(dualprop__checkpoint_expect_finite(&tensor, checkpoint, name, type, rank, shape));
    int64_t count = (int64_t)(tensor->size / dualprop__type_size(type));
    if (range && !dualprop__reals_within(tensor->data, type, count, range))
        return dualprop__fail(checkpoint->context, DUALPROP_ERROR_FORMAT,
                              "%s: tensor %s holds numbers that no learning step leaves; expected %g..%g",
                              checkpoint->source, name, range[0], range[1]);
    return dualprop__parameter_write(layer, is_bias, memory, tensor->data);
}
