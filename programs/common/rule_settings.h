/*
 * rule_settings.h - the part of the settings that is the rule's: which of them contradict each other, and the rule
 * itself.
 */
#ifndef PROGRAMS_RULE_SETTINGS_H
#define PROGRAMS_RULE_SETTINGS_H

#include "settings.h"

/* A rule that fixes alpha has it unless one was given. */
void rule_settings_fix_alpha(settings *self);
int rule_settings_is_damped(const settings *self);
/* Refuse what contradicts itself, naming both options. */
dualprop_status rule_settings_check(const settings *self, host *owner);
/* Make the rule for a network. */
dualprop_status rule_settings_build(dualprop_rule **rule, host *owner, const settings *self, dualprop_context *context,
                                    const dualprop_network *network);

#endif
