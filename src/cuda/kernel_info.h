/*
 * kernel_info.h - what every kernel is launched with beside its body and its number of elements.
 *
 * A device ignores it. Stand-ins of the CUDA runtime, in tests, find in it the kernel's name and a function
 * that does the same elements one after another on the host: all kernels have the arguments (body, count, info),
 * because they are launched in one place (launch.cuh).
 */
#ifndef DUALPROP_CUDA_KERNEL_INFO_H
#define DUALPROP_CUDA_KERNEL_INFO_H

#include <stddef.h>
#include <stdint.h>

#define DUALPROP__CUDA_KERNEL_INFO 0x4450544943u

typedef struct dualprop__cuda_kernel_info {
    uint64_t magic; /* DUALPROP__CUDA_KERNEL_INFO */
    const char *name;
    size_t body_size;
    void (*serial)(const void *body, int64_t count);
} dualprop__cuda_kernel_info;

#endif
