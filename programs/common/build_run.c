/*
 * build_run.c - making a run, new or from a checkpoint.
 */
#include "build_run.h"

#include <math.h>
#include <string.h>

#include "program.h"
#include "rule_settings.h"

dualprop_status build_context(dualprop_context **context, host *owner, const settings *run)
{
    dualprop_options options = DUALPROP_OPTIONS_INIT;

    options.precision = settings_type(run);
    options.numerics = settings_numerics(run);
    options.threads = run->threads == 0 ? DUALPROP_ALL_CPUS : (int32_t)run->threads;
    options.level = run->level;
    options.allocator = &owner->allocator;
    TRY_LIBRARY(owner, dualprop_context_create(context, run->backend, &options));
    return DUALPROP_OK;
}

static dualprop_status fill_network(dualprop_network *network, host *owner, const settings *run, const dataset *data)
{
    TRY(run->program->add_layers(network, owner, run, data));
    if (data->mean != NULL)
        TRY_LIBRARY(owner, dualprop_network_set_input_transform(network, data->mean, data->deviation, data->channels));
    TRY_LIBRARY(owner, dualprop_network_set_initializer(network, run->initializer, 1));
    TRY_LIBRARY(owner, dualprop_network_initialize(network, run->seed));
    if (run->feedback != DUALPROP_FEEDBACK_SYMMETRIC)
        TRY_LIBRARY(owner, dualprop_network_set_feedback(network, run->feedback, run->seed));
    return DUALPROP_OK;
}

static dualprop_status build_network(dualprop_network **network, host *owner, const settings *run,
                                     dualprop_context *context, const dataset *data)
{
    TRY_LIBRARY(owner, dualprop_network_create(network, context, data->height, data->width, data->channels));
    return fill_network(*network, owner, run, data);
}

/* Warm-up starts at 1e-3 as in the paper's Table 3, or at a tenth of the peak where that is less. */
static dualprop_status set_rate_schedule(dualprop_optimizer *optimizer, host *owner, const settings *run, int64_t steps)
{
    int64_t decay = run->decay_epochs > 0 ? run->decay_epochs : run->epochs;

    if (run->warmup == 0 && run->decay_epochs == 0) return DUALPROP_OK;
    TRY_LIBRARY(owner, dualprop_optimizer_set_schedule(optimizer, DUALPROP_RATE_WARMUP_COSINE,
                                                       fmin(1e-3, run->learning_rate / 10), run->min_learning_rate,
                                                       run->warmup * steps, decay * steps));
    return DUALPROP_OK;
}

static dualprop_status build_optimizer(dualprop_optimizer **optimizer, host *owner, const settings *run,
                                       dualprop_network *network, int64_t batches)
{
    TRY_LIBRARY(owner, dualprop_optimizer_create(optimizer, network, run->optimizer));
    TRY_LIBRARY(owner, dualprop_optimizer_set_learning_rate(*optimizer, run->learning_rate));
    if (run->optimizer == DUALPROP_SGD) TRY_LIBRARY(owner, dualprop_optimizer_set_momentum(*optimizer, run->momentum));
    TRY_LIBRARY(owner, dualprop_optimizer_set_weight_decay(*optimizer, run->weight_decay));
    return set_rate_schedule(*optimizer, owner, run, batches * run->updates); /* the steps of an epoch */
}

dualprop_status build_parts(run_parts *parts, host *owner, const settings *run, dualprop_context *context,
                            const dataset *data, int64_t batches)
{
    TRY(build_network(&parts->network, owner, run, context, data));
    TRY(rule_settings_build(&parts->rule, owner, run, context, parts->network));
    return build_optimizer(&parts->optimizer, owner, run, parts->network, batches);
}

static dualprop_status check_fit(host *owner, const settings *run, const dualprop_network *network, const dataset *data)
{
    int64_t inputs, outputs, expected = data->height * data->width * data->channels;

    TRY_LIBRARY(owner, dualprop_network_info(NULL, NULL, &inputs, &outputs, network));
    if (inputs == expected && outputs == data->classes) return DUALPROP_OK;
    return host_fail(owner, DUALPROP_ERROR_FORMAT,
                     "%s: its network has %lld inputs and %lld outputs; expected %lld and %d, as the data set has",
                     run->resume, (long long)inputs, (long long)outputs, (long long)expected, data->classes);
}

dualprop_status build_resumed(run_parts *parts, run_position *position, host *owner, const settings *run,
                              dualprop_context *context, const dataset *data)
{
    TRY(run_file_read(parts, position, owner, run->resume, context));
    return check_fit(owner, run, parts->network, data);
}

void parts_destroy(run_parts *parts)
{
    dualprop_optimizer_destroy(parts->optimizer);
    dualprop_rule_destroy(parts->rule);
    dualprop_network_destroy(parts->network);
    dualprop_network_destroy(parts->best);
    memset(parts, 0, sizeof *parts);
}
