/*
 * attack.h - images made harder on purpose, by the gradient of each sample's own loss in its image.
 *
 *     fgsm   x + epsilon sign(grad_x)
 *     raw    x + epsilon grad_x
 *     pgd    ATTACK_STEPS times: x + epsilon/4 sign(grad_x), brought back to within epsilon of where it began
 *
 * Epsilon is on the scale on which a byte runs from 0 to 1, before the data set's mean and deviation; other numbers are
 * taken as they are. Test images are kept in their range: 0 to 1 for bytes, from the smallest to the greatest number of
 * the training images for others. Images that are trained on are not, as in the formulas above.
 */
#ifndef PROGRAMS_ATTACK_H
#define PROGRAMS_ATTACK_H

#include "dataset.h"
#include "one_batch.h"
#include "settings.h"

#define ATTACK_STEPS 10

enum { ATTACK_FGSM, ATTACK_PGD, ATTACK_KINDS };

typedef struct attack attack;

/* For batches of up to capacity samples. data and network are borrowed. */
dualprop_status attack_create(attack **self, host *owner, const settings *run, dualprop_network *network,
                              const dataset *data, int64_t capacity);
/* NULL is fine. */
void attack_destroy(attack *self);
/* Make *changed the adversarial form (ADVERSARIAL_...) of a training batch; it holds until the next call. */
dualprop_status attack_batch(batch *changed, attack *self, const batch *clean, int adversarial, double epsilon);
/* Count the test samples that the network still gets right. CANCELLED, with no sentence, after Ctrl-C. */
dualprop_status attack_test(int64_t *correct, attack *self, const samples *set, int kind, double epsilon);
/* "fgsm" or "pgd". */
const char *attack_name(int kind);

#endif
