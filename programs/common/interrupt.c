/*
 * interrupt.c - the one flag that a signal handler may set.
 */
#include "interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>

static volatile sig_atomic_t came;

static void remember(int signal_number)
{
    (void)signal_number;
    came = 1;
}

/* SA_RESETHAND: the next SIGINT has its default meaning again. SA_RESTART: a file being written is not disturbed. */
void interrupt_watch(void)
{
    struct sigaction action;

    memset(&action, 0, sizeof action);
    action.sa_handler = remember;
    action.sa_flags = SA_RESETHAND | SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
}

int interrupt_came(void)
{
    return came != 0;
}
