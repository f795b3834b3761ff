/*
 * workbench.h - a workbench for one backend instance: guarded arrays of its type, the same random inputs for all, and a
 * record of everything a slot gave back.
 *
 * A case of the kernel table is one function that takes a workbench, makes inputs, calls a slot and records its
 * outputs. Run on two workbenches it makes the same inputs (all are rounded to float, so that both types hold the same
 * numbers), and the two records can be compared: within a tolerance against the reference, bit for bit between numbers
 * of threads.
 */
#ifndef DUALPROP_TESTS_WORKBENCH_H
#define DUALPROP_TESTS_WORKBENCH_H

#include <float.h>

#include "dualprop/backend.h"
#include "randomness.h"
#include "threaded_host.h"

#define BENCH_ARRAYS 48

/* A level for these functions alone: the blis backend, as wide as on AVX-512 (see wide.h). */
#define BENCH_WIDE (DUALPROP_LEVEL_AVX512 + 1)

/* Elements of the weights of a convolution as the host has them. */
int64_t bench_convolution_elements(const dualprop_convolution *shape);

/* A part of the record: what it is, and the natural size of its errors (of absolute ones, in units of epsilon). */
typedef struct bench_group {
    const char *label;
    int64_t first, count;
    double scale;
} bench_group;

typedef struct workbench {
    const dualprop_backend *backend;
    int type, level;
    threaded_host host;
    void *self;
    randomness random;
    void *arrays[BENCH_ARRAYS];
    int array_count;
    double *values;
    int64_t value_count, value_room;
    bench_group groups[BENCH_ARRAYS];
    int group_count;
} workbench;

/* What the backend's create gives at a level, or at BENCH_WIDE. */
dualprop_status bench_instance(void **self, const dualprop_backend *backend, const dualprop_host *host, int type,
                               int level);
/* Make an instance; a status other than OK is the backend's: not available here. */
dualprop_status bench_open(workbench *bench, const dualprop_backend *backend, int type, int level, int threads);
/* Destroy it; ends the test where it kept memory. */
void bench_close(workbench *bench);
/* Empty the record, release the arrays and start the random sequence `stream`. */
void bench_begin(workbench *bench, uint64_t stream);
/* Are the guards of all arrays intact? */
int bench_intact(const workbench *bench);

/* Arrays live until the next bench_begin(). Unwritten reals read as NaN. */
void *bench_reals(workbench *bench, int64_t count);
void *bench_zeros(workbench *bench, int64_t count);
void *bench_uniform(workbench *bench, int64_t count, double low, double high);
void *bench_bytes(workbench *bench, int64_t bytes);
/* Weights in the backend's layout. */
void *bench_weights(workbench *bench, int64_t inputs, int64_t outputs, double low, double high);
void *bench_convolution_weights(workbench *bench, const dualprop_convolution *shape, double low, double high);
void bench_set(const workbench *bench, void *reals, int64_t index, double value);
double bench_get(const workbench *bench, const void *reals, int64_t index);
size_t bench_real_size(const workbench *bench);

/* scale: see bench_group. */
void bench_record(workbench *bench, const char *label, const void *reals, int64_t count, double scale);
void bench_record_weights(workbench *bench, const char *label, const void *weights, int64_t inputs, int64_t outputs,
                          double scale);
void bench_record_convolution_weights(workbench *bench, const char *label, const dualprop_convolution *shape,
                                      const void *weights, double scale);
void bench_record_number(workbench *bench, const char *label, double value, double scale);

#endif
