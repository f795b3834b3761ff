/*
 * random_calls_more.c - random calls beside those of every program: views of all types and strides, weights of samples,
 * losses of the caller's, gradients that are read and written, copies, files, groups, diagnostics.
 */
#include <errno.h>

#include "household.h"
#include "lone_transport.h"

/* ---- files ---- */

/* Is it this call's turn to fail? */
static int file_fails(household *self)
{
    return self->file_fault > 0 && --self->file_fault == 0 && ++self->file_faults_hit;
}

/* There is one file, which takes any name. */
static int64_t open_file(void *user_data, const char *path, int writable)
{
    household *self = user_data;
    (void)path;
    if (file_fails(self)) return -EMFILE;
    if (!writable && self->file_size == 0) return -ENOENT;
    self->file_place = 0;
    return 1;
}

static int64_t size_of_file(void *user_data, int64_t file)
{
    household *self = user_data;
    (void)file;
    return file_fails(self) ? -EIO : (int64_t)self->file_size;
}

static int64_t read_file(void *user_data, int64_t file, void *buffer, size_t size)
{
    household *self = user_data;
    size_t left = self->file_size - self->file_place, count = size < left ? size : left;
    (void)file;
    if (file_fails(self)) return -EIO;
    memcpy(buffer, self->file + self->file_place, count);
    self->file_place += count;
    return (int64_t)count;
}

static int64_t write_file(void *user_data, int64_t file, const void *buffer, size_t size)
{
    household *self = user_data;
    (void)file;
    if (file_fails(self)) return -ENOSPC;
    if (size > sizeof self->file - self->file_place) return -ENOSPC;
    memcpy(self->file + self->file_place, buffer, size);
    self->file_place += size;
    self->file_size = self->file_place;
    return (int64_t)size;
}

static int64_t end_file(void *user_data, int64_t file)
{
    (void)file;
    return file_fails(user_data) ? -EIO : 0;
}

static int64_t rename_file(void *user_data, const char *from, const char *to)
{
    (void)from, (void)to;
    return file_fails(user_data) ? -EACCES : 0;
}

static int64_t name_file(void *user_data, const char *path)
{
    (void)path;
    return file_fails(user_data) ? -EIO : 0;
}

dualprop_io household_files(household *self)
{
    return (dualprop_io){ .struct_size = sizeof(dualprop_io),
                          .open = open_file,
                          .size = size_of_file,
                          .read = read_file,
                          .write = write_file,
                          .sync = end_file,
                          .close = end_file,
                          .rename = rename_file,
                          .remove = name_file,
                          .sync_folder = name_file,
                          .user_data = self };
}

/* ---- views ---- */

static int a_type(household *self)
{
    return one_in(self, 4) ? below(self, 7) : one_in(self, 2) ? DUALPROP_F32 : DUALPROP_F64;
}

/* Rows in their order or backwards, columns beside or below each other; within `most` elements, or columns are 0. */
static dualprop_view a_view(household *self, void *data, int type, int64_t rows, int64_t columns, int64_t most)
{
    if (rows < 1 || columns < 1 || rows * columns > most) return plain_view(data, type, rows, columns);
    dualprop_view view = plain_view(data, type, rows, columns);
    if (one_in(self, 3)) view.strides[0] = 1, view.strides[1] = rows;
    if (one_in(self, 4)) {
        int64_t bytes = type == DUALPROP_U8 ? 1 : type == DUALPROP_F32 || type == DUALPROP_I32 ? 4 : 8;
        view.data = (char *)data + (rows - 1) * view.strides[0] * bytes;
        view.strides[0] = -view.strides[0];
    }
    if (one_in(self, 40)) view.rank = below(self, 11) - 1;
    if (one_in(self, 40)) view.struct_size = (uint64_t)below(self, (int)sizeof view + 1);
    return view;
}

/* One of DUALPROP_S_..., mostly. */
static int a_value(household *self)
{
    return one_in(self, 8) ? below(self, 9) - 1 : below(self, 6);
}

/* Of the layer of the family's network, mostly. */
static int64_t width_of(household *self, int index)
{
    dualprop_layer *layer;
    int64_t width = 0;
    dualprop_status status = dualprop_network_layer(&layer, self->network[self->family], index > 0 ? index : 1);
    if (status == DUALPROP_OK && index > 0) status = dualprop_layer_info(NULL, &width, NULL, layer);
    else if (status == DUALPROP_OK) status = dualprop_layer_info(&width, NULL, NULL, layer);
    return status != DUALPROP_OK || one_in(self, 10) ? 1 + below(self, 60) : width;
}

/* Inputs that mostly fit; of another type than the context's they are whatever the bytes mean. */
static dualprop_view some_inputs(household *self, int64_t count)
{
    int type = one_in(self, 4) ? a_type(self) : one_in(self, 3) ? DUALPROP_U8 : self->precision;
    return a_view(self, self->images, type, count, width_of(self, 0), SAMPLES * MOST_INPUTS);
}

/* Dense targets, of 3 outputs; or labels. */
static dualprop_view some_targets(household *self, int64_t count)
{
    if (one_in(self, 3)) return plain_view(self->labels, one_in(self, 4) ? a_type(self) : DUALPROP_I32, count, 0);
    for (int i = 0; i < 70 * 3; i++) self->scores[i] = (double)below(self, 16) / 8;
    if (one_in(self, 8)) self->scores[below(self, 70 * 3)] = a_number(self);
    return a_view(self, self->scores, one_in(self, 8) ? a_type(self) : DUALPROP_F64, count, 3, 210);
}

/* ---- networks ---- */

static dualprop_status clone_network(household *self)
{
    dualprop_network *made = NULL;
    dualprop_status status = dualprop_network_clone(&made, a_network(self));
    return keep_network(self, made, status);
}

static dualprop_status publish(household *self)
{
    return dualprop_network_publish(self->network[below(self, OF_EACH)], a_network(self));
}

static dualprop_status set_open(household *self)
{
    return dualprop_network_set_open(a_network(self), below(self, 5));
}

static dualprop_status set_input_transform(household *self)
{
    double mean[2] = { a_number(self), a_number(self) }, deviation[2] = { a_number(self), a_number(self) };
    return dualprop_network_set_input_transform(a_network(self), mean, deviation, 1 + below(self, 3));
}

static dualprop_status set_initializer(household *self)
{
    return dualprop_network_set_initializer(a_network(self), below(self, 8) - 1, a_number(self));
}

/* A parameter's name, and a view of its shape on the answer; f64, or now and then another type. */
static dualprop_status find_parameter(household *self, char name[64], dualprop_view *view)
{
    int64_t elements = 1;
    *view = (dualprop_view){ .struct_size = sizeof *view, .data = self->answer, .type = DUALPROP_F64 };
    dualprop_status status =
        dualprop_network_parameter(name, 64, view->shape, &view->rank, a_network(self), below(self, 9));
    if (status != DUALPROP_OK) return status;
    for (int k = view->rank - 1; k >= 0; elements *= view->shape[k--]) view->strides[k] = elements;
    promise(elements <= MOST_PARAMETERS, "a parameter has %lld elements", (long long)elements);
    if (one_in(self, 10)) view->type = a_type(self);
    for (int64_t i = 0; i < elements; i++) self->answer[i] = random_uniform(&self->random, -1, 1);
    if (one_in(self, 10)) self->answer[elements - 1] = a_number(self);
    return DUALPROP_OK;
}

static dualprop_status write_parameter(household *self)
{
    char name[64];
    dualprop_view view;
    dualprop_status status = find_parameter(self, name, &view);
    return status == DUALPROP_OK ? dualprop_network_write(a_network(self), name, &view) : status;
}

static dualprop_status read_parameter_of_another(household *self)
{
    char name[64];
    dualprop_view view;
    dualprop_status status = find_parameter(self, name, &view);
    return status == DUALPROP_OK ? dualprop_network_read(&view, a_network(self), name) : status;
}

static dualprop_status write_feedback(household *self)
{
    char name[64];
    dualprop_view view;
    dualprop_status status = find_parameter(self, name, &view);
    return status == DUALPROP_OK ? dualprop_network_write_feedback(a_network(self), name[5] - '0', &view) : status;
}

static dualprop_status export_source(household *self)
{
    self->file_size = 0;
    return dualprop_network_export_c(a_network(self), "folder", one_in(self, 4) ? "2x" : "network");
}

/* ---- rules ---- */

/* The squared error; sometimes it gives up, or has no number. */
static int own_loss(void *user_data, double *losses, double *slopes, const double *outputs, const double *targets,
                    int64_t count, int64_t width)
{
    household *self = user_data;
    for (int64_t i = 0; i < count; i++) {
        double loss = 0;
        for (int64_t j = i * width; j < (i + 1) * width; j++) {
            double difference = outputs[j] - targets[j];
            loss += difference * difference / 2;
            if (slopes) slopes[j] = difference;
        }
        if (losses) losses[i] = loss;
    }
    if (slopes && one_in(self, 20)) slopes[0] = a_number(self);
    return one_in(self, 20);
}

static dualprop_status set_loss_function(household *self)
{
    return dualprop_rule_set_loss_function(a_rule(self), own_loss, self);
}

static int own_proximal(void *user_data, double *s, const double *a, const double *targets, const double *t,
                        int64_t count, int64_t width)
{
    household *self = user_data;
    for (int64_t i = 0; i < count * width; i++)
        s[i] = (a[i] + t[i / width] * targets[i]) / (1 + t[i / width]); /* infinite now and then */
    return one_in(self, 20);
}

static dualprop_status set_loss_proximal(household *self)
{
    return dualprop_rule_set_loss_proximal(a_rule(self), one_in(self, 6) ? NULL : own_proximal);
}

static dualprop_status set_growth_limit(household *self)
{
    return dualprop_rule_set_growth_limit(a_rule(self), below(self, 6) - 1);
}

static dualprop_status set_seed(household *self)
{
    return dualprop_rule_set_seed(a_rule(self), random_bits(&self->random));
}

/* ---- states ---- */

static dualprop_status augment(household *self)
{
    int32_t moves[3 * CAPACITY];
    for (int i = 0; i < 3 * CAPACITY; i++)
        moves[i] = i % 3 == 2 ? below(self, 2) + one_in(self, 30) : below(self, 9) - 4;
    if (one_in(self, 20)) moves[0] = INT32_MIN;
    return dualprop_state_set_augmentation(a_state(self), moves, below(self, CAPACITY + 1));
}

static void draw_weights(household *self, double *weights, int count)
{
    for (int i = 0; i < count; i++) weights[i] = one_in(self, 2) ? 1 : fabs(a_number(self));
}

static dualprop_status weigh_samples(household *self)
{
    double weights[CAPACITY];
    draw_weights(self, weights, CAPACITY);
    return dualprop_state_set_sample_weights(a_state(self), weights, below(self, CAPACITY + 1));
}

static dualprop_status weigh_classes(household *self)
{
    double weights[CAPACITY];
    draw_weights(self, weights, CAPACITY);
    return dualprop_state_set_class_weights(a_state(self), weights, one_in(self, 3) ? below(self, CAPACITY + 1) : 3);
}

static dualprop_status infer_by_slope(household *self)
{
    int count = a_count(self);
    draw_data(self);
    dualprop_view inputs = some_inputs(self, count), slopes = some_targets(self, count);
    return dualprop_infer_gradient(a_state(self), &inputs, &slopes);
}

static dualprop_status infer_on_views(household *self)
{
    int count = a_count(self);
    draw_data(self);
    dualprop_view inputs = some_inputs(self, count), targets = some_targets(self, count);
    return dualprop_infer_view(a_state(self), &inputs, one_in(self, 20) ? NULL : &targets);
}

static dualprop_status learn_on_views(household *self)
{
    int count = a_count(self);
    draw_data(self);
    dualprop_view inputs = some_inputs(self, count), targets = some_targets(self, count);
    return dualprop_learn_view(an_optimizer(self), a_state(self), &inputs, &targets);
}

static dualprop_status predict_on_views(household *self)
{
    int count = a_count(self);
    draw_data(self);
    memset(self->scores, 0x5a, sizeof self->scores);
    dualprop_view inputs = some_inputs(self, count);
    dualprop_view scores = a_view(self, self->scores, a_type(self), count, 3, 210);
    dualprop_status status = one_in(self, 2) ? dualprop_predict_view(&scores, a_state(self), &inputs)
                                             : dualprop_predict_probabilities_view(&scores, a_state(self), &inputs);
    check_untouched(self->scores, sizeof self->scores, status);
    return status;
}

static dualprop_status evaluate_on_views(household *self)
{
    struct {
        double loss;
        int64_t correct, top_k;
    } filled;
    int count = a_count(self);
    draw_data(self);
    memset(&filled, 0x5a, sizeof filled);
    dualprop_view inputs = some_inputs(self, count), targets = some_targets(self, count);
    dualprop_status status = dualprop_evaluate_view(&filled.loss, &filled.correct, &filled.top_k, below(self, 5),
                                                    a_state(self), &inputs, &targets);
    check_untouched(&filled, sizeof filled, status);
    return status;
}

static dualprop_status read_dyads(household *self)
{
    int index = an_index(self);
    int64_t count = one_in(self, 10) ? below(self, 9) : self->samples, width = width_of(self, index);
    memset(self->answer, 0x5a, 70 * 60 * sizeof *self->answer);
    dualprop_view view = a_view(self, self->answer, a_type(self), count, width, MOST_PARAMETERS);
    dualprop_status status = dualprop_state_read(&view, a_state(self), index, a_value(self));
    check_untouched(self->answer, 70 * 60 * sizeof *self->answer, status);
    return status;
}

static dualprop_status write_dyads(household *self)
{
    int index = an_index(self);
    int64_t count = one_in(self, 10) ? below(self, 9) : self->samples, width = width_of(self, index);
    draw_data(self);
    dualprop_view view = a_view(self, self->images, self->precision, count, width, SAMPLES * MOST_INPUTS);
    return dualprop_state_write(a_state(self), index, a_value(self), &view);
}

static dualprop_status report(household *self)
{
    struct {
        double residual, loss, gamma, damping;
        int64_t updates, skipped, correct, passes;
    } filled;
    int passes;
    memset(&filled, 0x5a, sizeof filled);
    dualprop_status status = one_in(self, 2)
                                 ? dualprop_state_damping(&filled.gamma, &filled.damping, a_state(self), an_index(self))
                                 : dualprop_state_report(&passes, &filled.residual, &filled.updates, &filled.skipped,
                                                         &filled.loss, &filled.correct, a_state(self));
    check_untouched(&filled, sizeof filled, status);
    return status;
}

static dualprop_status count_inferences(household *self)
{
    return dualprop_state_set_inference_count(a_state(self), one_in(self, 3) ? UINT64_MAX : (uint64_t)below(self, 99));
}

/* ---- gradients ---- */

static dualprop_status write_gradient(household *self)
{
    char name[64];
    dualprop_view view;
    dualprop_status status = find_parameter(self, name, &view);
    return status == DUALPROP_OK ? dualprop_gradient_write(an_optimizer(self), name, &view) : status;
}

static dualprop_status read_gradient(household *self)
{
    char name[64];
    dualprop_view view;
    dualprop_status status = find_parameter(self, name, &view);
    return status == DUALPROP_OK ? dualprop_gradient_read(&view, an_optimizer(self), name) : status;
}

/* ---- a group of one process ---- */

static dualprop_status begin_group(household *self)
{
    dualprop_transport transport = lone_transport;
    dualprop_group *made = NULL;
    dualprop_status status = dualprop_group_create(&made, self->context, &transport);
    if (status != DUALPROP_OK) return status;
    dualprop_group_destroy(self->group);
    self->group = made;
    return status;
}

static dualprop_status join_group(household *self)
{
    return dualprop_optimizer_set_group(an_optimizer(self), one_in(self, 3) ? NULL : self->group, below(self, 6) - 1);
}

static dualprop_status act_in_group(household *self)
{
    double values[2] = { a_number(self), a_number(self) }, loss;
    int64_t integers[2] = { 1, 2 }, first, count, correct;
    switch (below(self, 6)) {
    case 0: return dualprop_group_sum(values, integers, self->group, below(self, 3), below(self, 3));
    case 1: return dualprop_group_agree(self->group, below(self, 4), one_in(self, 2) ? "a reason" : NULL);
    case 2: return dualprop_group_share(&first, &count, self->group, below(self, 5) - 1, below(self, 30) - 1);
    case 3: return dualprop_group_check_network(self->group, a_network(self));
    case 4: return dualprop_group_report(&loss, &correct, an_optimizer(self), a_state(self));
    default: return dualprop_group_share_network(a_network(self), self->group, below(self, 2));
    }
}

/* ---- diagnostics ---- */

static dualprop_status ask_twin(household *self)
{
    int count = a_count(self);
    draw_data(self);
    dualprop_view inputs = some_inputs(self, count), targets = some_targets(self, count);
    return dualprop_diagnostics_twin(some_diagnostics(self), &inputs, &targets);
}

static dualprop_status compare_with_twin(household *self)
{
    double filled[5];
    memset(filled, 0x5a, sizeof filled);
    dualprop_status status = dualprop_diagnostics_compare(&filled[0], &filled[1], &filled[2], &filled[3], &filled[4],
                                                          some_diagnostics(self), an_optimizer(self), an_index(self));
    check_untouched(filled, sizeof filled, status);
    return status;
}

static dualprop_status gradient_of_inputs(household *self)
{
    int64_t count = one_in(self, 10) ? below(self, 9) : self->samples, width = width_of(self, 0);
    memset(self->answer, 0x5a, 70 * 60 * sizeof *self->answer);
    dualprop_view view = a_view(self, self->answer, a_type(self), count, width, MOST_PARAMETERS);
    dualprop_status status = dualprop_diagnostics_input_gradient(&view, some_diagnostics(self), a_state(self));
    check_untouched(self->answer, 70 * 60 * sizeof *self->answer, status);
    return status;
}

static dualprop_status bregman(household *self)
{
    double filled;
    memset(&filled, 0x5a, sizeof filled);
    dualprop_status status =
        dualprop_diagnostics_bregman(&filled, some_diagnostics(self), a_state(self), an_index(self));
    check_untouched(&filled, sizeof filled, status);
    return status;
}

/* ---- checkpoints ---- */

static dualprop_status put_text(household *self)
{
    static const char *const texts[] = { "epoch", "network", "", "\xff", "a \"b\"\n" };
    return dualprop_checkpoint_put_text(self->checkpoint, texts[below(self, 5)],
                                        one_in(self, 4) ? NULL : texts[below(self, 5)]);
}

static dualprop_status put_tensor(household *self)
{
    draw_data(self);
    dualprop_view view = a_view(self, self->images, a_type(self), 1 + below(self, 9), 1 + below(self, 9), 99);
    return dualprop_checkpoint_put_tensor(self->checkpoint, one_in(self, 4) ? "layer1.weight" : "other", &view);
}

static dualprop_status save(household *self)
{
    self->file_size = 0;
    return dualprop_checkpoint_write(self->checkpoint, "file");
}

/* What was saved has to load, unless a limit that was set since forbids it. */
static dualprop_status load(household *self)
{
    dualprop_checkpoint *read = NULL;
    dualprop_status saved = save(self);
    if (saved != DUALPROP_OK) return saved;
    dualprop_status status = dualprop_checkpoint_read(&read, self->context, "file");
    promise(status == DUALPROP_OK || status == DUALPROP_ERROR_LIMIT || fault_hit(self),
            "what was saved does not load: %s", dualprop_status_name(status));
    if (status != DUALPROP_OK) return status;
    dualprop_checkpoint_destroy(self->checkpoint);
    self->checkpoint = read;
    return DUALPROP_OK;
}

/* A few bytes of the file change; what still loads is as good as any. */
static dualprop_status load_damaged(household *self)
{
    dualprop_checkpoint *read = NULL;
    dualprop_status status = save(self);
    if (status != DUALPROP_OK) return status;
    for (int i = below(self, 4); i >= 0; i--)
        self->file[below(self, (int)(self->file_size < 3000 ? self->file_size : 3000))] ^=
            (unsigned char)(1 << below(self, 8));
    status = dualprop_checkpoint_read_memory(&read, self->context, self->file, self->file_size);
    if (status != DUALPROP_OK) return status;
    dualprop_checkpoint_destroy(self->checkpoint);
    self->checkpoint = read;
    return DUALPROP_OK;
}

/* ---- an activation and a linear map of the household's own ---- */

static int soft_sign(void *user_data, double *values, const double *a, int64_t count)
{
    for (int64_t i = 0; i < count; i++) values[i] = a[i] / (1 + fabs(a[i]));
    return one_in(user_data, 200);
}

static int slope_of_soft_sign(void *user_data, double *values, const double *a, int64_t count)
{
    for (int64_t i = 0; i < count; i++) values[i] = 1 / ((1 + fabs(a[i])) * (1 + fabs(a[i])));
    return one_in(user_data, 200);
}

static double real_at(const void *reals, int type, int64_t i)
{
    return type == DUALPROP_F64 ? ((const double *)reals)[i] : ((const float *)reals)[i];
}

static void put_real(void *reals, int type, int64_t i, double value)
{
    if (type == DUALPROP_F64) ((double *)reals)[i] = value;
    else ((float *)reals)[i] = (float)value;
}

/* Output o is w times input o, counted again from the first where there are fewer inputs. */
static int repeat(void *user_data, void *result, const void *vectors, const void *weights,
                  const dualprop_map_shape *shape)
{
    int type = shape->type;
    for (int64_t i = 0; i < shape->count * shape->outputs; i++)
        put_real(result, type, i,
                 real_at(weights, type, 0) *
                     real_at(vectors, type, i / shape->outputs * shape->inputs + i % shape->outputs % shape->inputs));
    return one_in(user_data, 200);
}

static int repeat_transposed(void *user_data, void *result, const void *vectors, const void *weights,
                             const dualprop_map_shape *shape)
{
    int type = shape->type;
    for (int64_t i = 0; i < shape->count * shape->inputs; i++) {
        double sum = 0;
        for (int64_t o = i % shape->inputs; o < shape->outputs; o += shape->inputs)
            sum += real_at(vectors, type, i / shape->inputs * shape->outputs + o);
        put_real(result, type, i, real_at(weights, type, 0) * sum);
    }
    return one_in(user_data, 200);
}

static int gradient_of_repeat(void *user_data, void *gradient, const void *x, const void *delta, const void *weights,
                              const dualprop_map_shape *shape)
{
    double sum = 0;
    (void)weights;
    for (int64_t i = 0; i < shape->count * shape->outputs; i++)
        sum += real_at(delta, shape->type, i) *
               real_at(x, shape->type, i / shape->outputs * shape->inputs + i % shape->outputs % shape->inputs);
    put_real(gradient, shape->type, 0, sum);
    return one_in(user_data, 200);
}

/* The second time it is refused. */
static dualprop_status register_own(household *self)
{
    return one_in(self, 2) ? dualprop_activation_register(&self->activation, self->context, "soft-sign", soft_sign,
                                                          slope_of_soft_sign, NULL, self)
                           : dualprop_map_register(&self->map, self->context, "repeat", repeat, repeat_transposed,
                                                   gradient_of_repeat, self);
}

/* ---- parts of layers, single neurons, and what they cost ---- */

static dualprop_status set_neurons(household *self)
{
    double values[60];
    int index = an_index(self);
    int64_t count = one_in(self, 5) ? 0 : width_of(self, index);
    for (int i = 0; i < 60; i++) values[i] = one_in(self, 40) ? a_number(self) : below(self, 2);
    return dualprop_state_set_neurons(a_state(self), index, below(self, 7) - 1, values, count > 60 ? 60 : count);
}

static dualprop_status read_part(household *self)
{
    int index = an_index(self);
    memset(self->answer, 0x5a, 70 * 60 * sizeof *self->answer);
    dualprop_view view = a_view(self, self->answer, a_type(self), self->samples, 1 + below(self, 4), MOST_PARAMETERS);
    dualprop_status status =
        dualprop_state_read_part(&view, a_state(self), index, a_value(self), one_in(self, 9) ? -1 : below(self, 5));
    check_untouched(self->answer, 70 * 60 * sizeof *self->answer, status);
    return status;
}

static dualprop_status write_part(household *self)
{
    draw_data(self);
    dualprop_view view =
        a_view(self, self->images, self->precision, self->samples, 1 + below(self, 4), SAMPLES * MOST_INPUTS);
    return dualprop_state_write_part(a_state(self), an_index(self), a_value(self),
                                     one_in(self, 9) ? INT64_MAX : below(self, 5), &view);
}

static dualprop_status keep_inference(household *self)
{
    return dualprop_state_keep_inference(a_state(self), below(self, 3));
}

static dualprop_status fuse_optimizer(household *self)
{
    dualprop_optimizer *made = NULL;
    dualprop_status status = dualprop_optimizer_create_fused(&made, a_network(self), below(self, 4));
    return keep_optimizer(self, made, status);
}

static dualprop_status ask_for_memory(household *self)
{
    uint64_t bytes = 0;
    dualprop_network *outline = NULL;
    dualprop_status status = dualprop_network_create_outline(&outline, self->context, 6, 5, 2);
    if (status == DUALPROP_OK) status = dualprop_network_add_dense(outline, 3, DUALPROP_IDENTITY);
    switch (below(self, 4)) {
    case 0: status = dualprop_network_memory_needed(&bytes, one_in(self, 2) ? outline : a_network(self)); break;
    case 1: status = dualprop_rule_memory_needed(&bytes, a_rule(self)); break;
    case 2:
        status = dualprop_optimizer_memory_needed(&bytes, one_in(self, 2) ? outline : a_network(self), below(self, 4),
                                                  below(self, 3));
        break;
    default:
        status = dualprop_state_memory_needed(&bytes, one_in(self, 2) ? outline : a_network(self), a_rule(self),
                                              a_count(self));
    }
    dualprop_network_destroy(outline);
    return status;
}

/* ---- the context ---- */

static dualprop_status cancelled(household *self)
{
    int count = a_count(self);
    draw_data(self);
    promise(dualprop_context_cancel(self->context) == DUALPROP_OK, "cannot cancel");
    dualprop_status status = one_in(self, 2)
                                 ? dualprop_learn(an_optimizer(self), a_state(self), self->images, self->labels, count)
                                 : dualprop_predict(self->scores, a_state(self), self->images, count);
    promise(status != DUALPROP_OK, "a cancelled call succeeds");
    promise(dualprop_context_resume(self->context) == DUALPROP_OK, "cannot resume");
    return status;
}

static void run_serially(void *user_data, void (*task)(void *argument, int64_t index), void *argument, int64_t count)
{
    (void)user_data;
    for (int64_t i = count - 1; i >= 0; i--) task(argument, i);
}

static void run_half(void *user_data, void (*task)(void *argument, int64_t index), void *argument, int64_t count)
{
    (void)user_data;
    for (int64_t i = 0; i < count; i += 2) task(argument, i);
}

static dualprop_status set_threads(household *self)
{
    dualprop_parallel_for run = one_in(self, 3) ? NULL : one_in(self, 2) ? run_half : run_serially;
    return dualprop_context_set_parallel_for(self->context, run, NULL, below(self, 6));
}

static dualprop_status set_limit(household *self)
{
    return dualprop_context_set_limit(self->context, below(self, 7) - 1,
                                      one_in(self, 4) ? (uint64_t)below(self, 5000) : 1u << 20);
}

static dualprop_status describe(household *self)
{
    char text[300];
    return dualprop_context_describe(text, (size_t)below(self, 300), NULL, self->context);
}

/* clang-format off */
const act more_acts[] = {
    ACT(clone_network, 1, MAY_WRITE), ACT(publish, 1, MAY_WRITE), ACT(set_open, 1, MAY_WRITE),
    ACT(set_input_transform, 1, MAY_WRITE), ACT(set_initializer, 1, MAY_WRITE), ACT(write_parameter, 2, MAY_WRITE),
    ACT(read_parameter_of_another, 1, 0), ACT(write_feedback, 1, MAY_WRITE), ACT(export_source, 1, 0),
    ACT(set_loss_function, 1, 0), ACT(set_growth_limit, 1, 0), ACT(set_seed, 1, 0), ACT(augment, 1, 0),
    ACT(weigh_samples, 1, 0), ACT(weigh_classes, 1, 0), ACT(infer_by_slope, 2, BEGINS), ACT(infer_on_views, 2, BEGINS),
    ACT(learn_on_views, 2, MAY_LEARN | BEGINS), ACT(predict_on_views, 2, 0), ACT(evaluate_on_views, 2, 0),
    ACT(read_dyads, 2, GOES_ON), ACT(write_dyads, 2, GOES_ON), ACT(report, 2, GOES_ON), ACT(count_inferences, 1, 0),
    ACT(write_gradient, 2, GOES_ON), ACT(read_gradient, 1, GOES_ON), ACT(begin_group, 1, 0), ACT(join_group, 1, 0),
    ACT(act_in_group, 2, MAY_WRITE), ACT(ask_twin, 1, GOES_ON), ACT(compare_with_twin, 1, GOES_ON),
    ACT(gradient_of_inputs, 1, GOES_ON), ACT(bregman, 1, GOES_ON), ACT(put_text, 1, 0), ACT(put_tensor, 1, 0),
    ACT(load, 2, 0), ACT(load_damaged, 2, 0), ACT(register_own, 1, 0), ACT(set_neurons, 2, 0),
    ACT(read_part, 1, GOES_ON), ACT(write_part, 1, GOES_ON), ACT(keep_inference, 1, 0), ACT(fuse_optimizer, 1, 0),
    ACT(ask_for_memory, 1, 0), ACT(cancelled, 1, 0), ACT(set_threads, 1, 0), ACT(set_limit, 1, 0), ACT(describe, 1, 0),
    ACT(set_loss_proximal, 1, 0),
};
/* clang-format on */
const int more_act_count = sizeof more_acts / sizeof more_acts[0];
