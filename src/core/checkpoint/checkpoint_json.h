/*
 * checkpoint_json.h - a network, a rule or an optimizer as a JSON text of a checkpoint.
 *
 * Every number of a file goes through the setter that a caller would use, so that a file can say nothing that a caller
 * could not; the setter's refusal is a FORMAT error then.
 */
#ifndef DUALPROP_CORE_CHECKPOINT_JSON_H
#define DUALPROP_CORE_CHECKPOINT_JSON_H

#include "checkpoint_internal.h"
#include "json_text.h"

/* Write root (released in any case; NULL is out of memory) as the text of that name. */
dualprop_status dualprop__checkpoint_dump(dualprop_checkpoint *checkpoint, const char *name, json_t *root);
/* Parse the text of that name; FORMAT where there is none. */
dualprop_status dualprop__checkpoint_load(json_t **root, const dualprop_checkpoint *checkpoint, const char *name);
/* A choice by its name; FORMAT where the group has none. */
dualprop_status dualprop__checkpoint_choice(int *value, const dualprop_checkpoint *checkpoint, const char *text,
                                            int group, const char *name);
/* Turn a setter's refusal of what a text said into FORMAT, its sentence kept; pass everything else on. */
dualprop_status dualprop__checkpoint_accept(const dualprop_checkpoint *checkpoint, const char *text,
                                            dualprop_status status);

/* checkpoint_options.c: a rule's options as an object (NULL: out of memory), and from one (NULL: there are none). */
json_t *dualprop__checkpoint_describe_options(const dualprop_rule *rule);
dualprop_status dualprop__checkpoint_set_options(dualprop_rule *rule, const dualprop_checkpoint *checkpoint,
                                                 json_t *options);
/* checkpoint_feedback.c: feedback weights and their moments, with the network and the optimizer they belong to. */
dualprop_status dualprop__checkpoint_put_feedback(dualprop_checkpoint *part, const dualprop_network *network);
dualprop_status dualprop__checkpoint_get_feedback(dualprop_network *network, const dualprop_checkpoint *checkpoint);
dualprop_status dualprop__checkpoint_put_feedback_moments(dualprop_checkpoint *part,
                                                          const dualprop_optimizer *optimizer);
dualprop_status dualprop__checkpoint_get_feedback_moments(dualprop_optimizer *optimizer,
                                                          const dualprop_checkpoint *checkpoint);

#endif
