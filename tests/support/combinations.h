/*
 * combinations.h - docs/combinations.md: what comes of every rule, schedule, loss and activation together, measured.
 */
#ifndef TESTS_COMBINATIONS_H
#define TESTS_COMBINATIONS_H

#include <stdio.h>

/* Write the document; gives how many cells are neither an order, nor exact, nor refused. */
int combinations_write(FILE *stream);

#endif
