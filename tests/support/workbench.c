/*
 * workbench.c - see workbench.h.
 */
#include "workbench.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "guard.h"
#include "wide.h"

dualprop_status bench_instance(void **self, const dualprop_backend *backend, const dualprop_host *host, int type,
                               int level)
{
    if (level != BENCH_WIDE) return backend->create(self, host, type, level);
    dualprop_status status = backend->create(self, host, type, DUALPROP_LEVEL_AUTO);
    if (status == DUALPROP_OK) wide_install(*self);
    return status;
}

dualprop_status bench_open(workbench *bench, const dualprop_backend *backend, int type, int level, int threads)
{
    memset(bench, 0, sizeof *bench);
    bench->backend = backend;
    bench->type = type;
    bench->level = level;
    threaded_host_init(&bench->host, threads);
    return bench_instance(&bench->self, backend, &bench->host.host, type, level);
}

/* On a device what was asked for may not have been done yet. */
static void wait_for(const workbench *bench)
{
    if (bench->self && !(bench->backend->flags & DUALPROP_BACKEND_HOST_MEMORY))
        ck_assert_int_eq(bench->backend->synchronize(bench->self), DUALPROP_OK);
}

static void release_arrays(workbench *bench)
{
    if (bench->array_count > 0) wait_for(bench);
    for (int i = 0; i < bench->array_count; i++) guard_destroy(bench->arrays[i]);
    bench->array_count = 0;
}

void bench_close(workbench *bench)
{
    release_arrays(bench);
    free(bench->values);
    bench->backend->destroy(bench->self);
    ck_assert_msg(atomic_load(&bench->host.memory.live_blocks) == 0, "%s kept memory after destroy",
                  bench->backend->name);
    ck_assert_msg(atomic_load(&bench->host.memory.misuse) == 0, "%s gave memory back with another size",
                  bench->backend->name);
}

void bench_begin(workbench *bench, uint64_t stream)
{
    release_arrays(bench);
    bench->value_count = 0;
    bench->group_count = 0;
    bench->random = random_start(stream);
}

int bench_intact(const workbench *bench)
{
    wait_for(bench);
    for (int i = 0; i < bench->array_count; i++)
        if (!guard_intact(bench->arrays[i])) return 0;
    return 1;
}

/* ---- arrays ---- */

size_t bench_real_size(const workbench *bench)
{
    return bench->type == DUALPROP_F32 ? sizeof(float) : sizeof(double);
}

void *bench_bytes(workbench *bench, int64_t bytes)
{
    ck_assert_int_lt(bench->array_count, BENCH_ARRAYS);
    return bench->arrays[bench->array_count++] = guard_create((size_t)bytes);
}

void *bench_reals(workbench *bench, int64_t count)
{
    return bench_bytes(bench, count * (int64_t)bench_real_size(bench));
}

void bench_set(const workbench *bench, void *reals, int64_t index, double value)
{
    if (bench->type == DUALPROP_F32) ((float *)reals)[index] = (float)value;
    else ((double *)reals)[index] = value;
}

static double value_at(const workbench *bench, const void *reals, int64_t index)
{
    return bench->type == DUALPROP_F32 ? (double)((const float *)reals)[index] : ((const double *)reals)[index];
}

double bench_get(const workbench *bench, const void *reals, int64_t index)
{
    wait_for(bench);
    return value_at(bench, reals, index);
}

void *bench_zeros(workbench *bench, int64_t count)
{
    void *reals = bench_reals(bench, count);
    memset(reals, 0, (size_t)count * bench_real_size(bench));
    return reals;
}

void *bench_uniform(workbench *bench, int64_t count, double low, double high)
{
    void *reals = bench_reals(bench, count);
    for (int64_t i = 0; i < count; i++)
        bench_set(bench, reals, i, (double)(float)random_uniform(&bench->random, low, high));
    return reals;
}

void *bench_weights(workbench *bench, int64_t inputs, int64_t outputs, double low, double high)
{
    void *plain = bench_uniform(bench, inputs * outputs, low, high);
    void *weights = bench_zeros(bench, bench->backend->weight_elements(bench->self, inputs, outputs));
    ck_assert_int_eq(bench->backend->write_weights(bench->self, weights, plain, inputs, outputs), DUALPROP_OK);
    return weights;
}

int64_t bench_convolution_elements(const dualprop_convolution *shape)
{
    int64_t places = shape->kind == DUALPROP_LAYER_LOCAL ? shape->map_height * shape->map_width : 1;
    return places * shape->kernel_height * shape->kernel_width * shape->channels * shape->outputs;
}

void *bench_convolution_weights(workbench *bench, const dualprop_convolution *shape, double low, double high)
{
    const dualprop_backend *backend = bench->backend;
    void *plain = bench_uniform(bench, bench_convolution_elements(shape), low, high);
    void *weights = bench_zeros(bench, backend->convolution_weight_elements(bench->self, shape));
    ck_assert_int_eq(backend->write_convolution_weights(bench->self, shape, weights, plain), DUALPROP_OK);
    return weights;
}

/* ---- the record ---- */

static double *extend(workbench *bench, const char *label, int64_t count, double scale)
{
    int64_t first = bench->value_count;
    ck_assert_int_lt(bench->group_count, BENCH_ARRAYS);
    bench->groups[bench->group_count++] = (bench_group){ label, first, count, scale };
    bench->value_count += count;
    if (bench->value_count > bench->value_room) {
        bench->value_room = 2 * bench->value_count;
        bench->values = realloc(bench->values, (size_t)bench->value_room * sizeof(double));
        ck_assert_ptr_nonnull(bench->values);
    }
    return bench->values + first;
}

void bench_record(workbench *bench, const char *label, const void *reals, int64_t count, double scale)
{
    double *values = extend(bench, label, count, scale);
    wait_for(bench);
    for (int64_t i = 0; i < count; i++) values[i] = value_at(bench, reals, i);
}

void bench_record_weights(workbench *bench, const char *label, const void *weights, int64_t inputs, int64_t outputs,
                          double scale)
{
    void *plain = bench_reals(bench, inputs * outputs);
    ck_assert_int_eq(bench->backend->read_weights(bench->self, plain, weights, inputs, outputs), DUALPROP_OK);
    bench_record(bench, label, plain, inputs * outputs, scale);
}

void bench_record_convolution_weights(workbench *bench, const char *label, const dualprop_convolution *shape,
                                      const void *weights, double scale)
{
    int64_t count = bench_convolution_elements(shape);
    void *plain = bench_reals(bench, count);
    ck_assert_int_eq(bench->backend->read_convolution_weights(bench->self, shape, plain, weights), DUALPROP_OK);
    bench_record(bench, label, plain, count, scale);
}

void bench_record_number(workbench *bench, const char *label, double value, double scale)
{
    *extend(bench, label, 1, scale) = value;
}
