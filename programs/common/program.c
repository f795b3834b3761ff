/*
 * program.c - from main() to an exit status: options, then training or predicting. Errors are one line on stderr.
 */
#include "program.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "command_line.h"
#include "interrupt.h"
#include "launch.h"
#include "peers.h"
#include "run_file.h"
#include "standard_streams.h"
#include "trainer.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_SIGNALLED = 128 /* plus the signal */ };

/* Options of a program that several processes run together. */
static int is_of_launch(const char *name)
{
    return strcmp(name, "ranks") == 0 || strcmp(name, "patience") == 0;
}

int program_has(const program *self, int row)
{
    if (!launch_joins && is_of_launch(setting_table[row].name)) return 0;
    for (const char *const *name = self->without; *name != NULL; name++) {
        if (strcmp(setting_table[row].name, *name) == 0) return 0;
    }
    return 1;
}

const char *program_default(const program *self, int row)
{
    size_t length = strlen(setting_table[row].name);

    for (const char *const *entry = self->defaults; *entry != NULL; entry++) {
        if (strncmp(*entry, setting_table[row].name, length) == 0 && (*entry)[length] == '=')
            return *entry + length + 1;
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

    interrupt_watch(launch_joins);
    dualprop_status status = peers_agree(owner, trainer_create(&session, owner, run));
    if (status != DUALPROP_OK) {
        trainer_destroy(session);
        return complain(owner, exit_status_of(status));
    }
    status = peers_agree(owner, trainer_run(&interrupted, session));
    trainer_destroy(session);
    if (status != DUALPROP_OK) return complain(owner, EXIT_FAILED);
    return interrupted != 0 ? EXIT_SIGNALLED + interrupted : EXIT_DONE;
}

static int predict(host *owner, const settings *run)
{
    return trainer_predict(owner, run) == DUALPROP_OK ? EXIT_DONE : complain(owner, EXIT_FAILED);
}

static int export(host *owner, const settings *run)
{
    return trainer_export(owner, run) == DUALPROP_OK ? EXIT_DONE : complain(owner, EXIT_FAILED);
}

/* What is wrong with a checkpoint is no option's fault, whatever the library calls it. */
static dualprop_status fault_of_file(dualprop_status status)
{
    return exit_status_of(status) == EXIT_USAGE ? DUALPROP_ERROR_FORMAT : status;
}

/* Options and, where a run is resumed, the settings in its checkpoint. */
static dualprop_status read_settings(settings *run, host *owner, const program *self, const command_line *given)
{
    const char *resume = given->text[setting_find("resume")];
    json_t *stored = NULL;

    if (resume != NULL && *resume != '\0') TRY(fault_of_file(run_file_peek(&stored, owner, resume)));
    dualprop_status status = command_line_settings(run, owner, self, given, stored);
    json_decref(stored);
    return status;
}

/* One process writes; the others have nothing to say. */
static void keep_quiet(settings *run, const host *owner)
{
    if (owner->rank == 0) return;
    run->quiet = 1;
    run->checkpoint = run->log = NULL;
}

static int settle(settings *run, host *owner, const program *self, const command_line *given)
{
    dualprop_status status = peers_agree(owner, read_settings(run, owner, self, given));

    if (status != DUALPROP_OK) return complain(owner, exit_status_of(status));
    launch_set_patience(run->patience);
    status = peers_agree(owner, settings_compare(run, owner));
    if (status != DUALPROP_OK) return complain(owner, exit_status_of(status));
    keep_quiet(run, owner);
    return EXIT_DONE;
}

static int answer(const program *self, const command_line *given, const host *owner)
{
    if (owner->rank > 0) return EXIT_DONE;
    if (given->text[setting_find("help")] != NULL) command_line_help(stdout, self, owner->program);
    else printf("%s (libdualprop) %s\n", owner->program, dualprop_version_string());
    return EXIT_DONE;
}

static int run_program(host *owner, const program *self, int argc, char **argv)
{
    command_line given;
    settings run;

    if (peers_begin(owner) != DUALPROP_OK) return complain(owner, EXIT_FAILED);
    if (peers_agree(owner, command_line_read(&given, owner, self, argc, argv)) != DUALPROP_OK)
        return complain(owner, EXIT_USAGE);
    int is_question = given.text[setting_find("help")] != NULL || given.text[setting_find("version")] != NULL;
    /* A process that answered alone would keep the others waiting. */
    if (peers_agree(owner, peers_compare_text(owner, "choice of --help or --version", is_question ? "yes" : "no")) !=
        DUALPROP_OK)
        return complain(owner, EXIT_USAGE);
    if (is_question) return answer(self, &given, owner);
    int status = settle(&run, owner, self, &given);
    if (status != EXIT_DONE) return status;
    if (run.export_c != NULL) return export(owner, &run);
    return run.predict != NULL ? predict(owner, &run) : train(owner, &run);
}

static int run_and_flush(host *owner, const program *self, int argc, char **argv)
{
    int status = run_program(owner, self, argc, argv);

    int written = fflush(stdout) == 0 && !ferror(stdout);
    if (written || status != EXIT_DONE) return status;
    fprintf(stderr, "%s: writing the results to stdout failed\n", owner->program);
    return EXIT_FAILED;
}

int program_main(const program *self, int argc, char **argv)
{
    static host owner; /* with its list of files too large for the frame */
    char name[40];

    standard_streams_hold();
    signal(SIGXFSZ, SIG_IGN); /* a file beyond the limit is an error like a full disk */
    signal(SIGPIPE, SIG_IGN); /* and so is stdout whose reader has gone: the run goes on and is saved */
    snprintf(name, sizeof name, "%s%s", self->name, launch_suffix);
    host_init(&owner, name);
    int status = launch_begin(&owner, &argc, &argv) == DUALPROP_OK ? run_and_flush(&owner, self, argc, argv)
                                                                   : complain(&owner, EXIT_FAILED);
    launch_end(&owner, status);
    return status;
}
