/*
 * worker_blis.c - what BLIS alone makes of a step's products: times bli_sgemm on their very shapes, on command.
 *
 * usage: worker_blis THREADS BATCH WIDTHS    e.g.  worker_blis 2 50 784,512,512,10
 *
 * The products of one training step with one pass (fw-bw, K = 1): bottom-up of every layer, top-down of all but the
 * first, the gradient of every layer; no biases, activations or learning. BLIS runs with one thread a call: each
 * product is cut across the longer side of its result, one strip a thread, and the threads meet after each. The
 * protocol is that of worker_dualprop.c.
 */
#include <blis.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_WIDTHS 16
#define MAX_THREADS 64
/* Strips begin at multiples of it, so that micro-tiles are whole. */
#define GRAIN 16

/* c [rows, columns] = a b; row-major, or transposed by strides. */
struct product {
    int64_t rows, columns, depth;
    float *a, *b, *c;
    int64_t a_row, a_column, b_row, b_column;
};

static struct product products[3 * MAX_WIDTHS];
static int product_count, thread_count;
static atomic_int arrived, turn;

static void *zeroed(int64_t rows, int64_t columns)
{
    float *made = aligned_alloc(64, ((size_t)(rows * columns) * sizeof(float) / 64 + 1) * 64);
    if (!made) exit(1);
    for (int64_t i = 0; i < rows * columns; i++) made[i] = (float)(i % 13) / 13.0f - 0.4f;
    return made;
}

static void add(int64_t rows, int64_t columns, int64_t depth, float *a, int a_transposed, float *b, int b_transposed)
{
    products[product_count++] = (struct product){
        .rows = rows,
        .columns = columns,
        .depth = depth,
        .a = a,
        .b = b,
        .c = zeroed(rows, columns),
        .a_row = a_transposed ? 1 : depth,
        .a_column = a_transposed ? rows : 1,
        .b_row = b_transposed ? 1 : columns,
        .b_column = b_transposed ? depth : 1,
    };
}

static void plan(int64_t batch, const int64_t *widths, int count)
{
    float *means[MAX_WIDTHS], *deltas[MAX_WIDTHS], *weights[MAX_WIDTHS];
    for (int k = 0; k < count; k++) {
        means[k] = zeroed(batch, widths[k]);
        deltas[k] = zeroed(batch, widths[k]);
        weights[k] = k > 0 ? zeroed(widths[k - 1], widths[k]) : NULL;
    }
    for (int k = 1; k < count; k++) add(batch, widths[k], widths[k - 1], means[k - 1], 0, weights[k], 0);
    for (int k = count - 1; k > 1; k--) add(batch, widths[k - 1], widths[k], deltas[k], 0, weights[k], 1);
    for (int k = 1; k < count; k++) add(widths[k - 1], widths[k], batch, means[k - 1], 1, deltas[k], 0);
}

static void multiply(const struct product *p, int64_t row, int64_t rows, int64_t column, int64_t columns)
{
    float one = 1, zero = 0;
    if (rows <= 0 || columns <= 0) return;
    bli_sgemm(BLIS_NO_TRANSPOSE, BLIS_NO_TRANSPOSE, rows, columns, p->depth, &one, p->a + row * p->a_row, p->a_row,
              p->a_column, p->b + column * p->b_column, p->b_row, p->b_column, &zero, p->c + row * p->columns + column,
              p->columns, 1);
}

static void run_strip(const struct product *p, int member)
{
    int by_columns = p->columns >= p->rows;
    int64_t whole = by_columns ? p->columns : p->rows;
    int64_t grains = (whole + GRAIN - 1) / GRAIN, share = (grains + thread_count - 1) / thread_count * GRAIN;
    int64_t first = member * share, length = whole - first < share ? whole - first : share;
    if (by_columns) multiply(p, 0, p->rows, first, length);
    else multiply(p, first, length, 0, p->columns);
}

/* All threads meet; the last to come lets the others go. */
static void meet(void)
{
    int now = atomic_load(&turn);
    if (atomic_fetch_add(&arrived, 1) == thread_count - 1) {
        atomic_store(&arrived, 0);
        atomic_store(&turn, now + 1);
        return;
    }
    for (int spins = 0; atomic_load(&turn) == now; spins++)
        if (spins > 100000) sched_yield();
}

static void run_step(int member)
{
    for (int i = 0; i < product_count; i++) {
        run_strip(&products[i], member);
        meet();
    }
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t command = PTHREAD_COND_INITIALIZER;
static int steps_wanted, commands;

/* Sleeps between commands, as the other workers do. */
static void *helper(void *argument)
{
    int member = (int)(intptr_t)argument, seen = 0;
    for (;;) {
        pthread_mutex_lock(&lock);
        while (commands == seen) pthread_cond_wait(&command, &lock);
        seen = commands;
        int steps = steps_wanted;
        pthread_mutex_unlock(&lock);
        for (int i = 0; i < steps; i++) {
            meet();
            run_step(member);
        }
    }
    return NULL;
}

static double now_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec * 1e-6;
}

static void run_steps(int steps)
{
    pthread_mutex_lock(&lock);
    steps_wanted = steps;
    commands++;
    pthread_cond_broadcast(&command);
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < steps; i++) {
        meet();
        double start = now_ms();
        run_step(0);
        printf("%.6f%c", now_ms() - start, i == steps - 1 ? '\n' : ' ');
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    int64_t widths[MAX_WIDTHS];
    int count = 0, steps;
    pthread_t made;
    if (argc != 4) return 2;
    thread_count = atoi(argv[1]);
    for (char *word = strtok(argv[3], ","); word && count < MAX_WIDTHS; word = strtok(NULL, ","))
        widths[count++] = atoll(word);
    if (thread_count < 1 || thread_count > MAX_THREADS || atoll(argv[2]) < 1 || count < 2) return 2;
    plan(atoll(argv[2]), widths, count);
    for (int i = 1; i < thread_count; i++)
        if (pthread_create(&made, NULL, helper, (void *)(intptr_t)i) != 0) return 1;
    while (scanf("%d", &steps) == 1 && steps > 0) run_steps(steps);
    return 0;
}
