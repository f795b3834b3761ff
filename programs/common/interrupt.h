/*
 * interrupt.h - Ctrl-C, SIGTERM and SIGHUP ask a run to stop; the same signal a second time ends it at once.
 */
#ifndef PROGRAMS_INTERRUPT_H
#define PROGRAMS_INTERRUPT_H

/*
 * Watch for the three signals from now on, except for SIGHUP where it is ignored (nohup); with_user_signal: for SIGUSR1
 * too, which mpirun passes on to all processes.
 */
void interrupt_watch(int with_user_signal);
/* The number of the signal that came, or 0. */
int interrupt_came(void);

#endif
