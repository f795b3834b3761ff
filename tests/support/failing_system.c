/*
 * failing_system.c - see failing_system.h.
 */
#include "failing_system.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

unsigned failing_system;

/* MemorySanitizer has functions of these names itself, which it calls before there is anything else, and which tell it
 * what the system has written: tests that set failing_system are none of its suites (Makefile). */
#if defined(__has_feature)
#if __has_feature(memory_sanitizer)
#define LEAVE_THE_SYSTEM
#endif
#endif
#ifndef LEAVE_THE_SYSTEM

/* The C library's own function of this name. */
#define REAL(type, name) ((type)(uintptr_t)dlsym(RTLD_NEXT, name))

ssize_t getrandom(void *buffer, size_t size, unsigned flags)
{
    if (!(failing_system & FAILING_GETRANDOM)) return syscall(SYS_getrandom, buffer, size, flags);
    errno = EAGAIN;
    return -1;
}

int sched_getaffinity(pid_t process, size_t size, cpu_set_t *mask)
{
    if (!(failing_system & FAILING_AFFINITY))
        return REAL(int (*)(pid_t, size_t, cpu_set_t *), "sched_getaffinity")(process, size, mask);
    errno = EINVAL;
    return -1;
}

long sysconf(int name)
{
    return failing_system & FAILING_SYSCONF ? -1 : REAL(long (*)(int), "sysconf")(name);
}

locale_t newlocale(int mask, const char *name, locale_t base)
{
    if (failing_system & FAILING_LOCALE) return (locale_t)0;
    return REAL(locale_t(*)(int, const char *, locale_t), "newlocale")(mask, name, base);
}

int fstat(int file, struct stat *about)
{
    if (!(failing_system & FAILING_FSTAT)) return fstatat(file, "", about, AT_EMPTY_PATH);
    errno = EIO;
    return -1;
}

int fsync(int file)
{
    struct stat about;
    if (!(failing_system & FAILING_FOLDER_SYNC) || fstat(file, &about) != 0 || !S_ISDIR(about.st_mode))
        return (int)syscall(SYS_fsync, file);
    errno = EINVAL;
    return -1;
}

/* The C library's own is in a part that is linked statically; this is what it calls. */
extern int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *library);
extern void *__dso_handle;

int pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
    return failing_system & FAILING_ATFORK ? ENOMEM : __register_atfork(prepare, parent, child, &__dso_handle);
}

/* ---- children that end by _exit() ---- */

extern void __gcov_dump(void) __attribute__((weak));

void _exit(int status)
{
    if (__gcov_dump) __gcov_dump();
    for (;;) syscall(SYS_exit_group, status);
}

#endif
