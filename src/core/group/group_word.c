/*
 * group_word.c - the word that every collective call begins with, agreement, and sums of a few numbers.
 *
 * A process that fails still sends its word, so that the others learn of the failure at once. A process that reads a
 * bad status in any word returns; since all processes read the same words, all return.
 */
#include <string.h>

#include "group_internal.h"

#define SENTENCE_SIZE 256

/* ---- the transport ---- */

static dualprop_status transport_failed(dualprop_group *group)
{
    const char *words = group->transport.error(group->transport.user_data);
    group->failed = 1;
    return dualprop__fail(group->context, DUALPROP_ERROR_TRANSPORT,
                          "process %d of %d lost the others: %s; expected to hear from all of them",
                          (int)group->transport.rank, (int)group->transport.size,
                          words && *words ? words : "the transport did not say why");
}

dualprop_status dualprop__group_exchange(dualprop_group *group, void *receive, const int64_t *receive_offsets,
                                         const void *send, const int64_t *send_offsets)
{
    const dualprop_transport *transport = &group->transport;
    DUALPROP__REQUIRE(group->context, !group->failed, DUALPROP_ERROR_TRANSPORT,
                      "the group lost a process before; expected a new group");
    if (transport->exchange(transport->user_data, receive, receive_offsets, send, send_offsets) != 0)
        return transport_failed(group);
    return DUALPROP_OK;
}

dualprop_status dualprop__group_gather(dualprop_group *group, void *bytes, const int64_t *offsets)
{
    const dualprop_transport *transport = &group->transport;
    DUALPROP__REQUIRE(group->context, !group->failed, DUALPROP_ERROR_TRANSPORT,
                      "the group lost a process before; expected a new group");
    if (transport->gather(transport->user_data, bytes, offsets) != 0) return transport_failed(group);
    return DUALPROP_OK;
}

dualprop_status dualprop__group_gather_equal(dualprop_group *group, void *bytes, size_t each)
{
    for (int r = 0; r <= group->transport.size; r++) group->offsets[r] = r * (int64_t)each;
    return dualprop__group_gather(group, bytes, group->offsets);
}

/* ---- agreement ---- */

static const char *call_name(uint32_t call)
{
    static const char *const names[DUALPROP__CALLS] = {
        [DUALPROP__CALL_AGREE] = "dualprop_group_agree()",
        [DUALPROP__CALL_SUM] = "dualprop_group_sum()",
        [DUALPROP__CALL_SHARE_NETWORK] = "dualprop_group_share_network()",
        [DUALPROP__CALL_CHECK_NETWORK] = "dualprop_group_check_network()",
        [DUALPROP__CALL_SET_GROUP] = "dualprop_optimizer_set_group()",
        [DUALPROP__CALL_GRADIENT] = "dualprop_gradient()",
        [DUALPROP__CALL_UPDATE] = "dualprop_update() or dualprop_learn()",
        [DUALPROP__CALL_INFER_UPDATE] = "dualprop_infer_update()",
        [DUALPROP__CALL_APPLY] = "the end of a learning step",
        [DUALPROP__CALL_REPORT] = "dualprop_group_report()",
    };
    return call < DUALPROP__CALLS && names[call] ? names[call] : "a call that this library does not know";
}

static dualprop_status same_call(const dualprop_group *group)
{
    const struct dualprop__word *words = group->words;
    for (int r = 1; r < group->transport.size; r++)
        DUALPROP__REQUIRE(group->context, words[r].call == words[0].call && words[r].number == words[0].number,
                          DUALPROP_ERROR_PEER,
                          "process %d is in %s (collective call %llu), process 0 in %s (%llu); expected all processes "
                          "to make the same calls in the same order",
                          r, call_name(words[r].call), (unsigned long long)words[r].number, call_name(words[0].call),
                          (unsigned long long)words[0].number);
    return DUALPROP_OK;
}

/* Process `speaker` sends its last error to all others; they return PEER with it, the speaker its own status. */
static dualprop_status share_failure(dualprop_group *group, int speaker, dualprop_status own)
{
    char text[SENTENCE_SIZE] = "";
    for (int r = 0; r <= group->transport.size; r++) group->offsets[r] = r <= speaker ? 0 : SENTENCE_SIZE;
    if (own != DUALPROP_OK && dualprop_last_error(text, sizeof text, NULL, NULL) != DUALPROP_OK) text[0] = '\0';
    char sent[SENTENCE_SIZE];
    memcpy(sent, text, sizeof sent);
    dualprop_status status = dualprop__group_gather(group, sent, group->offsets);
    if (own != DUALPROP_OK)
        return dualprop__fail(group->context, own, "%s", text); /* as it was, whatever became of the others */
    DUALPROP__TRY(status);
    sent[SENTENCE_SIZE - 1] = '\0';
    const char *words = *sent ? sent : dualprop_status_message(group->words[speaker].status);
    return dualprop__fail(group->context, DUALPROP_ERROR_PEER, "process %d: %s", speaker, words);
}

dualprop_status dualprop__group_agree(dualprop_group *group, struct dualprop__word word)
{
    word.number = ++group->calls;
    word.flags = atomic_exchange(&group->raised_here, 0);
    group->words[group->transport.rank] = word;
    dualprop_status status = dualprop__group_gather_equal(group, group->words, sizeof word);
    if (status != DUALPROP_OK) {
        atomic_fetch_or(&group->raised_here, word.flags);
        return word.status != DUALPROP_OK ? word.status : status;
    }
    int failed = -1;
    for (int r = group->transport.size - 1; r >= 0; r--) {
        atomic_fetch_or(&group->raised, group->words[r].flags);
        if (group->words[r].status != DUALPROP_OK) failed = r;
    }
    /* A process that failed between two calls tells so by dualprop_group_agree() while the others are in the next. */
    return failed < 0 ? same_call(group) : share_failure(group, failed, word.status);
}

dualprop_status dualprop__group_compare_digests(const dualprop_group *group, const char *what)
{
    for (int r = 1; r < group->transport.size; r++)
        DUALPROP__REQUIRE(group->context, group->words[r].digest == group->words[0].digest, DUALPROP_ERROR_PEER,
                          "process %d has other %s than process 0; expected the same in all processes", r, what);
    return DUALPROP_OK;
}

dualprop_status dualprop_group_agree(dualprop_group *group, dualprop_status status, const char *sentence)
{
    DUALPROP__TRY(dualprop__group_enter(group, __func__));
    if (status != DUALPROP_OK)
        status = dualprop__fail(group->context, status, "%s", sentence ? sentence : dualprop_status_message(status));
    status = dualprop__group_agree(group, (struct dualprop__word){ .call = DUALPROP__CALL_AGREE, .status = status });
    dualprop__group_leave(group);
    return status;
}

/* ---- sums ---- */

#define MOST_NUMBERS 4096

/* Rows of numbers by rank, 8 bytes each: doubles, then integers. */
static void add_rows(double *values, int64_t *integers, const char *rows, int size, int value_count, int integer_count)
{
    size_t row = 8 * ((size_t)value_count + (size_t)integer_count);
    for (int r = 0; r < size; r++) {
        for (int i = 0; i < value_count; i++) {
            double value;
            memcpy(&value, rows + (size_t)r * row + 8 * (size_t)i, 8);
            values[i] = r == 0 ? value : values[i] + value;
        }
        for (int i = 0; i < integer_count; i++) {
            uint64_t sum = (uint64_t)integers[i], value;
            memcpy(&value, rows + (size_t)r * row + 8 * ((size_t)value_count + (size_t)i), 8);
            sum = r == 0 ? value : sum + value; /* wraps as two's complement does */
            memcpy(&integers[i], &sum, 8);
        }
    }
}

static dualprop_status check_sum(const dualprop_group *group, const double *values, const int64_t *integers,
                                 int value_count, int integer_count)
{
    const dualprop_context *context = group->context;
    DUALPROP__REQUIRE(context, value_count >= 0 && value_count <= MOST_NUMBERS, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "value_count is %d; expected 0..%d", value_count, MOST_NUMBERS);
    DUALPROP__REQUIRE(context, integer_count >= 0 && integer_count <= MOST_NUMBERS, DUALPROP_ERROR_INVALID_ARGUMENT,
                      "integer_count is %d; expected 0..%d", integer_count, MOST_NUMBERS);
    DUALPROP__REQUIRE(context, (values || value_count == 0) && (integers || integer_count == 0),
                      DUALPROP_ERROR_INVALID_ARGUMENT, "%s is NULL; expected an array of its count",
                      values || value_count == 0 ? "integers" : "values");
    return DUALPROP_OK;
}

/* With the group entered. */
static dualprop_status sum_numbers(double *values, int64_t *integers, dualprop_group *group, int value_count,
                                   int integer_count)
{
    dualprop_status status = check_sum(group, values, integers, value_count, integer_count);
    size_t row = status == DUALPROP_OK ? 8 * ((size_t)value_count + (size_t)integer_count) : 0;
    char *rows = NULL;
    if (status == DUALPROP_OK) {
        rows = dualprop__allocate_array(group->context, (size_t)group->transport.size, row + 8);
        if (!rows) status = DUALPROP_ERROR_NO_MEMORY;
    }
    struct dualprop__word word = {
        .call = DUALPROP__CALL_SUM, .status = status, .count = value_count, .steps = integer_count
    };
    status = dualprop__group_agree(group, word);
    for (int r = 1; status == DUALPROP_OK && r < group->transport.size; r++)
        if (group->words[r].count != group->words[0].count || group->words[r].steps != group->words[0].steps)
            status = dualprop__fail(
                group->context, DUALPROP_ERROR_PEER,
                "process %d adds %lld values and %lld integers, process 0 %lld and %lld; expected as many", r,
                (long long)group->words[r].count, (long long)group->words[r].steps, (long long)group->words[0].count,
                (long long)group->words[0].steps);
    if (status == DUALPROP_OK) {
        char *own = rows + row * (size_t)group->transport.rank;
        if (value_count > 0) memcpy(own, values, 8 * (size_t)value_count);
        if (integer_count > 0) memcpy(own + 8 * (size_t)value_count, integers, 8 * (size_t)integer_count);
        status = dualprop__group_gather_equal(group, rows, row);
    }
    if (status == DUALPROP_OK) add_rows(values, integers, rows, group->transport.size, value_count, integer_count);
    dualprop__release(group->context, rows);
    return status;
}

dualprop_status dualprop_group_sum(double *values, int64_t *integers, dualprop_group *group, int value_count,
                                   int integer_count)
{
    DUALPROP__TRY(dualprop__group_enter(group, __func__));
    dualprop_status status = sum_numbers(values, integers, group, value_count, integer_count);
    dualprop__group_leave(group);
    return status;
}
