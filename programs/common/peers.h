/*
 * peers.h - the processes of a run, each of which has read its own options and files: what they are, and whether all
 * can go on.
 *
 * Alone, all of this is nothing. Collective calls are marked: every process makes them, in the same order.
 */
#ifndef PROGRAMS_PEERS_H
#define PROGRAMS_PEERS_H

#include "program_host.h"

/* The most processes of a program, fewer than a group may have: as many losses are added up in one call. */
#define PEERS_MOST 4096

/* Which process this is, and how many there are, here and on how many machines. Collective. */
dualprop_status peers_begin(host *owner);

/*
 * Can all go on? Collective. Returns the status of the first process that cannot, or OK. Only the process whose failure
 * it is keeps its sentence, so that it is printed once.
 */
dualprop_status peers_agree(host *owner, dualprop_status status);

/* Give all processes the text that process 0 has; *text is for host_release(owner, *text, *size, 1). Collective. */
dualprop_status peers_text_of_first(char **text, uint64_t *size, host *owner, const char *own);
/* Refuse a text that is not process 0's; `what` names it. Collective, but for the failure, which is this process's. */
dualprop_status peers_compare_text(host *owner, const char *what, const char *own);

/* Threads for this process, so that all on this machine have as many CPUs as it has. */
int64_t peers_threads(const host *owner);

#endif
