/*
 * household.h - what random calls are made on: three networks, rules, states, optimizers and diagnostics of one
 * context; how the next call and its arguments are drawn; and what is done where a promise is broken.
 *
 * A draw comes from a generator of random numbers, or from bytes, which a fuzzer chooses.
 */
#ifndef TESTS_HOUSEHOLD_H
#define TESTS_HOUSEHOLD_H

#include <dualprop/dualprop.h>
#include <math.h>
#include <string.h>

#include "failing_allocator.h"
#include "randomness.h"

enum { OF_EACH = 3, CAPACITY = 6, SAMPLES = 70, MOST_INPUTS = 60, LABELS = 80, MOST_PARAMETERS = 1 << 16 };

typedef struct household {
    randomness random;
    const uint8_t *bytes;     /* what choices are drawn from; NULL: from `random` */
    size_t left;              /* of bytes; with none left all choices are the first */
    failing_allocator memory; /* of random calls; a fuzzer's are on what its sanitizer watches */
    dualprop_context *context;
    int precision;
    int family;  /* of the call: whose objects mostly meet */
    int follow;  /* so many calls that go on with what was begun, with the same objects */
    int samples; /* of the last batch */
    dualprop_network *network[OF_EACH];
    dualprop_rule *rule[OF_EACH];
    dualprop_state *state[OF_EACH];
    dualprop_optimizer *optimizer[OF_EACH];
    dualprop_diagnostics *diagnostics[OF_EACH];
    dualprop_checkpoint *checkpoint;
    dualprop_group *group;
    int is_device;
    int delays;                           /* on a device: the status of a step may come with the next call */
    int unseen;                           /* was the last call not looked at? */
    int activation, map;                  /* of the household's own, once they are registered */
    double images[SAMPLES * MOST_INPUTS]; /* or as many floats, as the context reads them */
    int32_t labels[LABELS];
    double answer[MOST_PARAMETERS];
    double scores[70 * 10];      /* for predictions */
    unsigned char file[1 << 17]; /* the only one, whatever it is called */
    size_t file_size, file_place;
    int faulty;                   /* does now and then something fail, memory, files or threads? */
    randomness faults;            /* what fails when, apart from what is called */
    int file_fault, thread_fault; /* so many calls until the file or a start of a thread fails; 0: none does */
    int file_faults_hit, thread_faults_hit;
    long calls_hit; /* so many calls had a fault */
    struct prints {
        uint64_t network, rule, optimizer, state;
    } prints[OF_EACH]; /* of all that a checkpoint keeps of them */
} household;

/* What an act may do beside what its name tells. */
enum {
    MAY_WRITE = 1, /* change what a checkpoint keeps of networks */
    MAY_INFER = 2, /* change a state although it fails afterwards */
    MAY_LEARN = MAY_WRITE | MAY_INFER,
    BEGINS = 4, /* it needs a state that is prepared, and leaves one to go on with */
    GOES_ON = 8 /* with such a state */
};

typedef struct act {
    const char *name;
    dualprop_status (*run)(household *self);
    int weight; /* how often, against the others */
    int may;
} act;

#define ACT(run, weight, may)  \
    {                          \
#run, run, weight, may \
    }

/* random_calls_more.c: views, files, groups, weights, gradients, open networks, functions of the caller's. */
extern const act more_acts[];
extern const int more_act_count;
/* random_calls_more.c: files in the household's memory. */
dualprop_io household_files(household *self);
/* Did anything fail since the faults were armed, before the call? */
int fault_hit(const household *self);

/* End the process with a sentence and the seed. */
_Noreturn void promise_broken(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define promise(holds, ...)                        \
    do {                                           \
        if (!(holds)) promise_broken(__VA_ARGS__); \
    } while (0)

/* ---- what to draw ---- */

static inline int below(household *self, int count)
{
    int drawn = 0;
    if (!self->bytes) return (int)random_below(&self->random, count);
    for (int span = 1; span < count && self->left > 0; span *= 256, self->left--) drawn = drawn << 8 | *self->bytes++;
    return drawn % count;
}

static inline int one_in(household *self, int count)
{
    return below(self, count) == 0;
}

static inline double a_number(household *self)
{
    static const double odd[] = { 0, -0.0, 1,    0.5, -1,   NAN, INFINITY, -INFINITY, 1e300,
                                  2, 0.1,  0.25, 0.9, 0.01, 1e4, 1e-4,     -1e300,    1e-300 };
    return one_in(self, 8) ? odd[below(self, (int)(sizeof odd / sizeof odd[0]))] : below(self, 1001) / 1000.0;
}

/* Mostly one that fits. */
static inline int a_count(household *self)
{
    return self->samples = one_in(self, 8) ? below(self, 70) - 3 : 1 + below(self, CAPACITY);
}

/* A layer of the family's network; now and then a layer too few, or some too many. */
static inline int an_index(household *self)
{
    int layers = 0;
    dualprop_status status = dualprop_network_info(&layers, NULL, NULL, NULL, self->network[self->family]);
    return status != DUALPROP_OK || layers < 1 || one_in(self, 4) ? below(self, 7) - 1 : 1 + below(self, layers);
}

/* Mostly those of one family, which go together. */
static inline int a_place(household *self)
{
    return self->follow == 0 && one_in(self, 6) ? below(self, OF_EACH) : self->family;
}

static inline dualprop_network *a_network(household *self)
{
    return self->network[a_place(self)];
}

static inline dualprop_rule *a_rule(household *self)
{
    return self->rule[a_place(self)];
}

static inline dualprop_state *a_state(household *self)
{
    return self->state[a_place(self)];
}

static inline dualprop_optimizer *an_optimizer(household *self)
{
    return self->optimizer[a_place(self)];
}

static inline dualprop_diagnostics *some_diagnostics(household *self)
{
    return self->diagnostics[a_place(self)];
}

static inline void put_pixel(household *self, int i, double value)
{
    if (self->precision == DUALPROP_F64) self->images[i] = value;
    else ((float *)self->images)[i] = (float)value;
}

/* Now and then with an odd number, or a label that is none. */
static inline void draw_data(household *self)
{
    for (int i = 0; i < SAMPLES * MOST_INPUTS; i++) put_pixel(self, i, random_uniform(&self->random, -1, 1));
    if (one_in(self, 12)) put_pixel(self, below(self, one_in(self, 2) ? 100 : SAMPLES * MOST_INPUTS), a_number(self));
    for (int i = 0; i < LABELS; i++) self->labels[i] = below(self, 3);
    if (one_in(self, 12))
        self->labels[below(self, one_in(self, 2) ? 10 : LABELS)] = (int32_t)random_bits(&self->random);
}

/* Put what was made in the place of an older one; without success the older one stays, and what was made goes. */
#define KEEP(kind)                                                                                             \
    static inline dualprop_status keep_##kind(household *self, dualprop_##kind *made, dualprop_status status)  \
    {                                                                                                          \
        dualprop_##kind **place = &self->kind[a_place(self)], *leaves = status == DUALPROP_OK ? *place : made; \
        if (status == DUALPROP_OK) *place = made;                                                              \
        dualprop_##kind##_destroy(leaves);                                                                     \
        return status;                                                                                         \
    }
KEEP(network)
KEEP(rule)
KEEP(state)
KEEP(optimizer)
KEEP(diagnostics)
#undef KEEP

/* A contiguous view; columns 0: a vector. */
static inline dualprop_view plain_view(void *data, int type, int64_t rows, int64_t columns)
{
    dualprop_view view = { .struct_size = sizeof view, .data = data, .type = type, .rank = columns > 0 ? 2 : 1 };
    view.shape[0] = rows;
    view.shape[1] = columns;
    view.strides[0] = columns > 0 ? columns : 1;
    view.strides[1] = 1;
    return view;
}

/* A call that failed has filled nothing. */
static inline void check_untouched(const void *memory, size_t size, dualprop_status status)
{
    const unsigned char *bytes = memory;
    if (status == DUALPROP_OK) return;
    for (size_t i = 0; i < size; i++)
        promise(bytes[i] == 0x5a, "a call that failed (%s) filled what it was given", dualprop_status_name(status));
}

#endif
