/*
 * test_module.c - where the CUDA module is looked for, and what the dynamic loader is never given.
 */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "main.h"
#include "support/expect.h"
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

Suite *test_module_suite(void)
{
    Suite *suite = suite_create("module");
    TCase *tests = tcase_create("module");
    tcase_add_test(tests, the_name_a_program_is_started_by_leads_nowhere);
    tcase_add_test(tests, a_module_beside_the_program_is_found);
    tcase_add_test(tests, a_program_with_raised_privileges_asks_the_system_alone);
    tcase_add_test(tests, a_truncated_module_is_refused);
    suite_add_tcase(suite, tests);
    return suite;
}
