/* read_idx.h - reads the files of MNIST and Fashion-MNIST (IDX of bytes, gzipped or not). Link with -lz. */
#ifndef READ_IDX_H
#define READ_IDX_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

/*
 * Return what is in FOLDER/NAME.gz or FOLDER/NAME, or end the program: images of so many pixels as floats from 0 to 1,
 * or, with pixels 0, labels as int32_t. The caller frees them. *count is how many are expected; 0: any number,
 * returned.
 */
static void *read_idx(const char *folder, const char *name, int64_t *count, int64_t pixels)
{
    unsigned char head[16];
    int head_bytes =
        pixels == 0 ? 8 : 16; /* numbers of 4 bytes: what it is, how many, and an image's rows and columns */
    int64_t found = 0, size = pixels == 0 ? 1 : pixels, i = 0;
    int byte;
    char path[4096];

    snprintf(path, sizeof path, "%s/%s.gz", folder, name);
    gzFile file = gzopen(path, "rb");
    if (file == NULL) snprintf(path, sizeof path, "%s/%s", folder, name);
    if (file == NULL) file = gzopen(path, "rb"); /* which reads files that are not zipped too */
    if (file != NULL && gzread(file, head, (unsigned)head_bytes) == head_bytes && head[2] == 8 &&
        (pixels == 0 ? head[3] == 1 : head[3] == 3 && head[11] * head[15] == pixels))
        found = (int64_t)head[4] << 24 | head[5] << 16 | head[6] << 8 | head[7];
    float *images = malloc(sizeof *images * (size_t)(found * size + 1)); /* a label has as many bytes as a pixel */
    int32_t *labels = (int32_t *)images;
    for (; images != NULL && i < found * size && (byte = gzgetc(file)) >= 0; i++)
        if (pixels == 0) labels[i] = byte;
        else images[i] = (float)byte / 255;
    if (file != NULL) gzclose(file);
    if (found > 0 && i == found * size && (*count == 0 || *count == found)) return *count = found, images;
    fprintf(stderr, "%s: missing, truncated, or not the IDX file that was expected\n", path);
    exit(1);
}

#endif
