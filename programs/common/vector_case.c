/*
 * vector_case.c - from a file's metadata to a network, a rule and a comparison.
 */
#include "vector_case.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct vector_case {
    host *owner;
    const char *path;
    dualprop_context *context;
    vector_outcome *outcome;
    dualprop_checkpoint *file;
    json_t *description; /* the text `case` */
    dualprop_network *network;
    dualprop_rule *rule, *twin_rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
} vector_case;

/* ---- The description ---- */

static dualprop_status refuse(vector_case *self, const char *what)
{
    return host_fail(self->owner, DUALPROP_ERROR_FORMAT, "%s: %s", self->path, what);
}

/* Not an error: the library does not have this (yet). Always gives OK. */
static dualprop_status skip(vector_case *self, const char *what, const char *which)
{
    self->outcome->skipped = 1;
    snprintf(self->outcome->reason, sizeof self->outcome->reason, "%s %s", what, which);
    return DUALPROP_OK;
}

static dualprop_status parse_description(vector_case *self, size_t size)
{
    char *text = host_allocate(self->owner, size, 1);

    if (text == NULL) return host_no_memory(self->owner, self->path);
    dualprop_status status = dualprop_checkpoint_get_text(text, size, NULL, self->file, "case");
    if (status == DUALPROP_OK) self->description = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    host_release(self->owner, text, size, 1);
    return json_is_object(self->description) ? DUALPROP_OK : refuse(self, "its case is no JSON object");
}

static dualprop_status read_description(vector_case *self)
{
    size_t size;

    if (dualprop_checkpoint_get_text(NULL, 0, &size, self->file, "case") == DUALPROP_OK)
        return parse_description(self, size);
    return refuse(self, "its metadata have no key \"case\"; expected a reference vector");
}

static const char *word(const vector_case *self, const char *key, const char *otherwise)
{
    const char *value = json_string_value(json_object_get(self->description, key));

    return value != NULL ? value : otherwise;
}

/* Find a named choice; an unknown name skips the case. */
static int choose(int *value, vector_case *self, int group, const char *key, const char *otherwise)
{
    const char *name = word(self, key, otherwise);

    if (dualprop_from_name(value, group, name) == DUALPROP_OK) return 1;
    char what[80];
    snprintf(what, sizeof what, "no %s", key);
    skip(self, what, name);
    return 0;
}

static dualprop_status number(double *value, vector_case *self, const char *key)
{
    const json_t *json = json_object_get(self->description, key);
    char text[80];

    *value = json_number_value(json);
    if (json_is_number(json)) return DUALPROP_OK;
    if (json_is_array(json)) {
        snprintf(text, sizeof text, "%s per layer", key);
        return skip(self, "no", text);
    }
    snprintf(text, sizeof text, "its case has no number \"%s\"", key);
    return refuse(self, text);
}

/* ---- Building ---- */

static dualprop_status create_network(vector_case *self)
{
    const json_t *input = json_object_get(self->description, "input");
    size_t rank = json_array_size(input);
    int64_t shape[3] = { 1, 1, 1 };

    if (rank < 1 || rank > 3) return refuse(self, "the input of its case is no shape; expected 1 to 3 extents");
    for (size_t i = 0; i < rank; i++) shape[rank == 1 ? 2 : i] = (int64_t)json_integer_value(json_array_get(input, i));
    TRY_LIBRARY(self->owner, dualprop_network_create(&self->network, self->context, shape[0], shape[1], shape[2]));
    return DUALPROP_OK;
}

/* "conv3x3": stride 1, zeros that keep the size. Gives 0 if the kind is another. */
static int read_kernel(int64_t kernel[2], const char *kind)
{
    int rows, columns, length = 0;

    if (sscanf(kind, "conv%dx%d%n", &rows, &columns, &length) != 2 || kind[length] != 0) return 0;
    kernel[0] = rows;
    kernel[1] = columns;
    return 1;
}

/* "max2x2" or "average2x2", the window being the stride. Gives 0 if it is another. */
static int read_pooling(int *pooling, int64_t window[2], const char *pool)
{
    char name[16];
    int rows, columns, length = 0;

    if (sscanf(pool, "%15[a-z]%dx%d%n", name, &rows, &columns, &length) != 3 || pool[length] != 0) return 0;
    window[0] = rows;
    window[1] = columns;
    return dualprop_from_name(pooling, DUALPROP_NAMES_POOLING, name) == DUALPROP_OK;
}

static dualprop_status add_pooling(vector_case *self, const json_t *layer)
{
    const char *pool = json_string_value(json_object_get(layer, "pool"));
    int64_t window[2];
    int pooling;

    if (pool == NULL || strcmp(pool, "none") == 0) return DUALPROP_OK;
    if (!read_pooling(&pooling, window, pool)) return skip(self, "no pooling", pool);
    TRY_LIBRARY(self->owner, dualprop_network_add_pooling(self->network, pooling, window, NULL));
    return DUALPROP_OK;
}

static dualprop_status add_layer(vector_case *self, const json_t *layer, int activation)
{
    const char *kind = json_string_value(json_object_get(layer, "kind"));
    int64_t features = (int64_t)json_integer_value(json_object_get(layer, "features")), kernel[2];

    if (kind == NULL) return refuse(self, "a layer of its case has no kind");
    if (strcmp(kind, "dense") == 0) {
        TRY_LIBRARY(self->owner, dualprop_network_add_dense(self->network, features, activation));
        return DUALPROP_OK;
    }
    if (!read_kernel(kernel, kind)) return skip(self, "no layer of kind", kind);
    TRY_LIBRARY(self->owner, dualprop_network_add_convolution(self->network, features, kernel, NULL, NULL, activation));
    return add_pooling(self, layer);
}

static dualprop_status add_layers(vector_case *self)
{
    const json_t *layers = json_object_get(self->description, "layers");
    size_t count = json_array_size(layers);
    int activation;

    if (count == 0) return refuse(self, "its case has no layers");
    if (!choose(&activation, self, DUALPROP_NAMES_ACTIVATION, "activation", "")) return DUALPROP_OK;
    for (size_t i = 0; i < count && !self->outcome->skipped; i++)
        TRY(add_layer(self, json_array_get(layers, i), i + 1 < count ? activation : DUALPROP_IDENTITY));
    return DUALPROP_OK;
}

static dualprop_status find_tensor(dualprop_view *view, vector_case *self, const char *name)
{
    char text[128];

    if (dualprop_checkpoint_find(view, self->file, name) == DUALPROP_OK &&
        (view->type == DUALPROP_F32 || view->type == DUALPROP_F64))
        return DUALPROP_OK;
    snprintf(text, sizeof text, "it has no tensor %s of f32 or f64", name);
    return refuse(self, text);
}

static dualprop_status write_parameters(vector_case *self)
{
    int count;

    TRY_LIBRARY(self->owner, dualprop_network_parameter_count(&count, self->network));
    for (int i = 0; i < count; i++) {
        char name[64];
        dualprop_view view;
        TRY_LIBRARY(self->owner, dualprop_network_parameter(name, sizeof name, NULL, NULL, self->network, i));
        TRY(find_tensor(&view, self, name));
        TRY_LIBRARY(self->owner, dualprop_network_write(self->network, name, &view));
    }
    return DUALPROP_OK;
}

static dualprop_status set_choices(vector_case *self, int passes)
{
    int loss, nudge_at, schedule, output_step, switches;

    if (!choose(&loss, self, DUALPROP_NAMES_LOSS, "loss", "") ||
        !choose(&nudge_at, self, DUALPROP_NAMES_NUDGE_AT, "nudge_at", "current") ||
        !choose(&schedule, self, DUALPROP_NAMES_SCHEDULE, "schedule", "") ||
        !choose(&output_step, self, DUALPROP_NAMES_OUTPUT_STEP, "output_step", "linear"))
        return DUALPROP_OK;
    if (strcmp(word(self, "pool_switches", "any"), "any") == 0) switches = DUALPROP_SWITCHES_BOTTOM_UP;
    else if (!choose(&switches, self, DUALPROP_NAMES_SWITCHES, "pool_switches", "")) return DUALPROP_OK;
    TRY_LIBRARY(self->owner, dualprop_rule_set_pool_switches(self->rule, switches));
    TRY_LIBRARY(self->owner, dualprop_rule_set_loss(self->rule, loss));
    TRY_LIBRARY(self->owner, dualprop_rule_set_loss(self->twin_rule, loss));
    TRY_LIBRARY(self->owner, dualprop_rule_set_nudge_at(self->rule, nudge_at));
    TRY_LIBRARY(self->owner, dualprop_rule_set_output_step(self->rule, output_step));
    TRY_LIBRARY(self->owner, dualprop_rule_set_schedule(self->rule, schedule, passes));
    return DUALPROP_OK;
}

/* D_k of layers 1..L-1, as the file says them. */
static dualprop_status set_damping(vector_case *self)
{
    const json_t *list = json_object_get(self->description, "damping");

    for (size_t i = 0; i < json_array_size(list); i++)
        TRY_LIBRARY(self->owner, dualprop_rule_set_layer_damping(self->rule, (int)i + 1,
                                                                 json_number_value(json_array_get(list, i))));
    return DUALPROP_OK;
}

static dualprop_status create_rule(vector_case *self)
{
    double alpha, beta, passes;
    int variant;

    if (!choose(&variant, self, DUALPROP_NAMES_RULE, "rule", "")) return DUALPROP_OK;
    TRY(number(&alpha, self, "alpha"));
    TRY(number(&beta, self, "beta"));
    TRY(number(&passes, self, "passes"));
    if (self->outcome->skipped) return DUALPROP_OK;
    TRY_LIBRARY(self->owner, dualprop_rule_create(&self->rule, self->context, variant));
    TRY_LIBRARY(self->owner, dualprop_rule_create(&self->twin_rule, self->context, DUALPROP_BP));
    TRY_LIBRARY(self->owner, dualprop_rule_set_alpha(self->rule, alpha));
    TRY_LIBRARY(self->owner, dualprop_rule_set_beta(self->rule, beta));
    TRY(set_damping(self));
    return set_choices(self, (int)passes);
}

/* ---- Comparing ---- */

static double element(const dualprop_view *view, int64_t index)
{
    return view->type == DUALPROP_F64 ? ((const double *)view->data)[index]
                                      : (double)((const float *)view->data)[index];
}

static int64_t elements(const dualprop_view *view)
{
    int64_t count = 1;

    for (int axis = 0; axis < view->rank; axis++) count *= view->shape[axis];
    return count;
}

/* Largest difference over largest value; a NaN counts as infinite. */
static double relative_error(const dualprop_view *expected, const double *computed)
{
    double difference = 0, largest = 0;

    for (int64_t i = 0; i < elements(expected); i++) {
        double one = fabs(element(expected, i) - computed[i]);
        if (!(one <= difference)) difference = isnan(one) ? INFINITY : one;
        largest = fmax(largest, fabs(element(expected, i)));
    }
    return largest > 0 ? difference / largest : difference;
}

/* Where the library writes what belongs to one tensor of the file. */
typedef dualprop_status (*tensor_reader)(const dualprop_view *view, vector_case *self, const char *parameter,
                                         int layer);

static dualprop_status read_plus(const dualprop_view *view, vector_case *self, const char *parameter, int layer)
{
    (void)parameter;
    return dualprop_state_read(view, self->state, layer, DUALPROP_S_PLUS);
}

static dualprop_status read_minus(const dualprop_view *view, vector_case *self, const char *parameter, int layer)
{
    (void)parameter;
    return dualprop_state_read(view, self->state, layer, DUALPROP_S_MINUS);
}

static dualprop_status read_gradient(const dualprop_view *view, vector_case *self, const char *parameter, int layer)
{
    (void)layer;
    return dualprop_gradient_read(view, self->optimizer, parameter);
}

static dualprop_status compare_with(vector_case *self, const dualprop_view *expected, tensor_reader reader,
                                    const char *parameter, int layer)
{
    uint64_t count = (uint64_t)elements(expected);
    dualprop_view view = *expected;

    view.type = DUALPROP_F64;
    view.data = host_allocate(self->owner, count, sizeof(double));
    if (view.data == NULL) return host_no_memory(self->owner, self->path);
    dualprop_status status = reader(&view, self, parameter, layer);
    if (status == DUALPROP_OK) self->outcome->error = fmax(self->outcome->error, relative_error(expected, view.data));
    else host_library(self->owner, status);
    host_release(self->owner, view.data, count, sizeof(double));
    return status;
}

/* Tensor "layerK.NAME" of the file against what reader gives for the parameter "layerK.PARAMETER". */
static dualprop_status compare(vector_case *self, int layer, const char *name, tensor_reader reader,
                               const char *parameter)
{
    char tensor[64], parameter_name[64];
    dualprop_view expected;

    snprintf(tensor, sizeof tensor, "layer%d.%s", layer, name);
    snprintf(parameter_name, sizeof parameter_name, "layer%d.%s", layer, parameter);
    TRY(find_tensor(&expected, self, tensor));
    return compare_with(self, &expected, reader, parameter_name, layer);
}

static dualprop_status compare_gradients(vector_case *self, int layers, const char *weight, const char *bias)
{
    for (int layer = 1; layer <= layers; layer++) {
        TRY(compare(self, layer, weight, read_gradient, "weight"));
        TRY(compare(self, layer, bias, read_gradient, "bias"));
    }
    return DUALPROP_OK;
}

static dualprop_status compare_states(vector_case *self, int layers)
{
    for (int layer = 1; layer <= layers; layer++) {
        TRY(compare(self, layer, "plus", read_plus, ""));
        TRY(compare(self, layer, "minus", read_minus, ""));
    }
    return DUALPROP_OK;
}

/* ---- Running ---- */

static dualprop_status infer(vector_case *self, dualprop_rule *rule)
{
    dualprop_view x, y;

    TRY(find_tensor(&x, self, "x"));
    TRY(find_tensor(&y, self, "y"));
    dualprop_state_destroy(self->state);
    self->state = NULL;
    TRY_LIBRARY(self->owner, dualprop_state_create(&self->state, self->network, rule, x.shape[0]));
    TRY_LIBRARY(self->owner, dualprop_infer_view(self->state, &x, &y));
    TRY_LIBRARY(self->owner, dualprop_gradient(self->optimizer, self->state));
    return DUALPROP_OK;
}

static dualprop_status run_rules(vector_case *self)
{
    int layers;

    TRY_LIBRARY(self->owner, dualprop_network_info(&layers, NULL, NULL, NULL, self->network));
    TRY_LIBRARY(self->owner, dualprop_optimizer_create(&self->optimizer, self->network, DUALPROP_SGD));
    TRY(infer(self, self->rule));
    TRY(compare_states(self, layers));
    TRY(compare_gradients(self, layers, "grad_weight", "grad_bias"));
    TRY(infer(self, self->twin_rule));
    return compare_gradients(self, layers, "bp_grad_weight", "bp_grad_bias");
}

static dualprop_status run_case(vector_case *self)
{
    static dualprop_status (*const stages[])(vector_case *) = { read_description, create_network,   add_layers,
                                                                create_rule,      write_parameters, run_rules };

    for (size_t i = 0; i < sizeof stages / sizeof stages[0] && !self->outcome->skipped; i++) TRY(stages[i](self));
    return DUALPROP_OK;
}

dualprop_status vector_case_run(vector_outcome *outcome, host *owner, dualprop_context *context, const char *path)
{
    vector_case self = { .owner = owner, .path = path, .context = context, .outcome = outcome };

    memset(outcome, 0, sizeof *outcome);
    TRY_LIBRARY(owner, dualprop_checkpoint_read(&self.file, context, path));
    dualprop_status status = run_case(&self);
    dualprop_state_destroy(self.state);
    dualprop_optimizer_destroy(self.optimizer);
    dualprop_rule_destroy(self.rule);
    dualprop_rule_destroy(self.twin_rule);
    dualprop_network_destroy(self.network);
    json_decref(self.description);
    dualprop_checkpoint_destroy(self.file);
    return status;
}
