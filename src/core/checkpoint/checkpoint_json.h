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

/* Put what was written in as the text of that name; the writer's memory is released in any case. */
dualprop_status dualprop__checkpoint_dump(dualprop_checkpoint *checkpoint, const char *name,
                                          dualprop__json_writer *writer);
/* The text of that name, to be read; FORMAT if there is none, or no JSON object. It stays the checkpoint's. */
dualprop_status dualprop__checkpoint_load(dualprop__json *json, const dualprop_checkpoint *checkpoint,
                                          const char *name);
/* A choice by its name; FORMAT if the group has none. */
dualprop_status dualprop__checkpoint_choice(int *value, const dualprop_checkpoint *checkpoint, const char *text,
                                            int group, const char *name);
/* Turn a setter's refusal of what a text said into FORMAT, its sentence kept; pass everything else on. */
dualprop_status dualprop__checkpoint_accept(const dualprop_checkpoint *checkpoint, const char *text,
                                            dualprop_status status);

/* A key and what it stands for. */
void dualprop__json_text_member(dualprop__json_writer *writer, const char *key, const char *text);
void dualprop__json_integer_member(dualprop__json_writer *writer, const char *key, int64_t value);
void dualprop__json_real_member(dualprop__json_writer *writer, const char *key, double value);

/* checkpoint_options.c: a rule's options as an object, and from one (whose `at` is NULL if there are none). */
void dualprop__checkpoint_describe_options(dualprop__json_writer *writer, const dualprop_rule *rule);
dualprop_status dualprop__checkpoint_set_options(dualprop_rule *rule, const dualprop_checkpoint *checkpoint,
                                                 const dualprop__json *options);
/* checkpoint_feedback.c: feedback weights and their moments, with the network and the optimizer they belong to. */
dualprop_status dualprop__checkpoint_put_feedback(dualprop_checkpoint *part, const dualprop_network *network);
dualprop_status dualprop__checkpoint_get_feedback(dualprop_network *network, const dualprop_checkpoint *checkpoint);
dualprop_status dualprop__checkpoint_put_feedback_moments(dualprop_checkpoint *part,
                                                          const dualprop_optimizer *optimizer);
dualprop_status dualprop__checkpoint_get_feedback_moments(dualprop_optimizer *optimizer,
                                                          const dualprop_checkpoint *checkpoint);

#endif
