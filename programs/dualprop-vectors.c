/*
 * dualprop-vectors.c - runs every reference vector of a folder: the program of `make vectors`.
 *
 *     dualprop-vectors [--backend NAME] [--precision f32|f64] FOLDER
 *
 * For each .safetensors file, by name: "NAME error ok", "NAME error FAILED" or "NAME - skipped: REASON", where error is
 * the largest over all tensors of largest difference / largest value; then the counts. Exit status 1 if one failed.
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/vector_case.h"

#define PROGRAM "dualprop-vectors"
#define SUFFIX ".safetensors"

/* The vectors are made in f64 by another code; f32 has to come as close as carrying delta without cancellation lets
 * it. */
#define TOLERANCE_F64 1e-10
#define TOLERANCE_F32 3e-5

typedef struct counts {
    int passed, failed, skipped;
} counts;

typedef struct arguments {
    int backend, precision, help;
    const char *folder;
} arguments;

static int usage(const char *problem, const char *value)
{
    fprintf(stderr,
            PROGRAM ": %s \"%.80s\"; expected %s [--backend auto|blis|reference|cuda] [--precision f32|f64] FOLDER\n",
            problem, value, PROGRAM);
    return 2;
}

static int is_vector(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name), suffix = strlen(SUFFIX);

    return length > suffix && strcmp(entry->d_name + length - suffix, SUFFIX) == 0;
}

static void judge(counts *sum, const char *name, const vector_outcome *outcome, double tolerance)
{
    if (outcome->skipped) {
        printf("%s - skipped: %s\n", name, outcome->reason);
        sum->skipped++;
    } else if (outcome->error <= tolerance) {
        printf("%s %.2e ok\n", name, outcome->error);
        sum->passed++;
    } else {
        printf("%s %.2e FAILED\n", name, outcome->error);
        sum->failed++;
    }
}

static void run_file(counts *sum, host *owner, dualprop_context *context, const arguments *given, const char *file_name)
{
    char path[1500], name[300];
    vector_outcome outcome;

    snprintf(path, sizeof path, "%s/%s", given->folder, file_name);
    snprintf(name, sizeof name, "%.*s", (int)(strlen(file_name) - strlen(SUFFIX)), file_name);
    if (vector_case_run(&outcome, owner, context, path) == DUALPROP_OK) {
        judge(sum, name, &outcome, given->precision == DUALPROP_F64 ? TOLERANCE_F64 : TOLERANCE_F32);
        return;
    }
    printf("%s - FAILED: %s\n", name, owner->message);
    sum->failed++;
}

static int run_folder(host *owner, dualprop_context *context, const arguments *given)
{
    struct dirent **entries;
    counts sum = { 0 };
    int count = scandir(given->folder, &entries, is_vector, alphasort);

    if (count <= 0) {
        fprintf(stderr, PROGRAM ": %s: %s; expected a folder of .safetensors files\n", given->folder,
                count < 0 ? strerror(errno) : "no such files are in it");
        if (count == 0) free(entries);
        return 1;
    }
    for (int i = 0; i < count; i++) {
        run_file(&sum, owner, context, given, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    printf("%d passed, %d failed, %d skipped\n", sum.passed, sum.failed, sum.skipped);
    return sum.failed > 0;
}

/* 0, or the exit status of a wrong command line. */
static int read_arguments(arguments *out, int argc, char **argv)
{
    static const struct option options[] = { { "backend", required_argument, NULL, 'b' },
                                             { "precision", required_argument, NULL, 'p' },
                                             { "help", no_argument, NULL, 'h' },
                                             { NULL, 0, NULL, 0 } };
    int found;

    opterr = 0;
    while ((found = getopt_long(argc, argv, "+", options, NULL)) != -1) {
        if (found == 'b' && strcmp(optarg, "cpu") == 0) out->backend = DUALPROP_BACKEND_BLIS;
        else if (found == 'b' && dualprop_from_name(&out->backend, DUALPROP_NAMES_BACKEND, optarg) == DUALPROP_OK)
            continue;
        else if (found == 'p' && (strcmp(optarg, "f32") == 0 || strcmp(optarg, "f64") == 0))
            out->precision = strcmp(optarg, "f64") == 0 ? DUALPROP_F64 : DUALPROP_F32;
        else if (found == 'h') out->help = 1;
        else return usage("not understood:", argv[optind - 1]);
    }
    if (out->help) return 0;
    if (optind + 1 != argc) return usage("one folder is needed, not", optind < argc ? argv[optind + 1] : "");
    out->folder = argv[optind];
    return 0;
}

int main(int argc, char **argv)
{
    arguments given = { DUALPROP_BACKEND_REFERENCE, DUALPROP_F64, 0, NULL };
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_context *context;
    static host owner; /* with its list of files too large for the frame */

    int status = read_arguments(&given, argc, argv);
    if (status != 0) return status;
    if (given.help) {
        printf(
            "Usage: " PROGRAM
            " [options] FOLDER\nRun the reference vectors of a folder, *.safetensors, and compare.\n\n"
            "  --backend NAME    reference (default), blis, cuda or auto\n  --precision TYPE  f64 (default) or f32\n\n"
            "Exit status: 0; 1 if a vector failed; 2 for a wrong option.\n");
        return 0;
    }
    host_init(&owner, PROGRAM);
    options.precision = given.precision;
    if (dualprop_context_create(&context, given.backend, &options) != DUALPROP_OK) {
        host_library(&owner, DUALPROP_ERROR_NO_BACKEND);
        fprintf(stderr, PROGRAM ": %s\n", owner.message);
        return 1;
    }
    status = run_folder(&owner, context, &given);
    dualprop_context_destroy(context);
    return status;
}
