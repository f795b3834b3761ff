/*
 * npy.c - reading .npy: a magic number, a Python dictionary in ASCII, the elements.
 *
 * The dictionary is {'descr': '<f4', 'fortran_order': False, 'shape': (60000, 784), } with its keys in any order; only
 * what numpy writes is accepted. Elements may have either order of bytes and arrays either order of axes.
 */
#include "npy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_LIMIT 4095

typedef struct npy_header {
    char kind; /* 'f', 'u' or 'i' */
    int size;  /* bytes of an element */
    int big_endian, fortran_order;
    int rank;
    int64_t shape[DUALPROP_MAX_RANK];
    uint64_t count, bytes_before;
    int seen; /* bit 0: descr, 1: fortran_order, 2: shape */
} npy_header;

typedef struct npy_file {
    host *owner;
    const char *path;
    byte_source *source;
    npy_header header;
} npy_file;

static dualprop_status refuse(const npy_file *file, const char *check)
{
    return host_fail(file->owner, DUALPROP_ERROR_FORMAT, "%s: %s", file->path, check);
}

static const char *skip_spaces(const char *text)
{
    return text + strspn(text, " \n");
}

/* Step over a word if it comes next; NULL if not. */
static const char *expect(const char *text, const char *word)
{
    text = skip_spaces(text);
    size_t length = strlen(word);
    return strncmp(text, word, length) == 0 ? text + length : NULL;
}

/* '<f4', '|u1' and so on. */
static const char *parse_type(npy_header *header, const char *text)
{
    text = skip_spaces(text);
    if (text[0] != '\'' || strchr("<|>", text[1]) == NULL || text[1] == '\0' || strchr("fui", text[2]) == NULL ||
        text[2] == '\0' || strchr("1248", text[3]) == NULL || text[3] == '\0' || text[4] != '\'')
        return NULL;
    header->kind = text[2];
    header->size = text[3] - '0';
    header->big_endian = text[1] == '>';
    header->seen |= 1;
    return text + 5;
}

static const char *parse_order(npy_header *header, const char *text)
{
    header->seen |= 2;
    const char *after = expect(text, "False");
    header->fortran_order = after == NULL;
    return after != NULL ? after : expect(text, "True");
}

static const char *parse_shape(npy_header *header, const char *text)
{
    text = expect(text, "(");
    for (header->rank = 0; text != NULL && *skip_spaces(text) != ')'; header->rank++) {
        text = skip_spaces(text);
        if (header->rank == DUALPROP_MAX_RANK || *text < '0' || *text > '9' || strspn(text, "0123456789") > 18)
            return NULL;
        char *end;
        header->shape[header->rank] = strtoll(text, &end, 10);
        text = skip_spaces(end);
        if (*text == ',') text++;
        else if (*text != ')') return NULL;
    }
    header->seen |= 4;
    return text == NULL ? NULL : expect(text, ")");
}

static const char *parse_entry(npy_header *header, const char *text)
{
    const char *value;

    if ((value = expect(text, "'descr':")) != NULL) return parse_type(header, value);
    if ((value = expect(text, "'fortran_order':")) != NULL) return parse_order(header, value);
    if ((value = expect(text, "'shape':")) != NULL) return parse_shape(header, value);
    return NULL;
}

static int parse_header(npy_header *header, const char *text)
{
    text = expect(text, "{");
    while (text != NULL && *skip_spaces(text) != '}') {
        text = parse_entry(header, text);
        if (text == NULL) return 0;
        text = skip_spaces(text);
        if (*text == ',') text++;
        else if (*text != '}') return 0;
    }
    return text != NULL && header->seen == 7 && *skip_spaces(skip_spaces(text) + 1) == '\0';
}

/* The length of the dictionary: 16 bits in version 1, 32 bits after. */
static dualprop_status read_length(npy_file *file, uint32_t *length)
{
    unsigned char start[8], bytes[4] = { 0 };

    TRY(byte_source_read(file->source, start, 8, "the header"));
    if (memcmp(start, "\x93NUMPY", 6) != 0)
        return refuse(file, "wrong magic number; expected \\x93NUMPY, as numpy.save() writes");
    if (start[6] < 1 || start[6] > 3) return refuse(file, "unknown format version; expected 1, 2 or 3");
    int size = start[6] == 1 ? 2 : 4;
    TRY(byte_source_read(file->source, bytes, (uint64_t)size, "the header"));
    *length = (uint32_t)bytes[3] << 24 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[1] << 8 | bytes[0];
    file->header.bytes_before = 8 + (uint64_t)size + *length;
    return DUALPROP_OK;
}

static dualprop_status read_dictionary(npy_file *file, char *text)
{
    uint32_t length = 0;

    TRY(read_length(file, &length));
    if (length > HEADER_LIMIT) return refuse(file, "the header is too long; expected 4095 bytes at most");
    TRY(byte_source_read(file->source, text, length, "the header"));
    text[length] = '\0';
    if (strlen(text) == length && parse_header(&file->header, text)) return DUALPROP_OK;
    return refuse(file, "the header is not understood; expected an array of 'f4', 'f8', 'u1' (images) or integers "
                        "(labels), with 'descr', 'fortran_order' and 'shape'");
}

static dualprop_status read_header(npy_file *file)
{
    npy_header *header = &file->header;
    char *text = host_allocate(file->owner, HEADER_LIMIT + 1, 1);

    if (text == NULL) return host_no_memory(file->owner, file->path);
    dualprop_status status = read_dictionary(file, text);
    host_release(file->owner, text, HEADER_LIMIT + 1, 1);
    if (status != DUALPROP_OK) return status;
    if (!array_count(&header->count, header->shape, header->rank, (size_t)header->size))
        return refuse(file, "the product of its extents overflows; expected a size below 2^63");
    if (header->count * (uint64_t)header->size > byte_source_bound(file->source))
        return refuse(file, "truncated: the shape in the header needs more data; expected a file that holds them");
    return DUALPROP_OK;
}

static void swap_bytes(unsigned char *elements, const npy_header *header)
{
    for (uint64_t i = 0; header->big_endian && i < header->count; i++) {
        unsigned char *element = elements + i * (uint64_t)header->size;
        for (int low = 0, high = header->size - 1; low < high; low++, high--) {
            unsigned char kept = element[low];
            element[low] = element[high];
            element[high] = kept;
        }
    }
}

/* From the first axis varying fastest to the last: the elements of the file are gone through in the order wanted. */
static void make_row_major(unsigned char *to, const unsigned char *from, const npy_header *header)
{
    uint64_t size = (uint64_t)header->size, stride[DUALPROP_MAX_RANK], at = 0;
    int64_t index[DUALPROP_MAX_RANK] = { 0 };

    for (int axis = 0; axis < header->rank; axis++)
        stride[axis] = axis == 0 ? 1 : stride[axis - 1] * (uint64_t)header->shape[axis - 1];
    for (uint64_t i = 0; i < header->count; i++) {
        memcpy(to + i * size, from + at * size, size);
        for (int axis = header->rank - 1; axis >= 0; axis--) {
            at += stride[axis];
            if (++index[axis] < header->shape[axis]) break;
            at -= stride[axis] * (uint64_t)header->shape[axis];
            index[axis] = 0;
        }
    }
}

static dualprop_status reorder(npy_file *file, void *elements)
{
    const npy_header *header = &file->header;

    if (!header->fortran_order || header->rank < 2 || header->count == 0) return DUALPROP_OK;
    void *copy = host_allocate(file->owner, header->count, (size_t)header->size);
    if (copy == NULL) return host_no_memory(file->owner, file->path);
    memcpy(copy, elements, header->count * (uint64_t)header->size);
    make_row_major(elements, copy, header);
    host_release(file->owner, copy, header->count, (size_t)header->size);
    return DUALPROP_OK;
}

static dualprop_status read_elements(npy_file *file, void *elements)
{
    uint64_t bytes = file->header.count * (uint64_t)file->header.size;

    TRY(byte_source_read(file->source, elements, bytes, "the data"));
    TRY(byte_source_finish(file->source, file->header.bytes_before + bytes));
    swap_bytes(elements, &file->header);
    return reorder(file, elements);
}

static int real_type(const npy_header *header)
{
    if (header->kind == 'u' && header->size == 1) return DUALPROP_U8;
    if (header->kind == 'f' && header->size == 4) return DUALPROP_F32;
    return header->kind == 'f' && header->size == 8 ? DUALPROP_F64 : 0;
}

static dualprop_status check_finite(const npy_file *file, const array *reals)
{
    for (uint64_t i = 0; i < reals->count && reals->type != DUALPROP_U8; i++) {
        double value =
            reals->type == DUALPROP_F32 ? (double)((const float *)reals->data)[i] : ((const double *)reals->data)[i];
        if (!isfinite(value))
            return host_fail(file->owner, DUALPROP_ERROR_NOT_FINITE, "%s: element %llu is %g; expected finite numbers",
                             file->path, (unsigned long long)i, value);
    }
    return DUALPROP_OK;
}

static dualprop_status read_shape(array *out, npy_file *file)
{
    TRY(read_header(file));
    out->type = real_type(&file->header);
    if (out->type == 0) return refuse(file, "wrong element type; expected u1, f4 or f8");
    out->rank = file->header.rank;
    memcpy(out->shape, file->header.shape, sizeof out->shape);
    out->count = file->header.count;
    return DUALPROP_OK;
}

static dualprop_status read_reals(array *out, npy_file *file)
{
    TRY(read_shape(out, file));
    out->data = host_allocate(file->owner, out->count, array_type_size(out->type));
    if (out->data == NULL) return host_no_memory(file->owner, file->path);
    TRY(read_elements(file, out->data));
    return check_finite(file, out);
}

/* One little-endian integer, sign-extended where it is signed; an unsigned one above 2^63 comes out negative. */
static int64_t integer_at(const unsigned char *bytes, const npy_header *header)
{
    uint64_t value = 0;

    for (int i = header->size - 1; i >= 0; i--) value = value << 8 | bytes[i];
    if (header->kind == 'i' && header->size < 8 && (bytes[header->size - 1] & 0x80) != 0)
        value |= ~UINT64_C(0) << 8 * header->size;
    return (int64_t)value;
}

static dualprop_status convert_labels(array *out, const npy_file *file, const unsigned char *elements)
{
    int32_t *labels = out->data;

    for (uint64_t i = 0; i < out->count; i++) {
        int64_t value = integer_at(elements + i * (uint64_t)file->header.size, &file->header);
        if (value < 0 || value > INT32_MAX)
            return host_fail(file->owner, DUALPROP_ERROR_FORMAT, "%s: label %llu is %lld; expected 0 to 2147483647",
                             file->path, (unsigned long long)i, (long long)value);
        labels[i] = (int32_t)value;
    }
    return DUALPROP_OK;
}

static dualprop_status read_and_convert_labels(array *out, npy_file *file)
{
    void *elements = host_allocate(file->owner, file->header.count, (size_t)file->header.size);

    if (elements == NULL) return host_no_memory(file->owner, file->path);
    dualprop_status status = read_elements(file, elements);
    if (status == DUALPROP_OK) status = convert_labels(out, file, elements);
    host_release(file->owner, elements, file->header.count, (size_t)file->header.size);
    return status;
}

static dualprop_status read_labels(array *out, npy_file *file)
{
    TRY(read_header(file));
    if (file->header.kind == 'f') return refuse(file, "wrong element type; expected integers");
    int is_column = file->header.rank == 2 && file->header.shape[1] == 1; /* as Keras has them */
    if (file->header.rank != 1 && !is_column) return refuse(file, "wrong rank; expected one axis of labels");
    out->type = DUALPROP_I32;
    out->rank = 1;
    out->shape[0] = file->header.shape[0];
    out->count = file->header.count;
    out->data = host_allocate(file->owner, out->count, sizeof(int32_t));
    if (out->data == NULL) return host_no_memory(file->owner, file->path);
    return read_and_convert_labels(out, file);
}

static dualprop_status read_source(array *out, npy_file *file, dualprop_status (*read)(array *out, npy_file *file))
{
    array made = { 0 };
    dualprop_status status = read(&made, file);

    if (status == DUALPROP_OK) *out = made;
    else array_release(&made, file->owner);
    return status;
}

static dualprop_status read_file(array *out, host *owner, const char *path,
                                 dualprop_status (*read)(array *out, npy_file *file))
{
    npy_file file = { .owner = owner, .path = path };

    TRY(byte_source_open(&file.source, owner, path));
    dualprop_status status = read_source(out, &file, read);
    byte_source_close(file.source);
    return status;
}

dualprop_status npy_read_reals(array *out, host *owner, const char *path)
{
    return read_file(out, owner, path, read_reals);
}

dualprop_status npy_read_labels(array *out, host *owner, const char *path)
{
    return read_file(out, owner, path, read_labels);
}

dualprop_status npy_read_labels_from(array *out, host *owner, const char *path, byte_source *source)
{
    npy_file file = { .owner = owner, .path = path, .source = source };

    return read_source(out, &file, read_labels);
}

dualprop_status npy_read_shape_from(array *shape, host *owner, const char *path, byte_source *source)
{
    npy_file file = { .owner = owner, .path = path, .source = source };

    TRY(read_source(shape, &file, read_shape));
    /* The elements are read as they come, by the caller. */
    if ((file.header.fortran_order && file.header.rank > 1) || (file.header.big_endian && file.header.size > 1))
        return refuse(&file, "another order of bytes or axes; expected a little-endian, row-major array");
    return DUALPROP_OK;
}
