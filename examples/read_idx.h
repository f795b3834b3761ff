/* read_idx.h - reads the files of MNIST and Fashion-MNIST (IDX of bytes, gzipped or not). Link with -lz. */
#ifndef READ_IDX_H
#define READ_IDX_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

/* Return the count items of FOLDER/NAME.gz or FOLDER/NAME, of size bytes each, or end the program. */
static unsigned char *read_idx(const char *folder, const char *name, int64_t *count, int64_t size)
{
    unsigned char head[16], *bytes = NULL;
    int head_bytes = size == 1 ? 8 : 16;
    char path[4096];

    snprintf(path, sizeof path, "%s/%s.gz", folder, name);
    gzFile file = gzopen(path, "rb");
    if (file == NULL) snprintf(path, sizeof path, "%s/%s", folder, name);
    if (file == NULL) file = gzopen(path, "rb"); /* which reads files that are not zipped too */
    *count = 0;
    if (file != NULL && gzread(file, head, (unsigned)head_bytes) == head_bytes && head[2] == 8 &&
        (size == 1 ? head[3] == 1 : head[3] == 3 && head[11] * head[15] == size))
        *count = (int64_t)head[4] << 24 | head[5] << 16 | head[6] << 8 | head[7];
    if (*count > 0 && *count < INT32_MAX / size) bytes = malloc((size_t)(*count * size));
    int done = bytes != NULL && gzread(file, bytes, (unsigned)(*count * size)) == *count * size;
    if (file != NULL) gzclose(file);
    if (done) return bytes;
    fprintf(stderr, "%s: missing, truncated, or not the IDX file that was expected\n", path);
    exit(1);
}

/* Return images as floats from 0 to 1, [count][pixels]; the caller frees them. */
static float *read_images(const char *folder, const char *name, int64_t *count, int64_t pixels)
{
    unsigned char *bytes = read_idx(folder, name, count, pixels);
    float *images = malloc(sizeof(float) * (size_t)(*count * pixels));
    for (int64_t i = 0; images != NULL && i < *count * pixels; i++) images[i] = (float)bytes[i] / 255;
    free(bytes);
    if (images == NULL) exit(1);
    return images;
}

/* Return the labels of count images; the caller frees them. */
static int32_t *read_labels(const char *folder, const char *name, int64_t count)
{
    int64_t labelled;
    unsigned char *bytes = read_idx(folder, name, &labelled, 1);
    int32_t *labels = malloc(sizeof(int32_t) * (size_t)labelled);
    for (int64_t i = 0; labels != NULL && i < labelled; i++) labels[i] = bytes[i];
    free(bytes);
    if (labels != NULL && labelled == count) return labels;
    fprintf(stderr, "%s: %ld labels; expected %ld, one for each image\n", name, (long)labelled, (long)count);
    exit(1);
}
#endif
