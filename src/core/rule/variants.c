/*
 * variants.c - what each variant of the rule is, one row each. include/dualprop/rule.h has the equations.
 */
#include <math.h>

#include "rule_internal.h"

static const struct dualprop__variant variants[] = {
    [DUALPROP_BP] = { .fixed_alpha = NAN, .is_back_propagation = 1 },
    [DUALPROP_DP] = { .fixed_alpha = NAN, .output_steps = 1 },
    [DUALPROP_DP_ADJOINT] = { .fixed_alpha = NAN, .is_adjoint = 1 },
    [DUALPROP_DP_DAMPED] = { .fixed_alpha = NAN, .is_damped = 1, .output_steps = 1 },
    [DUALPROP_LPOM] = { .fixed_alpha = 1, .is_damped = 1, .output_steps = 1 },
    [DUALPROP_INVERTED_LPOM] = { .fixed_alpha = 0, .is_damped = 1, .output_steps = 1 },
    [DUALPROP_FENCHEL] = { .fixed_alpha = 0, .is_adjoint = 1 },
    [DUALPROP_LECUN] = { .fixed_alpha = NAN, .is_adjoint = 1, .is_straight = 1 },
};

const struct dualprop__variant *dualprop__variant_of(int variant)
{
    return &variants[variant];
}
