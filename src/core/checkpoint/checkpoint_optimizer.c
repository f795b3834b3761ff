/*
 * checkpoint_optimizer.c - an optimizer in a checkpoint: its settings and step count as JSON, its moments as tensors.
 *
 * optimizer.layerK.weight.moment1 is the momentum of SGD or the mean of Adam, moment2 Adam's square; in the layout of
 * the parameter they belong to. A gradient that is held is not saved.
 */
#include <stdio.h>
#include <string.h>

#include "checkpoint_json.h"

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

static void name_moment(char name[DUALPROP__ENTRY_NAME_SIZE], const struct moment *moment)
{
    snprintf(name, DUALPROP__ENTRY_NAME_SIZE, "optimizer.layer%d.%s.moment%d", moment->layer->index,
             moment->is_bias ? "bias" : "weight", moment->order + 1);
}

/* ---- putting ---- */

static int is_moment(const char *name)
{
    return strncmp(name, "optimizer.layer", strlen("optimizer.layer")) == 0;
}

static dualprop_status put_moment(dualprop_checkpoint *part, const struct moment *moment)
{
    char name[DUALPROP__ENTRY_NAME_SIZE];
    if (!moment->memory) return DUALPROP_OK;
    name_moment(name, moment);
    return dualprop__checkpoint_put_parameter(part, name, moment->layer, moment->is_bias, moment->memory);
}

static void describe_optimizer(dualprop__json_writer *writer, const dualprop_optimizer *optimizer)
{
    dualprop__json_bracket(writer, '{');
    dualprop__json_text_member(writer, "kind", dualprop_name(DUALPROP_NAMES_OPTIMIZER, optimizer->kind));
    dualprop__json_real_member(writer, "learning_rate", optimizer->learning_rate);
    dualprop__json_real_member(writer, "momentum", optimizer->momentum);
    dualprop__json_real_member(writer, "beta1", optimizer->beta1);
    dualprop__json_real_member(writer, "beta2", optimizer->beta2);
    dualprop__json_real_member(writer, "epsilon", optimizer->epsilon);
    dualprop__json_real_member(writer, "weight_decay", optimizer->weight_decay);
    dualprop__json_real_member(writer, "clip", optimizer->clip);
    dualprop__json_text_member(writer, "schedule", dualprop_name(DUALPROP_NAMES_RATE, optimizer->schedule));
    dualprop__json_real_member(writer, "start", optimizer->rate_start);
    dualprop__json_real_member(writer, "end", optimizer->rate_end);
    dualprop__json_integer_member(writer, "warmup", optimizer->rate_warmup);
    dualprop__json_integer_member(writer, "decay", optimizer->rate_decay);
    dualprop__json_integer_member(writer, "steps", optimizer->steps);
    if (optimizer->is_fused) dualprop__json_text_member(writer, "gradient", "none");
    dualprop__json_bracket(writer, '}');
}

static dualprop_status fill_optimizer(dualprop_checkpoint *part, const dualprop_optimizer *optimizer)
{
    for (int k = 0; k < optimizer->network->layer_count; k++)
        for (int number = 0; number < 4; number++) {
            struct moment moment = moment_of(optimizer, k, number);
            DUALPROP__TRY(put_moment(part, &moment));
        }
    DUALPROP__TRY(dualprop__checkpoint_put_feedback_moments(part, optimizer));
    dualprop__json_writer writer;
    dualprop__json_begin(&writer, part->context, 0);
    describe_optimizer(&writer, optimizer);
    return dualprop__checkpoint_dump(part, "optimizer", &writer);
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

dualprop_status dualprop_checkpoint_put_optimizer(dualprop_checkpoint *checkpoint, const dualprop_optimizer *optimizer)
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
    char kind[DUALPROP__JSON_WORD], schedule[DUALPROP__JSON_WORD];
    char gradient[DUALPROP__JSON_WORD]; /* "none", or empty: it is kept */
    double learning_rate, momentum, beta1, beta2, epsilon, weight_decay, clip, start, end;
    int64_t warmup, decay, steps;
    int kind_value, schedule_value;
};

static dualprop_status unpack_optimizer(struct optimizer_record *record, const dualprop_checkpoint *checkpoint)
{
    const dualprop__json_member members[] = {
        { "kind", DUALPROP__JSON_TEXT, record->kind, 0, 0 },
        { "learning_rate", DUALPROP__JSON_REAL, &record->learning_rate, 0, 0 },
        { "momentum", DUALPROP__JSON_REAL, &record->momentum, 0, 0 },
        { "beta1", DUALPROP__JSON_REAL, &record->beta1, 0, 0 },
        { "beta2", DUALPROP__JSON_REAL, &record->beta2, 0, 0 },
        { "epsilon", DUALPROP__JSON_REAL, &record->epsilon, 0, 0 },
        { "weight_decay", DUALPROP__JSON_REAL, &record->weight_decay, 0, 0 },
        { "clip", DUALPROP__JSON_REAL, &record->clip, 0, 0 },
        { "schedule", DUALPROP__JSON_TEXT, record->schedule, 0, 0 },
        { "start", DUALPROP__JSON_REAL, &record->start, 0, 0 },
        { "end", DUALPROP__JSON_REAL, &record->end, 0, 0 },
        { "warmup", DUALPROP__JSON_INTEGER, &record->warmup, 0, 0 },
        { "decay", DUALPROP__JSON_INTEGER, &record->decay, 0, 0 },
        { "steps", DUALPROP__JSON_INTEGER, &record->steps, 0, 0 },
        { "gradient", DUALPROP__JSON_TEXT, record->gradient, 0, 1 },
    };
    dualprop__json json;
    record->gradient[0] = 0;
    DUALPROP__TRY(dualprop__checkpoint_load(&json, checkpoint, "optimizer"));
    DUALPROP__TRY(dualprop__json_members(&json, members, (int)(sizeof members / sizeof *members)));
    DUALPROP__REQUIRE(checkpoint->context, !record->gradient[0] || !strcmp(record->gradient, "none"),
                      DUALPROP_ERROR_FORMAT, "%s: the optimizer's gradient is \"%.60s\"; expected \"none\"",
                      checkpoint->source, record->gradient);
    DUALPROP__REQUIRE(checkpoint->context, record->steps >= 0 && record->steps <= DUALPROP__MOST_COUNTED,
                      DUALPROP_ERROR_FORMAT, "%s: the optimizer's steps are %lld; expected 0..%lld", checkpoint->source,
                      (long long)record->steps, (long long)DUALPROP__MOST_COUNTED);
    DUALPROP__TRY(dualprop__checkpoint_choice(&record->kind_value, checkpoint, "optimizer", DUALPROP_NAMES_OPTIMIZER,
                                              record->kind));
    return dualprop__checkpoint_choice(&record->schedule_value, checkpoint, "optimizer", DUALPROP_NAMES_RATE,
                                       record->schedule);
}

static dualprop_status apply(dualprop_optimizer *optimizer, const struct optimizer_record *record)
{
    DUALPROP__TRY(dualprop_optimizer_set_learning_rate(optimizer, record->learning_rate));
    DUALPROP__TRY(
        dualprop__optimizer_restore(optimizer, record->momentum, record->beta1, record->beta2, record->epsilon));
    DUALPROP__TRY(dualprop_optimizer_set_weight_decay(optimizer, record->weight_decay));
    DUALPROP__TRY(dualprop_optimizer_set_clip(optimizer, record->clip));
    /* A constant rate keeps what an earlier schedule had set; so set that first. */
    DUALPROP__TRY(dualprop_optimizer_set_schedule(optimizer, DUALPROP_RATE_WARMUP_COSINE, record->start, record->end,
                                                  record->warmup, record->decay));
    DUALPROP__TRY_ALWAYS(dualprop_optimizer_set_schedule(optimizer, record->schedule_value, record->start, record->end,
                                                         record->warmup, record->decay));
    optimizer->steps = record->steps;
    return DUALPROP_OK;
}

static dualprop_status get_moment(const dualprop_optimizer *optimizer, const dualprop_checkpoint *checkpoint,
                                  const struct moment *moment)
{
    double range[2];
    char name[DUALPROP__ENTRY_NAME_SIZE];
    if (!moment->memory) return DUALPROP_OK;
    name_moment(name, moment);
    dualprop__moment_range(range, optimizer, moment->order);
    return dualprop__checkpoint_get_parameter(checkpoint, name, moment->layer, moment->is_bias, moment->memory, range);
}

static dualprop_status get_moments(dualprop_optimizer *optimizer, const dualprop_checkpoint *checkpoint)
{
    for (int k = 0; k < optimizer->network->layer_count; k++)
        for (int number = 0; number < 4; number++) {
            struct moment moment = moment_of(optimizer, k, number);
            DUALPROP__TRY(get_moment(optimizer, checkpoint, &moment));
        }
    return DUALPROP_OK;
}

static dualprop_status build_optimizer(dualprop_optimizer **out, const dualprop_checkpoint *checkpoint,
                                       dualprop_network *network)
{
    struct optimizer_record record;
    dualprop_optimizer *optimizer;
    DUALPROP__TRY(unpack_optimizer(&record, checkpoint));
    /* A network or a backend that needs the gradient gets one: the steps have the same bits. */
    int is_fused = record.gradient[0] && dualprop__needs_no_gradient(network);
    DUALPROP__TRY(is_fused ? dualprop_optimizer_create_fused(&optimizer, network, record.kind_value)
                           : dualprop_optimizer_create(&optimizer, network, record.kind_value));
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
    DUALPROP__REQUIRE(NULL, out, DUALPROP_ERROR_INVALID_ARGUMENT, "optimizer is NULL; expected a place for the result");
    *out = NULL;
    DUALPROP__REQUIRE_HANDLE(checkpoint, DUALPROP__CHECKPOINT);
    DUALPROP__REQUIRE_HANDLE(network, DUALPROP__NETWORK);
    return build_optimizer(out, checkpoint, network);
}
