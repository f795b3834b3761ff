/*
 * input.cu - a caller's samples into the network's reals, and random numbers.
 *
 * Samples travel as they are (bytes stay bytes): the host gathers a piece into a pinned buffer while the one before it
 * is on its way. When as many images as fit into the workspace are there, the device moves and normalises them in one
 * launch and follows the greatest of the results. The workspace holds, one behind the other,
 *
 *     | mean | deviation | moves of these images | the images |
 */
#include "door.cuh"

using namespace dualprop_cuda;

namespace {

/* ---- on the device ---- */

struct input_body {
    const void *from;
    float *x;
    const double *mean, *deviation; /* [channels] or NULL */
    const int32_t *moves;           /* [images, 3] or NULL */
    places to;
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

    /* From a place in the moved image to the one it shows, or 0 where a zero came in. */
    DUALPROP__CUDA_BOTH float moved(int64_t image, int64_t row, int64_t column, int64_t channel) const
    {
        const int32_t *move = moves + 3 * image;
        row -= move[0];
        column -= move[1];
        if (row < 0 || row >= height || column < 0 || column >= width) return 0;
        if (move[2]) column = width - 1 - column;
        return value(((image * height + row) * width + column) * channels + channel, channel);
    }

    DUALPROP__CUDA_BOTH maxima operator()(int64_t i) const
    {
        int64_t image = i, channel = take_axis(&image, channels);
        maxima seen = { 0, 0 };
        if (moves) {
            int64_t column = take_axis(&image, width), row = take_axis(&image, height);
            seen.peak = moved(image, row, column, channel);
        } else {
            seen.peak = value(i, channel);
        }
        x[i] = seen.peak;
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

/* ---- on the host: elements first .. first+count-1 of a rank-4 view, in row-major order, one behind the other ---- */

int64_t size_of(int type)
{
    return type == DUALPROP_U8 ? 1 : type == DUALPROP_F32 ? 4 : 8;
}

/* How many of the last axes lie one behind the other, and how many elements that is. */
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

/* A batch on its way: the caller's view and the parts of the workspace. */
struct batch {
    const dualprop_view *input;
    const int32_t *moves;
    int64_t image, images; /* elements of an image; images at once */
    char *tables, *samples;
};

int64_t rounded(int64_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* Divide the workspace: tables for the channels, then as many images as there is room for. */
dualprop_status lay_out(dualprop__cuda *self, batch *batch, int64_t tables)
{
    const dualprop_view *input = batch->input;
    batch->image = input->shape[1] * input->shape[2] * input->shape[3];
    int64_t bytes = batch->image * size_of(input->type) + 3 * (int64_t)sizeof(int32_t);
    DUALPROP__CUDA_PASS(dualprop__cuda_reserve(self, (size_t)(tables + bytes + 256)));
    batch->images = ((int64_t)self->workspace_bytes - tables - 256) / bytes;
    if (batch->images > input->shape[0]) batch->images = input->shape[0];
    batch->tables = (char *)self->workspace;
    batch->samples = batch->tables + tables + rounded(batch->images * 3 * (int64_t)sizeof(int32_t));
    return DUALPROP_OK;
}

dualprop_status send_tables(dualprop__cuda *self, const batch &batch, input_body *body, const double *mean,
                            const double *deviation)
{
    size_t bytes = (size_t)body->channels * sizeof(double);
    if (mean) DUALPROP__CUDA_PASS(dualprop__cuda_upload(self, batch.tables, mean, bytes));
    if (deviation) DUALPROP__CUDA_PASS(dualprop__cuda_upload(self, batch.tables + bytes, deviation, bytes));
    if (mean) body->mean = (const double *)batch.tables;
    if (deviation) body->deviation = (const double *)(batch.tables + bytes);
    return DUALPROP_OK;
}

/* Elements first .. first+count-1 of the view to the start of the samples. */
dualprop_status send_elements(dualprop__cuda *self, const batch &batch, int64_t first, int64_t count)
{
    int64_t size = size_of(batch.input->type), most = DUALPROP__CUDA_CHUNK / size;
    for (int64_t at = 0; at < count; at += most) {
        int64_t piece = count - at < most ? count - at : most;
        void *pinned = NULL;
        DUALPROP__CUDA_PASS(dualprop__cuda_upload_begin(self, &pinned));
        gather((char *)pinned, batch.input, first + at, piece);
        DUALPROP__CUDA_PASS(dualprop__cuda_upload_end(self, batch.samples + at * size, (size_t)(piece * size)));
    }
    return DUALPROP_OK;
}

dualprop_status load_images(dualprop__cuda *self, const batch &batch, input_body body, int64_t first, int64_t images)
{
    char *moves = batch.samples - rounded(batch.images * 3 * (int64_t)sizeof(int32_t));
    if (batch.moves) {
        DUALPROP__CUDA_PASS(dualprop__cuda_upload(self, moves, batch.moves + 3 * first,
                                                  (size_t)(3 * images) * sizeof(int32_t)));
        body.moves = (const int32_t *)moves;
    }
    DUALPROP__CUDA_PASS(send_elements(self, batch, first * batch.image, images * batch.image));
    body.from = batch.samples;
    body.x += first * batch.image;
    return issue<watched>(self, body, images * batch.image);
}

dualprop_status load_batch(dualprop__cuda *self, batch batch, input_body body, const double *mean,
                           const double *deviation)
{
    int normalises = body.type == DUALPROP_U8 && (mean || deviation);
    DUALPROP__CUDA_PASS(lay_out(self, &batch, normalises ? rounded(2 * body.channels * (int64_t)sizeof(double)) : 0));
    if (normalises) DUALPROP__CUDA_PASS(send_tables(self, batch, &body, mean, deviation));
    for (int64_t first = 0; first < batch.input->shape[0]; first += batch.images) {
        int64_t left = batch.input->shape[0] - first;
        DUALPROP__CUDA_PASS(load_images(self, batch, body, first, left < batch.images ? left : batch.images));
    }
    return DUALPROP_OK;
}

/* The copies go at once, after what was put off, and the transform with them; only the peak may wait. */
dualprop_status load_input(dualprop__cuda *self, float *x, const dualprop_view *input, const double *mean,
                           const double *deviation, const int32_t *moves, double *peak)
{
    input_body body;
    batch batch = { input, moves, 0, 0, NULL, NULL };
    memset((void *)&body, 0, sizeof body);
    DUALPROP__CUDA_PASS(dualprop__cuda_flush(self));
    DUALPROP__CUDA_PASS(dualprop__cuda_peak(self, &body.to.peak, peak));
    body.x = x;
    body.height = input->shape[1];
    body.width = input->shape[2];
    body.channels = input->shape[3];
    body.type = input->type;
    struct dualprop__cuda_recording *paused = dualprop__cuda_pause(self);
    dualprop_status status = load_batch(self, batch, body, mean, deviation);
    dualprop__cuda_go_on(paused);
    return status == DUALPROP_OK ? dualprop__cuda_peaks_give(self) : status;
}

dualprop_status fill_uniform(dualprop__cuda *self, const uniform_body &body, int64_t count)
{
    return issue<each>(self, body, count);
}

} // namespace

dualprop_status dualprop__cuda_load_input(void *instance, void *x, const dualprop_view *input, const double *mean,
                                          const double *deviation, const int32_t *moves, double *peak)
{
    dualprop__cuda *self = (dualprop__cuda *)instance;
    DUALPROP__CUDA_SLOT(self, load_input(self, (float *)x, input, mean, deviation, moves, peak));
}

dualprop_status dualprop__cuda_fill_uniform(void *instance, void *x, int64_t count, uint64_t seed, uint64_t stream,
                                            uint64_t first)
{
    dualprop__cuda *self = (dualprop__cuda *)instance;
    uniform_body body = { (float *)x, seed, stream, first };
    DUALPROP__CUDA_SLOT(self, fill_uniform(self, body, count));
}
