/*
 * replay.c - runs a fuzzing harness once on each file named, for compilers without libFuzzer and for regressions.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) return 1;
    size_t capacity = 16u << 20;
    uint8_t *data = malloc(capacity);
    size_t size = data == NULL ? 0 : fread(data, 1, capacity, file);
    fclose(file);
    /* A copy of the exact size, so that a sanitizer sees a read past its end. */
    uint8_t *exact = malloc(size > 0 ? size : 1);
    if (data != NULL && exact != NULL) {
        for (size_t i = 0; i < size; i++) exact[i] = data[i];
        LLVMFuzzerTestOneInput(exact, size);
    }
    free(exact);
    free(data);
    return 0;
}

int main(int count, char **paths)
{
    int unread = 0;
    for (int i = 1; i < count; i++) unread += replay(paths[i]);
    printf("%d files replayed, %d not to be read\n", count - 1 - unread, unread);
    return unread > 0;
}
