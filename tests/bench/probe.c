/*
 * probe.c - the ceiling: fused multiply-adds a second that this machine reaches now, on so many threads at once.
 *
 * usage: probe    reads a number of threads per line, answers with GFLOP/s on one line (0 if it cannot tell)
 *
 * Chains of multiply-adds in registers for some milliseconds, all threads together. It shows whether the machine is
 * quiet: less than its best means that the cores are shared, or slower than they could be.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#define MAX_THREADS 256
#define ROUNDS 3000000
#define CHAINS 12

typedef float wide __attribute__((vector_size(64)));
typedef float narrow __attribute__((vector_size(32)));

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

#if defined(__x86_64__)
#include <immintrin.h>

/* The empty assembly keeps the compiler from seeing that all chains compute the same. */
#define RUN(vector, multiply_add)                                                                                    \
    vector chains[CHAINS], factor = (vector){ 0 } + 0.999f, term = (vector){ 0 } + 0.001f;                           \
    _Pragma("GCC unroll 12") for (int c = 0; c < CHAINS; c++)                                                        \
    {                                                                                                                \
        chains[c] = factor;                                                                                          \
        __asm__ volatile("" : "+v"(chains[c]));                                                                      \
    }                                                                                                                \
    for (int i = 0; i < ROUNDS; i++)                                                                                 \
        _Pragma("GCC unroll 12") for (int c = 0; c < CHAINS; c++) chains[c] = multiply_add(chains[c], factor, term); \
    _Pragma("GCC unroll 12") for (int c = 0; c < CHAINS; c++) __asm__ volatile("" ::"v"(chains[c]));

__attribute__((target("avx512f"))) static void run_avx512(void)
{
    RUN(wide, _mm512_fmadd_ps)
}

__attribute__((target("avx2,fma"))) static void run_avx2(void)
{
    RUN(narrow, _mm256_fmadd_ps)
}

/* Operations a call makes, and the call. */
static double find(void (**run)(void))
{
    __builtin_cpu_init();
    *run = __builtin_cpu_supports("avx512f") ? run_avx512 : run_avx2;
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 0;
    return 2.0 * CHAINS * ROUNDS * (*run == run_avx512 ? 16 : 8);
}
#else
static double find(void (**run)(void))
{
    *run = NULL;
    return 0;
}
#endif

static void *thread_main(void *run)
{
    (*(void (**)(void))run)();
    return NULL;
}

static double measure(int threads)
{
    pthread_t made[MAX_THREADS];
    void (*run)(void);
    double operations = find(&run);
    if (operations == 0) return 0;
    double start = now();
    for (int i = 1; i < threads; i++)
        if (pthread_create(&made[i], NULL, thread_main, &run) != 0) return 0;
    run();
    for (int i = 1; i < threads; i++) pthread_join(made[i], NULL);
    return operations * threads / (now() - start) * 1e-9;
}

int main(void)
{
    int threads;
    while (scanf("%d", &threads) == 1) {
        printf("%.2f\n", threads >= 1 && threads <= MAX_THREADS ? measure(threads) : 0);
        fflush(stdout);
    }
    return 0;
}
