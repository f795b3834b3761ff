/*
 * faulty_io.h - POSIX files whose n-th call fails, or moves one byte only.
 */
#ifndef DUALPROP_TESTS_FAULTY_IO_H
#define DUALPROP_TESTS_FAULTY_IO_H

#include "dualprop/context.h"

#define FAULTY_IO_SHORT 1 /* an error number of our own: reads and writes move one byte */

typedef struct faulty_io {
    int calls;    /* so far */
    int fail_at;  /* the first call that fails, counted from 0 */
    int for_ever; /* do all later ones fail too? */
    int error;    /* an errno, or FAULTY_IO_SHORT */
    int open_files;
} faulty_io;

void faulty_io_arm(faulty_io *faulty, int fail_at, int for_ever, int error);
/* The table to put into dualprop_options; the faulty_io must outlive it. */
dualprop_io faulty_io_table(faulty_io *faulty);

#endif
