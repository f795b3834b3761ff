/*
 * dualprop-asymmetry.c - nudging one side only: DP^T keeps training at alpha 0 and 1, where DP's inference diverges.
 *
 *     asymmetry                          on drawn data, a few seconds
 *     asymmetry --data DIR --epochs 5    on the IDX files of MNIST or Fashion-MNIST in DIR
 *
 * The experiment of Table 2 and Fig. 3 of Hoeier and Zach: a deep ReLU network, squared error, beta 1/2, and inference
 * that goes through all layers up and down many times, with alpha 1/2 for comparison. At the weights each has learned
 * in its last epoch, the gradients are compared with back-propagation's. A run in which an inference diverges has
 * failed (X in the table); the library says in which layer and pass, and the weights are left as they were.
 */
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/dataset.h"
#include "common/numbers.h"

#define MOST_LAYERS 16
#define MOST_SEEDS 20
#define BATCH 50
/* Every so many batches of the last epoch are compared with back-propagation. */
#define AUDIT_EVERY 10

/* What the command line says. */
typedef struct plan {
    const char *data;
    int64_t hidden_layers, width, epochs, passes, limit, seeds;
    double beta;
    int backend;
} plan;

/* Training and test samples, as views. */
typedef struct task {
    dualprop_view images, labels, test_images, test_labels;
    dataset files; /* with --data */
    float *drawn;  /* without */
    int32_t *classes;
    int class_count;
} task;

/* One row of the table. */
typedef struct trial {
    int rule;
    double alpha;
    /* Over the seeds that trained: */
    int trained, failed;
    double accuracy[MOST_SEEDS];
    double angle[MOST_LAYERS], difference[MOST_LAYERS], norm[MOST_LAYERS], twin_norm[MOST_LAYERS];
    int64_t audits;
    char failure[MESSAGE_BYTES]; /* the first */
} trial;

/* Everything one training run is made of. */
typedef struct session {
    dualprop_context *context;
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
    dualprop_diagnostics *diagnostics;
} session;

/* ---- drawn data: noisy copies of a few random patterns, which patterns make a class ---- */

#define DRAWN_INPUTS 64
#define DRAWN_CLASSES 10
#define PATTERNS (3 * DRAWN_CLASSES)
#define DRAWN_TRAINING 2000
#define DRAWN_TEST 1000
#define NOISE 1.15

/* Uniform in (0, 1), by a generator of our own so that the data are the same everywhere. */
static double draw(uint64_t *random)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return ((double)(*random >> 11) + 0.5) / 9007199254740992.0;
}

static void draw_sample(float *image, int32_t *label, float (*patterns)[DRAWN_INPUTS], uint64_t *random)
{
    int which = (int)(draw(random) * PATTERNS);

    *label = which % DRAWN_CLASSES;
    for (int i = 0; i < DRAWN_INPUTS; i++)
        image[i] = (float)fmin(1, fmax(0, (double)patterns[which][i] + NOISE * (draw(random) - 0.5)));
}

static void draw_samples(task *work)
{
    static float patterns[PATTERNS][DRAWN_INPUTS];
    uint64_t random = 2024;

    for (int p = 0; p < PATTERNS; p++)
        for (int i = 0; i < DRAWN_INPUTS; i++) patterns[p][i] = draw(&random) < 0.5 ? 0.2f : 0.8f;
    for (int i = 0; i < DRAWN_TRAINING + DRAWN_TEST; i++)
        draw_sample(work->drawn + (size_t)i * DRAWN_INPUTS, work->classes + i, patterns, &random);
}

static dualprop_view view_of(void *data, int type, int64_t rows, int64_t columns)
{
    return (dualprop_view){ .struct_size = sizeof(dualprop_view),
                            .data = data,
                            .type = type,
                            .rank = columns ? 2 : 1,
                            .shape = { rows, columns },
                            .strides = { columns ? columns : 1, 1 } };
}

static dualprop_status make_task(task *work, host *owner)
{
    int64_t count = DRAWN_TRAINING + DRAWN_TEST;

    work->drawn = host_allocate(owner, (uint64_t)(count * DRAWN_INPUTS), sizeof(float));
    work->classes = host_allocate(owner, (uint64_t)count, sizeof(int32_t));
    if (work->drawn == NULL || work->classes == NULL) return host_no_memory(owner, "the data");
    draw_samples(work);
    work->images = view_of(work->drawn, DUALPROP_F32, DRAWN_TRAINING, DRAWN_INPUTS);
    work->labels = view_of(work->classes, DUALPROP_I32, DRAWN_TRAINING, 0);
    work->test_images = view_of(work->drawn + DRAWN_TRAINING * DRAWN_INPUTS, DUALPROP_F32, DRAWN_TEST, DRAWN_INPUTS);
    work->test_labels = view_of(work->classes + DRAWN_TRAINING, DUALPROP_I32, DRAWN_TEST, 0);
    work->class_count = DRAWN_CLASSES;
    return DUALPROP_OK;
}

static dualprop_status read_task(task *work, host *owner, const plan *run)
{
    TRY(dataset_open(&work->files, owner, DATASET_IDX, run->data, run->limit));
    samples_view(&work->images, &work->labels, &work->files.train, 0, work->files.train.count);
    samples_view(&work->test_images, &work->test_labels, &work->files.test, 0, work->files.test.count);
    work->class_count = work->files.classes;
    return DUALPROP_OK;
}

static void close_task(task *work, host *owner, const plan *run)
{
    int64_t count = DRAWN_TRAINING + DRAWN_TEST;

    if (run->data != NULL) dataset_close(&work->files, owner);
    host_release(owner, work->drawn, (uint64_t)(count * DRAWN_INPUTS), sizeof(float));
    host_release(owner, work->classes, (uint64_t)count, sizeof(int32_t));
}

/* Samples first .. first + count - 1. */
static dualprop_view part_of(const dualprop_view *all, int64_t first, int64_t count)
{
    dualprop_view part = *all;
    size_t size = all->type == DUALPROP_U8 ? 1 : 4;

    part.data = (char *)all->data + (size_t)(first * all->strides[0]) * size;
    part.shape[0] = count;
    return part;
}

/* ---- one training run ---- */

static dualprop_status build_network(session *self, host *owner, const plan *run, const task *work, uint64_t seed)
{
    const int64_t *shape = work->images.shape;
    int flat = work->images.rank == 2;

    TRY_LIBRARY(owner, dualprop_network_create(&self->network, self->context, flat ? 1 : shape[1], flat ? 1 : shape[2],
                                               flat ? shape[1] : 1));
    for (int k = 0; k < run->hidden_layers; k++)
        TRY_LIBRARY(owner, dualprop_network_add_dense(self->network, run->width, DUALPROP_RELU));
    TRY_LIBRARY(owner, dualprop_network_add_dense(self->network, work->class_count, DUALPROP_IDENTITY));
    TRY_LIBRARY(owner, dualprop_network_set_initializer(self->network, DUALPROP_INIT_PAPER, 1));
    TRY_LIBRARY(owner, dualprop_network_initialize(self->network, seed));
    return DUALPROP_OK;
}

/* DP takes the exact output step, as the paper does; for DP^T the linear one is exact already. */
static dualprop_status build_rule(session *self, host *owner, const plan *run, const trial *row)
{
    TRY_LIBRARY(owner, dualprop_rule_create(&self->rule, self->context, row->rule));
    TRY_LIBRARY(owner, dualprop_rule_set_alpha(self->rule, row->alpha));
    TRY_LIBRARY(owner, dualprop_rule_set_beta(self->rule, run->beta));
    TRY_LIBRARY(owner, dualprop_rule_set_schedule(self->rule, DUALPROP_FORWARD_BACKWARD, (int)run->passes));
    if (row->rule == DUALPROP_DP) TRY_LIBRARY(owner, dualprop_rule_set_output_step(self->rule, DUALPROP_OUTPUT_EXACT));
    return DUALPROP_OK;
}

static dualprop_status build(session *self, host *owner, const plan *run, const task *work, const trial *row,
                             uint64_t seed)
{
    dualprop_options options = DUALPROP_OPTIONS_INIT;

    options.threads = run->data != NULL ? DUALPROP_ALL_CPUS : 1;
    TRY_LIBRARY(owner, dualprop_context_create(&self->context, run->backend, &options));
    TRY(build_network(self, owner, run, work, seed));
    TRY(build_rule(self, owner, run, row));
    TRY_LIBRARY(owner, dualprop_state_create(&self->state, self->network, self->rule, BATCH));
    TRY_LIBRARY(owner, dualprop_optimizer_create(&self->optimizer, self->network, DUALPROP_ADAM));
    TRY_LIBRARY(owner, dualprop_diagnostics_create(&self->diagnostics, self->network, DUALPROP_MSE, BATCH));
    return DUALPROP_OK;
}

static void tear_down(session *self)
{
    dualprop_diagnostics_destroy(self->diagnostics);
    dualprop_optimizer_destroy(self->optimizer);
    dualprop_state_destroy(self->state);
    dualprop_rule_destroy(self->rule);
    dualprop_network_destroy(self->network);
    dualprop_context_destroy(self->context);
}

static dualprop_status audit(trial *row, session *self, host *owner, const plan *run, const dualprop_view *images,
                             const dualprop_view *labels)
{
    TRY_LIBRARY(owner, dualprop_diagnostics_twin(self->diagnostics, images, labels));
    for (int k = 0; k <= run->hidden_layers; k++) {
        double angle, norm, twin_norm, difference;
        TRY_LIBRARY(owner, dualprop_diagnostics_compare(&angle, NULL, &norm, &twin_norm, &difference, self->diagnostics,
                                                        self->optimizer, k + 1));
        row->angle[k] += angle;
        row->norm[k] += norm;
        row->twin_norm[k] += twin_norm;
        row->difference[k] += difference;
    }
    row->audits++;
    return DUALPROP_OK;
}

static dualprop_status learn(trial *row, session *self, host *owner, const plan *run, const task *work, int64_t batch,
                             int audited)
{
    int64_t first = batch * BATCH, left = work->images.shape[0] - first;
    dualprop_view images = part_of(&work->images, first, left < BATCH ? left : BATCH);
    dualprop_view labels = part_of(&work->labels, first, images.shape[0]);

    TRY_LIBRARY(owner, dualprop_infer_view(self->state, &images, &labels));
    TRY_LIBRARY(owner, dualprop_gradient(self->optimizer, self->state));
    if (audited) TRY(audit(row, self, owner, run, &images, &labels));
    TRY_LIBRARY(owner, dualprop_step(self->optimizer));
    return DUALPROP_OK;
}

/* Each epoch visits the batches in another order: a step that shares no factor with their number. */
static int64_t batch_at(int64_t i, int64_t batches, int64_t epoch)
{
    static const int64_t steps[] = { 1, 7, 11, 13, 17, 19, 23 };
    int64_t step = steps[epoch % 7];

    return batches % step == 0 ? i : (i * step + epoch) % batches;
}

static dualprop_status train(trial *row, session *self, host *owner, const plan *run, const task *work)
{
    int64_t batches = (work->images.shape[0] + BATCH - 1) / BATCH;

    for (int64_t epoch = 0; epoch < run->epochs; epoch++)
        for (int64_t i = 0; i < batches; i++) {
            int audited = epoch + 1 == run->epochs && i % AUDIT_EVERY == 0;
            dualprop_status status = learn(row, self, owner, run, work, batch_at(i, batches, epoch), audited);
            if (status == DUALPROP_OK) continue;
            char sentence[MESSAGE_BYTES];
            snprintf(sentence, sizeof sentence, "%s", owner->message);
            return host_fail(owner, status, "epoch %" PRId64 ", batch %" PRId64 ": %s", epoch + 1, i + 1, sentence);
        }
    return DUALPROP_OK;
}

static dualprop_status test(double *accuracy, const session *self, host *owner, const task *work)
{
    int64_t correct;

    TRY_LIBRARY(owner,
                dualprop_evaluate_view(NULL, &correct, NULL, 1, self->state, &work->test_images, &work->test_labels));
    *accuracy = 100 * (double)correct / (double)work->test_images.shape[0];
    return DUALPROP_OK;
}

/* A divergence is a result; any other failure is one of the machine. */
static dualprop_status run_seed(trial *row, host *owner, const plan *run, const task *work, uint64_t seed)
{
    session self = { 0 };
    dualprop_status status = build(&self, owner, run, work, row, seed);

    if (status == DUALPROP_OK) status = train(row, &self, owner, run, work);
    if (status == DUALPROP_OK) status = test(&row->accuracy[row->trained], &self, owner, work);
    tear_down(&self);
    row->trained += status == DUALPROP_OK;
    if (status != DUALPROP_ERROR_DIVERGED && status != DUALPROP_ERROR_NOT_FINITE) return status;
    if (row->failed++ == 0) snprintf(row->failure, sizeof row->failure, "%s", owner->message);
    return DUALPROP_OK;
}

/* ---- the table ---- */

static void print_accuracy(const trial *row)
{
    double sum = 0, squares = 0;

    for (int i = 0; i < row->trained; i++) sum += row->accuracy[i];
    double mean = sum / row->trained;
    for (int i = 0; i < row->trained; i++) squares += (row->accuracy[i] - mean) * (row->accuracy[i] - mean);
    if (row->trained > 1) printf("%6.2f +- %-5.2f", mean, sqrt(squares / (row->trained - 1)));
    else printf("%6.2f         ", mean);
}

/* The layer whose angle to back-propagation is the widest, and how long its gradient is beside back-propagation's. */
static void print_gradients(const trial *row, const plan *run)
{
    int worst = 0;

    for (int k = 1; k <= run->hidden_layers; k++)
        if (row->angle[k] > row->angle[worst]) worst = k;
    printf("%8.2f  %5d  %10.3f", row->angle[worst] / (double)row->audits, worst + 1,
           row->norm[worst] / row->twin_norm[worst]);
}

static void print_row(const trial *row, const plan *run)
{
    const char *name = dualprop_name(DUALPROP_NAMES_RULE, row->rule);

    if (row->rule == DUALPROP_BP) printf("%-11s   -    ", name);
    else printf("%-11s %4.1f   ", name, row->alpha);
    if (row->trained > 0) print_accuracy(row);
    else printf("     X         ");
    if (row->trained > 0 && row->rule != DUALPROP_BP) print_gradients(row, run);
    if (row->trained > 0 && row->failed > 0) printf("  (%d of %d failed)", row->failed, row->trained + row->failed);
    printf("\n");
    if (row->failed > 0) printf("            diverged at %s\n", row->failure);
    fflush(stdout);
}

static void print_head(const plan *run, const task *work)
{
    const int64_t *shape = work->images.shape;

    printf("%" PRId64, work->images.rank == 2 ? shape[1] : shape[1] * shape[2]);
    for (int k = 0; k < run->hidden_layers; k++) printf("-%" PRId64, run->width);
    printf("-%d, relu, squared error, beta %g, fw-bw with %" PRId64 " passes, Adam; %" PRId64 " samples, %" PRId64
           " epoch%s, %" PRId64 " seed%s\n\n",
           work->class_count, run->beta, run->passes, shape[0], run->epochs, run->epochs == 1 ? "" : "s", run->seeds,
           run->seeds == 1 ? "" : "s");
    printf("                     test accuracy     worst angle to back-propagation\n");
    printf("rule        alpha    (%%)               (degrees)  layer  norm ratio\n");
    fflush(stdout);
}

static int has_trained(const trial *rows, int count, int rule, double alpha)
{
    for (int i = 0; i < count; i++)
        if (rows[i].rule == rule && fabs(rows[i].alpha - alpha) < 0.1) return rows[i].failed == 0;
    return 0;
}

static void print_claim(const trial *rows, int count)
{
    int adjoint = has_trained(rows, count, DUALPROP_DP_ADJOINT, 0) && has_trained(rows, count, DUALPROP_DP_ADJOINT, 1);
    int original = has_trained(rows, count, DUALPROP_DP, 0) || has_trained(rows, count, DUALPROP_DP, 1);

    printf("\nX: inference diverged. ");
    if (adjoint && !original) printf("dp-adjoint trains when one side alone is nudged, alpha 0 or 1; dp does not.\n");
    else
        printf("Here dp-adjoint %s at alpha 0 and 1, and dp %s.\n", adjoint ? "trains" : "does not train",
               original ? "does too at one of them" : "at neither");
}

/* Is it there? Said before anything is printed. */
static dualprop_status try_backend(host *owner, const plan *run)
{
    dualprop_context *context;

    TRY_LIBRARY(owner, dualprop_context_create(&context, run->backend, NULL));
    dualprop_context_destroy(context);
    return DUALPROP_OK;
}

static dualprop_status run_all(host *owner, const plan *run, const task *work)
{
    static trial rows[] = { { .rule = DUALPROP_BP, .alpha = 0.5 },       { .rule = DUALPROP_DP, .alpha = 0 },
                            { .rule = DUALPROP_DP, .alpha = 0.5 },       { .rule = DUALPROP_DP, .alpha = 1 },
                            { .rule = DUALPROP_DP_ADJOINT, .alpha = 0 }, { .rule = DUALPROP_DP_ADJOINT, .alpha = 0.5 },
                            { .rule = DUALPROP_DP_ADJOINT, .alpha = 1 } };
    int count = (int)(sizeof rows / sizeof rows[0]);

    TRY(try_backend(owner, run));
    print_head(run, work);
    for (int i = 0; i < count; i++) {
        for (int64_t seed = 1; seed <= run->seeds; seed++) TRY(run_seed(&rows[i], owner, run, work, (uint64_t)seed));
        print_row(&rows[i], run);
    }
    print_claim(rows, count);
    return DUALPROP_OK;
}

/* ---- the command line ---- */

static const struct option options[] = { { "data", required_argument, NULL, 'd' },
                                         { "layers", required_argument, NULL, 'y' },
                                         { "width", required_argument, NULL, 'w' },
                                         { "epochs", required_argument, NULL, 'e' },
                                         { "passes", required_argument, NULL, 'p' },
                                         { "limit", required_argument, NULL, 'l' },
                                         { "seeds", required_argument, NULL, 's' },
                                         { "beta", required_argument, NULL, 'b' },
                                         { "backend", required_argument, NULL, 'k' },
                                         { "help", no_argument, NULL, 'h' },
                                         { NULL, 0, NULL, 0 } };

static void print_help(void)
{
    printf("Usage: dualprop-asymmetry [options]\nTrain one network by dp, dp-adjoint and back-propagation at alpha 0, "
           "1/2 and 1.\n\n"
           "  --data DIR     folder of MNIST's or Fashion-MNIST's IDX files (random data)\n"
           "  --layers N     hidden layers (4)\n"
           "  --width N      neurons in each (128; with --data 1000)\n"
           "  --epochs N     (5)\n"
           "  --passes N     of the schedule fw-bw (30)\n"
           "  --limit N      use the first N training samples (all; with --data only)\n"
           "  --seeds N      runs of each row (1)\n"
           "  --beta X       strength of the nudge (0.5)\n"
           "  --backend NAME auto, blis, reference or cuda (auto)\n"
           "\nExit status: 0; 1 after a failure; 2 for a wrong option. A divergence is a result, not a failure.\n");
}

static dualprop_status read_count(int64_t *out, host *owner, const char *name, const char *text, int64_t most)
{
    int64_t value;

    if (!number_integer(&value, text) || value < 1 || value > most)
        return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT,
                         "--%s is \"%.40s\"; expected a whole number from 1 to %" PRId64, name, text, most);
    *out = value;
    return DUALPROP_OK;
}

static dualprop_status read_beta(double *out, host *owner, const char *text)
{
    double value;

    if (!number_real(&value, text) || !(value > 0 && value < 1))
        return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT,
                         "--beta is \"%.40s\"; expected a number between 0 and 1, where dp's exact output step exists",
                         text);
    *out = value;
    return DUALPROP_OK;
}

static dualprop_status read_backend(int *out, host *owner, const char *text)
{
    if (strcmp(text, "cpu") == 0) *out = DUALPROP_BACKEND_BLIS;
    else if (dualprop_from_name(out, DUALPROP_NAMES_BACKEND, text) != DUALPROP_OK)
        return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT,
                         "--backend is \"%.40s\"; expected auto, blis, reference or cuda", text);
    return DUALPROP_OK;
}

static dualprop_status take_option(plan *run, host *owner, int found)
{
    switch (found) {
    case 'd': run->data = optarg; return DUALPROP_OK;
    case 'y': return read_count(&run->hidden_layers, owner, "layers", optarg, MOST_LAYERS - 1);
    case 'w': return read_count(&run->width, owner, "width", optarg, 100000);
    case 'e': return read_count(&run->epochs, owner, "epochs", optarg, 1000000);
    case 'p': return read_count(&run->passes, owner, "passes", optarg, 1000000);
    case 'l': return read_count(&run->limit, owner, "limit", optarg, 1000000000);
    case 's': return read_count(&run->seeds, owner, "seeds", optarg, MOST_SEEDS);
    case 'b': return read_beta(&run->beta, owner, optarg);
    case 'k': return read_backend(&run->backend, owner, optarg);
    default: return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT, "wrong option; --help lists them");
    }
}

/* *help is set where nothing is to be run. */
static dualprop_status read_command_line(plan *run, int *help, host *owner, int argc, char **argv)
{
    opterr = 0;
    for (int found; (found = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        *help |= found == 'h';
        if (found != 'h') TRY(take_option(run, owner, found));
    }
    if (optind < argc)
        return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT, "unexpected argument \"%.80s\"; expected options only",
                         argv[optind]);
    if (run->limit > 0 && run->data == NULL)
        return host_fail(owner, DUALPROP_ERROR_INVALID_ARGUMENT, "--limit needs --data DIR");
    if (run->width == 0) run->width = run->data != NULL ? 1000 : 128;
    return DUALPROP_OK;
}

static int complain(const host *owner, int status)
{
    fprintf(stderr, "dualprop-asymmetry: %s\n", owner->message);
    return status;
}

int main(int argc, char **argv)
{
    plan run = { .hidden_layers = 4, .epochs = 5, .passes = 30, .seeds = 1, .beta = 0.5 };
    task work = { .class_count = 0 };
    static host owner; /* with its list of files too large for the frame */
    int help = 0;

    host_init(&owner, "dualprop-asymmetry");
    if (read_command_line(&run, &help, &owner, argc, argv) != DUALPROP_OK) return complain(&owner, 2);
    if (help) print_help();
    if (help) return 0;
    dualprop_status status = run.data != NULL ? read_task(&work, &owner, &run) : make_task(&work, &owner);
    if (status == DUALPROP_OK) status = run_all(&owner, &run, &work);
    close_task(&work, &owner, &run);
    return status == DUALPROP_OK ? 0 : complain(&owner, 1);
}
