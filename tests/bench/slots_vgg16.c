/*
 * slots_vgg16.c - where a VGG16 step's time goes: the three directions of each layer, timed within whole steps.
 *
 * usage: slots_vgg16 RULE ALPHA SCHEDULE PASSES THREADS BATCH STEPS
 *
 * The library works on a table of ours, the blis backend's with a clock around the products. What is fused with them
 * (dyad update, learning step) counts as theirs, the preparation of filters as bottom-up's. One JSON line a layer and
 * direction: least and median milliseconds a call, calls a step, and at the least time the products made (after
 * Winograd has saved most of them; two operations each) as GFLOP/s, and those of the definition.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/blis/blis_winograd.h"
#include "vgg16_step.h"

enum { LAYERS = 64, CALLS = 4096 };
static const char *const directions[] = { "bottom-up", "top-down", "gradient" };

/* One direction of all layers of one shape. */
struct slot {
    int direction;
    int64_t inputs, outputs, side;
    double products, definition; /* multiply-adds */
    double calls[CALLS];
    int count;
};
static struct slot slots[LAYERS];
static int used;
static double preparing;

static struct slot *slot_of(int direction, int64_t inputs, int64_t outputs, int64_t side)
{
    for (struct slot *slot = slots; slot < slots + used; slot++)
        if (slot->direction == direction && slot->inputs == inputs && slot->outputs == outputs && slot->side == side)
            return slot;
    if (used == LAYERS) exit(1);
    slots[used] = (struct slot){ .direction = direction, .inputs = inputs, .outputs = outputs, .side = side };
    return &slots[used++];
}

static void add_call(struct slot *slot, double started)
{
    if (slot->count < CALLS) slot->calls[slot->count++] = now_ms() - started;
}

/* ---- the slots ---- */

#define OURS dualprop__blis_backend

static struct slot *dense_slot(int direction, const dualprop_dense *shape)
{
    struct slot *slot = slot_of(direction, shape->inputs, shape->outputs, 0);
    slot->products = slot->definition = (double)(shape->batch * shape->inputs * shape->outputs);
    return slot;
}

static struct slot *convolution_slot(void *self, int direction, const dualprop_convolution *shape)
{
    struct slot *slot = slot_of(direction, shape->channels, shape->outputs, shape->height);
    double pairs = (double)(shape->channels * shape->outputs);
    slot->definition = pairs * (double)(shape->batch * shape->map_height * shape->map_width * 9);
    slot->products = slot->definition;
    if (dualprop__winograd_fits(self, shape)) {
        dualprop__tiles tiles = dualprop__tiles_of(self, shape, shape->channels);
        slot->products = pairs * (double)(tiles.rows * tiles.columns * tiles.loops->planes);
    }
    return slot;
}

static dualprop_status dense_bottom_up(void *self, const dualprop_dense *shape, void *a, const void *x,
                                       const void *weights, const void *bias, const dualprop_dyad *dyad)
{
    double started = now_ms();
    dualprop_status status = OURS.dense_bottom_up(self, shape, a, x, weights, bias, dyad);
    add_call(dense_slot(0, shape), started);
    return status;
}

static dualprop_status dense_top_down(void *self, const dualprop_dense *shape, void *top_down, const void *delta,
                                      const void *weights, const dualprop_dyad *dyad)
{
    double started = now_ms();
    dualprop_status status = OURS.dense_top_down(self, shape, top_down, delta, weights, dyad);
    add_call(dense_slot(1, shape), started);
    return status;
}

static dualprop_status dense_gradient(void *self, const dualprop_dense *shape, void *gradient, void *bias_gradient,
                                      const void *x, const void *delta, double scale, int accumulate,
                                      const dualprop_step_numbers *step, void *weights, void *bias, void *moments[4])
{
    double started = now_ms();
    dualprop_status status = OURS.dense_gradient(self, shape, gradient, bias_gradient, x, delta, scale, accumulate,
                                                 step, weights, bias, moments);
    add_call(dense_slot(2, shape), started);
    return status;
}

static dualprop_status convolution_prepare(void *self, const dualprop_convolution *shape, const void *weights)
{
    double started = now_ms();
    dualprop_status status = OURS.convolution_prepare(self, shape, weights);
    preparing += now_ms() - started;
    return status;
}

static dualprop_status convolution_bottom_up(void *self, const dualprop_convolution *shape, void *a, uint8_t *switches,
                                             const void *x, const void *weights, const void *bias,
                                             const dualprop_dyad *dyad)
{
    double started = now_ms() - preparing;
    preparing = 0;
    dualprop_status status = OURS.convolution_bottom_up(self, shape, a, switches, x, weights, bias, dyad);
    add_call(convolution_slot(self, 0, shape), started);
    return status;
}

static dualprop_status convolution_top_down(void *self, const dualprop_convolution *shape, void *top_down,
                                            const void *delta, const uint8_t *switches, const void *weights,
                                            const dualprop_dyad *dyad)
{
    double started = now_ms();
    dualprop_status status = OURS.convolution_top_down(self, shape, top_down, delta, switches, weights, dyad);
    add_call(convolution_slot(self, 1, shape), started);
    return status;
}

static dualprop_status convolution_gradient(void *self, const dualprop_convolution *shape, void *gradient,
                                            void *bias_gradient, const void *x, const void *delta,
                                            const uint8_t *switches, double scale, int accumulate,
                                            const dualprop_step_numbers *step, void *weights, void *bias,
                                            void *moments[4])
{
    double started = now_ms();
    dualprop_status status = OURS.convolution_gradient(self, shape, gradient, bias_gradient, x, delta, switches, scale,
                                                       accumulate, step, weights, bias, moments);
    add_call(convolution_slot(self, 2, shape), started);
    return status;
}

static dualprop_backend timed_table(void)
{
    dualprop_backend table = OURS;
    table.dense_bottom_up = dense_bottom_up;
    table.dense_top_down = dense_top_down;
    table.dense_gradient = dense_gradient;
    table.convolution_prepare = convolution_prepare;
    table.convolution_bottom_up = convolution_bottom_up;
    table.convolution_top_down = convolution_top_down;
    table.convolution_gradient = convolution_gradient;
    return table;
}

/* ---- the report ---- */

static int by_value(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

static double sort_and_find_median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, by_value);
    return values[count / 2];
}

static void say_slot(struct slot *slot, int steps, const char *threads)
{
    double median = sort_and_find_median(slot->calls, slot->count);
    printf("{\"name\": \"vgg16-slot\", \"threads\": %s, \"direction\": \"%s\", \"inputs\": %lld, \"outputs\": %lld, "
           "\"side\": %lld, \"calls_a_step\": %d, \"ms\": {\"min\": %.3f, \"median\": %.3f}, \"gflops\": %.1f, "
           "\"gflops_of_definition\": %.1f}\n",
           threads, directions[slot->direction], (long long)slot->inputs, (long long)slot->outputs,
           (long long)slot->side, slot->count / steps, slot->calls[0], median, 2e-6 * slot->products / slot->calls[0],
           2e-6 * slot->definition / slot->calls[0]);
}

static void forget_calls(void)
{
    for (int i = 0; i < used; i++) slots[i].count = 0;
}

int main(int argc, char **argv)
{
    static double times[CALLS];
    struct bench bench = { 0 };
    if (argc != 8) return 2;
    int steps = atoi(argv[7]);
    if (steps < 1 || steps > CALLS) return 2;
    dualprop_backend table = timed_table();
    vgg16_create(&bench, argv + 1, &table);
    for (int i = 0; i < 2; i++) vgg16_step(&bench);
    forget_calls();
    for (int i = 0; i < steps; i++) times[i] = vgg16_step(&bench);
    for (int i = 0; i < used; i++) say_slot(&slots[i], steps, argv[5]);
    double median = sort_and_find_median(times, steps);
    printf("{\"name\": \"vgg16-slots-step\", \"threads\": %s, \"ms\": {\"min\": %.3f, \"median\": %.3f}}\n", argv[5],
           times[0], median);
    return 0;
}
