/*
 * trainer.h - a run: data, network, rule, state and optimizer, trained epoch by epoch.
 *
 *     trainer_create(&run, owner, settings);
 *     trainer_run(run);
 *     trainer_destroy(run);
 */
#ifndef PROGRAMS_TRAINER_H
#define PROGRAMS_TRAINER_H

#include "settings.h"

typedef struct trainer trainer;

/*
 * Read the data, then make or resume everything else. settings is borrowed until the trainer is destroyed.
 * Statuses INVALID_ARGUMENT and UNSUPPORTED are the options' fault, all others that of the files or the machine.
 */
dualprop_status trainer_create(trainer **self, host *owner, const settings *run);
/* NULL is fine. */
void trainer_destroy(trainer *self);
/*
 * Train to the last epoch, or to where the run is given up, and write the closing line; where there is a validation
 * set, it is about the network that did best on it, also when training diverges later (which is a failure).
 * *interrupted is the signal that ended it before (Ctrl-C, SIGTERM, SIGHUP), or 0; the checkpoint is saved then too.
 */
dualprop_status trainer_run(int *interrupted, trainer *self);
/* Write the class of each image of settings->predict, one a line (class_list.c), by the network of settings->resume. */
dualprop_status trainer_predict(host *owner, const settings *run);
/* Write the network of settings->resume as C source into settings->export_c (class_list.c). */
dualprop_status trainer_export(host *owner, const settings *run);

#endif
