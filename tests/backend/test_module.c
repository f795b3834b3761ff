/*
 * test_module.c - where the CUDA module is looked for, and what the dynamic loader is never given.
 */
#include <elf.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dualprop/backend.h"
#include "main.h"
#include "support/expect.h"
#include "support/failing_allocator.h"
#include "support/scratch_folder.h"

#define MODULE "libdualprop-cuda.so.0"

/* ---- where ---- */

/* The program module_path, built beside this one. */
static void find_program(char *path, size_t size)
{
    char self[512];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    ck_assert_int_gt(length, 0);
    self[length] = '\0';
    *strrchr(self, '/') = '\0';
    snprintf(path, size, "%s/backend/module_path", self);
}

/* What it prints where it is started as `name` (its argv[0]) in `folder`, which it may leave for another. */
static void run(char *printed, size_t size, const char *program, const char *name, const char *folder, const char *to)
{
    int ends[2], status = -1;
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        dup2(ends[1], 1);
        close(ends[0]);
        close(ends[1]);
        if (chdir(folder) == 0) execl(program, name, to, (char *)NULL);
        _exit(9);
    }
    close(ends[1]);
    size_t length = 0;
    for (ssize_t got; length < size - 1 && (got = read(ends[0], printed + length, size - 1 - length)) > 0;)
        length += (size_t)got;
    printed[length] = '\0';
    close(ends[0]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

static void copy_file(const char *to, const char *from)
{
    size_t size;
    char *bytes = scratch_read(from, &size);
    scratch_write(to, bytes, size);
    free(bytes);
    ck_assert_int_eq(chmod(to, 0755), 0);
}

struct place {
    scratch_folder evil, home; /* a module lies in evil; the program in home */
    char program[128], evil_module[128], evil_name[128];
};

static struct place place_create(void)
{
    struct place place = { scratch_folder_create(), scratch_folder_create(), "", "", "" };
    char built[640];
    unsetenv("DUALPROP_BACKEND_PATH");
    find_program(built, sizeof built);
    snprintf(place.program, sizeof place.program, "%s/program", place.home.path);
    snprintf(place.evil_module, sizeof place.evil_module, "%s/" MODULE, place.evil.path);
    snprintf(place.evil_name, sizeof place.evil_name, "%s/program", place.evil.path);
    copy_file(place.program, built);
    scratch_write(place.evil_module, "evil", 4);
    ck_assert_int_eq(chmod(place.home.path, 0755) | chmod(place.evil.path, 0755), 0);
    return place;
}

static void place_destroy(const struct place *place)
{
    scratch_folder_destroy(&place->evil);
    scratch_folder_destroy(&place->home);
}

/* argv[0] is whatever the starter writes: it says nothing about where the program lies. */
START_TEST(the_name_a_program_is_started_by_leads_nowhere)
{
    struct place place = place_create();
    char printed[256];
    run(printed, sizeof printed, place.program, place.evil_name, "/", NULL);
    ck_assert_str_eq(printed, MODULE "\n");
    run(printed, sizeof printed, place.program, "./program", place.evil.path, NULL);
    ck_assert_str_eq(printed, MODULE "\n");
    run(printed, sizeof printed, "./program", "./program", place.home.path, place.evil.path);
    ck_assert_str_eq(printed, MODULE "\n");
    place_destroy(&place);
}
END_TEST

/* What lies beside the program itself is found under any name and from any folder. */
START_TEST(a_module_beside_the_program_is_found)
{
    struct place place = place_create();
    char beside[128], expected[160], printed[256];
    snprintf(beside, sizeof beside, "%s/" MODULE, place.home.path);
    snprintf(expected, sizeof expected, "%s\n", beside);
    scratch_write(beside, "words", 5);
    run(printed, sizeof printed, place.program, place.evil_name, place.evil.path, NULL);
    ck_assert_str_eq(printed, expected);
    run(printed, sizeof printed, "./program", "program", place.home.path, "/");
    ck_assert_str_eq(printed, expected);
    place_destroy(&place);
}
END_TEST

/* A program of another user's looks neither beside itself nor where its starter's environment says. */
START_TEST(a_program_with_raised_privileges_asks_the_system_alone)
{
    struct place place = place_create();
    char beside[128], printed[256];
    if (geteuid() != 0 || SANITIZED) {
        test_skip(SANITIZED ? "a program with raised privileges: the search for leaks cannot trace it"
                            : "a program with raised privileges: only root can make one here");
        place_destroy(&place);
        return;
    }
    snprintf(beside, sizeof beside, "%s/" MODULE, place.home.path);
    scratch_write(beside, "words", 5);
    setenv("DUALPROP_BACKEND_PATH", place.evil.path, 1);
    run(printed, sizeof printed, place.program, "program", "/", NULL);
    ck_assert_ptr_nonnull(strstr(printed, place.evil_module)); /* without privileges it does look there */
    ck_assert_int_eq(chown(place.program, 65534, 65534), 0);
    ck_assert_int_eq(chmod(place.program, 04755), 0);
    run(printed, sizeof printed, place.program, place.evil_name, place.evil.path, NULL);
    ck_assert_str_eq(printed, MODULE "\n");
    place_destroy(&place);
}
END_TEST

/* ---- files cut short ---- */

/* Open a file as the module; the sentence about what went wrong. */
static void refuse(char *text, size_t size, const char *path)
{
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_context *context = NULL;
    options.module = path;
    ck_assert_int_eq(dualprop_context_create(&context, DUALPROP_BACKEND_CUDA, &options), DUALPROP_ERROR_NO_BACKEND);
    ck_assert_int_eq(dualprop_last_error(text, size, NULL, NULL), DUALPROP_OK);
}

/* Where the last part that is loaded ends; after it there are only sections for debuggers. */
static size_t loaded_bytes(const char *bytes)
{
    Elf64_Ehdr header;
    size_t loaded = 0;
    memcpy(&header, bytes, sizeof header);
    for (int i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr part;
        memcpy(&part, bytes + header.e_phoff + (size_t)i * header.e_phentsize, sizeof part);
        if (part.p_type == PT_LOAD && part.p_offset + part.p_filesz > loaded) loaded = part.p_offset + part.p_filesz;
    }
    return loaded;
}

/* A library cut at many lengths, its table of sections as it was, gone, or at an offset that wraps: never SIGBUS. */
START_TEST(a_truncated_module_is_refused)
{
    static const uint64_t tables[] = { 1, 0, UINT64_MAX - 63 };
    scratch_folder folder = scratch_folder_create();
    size_t size;
    char text[512], *bytes;
    if (access("lib/libdualprop.so.0", R_OK) != 0) {
        test_skip("a truncated module: no lib/libdualprop.so.0 here to cut");
        scratch_folder_destroy(&folder);
        return;
    }
    bytes = scratch_read("lib/libdualprop.so.0", &size);
    size_t loaded = loaded_bytes(bytes);
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        Elf64_Ehdr header;
        memcpy(&header, bytes, sizeof header);
        if (tables[i] != 1) header.e_shoff = tables[i];
        if (tables[i] == 0) header.e_shnum = 0;
        memcpy(bytes, &header, sizeof header);
        for (size_t part = 1; part < 16; part++) {
            size_t cut = part < 8 ? sizeof header + (part - 1) * 56 : loaded / 8 * (part - 8) + 4096;
            scratch_write(folder.file, bytes, cut);
            refuse(text, sizeof text, folder.file);
            ck_assert_msg(strstr(text, "truncated"), "cut at %zu: %s", cut, text);
        }
    }
    free(bytes);
    scratch_folder_destroy(&folder);
}
END_TEST

/* ---- where, seen by a loader of the caller's ---- */

/* A module that is opened wherever it is said to be, and what it then has: nothing, or no table. */
struct seen {
    int has_driver, opens, has_entry;
    const char *error;
    char path[256]; /* the module that was opened last */
};

static const dualprop_backend *no_table(void)
{
    return NULL;
}

static void *see_open(void *user_data, const char *path)
{
    struct seen *seen = user_data;
    if (strcmp(path, "libcuda.so.1") == 0) return seen->has_driver ? seen : NULL;
    snprintf(seen->path, sizeof seen->path, "%s", path);
    return seen->opens ? seen : NULL;
}

static void *see_symbol(void *user_data, void *module, const char *name)
{
    struct seen *seen = user_data;
    const dualprop_backend *(*entry)(void) = no_table;
    void *symbol;
    ck_assert_ptr_eq(module, seen);
    ck_assert_str_eq(name, DUALPROP_BACKEND_ENTRY);
    memcpy(&symbol, &entry, sizeof symbol);
    return seen->has_entry ? symbol : NULL;
}

static const char *see_error(void *user_data)
{
    return ((struct seen *)user_data)->error;
}

/* Ask for a backend with that loader; what comes of it. */
static dualprop_status ask(struct seen *seen, int backend, const char *module, const dualprop_allocator *allocator)
{
    dualprop_loader loader = { sizeof loader, see_open, see_symbol, see_error, seen };
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_context *context;
    options.loader = &loader;
    options.module = module;
    options.allocator = allocator;
    seen->path[0] = '\0';
    dualprop_status status = dualprop_context_create(&context, backend, &options);
    dualprop_context_destroy(context);
    return status;
}

#define EXPECT_NO_MODULE(seen, module, word) \
    expect_error(ask((seen), DUALPROP_BACKEND_CUDA, (module), NULL), DUALPROP_ERROR_NO_BACKEND, (word))

/* DUALPROP_BACKEND_PATH: the first folder that has it, whatever stands between the colons. */
START_TEST(folders_are_searched_in_their_order)
{
    static const char *const rows[] = { "",    ":",           "::",           "/nowhere", "/nowhere:",
                                        ":%s", "%s:/nowhere", "/nowhere::%s", "%s:" };
    struct seen seen = { .error = "no" };
    scratch_folder folder = scratch_folder_create();
    char paths[256], found[160];
    snprintf(found, sizeof found, "%s/" MODULE, folder.path);
    scratch_write(found, "module", 6);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *place = strstr(rows[i], "%s");
        if (place) snprintf(paths, sizeof paths, "%.*s%s%s", (int)(place - rows[i]), rows[i], folder.path, place + 2);
        else snprintf(paths, sizeof paths, "%s", rows[i]);
        setenv("DUALPROP_BACKEND_PATH", paths, 1);
        EXPECT_NO_MODULE(&seen, NULL, "cannot be loaded: no");
        ck_assert_msg(strcmp(seen.path, place ? found : MODULE) == 0, "%s: %s", paths, seen.path);
    }
    unsetenv("DUALPROP_BACKEND_PATH");
    scratch_folder_destroy(&folder);
}
END_TEST

/* The file of this code is not known where its mapping cannot be read; then the loader is asked. */
START_TEST(without_descriptors_the_loader_is_asked)
{
    struct seen seen = { .error = "no" };
    struct rlimit limit, none;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = 0;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    dualprop_status status = ask(&seen, DUALPROP_BACKEND_CUDA, NULL, NULL);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_int_eq(status, DUALPROP_ERROR_NO_BACKEND);
    ck_assert_str_eq(seen.path, MODULE);
}
END_TEST

/* By name it is NO_MEMORY; for `auto` the CPU is left, as long as that has memory. */
START_TEST(any_allocation_of_the_search_may_fail)
{
    int backend = _i ? DUALPROP_BACKEND_AUTO : DUALPROP_BACKEND_CUDA;
    failing_allocator memory = { .fail_at = 0 };
    dualprop_allocator table = failing_allocator_table(&memory);
    struct seen seen = { .has_driver = 1, .error = "no" };
    setenv("DUALPROP_BACKEND_PATH", "/nowhere:/nowhere/either", 1);
    for (long at = 1; at == 1 || memory.failures > 0; at++) {
        memory.failures = 0;
        failing_allocator_arm(&memory, at, 0);
        dualprop_status status = ask(&seen, backend, NULL, &table),
                        usual = _i ? DUALPROP_OK : DUALPROP_ERROR_NO_BACKEND;
        ck_assert_msg(status == usual || (memory.failures > 0 && status == DUALPROP_ERROR_NO_MEMORY), "%ld: %s", at,
                      dualprop_status_name(status));
        ck_assert_int_eq(memory.live_blocks, 0);
    }
    unsetenv("DUALPROP_BACKEND_PATH");
}
END_TEST

/* Loaded, and of no use: no entry, an entry without a table, and a loader that gives no reason. */
START_TEST(a_module_without_a_table_is_refused)
{
    struct seen seen = { .opens = 1, .error = "no entry" };
    EXPECT_NO_MODULE(&seen, "some-module", "some-module cannot be loaded: no entry");
    seen.error = NULL;
    EXPECT_NO_MODULE(&seen, "some-module", "the loader gave no reason");
    seen.has_entry = 1;
    EXPECT_NO_MODULE(&seen, "some-module", "some-module has no table");
    seen.has_driver = 0;
    expect_ok(ask(&seen, DUALPROP_BACKEND_AUTO, NULL, NULL));
    ck_assert_str_eq(seen.path, "");
}
END_TEST

/* ---- what the loader is never given ---- */

/* Headers of a library of two segments that is whole, and what is then changed. */
struct library {
    Elf64_Ehdr header;
    Elf64_Phdr segments[2];
    char code[64];
};

static struct library whole_library(void)
{
    struct library library = { .header = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64 } } };
    library.header.e_phoff = offsetof(struct library, segments);
    library.header.e_phentsize = sizeof library.segments[0];
    library.header.e_phnum = 2;
    library.segments[0].p_type = PT_LOAD;
    library.segments[0].p_filesz = sizeof library;
    library.segments[1].p_type = PT_NULL;
    library.segments[1].p_offset = UINT64_MAX;
    return library;
}

static void expect_library(const char *file, const struct library *library, size_t size, const char *word)
{
    struct seen seen = { .error = "the loader was asked" };
    scratch_write(file, library, size);
    EXPECT_NO_MODULE(&seen, file, word);
}

START_TEST(what_is_no_library_is_left_to_the_loader)
{
    static const char asked[] = "the loader was asked", truncated[] = "the file is truncated";
    scratch_folder folder = scratch_folder_create();
    struct seen seen = { .error = asked };
    struct library library = whole_library();
    expect_library(folder.file, &library, sizeof library, asked);
    expect_library(folder.file, &library, sizeof library - 1, truncated);
    expect_library(folder.file, &library, sizeof library.header - 1, asked);
    library.header.e_ident[EI_CLASS] = ELFCLASS32;
    expect_library(folder.file, &library, sizeof library - 1, asked);
    library.header.e_ident[EI_CLASS] = ELFCLASS64;
    library.header.e_ident[EI_MAG1] = 'e';
    expect_library(folder.file, &library, sizeof library - 1, asked);
    library = whole_library();
    library.header.e_phentsize++;
    expect_library(folder.file, &library, sizeof library - 1, asked);
    library = whole_library();
    library.header.e_phoff = sizeof library - 1;
    expect_library(folder.file, &library, sizeof library, truncated);
    library = whole_library();
    library.header.e_shoff = sizeof library;
    expect_library(folder.file, &library, sizeof library, asked);
    library.header.e_shnum = library.header.e_shentsize = 1;
    expect_library(folder.file, &library, sizeof library, truncated);
    library = whole_library();
    library.segments[1].p_type = PT_LOAD;
    expect_library(folder.file, &library, sizeof library, truncated);
    EXPECT_NO_MODULE(&seen, folder.path, asked);
    EXPECT_NO_MODULE(&seen, "/nowhere/at-all", asked);
    ck_assert_int_eq(unlink(folder.file), 0);
    ck_assert_int_eq(mkfifo(folder.file, 0600), 0);
    EXPECT_NO_MODULE(&seen, folder.file, "it is no regular file");
    ck_assert_str_eq(seen.path, ""); /* it would wait */
    EXPECT_NO_MODULE(&seen, "/dev/null", "it is no regular file");
    scratch_folder_destroy(&folder);
}
END_TEST

Suite *test_module_suite(void)
{
    Suite *suite = suite_create("module");
    TCase *tests = tcase_create("module");
    tcase_add_test(tests, the_name_a_program_is_started_by_leads_nowhere);
    tcase_add_test(tests, a_module_beside_the_program_is_found);
    tcase_add_test(tests, a_program_with_raised_privileges_asks_the_system_alone);
    tcase_add_test(tests, a_truncated_module_is_refused);
    tcase_add_test(tests, folders_are_searched_in_their_order);
    tcase_add_test(tests, without_descriptors_the_loader_is_asked);
    tcase_add_loop_test(tests, any_allocation_of_the_search_may_fail, 0, 2);
    tcase_add_test(tests, a_module_without_a_table_is_refused);
    tcase_add_test(tests, what_is_no_library_is_left_to_the_loader);
    suite_add_tcase(suite, tests);
    return suite;
}
