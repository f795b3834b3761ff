/*
 * presets.h - the experiments of the paper as lists of options.
 */
#ifndef EXAMPLES_PRESETS_H
#define EXAMPLES_PRESETS_H

/* A name, and two lists of "option=value", each closed by NULL: what the table's rows share, and what this one adds. */
typedef struct preset {
    const char *name;
    const char *const *shared;
    const char *own[6];
} preset;

/* Find by name; NULL where there is none. */
const preset *preset_find(const char *name);
/* Number index, or NULL behind the last. */
const preset *preset_at(int index);

#endif
