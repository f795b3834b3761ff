/*
 * module.c - finding and loading the CUDA module, libdualprop-cuda.so.0.
 *
 * The caller may name the file (options.module). Else it is looked for in the folders of DUALPROP_BACKEND_PATH
 * (separated by ':'; ignored in programs with raised privileges), beside this library, and then wherever the dynamic
 * loader looks. It is never unloaded.
 */
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend_internal.h"

#define MODULE "libdualprop-cuda.so.0"

/* ---- the default loader ---- */

static void *default_open(void *user_data, const char *path)
{
    (void)user_data;
    return dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
}

static void *default_symbol(void *user_data, void *module, const char *name)
{
    (void)user_data;
    return dlsym(module, name);
}

static const char *default_error(void *user_data)
{
    (void)user_data;
    return dlerror();
}

const dualprop_loader dualprop__default_loader = { sizeof(dualprop_loader), default_open, default_symbol,
                                                   default_error, NULL };

/* ---- looking ---- */

/*
 * The first of the folders FIRST:SECOND:... that has the module; *path is released by the caller. One that may not be
 * read counts, so that the loader says so, instead of that there is none.
 */
static dualprop_status look_in(char **path, dualprop_context *context, const char *folders)
{
    for (const char *folder = folders; folder && *folder;) {
        const char *end = strchrnul(folder, ':');
        size_t length = (size_t)(end - folder), size = length + sizeof "/" MODULE;
        char *candidate = dualprop__allocate(context, size);
        if (!candidate) return DUALPROP_ERROR_NO_MEMORY;
        snprintf(candidate, size, "%.*s/%s", (int)length, folder, MODULE);
        if (length > 0 && access(candidate, F_OK) == 0) {
            *path = candidate;
            return DUALPROP_OK;
        }
        dualprop__release(context, candidate);
        folder = *end ? end + 1 : end;
    }
    return DUALPROP_OK;
}

/* The folder this library (or the program it is linked into) was loaded from. */
static dualprop_status look_beside_us(char **path, dualprop_context *context)
{
    Dl_info about;
    if (!dladdr(&dualprop__default_loader, &about) || !about.dli_fname) return DUALPROP_OK;
    const char *slash = strrchr(about.dli_fname, '/');
    if (!slash) return DUALPROP_OK;
    size_t length = (size_t)(slash - about.dli_fname);
    char *folder = dualprop__allocate(context, length + 2);
    if (!folder) return DUALPROP_ERROR_NO_MEMORY;
    memcpy(folder, length ? about.dli_fname : "/", length ? length : 1);
    dualprop_status status = look_in(path, context, folder);
    dualprop__release(context, folder);
    return status;
}

/* NULL in *path: neither place has it. */
static dualprop_status look(char **path, dualprop_context *context)
{
    *path = NULL;
    DUALPROP__TRY(look_in(path, context, secure_getenv("DUALPROP_BACKEND_PATH")));
    return *path ? DUALPROP_OK : look_beside_us(path, context);
}

int dualprop__module_exists(dualprop_context *context)
{
    char *path = NULL;
    if (context->module) return 1;
    if (look(&path, context) != DUALPROP_OK || !path) return 0;
    dualprop__release(context, path);
    return 1;
}

/* ---- loading ---- */

/*
 * What the loader must not be given, or NULL. It maps a file by what its headers say and dies of SIGBUS where a
 * truncated one ends: the table of sections comes last in a library, so a file that holds it is whole; what is no ELF
 * file at all the loader can tell. A pipe it would wait for.
 */
static const char *what_is_wrong(const char *path)
{
    Elf64_Ehdr header;
    struct stat about;
    const char *wrong = NULL;
    if (!strchr(path, '/')) return NULL; /* no file of this folder, but one that the loader is to find */
    if (stat(path, &about) == 0 && !S_ISREG(about.st_mode) && !S_ISDIR(about.st_mode)) return "it is no regular file";
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file < 0) return NULL;
    if (fstat(file, &about) == 0 && S_ISREG(about.st_mode) && read(file, &header, sizeof header) == sizeof header &&
        memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 && header.e_ident[EI_CLASS] == ELFCLASS64 &&
        header.e_shoff + (uint64_t)header.e_shnum * header.e_shentsize > (uint64_t)about.st_size)
        wrong = "the file is truncated";
    close(file);
    return wrong;
}

static dualprop_status not_loaded(dualprop_context *context, const char *name)
{
    const char *error = context->loader.error(context->loader.user_data);
    return dualprop__fail(context, DUALPROP_ERROR_NO_BACKEND, "the CUDA module %.160s cannot be loaded: %.300s", name,
                          error ? error : "the loader gave no reason");
}

static dualprop_status open_module(const dualprop_backend **table, dualprop_context *context, const char *name)
{
    const dualprop_loader *loader = &context->loader;
    const char *wrong = what_is_wrong(name);
    DUALPROP__REQUIRE(context, !wrong, DUALPROP_ERROR_NO_BACKEND, "the CUDA module %.160s cannot be loaded: %s", name,
                      wrong ? wrong : "");
    void *module = loader->open(loader->user_data, name);
    if (!module) return not_loaded(context, name);
    void *symbol = loader->symbol(loader->user_data, module, DUALPROP_BACKEND_ENTRY);
    if (!symbol) return not_loaded(context, name);
    const dualprop_backend *(*entry)(void) = NULL;
    memcpy(&entry, &symbol, sizeof entry); /* ISO C has no cast from an object to a function */
    const dualprop_backend *found = entry();
    if (!found)
        return dualprop__fail(context, DUALPROP_ERROR_NO_BACKEND, "the CUDA module %.160s has no table", name);
    if (found->api != DUALPROP_BACKEND_API)
        return dualprop__fail(context, DUALPROP_ERROR_BACKEND_VERSION,
                              "the CUDA module %.160s has backend API %u, expected %d", name, found->api,
                              DUALPROP_BACKEND_API);
    *table = found;
    return DUALPROP_OK;
}

dualprop_status dualprop__module_load(const dualprop_backend **table, dualprop_context *context)
{
    char *path = NULL;
    if (context->module) return open_module(table, context, context->module);
    DUALPROP__TRY(look(&path, context));
    dualprop_status status = open_module(table, context, path ? path : MODULE);
    dualprop__release(context, path);
    return status;
}
