/*
 * launch.h - how the processes of a run find each other: launch_alone.c for a program of one process, or
 * programs/mpi/launch_mpi.c, which is linked in its place.
 */
#ifndef PROGRAMS_LAUNCH_H
#define PROGRAMS_LAUNCH_H

#include "program_host.h"

/* Can several processes run this program together? Then it has the options --ranks and --patience. */
extern const int launch_joins;
/* What follows the program's name: "" or "-mpi". */
extern const char launch_suffix[];

/* Before the options are read, since a launcher may have added some of its own. Fills in owner->transport. */
dualprop_status launch_begin(host *owner, int *argc, char ***argv);
/* How long to wait for word from another process; seconds, 0: for ever. */
void launch_set_patience(double seconds);
/* End. Where a process is lost (owner->lost) this does not return: it ends all of them. */
void launch_end(host *owner, int exit_status);

#endif
