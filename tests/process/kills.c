/*
 * kills.c - a saver is killed again and again in the middle of its work: the file is the old or the new one, whole.
 *
 * usage: kills [COUNT]    (500). Prints how many of the files were torn, and in the last line the count of the suites.
 */
#include <dualprop/dualprop.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SIDE = 300 }; /* 360 KB of weights */

static dualprop_context *context;
static char folder[] = "/tmp/dualprop-kills-XXXXXX", path[64];

static void must(dualprop_status status, const char *what)
{
    char text[512] = "";
    if (status == DUALPROP_OK) return;
    (void)!dualprop_last_error(text, sizeof text, NULL, NULL);
    printf("%s: %s\n0 passed, 1 failed, 0 skipped\n", what, text);
    exit(1);
}

static void save(float value)
{
    static float weights[SIDE * SIDE];
    dualprop_checkpoint *checkpoint;
    dualprop_view view = { sizeof view, weights, DUALPROP_F32, 2, { SIDE, SIDE }, { SIDE, 1 } };
    for (int i = 0; i < SIDE * SIDE; i++) weights[i] = value;
    must(dualprop_checkpoint_create(&checkpoint, context), "create");
    must(dualprop_checkpoint_put_tensor(checkpoint, "weights", &view), "put");
    must(dualprop_checkpoint_write(checkpoint, path), "write");
    dualprop_checkpoint_destroy(checkpoint);
}

/* The number that the file is full of. */
static float load(void)
{
    dualprop_checkpoint *checkpoint;
    dualprop_view view = { .struct_size = sizeof view };
    must(dualprop_checkpoint_read(&checkpoint, context, path), "read after a kill");
    must(dualprop_checkpoint_find(&view, checkpoint, "weights"), "find");
    const float *weights = view.data;
    float first = weights[0];
    int torn = 0;
    for (int i = 0; i < SIDE * SIDE; i++) torn |= weights[i] != first;
    dualprop_checkpoint_destroy(checkpoint);
    if (torn) printf("a file holds two saves\n0 passed, 1 failed, 0 skipped\n"), exit(1);
    return first;
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 500, renewed = 0;
    float value = 0;
    if (!mkdtemp(folder)) return 1;
    snprintf(path, sizeof path, "%s/file", folder);
    must(dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, NULL), "context");
    save(value);
    srand(1);
    for (int i = 0; i < count; i++) {
        struct timespec a_while = { 0, 500000 + rand() % 19500000 };
        pid_t child = fork();
        if (child == 0)
            for (float next = value + 1;; next++) save(next);
        nanosleep(&a_while, NULL);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        float found = load();
        if (found < value) printf("a save was lost\n0 passed, 1 failed, 0 skipped\n"), exit(1);
        renewed += found > value;
        value = found;
    }
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    dualprop_context_destroy(context);
    printf("%d kills, %d of them after another save, 0 files torn or lost\n", count, renewed);
    printf("%d passed, 0 failed, 0 skipped\n", system(command) == 0);
    return 0;
}
