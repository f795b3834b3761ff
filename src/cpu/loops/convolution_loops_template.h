/*
 * convolution_loops_template.h - all loops of convolution_loops.h, for one type and one instruction set.
 *
 * Its includer defines REAL, FORMULA(name), TABLE, VECTOR_BYTES and MULTIPLY_ADD(x, y, z), which is x y + z, and where
 * vectors of eight floats are available FLOATS_OF_EIGHT.
 */
#include "gather_template.h"
#include "pooling_template.h"
#include "winograd_template.h"

const dualprop__convolution_loops TABLE = {
    .lanes = VECTOR_BYTES / (int64_t)sizeof(REAL),
    .interleave = FORMULA(interleave),
    .gather = FORMULA(gather),
    .pool_max = FORMULA(pool_max),
    .pool_average = FORMULA(pool_average),
    .unpool = FORMULA(unpool),
    .large = WINOGRAD_LOOPS(large, 4, 6, 6, -1),
    .small = WINOGRAD_LOOPS(small, 2, 2, 3, 0),
};

#undef WINOGRAD_LOOPS
#undef REAL
#undef FORMULA
#undef TABLE
#undef MULTIPLY_ADD
#undef FLOATS_OF_EIGHT
