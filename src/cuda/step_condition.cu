/*
 * step_condition.cu - learning steps that take place only if the inference before them went well.
 *
 * The host does not see the maxima until the stretch has ended, and then the steps have been made. So a kernel looks at
 * them, after the inference and before the first step, and raises a place of its own where one of them forbids to
 * learn; the kernels that change parameters read that place and do nothing where it is raised. The formulas are those
 * of the host (src/math/step_condition.h).
 *
 * The maxima, and that place, are read back right after the guards: the host waits for these alone, and the steps run
 * on while the next batch is sent.
 */
#include "launch.cuh"
#include "graph_cache.h"
#include "math/step_condition.h"

using namespace dualprop_cuda;

namespace {

constexpr int most_guards = 32; /* in one launch */

struct guard_body {
    struct guard {
        const uint64_t *start, *peak, *start_below, *peak_below; /* below: NULL for the first of all */
        const double *largest;
        double limit, beta;
    } guards[most_guards];
    max_places to;

    static constexpr const char *name()
    {
        return "guards of a learning step";
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

    DUALPROP__CUDA_BOTH static double greatest_at(const uint64_t *start, const uint64_t *peak)
    {
        return start ? dualprop__greater_max_abs(value_at(peak), value_at(start)) : 0;
    }

    DUALPROP__CUDA_BOTH maxima operator()(int64_t i) const
    {
        const guard &own = guards[i];
        double peak = greatest_at(own.start, own.peak);
        int refuses = dualprop__is_too_large(value_at(own.start), peak, own.limit) ||
                      !dualprop__is_surely_finite(own.beta, peak, greatest_at(own.start_below, own.peak_below),
                                                  *own.largest);
        maxima seen = { 0, refuses ? 1.0f : 0.0f };
        return seen;
    }
};

static_assert(sizeof(guard_body) == 56 * most_guards + 16, "a body has no gaps");

/* ---- put off ---- */

dualprop_status add(dualprop__cuda *self, struct dualprop__cuda_command_list *list, guard_body *body, int at,
                    const dualprop_guard *guard, const dualprop_guard *below)
{
    guard_body::guard *to = &body->guards[at];
    uint64_t *places[4] = { NULL, NULL, NULL, NULL };
    int number;
    DUALPROP__CUDA_PASS(dualprop__cuda_max_slot(self, &places[0], (double *)guard->start));
    DUALPROP__CUDA_PASS(dualprop__cuda_max_slot(self, &places[1], (double *)guard->peak));
    DUALPROP__CUDA_PASS(dualprop__cuda_max_slot(self, &places[2], below ? (double *)below->start : NULL));
    DUALPROP__CUDA_PASS(dualprop__cuda_max_slot(self, &places[3], below ? (double *)below->peak : NULL));
    DUALPROP__CUDA_PASS(dualprop__cuda_keep_number(self, list, &number, &guard->largest, sizeof guard->largest));
    to->start = places[0];
    to->peak = places[1];
    to->start_below = places[2];
    to->peak_below = places[3];
    to->largest = (const double *)dualprop__cuda_number_at(list->steps, number);
    to->limit = guard->limit;
    to->beta = guard->beta;
    return DUALPROP_OK;
}

dualprop_status guard_some(dualprop__cuda *self, struct dualprop__cuda_command_list *list,
                           const dualprop_guard *guards, int first, int count, double *refused)
{
    guard_body body;
    memset((void *)&body, 0, sizeof body);
    DUALPROP__CUDA_PASS(dualprop__cuda_make_numbers(self, list, count));
    DUALPROP__CUDA_PASS(dualprop__cuda_max_slot(self, &body.to.max_abs, refused));
    for (int i = 0; i < count; i++) {
        const dualprop_guard *guard = guards + first + i;
        DUALPROP__CUDA_PASS(add(self, list, &body, i, guard, first + i > 0 ? guard - 1 : NULL));
    }
    list->refused = NULL; /* learning steps that wait came before the guards */
    DUALPROP__CUDA_PASS(issue<each_with_max>(self, body, count));
    list->refused = body.to.max_abs;
    return DUALPROP_OK;
}

dualprop_status guard_later(dualprop__cuda *self, struct dualprop__cuda_command_list *list,
                            const dualprop_guard *guards, int count, double *refused)
{
    if (list->refused)
        return dualprop__cuda_fail(self, DUALPROP_ERROR_INVALID_STATE, "the steps of this section are already gated");
    for (int first = 0; first < count; first += most_guards) {
        int some = count - first < most_guards ? count - first : most_guards;
        DUALPROP__CUDA_PASS(guard_some(self, list, guards, first, some, refused));
    }
    return count > 0 ? dualprop__cuda_max_abs_read_back(self, list) : DUALPROP_OK;
}

/* ---- at once: the peaks have been given ---- */

int refuses(const dualprop_guard *guards, int i)
{
    const dualprop_guard *own = guards + i, *below = i > 0 ? own - 1 : NULL;
    double peak = dualprop__greater_max_abs(*own->peak, *own->start);
    double peak_below = below ? dualprop__greater_max_abs(*below->peak, *below->start) : 0;
    return dualprop__is_too_large(*own->start, peak, own->limit) ||
           !dualprop__is_surely_finite(own->beta, peak, peak_below, own->largest);
}

dualprop_status guard_steps(dualprop__cuda *self, const dualprop_guard *guards, int count, double *refused)
{
    struct dualprop__cuda_command_list *list = dualprop__cuda_command_list_of(self);
    *refused = 0;
    if (list) return guard_later(self, list, guards, count, refused);
    for (int i = 0; i < count; i++)
        if (refuses(guards, i)) *refused = 1;
    return DUALPROP_OK;
}

} // namespace

dualprop_status dualprop__cuda_guard_steps(void *instance, const dualprop_guard *guards, int count, double *refused)
{
    dualprop__cuda *self = (dualprop__cuda *)instance;
    DUALPROP__CUDA_SLOT(self, guard_steps(self, guards, count, refused));
}
