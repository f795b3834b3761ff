/*
 * module.c - finding and loading the CUDA module, libdualprop-cuda.so.0.
 *
 * The caller may name the file (options.module). Otherwise it is looked for in the folders of DUALPROP_BACKEND_PATH
 * (separated by ':'), in the folder of the file that holds this code, and then wherever the dynamic loader looks. A
 * program with raised privileges (setuid, file capabilities) only asks the dynamic loader, which then trusts nothing
 * but the system's own folders. The module is never unloaded.
 */
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
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

const dualprop_loader dualprop__default_loader = { sizeof(dualprop_loader), default_open, default_symbol, default_error,
                                                   NULL };

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

/*
 * Read the next line of a small file, cut to fit and without its end; 0 at the end of the file. The kernel writes whole
 * lines, and one character at a time would take thousands of system calls.
 */
struct lines {
    int file;
    size_t begin, end;
    char bytes[1024];
};

static int next_line(char *line, size_t size, struct lines *lines)
{
    size_t length = 0;
    for (;;) {
        if (lines->begin == lines->end) {
            ssize_t got = read(lines->file, lines->bytes, sizeof lines->bytes);
            if (got < 0 && errno == EINTR) continue;
            if (got <= 0) return 0;
            lines->begin = 0;
            lines->end = (size_t)got;
        }
        char c = lines->bytes[lines->begin++];
        if (c == '\n') break;
        if (length < size - 1) line[length++] = c;
    }
    line[length] = '\0';
    return 1;
}

/*
 * The file whose mapping holds this code, from its root: the program, or the shared library that we are in. Neither the
 * name that the program was started with (argv[0], which dladdr() reports for it) nor the name that a library was
 * opened by will do: the first is whatever the starter wrote, and both may be relative to a folder that was left since.
 */
static int find_own_file(char *name, size_t size)
{
    uintptr_t here = (uintptr_t)&dualprop__default_loader, begin, end;
    struct lines lines = { open("/proc/self/maps", O_RDONLY | O_CLOEXEC | O_NOCTTY), 0, 0, "" };
    int found = 0;
    if (lines.file < 0) return 0;
    while (!found && next_line(name, size, &lines))
        found = sscanf(name, "%" SCNxPTR "-%" SCNxPTR, &begin, &end) == 2 && here >= begin && here < end;
    close(lines.file);
    const char *path = found ? strchr(name, '/') : NULL;
    if (!path) return 0;
    memmove(name, path, strlen(path) + 1);
    return 1;
}

static dualprop_status look_beside_us(char **path, dualprop_context *context)
{
    enum { LONGEST = 4096 + 128 }; /* a path, and what stands before it in a line of maps */
    char *name = dualprop__allocate(context, LONGEST);
    if (!name) return DUALPROP_ERROR_NO_MEMORY;
    dualprop_status status = DUALPROP_OK;
    if (find_own_file(name, LONGEST)) {
        char *slash = strrchr(name, '/');
        slash[slash == name] = '\0';
        status = look_in(path, context, name);
    }
    dualprop__release(context, name);
    return status;
}

/* NULL in *path: neither place has it. */
static dualprop_status look(char **path, dualprop_context *context)
{
    *path = NULL;
    if (getauxval(AT_SECURE)) return DUALPROP_OK;
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

/* Does the file hold `size` bytes from `begin` on? */
static int holds(const struct stat *about, uint64_t begin, uint64_t size)
{
    return begin <= (uint64_t)about->st_size && size <= (uint64_t)about->st_size - begin;
}

/*
 * Does the file hold all that its headers say? The loader maps the segments without asking, and dies of SIGBUS where it
 * then touches what a truncated file lacks. The table of sections comes last in most libraries, but a library may have
 * none, or lie about it: the segments decide. If it is no ELF file of this kind at all, the loader reports it.
 */
static int is_truncated(int file, const struct stat *about)
{
    Elf64_Ehdr header;
    Elf64_Phdr segment;
    if (read(file, &header, sizeof header) != sizeof header || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_phentsize != sizeof segment)
        return 0;
    if (!holds(about, header.e_shoff, (uint64_t)header.e_shnum * header.e_shentsize) ||
        !holds(about, header.e_phoff, (uint64_t)header.e_phnum * sizeof segment))
        return 1;
    for (int i = 0; i < header.e_phnum; i++) {
        off_t at = (off_t)(header.e_phoff + (uint64_t)i * sizeof segment);
        if (pread(file, &segment, sizeof segment, at) != sizeof segment) return 1;
        if (segment.p_type != PT_NULL && !holds(about, segment.p_offset, segment.p_filesz)) return 1;
    }
    return 0;
}

/* What the loader must not be given, or NULL. A pipe it would wait for. */
static const char *what_is_wrong(const char *path)
{
    struct stat about;
    const char *wrong = NULL;
    if (!strchr(path, '/')) return NULL; /* no file of this folder, but one that the loader is to find */
    if (stat(path, &about) == 0 && !S_ISREG(about.st_mode) && !S_ISDIR(about.st_mode)) return "it is no regular file";
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file < 0) return NULL;
    if (fstat(file, &about) == 0 && S_ISREG(about.st_mode) && is_truncated(file, &about))
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
    if (!found) return dualprop__fail(context, DUALPROP_ERROR_NO_BACKEND, "the CUDA module %.160s has no table", name);
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

/*
 * Is there a driver, so that loading the module makes sense? It asks before: the CUDA runtime that the module needs
 * initialises itself while it is loaded, and crashes there where memory has run out.
 */
dualprop_status dualprop__module_find_driver(dualprop_context *context)
{
    const dualprop_loader *loader = &context->loader;
    if (loader->open(loader->user_data, "libcuda.so.1")) return DUALPROP_OK;
    const char *error = loader->error(loader->user_data);
    return dualprop__fail(
        context, DUALPROP_ERROR_NO_DEVICE,
        "there is no CUDA device: no NVIDIA driver is installed (libcuda.so.1 is missing or does not answer: %.200s)",
        error ? error : "the loader gave no reason");
}
