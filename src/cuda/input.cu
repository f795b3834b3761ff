/*
 * input.cu - a caller's samples into the network's reals, and random numbers.
 *
 * Samples travel as they are (bytes stay bytes): the host gathers as many images as fit into a slot of input staging,
 * which sends them beside the work that runs; after them in the stream of that work the device moves and normalises
 * them in one launch and follows the greatest of the results. What was to be copied right before, the batch's targets,
 * goes along with the first of them. In a slot lie, one after the other,
 *
 *     | mean | deviation | augmentation of these images | targets | the images |
 */
#include "launch.cuh"
#include "graph_cache.h"

using namespace dualprop_cuda;

namespace {

/* ---- on the device ---- */

struct input_body {
    const void *from;
    float *x;
    const double *mean, *deviation; /* [channels] or NULL */
    const int32_t *augmentation;    /* [images, 3] or NULL */
    const uint32_t *beside;         /* words to be copied as they are, after the elements */
    uint32_t *beside_to;
    max_places to;
    int64_t elements;
    int64_t height, width, channels;
    int64_t type;

    static constexpr const char *name()
    {
        return "input transform";
    }

    DUALPROP__CUDA_BOTH float value(int64_t i, int64_t channel) const
    {
        if (type == DUALPROP_F32) return ((const float *)from)[i];
        if (type == DUALPROP_F64) return (float)((const double *)from)[i];
        double byte = ((const uint8_t *)from)[i] / 255.0;
        return (float)((byte - (mean ? mean[channel] : 0)) / (deviation ? deviation[channel] : 1));
    }

    /* From a place in the moved image to the one it shows, or 0 if a zero came in. */
    DUALPROP__CUDA_BOTH float moved(int64_t image, int64_t row, int64_t column, int64_t channel) const
    {
        const int32_t *move = augmentation + 3 * image;
        row -= move[0];
        column -= move[1];
        if (row < 0 || row >= height || column < 0 || column >= width) return 0;
        if (move[2]) column = width - 1 - column;
        return value(((image * height + row) * width + column) * channels + channel, channel);
    }

    DUALPROP__CUDA_BOTH maxima operator()(int64_t i) const
    {
        int64_t image = i, channel = split_axis(&image, channels);
        maxima seen = { 0, 0 };
        if (i >= elements) {
            beside_to[i - elements] = beside[i - elements];
            return seen;
        }
        if (augmentation) {
            int64_t column = split_axis(&image, width), row = split_axis(&image, height);
            seen.max_abs = moved(image, row, column, channel);
        } else {
            seen.max_abs = value(i, channel);
        }
        x[i] = seen.max_abs;
        return seen;
    }
};

struct uniform_body {
    float *x;
    uint64_t seed, stream, first;

    static constexpr const char *name()
    {
        return "uniform numbers";
    }

    DUALPROP__CUDA_BOTH void operator()(int64_t i) const
    {
        x[i] = dualprop__uniform_f32(dualprop__philox_word(seed, stream, first + (uint64_t)i));
    }
};

/* ---- on the host: elements first .. first+count-1 of a rank-4 view, in row-major order, one after the other ---- */

int64_t size_of(int type)
{
    return type == DUALPROP_U8 ? 1 : type == DUALPROP_F32 ? 4 : 8;
}

/* How many of the last axes lie one after the other, and how many elements that is. */
int64_t packed_elements(const dualprop_view *view)
{
    int64_t elements = 1;
    for (int axis = 3; axis >= 0; axis--) {
        if (view->shape[axis] != 1 && view->strides[axis] != elements) break;
        elements *= view->shape[axis];
    }
    return elements;
}

int64_t offset_of(const dualprop_view *view, int64_t i)
{
    int64_t offset = 0;
    for (int axis = 3; axis >= 0; axis--) {
        offset += i % view->shape[axis] * view->strides[axis];
        i /= view->shape[axis];
    }
    return offset;
}

void gather(char *to, const dualprop_view *view, int64_t first, int64_t count)
{
    int64_t size = size_of(view->type), packed = packed_elements(view);
    for (int64_t i = 0; i < count;) {
        int64_t left = packed - (first + i) % packed, run = left < count - i ? left : count - i;
        const char *from = (const char *)view->data + offset_of(view, first + i) * size;
        memcpy(to + i * size, from, (size_t)(run * size));
        i += run;
    }
}

/* ---- the two together ---- */

/* A batch on its way. */
struct batch {
    const dualprop_view *input;
    const double *mean, *deviation; /* NULL: none, or not for this type */
    const int32_t *augmentation;
    int64_t image;                        /* elements of one */
    struct dualprop__cuda_beside *beside; /* what goes along with the first images; or NULL */
};

int64_t rounded(int64_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

int64_t table_bytes(const batch &batch)
{
    return batch.input->shape[3] * (int64_t)sizeof(double);
}

int64_t beside_bytes(const batch &batch)
{
    return batch.beside ? (int64_t)batch.beside->bytes : 0;
}

/* Where the parts begin in the place of so many images. */
struct layout {
    int64_t deviation, augmentation, beside, samples, end;
};

layout layout_of(const batch &batch, int64_t images)
{
    layout at;
    at.deviation = batch.mean ? table_bytes(batch) : 0;
    at.augmentation = rounded(at.deviation + (batch.deviation ? table_bytes(batch) : 0));
    at.beside = at.augmentation + (batch.augmentation ? rounded(images * 3 * (int64_t)sizeof(int32_t)) : 0);
    at.samples = at.beside + rounded(beside_bytes(batch));
    at.end = at.samples + images * batch.image * size_of(batch.input->type);
    return at;
}

/* As many images as there is room for, but one at least. */
int64_t images_at_once(const batch &batch)
{
    int64_t each = batch.image * size_of(batch.input->type) + (batch.augmentation ? 3 * (int64_t)sizeof(int32_t) : 0);
    int64_t images = (DUALPROP__CUDA_CHUNK - layout_of(batch, 0).samples - 64) / each;
    if (images > batch.input->shape[0]) images = batch.input->shape[0];
    return images > 0 ? images : 1;
}

void fill_place(char *to, const batch &batch, const layout &at, int64_t first, int64_t images)
{
    if (batch.mean) memcpy(to, batch.mean, (size_t)table_bytes(batch));
    if (batch.deviation) memcpy(to + at.deviation, batch.deviation, (size_t)table_bytes(batch));
    if (batch.augmentation)
        memcpy(to + at.augmentation, batch.augmentation + 3 * first, (size_t)images * 3 * sizeof(int32_t));
    if (batch.beside) memcpy(to + at.beside, batch.beside->host, batch.beside->bytes);
    gather(to + at.samples, batch.input, first * batch.image, images * batch.image);
}

dualprop_status load_images(dualprop__cuda *self, const batch &batch, input_body body, int64_t first, int64_t images)
{
    layout at = layout_of(batch, images);
    void *pinned = NULL, *device = NULL;
    DUALPROP__CUDA_PASS(dualprop__cuda_input_staging_begin(self, (size_t)at.end, &pinned, &device));
    fill_place((char *)pinned, batch, at, first, images);
    DUALPROP__CUDA_PASS(dualprop__cuda_input_staging_send(self, (size_t)at.end));
    const char *from = (const char *)device;
    body.mean = batch.mean ? (const double *)from : NULL;
    body.deviation = batch.deviation ? (const double *)(from + at.deviation) : NULL;
    body.augmentation = batch.augmentation ? (const int32_t *)(from + at.augmentation) : NULL;
    body.from = from + at.samples;
    body.x += first * batch.image;
    body.elements = images * batch.image;
    body.beside = (const uint32_t *)(from + at.beside);
    body.beside_to = batch.beside ? (uint32_t *)batch.beside->to : NULL;
    DUALPROP__CUDA_PASS(issue<each_with_max>(self, body, body.elements + beside_bytes(batch) / 4));
    return dualprop__cuda_input_staging_end(self);
}

dualprop_status load_batch(dualprop__cuda *self, batch batch, const input_body &body)
{
    int64_t most = images_at_once(batch), all = batch.input->shape[0];
    for (int64_t first = 0; first < all; first += most) {
        DUALPROP__CUDA_PASS(load_images(self, batch, body, first, all - first < most ? all - first : most));
        batch.beside = NULL;
    }
    return DUALPROP_OK;
}

/* What waits to go along, if it is the last that was asked for; it waits no longer. */
struct dualprop__cuda_beside *take_beside(dualprop__cuda *self, struct dualprop__cuda_beside *own)
{
    struct dualprop__cuda_command_list *list = dualprop__cuda_command_list_of(self);
    if (!list || list->beside.bytes == 0 || list->used > 0 || list->tensor_count > 0) return NULL;
    *own = list->beside;
    list->beside.bytes = 0;
    return own;
}

/* The copies go at once, and the transform with them, after all deferred work; only the maximum may wait. */
dualprop_status load_input(dualprop__cuda *self, float *x, batch batch, double *max_abs)
{
    const dualprop_view *input = batch.input;
    struct dualprop__cuda_beside beside;
    input_body body;
    batch.beside = take_beside(self, &beside);
    memset((void *)&body, 0, sizeof body);
    DUALPROP__CUDA_PASS(dualprop__cuda_flush(self));
    DUALPROP__CUDA_PASS(dualprop__cuda_max_slot(self, &body.to.max_abs, max_abs));
    body.x = x;
    body.height = input->shape[1];
    body.width = input->shape[2];
    body.channels = input->shape[3];
    body.type = input->type;
    struct dualprop__cuda_command_list *paused = dualprop__cuda_pause_deferral(self);
    dualprop_status status = load_batch(self, batch, body);
    dualprop__cuda_resume_deferral(paused);
    return status == DUALPROP_OK ? dualprop__cuda_max_abs_deliver(self) : status;
}

dualprop_status fill_uniform(dualprop__cuda *self, const uniform_body &body, int64_t count)
{
    return issue<each>(self, body, count);
}

} // namespace

dualprop_status dualprop__cuda_load_input(void *instance, void *x, const dualprop_view *input, const double *mean,
                                          const double *deviation, const int32_t *augmentation, double *max_abs)
{
    dualprop__cuda *self = (dualprop__cuda *)instance;
    int bytes = input->type == DUALPROP_U8;
    batch of = { input, bytes ? mean : NULL, bytes ? deviation : NULL, augmentation,
                 input->shape[1] * input->shape[2] * input->shape[3], NULL };
    DUALPROP__CUDA_SLOT(self, load_input(self, (float *)x, of, max_abs));
}

dualprop_status dualprop__cuda_fill_uniform(void *instance, void *x, int64_t count, uint64_t seed, uint64_t stream,
                                            uint64_t first)
{
    dualprop__cuda *self = (dualprop__cuda *)instance;
    uniform_body body = { (float *)x, seed, stream, first };
    DUALPROP__CUDA_SLOT(self, fill_uniform(self, body, count));
}
