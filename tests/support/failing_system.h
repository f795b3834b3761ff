/*
 * failing_system.h - calls of the C library that fail when a test says so.
 *
 * They are those that no limit of the system makes fail. The functions of these names in the test program come before
 * the C library's. Children that end by _exit() count where coverage is measured, which they would not.
 */
#ifndef DUALPROP_TESTS_FAILING_SYSTEM_H
#define DUALPROP_TESTS_FAILING_SYSTEM_H

enum {
    FAILING_GETRANDOM = 1,
    FAILING_AFFINITY = 2,     /* sched_getaffinity() */
    FAILING_LOCALE = 4,       /* newlocale() */
    FAILING_ATFORK = 8,       /* pthread_atfork() */
    FAILING_FSTAT = 16,       /* EIO */
    FAILING_FOLDER_SYNC = 32, /* fsync() of a folder: EINVAL, as some file systems say */
    FAILING_SYSCONF = 64
};

/* The calls that fail: a sum of the above. */
extern unsigned failing_system;

#endif
