/*
 * build_run.h - from settings to the library's handles.
 */
#ifndef PROGRAMS_BUILD_RUN_H
#define PROGRAMS_BUILD_RUN_H

#include "dataset.h"
#include "run_file.h"

dualprop_status build_context(dualprop_context **context, host *owner, const settings *run);
/* New network, rule and optimizer for a data set, initialised from the seed; batches are steps per epoch. */
dualprop_status build_parts(run_parts *parts, host *owner, const settings *run, dualprop_context *context,
                            const dataset *data, int64_t batches);
/* Read them from settings->resume, and hold the network against the data set. */
dualprop_status build_resumed(run_parts *parts, run_position *position, host *owner, const settings *run,
                              dualprop_context *context, const dataset *data);
void parts_destroy(run_parts *parts);

#endif
