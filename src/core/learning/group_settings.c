/*
 * group_settings.c - what a step depends on beside weights and samples, alike in all processes of a group.
 *
 * Each word carries a digest of it. If these differ, all processes read so in the same words, and exchange the settings
 * themselves, to say which one differs.
 */
#include "group_gradient.h"

#include <math.h>

/* A setting of many numbers is a digest of them. */
#define OF_MANY (-1)
#define OF_ONE (-2)

struct setting {
    const char *name;
    double value;
    int names; /* the group of names of a choice, OF_ONE, or OF_MANY */
};

struct settings {
    int count;
    struct setting list[DUALPROP__MOST_SETTINGS];
};

static void add_setting(struct settings *settings, const char *name, int names, double value)
{
    if (settings->count < DUALPROP__MOST_SETTINGS)
        settings->list[settings->count++] = (struct setting){ name, value, names };
}

/* A double that is exact for the upper half of a digest. */
static void add_many(struct settings *settings, const char *name, uint64_t digest)
{
    add_setting(settings, name, OF_MANY, (double)(digest >> 32));
}

static uint64_t digest_number(uint64_t digest, double number)
{
    return dualprop__digest(digest, &number, sizeof number);
}

/* ---- the optimizer's, and the network's that may change after a group was set ---- */

static void list_own(struct settings *settings, const dualprop_optimizer *optimizer)
{
    const dualprop_network *network = optimizer->network;
    uint64_t frozen = DUALPROP__DIGEST, rates = DUALPROP__DIGEST, transform = DUALPROP__DIGEST;
    for (int k = 0; k < network->layer_count; k++) {
        frozen = digest_number(frozen, network->layers[k]->frozen);
        rates = digest_number(rates, network->layers[k]->learning_rate);
    }
    size_t channels = (size_t)network->channels * sizeof(double);
    transform = dualprop__digest(transform, network->mean, channels);
    transform = dualprop__digest(transform, network->deviation, channels);
    add_setting(settings, "the optimizer", DUALPROP_NAMES_OPTIMIZER, optimizer->kind);
    add_setting(settings, "the learning rate", OF_ONE, optimizer->learning_rate);
    add_setting(settings, "the momentum", OF_ONE, optimizer->momentum);
    add_setting(settings, "beta1 of Adam", OF_ONE, optimizer->beta1);
    add_setting(settings, "beta2 of Adam", OF_ONE, optimizer->beta2);
    add_setting(settings, "epsilon of Adam", OF_ONE, optimizer->epsilon);
    add_setting(settings, "the weight decay", OF_ONE, optimizer->weight_decay);
    add_setting(settings, "the clipping norm", OF_ONE, optimizer->clip);
    add_setting(settings, "the schedule of the learning rate", DUALPROP_NAMES_RATE, optimizer->schedule);
    add_setting(settings, "the schedule's first learning rate", OF_ONE, optimizer->rate_start);
    add_setting(settings, "the schedule's last learning rate", OF_ONE, optimizer->rate_end);
    add_setting(settings, "the schedule's warm-up", OF_ONE, (double)optimizer->rate_warmup);
    add_setting(settings, "the schedule's decay", OF_ONE, (double)optimizer->rate_decay);
    add_setting(settings, "the samples in the gradient held", OF_ONE, (double)optimizer->gradient_samples);
    add_setting(settings, "the blocks", OF_ONE, (double)optimizer->sums->blocks);
    add_many(settings, "frozen layers", frozen);
    add_many(settings, "learning rates of layers", rates);
    add_many(settings, "means and deviations of inputs", transform);
}

/* ---- the rule's, with what the state adds to it ---- */

static uint64_t neurons_digest(const dualprop_state *state)
{
    uint64_t digest = DUALPROP__DIGEST;
    for (int k = 0; state && state->neurons && k <= state->layer_count; k++)
        for (int kind = 0; kind < DUALPROP__NEURON_KINDS; kind++) {
            const double *values = dualprop__neuron_values(state, k, kind);
            digest = digest_number(digest, values != NULL);
            if (values) digest = dualprop__digest(digest, values, (size_t)state->dyads[k].width * sizeof *values);
        }
    return digest;
}

static void list_of_layers(struct settings *settings, const dualprop_state *state, const dualprop_rule *rule)
{
    uint64_t alpha = DUALPROP__DIGEST, beta = DUALPROP__DIGEST, damping = DUALPROP__DIGEST, classes = DUALPROP__DIGEST;
    for (int k = 1; state && k <= state->layer_count; k++) {
        alpha = digest_number(alpha, dualprop__rule_alpha(rule, k));
        beta = digest_number(beta, dualprop__rule_beta(rule, k));
        damping = digest_number(damping, dualprop__layer_number(&rule->layer_damping, k, rule->common_damping));
    }
    if (state && state->weights.has_classes)
        classes = dualprop__digest(classes, state->weights.memory,
                                   (size_t)dualprop__output(state)->width * sizeof *state->weights.memory);
    add_many(settings, "alphas of layers", alpha);
    add_many(settings, "betas of layers", beta);
    add_many(settings, "dampings of layers", damping);
    add_many(settings, "settings of neurons", neurons_digest(state));
    add_many(settings, "weights of classes", classes);
    add_many(settings, "layers in the order of its schedule",
             dualprop__digest(DUALPROP__DIGEST, rule->order, (size_t)rule->order_count * sizeof *rule->order));
}

/* state NULL: the names alone, for a process whose share is empty. */
static void list_rule(struct settings *settings, const dualprop_state *state)
{
    static const dualprop_rule none;
    const dualprop_rule *rule = state ? state->rule : &none;
    add_setting(settings, "the rule", DUALPROP_NAMES_RULE, rule->variant);
    add_setting(settings, "the loss", DUALPROP_NAMES_LOSS, rule->loss);
    add_setting(settings, "the output step", DUALPROP_NAMES_OUTPUT_STEP, rule->output_step);
    add_setting(settings, "the point of the nudge", DUALPROP_NAMES_NUDGE_AT, rule->nudge_at);
    add_setting(settings, "the schedule", DUALPROP_NAMES_SCHEDULE, rule->schedule);
    add_setting(settings, "the most passes", OF_ONE, rule->passes);
    add_setting(settings, "the switches of pooling", DUALPROP_NAMES_SWITCHES, rule->pool_switches);
    add_setting(settings, "alpha", OF_ONE, rule->alpha);
    add_setting(settings, "beta", OF_ONE, rule->beta);
    add_setting(settings, "the divergence limit", OF_ONE, rule->divergence_limit);
    add_setting(settings, "the growth limit", OF_ONE, rule->growth_limit);
    add_setting(settings, "the damping", DUALPROP_NAMES_DAMPING, rule->damping);
    add_setting(settings, "the power iterations", OF_ONE, rule->power_iterations);
    add_setting(settings, "the input's robustness", OF_ONE, rule->input_robustness);
    add_setting(settings, "the feedback", DUALPROP_NAMES_FEEDBACK, rule->feedback);
    add_setting(settings, "the time step", OF_ONE, rule->time_step);
    add_setting(settings, "the warm start", OF_ONE, rule->warm_start);
    add_setting(settings, "the fresh s-", OF_ONE, rule->fresh_minus);
    add_setting(settings, "the mismatch of alpha", OF_ONE, rule->alpha_mismatch);
    add_setting(settings, "the seed", OF_ONE, (double)rule->seed);
    add_many(settings, "seeds",
             dualprop__digest(DUALPROP__DIGEST, &rule->seed, 8)); /* of which two may be one double */
    list_of_layers(settings, state, rule);
}

/* ---- digests, and what differs ---- */

static uint64_t values_digest(const struct settings *settings)
{
    uint64_t digest = DUALPROP__DIGEST;
    for (int i = 0; i < settings->count; i++) digest = digest_number(digest, settings->list[i].value);
    return digest;
}

uint64_t dualprop__settings_digest(const dualprop_optimizer *optimizer)
{
    struct settings settings = { .count = 0 };
    list_own(&settings, optimizer);
    return values_digest(&settings);
}

uint64_t dualprop__rule_digest(const dualprop_state *state)
{
    struct settings settings = { .count = 0 };
    list_rule(&settings, state);
    return values_digest(&settings) | 1; /* 0 says that there is none */
}

static dualprop_status refuse_setting(const dualprop_context *context, const struct setting *setting, int r,
                                      double value, int base, double base_value)
{
    if (setting->names == OF_MANY)
        return dualprop__fail(context, DUALPROP_ERROR_PEER,
                              "process %d has other %s than process %d; expected the same in all processes", r,
                              setting->name, base);
    if (setting->names == OF_ONE)
        return dualprop__fail(context, DUALPROP_ERROR_PEER,
                              "%s is %.17g in process %d and %.17g in process %d; expected the same in all processes",
                              setting->name, value, r, base_value, base);
    return dualprop__fail(context, DUALPROP_ERROR_PEER,
                          "%s is %s in process %d and %s in process %d; expected the same in all processes",
                          setting->name, dualprop_name(setting->names, (int)value), r,
                          dualprop_name(setting->names, (int)base_value), base);
}

/* Settings first .. end - 1 of all processes, those of a rule of the processes that have one, and those of `base`. */
static dualprop_status compare_rows(const dualprop_group *group, const struct settings *settings, const double *rows,
                                    int first, int end, int base)
{
    for (int r = 0; r < group->transport.size; r++)
        for (int i = first; i < end && (first == 0 || group->words[r].rule != 0); i++) {
            double value = rows[r * DUALPROP__MOST_SETTINGS + i], expected = rows[base * DUALPROP__MOST_SETTINGS + i];
            if (value != expected && !(isnan(value) && isnan(expected)))
                return refuse_setting(group->context, &settings->list[i], r, value, base, expected);
        }
    return DUALPROP_OK;
}

/* The first process that has a rule; process 0 if none has. */
static int first_with_rule(const dualprop_group *group)
{
    for (int r = 0; r < group->transport.size; r++)
        if (group->words[r].rule != 0) return r;
    return 0;
}

static int words_differ(const dualprop_group *group, int base)
{
    for (int r = 0; r < group->transport.size; r++) {
        const struct dualprop__word *word = &group->words[r];
        if (word->digest != group->words[0].digest) return 1;
        if (word->rule != 0 && word->rule != group->words[base].rule) return 1;
    }
    return 0;
}

dualprop_status dualprop__group_compare_settings(const dualprop_optimizer *optimizer, const dualprop_state *state)
{
    const struct dualprop__group_sums *sums = optimizer->sums;
    dualprop_group *group = sums->group;
    int base = first_with_rule(group), rank = group->transport.rank;
    if (!words_differ(group, base)) return DUALPROP_OK;
    struct settings settings = { .count = 0 };
    list_own(&settings, optimizer);
    int own = settings.count;
    list_rule(&settings, group->words[rank].rule != 0 ? state : NULL);
    double *row = sums->settings + rank * DUALPROP__MOST_SETTINGS;
    for (int i = 0; i < settings.count; i++) row[i] = settings.list[i].value;
    DUALPROP__TRY(dualprop__group_gather_equal(group, sums->settings, DUALPROP__MOST_SETTINGS * sizeof *row));
    DUALPROP__TRY(compare_rows(group, &settings, sums->settings, 0, own, 0));
    DUALPROP__TRY(compare_rows(group, &settings, sums->settings, own, settings.count, base));
    return dualprop__group_compare_digests(group, "weights");
}
