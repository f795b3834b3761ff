/*
 * schedule.c - the orders of schedule.h, one small function a question.
 */
#include "schedule.h"

#include "core/base/base.h"
#include "math/formulas.h"

/* Between the lowest layer and L. */
static int layer_span(const dualprop__schedule *schedule)
{
    return schedule->layers - schedule->lowest;
}

int dualprop__schedule_visits(const dualprop__schedule *schedule, int pass)
{
    switch (schedule->kind) {
    case DUALPROP_FORWARD_BACKWARD: return pass == 1 ? layer_span(schedule) : 2 * layer_span(schedule) + 1;
    case DUALPROP_RANDOM:
    case DUALPROP_ASYNC: return schedule->layers;
    case DUALPROP_LIST: return schedule->order_count;
    default: return layer_span(schedule) + 1;
    }
}

static int forward_backward(const dualprop__schedule *schedule, int pass, int visit)
{
    if (pass == 1) return schedule->layers - visit;
    return visit < layer_span(schedule) ? schedule->lowest + visit : schedule->layers + layer_span(schedule) - visit;
}

/* First the layers of one parity, then those of the other, both upwards. */
static int by_parity(const dualprop__schedule *schedule, int parity, int visit)
{
    int first = schedule->lowest + (schedule->lowest % 2 != parity);
    int of_parity = first > schedule->layers ? 0 : (schedule->layers - first) / 2 + 1;
    int other = schedule->lowest + (schedule->lowest % 2 == parity);
    return visit < of_parity ? first + 2 * visit : other + 2 * (visit - of_parity);
}

/* With replacement; the draw depends on the pass and the visit alone. */
static int random_layer(const dualprop__schedule *schedule, int pass, int visit)
{
    uint64_t stream = dualprop__stream_of(schedule->inference, DUALPROP__DRAW_ORDER);
    uint64_t i = (uint64_t)(pass - 1) * (uint64_t)schedule->layers + (uint64_t)visit;
    uint64_t word = dualprop__philox_word(schedule->seed, stream, i);
    return schedule->lowest + (int)(word * (uint64_t)(layer_span(schedule) + 1) >> 32);
}

int dualprop__schedule_layer(const dualprop__schedule *schedule, int pass, int visit)
{
    switch (schedule->kind) {
    case DUALPROP_FORWARD_BACKWARD: return forward_backward(schedule, pass, visit);
    case DUALPROP_BACKWARD: return schedule->layers - visit;
    case DUALPROP_ODD_EVEN: return by_parity(schedule, 1, visit);
    case DUALPROP_EVEN_ODD: return by_parity(schedule, 0, visit);
    case DUALPROP_RANDOM:
    case DUALPROP_ASYNC: return random_layer(schedule, pass, visit);
    case DUALPROP_LIST: return schedule->order[visit];
    default: return schedule->lowest + visit;
    }
}

int dualprop__schedule_closing(const dualprop__schedule *schedule)
{
    return schedule->kind == DUALPROP_FORWARD_BACKWARD ? schedule->lowest : -1;
}
