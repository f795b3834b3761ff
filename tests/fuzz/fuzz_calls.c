/*
 * fuzz_calls.c - sequences of public calls: which ones, on which objects and with which arguments, is the fuzzer's.
 * tests/support/random_calls.h lists what has to hold after each of them.
 *
 * The first byte chooses the backend and the type of numbers.
 */
#include <dualprop/dualprop.h>

#include "support/random_calls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { CALLS = 500 };
    if (size < 2) return 0;
    (void)random_calls_from(data[0] & 1 ? DUALPROP_BACKEND_REFERENCE : DUALPROP_BACKEND_AUTO,
                            data[0] & 2 ? DUALPROP_F64 : DUALPROP_F32, data + 1, size - 1, CALLS);
    return 0;
}
