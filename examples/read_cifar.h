/*
 * read_cifar.h - reads a file of CIFAR-10 in its binary form: records of a label and 3 x 32 x 32 bytes.
 */
#ifndef READ_CIFAR_H
#define READ_CIFAR_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { CIFAR_PIXELS = 32 * 32, CIFAR_BYTES = 3 * CIFAR_PIXELS };

/* Append the records of FOLDER/NAME to images (count, 32, 32, 3) and labels, which the caller frees; update count. */
static void read_cifar(const char *folder, const char *name, unsigned char **images, int32_t **labels, int64_t *count)
{
    unsigned char record[1 + CIFAR_BYTES];
    char path[4096];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    int64_t first = *count;
    while (file != NULL && fread(record, sizeof record, 1, file) == 1 && record[0] < 10) {
        if (*count % 10000 == 0) {
            *images = realloc(*images, ((size_t)*count + 10000) * CIFAR_BYTES);
            *labels = realloc(*labels, ((size_t)*count + 10000) * sizeof **labels);
        }
        if (*images == NULL || *labels == NULL) break;
        (*labels)[*count] = record[0];
        unsigned char *image = *images + *count * CIFAR_BYTES;
        for (int i = 0; i < CIFAR_BYTES; i++) /* the file has a plane for each colour; the library wants (32, 32, 3) */
            image[i] = record[1 + i % 3 * CIFAR_PIXELS + i / 3];
        (*count)++;
    }
    int whole = file != NULL && feof(file) && ftell(file) == (*count - first) * (long)sizeof record;
    if (file != NULL) fclose(file);
    if (whole && *count > first) return;
    fprintf(stderr, "%s: missing, truncated, or not records of CIFAR-10\n", path);
    exit(1);
}

#endif
