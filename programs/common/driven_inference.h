/*
 * driven_inference.h - an inference that this program drives pass by pass: from zero (--start zero), or with updates of
 * the weights on the way (--updates).
 */
#ifndef EXAMPLES_DRIVEN_INFERENCE_H
#define EXAMPLES_DRIVEN_INFERENCE_H

#include "one_batch.h"
#include "run_file.h"
#include "settings.h"

/* Must the inferences of this run be driven? Else batch_infer() and batch_learn() do the same faster. */
int driven_inference_is_needed(const settings *run);
/*
 * Let the state settle on a batch of at least one sample. All updates of the weights but the last are made on the way;
 * the last is the caller's, as after any inference. After a failure the weights are those of the updates until then.
 */
dualprop_status driven_inference(const batch *learned, host *owner, const settings *run, const run_parts *parts);

#endif
