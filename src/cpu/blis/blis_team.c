/*
 * blis_team.c - units are claimed from atomic counters; between phases the members wait for each other.
 *
 * Only claimed units are waited for, and who has claimed one is running it. So there is no deadlock even where the
 * host runs the members one after another on one thread: the first does everything, the others find nothing left.
 */
#include "blis_team.h"

#include <sched.h>

#define SPINS_BEFORE_YIELD 4096

struct team {
    void *job;
    dualprop__team_phase *phases;
    int count;
    int64_t members, shares;
};

static void relax_team(int64_t spins)
{
    if (spins > SPINS_BEFORE_YIELD) {
        sched_yield();
        return;
    }
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* Gives how many units of one share were done. */
static int64_t work_on(const struct team *team, dualprop__team_phase *phase, int64_t share, int64_t member)
{
    atomic_int_fast64_t *claimed = &phase->shares[share].claimed;
    int64_t end = phase->shares[share].end, done = 0;
    while (atomic_load_explicit(claimed, memory_order_relaxed) < end) {
        int64_t unit = atomic_fetch_add_explicit(claimed, 1, memory_order_relaxed);
        if (unit >= end) break;
        phase->unit(team->job, unit, member);
        done++;
    }
    return done;
}

static void work(const struct team *team, dualprop__team_phase *phase, int64_t member)
{
    int64_t own = member * team->shares / team->members, done = 0;
    for (int64_t i = 0; i < team->shares; i++) done += work_on(team, phase, (own + i) % team->shares, member);
    if (done > 0) atomic_fetch_add_explicit(&phase->finished, done, memory_order_release);
}

static void wait_for(dualprop__team_phase *phase)
{
    for (int64_t spins = 0; atomic_load_explicit(&phase->finished, memory_order_acquire) < phase->units; spins++)
        relax_team(spins);
}

/* The loop itself waits for the last phase. */
static void be_member(void *argument, int64_t member)
{
    const struct team *team = argument;
    for (int i = 0; i < team->count; i++) {
        if (i > 0) wait_for(&team->phases[i - 1]);
        work(team, &team->phases[i], member);
    }
}

static int64_t useful_members(const dualprop_host *host, const dualprop__team_phase *phases, int count, int64_t members)
{
    int64_t units = 1, threads = host->threads(host->user_data);
    for (int i = 0; i < count; i++) units = phases[i].units > units ? phases[i].units : units;
    members = threads < members ? threads : members;
    return units < members ? units : members;
}

static void share_out_team(dualprop__team_phase *phase, int64_t shares)
{
    for (int64_t i = 0; i < shares; i++) {
        atomic_init(&phase->shares[i].claimed, phase->units * i / shares);
        phase->shares[i].end = phase->units * (i + 1) / shares;
    }
    atomic_init(&phase->finished, 0);
}

void dualprop__team_run(const dualprop_host *host, void *job, dualprop__team_phase *phases, int count, int64_t members)
{
    struct team team = { job, phases, count, useful_members(host, phases, count, members), 0 };
    team.shares = team.members < DUALPROP__SHARES ? team.members : DUALPROP__SHARES;
    for (int i = 0; i < count; i++) share_out_team(&phases[i], team.shares);
    if (team.members <= 1) be_member(&team, 0);
    else host->parallel_for(host->user_data, be_member, &team, team.members);
}
