/*
 * scratch_folder.c - see scratch_folder.h.
 */
#include "scratch_folder.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

scratch_folder scratch_folder_create(void)
{
    scratch_folder folder;
    /* In memory where that is possible: every saved file is synced, which takes a disk long. */
    strcpy(folder.path, access("/dev/shm", W_OK) == 0 ? "/dev/shm/dualprop-test-XXXXXX" : "/tmp/dualprop-test-XXXXXX");
    if (!mkdtemp(folder.path)) perror(folder.path), abort(); /* also of programs without Check */
    snprintf(folder.file, sizeof folder.file, "%s/model.safetensors", folder.path);
    return folder;
}

static int visit(const scratch_folder *folder, int removing)
{
    int count = 0;
    char name[512];
    DIR *open = opendir(folder->path);
    if (!open) return 0;
    for (struct dirent *entry; (entry = readdir(open));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        snprintf(name, sizeof name, "%s/%s", folder->path, entry->d_name);
        if (removing && unlink(name) != 0) rmdir(name);
        count++;
    }
    closedir(open);
    return count;
}

int scratch_folder_entries(const scratch_folder *folder)
{
    return visit(folder, 0);
}

void scratch_folder_destroy(const scratch_folder *folder)
{
    visit(folder, 1);
    rmdir(folder->path);
}

char *scratch_read(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file, "%s cannot be opened", path);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    char *data = malloc(*size + 1);
    ck_assert_uint_eq(fread(data, 1, *size, file), *size);
    fclose(file);
    return data;
}

void scratch_write(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    ck_assert_msg(file, "%s cannot be made", path);
    ck_assert_uint_eq(fwrite(data, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
}
