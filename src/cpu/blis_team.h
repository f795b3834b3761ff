/*
 * blis_team.h - a job in phases, done by a team of threads in one parallel loop.
 *
 * A phase is a number of units of work, which the job's shape alone decides. A unit of a later phase sees the results
 * of all earlier phases. Which member does which unit is left to chance, so a unit's result must not depend on it.
 */
#ifndef DUALPROP_CPU_BLIS_TEAM_H
#define DUALPROP_CPU_BLIS_TEAM_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

#include "dualprop/backend.h"

typedef struct dualprop__phase {
    /* member is below the limit given to dualprop__team_run; no two members with one number run at once. */
    void (*unit)(void *job, int64_t unit, int64_t member);
    int64_t units;
    alignas(64) atomic_int_fast64_t claimed;
    alignas(64) atomic_int_fast64_t finished;
} dualprop__phase;

/* Run the phases, with at most `members` members and no more than the host has threads. */
void dualprop__team_run(const dualprop_host *host, void *job, dualprop__phase *phases, int count, int64_t members);

#endif
