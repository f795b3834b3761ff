/*
 * numbers.c - strtod() and its like, with everything refused that they let pass.
 */
#include "numbers.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Not empty, and of these characters only: no spaces, no letters but an exponent's. */
static int made_of(const char *text, const char *characters)
{
    return *text != '\0' && text[strspn(text, characters)] == '\0';
}

int number_integer(int64_t *value, const char *text)
{
    char *end;

    if (!made_of(text, "+-0123456789")) return 0;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0') return 0;
    *value = number;
    return 1;
}

int number_unsigned(uint64_t *value, const char *text)
{
    char *end;

    if (!made_of(text, "0123456789")) return 0;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0') return 0;
    *value = number;
    return 1;
}

int number_real(double *value, const char *text)
{
    char *end;

    if (!made_of(text, "+-.0123456789eE")) return 0;
    errno = 0;
    double number = strtod(text, &end);
    if (errno != 0 || end == text || *end != '\0' || !isfinite(number)) return 0;
    *value = number;
    return 1;
}
