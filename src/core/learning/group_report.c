/*
 * group_report.c - how well the whole batch was predicted, over all processes.
 *
 * Each process computes the losses of its own blocks, and all add up those of all blocks in the order of the blocks:
 * the same digits for any number of processes.
 */
#include "group_gradient.h"

static dualprop_status check_reported_state(const dualprop_optimizer *optimizer, const dualprop_state *state)
{
    DUALPROP__REQUIRE(optimizer->context, state->network == optimizer->network, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "state and optimizer are of different networks; expected the same");
    DUALPROP__REQUIRE(optimizer->context, state->run.phase != DUALPROP__IDLE, DUALPROP_ERROR_INVALID_STATE,
                      "state holds no inference; call dualprop_infer() first");
    DUALPROP__REQUIRE(optimizer->context, !optimizer->sums || !dualprop__has_slopes(state), DUALPROP_ERROR_UNSUPPORTED,
                      "losses of a function or of a given gradient are not added up by blocks; call "
                      "dualprop_state_report() for this process's share");
    return DUALPROP_OK;
}

/* The range of this process's blocks. */
static struct dualprop__node own_blocks(const struct dualprop__group_sums *sums)
{
    return (struct dualprop__node){ dualprop__first_block(sums->blocks, sums->rank, sums->size),
                                    dualprop__first_block(sums->blocks, sums->rank + 1, sums->size) };
}

static dualprop_status score_blocks(const struct dualprop__group_sums *sums, const dualprop_state *state, int64_t total)
{
    struct dualprop__node own = own_blocks(sums);
    int64_t begin = dualprop__first_sample(total, own.low, sums->blocks);
    for (int64_t j = own.low; j < own.high; j++) {
        int64_t first = dualprop__first_sample(total, j, sums->blocks), top;
        int64_t rows = dualprop__first_sample(total, j + 1, sums->blocks) - first;
        struct dualprop__block_score *score = &sums->scores[j];
        DUALPROP__TRY(dualprop__weighted_evaluate(&score->loss, &score->correct, &top, state, state->snapshot.loss,
                                                  state->plan.prediction, first - begin, rows, 1));
    }
    return DUALPROP_OK;
}

static dualprop_status gather_scores(const struct dualprop__group_sums *sums)
{
    dualprop_group *group = sums->group;
    for (int r = 0; r <= sums->size; r++)
        group->offsets[r] =
            dualprop__first_block(sums->blocks, r, sums->size) * (int64_t)sizeof(struct dualprop__block_score);
    return dualprop__group_gather(group, sums->scores, group->offsets);
}

/* With the group entered, where there is one. `count` is the number of samples in state, which 0 leaves unread. */
static dualprop_status report_blocks(double *loss, int64_t *correct, const struct dualprop__group_sums *sums,
                                     const dualprop_state *state, int64_t count, dualprop_status status)
{
    int64_t total = count, hits = 0;
    double sum = 0;
    if (sums->group) {
        struct dualprop__word word = { .call = DUALPROP__CALL_REPORT, .status = status, .count = count };
        status = dualprop__group_agree(sums->group, word);
        total = 0;
        for (int r = 0; status == DUALPROP_OK && r < sums->size; r++) total += sums->group->words[r].count;
        if (status == DUALPROP_OK) status = dualprop__group_check_shares(sums, total);
    }
    DUALPROP__TRY(status);
    if (count > 0) status = score_blocks(sums, state, total);
    for (int64_t j = own_blocks(sums).low; count == 0 && j < own_blocks(sums).high; j++)
        sums->scores[j] = (struct dualprop__block_score){ 0, 0 };
    if (sums->group) {
        DUALPROP__TRY(dualprop__group_agree(
            sums->group, (struct dualprop__word){ .call = DUALPROP__CALL_REPORT, .status = status }));
        DUALPROP__TRY(gather_scores(sums));
    }
    DUALPROP__TRY(status);
    for (int64_t j = 0; j < sums->blocks; j++) {
        sum += sums->scores[j].loss;
        hits += sums->scores[j].correct;
    }
    if (loss) *loss = sum / (double)total;
    if (correct) *correct = hits;
    return DUALPROP_OK;
}

static dualprop_status enter_and_report(double *loss, int64_t *correct, dualprop_optimizer *optimizer,
                                        const dualprop_state *state)
{
    const struct dualprop__group_sums *sums = optimizer->sums;
    int is_empty = sums && sums->group && !state;
    dualprop_status status =
        is_empty ? DUALPROP_OK : dualprop__check_handle(state, DUALPROP__STATE, "state", "dualprop_group_report");
    if (status == DUALPROP_OK && !is_empty) status = check_reported_state(optimizer, state);
    if (!sums) {
        DUALPROP__TRY(status);
        return dualprop_state_report(NULL, NULL, NULL, NULL, loss, correct, state);
    }
    int64_t count = status == DUALPROP_OK && !is_empty ? state->batch.count : 0;
    if (!sums->group) return report_blocks(loss, correct, sums, state, count, status);
    DUALPROP__TRY(dualprop__group_enter(sums->group, "the optimizer's group"));
    status = report_blocks(loss, correct, sums, state, count, status);
    dualprop__group_leave(sums->group);
    return status;
}

dualprop_status dualprop_group_report(double *loss, int64_t *correct, dualprop_optimizer *optimizer,
                                      const dualprop_state *state)
{
    DUALPROP__TRY(dualprop__optimizer_enter(optimizer, __func__));
    dualprop_status status = enter_and_report(loss, correct, optimizer, state);
    dualprop__optimizer_leave(optimizer);
    return status;
}
