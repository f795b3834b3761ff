/*
 * step_condition.cu - learning steps that take place only if the inference before them went well.
 *
 * The host does not see the maxima until the section has ended, and then the steps have been taken. So a kernel checks
 * them, after the inference and before the first step, and raises a slot of its own if one of them forbids learning;
 * the kernels that change parameters read that slot and do nothing if it is raised. The formulas are those of the host
 * (src/math/step_condition.h).
 *
 * The maxima, and that slot, are read back right after the conditions: the host waits for these alone, and the steps
 * run on while the next batch is sent.
 */
#include "launch.cuh"
#include "graph_cache.h"
#include "math/step_condition.h"

using namespace dualprop_cuda;

namespace {

constexpr int most_conditions = 32; /* in one launch */

struct condition_body {
    struct condition {
        const uint64_t *start, *max_abs, *start_below, *max_abs_below; /* below: NULL for the first of all */
        const double *largest;
        double limit, beta;
    } conditions[most_conditions];
    max_places to;

    static constexpr const char *name()
    {
        return "conditions of a learning step";
    }

    DUALPROP__CUDA_BOTH static double value_at(const uint64_t *place)
    {
#ifdef __CUDA_ARCH__
        return __longlong_as_double((long long)*place);
#else
        double value;
        memcpy(&value, place, sizeof value);
        return value;
#endif
    }

    DUALPROP__CUDA_BOTH static double greatest_at(const uint64_t *start, const uint64_t *max_abs)
    {
        return start ? dualprop__greater_max_abs(value_at(max_abs), value_at(start)) : 0;
    }

    DUALPROP__CUDA_BOTH maxima operator()(int64_t i) const
    {
        const condition &own = conditions[i];
        double max_abs = greatest_at(own.start, own.max_abs);
        int rejects = dualprop__is_too_large(value_at(own.start), max_abs, own.limit) ||
                      !dualprop__is_surely_finite(own.beta, max_abs, greatest_at(own.start_below, own.max_abs_below),
                                                  *own.largest);
        maxima seen = { 0, rejects ? 1.0f : 0.0f };
        return seen;
    }
};

static_assert(sizeof(condition_body) == 56 * most_conditions + 16, "a body has no gaps");

/* ---- deferred ---- */

dualprop_status add(dualprop__cuda *self, struct dualprop__cuda_command_list *list, condition_body *body, int at,
                    const dualprop_step_condition *own, const dualprop_step_condition *below)
{
    condition_body::condition *to = &body->conditions[at];
    uint64_t *slots[4] = { NULL, NULL, NULL, NULL };
    int number;
    DUALPROP__CUDA_PASS(dualprop__cuda_max_slot(self, &slots[0], (double *)own->start));
    DUALPROP__CUDA_PASS(dualprop__cuda_max_slot(self, &slots[1], (double *)own->max_abs));
    DUALPROP__CUDA_PASS(dualprop__cuda_max_slot(self, &slots[2], below ? (double *)below->start : NULL));
    DUALPROP__CUDA_PASS(dualprop__cuda_max_slot(self, &slots[3], below ? (double *)below->max_abs : NULL));
    DUALPROP__CUDA_PASS(dualprop__cuda_keep_number(self, list, &number, &own->largest, sizeof own->largest));
    to->start = slots[0];
    to->max_abs = slots[1];
    to->start_below = slots[2];
    to->max_abs_below = slots[3];
    to->largest = (const double *)dualprop__cuda_number_at(list->steps, number);
    to->limit = own->limit;
    to->beta = own->beta;
    return DUALPROP_OK;
}

dualprop_status gate_some(dualprop__cuda *self, struct dualprop__cuda_command_list *list,
                          const dualprop_step_condition *conditions, int first, int count, double *rejected)
{
    condition_body body;
    memset((void *)&body, 0, sizeof body);
    DUALPROP__CUDA_PASS(dualprop__cuda_make_numbers(self, list, count));
    DUALPROP__CUDA_PASS(dualprop__cuda_max_slot(self, &body.to.max_abs, rejected));
    for (int i = 0; i < count; i++) {
        const dualprop_step_condition *own = conditions + first + i;
        DUALPROP__CUDA_PASS(add(self, list, &body, i, own, first + i > 0 ? own - 1 : NULL));
    }
    list->rejected = NULL; /* learning steps that were deferred before come before the conditions */
    DUALPROP__CUDA_PASS(issue<each_with_max>(self, body, count));
    list->rejected = body.to.max_abs;
    return DUALPROP_OK;
}

dualprop_status gate_later(dualprop__cuda *self, struct dualprop__cuda_command_list *list,
                           const dualprop_step_condition *conditions, int count, double *rejected)
{
    if (list->rejected)
        return dualprop__cuda_fail(self, DUALPROP_ERROR_INVALID_STATE, "the steps of this section are already gated");
    for (int first = 0; first < count; first += most_conditions) {
        int some = count - first < most_conditions ? count - first : most_conditions;
        DUALPROP__CUDA_PASS(gate_some(self, list, conditions, first, some, rejected));
    }
    return count > 0 ? dualprop__cuda_max_abs_read_back(self, list) : DUALPROP_OK;
}

/* ---- at once: the maxima are known ---- */

int rejects(const dualprop_step_condition *conditions, int i)
{
    const dualprop_step_condition *own = conditions + i, *below = i > 0 ? own - 1 : NULL;
    double max_abs = dualprop__greater_max_abs(*own->max_abs, *own->start);
    double max_abs_below = below ? dualprop__greater_max_abs(*below->max_abs, *below->start) : 0;
    return dualprop__is_too_large(*own->start, max_abs, own->limit) ||
           !dualprop__is_surely_finite(own->beta, max_abs, max_abs_below, own->largest);
}

dualprop_status gate_steps(dualprop__cuda *self, const dualprop_step_condition *conditions, int count, double *rejected)
{
    struct dualprop__cuda_command_list *list = dualprop__cuda_command_list_of(self);
    *rejected = 0;
    if (list) return gate_later(self, list, conditions, count, rejected);
    for (int i = 0; i < count; i++)
        if (rejects(conditions, i)) *rejected = 1;
    return DUALPROP_OK;
}

} // namespace

dualprop_status dualprop__cuda_gate_steps(void *instance, const dualprop_step_condition *conditions, int count,
                                          double *rejected)
{
    dualprop__cuda *self = (dualprop__cuda *)instance;
    DUALPROP__CUDA_SLOT(self, gate_steps(self, conditions, count, rejected));
}
