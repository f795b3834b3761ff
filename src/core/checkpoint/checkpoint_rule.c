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
    dualprop__json_writer writer;
    dualprop__json_begin(&writer, checkpoint->context, 0);
    dualprop__json_bracket(&writer, '{');
    dualprop__json_text_member(&writer, "variant", dualprop_name(DUALPROP_NAMES_RULE, rule->variant));
    dualprop__json_real_member(&writer, "alpha", rule->alpha);
    dualprop__json_real_member(&writer, "beta", rule->beta);
    dualprop__json_text_member(&writer, "loss", dualprop_name(DUALPROP_NAMES_LOSS, rule->loss));
    dualprop__json_text_member(&writer, "output_step", dualprop_name(DUALPROP_NAMES_OUTPUT_STEP, rule->output_step));
    dualprop__json_text_member(&writer, "nudge_at", dualprop_name(DUALPROP_NAMES_NUDGE_AT, rule->nudge_at));
    dualprop__json_text_member(&writer, "schedule", dualprop_name(DUALPROP_NAMES_SCHEDULE, rule->schedule));
    dualprop__json_integer_member(&writer, "passes", rule->passes);
    dualprop__json_real_member(&writer, "tolerance", rule->tolerance);
    dualprop__json_real_member(&writer, "divergence_limit", rule->divergence_limit);
    dualprop__json_text_member(&writer, "pool_switches", dualprop_name(DUALPROP_NAMES_SWITCHES, rule->pool_switches));
    dualprop__json_put_key(&writer, "options");
    dualprop__checkpoint_describe_options(&writer, rule);
    dualprop__json_bracket(&writer, '}');
    return dualprop__checkpoint_dump(checkpoint, "rule", &writer);
}

/* What the text says. */
struct rule_record {
    char variant[DUALPROP__JSON_WORD], loss[DUALPROP__JSON_WORD], output_step[DUALPROP__JSON_WORD];
    char nudge_at[DUALPROP__JSON_WORD], schedule[DUALPROP__JSON_WORD], pool_switches[DUALPROP__JSON_WORD];
    double alpha, beta, tolerance, divergence_limit;
    int64_t passes;
    dualprop__json options; /* at NULL: from before there were options */
};

static dualprop_status unpack_rule(struct rule_record *record, const dualprop_checkpoint *checkpoint)
{
    const dualprop__json_member members[] = {
        { "variant", DUALPROP__JSON_TEXT, record->variant, 0, 0 },
        { "alpha", DUALPROP__JSON_REAL, &record->alpha, 0, 0 },
        { "beta", DUALPROP__JSON_REAL, &record->beta, 0, 0 },
        { "loss", DUALPROP__JSON_TEXT, record->loss, 0, 0 },
        { "output_step", DUALPROP__JSON_TEXT, record->output_step, 0, 0 },
        { "nudge_at", DUALPROP__JSON_TEXT, record->nudge_at, 0, 0 },
        { "schedule", DUALPROP__JSON_TEXT, record->schedule, 0, 0 },
        { "passes", DUALPROP__JSON_INTEGER, &record->passes, 0, 0 },
        { "tolerance", DUALPROP__JSON_REAL, &record->tolerance, 0, 0 },
        { "divergence_limit", DUALPROP__JSON_REAL, &record->divergence_limit, 0, 0 },
        { "pool_switches", DUALPROP__JSON_TEXT, record->pool_switches, 0, 1 },
        { "options", DUALPROP__JSON_VALUE, &record->options, 0, 1 },
    };
    dualprop__json json;
    /* Files from before there was a choice do not say. */
    *record = (struct rule_record){ .pool_switches = "bottom-up" };
    DUALPROP__TRY(dualprop__checkpoint_load(&json, checkpoint, "rule"));
    DUALPROP__TRY(dualprop__json_members(&json, members, (int)(sizeof members / sizeof *members)));
    DUALPROP__REQUIRE(checkpoint->context, record->passes >= 1 && record->passes <= INT_MAX, DUALPROP_ERROR_FORMAT,
                      "%s: the rule's passes are %lld; expected >= 1", checkpoint->source, (long long)record->passes);
    return DUALPROP_OK;
}

static dualprop_status set_choices(dualprop_rule *rule, const dualprop_checkpoint *checkpoint,
                                   const struct rule_record *record)
{
    int variant, loss, output_step, nudge_at, schedule, pool_switches;
    DUALPROP__TRY(dualprop__checkpoint_choice(&variant, checkpoint, "rule", DUALPROP_NAMES_RULE, record->variant));
    DUALPROP__TRY(dualprop__checkpoint_choice(&loss, checkpoint, "rule", DUALPROP_NAMES_LOSS, record->loss));
    DUALPROP__TRY(
        dualprop__checkpoint_choice(&output_step, checkpoint, "rule", DUALPROP_NAMES_OUTPUT_STEP, record->output_step));
    DUALPROP__TRY(
        dualprop__checkpoint_choice(&nudge_at, checkpoint, "rule", DUALPROP_NAMES_NUDGE_AT, record->nudge_at));
    DUALPROP__TRY(
        dualprop__checkpoint_choice(&schedule, checkpoint, "rule", DUALPROP_NAMES_SCHEDULE, record->schedule));
    DUALPROP__TRY(dualprop__checkpoint_choice(&pool_switches, checkpoint, "rule", DUALPROP_NAMES_SWITCHES,
                                              record->pool_switches));
    /* Every choice has a name, and so is one that the setter knows. */
    DUALPROP__TRY_ALWAYS(dualprop_rule_set_pool_switches(rule, pool_switches));
    DUALPROP__TRY_ALWAYS(dualprop_rule_set_variant(rule, variant));
    if (loss == DUALPROP_LOSS_FUNCTION) dualprop__rule_expect_loss_function(rule);
    else DUALPROP__TRY_ALWAYS(dualprop_rule_set_loss(rule, loss));
    DUALPROP__TRY_ALWAYS(dualprop_rule_set_output_step(rule, output_step));
    DUALPROP__TRY_ALWAYS(dualprop_rule_set_nudge_at(rule, nudge_at));
    return dualprop_rule_set_schedule(rule, schedule, (int)record->passes);
}

static dualprop_status set_rule_numbers(dualprop_rule *rule, const struct rule_record *record)
{
    DUALPROP__TRY(dualprop_rule_set_alpha(rule, record->alpha));
    DUALPROP__TRY(dualprop_rule_set_beta(rule, record->beta));
    DUALPROP__TRY(dualprop_rule_set_tolerance(rule, record->tolerance));
    return dualprop_rule_set_divergence_limit(rule, record->divergence_limit);
}

static dualprop_status build_rule(dualprop_rule **out, const dualprop_checkpoint *checkpoint)
{
    struct rule_record record;
    dualprop_rule *rule;
    DUALPROP__TRY(unpack_rule(&record, checkpoint));
    DUALPROP__TRY(dualprop_rule_create(&rule, checkpoint->context, DUALPROP_DP));
    dualprop_status status = set_choices(rule, checkpoint, &record);
    if (status == DUALPROP_OK) status = set_rule_numbers(rule, &record);
    if (status == DUALPROP_OK) status = dualprop__checkpoint_set_options(rule, checkpoint, &record.options);
    if (status == DUALPROP_OK) *out = rule;
    else dualprop_rule_destroy(rule);
    return dualprop__checkpoint_accept(checkpoint, "rule", status);
}

dualprop_status dualprop_checkpoint_get_rule(dualprop_rule **out, const dualprop_checkpoint *checkpoint)
{
    DUALPROP__REQUIRE(NULL, out, DUALPROP_ERROR_INVALID_ARGUMENT, "rule is NULL; expected a place for the result");
    *out = NULL;
    DUALPROP__REQUIRE_HANDLE(checkpoint, DUALPROP__CHECKPOINT);
    return build_rule(out, checkpoint);
}
