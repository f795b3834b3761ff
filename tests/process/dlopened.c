/*
 * dlopened.c - loads libraries by dlopen(), one after the other, and makes an error in each, in many threads.
 *
 * usage: dlopened LIBRARY...    For C libraries that are not glibc, where memory of threads is allocated at dlopen().
 */
#include <dlfcn.h>
#include <dualprop/dualprop.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { THREADS = 32 };

static struct functions {
    dualprop_status (*create)(dualprop_context **context, int backend, const dualprop_options *options);
    dualprop_status (*last_error)(char *buffer, size_t size, size_t *needed, const dualprop_context *context);
} functions;

static void *fail(void *good)
{
    dualprop_context *context;
    char text[512] = "";
    int failed = functions.create(&context, 1234, NULL) != DUALPROP_OK &&
                 functions.last_error(text, sizeof text, NULL, NULL) == DUALPROP_OK && strstr(text, "1234");
    return failed ? good : NULL;
}

static int try_library(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    pthread_t threads[THREADS];
    int good = 0, started = 0;
    if (!library) printf("%s\n", dlerror());
    if (!library) return 0;
    *(void **)&functions.create = dlsym(library, "dualprop_context_create");
    *(void **)&functions.last_error = dlsym(library, "dualprop_last_error");
    if (!functions.create || !functions.last_error) return 0;
    while (started < THREADS && pthread_create(&threads[started], NULL, fail, library) == 0) started++;
    for (int i = 0; i < started; i++) {
        void *result;
        pthread_join(threads[i], &result);
        good += result == library;
    }
    printf("%s: %d of %d threads had their sentence\n", path, good, THREADS);
    return good == THREADS;
}

int main(int count, char **paths)
{
    int bad = count < 2;
    for (int i = 1; i < count; i++) bad += !try_library(paths[i]);
    return bad;
}
