/*
 * composite.c - a caller's table on host memory, completed by the built-in backend, and called slot by slot.
 *
 * Every slot gets the instance of the backend that provides it, so an instance here is a pair, and each slot of the
 * composite table hands the call on to one of the two. Two things do not follow from that alone:
 *
 * Fused slots. A product may be followed by the dyad update, and a gradient by the learning step, in one slot. If the
 * follower is the caller's and the slot is not, or the caller's table says that its products stand alone, the slot is
 * called without it, and the follower's own slot after it.
 *
 * Layout. Products of the caller's own on weights without a layout of their own read them as [inputs, outputs]. The
 * built-in products want panels: they get the weights converted for the call.
 *
 * The price is one more jump a call, which only tables pay that leave slots empty or override a part of a fused one.
 */
#include "backend_internal.h"
#include "backend_slots.h"

#define COMPOSITE_LINE 64

struct composite {
    dualprop_context *context;
    dualprop_backend own, rest;
    void *own_self, *rest_self;
    int own_made, rest_made;
    int has_rows; /* are dense weights [inputs, outputs], for products of the caller's? */
    int converts; /* ... and some of the products built-in ones? */
    int splits_up, splits_down, splits_gradient;             /* of dense layers: is the follower called apart? */
    int splits_map_up, splits_map_down, splits_map_gradient; /* the same of convolutions */
};

static struct composite *composite_of(void *self)
{
    return self;
}

/* Call a slot of the caller's where there is one, else the built-in one. */
#define PASS(slot, ...)                                                                                     \
    (composite_of(self)->own.slot ? composite_of(self)->own.slot(composite_of(self)->own_self, __VA_ARGS__) \
                                  : composite_of(self)->rest.slot(composite_of(self)->rest_self, __VA_ARGS__))

#define COMPOSITE_SLOT(result, name, parameters, arguments)               \
    static result composite_##name(void *self, DUALPROP__LIST parameters) \
    {                                                                     \
        return PASS(name, DUALPROP__LIST arguments);                      \
    }

DUALPROP__MEMORY_SLOTS(COMPOSITE_SLOT)
DUALPROP__LAYOUT_SLOTS(COMPOSITE_SLOT)
DUALPROP__COMPUTING_SLOTS(COMPOSITE_SLOT)

static void composite_destroy(void *self)
{
    struct composite *pair = self;
    if (pair->own_made) pair->own.destroy(pair->own_self);
    if (pair->rest_made) pair->rest.destroy(pair->rest_self);
    dualprop__release(pair->context, pair);
}

static void composite_describe(void *self, char *buffer, size_t size)
{
    PASS(describe, buffer, size);
}

static void composite_release(void *self, void *memory, size_t bytes)
{
    PASS(release, memory, bytes);
}

static dualprop_status composite_synchronize(void *self)
{
    struct composite *pair = self;
    return pair->own.synchronize ? pair->own.synchronize(pair->own_self) : DUALPROP_OK;
}

/* ---- weights as rows, for built-in products that want panels ---- */

static int64_t row_elements(void *self, int64_t inputs, int64_t outputs)
{
    return dualprop__reference_backend.weight_elements(composite_of(self)->rest_self, inputs, outputs);
}

static dualprop_status write_rows(void *self, void *weights, const void *host, int64_t inputs, int64_t outputs)
{
    return dualprop__reference_backend.write_weights(composite_of(self)->rest_self, weights, host, inputs, outputs);
}

static dualprop_status read_rows(void *self, void *host, const void *weights, int64_t inputs, int64_t outputs)
{
    return dualprop__reference_backend.read_weights(composite_of(self)->rest_self, host, weights, inputs, outputs);
}

/* Bytes at the beginning of the workspace for one layer's weights as panels; -1 where they overflow. */
static int64_t panel_room(const struct composite *pair, int64_t inputs, int64_t outputs)
{
    if (!pair->converts) return 0;
    int64_t elements = pair->rest.weight_elements(pair->rest_self, inputs, outputs), bytes;
    if (!DUALPROP__MULTIPLY(&bytes, elements, (int64_t)pair->context->real_size) || bytes > INT64_MAX / 2) return -1;
    return (bytes + COMPOSITE_LINE - 1) / COMPOSITE_LINE * COMPOSITE_LINE;
}

static int64_t larger_workspace(void *self, int64_t batch, int64_t inputs, int64_t outputs)
{
    const struct composite *pair = self;
    int64_t own = pair->own.dense_workspace ? pair->own.dense_workspace(pair->own_self, batch, inputs, outputs) : 0;
    int64_t rest = pair->rest.dense_workspace(pair->rest_self, batch, inputs, outputs);
    int64_t room = panel_room(pair, inputs, outputs);
    if (own < 0 || rest < 0 || room < 0 || rest > INT64_MAX - room) return -1;
    return own > rest + room ? own : rest + room;
}

/* A shape without the room for panels at the beginning of its workspace, and where that is. */
static dualprop_dense split_workspace(char **panels, const struct composite *pair, const dualprop_dense *shape)
{
    dualprop_dense inner = *shape;
    int64_t room = panel_room(pair, shape->inputs, shape->outputs);
    *panels = shape->workspace;
    inner.workspace = *panels + room;
    inner.workspace_bytes = shape->workspace_bytes > room ? shape->workspace_bytes - room : 0;
    return inner;
}

static dualprop_status bottom_up_through_panels(const struct composite *pair, const dualprop_dense *shape, void *a,
                                                const void *x, const void *weights, const void *bias,
                                                const dualprop_dyad *dyad)
{
    char *panels;
    dualprop_dense inner = split_workspace(&panels, pair, shape);
    DUALPROP__TRY(pair->rest.write_weights(pair->rest_self, panels, weights, shape->inputs, shape->outputs));
    return pair->rest.dense_bottom_up(pair->rest_self, &inner, a, x, panels, bias, dyad);
}

static dualprop_status top_down_through_panels(const struct composite *pair, const dualprop_dense *shape,
                                               void *top_down, const void *delta, const void *weights,
                                               const dualprop_dyad *dyad)
{
    char *panels;
    dualprop_dense inner = split_workspace(&panels, pair, shape);
    DUALPROP__TRY(pair->rest.write_weights(pair->rest_self, panels, weights, shape->inputs, shape->outputs));
    return pair->rest.dense_top_down(pair->rest_self, &inner, top_down, delta, panels, dyad);
}

static dualprop_status gradient_through_panels(const struct composite *pair, const dualprop_dense *shape,
                                               void *gradient, void *bias_gradient, const void *x, const void *delta,
                                               double scale, int accumulate)
{
    char *panels;
    void *none[4] = { NULL, NULL, NULL, NULL };
    dualprop_dense inner = split_workspace(&panels, pair, shape);
    if (accumulate)
        DUALPROP__TRY(pair->rest.write_weights(pair->rest_self, panels, gradient, shape->inputs, shape->outputs));
    DUALPROP__TRY(pair->rest.dense_gradient(pair->rest_self, &inner, panels, bias_gradient, x, delta, scale, accumulate,
                                            NULL, NULL, NULL, none));
    return gradient ? pair->rest.read_weights(pair->rest_self, gradient, panels, shape->inputs, shape->outputs)
                    : DUALPROP_OK;
}

/* ---- products, and what follows them ---- */

static dualprop_status split_bottom_up(void *self, const dualprop_dense *shape, void *a, const void *x,
                                       const void *weights, const void *bias, const dualprop_dyad *dyad)
{
    const struct composite *pair = self;
    const dualprop_dyad *fused = pair->splits_up ? NULL : dyad;
    if (!pair->own.dense_bottom_up && pair->has_rows)
        DUALPROP__TRY(bottom_up_through_panels(pair, shape, a, x, weights, bias, fused));
    else DUALPROP__TRY(PASS(dense_bottom_up, shape, a, x, weights, bias, fused));
    return dyad && !fused ? PASS(dyad_update, dyad) : DUALPROP_OK;
}

static dualprop_status split_top_down(void *self, const dualprop_dense *shape, void *top_down, const void *delta,
                                      const void *weights, const dualprop_dyad *dyad)
{
    const struct composite *pair = self;
    const dualprop_dyad *fused = pair->splits_down ? NULL : dyad;
    if (!pair->own.dense_top_down && pair->has_rows)
        DUALPROP__TRY(top_down_through_panels(pair, shape, top_down, delta, weights, fused));
    else DUALPROP__TRY(PASS(dense_top_down, shape, top_down, delta, weights, fused));
    return dyad && !fused ? PASS(dyad_update, dyad) : DUALPROP_OK;
}

/* The learning step on a gradient that has just been computed. */
static dualprop_status step_apart(void *self, const dualprop_step_numbers *step, int64_t elements, int64_t biases,
                                  void *weights, const void *gradient, void *bias, const void *bias_gradient,
                                  void *moments[4])
{
    DUALPROP__TRY(PASS(optimizer_step, step, elements, weights, gradient, moments[0], moments[1]));
    return bias ? PASS(optimizer_step, step, biases, bias, bias_gradient, moments[2], moments[3]) : DUALPROP_OK;
}

static dualprop_status split_gradient(void *self, const dualprop_dense *shape, void *gradient, void *bias_gradient,
                                      const void *x, const void *delta, double scale, int accumulate,
                                      const dualprop_step_numbers *step, void *weights, void *bias, void *moments[4])
{
    const struct composite *pair = self;
    int through_panels = !pair->own.dense_gradient && pair->has_rows;
    if (!through_panels && !(step && pair->splits_gradient))
        return PASS(dense_gradient, shape, gradient, bias_gradient, x, delta, scale, accumulate, step, weights, bias,
                    moments);
    int adds = step ? 0 : accumulate;
    if (through_panels)
        DUALPROP__TRY(gradient_through_panels(pair, shape, gradient, bias_gradient, x, delta, scale, adds));
    else
        DUALPROP__TRY(
            PASS(dense_gradient, shape, gradient, bias_gradient, x, delta, scale, adds, NULL, NULL, NULL, moments));
    if (!step) return DUALPROP_OK;
    int64_t elements =
        pair->has_rows ? shape->inputs * shape->outputs : PASS(weight_elements, shape->inputs, shape->outputs);
    return step_apart(self, step, elements, shape->outputs, weights, gradient, bias, bias_gradient, moments);
}

/* The nine slots of convolutions are all of one backend, since they share layout, workspace and cache. */
static dualprop_status split_map_up(void *self, const dualprop_convolution *shape, void *a, uint8_t *switches,
                                    const void *x, const void *weights, const void *bias, const dualprop_dyad *dyad)
{
    const dualprop_dyad *fused = composite_of(self)->splits_map_up ? NULL : dyad;
    DUALPROP__TRY(PASS(convolution_bottom_up, shape, a, switches, x, weights, bias, fused));
    return dyad && !fused ? PASS(dyad_update, dyad) : DUALPROP_OK;
}

static dualprop_status split_map_down(void *self, const dualprop_convolution *shape, void *top_down, const void *delta,
                                      const uint8_t *switches, const void *weights, const dualprop_dyad *dyad)
{
    const dualprop_dyad *fused = composite_of(self)->splits_map_down ? NULL : dyad;
    DUALPROP__TRY(PASS(convolution_top_down, shape, top_down, delta, switches, weights, fused));
    return dyad && !fused ? PASS(dyad_update, dyad) : DUALPROP_OK;
}

static dualprop_status split_map_gradient(void *self, const dualprop_convolution *shape, void *gradient,
                                          void *bias_gradient, const void *x, const void *delta,
                                          const uint8_t *switches, double scale, int accumulate,
                                          const dualprop_step_numbers *step, void *weights, void *bias,
                                          void *moments[4])
{
    if (!step || !composite_of(self)->splits_map_gradient)
        return PASS(convolution_gradient, shape, gradient, bias_gradient, x, delta, switches, scale, accumulate, step,
                    weights, bias, moments);
    int64_t places = shape->kind == DUALPROP_LAYER_LOCAL ? shape->map_height * shape->map_width : 1;
    DUALPROP__TRY(PASS(convolution_gradient, shape, gradient, bias_gradient, x, delta, switches, scale, 0, NULL, NULL,
                       NULL, moments));
    return step_apart(self, step, PASS(convolution_weight_elements, shape), places * shape->outputs, weights, gradient,
                      bias, bias_gradient, moments);
}

/* ---- which slots are the caller's ---- */

/* Is the slot another one than the backend's that completes the table? */
#define COMPOSITE_HAS(table, slot) ((table)->slot && (table)->slot != dualprop__builtin_backend()->slot)

/* Is it the caller's own, and not copied from a built-in table? */
#define COMPOSITE_OWNS(table, slot) (COMPOSITE_HAS(table, slot) && (table)->slot != dualprop__reference_backend.slot)

/* The built-in backend that a product is of, which calls its own follower. */
#define COMPOSITE_MAKER(table, product)                                                     \
    ((table)->product == dualprop__reference_backend.product ? &dualprop__reference_backend \
                                                             : dualprop__builtin_backend())

/*
 * Must a product be called without its follower? A built-in one, if the table has another follower than the product's
 * backend; the caller's, if its products stand alone.
 */
#define COMPOSITE_SPLITS(table, product, follower)          \
    (COMPOSITE_OWNS(table, product)                         \
         ? ((table)->flags & DUALPROP_BACKEND_UNFUSED) != 0 \
         : (table)->follower && (table)->follower != COMPOSITE_MAKER(table, product)->follower)

static void find_splits(struct composite *pair, const dualprop_backend *table)
{
    int up = COMPOSITE_HAS(table, dense_bottom_up), down = COMPOSITE_HAS(table, dense_top_down);
    int gradient = COMPOSITE_HAS(table, dense_gradient);
    pair->splits_up = COMPOSITE_SPLITS(table, dense_bottom_up, dyad_update);
    pair->splits_down = COMPOSITE_SPLITS(table, dense_top_down, dyad_update);
    pair->splits_map_up = COMPOSITE_SPLITS(table, convolution_bottom_up, dyad_update);
    pair->splits_map_down = COMPOSITE_SPLITS(table, convolution_top_down, dyad_update);
    pair->splits_map_gradient = COMPOSITE_SPLITS(table, convolution_gradient, optimizer_step);
    pair->has_rows = !table->weight_elements && (up || down || gradient);
    pair->converts = pair->has_rows && !(up && down && gradient);
    pair->splits_gradient = COMPOSITE_SPLITS(table, dense_gradient, optimizer_step) || (pair->has_rows && !gradient);
}

int dualprop__composite_splits(const dualprop_backend *table)
{
    struct composite pair = { 0 };
    find_splits(&pair, table);
    return pair.splits_up || pair.splits_down || pair.splits_gradient || pair.splits_map_up || pair.splits_map_down ||
           pair.splits_map_gradient;
}

#define COMPOSITE_ENTRY(result, name, parameters, arguments) table->name = composite_##name;

static void fill_composite_table(dualprop_backend *table, const struct composite *pair)
{
    const char *name = table->name;
    *table = (dualprop_backend){
        .struct_size = sizeof(dualprop_backend),
        .api = DUALPROP_BACKEND_API,
        .flags = DUALPROP_BACKEND_HOST_MEMORY,
        .name = name,
        .destroy = composite_destroy,
        .describe = composite_describe,
        .release = composite_release,
        .synchronize = composite_synchronize,
    };
    if (pair->splits_gradient || pair->splits_map_gradient) table->flags |= DUALPROP__SPLITS_STEPS;
    DUALPROP__MEMORY_SLOTS(COMPOSITE_ENTRY)
    DUALPROP__LAYOUT_SLOTS(COMPOSITE_ENTRY)
    DUALPROP__COMPUTING_SLOTS(COMPOSITE_ENTRY)
    table->dense_workspace = larger_workspace;
    table->dense_bottom_up = split_bottom_up;
    table->dense_top_down = split_top_down;
    table->dense_gradient = split_gradient;
    table->convolution_bottom_up = split_map_up;
    table->convolution_top_down = split_map_down;
    table->convolution_gradient = split_map_gradient;
    if (!pair->has_rows) return;
    table->weight_elements = row_elements;
    table->write_weights = write_rows;
    table->read_weights = read_rows;
}

/* Where BLIS is not for this processor, the reference backend completes the table. */
static dualprop_status create_rest(struct composite *pair, dualprop_context *context)
{
    pair->rest = *dualprop__builtin_backend();
    dualprop_status status = pair->rest.create(&pair->rest_self, &context->host, context->precision, context->level);
    if (status == DUALPROP_ERROR_NO_BACKEND) {
        pair->rest = dualprop__reference_backend;
        status = pair->rest.create(&pair->rest_self, &context->host, context->precision, context->level);
    }
    pair->rest_made = status == DUALPROP_OK;
    return status;
}

dualprop_status dualprop__composite_create(dualprop_backend *table, void **self, dualprop_context *context)
{
    struct composite *pair = dualprop__allocate(context, sizeof *pair);
    if (!pair) return DUALPROP_ERROR_NO_MEMORY;
    pair->context = context;
    pair->own = *table;
    find_splits(pair, table);
    dualprop_status status = pair->own.create(&pair->own_self, &context->host, context->precision, context->level);
    pair->own_made = status == DUALPROP_OK;
    if (pair->own_made) status = create_rest(pair, context);
    if (status != DUALPROP_OK) {
        composite_destroy(pair);
        return status;
    }
    fill_composite_table(table, pair);
    *self = pair;
    return DUALPROP_OK;
}
