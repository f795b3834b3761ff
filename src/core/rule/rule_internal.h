/*
 * rule_internal.h - a rule, what it says about itself, and the order in which a schedule visits layers.
 */
#ifndef DUALPROP_CORE_RULE_INTERNAL_H
#define DUALPROP_CORE_RULE_INTERNAL_H

#include "core/network/network_internal.h"
#include "schedule.h"

/* A number of some layers: values[k] where k < count and it is no NaN; else the rule's number for all. */
struct dualprop__layer_numbers {
    double *values;
    int count;
};

struct dualprop_rule {
    uint32_t magic;
    atomic_int references;
    dualprop_context *context;
    dualprop_loss_function loss_function; /* of DUALPROP_LOSS_FUNCTION; NULL: none set since the rule was loaded */
    dualprop_loss_proximal loss_proximal; /* of the same loss; may be NULL */
    void *loss_data;
    int variant, loss, output_step, nudge_at, schedule, passes;
    int pool_switches;
    double alpha, beta, tolerance, divergence_limit;
    struct dualprop__layer_numbers layer_alpha, layer_beta, layer_damping;
    int damping, power_iterations;
    double common_damping;   /* of layers without a number of their own, if it is given */
    double input_robustness; /* rho; 0: the input is no dyad */
    int feedback;
    int32_t *order; /* [order_count] of DUALPROP_LIST */
    int order_count;
    double async_fraction, time_step;
    int warm_start;
    int fresh_minus; /* Eq. 50: s- of the layer above is formed again before each update */
    double alpha_mismatch, noise_state, noise_down, noise_weight;
    int quantize_bits; /* 0: states are reals */
    int growth_limit;  /* passes in a row that may grow; 0: any number */
    uint64_t seed;
    atomic_uint_fast64_t plan;     /* raised by what changes a state's plan */
    atomic_uint_fast64_t revision; /* raised by every setter: a state checks and copies each revision once */
};

/* The highest layer that a number may be set for. */
#define DUALPROP__MOST_LAYERS 65535

/* ---- rule.c ---- */
void dualprop__rule_retain(dualprop_rule *rule);
void dualprop__rule_release(dualprop_rule *rule);
/* Refuse numbers and choices that contradict each other (exact step without a solution, bp with exact step, ...). */
dualprop_status dualprop__rule_check(const dualprop_rule *rule);
dualprop_status dualprop__rule_check_choice(const dualprop_context *context, int value, int first, int last,
                                            const char *argument, const char *expected);
dualprop_status dualprop__rule_check_alpha(const dualprop_rule *rule, double alpha);
dualprop_status dualprop__rule_check_beta(const dualprop_rule *rule, double beta);
/* States created before have to be prepared again if something changed. */
void dualprop__rule_replan(dualprop_rule *rule, int changed);
/* At the end of every setter: raise the revision. Returns OK. */
dualprop_status dualprop__rule_changed(dualprop_rule *rule);
/* The loss is a function that the caller has yet to set: of rules from a file. */
void dualprop__rule_expect_loss_function(dualprop_rule *rule);
/* alpha_k and beta_k. */
double dualprop__rule_alpha(const dualprop_rule *rule, int k);
double dualprop__rule_beta(const dualprop_rule *rule, int k);
/* The output step that is made: LINEAR if the linear one is exact already. */
int dualprop__rule_output_step(const dualprop_rule *rule);
/* ---- rule_check.c ---- */
/* Refuse an output step without a solution for these numbers. */
dualprop_status dualprop__rule_check_output_numbers(const dualprop_rule *rule, double alpha, double beta);
/* Refuse what contradicts itself or does not fit the network. */
dualprop_status dualprop__rule_check_network(const dualprop_rule *rule, const dualprop_network *network);

/* ---- variants.c ---- */

/* A row for each variant. */
struct dualprop__variant {
    double fixed_alpha;      /* the one alpha that it has, or NaN */
    int is_back_propagation; /* sbar = f(a) and delta = f'(a) Delta: no dyads */
    int is_adjoint;          /* c+ = 1 - alpha and c- = alpha (Eq. 19), not the other way round (Eq. 2) */
    int is_damped;           /* has the form of Eq. 50 */
    int is_straight;         /* LeCun's: s+- are formed without f, and f'(a) delta goes down */
    int output_steps; /* has exact and SPROVR output steps; else LINEAR, which is exact already or the only one */
};
const struct dualprop__variant *dualprop__variant_of(int variant);
static inline const struct dualprop__variant *dualprop__rule_variant(const dualprop_rule *rule)
{
    return dualprop__variant_of(rule->variant);
}

/* ---- rule_options.c ---- */
/* numbers->values[k], or the number for layers without one of their own. */
double dualprop__layer_number(const struct dualprop__layer_numbers *numbers, int k, double otherwise);

#endif
