/*
 * vendor.c - loading a vendor's library.
 */
#include "vendor.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#define FLAGS (RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE)

static dualprop_status missing(dualprop__cuda *self, const char *title)
{
    const char *error = dlerror();
    return dualprop__cuda_fail(self, DUALPROP_ERROR_NO_BACKEND, "%s cannot be loaded: %.300s", title,
                               error ? error : "the loader gave no reason");
}

dualprop_status dualprop__cuda_vendor_load(dualprop__cuda *self, void *api, const char *const *names, size_t count,
                                           const char *library, const char *title)
{
    void *loaded = dlopen(library, FLAGS);
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
