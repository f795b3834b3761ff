/*
 * vendor.c - loading a vendor's library.
 */
#include "vendor.h"

#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLAGS (RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE)

static dualprop_status missing(dualprop__cuda *self, const char *title)
{
    const char *error = dlerror();
    return dualprop__cuda_fail(self, DUALPROP_ERROR_NO_BACKEND, "%s cannot be loaded: %.300s", title,
                               error ? error : "the loader gave no reason");
}

static void *open_in(const char *folder, const char *middle, const char *end, const char *library)
{
    char path[2048];
    int length = snprintf(path, sizeof path, "%s%s%s/%s", folder, middle, end, library);
    return length < (int)sizeof path ? dlopen(path, FLAGS) : NULL;
}

/* FOLDER/library, FOLDER/lib/library, or FOLDER/PART/lib/library, as wheels have it (nvidia/cu13/lib,
 * nvidia/cudnn/lib). */
static void *search_folder(const char *folder, const char *library)
{
    void *found = open_in(folder, "", "", library);
    if (!found) found = open_in(folder, "/lib", "", library);
    DIR *parts = found ? NULL : opendir(folder);
    for (struct dirent *part; parts && !found && (part = readdir(parts)) != NULL;) {
        char middle[300];
        if (part->d_name[0] == '.') continue;
        snprintf(middle, sizeof middle, "/%s", part->d_name);
        found = open_in(folder, middle, "/lib", library);
    }
    if (parts) closedir(parts);
    return found;
}

/* In the folders of DUALPROP_CUDA_PATH, separated by colons. */
static void *search(const char *library)
{
    const char *path = secure_getenv("DUALPROP_CUDA_PATH");
    void *found = NULL;
    while (path && *path && !found) {
        char folder[1024];
        size_t length = strcspn(path, ":");
        if (length > 0 && length < sizeof folder) {
            memcpy(folder, path, length);
            folder[length] = '\0';
            found = search_folder(folder, library);
        }
        path += length + (path[length] == ':');
    }
    return found;
}

dualprop_status dualprop__cuda_vendor_load(dualprop__cuda *self, void *api, const char *const *names, size_t count,
                                           const char *library, const char *title)
{
    void *loaded = search(library);
    if (!loaded) loaded = dlopen(library, FLAGS);
    if (!loaded) return missing(self, title);
    for (size_t i = 0; i < count; i++) {
        void *symbol = dlsym(loaded, names[i]);
        if (!symbol) return missing(self, title);
        memcpy((char *)api + i * sizeof symbol, &symbol, sizeof symbol);
    }
    return DUALPROP_OK;
}

static int is_beside(const void *function, const char *part)
{
    char path[2048];
    Dl_info library;
    const char *slash = dladdr(function, &library) ? strrchr(library.dli_fname, '/') : NULL;
    if (!slash) return 0;
    int length = snprintf(path, sizeof path, "%.*s/%s", (int)(slash - library.dli_fname), library.dli_fname, part);
    return length < (int)sizeof path && dlopen(path, FLAGS);
}

int dualprop__cuda_vendor_has(const void *function, const char *part)
{
    return is_beside(function, part) || dlopen(part, FLAGS);
}
