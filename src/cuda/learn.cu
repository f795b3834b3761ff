/*
 * learn.cu - the learning step, of up to 32 tensors in one launch.
 *
 * In a deferred section tensors are gathered until something else is asked for. The numbers of a step (rates, Adam's
 * scales) differ from step to step; kernels read them from a table on the device, so that the launch is always the
 * same.
 */
#include "narrow.cuh"
#include "graph_cache.h"

using namespace dualprop_cuda;

namespace {

using numbers_f32 = dualprop__step_f32;
static_assert(sizeof(numbers_f32) <= DUALPROP__CUDA_STEP_BYTES, "the numbers of a step have their room");

/* A thread does four neighbouring elements of one tensor; those that are no multiple of four are its last group. */
struct learn_body {
    struct tensor {
        float *w, *g;
        float *moment1, *moment2;
        const numbers_f32 *numbers;
        int64_t count, end;  /* elements; where its groups end, counted over all tensors */
        const float *summed; /* whose sums of columns are still to become g, or with x the product; or NULL */
        const float *x;
        int64_t rows, inputs, outputs;
        double scale;
    } tensors[DUALPROP__CUDA_TENSORS];
    const uint64_t *rejected; /* not 0 there: change nothing (step_condition.cu); NULL: no condition */
    int kind, count;
    uint64_t aligned; /* a bit for each tensor: its arrays may be read in fours */

    static constexpr const char *name()
    {
        return "learning step";
    }

    /* The first tensor that ends after group i. */
    DUALPROP__CUDA_BOTH int tensor_of(int64_t i) const
    {
        int low = 0, high = count - 1;
        while (low < high) {
            int middle = (low + high) / 2;
            if (i < tensors[middle].end) high = middle;
            else low = middle + 1;
        }
        return low;
    }

    DUALPROP__CUDA_BOTH float learnt(const numbers_f32 &numbers, float w, float g, float *moment1, float *moment2) const
    {
        if (kind == DUALPROP_PLAIN_SGD) return dualprop__plain_sgd_f32(&numbers, w, g);
        return kind == DUALPROP_SGD ? dualprop__sgd_f32(&numbers, w, g, moment1)
                                    : dualprop__adam_f32(&numbers, w, g, moment1, moment2);
    }

    /* Moments that the kind does not have are NULL. */
    DUALPROP__CUDA_BOTH static float *from(float *moment, int64_t at)
    {
        return moment ? moment + at : NULL;
    }

    /* As column sums of a few rows do it (sums.cu), with the same bits; a column beyond the end is the last again. */
    DUALPROP__CUDA_BOTH static void add_up(const tensor &own, int64_t first, int64_t end)
    {
        double sums[4] = { 0, 0, 0, 0 };
        const float *columns[4];
        for (int j = 0; j < 4; j++) columns[j] = own.summed + (first + j < end ? first + j : end - 1);
        for (int64_t at = 0; at < own.rows * own.count; at += own.count)
            for (int j = 0; j < 4; j++) sums[j] += (double)columns[j][at];
        for (int j = 0; j < 4; j++)
            if (first + j < end) own.g[first + j] = (float)(own.scale * sums[j]);
    }

    /* As the gradient of a narrow layer by itself (narrow.cu), with the same bits. */
    DUALPROP__CUDA_BOTH static void multiply(const tensor &own, int64_t first, int64_t end)
    {
        float sums[4] = { 0, 0, 0, 0 };
        narrow_gradient elements[4];
        for (int j = 0; j < 4; j++)
            elements[j] = narrow_gradient(own.x, own.summed, own.inputs, own.outputs,
                                          first + j < end ? first + j : end - 1);
        BY_TWOS for (int64_t row = 0; row < own.rows; row++)
            for (int j = 0; j < 4; j++) sums[j] = elements[j].with_row(row, sums[j]);
        for (int j = 0; j < 4; j++)
            if (first + j < end) own.g[first + j] = (float)(own.scale * (double)sums[j]);
    }

    DUALPROP__CUDA_BOTH void learn_four(const tensor &own, const numbers_f32 &numbers, int64_t at) const
    {
        float w[4], g[4], moment1[4] = { 0, 0, 0, 0 }, moment2[4] = { 0, 0, 0, 0 };
        load_four(w, own.w + at);
        load_four(g, own.g + at);
        if (own.moment1) load_four(moment1, own.moment1 + at);
        if (own.moment2) load_four(moment2, own.moment2 + at);
        for (int j = 0; j < 4; j++) w[j] = learnt(numbers, w[j], g[j], &moment1[j], &moment2[j]);
        store_four(own.w + at, w);
        if (own.moment1) store_four(own.moment1 + at, moment1);
        if (own.moment2) store_four(own.moment2 + at, moment2);
    }

    DUALPROP__CUDA_BOTH void operator()(int64_t i) const
    {
        if (rejected && *rejected) return;
        int number = tensor_of(i);
        const tensor &own = tensors[number];
        int64_t at = 4 * (number > 0 ? i - tensors[number - 1].end : i), end = at + 4;
        if (own.x) multiply(own, at, end < own.count ? end : own.count);
        else if (own.summed) add_up(own, at, end < own.count ? end : own.count);
        const numbers_f32 numbers = *own.numbers; /* all at once, not again after each store */
        if (aligned >> number & 1 && end <= own.count) {
            learn_four(own, numbers, at);
            return;
        }
        if (end > own.count) end = own.count;
        ROLLED for (; at < end; at++)
            own.w[at] = learnt(numbers, own.w[at], own.g[at], from(own.moment1, at), from(own.moment2, at));
    }
};

static_assert(sizeof(learn_body) <= 4000, "kernel arguments have their limit");

struct launch_of_tensors {
    learn_body body;
    int64_t groups;

    launch_of_tensors(int kind)
    {
        memset((void *)this, 0, sizeof *this);
        body.kind = kind;
    }

    void add(const dualprop__cuda_tensor &tensor, const void *numbers)
    {
        int number = body.count++, fours = is_aligned(tensor.w, 16) && is_aligned(tensor.g, 16) &&
                                           is_aligned(tensor.moment1, 16) && is_aligned(tensor.moment2, 16);
        learn_body::tensor &to = body.tensors[number];
        body.aligned |= (uint64_t)fours << number;
        groups += (tensor.count + 3) / 4;
        to.w = tensor.w;
        to.g = tensor.g;
        to.moment1 = tensor.moment1;
        to.moment2 = tensor.moment2;
        to.numbers = (const numbers_f32 *)numbers;
        to.count = tensor.count;
        to.end = groups;
        to.rows = tensor.rows;
        to.inputs = tensor.inputs;
        to.outputs = tensor.outputs;
        to.scale = tensor.scale;
        to.summed = tensor.summed;
        to.x = tensor.x;
    }
};

/* Gradients that are sums of many rows are formed before the step, all together; the step forms the others itself. */
dualprop_status form_long_sums(dualprop__cuda *self, dualprop__cuda_tensor *tensors, int count)
{
    dualprop__cuda_sums sums[DUALPROP__CUDA_TENSORS];
    int long_sums = 0;
    for (int i = 0; i < count; i++) {
        dualprop__cuda_tensor *own = &tensors[i];
        if (!own->summed || dualprop__cuda_are_few_rows(own->rows)) continue;
        dualprop__cuda_sums made = { own->g, own->summed, own->rows, own->count, own->scale, 0 };
        sums[long_sums++] = made;
        own->summed = NULL;
    }
    return long_sums > 0 ? dualprop__cuda_column_sums_of_all(self, sums, long_sums) : DUALPROP_OK;
}

/* ---- at once ---- */

/* The numbers go where scratch has its last bytes; copies and kernels are in one stream, so they wait for each other.
 */
dualprop_status learn_now(dualprop__cuda *self, const dualprop_step_numbers *numbers,
                          const dualprop__cuda_tensor *given, int count)
{
    dualprop__cuda_tensor tensors[DUALPROP__CUDA_TENSORS];
    memcpy(tensors, given, (size_t)count * sizeof *given);
    DUALPROP__CUDA_PASS(form_long_sums(self, tensors, count));
    numbers_f32 own = dualprop__step_of_f32(numbers);
    void *place = (char *)self->scratch + DUALPROP__CUDA_SCRATCH - DUALPROP__CUDA_STEP_BYTES;
    launch_of_tensors launch(numbers->kind);
    DUALPROP__CUDA_PASS(dualprop__cuda_upload(self, place, &own, sizeof own));
    for (int i = 0; i < count; i++) launch.add(tensors[i], place);
    return issue<each>(self, launch.body, launch.groups);
}

/* ---- deferred ---- */

dualprop_status learn_later(dualprop__cuda *self, struct dualprop__cuda_command_list *list,
                            const dualprop_step_numbers *numbers, const dualprop__cuda_tensor *tensors, int count)
{
    numbers_f32 own = dualprop__step_of_f32(numbers);
    int index, full = list->tensor_count + count > DUALPROP__CUDA_TENSORS;
    if (full || (list->tensor_count > 0 && list->tensor_kind != numbers->kind))
        DUALPROP__CUDA_PASS(dualprop__cuda_learn_flush(self, list));
    DUALPROP__CUDA_PASS(dualprop__cuda_make_numbers(self, list, 1));
    DUALPROP__CUDA_PASS(dualprop__cuda_keep_number(self, list, &index, &own, sizeof own));
    list->tensor_kind = numbers->kind;
    for (int i = 0; i < count; i++) {
        list->tensors[list->tensor_count] = tensors[i];
        list->tensor_steps[list->tensor_count++] = index;
    }
    return DUALPROP_OK;
}

dualprop_status optimizer_step(dualprop__cuda *self, const dualprop_step_numbers *numbers,
                               const dualprop__cuda_tensor &tensor)
{
    struct dualprop__cuda_command_list *list = dualprop__cuda_command_list_of(self);
    if (tensor.count <= 0) return DUALPROP_OK;
    if (!list) return learn_now(self, numbers, &tensor, 1);
    return learn_later(self, list, numbers, &tensor, 1);
}

} // namespace

/* Running the deferred work empties the table. */
dualprop_status dualprop__cuda_make_numbers(dualprop__cuda *self, struct dualprop__cuda_command_list *list, int count)
{
    return list->step_count + count > DUALPROP__CUDA_STEPS ? dualprop__cuda_flush(self) : DUALPROP_OK;
}

dualprop_status dualprop__cuda_keep_number(dualprop__cuda *self, struct dualprop__cuda_command_list *list, int *index,
                                           const void *number, size_t size)
{
    unsigned char own[DUALPROP__CUDA_STEP_BYTES] = { 0 };
    int last = list->step_count - 1;
    memcpy(own, number, size);
    *index = last;
    if (last >= 0 && memcmp(dualprop__cuda_number_at(list->steps_pinned, last), own, sizeof own) == 0)
        return DUALPROP_OK;
    if (list->step_count == 0) DUALPROP__CUDA_TRY(self, cudaEventSynchronize(list->steps_sent));
    *index = list->step_count++;
    memcpy(dualprop__cuda_number_at(list->steps_pinned, *index), own, sizeof own);
    return DUALPROP_OK;
}

dualprop_status dualprop__cuda_learn_flush(dualprop__cuda *self, struct dualprop__cuda_command_list *list)
{
    int count = list->tensor_count;
    if (count == 0) return DUALPROP_OK;
    launch_of_tensors launch(list->tensor_kind);
    list->tensor_count = 0; /* what is issued here flushes nothing */
    DUALPROP__CUDA_PASS(form_long_sums(self, list->tensors, count));
    for (int i = 0; i < count; i++)
        launch.add(list->tensors[i], dualprop__cuda_number_at(list->steps, list->tensor_steps[i]));
    launch.body.rejected = list->rejected;
    return issue<each>(self, launch.body, launch.groups);
}

dualprop_status dualprop__cuda_learn_finish(dualprop__cuda *self)
{
    struct dualprop__cuda_command_list *list = dualprop__cuda_command_list_of(self);
    return list ? dualprop__cuda_learn_flush(self, list) : DUALPROP_OK;
}

void dualprop__cuda_gather(dualprop__cuda *self, int gathering)
{
    struct dualprop__cuda_command_list *list = dualprop__cuda_command_list_of(self);
    if (list) list->gathering = gathering;
}

dualprop_status dualprop__cuda_learn(dualprop__cuda *self, const dualprop_step_numbers *numbers,
                                     const dualprop__cuda_tensor *tensors, int count)
{
    struct dualprop__cuda_command_list *list = dualprop__cuda_command_list_of(self);
    if (!list) return learn_now(self, numbers, tensors, count);
    return learn_later(self, list, numbers, tensors, count);
}

dualprop_status dualprop__cuda_optimizer_step(void *instance, const dualprop_step_numbers *step, int64_t count, void *w,
                                              const void *g, void *moment1, void *moment2)
{
    dualprop__cuda *self = (dualprop__cuda *)instance;
    dualprop__cuda_tensor tensor;
    memset(&tensor, 0, sizeof tensor);
    tensor.w = (float *)w;
    tensor.g = (float *)(uintptr_t)g;
    tensor.moment1 = (float *)moment1;
    tensor.moment2 = (float *)moment2;
    tensor.count = count;
    DUALPROP__CUDA_SLOT(self, optimizer_step(self, step, tensor));
}
