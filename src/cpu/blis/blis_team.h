/*
 * blis_team.h - a job in phases, done by a team of threads in one parallel loop.
 *
 * A phase is a number of units of work, which the job's shape alone decides. A unit of a later phase sees the results
 * of all earlier phases. A member begins with its own share of the units, neighbours, the same for phases and jobs of
 * one shape, so that what it works on stays in its caches; then it helps the others. Which member does which unit is
 * left to chance in the end, so a unit's result must not depend on it.
 */
#ifndef DUALPROP_CPU_BLIS_TEAM_H
#define DUALPROP_CPU_BLIS_TEAM_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

#include "dualprop/backend.h"

/* Shares of a phase's units, at most; beyond that, members have one in common. */
#define DUALPROP__SHARES 8

typedef struct dualprop__team_phase {
    /* member is below the limit given to dualprop__team_run; no two members with one number run at once. */
    void (*unit)(void *job, int64_t unit, int64_t member);
    int64_t units;
    struct {
        alignas(64) atomic_int_fast64_t claimed; /* the next unit; may run beyond the end */
        int64_t end;
    } shares[DUALPROP__SHARES];
    alignas(64) atomic_int_fast64_t finished;
} dualprop__team_phase;

/* Run the phases, with at most `members` members and no more than the host has threads. */
void dualprop__team_run(const dualprop_host *host, void *job, dualprop__team_phase *phases, int count, int64_t members);

#endif
