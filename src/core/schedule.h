/*
 * schedule.h - who listens when: the order of layer updates in a pass.
 *
 * Forward-backward with K passes is L..2, then (1..L-1, L..1) x (K-1), then 1. Pass 1 is L..2, passes 2..K are
 * 1..L-1, L..1, and the last 1 is the closing visit. Forward is (1..L) x K, without a closing visit.
 */
#ifndef DUALPROP_CORE_SCHEDULE_H
#define DUALPROP_CORE_SCHEDULE_H

/* How many layers pass number `pass` (from 1) visits in a network of `layers`. */
int dualprop__schedule_visits(int schedule, int layers, int pass);
/* Which layer (1..layers) is visited as number `visit` (from 0) of that pass. */
int dualprop__schedule_layer(int schedule, int layers, int pass, int visit);
/* The layer visited once more after the last pass, or 0. */
int dualprop__schedule_closing(int schedule);

#endif
