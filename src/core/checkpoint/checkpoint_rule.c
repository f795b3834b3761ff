/*
 * checkpoint_rule.c - a rule in a checkpoint: its choices by name and its numbers, as JSON; checkpoint_options.c has
 * the rest.
 */
#include <limits.h>

#include "checkpoint_json.h"

dualprop_status dualprop_checkpoint_put_rule(dualprop_checkpoint *checkpoint, const dualprop_rule *rule)
{
    DUALPROP__REQUIRE_HANDLE(checkpoint, DUALPROP__CHECKPOINT);
    DUALPROP__REQUIRE_HANDLE(rule, DUALPROP__RULE);
    json_t *root = json_pack(
        "{s:s, s:f, s:f, s:s, s:s, s:s, s:s, s:i, s:f, s:f, s:s, s:o}",
        "variant", dualprop_name(DUALPROP_NAMES_RULE, rule->variant), "alpha", rule->alpha, "beta", rule->beta,
        "loss", dualprop_name(DUALPROP_NAMES_LOSS, rule->loss),
        "output_step", dualprop_name(DUALPROP_NAMES_OUTPUT_STEP, rule->output_step),
        "nudge_at", dualprop_name(DUALPROP_NAMES_NUDGE_AT, rule->nudge_at),
        "schedule", dualprop_name(DUALPROP_NAMES_SCHEDULE, rule->schedule), "passes", rule->passes,
        "tolerance", rule->tolerance, "divergence_limit", rule->divergence_limit,
        "pool_switches", dualprop_name(DUALPROP_NAMES_SWITCHES, rule->pool_switches),
        "options", dualprop__checkpoint_describe_options(rule));
    return dualprop__checkpoint_dump(checkpoint, "rule", root);
}

/* What the text says. */
struct rule_record {
    const char *variant, *loss, *output_step, *nudge_at, *schedule, *pool_switches;
    double alpha, beta, tolerance, divergence_limit;
    json_int_t passes;
    json_t *options; /* NULL: from before there were options */
};

static dualprop_status unpack_rule(struct rule_record *record, const dualprop_checkpoint *checkpoint, json_t *root)
{
    record->pool_switches = "bottom-up"; /* files from before there was a choice do not say */
    DUALPROP__TRY(dualprop__json_unpack(
        checkpoint->context, checkpoint->source, "text \"rule\"", root,
        (json_object_get(root, "pool_switches") != NULL) + (json_object_get(root, "options") != NULL),
        "{s:s, s:F, s:F, s:s, s:s, s:s, s:s, s:I, s:F, s:F, s?s, s?o}",
        "variant", &record->variant, "alpha", &record->alpha, "beta", &record->beta, "loss", &record->loss,
        "output_step", &record->output_step, "nudge_at", &record->nudge_at, "schedule", &record->schedule,
        "passes", &record->passes, "tolerance", &record->tolerance, "divergence_limit", &record->divergence_limit,
        "pool_switches", &record->pool_switches, "options", &record->options));
    DUALPROP__REQUIRE(checkpoint->context, record->passes >= 1 && record->passes <= INT_MAX, DUALPROP_ERROR_FORMAT,
                      "%s: the rule's passes are %lld; expected >= 1", checkpoint->source,
                      (long long)record->passes);
    return DUALPROP_OK;
}

static dualprop_status set_choices(dualprop_rule *rule, const dualprop_checkpoint *checkpoint,
                                   const struct rule_record *record)
{
    int variant, loss, output_step, nudge_at, schedule, pool_switches;
    DUALPROP__TRY(dualprop__checkpoint_choice(&variant, checkpoint, "rule", DUALPROP_NAMES_RULE, record->variant));
    DUALPROP__TRY(dualprop__checkpoint_choice(&loss, checkpoint, "rule", DUALPROP_NAMES_LOSS, record->loss));
    DUALPROP__TRY(dualprop__checkpoint_choice(&output_step, checkpoint, "rule", DUALPROP_NAMES_OUTPUT_STEP,
                                              record->output_step));
    DUALPROP__TRY(dualprop__checkpoint_choice(&nudge_at, checkpoint, "rule", DUALPROP_NAMES_NUDGE_AT,
                                              record->nudge_at));
    DUALPROP__TRY(dualprop__checkpoint_choice(&schedule, checkpoint, "rule", DUALPROP_NAMES_SCHEDULE,
                                              record->schedule));
    DUALPROP__TRY(dualprop__checkpoint_choice(&pool_switches, checkpoint, "rule", DUALPROP_NAMES_SWITCHES,
                                              record->pool_switches));
    DUALPROP__TRY(dualprop_rule_set_pool_switches(rule, pool_switches));
    DUALPROP__TRY(dualprop_rule_set_variant(rule, variant));
    DUALPROP__TRY(dualprop_rule_set_loss(rule, loss));
    DUALPROP__TRY(dualprop_rule_set_output_step(rule, output_step));
    DUALPROP__TRY(dualprop_rule_set_nudge_at(rule, nudge_at));
    return dualprop_rule_set_schedule(rule, schedule, (int)record->passes);
}

static dualprop_status set_rule_numbers(dualprop_rule *rule, const struct rule_record *record)
{
    DUALPROP__TRY(dualprop_rule_set_alpha(rule, record->alpha));
    DUALPROP__TRY(dualprop_rule_set_beta(rule, record->beta));
    DUALPROP__TRY(dualprop_rule_set_tolerance(rule, record->tolerance));
    return dualprop_rule_set_divergence_limit(rule, record->divergence_limit);
}

static dualprop_status build_rule(dualprop_rule **out, const dualprop_checkpoint *checkpoint, json_t *root)
{
    struct rule_record record = { 0 };
    dualprop_rule *rule;
    DUALPROP__TRY(unpack_rule(&record, checkpoint, root));
    DUALPROP__TRY(dualprop_rule_create(&rule, checkpoint->context, DUALPROP_DP));
    dualprop_status status = set_choices(rule, checkpoint, &record);
    if (status == DUALPROP_OK) status = set_rule_numbers(rule, &record);
    if (status == DUALPROP_OK) status = dualprop__checkpoint_set_options(rule, checkpoint, record.options);
    if (status == DUALPROP_OK) *out = rule;
    else dualprop_rule_destroy(rule);
    return dualprop__checkpoint_accept(checkpoint, "rule", status);
}

dualprop_status dualprop_checkpoint_get_rule(dualprop_rule **out, const dualprop_checkpoint *checkpoint)
{
    DUALPROP__REQUIRE(NULL, out, DUALPROP_ERROR_INVALID_ARGUMENT, "rule is NULL; expected a place for the result");
    *out = NULL;
    DUALPROP__REQUIRE_HANDLE(checkpoint, DUALPROP__CHECKPOINT);
    json_t *root;
    DUALPROP__TRY(dualprop__checkpoint_load(&root, checkpoint, "rule"));
    dualprop_status status = build_rule(out, checkpoint, root);
    json_decref(root);
    return status;
}
