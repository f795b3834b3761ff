/*
 * run_paths.h - no file of a run takes the place of another.
 */
#ifndef PROGRAMS_RUN_PATHS_H
#define PROGRAMS_RUN_PATHS_H

#include "settings.h"

/* Refuse a log that is also the checkpoint, written or resumed, or the other log: INVALID_ARGUMENT, naming both
 * options; and one with something in it, unless the run is resumed. */
dualprop_status run_paths_check(host *owner, const settings *run);
/* Once the data set was read, and before anything is written: refuse to write a file of it, under whatever name. */
dualprop_status run_paths_check_data(host *owner, const settings *run);

#endif
