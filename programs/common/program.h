/*
 * program.h - what sets the training programs apart; all else is shared, the table of options first of all.
 *
 * An option means the same in every program; a program may have other defaults, and lacks what makes no sense for it.
 */
#ifndef PROGRAMS_PROGRAM_H
#define PROGRAMS_PROGRAM_H

#include "dataset.h"
#include "presets.h"
#include "settings.h"

struct program {
    const char *name;
    const char *key;             /* its name in checkpoints, which is that of earlier versions */
    const char *purpose;         /* a sentence for --help */
    const char *const *defaults; /* "option=value" where the table's default is not this program's; closed by NULL */
    const char *const *without;  /* options it does not have; closed by NULL */
    const preset *presets;       /* closed by one without a name */
    const char *notes;           /* lines at the end of --help; may be empty */
    int drops_last_batch;        /* a short batch at an epoch's end: left out (1) or trained on (0) */
    /* Fill in what depends on other options and was not given; said(row): was this option given? */
    void (*complete)(settings *run, int (*said)(const void *context, const char *option), const void *context);
    /* Add all layers to a network of the data set's input shape. */
    dualprop_status (*add_layers)(dualprop_network *network, host *owner, const settings *run, const dataset *data);
    /* Say in a few words what network that is. */
    void (*describe)(char *text, size_t size, const settings *run, const dataset *data);
};

/*
 * Everything main() does. Exit status: 0; 1 after a failure; 2 for a wrong option; 130 after Ctrl-C, 143 after SIGTERM,
 * 129 after SIGHUP.
 */
int program_main(const program *self, int argc, char **argv);

/* Does the program have the option of this row of the table? */
int program_has(const program *self, int row);
/* The row's default as a text; NULL or "": none. */
const char *program_default(const program *self, int row);

#endif
