/*
 * step_condition.cu - learning steps that take place only if the inference before them went well.
 *
 * The host does not see the maxima until the section has ended, and then the steps have been taken. So a kernel checks
 * them, after the inference and before the first step, and notes in a word of the device if one of them forbids
 * learning; the kernels that change parameters read that word and do nothing if it is not 0. The formulas are those of
 * the host (src/math/step_condition.h).
 *
 * The same kernel writes the maxima, and what it found, into memory of the host that the device sees, and clears their
 * slots: the host looks there until they have come, and the steps run on while the next batch is sent. So nothing is
 * copied, recorded or cleared beside it.
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
    uint64_t *rejected;     /* the word that learning steps read */
    uint64_t *slots;        /* of the maxima; one of them stands for `rejected` */
    uint64_t *read_back;    /* on the host; NULL where more conditions follow in another launch */
    int64_t count, verdict; /* slots in use, and the number of the one that stands for `rejected` */
    int64_t adds;           /* to what a launch before this one has found */

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

    DUALPROP__CUDA_BOTH int ask(int64_t i) const
    {
        const condition &own = conditions[i];
        double max_abs = greatest_at(own.start, own.max_abs);
        int found_before = i == 0 && adds && *rejected != 0;
        return found_before || dualprop__is_too_large(value_at(own.start), max_abs, own.limit) ||
               !dualprop__is_surely_finite(own.beta, max_abs, greatest_at(own.start_below, own.max_abs_below),
                                           *own.largest);
    }

    /* All conditions were read, so that slots can be cleared. */
    DUALPROP__CUDA_BOTH void act(int thread, int any) const
    {
        if (thread == 0) *rejected = (uint64_t)any;
        for (int64_t i = thread; read_back && i < count; i += block) {
            uint64_t value = i == verdict ? order_of(any ? 1.0 : 0.0) : slots[i];
            slots[i] = 0;
            *(volatile uint64_t *)(read_back + i) = value;
        }
    }
};

static_assert(sizeof(condition_body) == 56 * most_conditions + 48, "a body has no gaps");

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

/* Of `all` conditions those from `first` on; the last launch reads back. */
dualprop_status gate_some(dualprop__cuda *self, struct dualprop__cuda_command_list *list,
                          const dualprop_step_condition *conditions, int first, int count, int all, double *rejected)
{
    condition_body body;
    memset((void *)&body, 0, sizeof body);
    DUALPROP__CUDA_PASS(dualprop__cuda_make_numbers(self, list, count));
    uint64_t *verdict;
    DUALPROP__CUDA_PASS(dualprop__cuda_max_slot(self, &verdict, rejected));
    for (int i = 0; i < count; i++) {
        const dualprop_step_condition *own = conditions + first + i;
        DUALPROP__CUDA_PASS(add(self, list, &body, i, own, first + i > 0 ? own - 1 : NULL));
    }
    body.slots = list->max_slots.device;
    body.rejected = body.slots + DUALPROP__CUDA_MAX_SLOTS;
    body.verdict = verdict - body.slots;
    body.adds = first > 0;
    if (first + count == all) dualprop__cuda_max_abs_read_back(list, &body.read_back, &body.count);
    list->rejected = NULL; /* learning steps that were deferred before come before the conditions */
    DUALPROP__CUDA_PASS(issue<one_block>(self, body, count));
    list->rejected = body.rejected;
    return DUALPROP_OK;
}

dualprop_status gate_later(dualprop__cuda *self, struct dualprop__cuda_command_list *list,
                           const dualprop_step_condition *conditions, int count, double *rejected)
{
    if (list->rejected)
        return dualprop__cuda_fail(self, DUALPROP_ERROR_INVALID_STATE, "the steps of this section are already gated");
    for (int first = 0; first < count; first += most_conditions) {
        int some = count - first < most_conditions ? count - first : most_conditions;
        DUALPROP__CUDA_PASS(gate_some(self, list, conditions, first, some, count, rejected));
    }
    return DUALPROP_OK;
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
