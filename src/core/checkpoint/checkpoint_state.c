/*
 * checkpoint_state.c - what a state carries from one inference to the next: the position of its random numbers as JSON,
 * the vectors of power iterations (state.layerK.power) and, if it starts warm, its dyads (state.layerK.mean,
 * .delta).
 */
#include <stdio.h>
#include <string.h>

#include "checkpoint_json.h"

static int is_of_state(const char *name)
{
    return strncmp(name, "state.layer", strlen("state.layer")) == 0;
}

/* One array of the state: where it lies, and its shape (rows, width). */
struct piece {
    char name[DUALPROP__ENTRY_NAME_SIZE];
    void *array;
    int64_t shape[2];
};

enum { POWER, MEAN, DELTA, PIECES };

/* Piece number `which` of layer k; without an array where the state has none to save. */
static struct piece piece_of(const dualprop_state *state, int k, int which, int64_t warm_count)
{
    static const char *const names[] = { "power", "mean", "delta" };
    const struct dualprop__dyads *own = &state->dyads[k];
    struct piece piece = { .shape = { which == POWER ? 1 : warm_count, own->width } };
    snprintf(piece.name, DUALPROP__ENTRY_NAME_SIZE, "state.layer%d.%s", k, names[which]);
    if (which == POWER) piece.array = own->inference->arrays.power;
    else if (warm_count > 0 && k > 0) piece.array = which == MEAN ? own->arrays.mean : own->arrays.delta;
    return piece;
}

/* ---- putting ---- */

static dualprop_status put_state_piece(dualprop_checkpoint *part, const dualprop_state *state,
                                       const struct piece *piece)
{
    dualprop_context *context = state->context;
    size_t bytes = (size_t)(piece->shape[0] * piece->shape[1]) * context->real_size;
    dualprop__tensor *tensor = dualprop__tensor_create(part->context, piece->name, context->precision, 2, piece->shape);
    if (!tensor) return DUALPROP_ERROR_NO_MEMORY;
    dualprop_status status = context->backend.copy_out(context->instance, tensor->data, piece->array, bytes);
    if (status == DUALPROP_OK) return dualprop__checkpoint_put_tensor(part, tensor);
    dualprop__tensor_destroy(part->context, tensor);
    return status;
}

static int64_t warm_count_of(const dualprop_state *state)
{
    return state->rule && state->rule->warm_start ? state->run.warm_count : 0;
}

static dualprop_status fill_state(dualprop_checkpoint *part, const dualprop_state *state)
{
    int64_t warm_count = warm_count_of(state);
    for (int k = 0; k <= state->layer_count; k++)
        for (int which = 0; which < PIECES; which++) {
            struct piece piece = piece_of(state, k, which, warm_count);
            if (piece.array) DUALPROP__TRY(put_state_piece(part, state, &piece));
        }
    dualprop__json_writer writer;
    dualprop__json_begin(&writer, part->context, 0);
    dualprop__json_bracket(&writer, '{');
    dualprop__json_integer_member(&writer, "inferences", (int64_t)state->run.inferences);
    dualprop__json_integer_member(&writer, "warm_count", warm_count);
    dualprop__json_bracket(&writer, '}');
    return dualprop__checkpoint_dump(part, "state", &writer);
}

/* A delta that is exactly zero was never written. */
static dualprop_status write_zeros(dualprop_state *state)
{
    const dualprop_context *context = state->context;
    for (int k = 1; k <= state->layer_count; k++) {
        struct dualprop__dyads *own = &state->dyads[k];
        size_t bytes = (size_t)(state->run.warm_count * own->width) * context->real_size;
        if (warm_count_of(state) > 0 && own->versions.delta == 0)
            DUALPROP__TRY(context->backend.fill_zero(context->instance, own->arrays.delta, bytes));
    }
    return DUALPROP_OK;
}

static dualprop_status put_state(dualprop_checkpoint *checkpoint, dualprop_state *state)
{
    dualprop_checkpoint *part;
    DUALPROP__TRY(dualprop__check_not_open(state));
    DUALPROP__TRY(write_zeros(state));
    DUALPROP__TRY(dualprop_checkpoint_create(&part, checkpoint->context));
    dualprop_status status = fill_state(part, state);
    if (status == DUALPROP_OK) status = dualprop__checkpoint_absorb(checkpoint, part, is_of_state);
    dualprop_checkpoint_destroy(part);
    return status;
}

dualprop_status dualprop_checkpoint_put_state(dualprop_checkpoint *checkpoint, const dualprop_state *state)
{
    DUALPROP__REQUIRE_HANDLE(checkpoint, DUALPROP__CHECKPOINT);
    /* Being busy for a while is no change of the state that a caller can see. */
    dualprop_state *read = (dualprop_state *)state;
    DUALPROP__TRY(dualprop__state_enter(read, __func__));
    dualprop_status status = put_state(checkpoint, read);
    dualprop__state_leave(read);
    return status;
}

/* ---- getting ---- */

struct state_record {
    int64_t inferences, warm_count;
};

static dualprop_status read_record(struct state_record *record, const dualprop_checkpoint *checkpoint)
{
    const dualprop__json_member members[] = {
        { "inferences", DUALPROP__JSON_INTEGER, &record->inferences, 0, 0 },
        { "warm_count", DUALPROP__JSON_INTEGER, &record->warm_count, 0, 0 },
    };
    dualprop__json json;
    DUALPROP__TRY(dualprop__checkpoint_load(&json, checkpoint, "state"));
    return dualprop__json_members(&json, members, 2);
}

static dualprop_status check_state_record(const struct state_record *record, const dualprop_checkpoint *checkpoint,
                                          const dualprop_state *state)
{
    DUALPROP__REQUIRE(checkpoint->context, record->inferences >= 0 && record->inferences <= DUALPROP__MOST_COUNTED,
                      DUALPROP_ERROR_FORMAT, "%s: the state's inferences are %lld; expected 0..%lld",
                      checkpoint->source, (long long)record->inferences, (long long)DUALPROP__MOST_COUNTED);
    DUALPROP__REQUIRE(checkpoint->context, record->warm_count >= 0 && record->warm_count <= state->capacity,
                      DUALPROP_ERROR_FORMAT, "%s: the state has %lld samples; expected 0..%lld, the capacity",
                      checkpoint->source, (long long)record->warm_count, (long long)state->capacity);
    DUALPROP__REQUIRE(checkpoint->context, record->warm_count == 0 || state->rule, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "state was created without a rule, but the checkpoint contains dyads");
    return DUALPROP_OK;
}

/* Check all pieces first, then copy them: a failure changes nothing. */
static dualprop_status each_piece(dualprop_state *state, const dualprop_checkpoint *checkpoint, int64_t warm_count,
                                  int copies)
{
    const dualprop_context *context = state->context;
    for (int k = 0; k <= state->layer_count; k++)
        for (int which = 0; which < PIECES; which++) {
            struct piece piece = piece_of(state, k, which, warm_count);
            dualprop__tensor *tensor;
            if (!piece.array) continue;
            DUALPROP__TRY(dualprop__checkpoint_expect_finite(&tensor, checkpoint, piece.name, context->precision, 2,
                                                             piece.shape));
            if (copies)
                DUALPROP__TRY(context->backend.copy_in(context->instance, piece.array, tensor->data, tensor->size));
        }
    return DUALPROP_OK;
}

static dualprop_status get_state(dualprop_state *state, const dualprop_checkpoint *checkpoint)
{
    struct state_record record;
    DUALPROP__TRY(dualprop__check_not_open(state));
    DUALPROP__TRY(read_record(&record, checkpoint));
    DUALPROP__TRY(check_state_record(&record, checkpoint, state));
    DUALPROP__TRY(each_piece(state, checkpoint, record.warm_count, 0));
    DUALPROP__TRY(each_piece(state, checkpoint, record.warm_count, 1));
    state->run.inferences = (uint64_t)record.inferences;
    state->run.warm_count = record.warm_count;
    dualprop__state_lose(state, DUALPROP__LOST_TO_CHECKPOINT);
    for (int k = 1; k <= state->layer_count && record.warm_count > 0; k++) {
        state->dyads[k].versions.mean++;
        state->dyads[k].versions.delta++;
    }
    return DUALPROP_OK;
}

dualprop_status dualprop_checkpoint_get_state(dualprop_state *state, const dualprop_checkpoint *checkpoint)
{
    DUALPROP__REQUIRE_HANDLE(checkpoint, DUALPROP__CHECKPOINT);
    DUALPROP__TRY(dualprop__state_enter(state, __func__));
    dualprop_status status = get_state(state, checkpoint);
    dualprop__state_leave(state);
    return status;
}
