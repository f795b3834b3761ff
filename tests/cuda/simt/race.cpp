/*
 * race.cpp - every access of a kernel to memory: is the memory the device's, and can another thread be there too?
 *
 * The compiler calls a function beside each access of the kernels' code, as it does for its own thread sanitizer
 * (-fsanitize=thread); these functions are here. For each word, the last writer and the last readers of the running
 * grid are kept, with the number of barriers that their block had passed. Accesses of one block are in order where a
 * barrier is between them; those of different blocks never are.
 *
 * Bytes have cells of their own, beside those of words: an array is used as one or the other. What memcpy() moves is
 * not seen.
 */
#include <stdlib.h>

#include "simt.h"
#include "cuda/standin/standin.h"

namespace simt {

namespace {

/* A thread of a block is known by its number in the grid; readers may be several. */
constexpr uint32_t no_thread = ~0u, several_blocks = ~0u - 1;
constexpr uint32_t several = 2 * most_threads - 1; /* threads of one block */

struct visitor {
    uint32_t who;
    uint16_t barriers; /* that its block had passed */
    uint16_t atomic;
};

struct cell {
    uint32_t launch; /* of another one than the running: no thread was here */
    visitor writer, reader;
};

uint32_t block_of(uint32_t who)
{
    return who / (2 * most_threads);
}

visitor self(access how)
{
    return visitor{ (uint32_t)now.block * 2 * most_threads + (uint32_t)now.thread, (uint16_t)now.barriers,
                    (uint16_t)(how == ATOMIC) };
}

/* May the two be there at the same time? */
int meet(const visitor &one, const visitor &other)
{
    if (one.who == no_thread || (one.atomic && other.atomic)) return 0;
    return block_of(one.who) != block_of(other.who) || (one.barriers == other.barriers && one.who != other.who);
}

void add(visitor *to, const visitor &one)
{
    if (to->who == several_blocks) return;
    if (!meet(*to, one)) *to = one;
    else if (block_of(to->who) == block_of(one.who)) to->who = block_of(one.who) * 2 * most_threads + several;
    else to->who = several_blocks;
}

/* ---- cells: pages of them, found by the page's number ---- */

constexpr uintptr_t page_cells = 4096, most_pages = 65536;

struct page {
    uintptr_t number;
    cell *cells;
} pages[most_pages];

/* Numbers begin with 1, so that 0 is a free place. */
cell *page_of(uintptr_t number)
{
    static page last;
    if (last.number == number) return last.cells;
    uintptr_t at = number * 0x9e3779b97f4a7c15u >> 48;
    for (uintptr_t tries = 0; tries < most_pages; tries++, at = (at + 1) % most_pages) {
        if (pages[at].number == 0) pages[at] = page{ number, (cell *)calloc(page_cells, sizeof(cell)) };
        if (pages[at].number == number) return (last = pages[at]).cells;
    }
    abort();
}

cell *cell_of(uintptr_t address, int is_byte, uint32_t launch)
{
    uintptr_t number = is_byte ? address : address / 4;
    cell *found = &page_of(number / page_cells * 2 + 2 + (uintptr_t)is_byte)[number % page_cells];
    if (found->launch != launch) *found = cell{ launch, { no_thread, 0, 0 }, { no_thread, 0, 0 } };
    return found;
}

void visit(uintptr_t address, int is_byte, access how)
{
    cell *here = cell_of(address, is_byte, is_shared((const void *)address) ? now.block_launch : now.launch);
    visitor me = self(how);
    int races = meet(here->writer, me) || (how != READING && meet(here->reader, me));
    if (races)
        standin_complain("kernel %s: thread %d of block %d and another are at %p, one of them writing, and nothing "
                         "keeps them apart", now.kernel, now.thread, now.block, (const void *)address);
    add(how == READING ? &here->reader : &here->writer, me);
}

/* ---- memory: what of it this grid was found to use, so that little has to be looked up ---- */

struct extent {
    uint32_t launch;
    const char *begin, *end;
};

int lies_in(const extent &one, const char *address, size_t size)
{
    return one.launch == now.launch && address >= one.begin && address + size <= one.end;
}

void check_memory(const char *address, size_t size)
{
    static const standin_state *state = standin_control();
    static extent known[1024]; /* pieces of memory begin at multiples of 256 */
    extent *here = &known[(uintptr_t)address / 256 % 1024];
    if (state->lenient || is_shared(address) || lies_in(*here, address, size)) return;
    here->launch = now.launch;
    standin_extent(address, &here->begin, &here->end);
    if (!lies_in(*here, address, size)) standin_check(address, size, now.kernel);
}

} // namespace

void note(const void *address, size_t size, access how)
{
    if (!runs_here || is_private(address)) return;
    check_memory((const char *)address, size);
    for (size_t i = 0; i < size; i += 4) visit((uintptr_t)address + i, size < 4, how);
}

} // namespace simt

/* ---- what the compiler calls ---- */

#define DUALPROP__HOOKS(size)                                   \
    void __tsan_read##size(void *address)                       \
    {                                                           \
        simt::note(address, size, simt::READING);               \
    }                                                           \
    void __tsan_write##size(void *address)                      \
    {                                                           \
        simt::note(address, size, simt::WRITING);               \
    }                                                           \
    void __tsan_unaligned_read##size(void *address)             \
    {                                                           \
        simt::note(address, size, simt::READING);               \
    }                                                           \
    void __tsan_unaligned_write##size(void *address)            \
    {                                                           \
        simt::note(address, size, simt::WRITING);               \
    }

extern "C" {
DUALPROP__HOOKS(1)
DUALPROP__HOOKS(2)
DUALPROP__HOOKS(4)
DUALPROP__HOOKS(8)
DUALPROP__HOOKS(16)

void __tsan_read_range(void *address, size_t size)
{
    simt::note(address, size, simt::READING);
}

void __tsan_write_range(void *address, size_t size)
{
    simt::note(address, size, simt::WRITING);
}

void __tsan_init(void)
{
}

void __tsan_func_entry(void *)
{
}

void __tsan_func_exit(void)
{
}
}
