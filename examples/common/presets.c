/*
 * presets.c - Tables 1 and 2 of Hoeier and Zach, as far as their rules exist here.
 */
#include "presets.h"

#include <stddef.h>
#include <string.h>

/*
 * Table 1: the first 50,000 images in batches of 50 that are cut once in file order; the paper's rounds (forward,
 * nudge, five times down and up, down) are the schedule fw-bw with six passes.
 */
static const char *const table1[] = { "limit=50000", "hidden=512,512", "activation=relu", "init=paper", "loss=mse",
                                      "beta=0.5", "nudge-at=current", "schedule=fw-bw", "passes=6", "tolerance=0",
                                      "optimizer=adam", "lr=0.001", "weight-decay=0", "epochs=20", "batch=50",
                                      "shuffle=batches", "validation=0", NULL };

/* Table 2 and Figure 3: four hidden layers, thirty iterations; undamped dp diverges there, dp-adjoint trains. */
static const char *const table2[] = { "limit=50000", "hidden=1000,1000,1000,1000", "activation=relu", "init=paper",
                                      "loss=mse", "beta=0.5", "nudge-at=current", "schedule=fw-bw", "passes=30",
                                      "tolerance=0", "optimizer=adam", "lr=0.001", "weight-decay=0", "epochs=20",
                                      "batch=50", "shuffle=batches", "validation=0", NULL };

#define ADJOINT(alpha) "rule=dp-adjoint", "output-step=linear", "alpha=" alpha
#define ORIGINAL(alpha) "rule=dp", "output-step=exact", "alpha=" alpha
#define BACKPROP "rule=bp", "output-step=linear"

static const preset presets[] = {
    { "table1-dp-0.5-mnist", table1, { "dataset=mnist", ORIGINAL("0.5") } },
    { "table1-dp-adjoint-0-mnist", table1, { "dataset=mnist", ADJOINT("0") } },
    { "table1-dp-adjoint-0.5-mnist", table1, { "dataset=mnist", ADJOINT("0.5") } },
    { "table1-dp-adjoint-1-mnist", table1, { "dataset=mnist", ADJOINT("1") } },
    { "table1-bp-mnist", table1, { "dataset=mnist", BACKPROP } },
    { "table1-dp-0.5-fashion-mnist", table1, { "dataset=fashion-mnist", ORIGINAL("0.5") } },
    { "table1-dp-adjoint-0-fashion-mnist", table1, { "dataset=fashion-mnist", ADJOINT("0") } },
    { "table1-dp-adjoint-0.5-fashion-mnist", table1, { "dataset=fashion-mnist", ADJOINT("0.5") } },
    { "table1-dp-adjoint-1-fashion-mnist", table1, { "dataset=fashion-mnist", ADJOINT("1") } },
    { "table1-bp-fashion-mnist", table1, { "dataset=fashion-mnist", BACKPROP } },
    { "table2-dp-0-mnist", table2, { "dataset=mnist", ORIGINAL("0") } },
    { "table2-dp-1-mnist", table2, { "dataset=mnist", ORIGINAL("1") } },
    { "table2-dp-adjoint-0-mnist", table2, { "dataset=mnist", ADJOINT("0") } },
    { "table2-dp-adjoint-1-mnist", table2, { "dataset=mnist", ADJOINT("1") } },
    { "table2-bp-mnist", table2, { "dataset=mnist", BACKPROP } },
};

const preset *preset_at(int index)
{
    int count = (int)(sizeof presets / sizeof presets[0]);

    return index < count ? &presets[index] : NULL;
}

const preset *preset_find(const char *name)
{
    const preset *found = NULL;

    for (int i = 0; found == NULL && preset_at(i) != NULL; i++) {
        if (strcmp(presets[i].name, name) == 0) found = &presets[i];
    }
    return found;
}
