/*
 * arguments.h - what the sweeps of bad arguments share: objects of every kind, the bad values of an argument, and a
 * copy of all that the objects hold, to see that a refused call changed nothing.
 *
 * A file tests/process/test_arguments_X.c has one sweep for each function of dualprop/X.h: it calls the function with
 * every bad argument and expects the right status, an error that names the argument, and no output written. The suite
 * runs each sweep on fresh objects and compares them before and after.
 */
#ifndef TEST_ARGUMENTS_H
#define TEST_ARGUMENTS_H

#include <check.h>
#include <dualprop/dualprop.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"

#define INPUTS 4
#define HIDDEN 3
#define CLASSES 2
#define CAPACITY 5
#define COUNT 3

/* ---- the objects ---- */

enum kind { CONTEXT, NETWORK, LAYER, RULE, STATE, OPTIMIZER, CHECKPOINT, DIAGNOSTICS, KINDS };

/* One object of each kind. */
struct world {
    dualprop_context *context;
    dualprop_network *network;
    dualprop_layer *layer;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
    dualprop_checkpoint *checkpoint;
    dualprop_diagnostics *diagnostics;
};

extern struct world own, foreign, dead; /* foreign is alive, in another context; dead was destroyed */
extern float images[COUNT * INPUTS], scores[COUNT * CLASSES], values[64];
extern int32_t labels[COUNT];

/* The outputs of calls under test: a refused call writes none of them. */
struct outputs {
    int i[6];
    int64_t n[DUALPROP_MAX_RANK];
    uint64_t u[3];
    double d[4];
    size_t size;
    char text[64];
    float reals[64];
    const char *name;
    dualprop_view view;
};
extern struct outputs out;

/* A copy of everything that the objects of a world hold. */
struct copy {
    size_t size, room;
    char *bytes;
};

struct copy copy_world(const struct world *of);
void add_network(struct copy *copy, const dualprop_network *network);
/* Compare with a copy made before, and free it. */
void expect_unchanged(struct copy *before, const struct world *of, const char *function);
void expect_outputs_untouched(const char *function);

/* ---- bad values ---- */

#define BAD_HANDLES (KINDS + 2)
/* Bad handle number i for a kind: NULL, a dead one, no handle at all, or a living one of another kind. */
void *bad_handle(int kind, int i);

/* clang-format off */
enum {
    VIEW_NULL, VIEW_NO_SIZE, VIEW_SHORT, VIEW_LONG, VIEW_NO_DATA, VIEW_MISALIGNED, VIEW_NO_TYPE, VIEW_UNKNOWN_TYPE,
    VIEW_WRONG_TYPE, VIEW_NEGATIVE_RANK, VIEW_HUGE_RANK, VIEW_NEGATIVE_EXTENT, VIEW_HUGE_EXTENT, VIEW_HUGE_STRIDE,
    VIEW_OTHER_RANK, VIEW_EMPTY, VIEW_OTHER_EXTENT, BAD_VIEWS, /* the last three are allowed for tensors of any shape */
    BAD_VIEWS_OF_ANY_SHAPE = VIEW_OTHER_RANK
};
/* clang-format on */

dualprop_status bad_view_status(int i);
/* Make a good view bad in way number i. */
dualprop_view *bad_view(dualprop_view *view, const dualprop_view *good, int wrong_type, int i);
dualprop_view image_view(void);
dualprop_view label_view(void);

#define INVALID(word, call) expect_error(call, DUALPROP_ERROR_INVALID_ARGUMENT, word)

/* The call, made with every bad handle in `bad`. */
#define HANDLES(type, kind, word, call)                                                                     \
    for (int bad_index = 0; bad_index < BAD_HANDLES; bad_index++) {                                         \
        dualprop_##type *bad = bad_handle(kind, bad_index);                                                 \
        expect_error(call, bad_index == 0 ? DUALPROP_ERROR_INVALID_ARGUMENT : DUALPROP_ERROR_HANDLE, word); \
    }

/* A call that creates an object, made with every bad handle; it must also set `made` to NULL. */
#define HANDLES_OF_CREATE(type, kind, word, made, call)                                                     \
    for (int bad_index = 0; bad_index < BAD_HANDLES; bad_index++) {                                         \
        dualprop_##type *bad = bad_handle(kind, bad_index);                                                 \
        (made) = (void *)&out;                                                                              \
        expect_error(call, bad_index == 0 ? DUALPROP_ERROR_INVALID_ARGUMENT : DUALPROP_ERROR_HANDLE, word); \
        ck_assert_ptr_null(made);                                                                           \
    }

/* A refused call that creates an object sets it to NULL. */
#define NOTHING(made, status, word, call) \
    do {                                  \
        (made) = (void *)&out;            \
        expect_error(call, status, word); \
        ck_assert_ptr_null(made);         \
    } while (0)

/* The call, made with each of some numbers in `bad`. */
#define NUMBERS(type, word, call, ...)                                                                    \
    do {                                                                                                  \
        const type bad_numbers[] = { __VA_ARGS__ };                                                       \
        for (size_t bad_index = 0; bad_index < sizeof bad_numbers / sizeof bad_numbers[0]; bad_index++) { \
            type bad = bad_numbers[bad_index];                                                            \
            INVALID(word, call);                                                                          \
        }                                                                                                 \
    } while (0)

#define NO_NUMBERS NAN, -NAN, INFINITY, -INFINITY

/* The call, made with `bad` in each of the first `ways` bad forms of `good`. */
#define VIEWS(good, wrong_type, ways, word, call)                                       \
    for (int bad_index = 0; bad_index < (ways); bad_index++) {                          \
        dualprop_view spoilt, *bad = bad_view(&spoilt, &(good), wrong_type, bad_index); \
        expect_error(call, bad_view_status(bad_index), word);                           \
    }

/* The same for a view that is written; a broadcast is bad too, since it has no place for every element. */
#define OUTPUT_VIEWS(good, wrong_type, word, call)           \
    do {                                                     \
        VIEWS(good, wrong_type, BAD_VIEWS, word, call)       \
        dualprop_view broadcast = (good), *bad = &broadcast; \
        broadcast.strides[0] = 0;                            \
        INVALID(word, call);                                 \
    } while (0)

/* Destroying takes NULL, and leaves alone what is no living handle of its kind. */
#define DESTROYS(type, kind) \
    for (int i = 0; i < BAD_HANDLES; i++) dualprop_##type##_destroy(bad_handle(kind, i))

/* The call, made with labels in `bad` that are no classes. */
#define BAD_LABELS(call)                                                          \
    do {                                                                          \
        static const int32_t NO_LABELS[] = { -1, CLASSES, INT32_MIN, INT32_MAX }; \
        for (int bad_index = 0; bad_index < 4; bad_index++) {                     \
            int32_t bad[COUNT] = { 0, 0, NO_LABELS[bad_index] };                  \
            INVALID("labels[2]", call);                                           \
        }                                                                         \
    } while (0)

/* ---- suites ---- */

/* One sweep; `changes_state`: it writes to the state of `own`, whose contents are then not compared. */
struct sweep {
    const char *function;
    void (*run)(void);
    int changes_state;
};

#define SWEEP(name)                        \
    {                                      \
        "dualprop_" #name, sweep_##name, 0 \
    }
#define SWEEP_COUNT(sweeps) ((int)(sizeof(sweeps) / sizeof(sweeps)[0]))

/* The sweeps of one header, in the order of its functions. */
struct sweep_list {
    const struct sweep *sweeps;
    int count;
};
extern const struct sweep_list SWEEPS_OF_CHECKPOINT, SWEEPS_OF_CONTEXT, SWEEPS_OF_CUSTOM, SWEEPS_OF_DIAGNOSTICS,
    SWEEPS_OF_GROUP, SWEEPS_OF_NETWORK, SWEEPS_OF_OPTIMIZER, SWEEPS_OF_RULE, SWEEPS_OF_STATE, SWEEPS_OF_TYPES;

/* Fresh objects before a test, and none afterwards. */
void arguments_setup(void);
void arguments_teardown(void);
/* A suite that runs every sweep of a list. */
Suite *arguments_suite(const char *name, const struct sweep_list *list);

#endif
