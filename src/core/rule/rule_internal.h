/*
 * rule_internal.h - what rule.c, rule_options.c, state.c and the inference ask of a rule.
 */
#ifndef DUALPROP_CORE_RULE_INTERNAL_H
#define DUALPROP_CORE_RULE_INTERNAL_H

#include "core/base/internal.h"

/* The highest layer that a number may be set for. */
#define DUALPROP__MOST_LAYERS 65535

/* ---- rule.c ---- */
dualprop_status dualprop__rule_check_choice(const dualprop_context *context, int value, int first, int last,
                                            const char *argument, const char *expected);
dualprop_status dualprop__rule_check_alpha(const dualprop_rule *rule, double alpha);
dualprop_status dualprop__rule_check_beta(const dualprop_rule *rule, double beta);
/* States made before have to be prepared again where something changed. */
void dualprop__rule_replan(dualprop_rule *rule, int changed);
/* Has it the form of Eq. 50? Are c+ and c- as in Eq. 19? */
int dualprop__rule_is_damped(const dualprop_rule *rule);
int dualprop__rule_is_adjoint(const dualprop_rule *rule);
/* alpha_k and beta_k. */
double dualprop__rule_alpha(const dualprop_rule *rule, int k);
double dualprop__rule_beta(const dualprop_rule *rule, int k);
/* The output step that is made: LINEAR where the linear one is exact already. */
int dualprop__rule_output_step(const dualprop_rule *rule);
/* Refuse an output step without a solution for these numbers. */
dualprop_status dualprop__rule_check_output_numbers(const dualprop_rule *rule, double alpha, double beta);
/* Refuse what contradicts itself or does not fit the network. */
dualprop_status dualprop__rule_check_network(const dualprop_rule *rule, const dualprop_network *network);

/* ---- rule_options.c ---- */
/* numbers->values[k], or the number for layers without one of their own. */
double dualprop__layer_number(const struct dualprop__layer_numbers *numbers, int k, double otherwise);

#endif
