/*
 * blis_team.c - units are claimed from an atomic counter; between phases the members wait for each other.
 *
 * Only claimed units are waited for, and who has claimed one is running it. So there is no deadlock even where the
 * host runs the members one after another on one thread: the first does everything, the others find nothing left.
 */
#include "blis_team.h"

#include <sched.h>

#define SPINS_BEFORE_YIELD 4096

struct team {
    void *job;
    dualprop__phase *phases;
    int count;
};

static void relax(int64_t spins)
{
    if (spins > SPINS_BEFORE_YIELD) {
        sched_yield();
        return;
    }
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void work(const struct team *team, dualprop__phase *phase, int64_t member)
{
    int64_t done = 0;
    for (;;) {
        int64_t unit = atomic_fetch_add_explicit(&phase->claimed, 1, memory_order_relaxed);
        if (unit >= phase->units) break;
        phase->unit(team->job, unit, member);
        done++;
    }
    if (done > 0) atomic_fetch_add_explicit(&phase->finished, done, memory_order_release);
}

static void wait_for(dualprop__phase *phase)
{
    for (int64_t spins = 0; atomic_load_explicit(&phase->finished, memory_order_acquire) < phase->units; spins++)
        relax(spins);
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

static int64_t useful_members(const dualprop_host *host, const dualprop__phase *phases, int count, int64_t members)
{
    int64_t units = 1, threads = host->threads(host->user_data);
    for (int i = 0; i < count; i++) units = phases[i].units > units ? phases[i].units : units;
    members = threads < members ? threads : members;
    return units < members ? units : members;
}

void dualprop__team_run(const dualprop_host *host, void *job, dualprop__phase *phases, int count, int64_t members)
{
    struct team team = { job, phases, count };
    int64_t useful = useful_members(host, phases, count, members);
    for (int i = 0; i < count; i++) {
        atomic_init(&phases[i].claimed, 0);
        atomic_init(&phases[i].finished, 0);
    }
    if (useful <= 1)
        be_member(&team, 0);
    else
        host->parallel_for(host->user_data, be_member, &team, useful);
}
