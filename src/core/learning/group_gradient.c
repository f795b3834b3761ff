/*
 * group_gradient.c - gradients of blocks, added up in one fixed tree, within a process and across processes.
 *
 *     G_j = -1/(beta_k B) sum over block j of delta_k sbar_{k-1}^T      B: samples of the whole batch
 *
 * (below Eq. 3). Each process computes the gradients of its own blocks and adds up the subtrees that lie within them.
 * Part r of each layer's array is then added up by process r, in the tree's order, and sent to all. That is the traffic
 * of a ring all-reduce, and since every sum follows sum_tree.h the result has the same bits for any number of
 * processes.
 *
 * Sums lie in host memory, each layer's in arrays of its own: a backend never writes what it pads with, so an array
 * that served two layers would carry one layer's numbers into the other's padding.
 */
#include "group_gradient.h"

#include <string.h>

#define LINE 16 /* reals: parts and arrays begin at multiples of it */
/*
 * Reals of a layer that a process adds up at a time. What it has received is then still in its cache when it is added,
 * which for VGG16 in two processes on one machine is a third of what the exchange costs.
 */
#define PIECE 65536

/* ---- one layer's numbers: weights and biases in one array, each from a multiple of LINE on ---- */

static int64_t round_up(int64_t count)
{
    return (count + LINE - 1) / LINE * LINE;
}

static int64_t layer_reals(const dualprop_layer *layer)
{
    return round_up(layer->weight_elements) + round_up(layer->bias_elements);
}

static char *sum_array(const dualprop_optimizer *optimizer, int k, int index)
{
    const dualprop_layer *layer = optimizer->network->layers[k - 1];
    return optimizer->sums->arrays[k - 1] + (size_t)index * (size_t)layer_reals(layer) * optimizer->context->real_size;
}

static char *bias_part(char *array, const dualprop_layer *layer)
{
    return array + (size_t)round_up(layer->weight_elements) * layer->network->context->real_size;
}

/* What is exchanged at a time: numbers first .. first + count - 1 of a layer, of which each process adds up a part. */
struct section {
    int64_t first, count;
};

/* The first number of process `rank`'s part of a section. */
static int64_t part_begin(struct section section, int rank, int size)
{
    return section.first + (rank == size ? section.count : section.count / LINE * rank / size * LINE);
}

static int64_t part_count(struct section section, int rank, int size)
{
    return part_begin(section, rank + 1, size) - part_begin(section, rank, size);
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

static void add_arrays(dualprop_context *context, void *to, const void *from, int64_t count)
{
    struct addition job = { to, from, count, context->precision };
    context->host.parallel_for(context->host.user_data, add_piece, &job, (count + ADDITION_PIECE - 1) / ADDITION_PIECE);
}

/* ---- within this process ---- */

struct block_sums {
    dualprop_optimizer *optimizer;
    dualprop_state *state;
    int k;
    int64_t total, begin; /* samples of the batch; the first of this process's share */
    double scale;
};

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
static dualprop_status rows_of_block(const void **rows, const struct block_sums *work, int index, const void *array,
                                     int64_t width, int64_t first, int64_t count)
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

static dualprop_status block_gradient(const struct block_sums *work, int64_t block, char *to)
{
    const struct dualprop__group_sums *sums = work->optimizer->sums;
    const dualprop_context *context = work->optimizer->context;
    const dualprop_layer *layer = work->optimizer->network->layers[work->k - 1];
    int64_t first = dualprop__first_sample(work->total, block, sums->blocks);
    int64_t rows = dualprop__first_sample(work->total, block + 1, sums->blocks) - first;
    int on_host = sums->leaf_weights == NULL;
    void *weights = on_host ? to : sums->leaf_weights[work->k - 1];
    void *biases = on_host ? bias_part(to, layer) : sums->leaf_biases[work->k - 1];
    if (rows == 0) {
        memset(to, 0, (size_t)layer_reals(layer) * context->real_size);
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
    return context->backend.copy_out(context->instance, bias_part(to, layer), biases,
                                     (size_t)layer->bias_elements * context->real_size);
}

/* The sum of a subtree, into `to`; `level` is the first array that is free for sums on the way. */
static dualprop_status subtree_sum(const struct block_sums *work, struct dualprop__node node, char *to, int level)
{
    if (node.high - node.low == 1) return block_gradient(work, node.low, to);
    int64_t middle = dualprop__tree_middle(node);
    char *right = sum_array(work->optimizer, work->k, level);
    DUALPROP__TRY(subtree_sum(work, (struct dualprop__node){ node.low, middle }, to, level + 1));
    DUALPROP__TRY(subtree_sum(work, (struct dualprop__node){ middle, node.high }, right, level + 1));
    add_arrays(work->optimizer->context, to, right, layer_reals(work->optimizer->network->layers[work->k - 1]));
    return DUALPROP_OK;
}

/* ---- across processes ---- */

/* A section of layer k while the processes add it up. */
struct section_sum {
    const dualprop_optimizer *optimizer;
    int k;
    struct section section;
    int64_t count; /* of this process's part */
    int next;      /* the subtree that the traversal meets next */
};

/* Of a subtree's sum, the part that this process adds up: its own subtrees are where they were computed. */
static char *part_of_subtree(const struct section_sum *work, int index)
{
    const struct dualprop__group_sums *sums = work->optimizer->sums;
    size_t real = work->optimizer->context->real_size;
    int own = index - sums->own_first;
    if (own >= 0 && own < sums->own_count)
        return sum_array(work->optimizer, work->k, own) +
               (size_t)part_begin(work->section, sums->rank, sums->size) * real;
    int received = own < 0 ? index : index - sums->own_count;
    return sums->received + (size_t)received * (size_t)work->count * real;
}

/*
 * The sum of a node, from those of the subtrees, which the traversal meets from left to right. The sum of two is
 * written to the first subtree of this process if that is one of them, where the result belongs: x + y has the bits of
 * y + x.
 */
static char *sum_of_node(struct section_sum *work, struct dualprop__node node)
{
    const struct dualprop__group_sums *sums = work->optimizer->sums;
    const struct dualprop__node *known = &sums->all[work->next];
    if (known->low == node.low && known->high == node.high) return part_of_subtree(work, work->next++);
    int64_t middle = dualprop__tree_middle(node);
    char *left = sum_of_node(work, (struct dualprop__node){ node.low, middle });
    char *right = sum_of_node(work, (struct dualprop__node){ middle, node.high });
    int to_right = right == part_of_subtree(work, sums->own_first);
    add_arrays(work->optimizer->context, to_right ? right : left, to_right ? left : right, work->count);
    return to_right ? right : left;
}

/* Sums of own subtrees, arranged by receiver. Those of one subtree are, so that they are sent from where they are. */
static const char *arrange(const struct section_sum *work)
{
    const struct dualprop__group_sums *sums = work->optimizer->sums;
    size_t real = work->optimizer->context->real_size, to = 0;
    for (int r = 0; r < sums->size; r++) {
        size_t bytes = (size_t)part_count(work->section, r, sums->size) * real;
        sums->send_offsets[r] = (int64_t)to;
        for (int i = 0; i < sums->own_count; i++, to += bytes)
            if (sums->own_count > 1 && r != sums->rank)
                memcpy(sums->sent + to,
                       sum_array(work->optimizer, work->k, i) + (size_t)part_begin(work->section, r, sums->size) * real,
                       bytes);
    }
    sums->send_offsets[sums->size] = (int64_t)to;
    if (sums->own_count > 1) return sums->sent;
    return sum_array(work->optimizer, work->k, 0) + (size_t)work->section.first * real;
}

/* From the sums of own subtrees to the sum over the whole batch, in the first array of each process. */
static dualprop_status exchange_section(struct section_sum *work)
{
    const struct dualprop__group_sums *sums = work->optimizer->sums;
    int64_t real = (int64_t)work->optimizer->context->real_size, at = 0;
    work->count = part_count(work->section, sums->rank, sums->size);
    for (int r = 0; r <= sums->size; r++) {
        sums->receive_offsets[r] = at;
        sums->gather_offsets[r] = part_begin(work->section, r, sums->size) * real;
        if (r < sums->size && r != sums->rank) at += sums->nodes_of[r] * work->count * real;
    }
    const char *sent = arrange(work);
    DUALPROP__TRY(
        dualprop__group_exchange(sums->group, sums->received, sums->receive_offsets, sent, sums->send_offsets));
    sum_of_node(work, (struct dualprop__node){ 0, sums->blocks });
    return dualprop__group_gather(sums->group, sum_array(work->optimizer, work->k, 0), sums->gather_offsets);
}

static int64_t section_reals(int size)
{
    return (int64_t)PIECE * size;
}

static dualprop_status exchange_layer(const dualprop_optimizer *optimizer, int k)
{
    int64_t reals = layer_reals(optimizer->network->layers[k - 1]), most = section_reals(optimizer->sums->size);
    for (int64_t first = 0; first < reals; first += most) {
        struct section_sum work = { .optimizer = optimizer,
                                    .k = k,
                                    .section = { first, reals - first < most ? reals - first : most } };
        DUALPROP__TRY(exchange_section(&work));
    }
    return DUALPROP_OK;
}

/* ---- the gradient that the optimizer holds ---- */

/* A device's gradient is made of the sum on the host; on the host the sum's array holds it. */
static dualprop_status hold_array(dualprop_context *context, void *held, char *sum, int64_t elements, char *spare,
                                  int adds)
{
    size_t bytes = (size_t)elements * context->real_size;
    if (adds) {
        DUALPROP__TRY(context->backend.copy_out(context->instance, spare, held, bytes));
        add_arrays(context, sum, spare, elements);
    }
    return context->backend.copy_in(context->instance, held, sum, bytes);
}

static dualprop_status hold_layer(dualprop_optimizer *optimizer, int k, int adds)
{
    const dualprop_layer *layer = optimizer->network->layers[k - 1];
    const struct dualprop__group_sums *sums = optimizer->sums;
    struct dualprop__learning *learning = &optimizer->layers[k - 1];
    char *sum = sum_array(optimizer, k, 0);
    if (sums->set_aside) {
        if (!adds) return DUALPROP_OK;
        add_arrays(optimizer->context, sum, sums->set_aside[k - 1].weights, layer->weight_elements);
        add_arrays(optimizer->context, bias_part(sum, layer), sums->set_aside[k - 1].biases, layer->bias_elements);
        return DUALPROP_OK;
    }
    char *spare = sum_array(optimizer, k, 1);
    DUALPROP__TRY(hold_array(optimizer->context, learning->weight_gradient, sum, layer->weight_elements, spare, adds));
    return hold_array(optimizer->context, learning->bias_gradient, bias_part(sum, layer), layer->bias_elements, spare,
                      adds);
}

static void copy_gradient(void *weights, void *biases, const struct dualprop__learning *from,
                          const dualprop_layer *layer)
{
    size_t real = layer->network->context->real_size;
    memcpy(weights, from->weight_gradient, (size_t)layer->weight_elements * real);
    memcpy(biases, from->bias_gradient, (size_t)layer->bias_elements * real);
}

/* On the host: let the first array of each layer's sums hold the gradient. */
static void hold_in_sums(dualprop_optimizer *optimizer)
{
    struct dualprop__group_sums *sums = optimizer->sums;
    for (int k = 1; sums->set_aside && k <= optimizer->network->layer_count; k++) {
        const dualprop_layer *layer = optimizer->network->layers[k - 1];
        struct dualprop__learning *learning = &optimizer->layers[k - 1];
        char *sum = sum_array(optimizer, k, 0);
        copy_gradient(sum, bias_part(sum, layer), learning, layer);
        sums->set_aside[k - 1] = (struct dualprop__own_gradient){ learning->weight_gradient, learning->bias_gradient };
        learning->weight_gradient = sum;
        learning->bias_gradient = bias_part(sum, layer);
    }
}

/* And back in the optimizer's own arrays. */
static void hold_in_own(dualprop_optimizer *optimizer)
{
    struct dualprop__group_sums *sums = optimizer->sums;
    for (int k = 1; sums->set_aside && k <= optimizer->network->layer_count; k++) {
        struct dualprop__learning *learning = &optimizer->layers[k - 1];
        const struct dualprop__own_gradient *own = &sums->set_aside[k - 1];
        copy_gradient(own->weights, own->biases, learning, optimizer->network->layers[k - 1]);
        learning->weight_gradient = own->weights;
        learning->bias_gradient = own->biases;
    }
}

/* The sums of this process's subtrees of a layer; of a share without samples they are zero. */
static dualprop_status sum_own_blocks(struct block_sums *work, int64_t count, int64_t divisor)
{
    const struct dualprop__group_sums *sums = work->optimizer->sums;
    if (count > 0) {
        DUALPROP__TRY(dualprop__gradient_prepare(work->state, work->k));
        work->scale = dualprop__gradient_factor(work->state, work->k, divisor);
    }
    for (int i = 0; i < sums->own_count; i++)
        DUALPROP__TRY(subtree_sum(work, sums->own[i], sum_array(work->optimizer, work->k, i), sums->own_count));
    return DUALPROP_OK;
}

/*
 * All layers are computed before the first is exchanged, so that processes wait once for who is slower, and not in each
 * layer. After a failure the others still wait for this process's parts: all exchanges are made, with what there is.
 */
static dualprop_status sum_group_layers(dualprop_optimizer *optimizer, dualprop_state *state, int64_t count,
                                        int64_t total, int64_t begin, int64_t divisor, int adds)
{
    const struct dualprop__group_sums *sums = optimizer->sums;
    int layers = optimizer->network->layer_count;
    dualprop_status status = DUALPROP_OK;
    for (int k = 1; k <= layers; k++) {
        struct block_sums work = { optimizer, state, k, total, begin, 0 };
        if (adds && sums->set_aside)
            copy_gradient(sums->set_aside[k - 1].weights, sums->set_aside[k - 1].biases, &optimizer->layers[k - 1],
                          optimizer->network->layers[k - 1]);
        if (status == DUALPROP_OK) status = sum_own_blocks(&work, count, divisor);
    }
    for (int k = 1; k <= layers && !(sums->group && sums->group->failed); k++) {
        if (sums->size > 1) {
            dualprop_status exchanged = exchange_layer(optimizer, k);
            if (status == DUALPROP_OK) status = exchanged;
        }
        if (status == DUALPROP_OK) status = hold_layer(optimizer, k, adds);
    }
    return status;
}

/* ---- agreement ---- */

/*
 * All parameters, once they may differ: before the first step, and after every write that was no step. They are
 * compared as a caller would read them, since processes may pad them differently.
 */
static dualprop_status add_parameters(uint64_t *digest, const dualprop_optimizer *optimizer)
{
    const dualprop_network *network = optimizer->network;
    const struct dualprop__group_sums *sums = optimizer->sums;
    if (sums->is_compared && atomic_load(&network->written) == sums->compared_write) return DUALPROP_OK;
    return dualprop__parameters_digest(digest, network);
}

/* What must be equal in all processes for them to learn the same; of the weights mostly the last biases alone. */
static dualprop_status learning_digest(uint64_t *digest, const dualprop_optimizer *optimizer)
{
    const dualprop_network *network = optimizer->network;
    const dualprop_context *context = optimizer->context;
    const double numbers[] = { optimizer->kind,
                               optimizer->learning_rate,
                               optimizer->momentum,
                               optimizer->beta1,
                               optimizer->beta2,
                               optimizer->epsilon,
                               optimizer->weight_decay,
                               optimizer->clip,
                               optimizer->schedule,
                               optimizer->rate_start,
                               optimizer->rate_end,
                               (double)optimizer->rate_warmup,
                               (double)optimizer->rate_decay,
                               (double)optimizer->gradient_samples,
                               (double)optimizer->sums->blocks };
    *digest = dualprop__digest(DUALPROP__DIGEST, numbers, sizeof numbers);
    for (int k = 0; k < network->layer_count; k++) {
        const double layer[] = { network->layers[k]->frozen, network->layers[k]->learning_rate };
        *digest = dualprop__digest(*digest, layer, sizeof layer);
    }
    DUALPROP__TRY(add_parameters(digest, optimizer));
    const dualprop_layer *last = network->layers[network->layer_count - 1];
    size_t bytes = (size_t)last->bias_elements * context->real_size;
    if (context->backend.flags & DUALPROP_BACKEND_HOST_MEMORY) {
        *digest = dualprop__digest(*digest, last->bias, bytes);
        return DUALPROP_OK;
    }
    char *biases = bias_part(sum_array(optimizer, network->layer_count, 0), last);
    DUALPROP__TRY(context->backend.copy_out(context->instance, biases, last->bias, bytes));
    *digest = dualprop__digest(*digest, biases, bytes);
    return DUALPROP_OK;
}

/* Rules that use the whole batch in a pass, or draw by a sample's index, would see the share alone. */
static dualprop_status check_rule(const dualprop_optimizer *optimizer, const dualprop_state *state)
{
    int by_batch = state->snapshot.tolerance > 0 || state->snapshot.quantize_bits > 0 ||
                   state->snapshot.noise_state > 0 || state->snapshot.noise_down > 0 ||
                   state->plan.needs.weight_noise || state->snapshot.schedule == DUALPROP_ASYNC;
    if (!optimizer->sums->group) return DUALPROP_OK;
    DUALPROP__REQUIRE(optimizer->context, !by_batch, DUALPROP_ERROR_UNSUPPORTED,
                      "a group cannot learn by a rule with a tolerance, quantisation, noise or the asynchronous "
                      "schedule, which depend on the whole batch; expected none of them");
    return DUALPROP_OK;
}

dualprop_status dualprop__group_check_shares(const struct dualprop__group_sums *sums, int64_t total)
{
    int64_t at = 0;
    DUALPROP__REQUIRE(sums->group->context, total > 0, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "no process has a sample; expected a batch of one at least");
    for (int r = 0; r < sums->size; at += sums->group->words[r].count, r++) {
        int64_t end =
            dualprop__first_sample(total, dualprop__first_block(sums->blocks, r + 1, sums->size), sums->blocks);
        DUALPROP__REQUIRE(
            sums->group->context, at + sums->group->words[r].count == end, DUALPROP_ERROR_INVALID_ARGUMENT,
            "the processes have %lld samples together, and process %d has %lld of them; expected %lld, as "
            "dualprop_group_share() computes with %lld blocks (this process or another one has not its "
            "share)",
            (long long)total, r, (long long)sums->group->words[r].count, (long long)(end - at),
            (long long)sums->blocks);
    }
    return DUALPROP_OK;
}

/* Compute the samples of the whole batch, and the first of this process's share. */
static dualprop_status agree_on_batch(int64_t *total, int64_t *begin, dualprop_optimizer *optimizer, int64_t count,
                                      dualprop_status status, enum dualprop__collective call)
{
    dualprop_group *group = optimizer->sums->group;
    struct dualprop__group_sums *sums = optimizer->sums;
    struct dualprop__word word = {
        .call = call, .count = count, .steps = optimizer->steps, .is_surely_finite = sums->is_surely_finite
    };
    *total = count;
    *begin = 0;
    if (!group && status == DUALPROP_OK)
        DUALPROP__REQUIRE(optimizer->context, count > 0, DUALPROP_ERROR_INVALID_ARGUMENT,
                          "the batch has no sample; expected one at least");
    if (!group) return status;
    if (status == DUALPROP_OK) status = learning_digest(&word.digest, optimizer);
    word.status = status;
    DUALPROP__TRY(dualprop__group_agree(group, word));
    DUALPROP__TRY(dualprop__group_compare_digests(group, "settings of its optimizer, frozen layers, or weights"));
    sums->is_compared = 1;
    sums->compared_write = atomic_load(&optimizer->network->written);
    *total = 0;
    for (int r = 0; r < group->transport.size; r++) {
        DUALPROP__REQUIRE(group->context, group->words[r].steps == group->words[0].steps, DUALPROP_ERROR_PEER,
                          "process %d has made %lld steps and process 0 %lld; expected as many", r,
                          (long long)group->words[r].steps, (long long)group->words[0].steps);
        if (r == group->transport.rank) *begin = *total;
        *total += group->words[r].count;
        sums->is_surely_finite = sums->is_surely_finite && group->words[r].is_surely_finite;
    }
    return dualprop__group_check_shares(optimizer->sums, *total);
}

/* With the group entered, if there is one. */
static dualprop_status gradient_of_group(dualprop_optimizer *optimizer, dualprop_state *state, int64_t count,
                                         dualprop_status status, enum dualprop__collective call, int accumulate)
{
    int64_t total, begin;
    if (status == DUALPROP_OK && count > 0) status = check_rule(optimizer, state);
    DUALPROP__TRY(agree_on_batch(&total, &begin, optimizer, count, status, call));
    int adds = accumulate && optimizer->gradient_samples > 0;
    int64_t first = adds ? optimizer->first_samples : total,
            samples = adds ? optimizer->gradient_samples + total : total;
    optimizer->gradient_samples = 0; /* Half a gradient, after a failure, is none. */
    status = sum_group_layers(optimizer, state, count, total, begin, first, adds);
    dualprop_group *group = optimizer->sums->group;
    if (group && !group->failed)
        status =
            dualprop__group_agree(group, (struct dualprop__word){ .call = DUALPROP__CALL_APPLY, .status = status });
    DUALPROP__TRY(status);
    optimizer->first_samples = first;
    optimizer->gradient_samples = samples;
    return DUALPROP_OK;
}

dualprop_status dualprop__group_gradient(dualprop_optimizer *optimizer, dualprop_state *state, int64_t count,
                                         dualprop_status status, enum dualprop__collective call, int accumulate)
{
    dualprop_group *group = optimizer->sums->group;
    if (!group) return gradient_of_group(optimizer, state, count, status, call, accumulate);
    DUALPROP__TRY(dualprop__group_enter(group, "the optimizer's group"));
    status = gradient_of_group(optimizer, state, count, status, call, accumulate);
    dualprop__group_leave(group);
    return status;
}

/* ---- setting it up ---- */

static void destroy_sums(struct dualprop__group_sums *sums, const dualprop_optimizer *optimizer)
{
    if (!sums) return;
    dualprop_context *context = optimizer->context;
    const dualprop_network *network = optimizer->network;
    for (int k = 0; k < network->layer_count; k++) {
        if (sums->arrays) dualprop__release(context, sums->arrays[k]);
        if (sums->leaf_weights)
            dualprop__reals_destroy(context, sums->leaf_weights[k], network->layers[k]->weight_elements);
        if (sums->leaf_biases)
            dualprop__reals_destroy(context, sums->leaf_biases[k], network->layers[k]->bias_elements);
    }
    for (int i = 0; i < 2; i++)
        dualprop__reals_destroy(context, sums->leaf_rows[i].memory, sums->leaf_rows[i].elements);
    dualprop__release(context, sums->arrays);
    dualprop__release(context, sums->set_aside);
    dualprop__release(context, sums->leaf_weights);
    dualprop__release(context, sums->leaf_biases);
    dualprop__release(context, sums->all);
    dualprop__release(context, sums->nodes_of);
    dualprop__release(context, sums->received);
    dualprop__release(context, sums->sent);
    dualprop__release(context, sums->send_offsets);
    dualprop__release(context, sums->scores);
    if (sums->group) dualprop__group_release(sums->group);
    dualprop__release(context, sums);
}

void dualprop__group_sums_destroy(dualprop_optimizer *optimizer)
{
    if (optimizer->sums) hold_in_own(optimizer);
    destroy_sums(optimizer->sums, optimizer);
    optimizer->sums = NULL;
}

/* The subtrees of process r, whose number is returned. */
static int cover_of_process(struct dualprop__node nodes[DUALPROP__MOST_NODES], const struct dualprop__group_sums *sums,
                            int r)
{
    const struct dualprop__node whole = { 0, sums->blocks };
    const struct dualprop__node range = { dualprop__first_block(sums->blocks, r, sums->size),
                                          dualprop__first_block(sums->blocks, r + 1, sums->size) };
    return dualprop__tree_cover(nodes, whole, range);
}

/* The subtrees of every process. */
static dualprop_status plan_nodes(struct dualprop__group_sums *sums, dualprop_context *context)
{
    struct dualprop__node nodes[DUALPROP__MOST_NODES];
    sums->nodes_of = dualprop__allocate_array(context, (size_t)sums->size, sizeof *sums->nodes_of);
    if (!sums->nodes_of) return DUALPROP_ERROR_NO_MEMORY;
    for (int r = 0; r < sums->size; r++) {
        sums->nodes_of[r] = cover_of_process(nodes, sums, r);
        sums->all_count += sums->nodes_of[r];
        if (r != sums->rank) continue;
        sums->own_first = sums->all_count - sums->nodes_of[r];
        sums->own_count = sums->nodes_of[r];
        memcpy(sums->own, nodes, (size_t)sums->own_count * sizeof *nodes);
    }
    sums->all = dualprop__allocate_array(context, (size_t)sums->all_count, sizeof *sums->all);
    if (!sums->all) return DUALPROP_ERROR_NO_MEMORY;
    for (int r = 0, at = 0; r < sums->size; r++) {
        int count = cover_of_process(nodes, sums, r);
        memcpy(sums->all + at, nodes, (size_t)count * sizeof *nodes);
        at += count;
    }
    return DUALPROP_OK;
}

static dualprop_status allocate_layers(struct dualprop__group_sums *sums, const dualprop_optimizer *optimizer)
{
    dualprop_context *context = optimizer->context;
    const dualprop_network *network = optimizer->network;
    size_t layers = (size_t)network->layer_count;
    int on_host = (context->backend.flags & DUALPROP_BACKEND_HOST_MEMORY) != 0, depth = 0;
    for (int i = 0; i < sums->own_count; i++) {
        int below = dualprop__tree_depth(sums->own[i]);
        depth = below > depth ? below : depth;
    }
    int array_count = sums->own_count + depth;
    if (array_count < 2 && !on_host) array_count = 2; /* the second is spare when gradients are accumulated */
    sums->arrays = dualprop__allocate_array(context, layers, sizeof *sums->arrays);
    if (on_host) {
        sums->set_aside = dualprop__allocate_array(context, layers, sizeof *sums->set_aside);
    } else {
        sums->leaf_weights = dualprop__allocate_array(context, layers, sizeof *sums->leaf_weights);
        sums->leaf_biases = dualprop__allocate_array(context, layers, sizeof *sums->leaf_biases);
    }
    int is_short = on_host ? !sums->set_aside : !sums->leaf_weights || !sums->leaf_biases;
    if (!sums->arrays || is_short) return DUALPROP_ERROR_NO_MEMORY;
    for (size_t k = 0; k < layers; k++) {
        const dualprop_layer *layer = network->layers[k];
        sums->arrays[k] =
            dualprop__allocate_array(context, (size_t)array_count, (size_t)layer_reals(layer) * context->real_size);
        if (!sums->arrays[k]) return DUALPROP_ERROR_NO_MEMORY;
        if (on_host) continue;
        DUALPROP__TRY(dualprop__reals_create(context, &sums->leaf_weights[k], layer->weight_elements));
        DUALPROP__TRY(dualprop__reals_create(context, &sums->leaf_biases[k], layer->bias_elements));
    }
    return DUALPROP_OK;
}

static dualprop_status allocate_messages(struct dualprop__group_sums *sums, const dualprop_optimizer *optimizer)
{
    dualprop_context *context = optimizer->context;
    sums->scores = dualprop__allocate_array(context, (size_t)sums->blocks, sizeof *sums->scores);
    if (!sums->scores) return DUALPROP_ERROR_NO_MEMORY;
    if (sums->size == 1) return DUALPROP_OK;
    int64_t most = 0;
    for (int k = 0; k < optimizer->network->layer_count; k++) {
        int64_t reals = layer_reals(optimizer->network->layers[k]);
        most = reals > most ? reals : most;
    }
    if (most > section_reals(sums->size)) most = section_reals(sums->size);
    int64_t largest_part = most / sums->size + LINE; /* parts of a section differ by at most a line */
    sums->received = dualprop__allocate_array(context, (size_t)(sums->all_count - sums->own_count),
                                              (size_t)largest_part * context->real_size);
    sums->sent = dualprop__allocate_array(context, sums->own_count > 1 ? (size_t)sums->own_count : 0,
                                          (size_t)most * context->real_size);
    sums->send_offsets = dualprop__allocate_array(context, 3 * ((size_t)sums->size + 1), sizeof *sums->send_offsets);
    if (!sums->received || !sums->sent || !sums->send_offsets) return DUALPROP_ERROR_NO_MEMORY;
    sums->receive_offsets = sums->send_offsets + sums->size + 1;
    sums->gather_offsets = sums->receive_offsets + sums->size + 1;
    return DUALPROP_OK;
}

static dualprop_status create_sums(struct dualprop__group_sums **out, const dualprop_optimizer *optimizer,
                                   dualprop_group *group, int64_t blocks)
{
    struct dualprop__group_sums *sums = dualprop__allocate(optimizer->context, sizeof *sums);
    *out = sums;
    if (!sums) return DUALPROP_ERROR_NO_MEMORY;
    sums->size = group ? group->transport.size : 1;
    sums->rank = group ? group->transport.rank : 0;
    sums->blocks = blocks;
    sums->group = group;
    if (group) dualprop__group_retain(group);
    DUALPROP__TRY(plan_nodes(sums, optimizer->context));
    DUALPROP__TRY(allocate_layers(sums, optimizer));
    return allocate_messages(sums, optimizer);
}

/* Numbers of the caller's parts differ between processes; names do not. */
static uint64_t name_digest(uint64_t digest, const struct dualprop__custom_part *part)
{
    return dualprop__digest(digest, part->name, sizeof part->name);
}

/* What every process has to have alike, beside what learning_digest() compares at each step. */
static uint64_t layers_digest(const dualprop_network *network)
{
    uint64_t digest = dualprop__digest(DUALPROP__DIGEST, &network->layer_count, sizeof network->layer_count);
    for (int k = 0; k < network->layer_count; k++) {
        const dualprop_layer *layer = network->layers[k];
        const int64_t numbers[] = { layer->kind,
                                    layer->custom_activation ? -1 : layer->activation,
                                    layer->inputs,
                                    layer->outputs,
                                    layer->weight_elements,
                                    layer->bias_elements };
        digest = dualprop__digest(digest, numbers, sizeof numbers);
        if (layer->custom_activation) digest = name_digest(digest, &layer->custom_activation->part);
        if (layer->custom_map) digest = name_digest(digest, &layer->custom_map->part);
    }
    return digest;
}

static dualprop_status check_group(const dualprop_optimizer *optimizer, dualprop_group *group, int64_t blocks)
{
    int size = group ? group->transport.size : 1;
    if (group)
        DUALPROP__REQUIRE(optimizer->context, group->context == optimizer->context, DUALPROP_ERROR_INVALID_ARGUMENT,
                          "group and optimizer are of different contexts; expected the same");
    DUALPROP__REQUIRE(optimizer->context, blocks >= size && blocks <= DUALPROP_MAX_GROUP,
                      DUALPROP_ERROR_INVALID_ARGUMENT, "blocks is %lld; expected %d..%d", (long long)blocks, size,
                      DUALPROP_MAX_GROUP);
    return DUALPROP_OK;
}

/* With optimizer and group entered. */
static dualprop_status set_group(dualprop_optimizer *optimizer, dualprop_group *group, int64_t blocks)
{
    struct dualprop__group_sums *sums = NULL;
    dualprop_status status = check_group(optimizer, group, blocks);
    if (status == DUALPROP_OK) status = dualprop__gradient_check_kept(optimizer);
    if (status == DUALPROP_OK) status = create_sums(&sums, optimizer, group, blocks);
    if (group) {
        struct dualprop__word word = { .call = DUALPROP__CALL_SET_GROUP,
                                       .status = status,
                                       .count = blocks,
                                       .steps = optimizer->steps,
                                       .digest = layers_digest(optimizer->network) };
        status = dualprop__group_agree(group, word);
        for (int r = 1; status == DUALPROP_OK && r < group->transport.size; r++)
            if (group->words[r].count != group->words[0].count)
                status = dualprop__fail(group->context, DUALPROP_ERROR_PEER,
                                        "process %d sets %lld blocks and process 0 %lld; expected as many", r,
                                        (long long)group->words[r].count, (long long)group->words[0].count);
        if (status == DUALPROP_OK) status = dualprop__group_compare_digests(group, "layers");
    }
    if (status != DUALPROP_OK) {
        destroy_sums(sums, optimizer);
        return status;
    }
    dualprop__group_sums_destroy(optimizer);
    optimizer->sums = sums;
    hold_in_sums(optimizer);
    return DUALPROP_OK;
}

dualprop_status dualprop_optimizer_set_group(dualprop_optimizer *optimizer, dualprop_group *group, int64_t blocks)
{
    DUALPROP__TRY(dualprop__optimizer_enter(optimizer, __func__));
    dualprop_status status = DUALPROP_OK;
    if (!group && blocks == 0) {
        dualprop__group_sums_destroy(optimizer);
    } else if (!group) {
        status = set_group(optimizer, NULL, blocks);
    } else if ((status = dualprop__group_enter(group, __func__)) == DUALPROP_OK) {
        dualprop__group_retain(group); /* it may be the one that is replaced, and its last user */
        status = set_group(optimizer, group, blocks == 0 ? group->transport.size : blocks);
        dualprop__group_leave(group);
        dualprop__group_release(group);
    }
    dualprop__optimizer_leave(optimizer);
    return status;
}

dualprop_status dualprop_optimizer_group(dualprop_group **group, int64_t *blocks, const dualprop_optimizer *optimizer)
{
    DUALPROP__REQUIRE_HANDLE(optimizer, DUALPROP__OPTIMIZER);
    if (group) *group = optimizer->sums ? optimizer->sums->group : NULL;
    if (blocks) *blocks = optimizer->sums ? optimizer->sums->blocks : 0;
    return DUALPROP_OK;
}
