/*
 * run_file.h - a run in a checkpoint: network, rule and optimizer as the library writes them, and two texts of ours,
 * run.settings and run.position. Where there is a validation set, also the parameters that did best on it, as tensors
 * best.layer1.weight and so on.
 */
#ifndef PROGRAMS_RUN_FILE_H
#define PROGRAMS_RUN_FILE_H

#include "run_position.h"

/* What a run is made of, borrowed. */
typedef struct run_parts {
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_optimizer *optimizer;
    dualprop_state *state;  /* to save what it carries on; NULL: nothing. Not made again by run_file_read() */
    dualprop_network *best; /* on the validation set; NULL: there is no such set, or nothing has been trained */
} run_parts;

/* Refuse a path that cannot become a file: a folder that is not there or not writable, a directory, a device. */
dualprop_status run_file_check(host *owner, const char *path);
/* Try what saving will need, before the run: the name of a temporary file beside path, and room for `bytes`. */
dualprop_status run_file_try(host *owner, const char *path, uint64_t bytes);
/* Replace the file at path; on failure the old one stays. */
dualprop_status run_file_write(host *owner, const char *path, dualprop_context *context, const run_parts *parts,
                               const settings *run, const run_position *position);
/* Read the settings only; *stored is the caller's to json_decref(). Needs no context: it makes a small one. */
dualprop_status run_file_peek(json_t **stored, host *owner, const char *path);
/* Make the parts again, and the position; position may be NULL, and then only the networks are made. */
dualprop_status run_file_read(run_parts *parts, run_position *position, host *owner, const char *path,
                              dualprop_context *context);

/* Give the state what the file's run carried from one inference to the next. */
dualprop_status run_file_read_state(dualprop_state *state, host *owner, const char *path, dualprop_context *context);

#endif
