/*
 * checkpoint_feedback.c - feedback weights in a checkpoint: their kind as JSON, layerK.feedback and, if they learn,
 * optimizer.layerK.feedback.momentN as tensors, in the layout of the weights.
 */
#include <stdio.h>
#include <string.h>

#include "checkpoint_json.h"
#include "core/learning/learning.h"

/* ---- a network's ---- */

static void name_feedback(char name[DUALPROP__ENTRY_NAME_SIZE], const dualprop_layer *layer)
{
    snprintf(name, DUALPROP__ENTRY_NAME_SIZE, "layer%d.feedback", layer->index);
}

dualprop_status dualprop__checkpoint_put_feedback(dualprop_checkpoint *part, const dualprop_network *network)
{
    char name[DUALPROP__ENTRY_NAME_SIZE];
    for (int k = 0; k < network->layer_count && network->feedback != DUALPROP_FEEDBACK_SYMMETRIC; k++) {
        name_feedback(name, network->layers[k]);
        const dualprop_layer *layer = network->layers[k];
        DUALPROP__TRY(dualprop__checkpoint_put_parameter(part, name, layer, 0, layer->feedback));
    }
    dualprop__json_writer writer;
    dualprop__json_begin(&writer, part->context, 0);
    dualprop__json_bracket(&writer, '{');
    dualprop__json_text_member(&writer, "kind", dualprop_name(DUALPROP_NAMES_FEEDBACK, network->feedback));
    dualprop__json_bracket(&writer, '}');
    return dualprop__checkpoint_dump(part, "feedback", &writer);
}

static dualprop_status read_kind(int *kind, const dualprop_checkpoint *checkpoint)
{
    char name[DUALPROP__JSON_WORD];
    const dualprop__json_member member = { "kind", DUALPROP__JSON_TEXT, name, 0, 0 };
    dualprop__json json;
    *kind = DUALPROP_FEEDBACK_SYMMETRIC;
    if (!dualprop__checkpoint_text(checkpoint, "feedback")) return DUALPROP_OK; /* from before there was feedback */
    DUALPROP__TRY(dualprop__checkpoint_load(&json, checkpoint, "feedback"));
    DUALPROP__TRY(dualprop__json_members(&json, &member, 1));
    return dualprop__checkpoint_choice(kind, checkpoint, "feedback", DUALPROP_NAMES_FEEDBACK, name);
}

dualprop_status dualprop__checkpoint_get_feedback(dualprop_network *network, const dualprop_checkpoint *checkpoint)
{
    char name[DUALPROP__ENTRY_NAME_SIZE];
    int kind;
    DUALPROP__TRY(read_kind(&kind, checkpoint));
    DUALPROP__TRY(dualprop__feedback_allocate(network, kind));
    for (int k = 0; k < network->layer_count && kind != DUALPROP_FEEDBACK_SYMMETRIC; k++) {
        name_feedback(name, network->layers[k]);
        const dualprop_layer *layer = network->layers[k];
        DUALPROP__TRY(dualprop__checkpoint_get_parameter(checkpoint, name, layer, 0, layer->feedback, NULL));
    }
    dualprop__feedback_align(network);
    return DUALPROP_OK;
}

/* ---- an optimizer's ---- */

static void name_feedback_moment(char name[DUALPROP__ENTRY_NAME_SIZE], int k, int order)
{
    snprintf(name, DUALPROP__ENTRY_NAME_SIZE, "optimizer.layer%d.feedback.moment%d", k + 1, order + 1);
}

dualprop_status dualprop__checkpoint_put_feedback_moments(dualprop_checkpoint *part,
                                                          const dualprop_optimizer *optimizer)
{
    char name[DUALPROP__ENTRY_NAME_SIZE];
    for (int k = 0; k < optimizer->network->layer_count; k++)
        for (int order = 0; order < 2; order++) {
            const void *moment = optimizer->layers[k].feedback_moments[order];
            name_feedback_moment(name, k, order);
            const dualprop_layer *layer = optimizer->network->layers[k];
            if (moment) DUALPROP__TRY(dualprop__checkpoint_put_parameter(part, name, layer, 0, moment));
        }
    return DUALPROP_OK;
}

dualprop_status dualprop__checkpoint_get_feedback_moments(dualprop_optimizer *optimizer,
                                                          const dualprop_checkpoint *checkpoint)
{
    char name[DUALPROP__ENTRY_NAME_SIZE];
    for (int k = 0; k < optimizer->network->layer_count; k++)
        for (int order = 0; order < 2; order++) {
            void *moment = optimizer->layers[k].feedback_moments[order];
            double range[2];
            name_feedback_moment(name, k, order);
            const dualprop_layer *layer = optimizer->network->layers[k];
            dualprop__moment_range(range, optimizer, order);
            if (moment) DUALPROP__TRY(dualprop__checkpoint_get_parameter(checkpoint, name, layer, 0, moment, range));
        }
    return DUALPROP_OK;
}
