/*
 * numbers.h - numbers as people type them, read strictly: all of the text, decimal, in range.
 */
#ifndef PROGRAMS_NUMBERS_H
#define PROGRAMS_NUMBERS_H

#include <stdint.h>

/* Each returns 1 and the value, or 0 and leaves *value alone: no number, something after it, an overflow. */
int number_integer(int64_t *value, const char *text);
int number_unsigned(uint64_t *value, const char *text);
int number_real(double *value, const char *text); /* finite; no hexadecimal, no "nan" */

#endif
