/*
 * checkpoint_optimizer.c - an optimizer in a checkpoint: its settings and step count as JSON, its moments as tensors.
 *
 * optimizer.layerK.weight.moment1 is the momentum of SGD or the mean of Adam, moment2 Adam's square; in the layout of
 * the parameter they belong to. A gradient that is held is not saved.
 */
#include <stdio.h>
#include <string.h>

#include "checkpoint_json.h"

#define NAME_SIZE 64

/* ---- one moment of one parameter ---- */

struct moment {
    const dualprop_layer *layer;
    int is_bias;
    int order; /* 0 or 1 */
    void *memory;
};

static struct moment moment_of(const dualprop_optimizer *optimizer, int k, int number)
{
    return (struct moment){ optimizer->network->layers[k], number / 2, number % 2,
                            optimizer->layers[k].moments[number] };
}

static void name_moment(char name[NAME_SIZE], const struct moment *moment)
{
    snprintf(name, NAME_SIZE, "optimizer.layer%d.%s.moment%d", moment->layer->index,
             moment->is_bias ? "bias" : "weight", moment->order + 1);
}

/* ---- putting ---- */

static int is_moment(const char *name)
{
    return strncmp(name, "optimizer.layer", strlen("optimizer.layer")) == 0;
}

static dualprop_status put_moment(dualprop_checkpoint *part, const struct moment *moment)
{
    char name[NAME_SIZE];
    if (!moment->memory) return DUALPROP_OK;
    name_moment(name, moment);
    return dualprop__checkpoint_put_parameter(part, name, moment->layer, moment->is_bias, moment->memory);
}

static json_t *describe_optimizer(const dualprop_optimizer *optimizer)
{
    return json_pack("{s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:s, s:f, s:f, s:I, s:I, s:I}",
                     "kind", dualprop_name(DUALPROP_NAMES_OPTIMIZER, optimizer->kind),
                     "learning_rate", optimizer->learning_rate, "momentum", optimizer->momentum,
                     "beta1", optimizer->beta1, "beta2", optimizer->beta2, "epsilon", optimizer->epsilon,
                     "weight_decay", optimizer->weight_decay, "clip", optimizer->clip,
                     "schedule", dualprop_name(DUALPROP_NAMES_RATE, optimizer->schedule),
                     "start", optimizer->rate_start, "end", optimizer->rate_end,
                     "warmup", (json_int_t)optimizer->rate_warmup, "decay", (json_int_t)optimizer->rate_decay,
                     "steps", (json_int_t)optimizer->steps);
}

static dualprop_status fill_optimizer(dualprop_checkpoint *part, const dualprop_optimizer *optimizer)
{
    for (int k = 0; k < optimizer->network->layer_count; k++)
        for (int number = 0; number < 4; number++) {
            struct moment moment = moment_of(optimizer, k, number);
            DUALPROP__TRY(put_moment(part, &moment));
        }
    DUALPROP__TRY(dualprop__checkpoint_put_feedback_moments(part, optimizer));
    return dualprop__checkpoint_dump(part, "optimizer", describe_optimizer(optimizer));
}

static dualprop_status put_optimizer(dualprop_checkpoint *checkpoint, const dualprop_optimizer *optimizer)
{
    dualprop_checkpoint *part;
    DUALPROP__TRY(dualprop_checkpoint_create(&part, checkpoint->context));
    dualprop_status status = fill_optimizer(part, optimizer);
    if (status == DUALPROP_OK) status = dualprop__checkpoint_absorb(checkpoint, part, is_moment);
    dualprop_checkpoint_destroy(part);
    return status;
}

dualprop_status dualprop_checkpoint_put_optimizer(dualprop_checkpoint *checkpoint,
                                                  const dualprop_optimizer *optimizer)
{
    DUALPROP__REQUIRE_HANDLE(checkpoint, DUALPROP__CHECKPOINT);
    /* Being busy for a while is no change of the optimizer that a caller can see. */
    dualprop_optimizer *read = (dualprop_optimizer *)optimizer;
    DUALPROP__TRY(dualprop__optimizer_enter(read, __func__));
    dualprop_status status = put_optimizer(checkpoint, optimizer);
    dualprop__optimizer_leave(read);
    return status;
}

/* ---- getting ---- */

/* What the text says. */
struct optimizer_record {
    const char *kind, *schedule;
    double learning_rate, momentum, beta1, beta2, epsilon, weight_decay, clip, start, end;
    json_int_t warmup, decay, steps;
    int kind_value, schedule_value;
};

static dualprop_status unpack_optimizer(struct optimizer_record *record, const dualprop_checkpoint *checkpoint,
                                        json_t *root)
{
    DUALPROP__TRY(dualprop__json_unpack(
        checkpoint->context, checkpoint->source, "text \"optimizer\"", root, 0,
        "{s:s, s:F, s:F, s:F, s:F, s:F, s:F, s:F, s:s, s:F, s:F, s:I, s:I, s:I}",
        "kind", &record->kind, "learning_rate", &record->learning_rate, "momentum", &record->momentum,
        "beta1", &record->beta1, "beta2", &record->beta2, "epsilon", &record->epsilon,
        "weight_decay", &record->weight_decay, "clip", &record->clip, "schedule", &record->schedule,
        "start", &record->start, "end", &record->end, "warmup", &record->warmup, "decay", &record->decay,
        "steps", &record->steps));
    DUALPROP__REQUIRE(checkpoint->context, record->steps >= 0, DUALPROP_ERROR_FORMAT,
                      "%s: the optimizer's steps are %lld; expected >= 0", checkpoint->source,
                      (long long)record->steps);
    DUALPROP__TRY(dualprop__checkpoint_choice(&record->kind_value, checkpoint, "optimizer", DUALPROP_NAMES_OPTIMIZER,
                                              record->kind));
    return dualprop__checkpoint_choice(&record->schedule_value, checkpoint, "optimizer", DUALPROP_NAMES_RATE,
                                       record->schedule);
}

static dualprop_status apply(dualprop_optimizer *optimizer, const struct optimizer_record *record)
{
    DUALPROP__TRY(dualprop_optimizer_set_learning_rate(optimizer, record->learning_rate));
    DUALPROP__TRY(dualprop_optimizer_set_momentum(optimizer, record->momentum));
    DUALPROP__TRY(dualprop_optimizer_set_moments(optimizer, record->beta1, record->beta2, record->epsilon));
    DUALPROP__TRY(dualprop_optimizer_set_weight_decay(optimizer, record->weight_decay));
    DUALPROP__TRY(dualprop_optimizer_set_clip(optimizer, record->clip));
    /* A constant rate keeps what an earlier schedule had set; so set that first. */
    DUALPROP__TRY(dualprop_optimizer_set_schedule(optimizer, DUALPROP_RATE_WARMUP_COSINE, record->start, record->end,
                                                  record->warmup, record->decay));
    DUALPROP__TRY(dualprop_optimizer_set_schedule(optimizer, record->schedule_value, record->start, record->end,
                                                  record->warmup, record->decay));
    optimizer->steps = record->steps;
    return DUALPROP_OK;
}

static dualprop_status get_moment(const dualprop_checkpoint *checkpoint, const struct moment *moment)
{
    char name[NAME_SIZE];
    if (!moment->memory) return DUALPROP_OK;
    name_moment(name, moment);
    return dualprop__checkpoint_get_parameter(checkpoint, name, moment->layer, moment->is_bias, moment->memory);
}

static dualprop_status get_moments(dualprop_optimizer *optimizer, const dualprop_checkpoint *checkpoint)
{
    for (int k = 0; k < optimizer->network->layer_count; k++)
        for (int number = 0; number < 4; number++) {
            struct moment moment = moment_of(optimizer, k, number);
            DUALPROP__TRY(get_moment(checkpoint, &moment));
        }
    return DUALPROP_OK;
}

static dualprop_status build_optimizer(dualprop_optimizer **out, const dualprop_checkpoint *checkpoint,
                                       dualprop_network *network, json_t *root)
{
    struct optimizer_record record;
    dualprop_optimizer *optimizer;
    DUALPROP__TRY(unpack_optimizer(&record, checkpoint, root));
    DUALPROP__TRY(dualprop_optimizer_create(&optimizer, network, record.kind_value));
    dualprop_status status = dualprop__checkpoint_accept(checkpoint, "optimizer", apply(optimizer, &record));
    if (status == DUALPROP_OK) status = get_moments(optimizer, checkpoint);
    if (status == DUALPROP_OK) status = dualprop__checkpoint_get_feedback_moments(optimizer, checkpoint);
    if (status == DUALPROP_OK) *out = optimizer;
    else dualprop_optimizer_destroy(optimizer);
    return status;
}

dualprop_status dualprop_checkpoint_get_optimizer(dualprop_optimizer **out, const dualprop_checkpoint *checkpoint,
                                                  dualprop_network *network)
{
    DUALPROP__REQUIRE(NULL, out, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "optimizer is NULL; expected a place for the result");
    *out = NULL;
    DUALPROP__REQUIRE_HANDLE(checkpoint, DUALPROP__CHECKPOINT);
    DUALPROP__REQUIRE_HANDLE(network, DUALPROP__NETWORK);
    json_t *root;
    DUALPROP__TRY(dualprop__checkpoint_load(&root, checkpoint, "optimizer"));
    dualprop_status status = build_optimizer(out, checkpoint, network, root);
    json_decref(root);
    return status;
}
