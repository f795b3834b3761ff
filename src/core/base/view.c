/*
 * view.c - callers' arrays: checking them, and copying between strided arrays and contiguous reals.
 *
 * A strided array is walked row by row, a row being its last dimension; the others count like the digits of a clock.
 */
#include <math.h>
#include <string.h>

#include "base.h"

/* The bytes of a view in version 0.1. */
#define LEAST_VIEW_BYTES (offsetof(dualprop_view, strides) + sizeof(((dualprop_view *)0)->strides))

size_t dualprop__type_size(int type)
{
    switch (type) {
    case DUALPROP_F32: return sizeof(float);
    case DUALPROP_F64: return sizeof(double);
    case DUALPROP_U8: return sizeof(uint8_t);
    case DUALPROP_I32: return sizeof(int32_t);
    case DUALPROP_I64: return sizeof(int64_t);
    default: return 0;
    }
}

dualprop_view dualprop__view_of(void *data, int type, int rank, const int64_t *shape)
{
    dualprop_view view = { .struct_size = sizeof view, .data = data, .type = type, .rank = rank };
    int64_t stride = 1;
    for (int d = rank - 1; d >= 0; d--) {
        view.shape[d] = shape[d];
        view.strides[d] = stride;
        if (!DUALPROP__MULTIPLY(&stride, stride, shape[d])) stride = 0; /* the count says that it overflows */
    }
    return view;
}

dualprop_view dualprop__view_copy(const dualprop_view *view)
{
    if (view->struct_size == sizeof *view) return *view;
    dualprop_view copy = { 0 };
    memcpy(&copy, view, view->struct_size < sizeof copy ? (size_t)view->struct_size : sizeof copy);
    copy.struct_size = sizeof copy;
    return copy;
}

void dualprop__view_copy_out(dualprop_view *to, const dualprop_view *view)
{
    memcpy(to, view, LEAST_VIEW_BYTES);
    to->struct_size = LEAST_VIEW_BYTES;
}

int dualprop__view_is_array(const dualprop_view *view, int type)
{
    int64_t expected = 1;
    if (view->type != type) return 0;
    for (int i = view->rank - 1; i >= 0; i--) {
        if (view->shape[i] != 1 && view->strides[i] != expected) return 0;
        expected *= view->shape[i];
    }
    return 1;
}

/* An extent of 0 makes an array empty, whatever the others are. */
int64_t dualprop__view_count(const dualprop_view *view)
{
    int64_t count = 1;
    for (int d = 0; d < view->rank; d++)
        if (view->shape[d] == 0) return 0;
    for (int d = 0; d < view->rank; d++)
        if (!DUALPROP__MULTIPLY(&count, count, view->shape[d])) return -1;
    return count;
}

/* ---- checking ---- */

/*
 * A shorter struct comes from an older header, a longer one from a newer: it is served as long as nothing is set that
 * this library does not know. The members of version 0.1 are the least there may be. One that is added after them has
 * to be read from a copy (dualprop__view_copy()), since a caller's older struct ends before it.
 */
static dualprop_status check_struct_size(const dualprop_context *context, const dualprop_view *view,
                                         const char *argument)
{
    uint64_t size = view->struct_size;
    DUALPROP__REQUIRE(context, size >= LEAST_VIEW_BYTES && size <= DUALPROP__MOST_STRUCT_BYTES,
                      DUALPROP_ERROR_INVALID_ARGUMENT, "%s: struct_size is %llu, expected sizeof(dualprop_view) = %zu",
                      argument, (unsigned long long)size, sizeof *view);
    for (size_t i = sizeof *view; i < size; i++)
        DUALPROP__REQUIRE(context, ((const char *)view)[i] == 0, DUALPROP_ERROR_INVALID_ARGUMENT,
                          "%s: it sets what came after version %s of the library (byte %zu)", argument,
                          dualprop_version_string(), i);
    return DUALPROP_OK;
}

static dualprop_status check_struct(const dualprop_context *context, const dualprop_view *view, const char *argument)
{
    DUALPROP__REQUIRE(context, view, DUALPROP_ERROR_INVALID_ARGUMENT, "%s is NULL, expected a view", argument);
    DUALPROP__TRY(check_struct_size(context, view, argument));
    DUALPROP__REQUIRE(context, view->rank >= 0 && view->rank <= DUALPROP_MAX_RANK, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "%s: rank is %d, expected 0 to %d", argument, view->rank, DUALPROP_MAX_RANK);
    return DUALPROP_OK;
}

static dualprop_status check_type(const dualprop_context *context, const dualprop_view *view, unsigned types,
                                  const char *argument)
{
    if (dualprop__type_size(view->type) > 0 && (types & 1u << view->type)) return DUALPROP_OK;
    const char *found = dualprop_name(DUALPROP_NAMES_TYPE, view->type);
    return dualprop__fail(context, DUALPROP_ERROR_INVALID_ARGUMENT, "%s: type is %d (%s), expected one of%s%s%s%s%s",
                          argument, view->type, found ? found : "none", types & 1u << DUALPROP_F32 ? " f32" : "",
                          types & 1u << DUALPROP_F64 ? " f64" : "", types & 1u << DUALPROP_U8 ? " u8" : "",
                          types & 1u << DUALPROP_I32 ? " i32" : "", types & 1u << DUALPROP_I64 ? " i64" : "");
}

/* The bytes from the first element to the farthest must be countable, for every stride and for their sum. */
static int spans_memory(const dualprop_view *view)
{
    int64_t span = (int64_t)dualprop__type_size(view->type), reach = 0;
    for (int d = 0; d < view->rank; d++) {
        int64_t stride = view->strides[d] < 0 ? -(view->strides[d] + 1) : view->strides[d]; /* no overflow at -2^63 */
        if (!DUALPROP__ADD(&stride, stride, (int64_t)(view->strides[d] < 0))) return 0;
        if (!DUALPROP__MULTIPLY(&reach, stride, view->shape[d] - 1)) return 0;
        if (!DUALPROP__MULTIPLY(&reach, reach, (int64_t)dualprop__type_size(view->type))) return 0;
        if (!DUALPROP__ADD(&span, span, reach)) return 0;
    }
    return 1;
}

static dualprop_status check_extents(const dualprop_context *context, const dualprop_view *view, const char *argument)
{
    for (int d = 0; d < view->rank; d++)
        DUALPROP__REQUIRE(context, view->shape[d] >= 0, DUALPROP_ERROR_INVALID_ARGUMENT,
                          "%s: shape[%d] is %lld, expected 0 or more", argument, d, (long long)view->shape[d]);
    int64_t count = dualprop__view_count(view);
    DUALPROP__REQUIRE(context, count >= 0 && (count == 0 || spans_memory(view)), DUALPROP_ERROR_RANGE,
                      "%s: its shape and strides reach beyond what memory can hold", argument);
    return DUALPROP_OK;
}

static dualprop_status check_data(const dualprop_context *context, const dualprop_view *view, const char *argument)
{
    if (dualprop__view_count(view) == 0) return DUALPROP_OK;
    size_t size = dualprop__type_size(view->type);
    DUALPROP__REQUIRE(context, view->data, DUALPROP_ERROR_INVALID_ARGUMENT, "%s: data is NULL, expected an array",
                      argument);
    DUALPROP__REQUIRE(context, (uintptr_t)view->data % size == 0, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "%s: data is %p, expected an address that is a multiple of %zu", argument, view->data, size);
    return DUALPROP_OK;
}

dualprop_status dualprop__view_check(const dualprop_context *context, const dualprop_view *view, unsigned types,
                                     const char *argument)
{
    DUALPROP__TRY(check_struct(context, view, argument));
    DUALPROP__TRY(check_type(context, view, types, argument));
    DUALPROP__TRY(check_extents(context, view, argument));
    return check_data(context, view, argument);
}

dualprop_status dualprop__view_check_output(const dualprop_context *context, const dualprop_view *view, unsigned types,
                                            const char *argument)
{
    DUALPROP__TRY(dualprop__view_check(context, view, types, argument));
    for (int d = 0; d < view->rank; d++)
        DUALPROP__REQUIRE(context, view->strides[d] != 0 || view->shape[d] <= 1, DUALPROP_ERROR_INVALID_ARGUMENT,
                          "%s: strides[%d] is 0, expected a place for every element", argument, d);
    return DUALPROP_OK;
}

/* ---- copying rows ---- */

/* Copy count elements whose neighbours are `stride` apart in `from`, or in `to`. */
#define DEFINE_GATHER(name, from_type, to_type, convert)                                                         \
    static void gather_##name(void *to, const void *from, int64_t stride, int64_t count)                         \
    {                                                                                                            \
        for (int64_t i = 0; i < count; i++) ((to_type *)to)[i] = (to_type)((const from_type *)from)[i * stride]; \
    }                                                                                                            \
    static void scatter_##name(void *to, int64_t stride, const void *from, int64_t count)                        \
    {                                                                                                            \
        for (int64_t i = 0; i < count; i++) ((from_type *)to)[i * stride] = convert(((const to_type *)from)[i]); \
    }

/* Reals into whole numbers: cut to the range, since what lies outside has no meaning in C; NaN becomes the least. */
static double clamp(double x, double least, double greatest)
{
    return x > least ? (x < greatest ? x : greatest) : least;
}

#define TO_F32(x) (float)(x)
#define TO_F64(x) (double)(x)
#define TO_U8(x) (uint8_t) clamp((double)(x), 0, UINT8_MAX)
#define TO_I32(x) (int32_t) clamp((double)(x), INT32_MIN, INT32_MAX)

DEFINE_GATHER(f32_f32, float, float, TO_F32)
DEFINE_GATHER(f64_f32, double, float, TO_F64)
DEFINE_GATHER(u8_f32, uint8_t, float, TO_U8)
DEFINE_GATHER(i32_f32, int32_t, float, TO_I32)
DEFINE_GATHER(f32_f64, float, double, TO_F32)
DEFINE_GATHER(f64_f64, double, double, TO_F64)
DEFINE_GATHER(u8_f64, uint8_t, double, TO_U8)
DEFINE_GATHER(i32_f64, int32_t, double, TO_I32)

/* By the precision of the reals (F64 or not) and the type of the view. */
static const struct row_copy {
    void (*gather)(void *to, const void *from, int64_t stride, int64_t count);
    void (*scatter)(void *to, int64_t stride, const void *from, int64_t count);
} row_copies[2][DUALPROP_I32 + 1] = {
    {
        [DUALPROP_F32] = { gather_f32_f32, scatter_f32_f32 },
        [DUALPROP_F64] = { gather_f64_f32, scatter_f64_f32 },
        [DUALPROP_U8] = { gather_u8_f32, scatter_u8_f32 },
        [DUALPROP_I32] = { gather_i32_f32, scatter_i32_f32 },
    },
    {
        [DUALPROP_F32] = { gather_f32_f64, scatter_f32_f64 },
        [DUALPROP_F64] = { gather_f64_f64, scatter_f64_f64 },
        [DUALPROP_U8] = { gather_u8_f64, scatter_u8_f64 },
        [DUALPROP_I32] = { gather_i32_f64, scatter_i32_f64 },
    },
};

/* ---- walking ---- */

/* Where the walk is: the digits of all dimensions but the last, and the offset in elements that they mean. */
struct walk {
    int64_t digits[DUALPROP_MAX_RANK];
    int64_t offset;
};

/* Go on to the next row; 0 after the last. */
static int next_row(struct walk *walk, const dualprop_view *view)
{
    for (int d = view->rank - 2; d >= 0; d--) {
        walk->offset += view->strides[d];
        if (++walk->digits[d] < view->shape[d]) return 1;
        walk->offset -= view->strides[d] * view->shape[d];
        walk->digits[d] = 0;
    }
    return 0;
}

static int64_t row_length(const dualprop_view *view)
{
    return view->rank > 0 ? view->shape[view->rank - 1] : 1;
}

static int64_t row_stride(const dualprop_view *view)
{
    return view->rank > 0 ? view->strides[view->rank - 1] : 1;
}

static char *row_address(const dualprop_view *view, const struct walk *walk)
{
    return (char *)view->data + walk->offset * (int64_t)dualprop__type_size(view->type);
}

void dualprop__view_gather(void *reals, int type, const dualprop_view *view)
{
    const struct row_copy *copy = &row_copies[type == DUALPROP_F64][view->type];
    if (dualprop__view_count(view) <= 0) return;
    int64_t count = row_length(view), bytes = count * (int64_t)dualprop__type_size(type);
    struct walk walk = { { 0 }, 0 };
    char *to = reals;
    do {
        copy->gather(to, row_address(view, &walk), row_stride(view), count);
        to += bytes;
    } while (next_row(&walk, view));
}

void dualprop__view_scatter(const dualprop_view *view, const void *reals, int type)
{
    const struct row_copy *copy = &row_copies[type == DUALPROP_F64][view->type];
    if (dualprop__view_count(view) <= 0) return;
    int64_t count = row_length(view), bytes = count * (int64_t)dualprop__type_size(type);
    struct walk walk = { { 0 }, 0 };
    const char *from = reals;
    do {
        copy->scatter(row_address(view, &walk), row_stride(view), from, count);
        from += bytes;
    } while (next_row(&walk, view));
}
