/*
 * random_calls.h - a user who calls anything on anything: three networks, rules, states, optimizers and diagnostics of
 * one context, used in random order, with numbers that are often odd (NaN, infinities, tiny, huge, negative).
 *
 * After each call:
 *   - its status is one of the list, and a failure has a sentence;
 *   - a call that failed has changed nothing that a checkpoint keeps of any network, rule, optimizer or state (but a
 *     state whose inference had begun), and nothing that it was given to fill;
 *   - a call that has no business with parameters has changed none;
 *   - all parameters, moments and dyads that are kept are finite, whatever was learnt from whatever data;
 *   - what was saved loads again.
 * In the end no memory is left, and none was written to past a block's end.
 */
#ifndef TESTS_RANDOM_CALLS_H
#define TESTS_RANDOM_CALLS_H

#include <stddef.h>
#include <stdint.h>

/*
 * Make everything, make this many calls, destroy everything. Ends the process where a promise is broken. Gives how many
 * learning steps were made: with none, the draws are not worth much.
 */
int random_calls_run(int backend, int precision, uint64_t stream, int calls);
/* The same, while memory, files and starts of threads fail in many calls; adds how many. */
int random_calls_with_faults(long *hit, int backend, int precision, uint64_t stream, int calls);
/* The same, with the calls and their arguments chosen by bytes, until they are used up or this many calls are made. */
int random_calls_from(int backend, int precision, const uint8_t *bytes, size_t size, int calls);

#endif
