/*
 * settings.h - everything that can be set for a run, as one struct filled from one table of options.
 *
 * An option's value is a text until the last moment: it may come from the command line, from a preset, from the
 * checkpoint that is resumed, or be the default, and it is read and checked by the same code in each case.
 */
#ifndef PROGRAMS_SETTINGS_H
#define PROGRAMS_SETTINGS_H

#include "program_host.h"

#define SETTINGS_LAYERS 32

/* Bits of settings.diagnostics. */
enum {
    DIAGNOSE_ANGLE = 1,
    DIAGNOSE_NORMS = 2,
    DIAGNOSE_SILENT = 4,
    DIAGNOSE_RESIDUAL = 8,
    DIAGNOSE_GAMMA = 16,
    DIAGNOSE_LIPSCHITZ = 32,
    DIAGNOSE_OBJECTIVE = 64,
    DIAGNOSE_BREGMAN = 128
};

/* settings.adversarial: what the network is trained on instead of x. */
enum { ADVERSARIAL_OFF = 0, ADVERSARIAL_FGSM = 1, ADVERSARIAL_RAW = 2 };

/* settings.divergence: what is reported as divergence. */
enum { DIVERGENCE_SIZE = 0, DIVERGENCE_GROWTH = 1 };

/* settings.start: where the states of an inference start. */
enum { START_FEED_FORWARD = 0, START_LAST = 1, START_ZERO = 2 };

/* Bits of settings.augment. */
enum { AUGMENT_CROP = 1, AUGMENT_FLIP = 2 };

/* A list of layer sizes. */
typedef struct sizes {
    int count;
    int64_t size[SETTINGS_LAYERS];
} sizes;

#define SETTINGS_NUMBERS 16

/* A list of numbers. */
typedef struct number_list {
    int count;
    double value[SETTINGS_NUMBERS];
} number_list;

#define SETTINGS_ORDER 200

/* An order of layers. */
typedef struct layer_order {
    int count; /* 0: none given */
    int32_t layer[SETTINGS_ORDER];
} layer_order;

/* Where damping comes from; 0: the rule's own default. */
typedef struct damping_choice {
    int formula;       /* DUALPROP_DAMPING_... */
    number_list given; /* of DUALPROP_DAMPING_GIVEN: one for all layers, or one for each hidden layer */
} damping_choice;

typedef struct program program; /* program.h */

enum { PRECISION_F32, PRECISION_F64, PRECISION_TF32, PRECISION_BF16 };

typedef struct settings {
    const program *program;
    int dataset; /* DATASET_... */
    const char *data;
    int64_t limit; /* 0: all */
    sizes hidden;
    int model; /* MODEL_... of models.h */
    int activation, initializer;
    uint64_t seed;
    int rule;
    number_list alpha, beta; /* one for all layers, or one for each */
    double alpha_mismatch;
    int loss, output_step, nudge_at, schedule;
    int divergence; /* DIVERGENCE_... */
    int64_t passes;
    int start;       /* START_... */
    int64_t updates; /* of the weights in one inference */
    double tolerance;
    layer_order order;
    double async_fraction, time_step;
    damping_choice damping;
    int64_t power_iterations;
    int fresh_minus;
    double input_robustness;
    int feedback;
    double noise_state, noise_down, noise_weight;
    int64_t quantize; /* bits; 0: none */
    int pool_switches;
    int optimizer;
    double learning_rate, momentum, weight_decay;
    int64_t warmup, decay_epochs; /* epochs; both 0: a constant rate */
    double min_learning_rate;
    int64_t epochs, batch;
    int64_t blocks; /* of a batch; 0: none */
    int shuffle;    /* SHUFFLE_... */
    int augment;    /* bits: AUGMENT_... */
    double validation;
    int adversarial; /* ADVERSARIAL_... */
    double epsilon;
    number_list attack; /* epsilons */
    int diagnostics;
    int64_t audit_every;
    const char *audit_log;
    int backend, level, precision; /* level: DUALPROP_LEVEL_...; precision: PRECISION_... */
    int64_t threads;               /* 0: all the process may use */
    int64_t ranks;                 /* how many processes are expected; 0: any number */
    double patience;               /* seconds without word from another process; 0: for ever */
    const char *checkpoint, *resume, *log, *preset, *predict, *export_c;
    int quiet, help, version;
} settings;

/* What precision means to a context: DUALPROP_F32 or _F64, and DUALPROP_NUMERICS_... */
int settings_type(const settings *run);
int settings_numerics(const settings *run);

/* How a value is written. */
enum {
    VALUE_INTEGER,
    VALUE_SEED,
    VALUE_REAL,
    VALUE_CHOICE,
    VALUE_SIZES,
    VALUE_NUMBERS,
    VALUE_ORDER,
    VALUE_DAMPING,
    VALUE_SET,
    VALUE_TEXT,
    VALUE_FLAG
};

/* Who decides when a run is resumed: the command line alone; the file unless the command line says something; the
 * file, and the command line may only agree. */
enum { RESUME_FREE, RESUME_DEFAULT, RESUME_FIXED };

/* One row of the table of options. */
typedef struct setting {
    const char *name;    /* without the dashes */
    int kind;            /* VALUE_... */
    int resume;          /* RESUME_... */
    size_t offset;       /* in settings */
    double least, most;  /* of a number; least is excluded where most < least */
    const char *choices; /* separated by spaces */
    int group;           /* DUALPROP_NAMES_..., or -1: a choice's number is its place among the choices */
    const char *initial; /* the default as a text; NULL: said by settings_complete() */
    const char *value;   /* what --help calls the value */
    const char *help;
} setting;

/* Room for any value as a text. */
#define SETTING_TEXT 1024

extern const setting setting_table[];
extern const int setting_count;

/* The row of an option, or -1. Names are compared whole. */
int setting_find(const char *name);
/* Read text into the row's place in *out. INVALID_ARGUMENT with a sentence that names option, value and range. */
dualprop_status setting_read(settings *out, host *owner, int row, const char *text);
/* Would setting_read() take it? */
dualprop_status setting_try(host *owner, int row, const char *text);
/* Write the row's value as setting_read() takes it; two values are the same when these texts are. */
void setting_write(char *text, size_t size, const settings *self, int row);
/* Refuse what contradicts itself, naming both options. */
dualprop_status settings_check(const settings *self, host *owner);

#endif
