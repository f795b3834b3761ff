/*
 * program.c - from main() to an exit status: options, then training or predicting. Errors are one line on stderr.
 */
#include "program.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "command_line.h"
#include "interrupt.h"
#include "run_file.h"
#include "standard_streams.h"
#include "trainer.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_SIGNALLED = 128 /* plus the signal */ };

int program_has(const program *self, int row)
{
    for (const char *const *name = self->without; *name != NULL; name++) {
        if (strcmp(setting_table[row].name, *name) == 0) return 0;
    }
    return 1;
}

const char *program_default(const program *self, int row)
{
    size_t length = strlen(setting_table[row].name);

    for (const char *const *entry = self->defaults; *entry != NULL; entry++) {
        if (strncmp(*entry, setting_table[row].name, length) == 0 && (*entry)[length] == '=') return *entry + length + 1;
    }
    return setting_table[row].initial;
}

/* Without a sentence it has been said before. */
static int complain(const host *owner, int exit_status)
{
    if (owner->message[0] != '\0') fprintf(stderr, "%s: %s\n", owner->program, owner->message);
    return exit_status;
}

/* Whose fault a status is: the options', or that of a file or the machine. */
static int exit_status_of(dualprop_status status)
{
    return status == DUALPROP_ERROR_INVALID_ARGUMENT || status == DUALPROP_ERROR_UNSUPPORTED ? EXIT_USAGE : EXIT_FAILED;
}

static int train(host *owner, const settings *run)
{
    trainer *session;
    int interrupted = 0;

    interrupt_watch();
    dualprop_status status = trainer_create(&session, owner, run);
    if (status != DUALPROP_OK) return complain(owner, exit_status_of(status));
    status = trainer_run(&interrupted, session);
    trainer_destroy(session);
    if (status != DUALPROP_OK) return complain(owner, EXIT_FAILED);
    return interrupted ? EXIT_SIGNALLED + interrupt_came() : EXIT_DONE;
}

static int predict(host *owner, const settings *run)
{
    return trainer_predict(owner, run) == DUALPROP_OK ? EXIT_DONE : complain(owner, EXIT_FAILED);
}

/* Options and, where a run is resumed, the settings in its checkpoint. */
static int settle(settings *run, host *owner, const program *self, const command_line *given)
{
    const char *resume = given->text[setting_find("resume")];
    json_t *stored = NULL;

    if (resume != NULL && *resume != '\0' && run_file_peek(&stored, owner, resume) != DUALPROP_OK)
        return complain(owner, EXIT_FAILED);
    dualprop_status status = command_line_settings(run, owner, self, given, stored);
    json_decref(stored);
    return status == DUALPROP_OK ? EXIT_DONE : complain(owner, exit_status_of(status));
}

static int answer(const program *self, const command_line *given)
{
    if (given->text[setting_find("help")] != NULL) command_line_help(stdout, self);
    else printf("%s (libdualprop) %s\n", self->name, dualprop_version_string());
    return EXIT_DONE;
}

static int run_program(const program *self, int argc, char **argv)
{
    static host owner; /* with its list of files too large for the frame */
    command_line given;
    settings run;

    host_init(&owner, self->name);
    if (command_line_read(&given, &owner, self, argc, argv) != DUALPROP_OK) return complain(&owner, EXIT_USAGE);
    if (given.text[setting_find("help")] != NULL || given.text[setting_find("version")] != NULL)
        return answer(self, &given);
    int status = settle(&run, &owner, self, &given);
    if (status != EXIT_DONE) return status;
    return run.predict != NULL ? predict(&owner, &run) : train(&owner, &run);
}

int program_main(const program *self, int argc, char **argv)
{
    standard_streams_hold();
    signal(SIGXFSZ, SIG_IGN); /* a file beyond the limit is an error like a full disk */
    int status = run_program(self, argc, argv);

    if (fflush(stdout) == 0 || status != EXIT_DONE) return status;
    fprintf(stderr, "%s: writing the results to stdout failed\n", self->name);
    return EXIT_FAILED;
}
