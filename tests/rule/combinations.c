/*
 * combinations.c - writes docs/combinations.md to stdout: the program of `make combinations`.
 */
#include <stdio.h>

#include "support/combinations.h"

int main(void)
{
    int unknown = combinations_write(stdout);
    if (unknown > 0) fprintf(stderr, "combinations: %d cells have no order\n", unknown);
    return unknown > 0 || fflush(stdout) != 0;
}
