/*
 * mlp.c - a dense network on images, trained by dual propagation: the program behind `make demo`.
 *
 *     mlp --epochs 5 --diagnostics angle --log run.jsonl --checkpoint run.safetensors
 *     mlp --resume run.safetensors --checkpoint run.safetensors --epochs 10
 *     mlp --resume run.safetensors --predict images.npy
 *
 * Exit status: 0; 1 after a failure; 2 for a wrong option; 130 after Ctrl-C. Errors are one line on stderr. The last
 * line of stdout is "test accuracy ... %", with --quiet too.
 */
#include <stdio.h>
#include <string.h>

#include "common/command_line.h"
#include "common/interrupt.h"
#include "common/run_file.h"
#include "common/trainer.h"

#define PROGRAM "mlp"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

static int complain(const host *owner, int exit_status)
{
    fprintf(stderr, "%s: %s\n", owner->program, owner->message);
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
    return interrupted ? EXIT_INTERRUPTED : EXIT_DONE;
}

static int predict(host *owner, const settings *run)
{
    return trainer_predict(owner, run) == DUALPROP_OK ? EXIT_DONE : complain(owner, EXIT_FAILED);
}

/* Options and, where a run is resumed, the settings in its checkpoint. */
static int settle(settings *run, host *owner, const command_line *given)
{
    const char *resume = given->text[setting_find("resume")];
    json_t *stored = NULL;

    if (resume != NULL && *resume != '\0' && run_file_peek(&stored, owner, resume) != DUALPROP_OK)
        return complain(owner, EXIT_FAILED);
    dualprop_status status = command_line_settings(run, owner, given, stored);
    json_decref(stored);
    return status == DUALPROP_OK ? EXIT_DONE : complain(owner, exit_status_of(status));
}

static int answer(const command_line *given)
{
    if (given->text[setting_find("help")] != NULL) command_line_help(stdout, PROGRAM);
    else printf(PROGRAM " (libdualprop) %s\n", dualprop_version_string());
    return EXIT_DONE;
}

static int run_program(int argc, char **argv)
{
    host owner;
    command_line given;
    settings run;

    host_init(&owner, PROGRAM);
    if (command_line_read(&given, &owner, argc, argv) != DUALPROP_OK) return complain(&owner, EXIT_USAGE);
    if (given.text[setting_find("help")] != NULL || given.text[setting_find("version")] != NULL) return answer(&given);
    int status = settle(&run, &owner, &given);
    if (status != EXIT_DONE) return status;
    return run.predict != NULL ? predict(&owner, &run) : train(&owner, &run);
}

int main(int argc, char **argv)
{
    int status = run_program(argc, argv);
    if (fflush(stdout) == 0 || status != EXIT_DONE) return status;
    fprintf(stderr, PROGRAM ": writing to stdout failed; expected it to take the results\n");
    return EXIT_FAILED;
}
