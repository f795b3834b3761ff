/*
 * random_calls.h - a user who calls anything on anything: three networks, rules, states, optimizers and diagnostics of
 * one context, used in random order, with numbers that are often odd (NaN, infinities, tiny, huge, negative).
 *
 * After each call:
 *   - its status has a name, and a failure has a sentence;
 *   - a call that failed, or that has no business with parameters, has changed no parameter of any network;
 *   - a prediction, an evaluation or a diagnostic that failed has filled nothing;
 *   - all parameters are finite, whatever was learnt from whatever data.
 */
#ifndef TESTS_RANDOM_CALLS_H
#define TESTS_RANDOM_CALLS_H

#include <stdint.h>

/*
 * Make everything, make this many calls, destroy everything. Ends the test where a promise is broken. Gives how many
 * learning steps were made: with none, the draws are not worth much.
 */
int random_calls_run(int backend, int precision, uint64_t stream, int calls);

#endif
