/*
 * faulty_io.h - POSIX files whose n-th call fails, moves one byte only, or is the process's last.
 */
#ifndef DUALPROP_TESTS_FAULTY_IO_H
#define DUALPROP_TESTS_FAULTY_IO_H

#include "dualprop/context.h"

#define FAULTY_IO_SHORT 1 /* error numbers of our own: reads and writes move one byte */
#define FAULTY_IO_KILL 2  /* SIGKILL at this call, in the middle of a write */

typedef struct faulty_io {
    int calls;    /* so far */
    int fail_at;  /* the first call that fails, counted from 0 */
    int for_ever; /* do all later ones fail too? */
    int error;    /* an errno, or FAULTY_IO_... */
    int open_files;
} faulty_io;

void faulty_io_arm(faulty_io *faulty, int fail_at, int for_ever, int error);
/* The table to put into dualprop_options; the faulty_io must outlive it. */
dualprop_io faulty_io_table(faulty_io *faulty);

#endif
