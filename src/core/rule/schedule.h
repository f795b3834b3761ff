/*
 * schedule.h - which layer is updated when: the order of updates in a pass.
 *
 * Layers go from the lowest, 1 or (where the input is a dyad) 0, to L. Forward-backward with K passes is L..2, then
 * (1..L-1, L..1) x (K-1), then 1: pass 1 is L..2, passes 2..K are 1..L-1, L..1, and the last 1 is the closing visit.
 * The lowest layer takes the place of 1. The other schedules repeat one order and have no closing visit.
 */
#ifndef DUALPROP_CORE_SCHEDULE_H
#define DUALPROP_CORE_SCHEDULE_H

#include <stdint.h>

typedef struct dualprop__schedule {
    int kind; /* DUALPROP_FORWARD_BACKWARD ... */
    int lowest, layers;
    const int32_t *order; /* of DUALPROP_LIST */
    int order_count;
    uint64_t seed, inference; /* of random orders */
} dualprop__schedule;

/* How many layers pass number `pass` (from 1) visits. */
int dualprop__schedule_visits(const dualprop__schedule *schedule, int pass);
/* Which layer is visited as number `visit` (from 0) of that pass. */
int dualprop__schedule_layer(const dualprop__schedule *schedule, int pass, int visit);
/* The layer visited once more after the last pass, or -1. */
int dualprop__schedule_closing(const dualprop__schedule *schedule);

#endif
