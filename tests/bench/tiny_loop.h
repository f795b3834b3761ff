/*
 * tiny_loop.h - dual propagation of one dense network as one writes it in C for that network alone.
 *
 * A template: its includer defines NAME(x), and the widths N0, N1, N2 and N3 (N3 0: two layers of weights). Floats,
 * relu, squared error, DP^T with alpha 1/2 and beta 1/2, one pass up and down, plain SGD. Weights are
 * [inputs][outputs], and all sizes are constants, so that the compiler unrolls and vectorises what it can (-O3
 * -march=native).
 */

static struct {
    float w1[N0 * N1], b1[N1], w2[N1 * N2], b2[N2];
    float a1[N1], s1[N1], d1[N1], a2[N2], s2[N2], d2[N2];
#if N3
    float w3[N2 * N3], b3[N3], a3[N3], d3[N3];
#endif
} NAME(net);

static const float *NAME(predict)(const float *x)
{
    loop_up(N0, N1, NAME(net).a1, x, NAME(net).w1, NAME(net).b1);
    loop_relu(N1, NAME(net).s1, NAME(net).a1);
    loop_up(N1, N2, NAME(net).a2, NAME(net).s1, NAME(net).w2, NAME(net).b2);
#if N3
    loop_relu(N2, NAME(net).s2, NAME(net).a2);
    loop_up(N2, N3, NAME(net).a3, NAME(net).s2, NAME(net).w3, NAME(net).b3);
    return NAME(net).a3;
#else
    return NAME(net).a2;
#endif
}

/* Infer, and add the gradient times -rate / beta to the weights. */
static void NAME(learn)(const float *x, int label, float rate)
{
    NAME(predict)(x);
#if N3
    loop_output(N3, NAME(net).d3, NAME(net).a3, label);
    loop_down(N2, N3, NAME(net).d2, NAME(net).s2, NAME(net).a2, NAME(net).d3, NAME(net).w3);
#else
    loop_output(N2, NAME(net).d2, NAME(net).a2, label);
#endif
    loop_down(N1, N2, NAME(net).d1, NAME(net).s1, NAME(net).a1, NAME(net).d2, NAME(net).w2);
    loop_step(N0, N1, NAME(net).w1, NAME(net).b1, x, NAME(net).d1, rate);
    loop_step(N1, N2, NAME(net).w2, NAME(net).b2, NAME(net).s1, NAME(net).d2, rate);
#if N3
    loop_step(N2, N3, NAME(net).w3, NAME(net).b3, NAME(net).s2, NAME(net).d3, rate);
#endif
}

#undef NAME
#undef N0
#undef N1
#undef N2
#undef N3
