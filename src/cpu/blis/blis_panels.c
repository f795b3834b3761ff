/*
 * blis_panels.c - the layout of the weights, the size of panels, and packing samples.
 */
#include "blis_panels.h"

#include <string.h>

static const dualprop__blis *panel_instance(const void *self)
{
    return self;
}

dualprop__partition dualprop__partition_evenly(int64_t whole, int64_t most)
{
    if (whole <= most) return (dualprop__partition){ whole, whole, 1 }; /* the same, without divisions */
    int64_t parts = dualprop__ceil_div(whole, most);
    int64_t part = dualprop__ceil_div(whole, parts);
    return (dualprop__partition){ whole, part, dualprop__ceil_div(whole, part) };
}

/* The array may be NULL. */
static void fetch_tile(const dualprop__blis *blis, const void *array, const dualprop__tile *tile, int write)
{
    int64_t size = (int64_t)blis->loops->real_size;
    if (!array) return;
    for (int64_t row = 0; row < tile->rows; row++) {
        int64_t from = (tile->first + row * tile->stride) * size, to = from + tile->width * size;
        if (write) dualprop__fetch_to_write(array, from, to);
        else dualprop__fetch(array, from, to);
    }
}

void dualprop__fetch_dyads(const dualprop__blis *blis, const dualprop_dyad *dyad, const dualprop__tile *tile)
{
    if (dyad->top_down) fetch_tile(blis, dyad->a, tile, 0);
    fetch_tile(blis, dyad->mean, tile, 1);
    fetch_tile(blis, dyad->delta, tile, 1);
}

/* ---- weights ---- */

int64_t dualprop__blis_weight_elements(void *self, int64_t inputs, int64_t outputs)
{
    int64_t vector = panel_instance(self)->kernel.vector;
    return (dualprop__ceil_div(outputs, vector) * inputs + 1) * vector;
}

dualprop_status dualprop__blis_write_weights(void *self, void *weights, const void *host, int64_t inputs,
                                             int64_t outputs)
{
    const dualprop__blis *blis = panel_instance(self);
    int64_t vector = blis->kernel.vector, panels = dualprop__ceil_div(outputs, vector);
    for (int64_t p = 0; p < panels; p++)
        blis->loops->pack_rows(dualprop__at(blis, weights, p * inputs * vector), dualprop__at(blis, host, p * vector),
                               outputs, inputs, dualprop__least(vector, outputs - p * vector), vector);
    memset(dualprop__at(blis, weights, panels * inputs * vector), 0, (size_t)vector * blis->loops->real_size);
    return DUALPROP_OK;
}

dualprop_status dualprop__blis_read_weights(void *self, void *host, const void *weights, int64_t inputs,
                                            int64_t outputs)
{
    const dualprop__blis *blis = panel_instance(self);
    int64_t vector = blis->kernel.vector;
    for (int64_t i = 0; i < inputs; i++)
        for (int64_t first = 0; first < outputs; first += vector)
            memcpy(dualprop__at(blis, host, i * outputs + first),
                   dualprop__at(blis, weights, first * inputs + i * vector),
                   (size_t)dualprop__least(vector, outputs - first) * blis->loops->real_size);
    return DUALPROP_OK;
}

/* ---- sizes ---- */

int64_t dualprop__panel_bytes(const dualprop__blis *blis, int64_t elements)
{
    int64_t ahead = blis->kernel.vector + blis->kernel.broadcast;
    int64_t bytes = (elements + ahead) * (int64_t)blis->loops->real_size;
    return dualprop__ceil_div(bytes, DUALPROP__LINE) * DUALPROP__LINE;
}

int64_t dualprop__packed_bytes(const dualprop__blis *blis, int64_t batch, int64_t width)
{
    int64_t broadcast = blis->kernel.broadcast;
    return dualprop__panel_bytes(blis, dualprop__ceil_div(batch, broadcast) * broadcast * width);
}

/* ---- packing samples ---- */

/* Samples that are not packed, whatever their width. */
#define FEW_SAMPLES 4
#define CACHE_PAGE 4096 /* bytes after which places in the nearest cache repeat */

int dualprop__reads_in_place(const dualprop__blis *blis, int64_t batch, int64_t width)
{
    int64_t bytes = width * (int64_t)blis->loops->real_size;
    if (!blis->kernel.run_direct) return 0;
    return batch <= FEW_SAMPLES ||
           (blis->kernel.reads_rows_fast && bytes % DUALPROP__LINE == 0 && bytes % CACHE_PAGE != 0);
}

/* Columns that are packed by one unit. */
#define PACKED_COLUMNS 256

dualprop__packing dualprop__packing_of(const dualprop__blis *blis, void *to, const void *from, int64_t batch,
                                       int64_t width)
{
    return (dualprop__packing){ blis, from, to, batch, width, dualprop__partition_evenly(width, PACKED_COLUMNS) };
}

int64_t dualprop__packing_units(const dualprop__packing *packing)
{
    return dualprop__ceil_div(packing->batch, packing->blis->kernel.broadcast) * packing->columns.parts;
}

/* By columns, as the results of products are cut: what a thread has just computed it packs itself. */
void dualprop__packing_run(const dualprop__packing *packing, int64_t unit)
{
    const dualprop__blis *blis = packing->blis;
    int64_t broadcast = blis->kernel.broadcast;
    int64_t panels = dualprop__ceil_div(packing->batch, broadcast), part = unit / panels, panel = unit % panels;
    int64_t row = panel * broadcast, column = dualprop__part_first(&packing->columns, part);
    char *to = dualprop__at(blis, packing->to, row * packing->width + column * broadcast);
    int64_t depth = dualprop__part_size(&packing->columns, part);
    dualprop__fetch_to_write(to, 0, depth * broadcast * (int64_t)blis->loops->real_size);
    blis->loops->pack_columns(to, dualprop__at(blis, packing->from, row * packing->width + column), packing->width,
                              depth, dualprop__least(broadcast, packing->batch - row), broadcast);
}
