/*
 * presets.c - Tables 1 to 3 of Hoeier and Zach, one preset for each column.
 */
#include "presets.h"

#include <stddef.h>

/*
 * Table 1: the first 50,000 images in batches of 50 that are cut once in file order; the paper's rounds (forward,
 * nudge, five times down and up, down) are the schedule fw-bw with six passes. Damped rules take fifteen rounds, 3 (2 1
 * 2 3) x 15 2 1, which visit layer 1 once a round and so are no fw-bw; with the input as a dyad the turn is at 0.
 */
static const char *const table1[] = {
    "limit=50000",      "hidden=512,512", "activation=relu", "init=paper",      "loss=mse",       "beta=0.5",
    "nudge-at=current", "schedule=fw-bw", "passes=6",        "tolerance=0",     "optimizer=adam", "lr=0.001",
    "weight-decay=0",   "epochs=20",      "batch=50",        "shuffle=batches", "validation=0",   NULL
};

/* Table 2 and Figure 3: four hidden layers, thirty iterations; undamped dp diverges there, dp-adjoint trains. */
static const char *const table2[] = { "limit=50000",      "hidden=1000,1000,1000,1000",
                                      "activation=relu",  "init=paper",
                                      "loss=mse",         "beta=0.5",
                                      "nudge-at=current", "schedule=fw-bw",
                                      "passes=30",        "tolerance=0",
                                      "optimizer=adam",   "lr=0.001",
                                      "weight-decay=0",   "epochs=20",
                                      "batch=50",         "shuffle=batches",
                                      "validation=0",     NULL };

#define R3(round) round round round
#define R15(round) R3(round) R3(round) R3(round) R3(round) R3(round)
#define DAMPED_ROUNDS "schedule=list", "passes=1", "order=3" R15(",2,1,2,3") ",2,1"
#define ROBUST_ROUNDS "schedule=list", "passes=1", "order=3" R15(",2,1,0,1,2,3") ",2,1,0"
#define DAMPED(rule) "rule=" rule, "output-step=exact", "damping=gamma2", "power-iterations=5", DAMPED_ROUNDS
#define ROBUST                                                                                               \
    "rule=inverted-lpom", "output-step=exact", "damping=gamma2", "power-iterations=5", "input-robustness=1", \
        ROBUST_ROUNDS
#define TABLE1_DAMPED(data)                                                            \
    { "table1-dp-1-" data, table1, { "dataset=" data, DAMPED("lpom") } },              \
        { "table1-dp-0-" data, table1, { "dataset=" data, DAMPED("inverted-lpom") } }, \
    {                                                                                  \
        "table1-dp-0-e0-" data, table1,                                                \
        {                                                                              \
            "dataset=" data, ROBUST                                                    \
        }                                                                              \
    }
/* Table 2 beside damping: the same thirty traversals, as App. F stabilises them. */
#define TABLE2_DAMPED(rule) "rule=" rule, "output-step=exact", "damping=gamma2", "power-iterations=5"
#define ADJOINT(alpha) "rule=dp-adjoint", "output-step=linear", "alpha=" alpha
#define ORIGINAL(alpha) "rule=dp", "output-step=exact", "alpha=" alpha
#define BACKPROP "rule=bp", "output-step=linear"
/* The paper says FGSM; its experiments took the gradient itself rather than its sign. */
#define ADVERSARIAL(name) "adversarial=" name, "epsilon=0.01"

const preset mlp_presets[] = {
    TABLE1_DAMPED("mnist"),
    TABLE1_DAMPED("fashion-mnist"),
    { "table1-dp-0.5-mnist", table1, { "dataset=mnist", ORIGINAL("0.5") } },
    { "table1-dp-adjoint-0-mnist", table1, { "dataset=mnist", ADJOINT("0") } },
    { "table1-dp-adjoint-0.5-mnist", table1, { "dataset=mnist", ADJOINT("0.5") } },
    { "table1-dp-adjoint-1-mnist", table1, { "dataset=mnist", ADJOINT("1") } },
    { "table1-bp-mnist", table1, { "dataset=mnist", BACKPROP } },
    { "table1-bp-fgsm-mnist", table1, { "dataset=mnist", BACKPROP, ADVERSARIAL("fgsm") } },
    { "table1-bp-raw-mnist", table1, { "dataset=mnist", BACKPROP, ADVERSARIAL("raw") } },
    { "table1-dp-0.5-fashion-mnist", table1, { "dataset=fashion-mnist", ORIGINAL("0.5") } },
    { "table1-dp-adjoint-0-fashion-mnist", table1, { "dataset=fashion-mnist", ADJOINT("0") } },
    { "table1-dp-adjoint-0.5-fashion-mnist", table1, { "dataset=fashion-mnist", ADJOINT("0.5") } },
    { "table1-dp-adjoint-1-fashion-mnist", table1, { "dataset=fashion-mnist", ADJOINT("1") } },
    { "table1-bp-fashion-mnist", table1, { "dataset=fashion-mnist", BACKPROP } },
    { "table1-bp-fgsm-fashion-mnist", table1, { "dataset=fashion-mnist", BACKPROP, ADVERSARIAL("fgsm") } },
    { "table1-bp-raw-fashion-mnist", table1, { "dataset=fashion-mnist", BACKPROP, ADVERSARIAL("raw") } },
    { "table2-dp-0-mnist", table2, { "dataset=mnist", ORIGINAL("0") } },
    { "table2-dp-1-mnist", table2, { "dataset=mnist", ORIGINAL("1") } },
    { "table2-dp-adjoint-0-mnist", table2, { "dataset=mnist", ADJOINT("0") } },
    { "table2-dp-adjoint-1-mnist", table2, { "dataset=mnist", ADJOINT("1") } },
    { "table2-dp-damped-0-mnist", table2, { "dataset=mnist", TABLE2_DAMPED("inverted-lpom") } },
    { "table2-dp-damped-1-mnist", table2, { "dataset=mnist", TABLE2_DAMPED("lpom") } },
    { "table2-bp-mnist", table2, { "dataset=mnist", BACKPROP } },
    { NULL, NULL, { NULL } },
};

/*
 * Table 3: the schedule fw with 16 passes (the paper counts the first forward too, and says 17), the nudge taken at the
 * first prediction; nine tenths of the training set trained on, the network that did best on the last tenth tested.
 */
#define TABLE3                                                                                                  \
    "model=vgg16", "activation=relu", "init=truncated", "loss=ce", "output-step=linear", "nudge-at=prediction", \
        "schedule=fw", "passes=16", "tolerance=0", "optimizer=sgd", "momentum=0.9", "weight-decay=5e-4",        \
        "min-lr=2e-6", "augment=crop,flip", "shuffle=samples"
static const char *const table3_cifar10[] = { "dataset=cifar10",  "lr=0.025",   "warmup=10",
                                              "decay-epochs=120", "epochs=130", "batch=100",
                                              "validation=0.1",   TABLE3,       NULL };
static const char *const table3_cifar100[] = { "dataset=cifar100", "lr=0.015",   "warmup=10",
                                               "decay-epochs=190", "epochs=200", "batch=50",
                                               "validation=0.1",   TABLE3,       NULL };
static const char *const table3_imagenet32[] = { "dataset=imagenet32", "lr=0.020",   "warmup=10",
                                                 "decay-epochs=120",   "epochs=130", "batch=250",
                                                 "validation=0.05",    TABLE3,       NULL };

#define TABLE3_DUAL(data, alpha_, beta_)                                     \
    {                                                                        \
        "table3-dp-adjoint-" alpha_ "-beta-" beta_ "-" #data, table3_##data, \
        {                                                                    \
            "rule=dp-adjoint", "alpha=" alpha_, "beta=" beta_                \
        }                                                                    \
    }
#define TABLE3_BETA(data, beta) \
    TABLE3_DUAL(data, "0", beta), TABLE3_DUAL(data, "0.5", beta), TABLE3_DUAL(data, "1", beta)
#define TABLE3_ALL(data)                                                         \
    TABLE3_BETA(data, "1"), TABLE3_BETA(data, "0.1"), TABLE3_BETA(data, "0.01"), \
    {                                                                            \
        "table3-bp-" #data, table3_##data,                                       \
        {                                                                        \
            "rule=bp"                                                            \
        }                                                                        \
    }

const preset vgg16_presets[] = {
    TABLE3_ALL(cifar10),
    TABLE3_ALL(cifar100),
    TABLE3_ALL(imagenet32),
    { NULL, NULL, { NULL } },
};
