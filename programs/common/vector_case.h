/*
 * vector_case.h - one reference vector: a small network with one batch, and what another code computed for it.
 *
 * tests/golden/README.md describes the files. A case this library cannot run is skipped with the reason.
 */
#ifndef PROGRAMS_VECTOR_CASE_H
#define PROGRAMS_VECTOR_CASE_H

#include "program_host.h"

typedef struct vector_outcome {
    int skipped;
    char reason[200]; /* why it was skipped */
    double error;     /* largest over all tensors of: largest difference / largest value */
} vector_outcome;

/*
 * Run the case in the file at path: the rule's states and gradients, and those of its back-propagation twin.
 * A failure is a file that cannot be read or that is no such case; owner has the sentence.
 */
dualprop_status vector_case_run(vector_outcome *outcome, host *owner, dualprop_context *context, const char *path);

#endif
