/*
 * input.cu - a caller's samples into the network's reals, and random numbers.
 *
 * Samples travel as they are (bytes stay bytes) in chunks: the host gathers one into a pinned buffer, while the one before it
 * is on its way; the device turns it into normalised reals and follows the greatest of them.
 */
#include "door.cuh"

using namespace dualprop_cuda;

namespace {

/* ---- on the device ---- */

struct input_body {
    const void *from;
    float *x;
    const double *mean, *deviation; /* [channels] or NULL */
    places to;
    int64_t first, channels; /* element i here is number first + i of all */
    int64_t type;

    static constexpr const char *name()
    {
        return "input transform";
    }

    DUALPROP__CUDA_BOTH float value(int64_t i) const
    {
        if (type == DUALPROP_F32) return ((const float *)from)[i];
        if (type == DUALPROP_F64) return (float)((const double *)from)[i];
        int64_t channel = (first + i) % channels;
        double byte = ((const uint8_t *)from)[i] / 255.0;
        return (float)((byte - (mean ? mean[channel] : 0)) / (deviation ? deviation[channel] : 1));
    }

    DUALPROP__CUDA_BOTH maxima operator()(int64_t i) const
    {
        maxima seen = { 0, value(i) };
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

/* Mean and deviation to the device, one behind the other; larger ones than usual fit into the workspace. */
dualprop_status send_normalisation(dualprop__cuda *self, input_body *body, const double *mean, const double *deviation)
{
    size_t bytes = (size_t)body->channels * sizeof(double);
    if (body->type != DUALPROP_U8 || (!mean && !deviation)) return DUALPROP_OK;
    if (2 * bytes > self->workspace_bytes) DUALPROP__CUDA_PASS(dualprop__cuda_reserve(self, 2 * bytes));
    char *place = (char *)self->workspace;
    if (mean) {
        DUALPROP__CUDA_PASS(dualprop__cuda_upload(self, place, mean, bytes));
        body->mean = (const double *)place;
    }
    if (deviation) {
        DUALPROP__CUDA_PASS(dualprop__cuda_upload(self, place + bytes, deviation, bytes));
        body->deviation = (const double *)(place + bytes);
    }
    return DUALPROP_OK;
}

dualprop_status load_chunk(dualprop__cuda *self, input_body body, const dualprop_view *input, int64_t count)
{
    void *pinned;
    DUALPROP__CUDA_PASS(dualprop__cuda_upload_begin(self, &pinned));
    gather((char *)pinned, input, body.first, count);
    DUALPROP__CUDA_PASS(dualprop__cuda_upload_end(self, self->uploads.staging, (size_t)(count * size_of(input->type))));
    body.from = self->uploads.staging;
    body.x += body.first;
    return issue<watched>(self, body, count);
}

dualprop_status load_chunks(dualprop__cuda *self, const input_body &body, const dualprop_view *input)
{
    int64_t all = input->shape[0] * input->shape[1] * input->shape[2] * input->shape[3];
    int64_t most = DUALPROP__CUDA_CHUNK / size_of(input->type);
    for (int64_t first = 0; first < all; first += most) {
        input_body chunk = body;
        chunk.first = first;
        DUALPROP__CUDA_PASS(load_chunk(self, chunk, input, all - first < most ? all - first : most));
    }
    return DUALPROP_OK;
}

/* The copies go at once, after what was put off, and the transform with them; only the peak may wait. */
dualprop_status load_input(dualprop__cuda *self, float *x, const dualprop_view *input, const double *mean,
                           const double *deviation, double *peak)
{
    input_body body;
    memset((void *)&body, 0, sizeof body);
    DUALPROP__CUDA_PASS(dualprop__cuda_flush(self));
    DUALPROP__CUDA_PASS(dualprop__cuda_peak(self, &body.to.peak, peak));
    body.x = x;
    body.channels = input->shape[3];
    body.type = input->type;
    struct dualprop__cuda_recording *paused = dualprop__cuda_pause(self);
    dualprop_status status = send_normalisation(self, &body, mean, deviation);
    if (status == DUALPROP_OK) status = load_chunks(self, body, input);
    dualprop__cuda_go_on(paused);
    return status == DUALPROP_OK ? dualprop__cuda_peaks_give(self) : status;
}

dualprop_status fill_uniform(dualprop__cuda *self, const uniform_body &body, int64_t count)
{
    return issue<each>(self, body, count);
}

} // namespace

dualprop_status dualprop__cuda_load_input(void *instance, void *x, const dualprop_view *input, const double *mean,
                                          const double *deviation, double *peak)
{
    dualprop__cuda *self = (dualprop__cuda *)instance;
    DUALPROP__CUDA_SLOT(self, load_input(self, (float *)x, input, mean, deviation, peak));
}

dualprop_status dualprop__cuda_fill_uniform(void *instance, void *x, int64_t count, uint64_t seed, uint64_t stream,
                                            uint64_t first)
{
    dualprop__cuda *self = (dualprop__cuda *)instance;
    uniform_body body = { (float *)x, seed, stream, first };
    DUALPROP__CUDA_SLOT(self, fill_uniform(self, body, count));
}
