/*
 * blis_dense.c - the workspace that a dense layer's three directions share.
 */
#include "blis_dense.h"

/* Is the shape so large that sizes in bytes would overflow? */
static int is_beyond_dense(int64_t batch, int64_t inputs, int64_t outputs)
{
    int64_t limit = INT64_MAX / 64 / 64 / (DUALPROP__DEPTH * DUALPROP__MEMBERS);
    return batch > limit / inputs || batch > limit / outputs;
}

int64_t dualprop__blis_dense_workspace(void *self, int64_t batch, int64_t inputs, int64_t outputs)
{
    const dualprop__blis *blis = self;
    if (is_beyond_dense(batch, inputs, outputs)) return -1;
    int64_t bytes = dualprop__bottom_up_bytes(blis, batch, inputs, outputs);
    int64_t top_down = dualprop__top_down_bytes(blis, batch, inputs, outputs);
    int64_t gradient = dualprop__gradient_bytes(blis, batch, inputs, outputs);
    bytes = top_down > bytes ? top_down : bytes;
    return gradient > bytes ? gradient : bytes;
}

int64_t dualprop__blis_dense_bottom_up_workspace(void *self, int64_t batch, int64_t inputs, int64_t outputs)
{
    return is_beyond_dense(batch, inputs, outputs) ? -1 : dualprop__bottom_up_bytes(self, batch, inputs, outputs);
}
