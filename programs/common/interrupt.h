/*
 * interrupt.h - Ctrl-C asks a run to stop; a second Ctrl-C ends it at once.
 */
#ifndef EXAMPLES_INTERRUPT_H
#define EXAMPLES_INTERRUPT_H

/* Watch for SIGINT from now on. */
void interrupt_watch(void);
/* Has it come? */
int interrupt_came(void);

#endif
