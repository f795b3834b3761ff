/*
 * command_line.h - from argv to settings, through presets and the checkpoint that is resumed.
 *
 * The first that has a value wins: the command line, the preset, the checkpoint, the default. What the checkpoint fixes
 * may be said again on the command line, but not otherwise.
 */
#ifndef PROGRAMS_COMMAND_LINE_H
#define PROGRAMS_COMMAND_LINE_H

#include <jansson.h>
#include <stdio.h>

#include "settings.h"

#define COMMAND_ROWS 96
/* What a checkpoint's settings call the program that made it. */
#define PROGRAM_KEY "program"

/* The text given for each row of setting_table, or NULL. */
typedef struct command_line {
    const char *text[COMMAND_ROWS];
} command_line;

/* Read argv (exact names, "--name value" or "--name=value", nothing else), then the preset it names. */
dualprop_status command_line_read(command_line *out, host *owner, const program *self, int argc, char **argv);
/*
 * Fill in settings. stored is what settings_store() gave when the checkpoint was written, or NULL. A failure that is
 * the checkpoint's rather than the command line's has the status FORMAT.
 */
dualprop_status command_line_settings(settings *out, host *owner, const program *self, const command_line *given,
                                      const json_t *stored);
/* What a checkpoint keeps: a new object of option names and values. NULL: no memory. */
json_t *settings_store(const settings *self);
/* Refuse settings that are not those of process 0, naming the first option. Collective, but for the failure. */
dualprop_status settings_compare(const settings *self, host *owner);

/* `name` is the program's as it was built: dualprop-mlp, or dualprop-mlp-mpi. */
void command_line_help(FILE *stream, const program *self, const char *name);

#endif
