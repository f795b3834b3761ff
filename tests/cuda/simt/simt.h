/*
 * simt.h - what the two halves of the runner of grids know of each other.
 */
#ifndef DUALPROP_TESTS_SIMT_H
#define DUALPROP_TESTS_SIMT_H

#include <stddef.h>
#include <stdint.h>

namespace simt
{

constexpr int most_threads = 1024; /* of a block */
constexpr int lanes = 32;

/* ---- simt.cpp ---- */

/* Where the running thread is. */
struct position {
    const char *kernel; /* its name */
    uint32_t launch;    /* grids and blocks are counted together, in the order in which they begin, from 1 */
    uint32_t block_launch;
    int block, thread, barriers; /* its numbers, and how many barriers its block has passed */
};
extern position now;
/* The grid, on this thread of the host: others run code of the module beside it. Asked at every access to memory. */
extern __thread __attribute__((tls_model("initial-exec"))) int runs_here;

/* Is this in the stack of a thread, which is its own, or in the memory that a block shares? */
int is_private(const void *address);
int is_shared(const void *address);

/* ---- race.cpp ---- */

enum access { READING, WRITING, ATOMIC };
void note(const void *address, size_t size, access how);

} // namespace simt

#endif
