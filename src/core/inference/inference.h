/*
 * inference.h - an inference in pieces, for calls that do more than infer.
 */
#ifndef DUALPROP_CORE_INFERENCE_H
#define DUALPROP_CORE_INFERENCE_H

#include "core/state/state_internal.h"

/* dualprop_infer_view() for callers that hold something: no point where pthread_cancel() takes effect. */
dualprop_status dualprop__infer_view(dualprop_state *state, const dualprop_view *inputs, const dualprop_view *targets,
                                     const char *function);
/* fresh_minus.c: where the rule asks for it, form s- of all layers again: what Eq. 50 leaves to learn from. */
dualprop_status dualprop__form_all_minus(dualprop_state *state);
/* extended_update.c: read the weights with fresh noise. */
dualprop_status dualprop__draw_weight_noise(dualprop_state *state);

/*
 * What dualprop_infer_view() does with the state entered, in three parts: run (open, all passes), section_end, finish
 * (again with checks after each visit if a deferred run diverged; close). What a caller appends to a deferred section
 * between run and section_end is part of the section. Each part takes the status that the part before returned, and
 * has to be called whatever that was.
 */
typedef struct dualprop__inference {
    int is_open, deferred;
} dualprop__inference;
dualprop_status dualprop__infer_run(dualprop__inference *inference, dualprop_state *state, const dualprop_view *inputs,
                                    const dualprop_view *targets);
dualprop_status dualprop__infer_section_end(dualprop_state *state, dualprop_status status);
/* The same in two parts, of a section that has gone well so far: submit it, and collect what it found. */
dualprop_status dualprop__infer_section_submit(dualprop_state *state, void **section);
dualprop_status dualprop__infer_section_collect(dualprop_state *state, void *section);
dualprop_status dualprop__infer_finish(const dualprop__inference *inference, dualprop_state *state,
                                       dualprop_status status);
/* Check the plain arrays of dualprop_infer() and describe them as views. */
dualprop_status dualprop__infer_plain(dualprop_view *inputs, dualprop_view *targets, const dualprop_state *state,
                                      const void *images, const int32_t *labels, int64_t count, const char *function);

#endif
