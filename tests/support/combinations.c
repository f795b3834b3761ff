/*
 * combinations.c - see combinations.h.
 *
 * Each combination is a network of four layers in f64 on the reference backend, inferred at beta = 1e-2 and 1e-3 with
 * passes enough for everything to settle. Its gradient's distance from back-propagation's, relative and of the worst
 * layer, gives the order: log10 of the ratio.
 */
#include "combinations.h"
#include "comparison.h"

#include <dualprop/dualprop.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LAYERS = 4, INPUTS = 6, WIDTH = 9, CLASSES = 4, BATCH = 5 };

struct combination {
    int rule, schedule, loss, activation, output_step;
    double alpha;
};

static const struct named_rule {
    int rule;
    double alpha;
    const char *name;
} RULES[] = {
    { DUALPROP_BP, 0.5, "bp" },
    { DUALPROP_DP, 0.3, "dp" },
    { DUALPROP_DP, 0.5, "dp, alpha 1/2" },
    { DUALPROP_DP_ADJOINT, 0.3, "dp-adjoint" },
    { DUALPROP_DP_ADJOINT, 0.5, "dp-adjoint, alpha 1/2" },
    { DUALPROP_DP_DAMPED, 0.3, "dp-damped" },
    { DUALPROP_LPOM, 1, "lpom" },
    { DUALPROP_INVERTED_LPOM, 0, "inverted-lpom" },
    { DUALPROP_FENCHEL, 0, "fenchel" },
    { DUALPROP_LECUN, 0.3, "lecun" },
};
#define RULE_COUNT ((int)(sizeof RULES / sizeof RULES[0]))

/* Sentences of refusals, each with its number. */
struct refusals {
    char sentence[64][256];
    int count;
};

/* ---- one network ---- */

struct world {
    dualprop_context *context;
    dualprop_network *network;
    double x[BATCH * INPUTS];
    int32_t labels[BATCH];
};

static void must(dualprop_status status)
{
    char text[512] = "";
    if (status == DUALPROP_OK) return;
    if (dualprop_last_error(text, sizeof text, NULL, NULL) != DUALPROP_OK) text[0] = 0;
    fprintf(stderr, "combinations: %s\n", text);
    exit(1);
}

static void create_world(struct world *world, int activation)
{
    uint64_t random = 5;
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    options.precision = DUALPROP_F64;
    must(dualprop_context_create(&world->context, DUALPROP_BACKEND_REFERENCE, &options));
    must(dualprop_network_create(&world->network, world->context, 1, 1, INPUTS));
    for (int k = 1; k <= LAYERS; k++)
        must(dualprop_network_add_dense(world->network, k < LAYERS ? WIDTH : CLASSES,
                                        k < LAYERS ? activation : DUALPROP_IDENTITY));
    must(dualprop_network_set_initializer(world->network, DUALPROP_INIT_LECUN, 0.8));
    must(dualprop_network_initialize(world->network, 4));
    for (int i = 0; i < BATCH * INPUTS; i++) {
        random = random * 6364136223846793005ULL + 1442695040888963407ULL;
        world->x[i] = (double)(random >> 11) / 4503599627370496.0 - 1.0;
    }
    for (int i = 0; i < BATCH; i++) world->labels[i] = i % CLASSES;
}

static void destroy_world(struct world *world)
{
    dualprop_network_destroy(world->network);
    dualprop_context_destroy(world->context);
}

/* ---- one rule on it ---- */

static int is_damped(int rule)
{
    return rule == DUALPROP_DP_DAMPED || rule == DUALPROP_LPOM || rule == DUALPROP_INVERTED_LPOM;
}

static int passes_for(const struct combination *of)
{
    int delayed = of->schedule == DUALPROP_RANDOM || of->schedule == DUALPROP_ASYNC;
    return is_damped(of->rule) ? 300 : delayed ? 300 : 30;
}

static void set_rule(dualprop_rule *rule, const struct combination *of, double beta)
{
    static const int32_t ORDER[] = { 4, 3, 2, 1, 2, 3, 4, 3, 2, 1 };
    if (of->rule < DUALPROP_LPOM || of->rule > DUALPROP_FENCHEL) must(dualprop_rule_set_alpha(rule, of->alpha));
    must(dualprop_rule_set_beta(rule, beta));
    must(dualprop_rule_set_loss(rule, of->loss));
    must(dualprop_rule_set_output_step(rule, of->output_step));
    must(dualprop_rule_set_schedule(rule, of->schedule, passes_for(of)));
    must(dualprop_rule_set_order(rule, ORDER, sizeof ORDER / sizeof *ORDER));
}

/* The gradient in a new optimizer; NULL if the rule is refused, with its sentence. */
static dualprop_optimizer *gradient_of(struct world *world, const struct combination *of, double beta, char *sentence)
{
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer = NULL;
    must(dualprop_rule_create(&rule, world->context, of->rule));
    set_rule(rule, of, beta);
    if (dualprop_state_create(&state, world->network, rule, BATCH) == DUALPROP_OK) {
        must(dualprop_infer(state, world->x, world->labels, BATCH));
        must(dualprop_optimizer_create(&optimizer, world->network, DUALPROP_SGD));
        must(dualprop_gradient(optimizer, state));
        dualprop_state_destroy(state);
    } else {
        must(dualprop_last_error(sentence, 256, NULL, NULL));
    }
    dualprop_rule_destroy(rule);
    return optimizer;
}

static double distance(dualprop_optimizer *optimizer, dualprop_optimizer *twin)
{
    double worst = 0;
    for (int k = 1; k <= LAYERS; k++) {
        double norm, difference;
        must(dualprop_gradient_compare(NULL, NULL, &norm, &difference, optimizer, twin, k));
        worst = comparison_larger(worst, difference / norm);
    }
    return worst;
}

/* 1 or 2: the order in beta; 0: equal up to rounding; -1: refused; -2: none of these. */
static int measure(struct world *world, const struct combination *of, dualprop_optimizer *twin, char *sentence)
{
    double error[2];
    for (int i = 0; i < 2; i++) {
        dualprop_optimizer *optimizer = gradient_of(world, of, i == 0 ? 1e-2 : 1e-3, sentence);
        if (!optimizer) return -1;
        error[i] = distance(optimizer, twin);
        dualprop_optimizer_destroy(optimizer);
    }
    if (error[1] < 1e-9) return 0;
    double order = log10(error[0] / error[1]);
    return fabs(order - 1) < 0.25 ? 1 : fabs(order - 2) < 0.25 ? 2 : -2;
}

/* ---- the document ---- */

static int number_of(struct refusals *refusals, const char *sentence)
{
    for (int i = 0; i < refusals->count; i++)
        if (strcmp(refusals->sentence[i], sentence) == 0) return i + 1;
    snprintf(refusals->sentence[refusals->count++], 256, "%s", sentence);
    return refusals->count;
}

static int write_cell(FILE *stream, struct world *world, const struct combination *of, dualprop_optimizer *twin,
                      struct refusals *refusals)
{
    char sentence[256] = "";
    int found = measure(world, of, twin, sentence);
    if (found == -1) fprintf(stream, " (%d) |", number_of(refusals, sentence));
    else fprintf(stream, " %s |", found == 0 ? "=" : found == 1 ? "b" : found == 2 ? "b2" : "?");
    return found == -2;
}

static dualprop_optimizer *create_twin(struct world *world, int loss, int activation)
{
    char sentence[256];
    struct combination bp = { DUALPROP_BP, DUALPROP_FORWARD_BACKWARD, loss, activation, DUALPROP_OUTPUT_LINEAR, 0.5 };
    return gradient_of(world, &bp, 1, sentence);
}

static void write_head(FILE *stream, const char *first, const char *second)
{
    fprintf(stream, "| %s | %s |", first, second);
    for (int schedule = DUALPROP_FORWARD_BACKWARD; schedule <= DUALPROP_LIST; schedule++)
        fprintf(stream, " %s |", dualprop_name(DUALPROP_NAMES_SCHEDULE, schedule));
    fprintf(stream, "\n|---|---|---|---|---|---|---|---|---|---|---|\n");
}

static int write_schedules(FILE *stream, int loss, struct refusals *refusals)
{
    int unknown = 0;
    fprintf(stream, "\n## Loss %s, linear output step\n\n", dualprop_name(DUALPROP_NAMES_LOSS, loss));
    write_head(stream, "rule", "activation");
    for (int activation = DUALPROP_IDENTITY; dualprop_name(DUALPROP_NAMES_ACTIVATION, activation); activation++) {
        struct world world;
        create_world(&world, activation);
        dualprop_optimizer *twin = create_twin(&world, loss, activation);
        for (int i = 0; i < RULE_COUNT; i++) {
            struct combination of = {
                .rule = RULES[i].rule, .alpha = RULES[i].alpha, .loss = loss, .activation = activation
            };
            fprintf(stream, "| %s | %s |", RULES[i].name, dualprop_name(DUALPROP_NAMES_ACTIVATION, activation));
            for (of.schedule = DUALPROP_FORWARD_BACKWARD; of.schedule <= DUALPROP_LIST; of.schedule++)
                unknown += write_cell(stream, &world, &of, twin, refusals);
            fputc('\n', stream);
        }
        dualprop_optimizer_destroy(twin);
        destroy_world(&world);
    }
    return unknown;
}

static int write_output_steps(FILE *stream, struct refusals *refusals)
{
    int unknown = 0;
    fprintf(stream,
            "\n## Output steps, relu, schedule fw-bw\n\n| rule | mse exact | mse sprovr | ce exact | ce sprovr |\n"
            "|---|---|---|---|---|\n");
    struct world world;
    create_world(&world, DUALPROP_RELU);
    for (int i = 0; i < RULE_COUNT; i++) {
        fprintf(stream, "| %s |", RULES[i].name);
        for (int loss = DUALPROP_MSE; loss <= DUALPROP_CROSS_ENTROPY; loss++) {
            dualprop_optimizer *twin = create_twin(&world, loss, DUALPROP_RELU);
            for (int step = DUALPROP_OUTPUT_EXACT; step <= DUALPROP_OUTPUT_SPROVR; step++) {
                struct combination of = { RULES[i].rule, DUALPROP_FORWARD_BACKWARD, loss, DUALPROP_RELU, step,
                                          RULES[i].alpha };
                unknown += write_cell(stream, &world, &of, twin, refusals);
            }
            dualprop_optimizer_destroy(twin);
        }
        fputc('\n', stream);
    }
    destroy_world(&world);
    return unknown;
}

static const char PREFACE[] =
    "# Rules, schedules, losses, activations: what comes of each together\n\n"
    "Made by `make combinations`; a test measures everything again and compares.\n\n"
    "The gradient's distance from back-propagation's in a small f64 network, settled, as beta -> 0:\n"
    "**b** falls as beta, **b2** as beta squared, **=** is none (below 1e-9 at beta 1e-3: piecewise linear "
    "activations,\n"
    "whose slopes are exact as long as no dyad lies across a kink, and rules that are exact); **(n)** is refused with\n"
    "sentence n below. Rules have alpha 0.3 unless they fix it or the name says otherwise; with alpha 1/2 the two "
    "states\n"
    "lie symmetrically and the first order drops out.\n\n"
    "At finite beta the rules have objectives of their own, whose gradients are checked by finite differences in\n"
    "`tests/test_rules_oracles.c`: dp, dp-damped, lpom and inverted-lpom with the exact output step Eq. 1 (lpom: Eq. "
    "4), with\n"
    "SPROVR's step Eq. 63, with betas of layers Eq. 12, with input robustness the term of E_0. dp-adjoint and fenchel "
    "make\n"
    "Eq. 18 stationary where activations are locally linear; lecun is back-propagation at any beta. Feedback weights "
    "other\n"
    "than W^T, noise, quantization and asynchrony have no objective: what they mean is in `dualprop/rule.h`.\n";

int combinations_write(FILE *stream)
{
    struct refusals refusals = { .count = 0 };
    fputs(PREFACE, stream);
    int unknown = write_schedules(stream, DUALPROP_MSE, &refusals);
    unknown += write_schedules(stream, DUALPROP_CROSS_ENTROPY, &refusals);
    unknown += write_output_steps(stream, &refusals);
    fprintf(stream, "\n## Refusals\n\n");
    for (int i = 0; i < refusals.count; i++) fprintf(stream, "%d. %s\n", i + 1, refusals.sentence[i]);
    return unknown;
}
