/*
 * standard_streams.h - descriptors 0 to 2 kept for what programs use them for.
 */
#ifndef PROGRAMS_STANDARD_STREAMS_H
#define PROGRAMS_STANDARD_STREAMS_H

/* Take the places of streams that the program was started without, so that no file of ours gets their descriptors and
 * with them what is printed. Reading and writing them fails as it did. For the beginning of main(). */
void standard_streams_hold(void);

#endif
