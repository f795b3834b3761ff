/*
 * sums.cu - sums in a fixed order: over arrays, over rows of predictions, down the columns of a matrix; and maxima.
 *
 * A long sum is formed by up to TEAMS warps into as many partial sums, in double, and one warp adds these up. Who adds
 * what depends on the lengths alone.
 */
#include "launch.cuh"

using namespace dualprop_cuda;

namespace {

constexpr int64_t most_teams = 512;
constexpr int64_t rows_of_a_column = 128; /* that one thread adds up */

struct four {
    double v[4];
};


/* What bodies that only add have in common. */
struct adding {
    using parts = four;
    struct memory {
        four total;
    };

    DUALPROP__CUDA_BOTH int rounds() const
    {
        return 1;
    }

    DUALPROP__CUDA_BOTH double combine(int, double x, double y) const
    {
        return x + y;
    }

    DUALPROP__CUDA_BOTH void take(int, const four &total, memory *kept) const
    {
        kept->total = total;
    }
};

/* Partial sums `four` each, from team to team. */
struct total_body : adding {
    const four *partial;
    four *to_host;
    max_places to;
    int64_t count;

    static constexpr const char *name()
    {
        return "total of sums";
    }

    DUALPROP__CUDA_BOTH four part(int, int64_t, int lane, const memory &) const
    {
        four own = { { 0, 0, 0, 0 } };
        for (int64_t i = lane; i < count; i += lanes)
            for (int k = 0; k < 4; k++) own.v[k] += partial[i].v[k];
        return own;
    }

    DUALPROP__CUDA_BOTH void finish(int64_t, int lane, const memory &kept, max_tracker *) const
    {
        if (lane == 0) *to_host = kept.total;
    }
};

int64_t teams_for(int64_t count)
{
    int64_t teams = (count + lanes - 1) / lanes;
    return teams < most_teams ? teams : most_teams;
}

/* The partial sums lie at the start of scratch, the total after them. */
dualprop_status sum_up(dualprop__cuda *self, int64_t teams, double sums[4])
{
    total_body body;
    memset((void *)&body, 0, sizeof body);
    body.partial = (const four *)self->scratch;
    body.to_host = (four *)self->scratch + most_teams;
    body.count = teams;
    DUALPROP__CUDA_PASS((issue<team>(self, body, 1)));
    DUALPROP__CUDA_PASS(dualprop__cuda_download(self, self->scratch_pinned, body.to_host, sizeof(four)));
    memcpy(sums, self->scratch_pinned, sizeof(four));
    return DUALPROP_OK;
}

static_assert((most_teams + 1) * sizeof(four) <= DUALPROP__CUDA_SCRATCH, "partial sums fit into scratch");

/* ---- x.y, x.x, y.y, |x - y|^2 ---- */

struct compare_body : adding {
    const float *x, *y;
    four *partial;
    max_places to;
    int64_t count, teams;

    static constexpr const char *name()
    {
        return "compare";
    }

    DUALPROP__CUDA_BOTH four part(int, int64_t row, int lane, const memory &) const
    {
        four own = { { 0, 0, 0, 0 } };
        for (int64_t i = row * lanes + lane; i < count; i += teams * lanes) {
            double a = (double)x[i], b = (double)y[i];
            own.v[0] += a * b;
            own.v[1] += a * a;
            own.v[2] += b * b;
            own.v[3] += (a - b) * (a - b);
        }
        return own;
    }

    DUALPROP__CUDA_BOTH void finish(int64_t row, int lane, const memory &kept, max_tracker *) const
    {
        if (lane == 0) partial[row] = kept.total;
    }
};

dualprop_status compare(dualprop__cuda *self, int64_t count, const float *x, const float *y, double sums[4])
{
    compare_body body;
    memset((void *)&body, 0, sizeof body);
    memset(sums, 0, sizeof(four));
    if (count <= 0) return DUALPROP_OK;
    body.x = x;
    body.y = y;
    body.partial = (four *)self->scratch;
    body.count = count;
    body.teams = teams_for(count);
    DUALPROP__CUDA_PASS((issue<team>(self, body, body.teams)));
    return sum_up(self, body.teams, sums);
}

/* ---- loss, right answers, right answers among the k greatest: one thread a row ---- */

struct evaluate_body : adding {
    const float *prediction, *target;
    four *partial;
    max_places to;
    int64_t rows, width, teams;
    int loss, k;

    static constexpr const char *name()
    {
        return "evaluate";
    }

    DUALPROP__CUDA_BOTH four part(int, int64_t first, int lane, const memory &) const
    {
        four own = { { 0, 0, 0, 0 } };
        for (int64_t row = first * lanes + lane; row < rows; row += teams * lanes) {
            const float *s = prediction + row * width, *y = target + row * width;
            int64_t rank = dualprop__rank_of_target_f32(s, y, width);
            own.v[0] += loss == DUALPROP_CROSS_ENTROPY ? dualprop__cross_entropy_f32(s, y, width)
                                                       : dualprop__squared_error_f32(s, y, width);
            own.v[1] += rank == 0 ? 1 : 0;
            own.v[2] += rank < k ? 1 : 0;
        }
        return own;
    }

    DUALPROP__CUDA_BOTH void finish(int64_t row, int lane, const memory &kept, max_tracker *) const
    {
        if (lane == 0) partial[row] = kept.total;
    }
};

struct score {
    double *sum;
    int64_t *correct, *top_k;
};

dualprop_status evaluate(dualprop__cuda *self, evaluate_body body, const score &wanted)
{
    double sums[4] = { 0, 0, 0, 0 };
    body.partial = (four *)self->scratch;
    body.teams = teams_for(body.rows);
    if (body.rows > 0) {
        DUALPROP__CUDA_PASS((issue<team>(self, body, body.teams)));
        DUALPROP__CUDA_PASS(sum_up(self, body.teams, sums));
    }
    if (wanted.sum) *wanted.sum = sums[0];
    if (wanted.correct) *wanted.correct = (int64_t)sums[1];
    if (wanted.top_k) *wanted.top_k = (int64_t)sums[2];
    return DUALPROP_OK;
}

/* Work that returns numbers at once runs after all deferred work, and is itself not deferred. */
template <class Work> dualprop_status at_once(dualprop__cuda *self, Work work)
{
    DUALPROP__CUDA_PASS(dualprop__cuda_flush(self));
    struct dualprop__cuda_command_list *kept = dualprop__cuda_pause_deferral(self);
    dualprop_status status = work();
    dualprop__cuda_resume_deferral(kept);
    return status;
}

/* ---- max |x| ---- */

struct max_body {
    const float *x;
    max_places to;

    static constexpr const char *name()
    {
        return "max abs";
    }

    DUALPROP__CUDA_BOTH maxima operator()(int64_t i) const
    {
        maxima seen = { 0, x[i] };
        return seen;
    }
};

dualprop_status find_max_abs(dualprop__cuda *self, int64_t count, const float *x, double *max_abs)
{
    max_body body;
    memset((void *)&body, 0, sizeof body);
    DUALPROP__CUDA_PASS(dualprop__cuda_max_slot(self, &body.to.max_abs, max_abs));
    body.x = x;
    DUALPROP__CUDA_PASS((issue<each_with_max>(self, body, count)));
    return dualprop__cuda_max_abs_deliver(self);
}

/* ---- sums of columns ---- */

/* A thread adds up one column over one segment of rows. A single segment is the result already. */
struct segment_body {
    const float *from;
    float *result;
    double *partial; /* [segments, columns]; NULL if there is one segment */
    int64_t rows, columns, segment;
    double scale;
    int64_t accumulate;

    static constexpr const char *name()
    {
        return "column sums";
    }

    DUALPROP__CUDA_BOTH void operator()(int64_t i) const
    {
        int64_t row_of = i, column = split_axis(&row_of, columns), first = row_of * segment;
        int64_t end = first + segment < rows ? first + segment : rows;
        double sum = 0;
        for (int64_t row = first; row < end; row++) sum += (double)from[row * columns + column];
        if (partial) partial[i] = sum;
        else result[column] = (float)(accumulate ? (double)result[column] + scale * sum : scale * sum);
    }
};

struct column_body {
    const double *partial;
    float *result;
    max_places to;
    int64_t segments, columns;
    double scale;
    int64_t accumulate;

    struct parts {
        double v[1];
    };

    struct memory {
        double total;
    };

    static constexpr const char *name()
    {
        return "column totals";
    }

    DUALPROP__CUDA_BOTH int rounds() const
    {
        return 1;
    }

    DUALPROP__CUDA_BOTH parts part(int, int64_t column, int lane, const memory &) const
    {
        parts own = { { 0 } };
        for (int64_t i = lane; i < segments; i += lanes) own.v[0] += partial[i * columns + column];
        return own;
    }

    DUALPROP__CUDA_BOTH double combine(int, double x, double y) const
    {
        return x + y;
    }

    DUALPROP__CUDA_BOTH void take(int, const parts &total, memory *kept) const
    {
        kept->total = total.v[0];
    }

    DUALPROP__CUDA_BOTH void finish(int64_t column, int lane, const memory &kept, max_tracker *) const
    {
        double sum = scale * kept.total;
        if (lane == 0) result[column] = (float)(accumulate ? (double)result[column] + sum : sum);
    }
};

/* As many segments as give threads enough to do, and as fit into the part of the workspace that is always there. */
int64_t rows_of_segment(int64_t rows, int64_t columns)
{
    int64_t room = DUALPROP__CUDA_PRODUCT_WORKSPACE / (int64_t)sizeof(double) / columns;
    int64_t segments = (rows + rows_of_a_column - 1) / rows_of_a_column;
    if (segments > room) segments = room;
    if (segments < 1 || rows <= 2 * rows_of_a_column) segments = 1;
    return (rows + segments - 1) / segments;
}

} // namespace

dualprop_status dualprop__cuda_column_sums(dualprop__cuda *self, float *to, const float *from, int64_t rows,
                                           int64_t columns, double scale, int accumulate)
{
    segment_body body;
    memset((void *)&body, 0, sizeof body);
    body.from = from;
    body.result = to;
    body.rows = rows;
    body.columns = columns;
    body.segment = rows_of_segment(rows, columns);
    body.scale = scale;
    body.accumulate = accumulate;
    int64_t segments = (rows + body.segment - 1) / body.segment;
    if (segments > 1) body.partial = (double *)self->workspace;
    DUALPROP__CUDA_PASS((issue<each>(self, body, segments * columns)));
    if (segments == 1) return DUALPROP_OK;
    column_body totals;
    memset((void *)&totals, 0, sizeof totals);
    totals.partial = body.partial;
    totals.result = to;
    totals.segments = segments;
    totals.columns = columns;
    totals.scale = scale;
    totals.accumulate = accumulate;
    return issue<team>(self, totals, columns);
}

dualprop_status dualprop__cuda_compare(void *instance, int64_t count, const void *x, const void *y, double sums[4])
{
    dualprop__cuda *self = (dualprop__cuda *)instance;
    auto work = [=]() { return compare(self, count, (const float *)x, (const float *)y, sums); };
    DUALPROP__CUDA_SLOT(self, at_once(self, work));
}

dualprop_status dualprop__cuda_max_abs(void *instance, int64_t count, const void *x, double *max_abs)
{
    dualprop__cuda *self = (dualprop__cuda *)instance;
    auto work = [=]() { return find_max_abs(self, count, (const float *)x, max_abs); };
    DUALPROP__CUDA_SLOT(self, at_once(self, work));
}

dualprop_status dualprop__cuda_evaluate(void *instance, int loss, const void *prediction, const void *target,
                                        int64_t rows, int64_t width, int k, double *sum, int64_t *correct,
                                        int64_t *top_k)
{
    dualprop__cuda *self = (dualprop__cuda *)instance;
    evaluate_body body;
    memset((void *)&body, 0, sizeof body);
    body.prediction = (const float *)prediction;
    body.target = (const float *)target;
    body.rows = rows;
    body.width = width;
    body.loss = loss;
    body.k = k;
    score wanted = { sum, correct, top_k };
    auto work = [=]() { return evaluate(self, body, wanted); };
    DUALPROP__CUDA_SLOT(self, at_once(self, work));
}
