/*
 * presets.h - the experiments of the paper as lists of options.
 */
#ifndef PROGRAMS_PRESETS_H
#define PROGRAMS_PRESETS_H

/* A name, and two lists of "option=value", each closed by NULL: what the table's rows share, and what this one adds. */
typedef struct preset {
    const char *name;
    const char *const *shared;
    const char *own[10];
} preset;

/* Each program's, closed by one without a name. */
extern const preset mlp_presets[];
extern const preset vgg16_presets[];

#endif
