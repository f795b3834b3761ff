/*
 * module_path.c - prints the file that the library would load as the CUDA module, without loading it.
 *
 * usage: module_path [FOLDER]    FOLDER: where to go first (chdir)
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dualprop/context.h"

/* There is a driver, and no module. */
static void *say_path(void *user_data, const char *path)
{
    (void)user_data;
    if (strncmp(path, "libcuda.", 8) == 0) return user_data;
    puts(path);
    return NULL;
}

static void *no_symbol(void *user_data, void *module, const char *name)
{
    (void)user_data, (void)module, (void)name;
    return NULL;
}

static const char *no_reason(void *user_data)
{
    (void)user_data;
    return "none was loaded";
}

int main(int argc, char **argv)
{
    int module = 0;
    dualprop_loader loader = { sizeof loader, say_path, no_symbol, no_reason, &module };
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_context *context = NULL;
    options.loader = &loader;
    if (argc > 1 && chdir(argv[1]) != 0) return 2;
    if (dualprop_context_create(&context, DUALPROP_BACKEND_AUTO, &options) != DUALPROP_OK) return 1;
    dualprop_context_destroy(context);
    return 0;
}
