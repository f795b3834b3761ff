/*
 * simt.cpp - runs a grid: its blocks one after another, the threads of a block as fibers.
 *
 * A fiber runs until it meets others, at a barrier or in a shuffle, or returns; a warp runs until no shuffle of its is
 * complete. When all warps of a block stand still, and all threads came to the barrier, they pass it. Else somebody
 * waits for a thread that does not come: that is reported, and all go on as if it had come.
 */
#include <ucontext.h>

#include "cuda_runtime.h"
#include "simt.h"
#include "cuda/standin/standin.h"

extern "C" char __start_simt_shared[], __stop_simt_shared[]; /* the linker's, around the section of that name */

namespace simt {

position now;
__thread int runs_here;

namespace {

constexpr size_t stack_bytes = 65536 + 3 * 64; /* so that the ends of stacks do not share the lines of a cache */

enum condition { READY, IN_SHUFFLE, AT_BARRIER, RETURNED };

struct fiber {
    void *place[5]; /* where it goes on, for __builtin_longjmp() */
    condition is;
    int line; /* of the shuffle or barrier in which it waits */
    unsigned mask, distance;
    uint64_t bits; /* what it gives to a shuffle, then what it gets */
};

char stacks[most_threads][stack_bytes] __attribute__((aligned(64)));
fiber fibers[most_threads];
int made; /* fibers; they live on from block to block */
void *scheduler[5];

void (*thread_of_grid)(const void *launch);
const void *launch_of_grid;
dim3 grid, block;

/* ---- order ---- */

uint64_t drawn;

uint32_t draw(uint32_t below)
{
    if (!drawn) {
        const char *given = getenv("DUALPROP_TEST_ORDER");
        drawn = given ? strtoull(given, NULL, 10) : 1;
    }
    drawn = drawn * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((drawn >> 32) * below >> 32);
}

void mix(int *numbers, int count)
{
    for (int i = count - 1; i > 0; i--) {
        int other = (int)draw((uint32_t)i + 1), kept = numbers[i];
        numbers[i] = numbers[other];
        numbers[other] = kept;
    }
}

void count_up(int *numbers, int count)
{
    for (int i = 0; i < count; i++) numbers[i] = i;
}

/*
 * ---- fibers: made once by makecontext(), then entered and left by jumps, which call no kernel of the system ----
 *
 * These jumps save nothing but where they are, and may not lie in the function that they lead to; a caller may not
 * count on registers that the function it calls seems to leave alone (noipa).
 */

__attribute__((noipa)) void jump(void **place)
{
    __builtin_longjmp(place, 1);
}

__attribute__((noipa)) void leave()
{
    if (!__builtin_setjmp(fibers[now.thread].place)) jump(scheduler);
}

__attribute__((noipa)) void enter(int thread)
{
    now.thread = thread;
    if (!__builtin_setjmp(scheduler)) jump(fibers[thread].place);
}

void live()
{
    for (;;) {
        leave();
        thread_of_grid(launch_of_grid);
        fibers[now.thread].is = RETURNED;
    }
}

__attribute__((noipa)) void make_fiber(int thread)
{
    static ucontext_t context;
    if (getcontext(&context)) abort();
    context.uc_stack.ss_sp = stacks[thread];
    context.uc_stack.ss_size = stack_bytes;
    context.uc_link = NULL;
    makecontext(&context, live, 0);
    now.thread = thread;
    if (!__builtin_setjmp(scheduler)) setcontext(&context);
}

/* ---- meetings ---- */

int threads()
{
    return (int)block.x;
}

void wait_as(condition is, int line)
{
    fibers[now.thread].is = is;
    fibers[now.thread].line = line;
    leave();
}

/* The first lane that the one at hand waits for in vain in its shuffle; -1: all are there. */
int missing_lane(int thread)
{
    const fiber *one = &fibers[thread], *warp = &fibers[thread - thread % lanes];
    for (int lane = 0; lane < lanes; lane++) {
        int comes = warp[lane].is == IN_SHUFFLE && warp[lane].line == one->line && warp[lane].mask == one->mask;
        if ((one->mask >> lane & 1) && !comes) return lane;
    }
    return -1;
}

/* All lanes of the mask of this thread are there: each gets what it asks for. */
void do_shuffle(int thread)
{
    fiber *one = &fibers[thread], *warp = &fibers[thread - thread % lanes];
    uint64_t given[lanes];
    unsigned mask = one->mask;
    for (int lane = 0; lane < lanes; lane++) given[lane] = warp[lane].bits;
    for (int lane = 0; lane < lanes; lane++) {
        unsigned from = (unsigned)lane ^ warp[lane].distance;
        if (!(mask >> lane & 1)) continue;
        if (from >= lanes || !(mask >> from & 1))
            standin_complain("kernel %s, line %d: lane %d asks lane %u, which is not in the shuffle", now.kernel,
                             one->line, lane, from);
        else warp[lane].bits = given[from];
        warp[lane].is = READY;
    }
}

int do_shuffles(int warp)
{
    int done = 0;
    for (int thread = warp * lanes; thread < (warp + 1) * lanes; thread++) {
        if (fibers[thread].is != IN_SHUFFLE || missing_lane(thread) >= 0) continue;
        do_shuffle(thread);
        done = 1;
    }
    return done;
}

int count_in(condition is)
{
    int count = 0;
    for (int thread = 0; thread < threads(); thread++) count += fibers[thread].is == is;
    return count;
}

void report_shuffle(int thread)
{
    standin_complain("kernel %s, block %d, line %d: lane %d of warp %d did not come to the shuffle", now.kernel,
                     now.block, fibers[thread].line, missing_lane(thread), thread / lanes);
}

void report_barrier(int thread)
{
    standin_complain("kernel %s, block %d, line %d: %d of %d threads came to the barrier", now.kernel, now.block,
                     fibers[thread].line, count_in(AT_BARRIER), threads());
}

/* All threads stand still: true if the barrier, or a report of what is wrong, lets some go on. */
int let_go_on()
{
    int in_shuffle = count_in(IN_SHUFFLE), complete = count_in(AT_BARRIER) == threads();
    condition which = in_shuffle ? IN_SHUFFLE : AT_BARRIER;
    int going = count_in(which);
    for (int thread = 0; thread < threads(); thread++) {
        if (fibers[thread].is != which) continue;
        if (in_shuffle) report_shuffle(thread);
        else if (!complete) report_barrier(thread);
        break;
    }
    for (int thread = 0; thread < threads(); thread++)
        if (fibers[thread].is == which) fibers[thread].is = READY;
    if (!in_shuffle) now.barriers++;
    return going > 0;
}

/* Run a warp as far as it comes without the others. */
void run_warp(int warp)
{
    do { /* an order is drawn by where it begins, and by a step, which is odd and so comes by all lanes */
        int first = (int)draw(lanes), step = 1 + 2 * (int)draw(lanes / 2);
        for (int i = 0; i < lanes; i++) {
            int thread = warp * lanes + (first + i * step) % lanes;
            if (fibers[thread].is == READY) enter(thread);
        }
    } while (do_shuffles(warp));
}

void run_block(int number)
{
    int warps = threads() / lanes, order[most_threads / lanes];
    count_up(order, warps);
    now.block = number;
    now.barriers = 0;
    now.block_launch++;
    memset(__start_simt_shared, 0xff, (size_t)(__stop_simt_shared - __start_simt_shared));
    for (int thread = 0; thread < threads(); thread++) fibers[thread].is = READY;
    do {
        mix(order, warps);
        for (int i = 0; i < warps; i++) run_warp(order[i]);
    } while (let_go_on());
}

} // namespace

/* ---- for the runtime: one grid at a time, since the stand-in's queues have one lock ---- */

void run(void (*thread)(const void *launch), const void *launch, dim3 blocks, dim3 block_threads, const char *name)
{
    int count = (int)blocks.x, *order = (int *)malloc(blocks.x * sizeof *order);
    if (!order || block_threads.x > most_threads || block_threads.x % lanes != 0) abort();
    thread_of_grid = thread;
    launch_of_grid = launch;
    grid = blocks;
    block = block_threads;
    while (made < threads()) make_fiber(made++);
    runs_here = 1;
    now.kernel = name;
    now.launch = ++now.block_launch;
    count_up(order, count);
    mix(order, count);
    for (int i = 0; i < count; i++) run_block(order[i]);
    runs_here = 0;
    free(order);
}

int is_private(const void *address)
{
    return (const char *)address >= stacks[0] && (const char *)address < stacks[0] + sizeof stacks;
}

int is_shared(const void *address)
{
    return (const char *)address >= __start_simt_shared && (const char *)address < __stop_simt_shared;
}

/* ---- for the threads ---- */

dim3 grid_size()
{
    return grid;
}

dim3 block_size()
{
    return block;
}

uint3 block_number()
{
    return uint3{ (unsigned)now.block, 0, 0 };
}

uint3 thread_number()
{
    return uint3{ (unsigned)now.thread, 0, 0 };
}

void barrier(int line)
{
    wait_as(AT_BARRIER, line);
}

uint64_t shuffle(unsigned mask, uint64_t bits, unsigned distance, int line)
{
    fiber *self = &fibers[now.thread];
    self->mask = mask;
    self->bits = bits;
    self->distance = distance;
    wait_as(IN_SHUFFLE, line);
    return self->bits;
}

unsigned long long atomic_max(unsigned long long *place, unsigned long long value)
{
    unsigned long long before = *place;
    note(place, sizeof *place, ATOMIC);
    if (value > before) *place = value;
    return before;
}

} // namespace simt
