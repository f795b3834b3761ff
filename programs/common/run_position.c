/*
 * run_position.c - numbers to JSON and back.
 */
#include "run_position.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

typedef struct member {
    const char *name;
    size_t offset;
    int count; /* doubles at most; 0: one int64_t */
    int later; /* files of older programs are without it */
} member;

/* clang-format off */
#define WHOLE(name, part) { name, offsetof(run_position, part), 0, 0 }
#define REAL(name, part) { name, offsetof(run_position, part), 1, 0 }
#define REALS(name, part) { name, offsetof(run_position, part), AUDIT_LAYERS, 0 }
/* clang-format on */

static const member members[] = {
    WHOLE("epoch", epoch),
    WHOLE("batch", batch),
    WHOLE("samples", samples),
    WHOLE("correct", correct),
    REAL("loss", loss),
    REAL("learning_rate", learning_rate),
    REAL("validation", validation),
    WHOLE("best_epoch", best_epoch),
    REAL("best_validation", best_validation),
    WHOLE("audited", audit.batches),
    REALS("cosine", audit.cosine),
    REALS("norm", audit.norm),
    REALS("twin_norm", audit.twin_norm),
    REALS("difference", audit.difference),
    REALS("silent", audit.silent),
    REAL("residual", audit.residual),
    { "objective", offsetof(run_position, audit.objective), 3, 0 },
    { "bregman", offsetof(run_position, audit.bregman), AUDIT_LAYERS, 1 },
    { "damping", offsetof(run_position, audit.damping), AUDIT_LAYERS, 1 },
};
#define MEMBERS (sizeof members / sizeof members[0])

void run_position_clear_epoch(run_position *self)
{
    self->samples = self->correct = 0;
    self->loss = 0;
    memset(&self->audit, 0, sizeof self->audit);
}

/* Zeros at the end, of layers that the network does not have, are left out; null is NaN (silu has no objective). */
static json_t *reals_to_json(const double *values, int count)
{
    json_t *list = json_array();

    while (count > 0 && values[count - 1] == 0) count--;
    for (int i = 0; i < count; i++) {
        if (json_array_append_new(list, isfinite(values[i]) ? json_real(values[i]) : json_null()) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *member_to_json(const run_position *self, const member *part)
{
    const char *place = (const char *)self + part->offset;

    if (part->count == 0) return json_integer(*(const int64_t *)place);
    if (part->count == 1) return json_real(*(const double *)place);
    return reals_to_json((const double *)place, part->count);
}

json_t *run_position_to_json(const run_position *self)
{
    json_t *object = json_object();

    for (size_t i = 0; i < MEMBERS; i++) {
        if (json_object_set_new(object, members[i].name, member_to_json(self, &members[i])) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

static int whole_from_json(int64_t *value, const json_t *json)
{
    if (!json_is_integer(json) || json_integer_value(json) < 0 || json_integer_value(json) > (json_int_t)1 << 60)
        return 0;
    *value = json_integer_value(json);
    return 1;
}

static int real_from_json(double *value, const json_t *json)
{
    if (!json_is_number(json) || !isfinite(json_number_value(json))) return 0;
    *value = json_number_value(json);
    return 1;
}

static int reals_from_json(double *values, const json_t *list, int count)
{
    size_t size = json_array_size(list);
    int good = json_is_array(list) && size <= (size_t)count;

    for (size_t i = 0; good && i < size; i++) {
        values[i] = NAN;
        good = json_is_null(json_array_get(list, i)) || real_from_json(values + i, json_array_get(list, i));
    }
    return good;
}

static int member_from_json(run_position *out, const member *part, const json_t *json)
{
    char *place = (char *)out + part->offset;

    if (part->count == 0) return whole_from_json((int64_t *)place, json);
    if (part->count == 1) return real_from_json((double *)place, json);
    return reals_from_json((double *)place, json, part->count);
}

int run_position_from_json(run_position *out, const json_t *object)
{
    int good = json_is_object(object);

    memset(out, 0, sizeof *out);
    for (size_t i = 0; good && i < MEMBERS; i++) {
        const json_t *json = json_object_get(object, members[i].name);
        good = (json == NULL && members[i].later) || member_from_json(out, &members[i], json);
    }
    return good;
}
