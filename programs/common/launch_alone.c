/*
 * launch_alone.c - a run of one process.
 */
#include "launch.h"

const int launch_joins = 0;
const char launch_suffix[] = "";

dualprop_status launch_begin(host *owner, int *argc, char ***argv)
{
    (void)owner, (void)argc, (void)argv;
    return DUALPROP_OK;
}

void launch_set_patience(double seconds)
{
    (void)seconds;
}

void launch_end(host *owner, int exit_status)
{
    (void)owner, (void)exit_status;
}
