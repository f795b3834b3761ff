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
    came = signal_number;
}

/*
 * SA_RESETHAND: the next signal of the kind has its default meaning again. SA_RESTART: a file being written is not
 * disturbed. SIGHUP that is ignored stays ignored: nohup ignores it so that a run outlives its terminal.
 */
void interrupt_watch(int with_user_signal)
{
    static const int watched[] = { SIGINT, SIGTERM, SIGHUP, SIGUSR1 };
    struct sigaction action, before;

    memset(&action, 0, sizeof action);
    action.sa_handler = remember;
    action.sa_flags = SA_RESETHAND | SA_RESTART;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof watched / sizeof watched[0] - !with_user_signal; i++) {
        if (sigaction(watched[i], NULL, &before) == 0 && before.sa_handler == SIG_IGN && watched[i] == SIGHUP) continue;
        sigaction(watched[i], &action, NULL);
    }
}

int interrupt_came(void)
{
    return came;
}
