/*
 * backends.h - the two backends for processors, for loop tests that run everything on both.
 */
#ifndef TESTS_BACKENDS_H
#define TESTS_BACKENDS_H

#include <dualprop/dualprop.h>

static const int BACKENDS[] = { DUALPROP_BACKEND_REFERENCE, DUALPROP_BACKEND_BLIS };

#endif
