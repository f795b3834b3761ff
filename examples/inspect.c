/*
 * inspect.c - lists what is in a checkpoint or any other safetensors file: tensors with their sizes, and the network.
 *
 *     inspect FILE
 *
 * To compile: cc -O2 -o inspect inspect.c $(pkg-config --cflags --libs dualprop) -lm
 */
#include <dualprop/dualprop.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void check(dualprop_status status)
{
    char text[512] = "";
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) == DUALPROP_OK) fprintf(stderr, "%s\n", text);
    exit(1);
}

/* Warnings of the library go where this program's own do. */
static void on_log(void *user_data, int level, const char *component, const char *message)
{
    (void)user_data;
    (void)level;
    fprintf(stderr, "%s: %s\n", component, message);
}

/* Return the root mean square of a contiguous tensor of f32 or f64; others have none. */
static double root_mean_square(const dualprop_view *view, int64_t count)
{
    double sum = 0;

    if (view->type != DUALPROP_F32 && view->type != DUALPROP_F64) return NAN;
    for (int64_t i = 0; i < count; i++) {
        double x = view->type == DUALPROP_F32 ? ((const float *)view->data)[i] : ((const double *)view->data)[i];
        sum += x * x;
    }
    return sqrt(sum / (double)count);
}

int main(int argc, char **argv)
{
    dualprop_context *context;
    dualprop_checkpoint *checkpoint;
    int64_t tensors;
    size_t needed;

    if (argc != 2)
        return fprintf(stderr, "usage: inspect FILE\nlibdualprop %s, %s\n", dualprop_version_string(),
                       dualprop_build_info()),
               2;
    check(dualprop_context_create(&context, DUALPROP_BACKEND_REFERENCE, NULL));
    check(dualprop_context_set_log(context, on_log, NULL, DUALPROP_LOG_WARNING));
    /* The file may be anybody's: it is checked before anything is made of it, and refused above these sizes. */
    check(dualprop_context_set_limit(context, DUALPROP_LIMIT_FILE_BYTES, 1 << 30));
    check(dualprop_context_set_limit(context, DUALPROP_LIMIT_TENSORS, 1000));
    check(dualprop_checkpoint_read(&checkpoint, context, argv[1]));

    check(dualprop_checkpoint_tensor_count(&tensors, checkpoint));
    for (int64_t i = 0; i < tensors; i++) {
        dualprop_view view;
        const char *name;
        int64_t count = 1;
        check(dualprop_checkpoint_tensor(&name, &view, checkpoint, i));
        printf("%-36s %-4s [", name, dualprop_name(DUALPROP_NAMES_TYPE, view.type));
        for (int axis = 0; axis < view.rank; axis++) {
            printf(axis > 0 ? ", %ld" : "%ld", (long)view.shape[axis]);
            count *= view.shape[axis];
        }
        printf("]  rms %.3g\n", root_mean_square(&view, count));
    }

    if (dualprop_checkpoint_get_text(NULL, 0, &needed, checkpoint, "network") == DUALPROP_OK) {
        char *text = malloc(needed);
        if (text == NULL) return 1;
        check(dualprop_checkpoint_get_text(text, needed, NULL, checkpoint, "network"));
        printf("network: %s\n", text);
        free(text);
    }
    dualprop_checkpoint_destroy(checkpoint);
    dualprop_context_destroy(context);
}
