/*
 * group_blocks.c - gradients of a process's own blocks, added up along the subtrees that lie within them.
 *
 *     G_j = -1/(beta_k B) sum over block j of delta_k sbar_{k-1}^T      B: samples of the whole batch
 *
 * (below Eq. 3). Sums lie in host memory, each layer's in arrays of its own: a backend never writes what it pads with,
 * so an array that served two layers would carry one layer's numbers into the other's padding.
 */
#include "group_gradient.h"

#include <string.h>

/* ---- one layer's numbers: weights and biases in one array, each from a multiple of DUALPROP__SUM_LINE on ---- */

static int64_t round_up(int64_t count)
{
    return (count + DUALPROP__SUM_LINE - 1) / DUALPROP__SUM_LINE * DUALPROP__SUM_LINE;
}

int64_t dualprop__layer_reals(const dualprop_layer *layer)
{
    return round_up(layer->weight_elements) + round_up(layer->bias_elements);
}

char *dualprop__sum_array(const dualprop_optimizer *optimizer, int k, int index)
{
    const dualprop_layer *layer = optimizer->network->layers[k - 1];
    return optimizer->sums->arrays[k - 1] +
           (size_t)index * (size_t)dualprop__layer_reals(layer) * optimizer->context->real_size;
}

char *dualprop__bias_part(char *array, const dualprop_layer *layer)
{
    return array + (size_t)round_up(layer->weight_elements) * layer->network->context->real_size;
}

/* ---- adding up ---- */

struct addition {
    char *to;
    const char *from;
    int64_t count;
    int precision;
};

#define ADDITION_PIECE 32768

static void add_piece(void *argument, int64_t index)
{
    const struct addition *job = argument;
    int64_t first = index * ADDITION_PIECE,
            end = first + ADDITION_PIECE < job->count ? first + ADDITION_PIECE : job->count;
    if (job->precision == DUALPROP_F32) {
        float *restrict to = (float *)job->to;
        const float *restrict from = (const float *)job->from;
        for (int64_t i = first; i < end; i++) to[i] += from[i];
    } else {
        double *restrict to = (double *)job->to;
        const double *restrict from = (const double *)job->from;
        for (int64_t i = first; i < end; i++) to[i] += from[i];
    }
}

void dualprop__add_arrays(dualprop_context *context, void *to, const void *from, int64_t count)
{
    struct addition job = { to, from, count, context->precision };
    context->host.parallel_for(context->host.user_data, add_piece, &job, (count + ADDITION_PIECE - 1) / ADDITION_PIECE);
}

/* ---- one block, and one subtree ---- */

/* Memory of a device for rows of a block, from the first step on. */
static dualprop_status reserve_rows(struct dualprop__leaf_rows *rows, dualprop_context *context, int64_t elements)
{
    if (elements <= rows->elements) return DUALPROP_OK;
    dualprop__reals_destroy(context, rows->memory, rows->elements);
    *rows = (struct dualprop__leaf_rows){ NULL, 0 };
    DUALPROP__TRY(dualprop__reals_create(context, &rows->memory, elements));
    rows->elements = elements;
    return DUALPROP_OK;
}

/*
 * Rows `first` and the following of an array of `width` columns. A block's rows begin anywhere in it, at another place
 * in each process; on a device they are copied, since its libraries need, and choose algorithms by, how an address is
 * aligned, and a block has the same bits wherever it is computed. One block begins where the array does.
 */
static dualprop_status rows_of_block(const void **rows, const struct dualprop__block_sums *work, int index,
                                     const void *array, int64_t width, int64_t first, int64_t count)
{
    struct dualprop__group_sums *sums = work->optimizer->sums;
    dualprop_context *context = work->optimizer->context;
    *rows = (const char *)array + (size_t)(first * width) * context->real_size;
    if (!sums->leaf_weights || sums->blocks == 1) return DUALPROP_OK;
    DUALPROP__TRY(reserve_rows(&sums->leaf_rows[index], context, count * width));
    DUALPROP__TRY(context->backend.copy(context->instance, sums->leaf_rows[index].memory, *rows,
                                        (size_t)(count * width) * context->real_size));
    *rows = sums->leaf_rows[index].memory;
    return DUALPROP_OK;
}

static dualprop_status block_gradient(const struct dualprop__block_sums *work, int64_t block, char *to)
{
    const struct dualprop__group_sums *sums = work->optimizer->sums;
    const dualprop_context *context = work->optimizer->context;
    const dualprop_layer *layer = work->optimizer->network->layers[work->k - 1];
    int64_t first = dualprop__first_sample(work->total, block, sums->blocks);
    int64_t rows = dualprop__first_sample(work->total, block + 1, sums->blocks) - first;
    int on_host = sums->leaf_weights == NULL;
    void *weights = on_host ? to : sums->leaf_weights[work->k - 1];
    void *biases = on_host ? dualprop__bias_part(to, layer) : sums->leaf_biases[work->k - 1];
    if (rows == 0) {
        memset(to, 0, (size_t)dualprop__layer_reals(layer) * context->real_size);
        return DUALPROP_OK;
    }
    const struct dualprop__dyads *own = &work->state->dyads[work->k], *below = dualprop__below(work->state, work->k);
    const void *x, *delta;
    DUALPROP__TRY(rows_of_block(&x, work, 0, below->arrays.mean, below->width, first - work->begin, rows));
    DUALPROP__TRY(rows_of_block(&delta, work, 1, dualprop__error_signal(own), own->width, first - work->begin, rows));
    DUALPROP__TRY(dualprop__map_gradient_rows(work->state, work->k, first - work->begin, rows, weights, biases, x,
                                              delta, work->scale, 0, NULL,
                                              work->optimizer->layers[work->k - 1].moments));
    if (on_host) return DUALPROP_OK;
    DUALPROP__TRY(
        context->backend.copy_out(context->instance, to, weights, (size_t)layer->weight_elements * context->real_size));
    return context->backend.copy_out(context->instance, dualprop__bias_part(to, layer), biases,
                                     (size_t)layer->bias_elements * context->real_size);
}

/* The sum of a subtree, into `to`; `level` is the first array that is free for sums on the way. */
static dualprop_status subtree_sum(const struct dualprop__block_sums *work, struct dualprop__node node, char *to,
                                   int level)
{
    if (node.high - node.low == 1) return block_gradient(work, node.low, to);
    int64_t middle = dualprop__tree_middle(node);
    char *right = dualprop__sum_array(work->optimizer, work->k, level);
    DUALPROP__TRY(subtree_sum(work, (struct dualprop__node){ node.low, middle }, to, level + 1));
    DUALPROP__TRY(subtree_sum(work, (struct dualprop__node){ middle, node.high }, right, level + 1));
    dualprop__add_arrays(work->optimizer->context, to, right,
                         dualprop__layer_reals(work->optimizer->network->layers[work->k - 1]));
    return DUALPROP_OK;
}

dualprop_status dualprop__sum_own_blocks(struct dualprop__block_sums *work, int64_t count, int64_t divisor)
{
    const struct dualprop__group_sums *sums = work->optimizer->sums;
    if (count > 0) {
        DUALPROP__TRY(dualprop__gradient_prepare(work->state, work->k));
        work->scale = dualprop__gradient_factor(work->state, work->k, divisor);
    }
    for (int i = 0; i < sums->own_count; i++)
        DUALPROP__TRY(
            subtree_sum(work, sums->own[i], dualprop__sum_array(work->optimizer, work->k, i), sums->own_count));
    return DUALPROP_OK;
}
