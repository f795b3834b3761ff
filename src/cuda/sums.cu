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

constexpr int most_sums = 32; /* in one launch */

/*
 * A thread adds up one column over one segment of rows; a single segment is the result already. Segments and columns
 * are counted over all arrays: here and in the totals the one that holds an element is the first that ends after it.
 */
struct segment_body {
    struct array {
        const float *from;
        float *result;
        double *partial; /* [segments, columns]; NULL if there is one segment */
        int64_t rows, columns, segment, end;
        double scale;
        int64_t accumulate;
    } arrays[most_sums];
    int64_t count;

    static constexpr const char *name()
    {
        return "column sums";
    }

    DUALPROP__CUDA_BOTH void operator()(int64_t i) const
    {
        int number = 0;
        while (i >= arrays[number].end) number++;
        const array &own = arrays[number];
        if (number > 0) i -= arrays[number - 1].end;
        int64_t row_of = i, column = split_axis(&row_of, own.columns), first = row_of * own.segment;
        int64_t end = first + own.segment < own.rows ? first + own.segment : own.rows;
        double sum = 0;
        for (int64_t row = first; row < end; row++) sum += (double)own.from[row * own.columns + column];
        if (own.partial) {
            own.partial[i] = sum;
        } else {
            float *to = own.result + column;
            *to = (float)(own.accumulate ? (double)*to + own.scale * sum : own.scale * sum);
        }
    }
};

struct column_body {
    struct array {
        const double *partial;
        float *result;
        int64_t segments, columns, end;
        double scale;
        int64_t accumulate;
    } arrays[most_sums];
    max_places to;
    int64_t count;

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

    /* Takes the arrays before it off the column's number. */
    DUALPROP__CUDA_BOTH const array &array_of(int64_t *column) const
    {
        int number = 0;
        while (*column >= arrays[number].end) number++;
        if (number > 0) *column -= arrays[number - 1].end;
        return arrays[number];
    }

    DUALPROP__CUDA_BOTH int rounds() const
    {
        return 1;
    }

    DUALPROP__CUDA_BOTH parts part(int, int64_t column, int lane, const memory &) const
    {
        parts own = { { 0 } };
        const array &of = array_of(&column);
        for (int64_t i = lane; i < of.segments; i += lanes) own.v[0] += of.partial[i * of.columns + column];
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
        const array &of = array_of(&column);
        double sum = of.scale * kept.total;
        if (lane == 0) of.result[column] = (float)(of.accumulate ? (double)of.result[column] + sum : sum);
    }
};

static_assert(sizeof(segment_body) <= 4000 && sizeof(column_body) <= 4000, "kernel arguments have their limit");

/* As many segments as give threads enough to do, and as fit into the part of the workspace that is always there. */
int64_t rows_of_segment(int64_t rows, int64_t columns)
{
    int64_t room = DUALPROP__CUDA_PRODUCT_WORKSPACE / (int64_t)sizeof(double) / columns;
    int64_t segments = (rows + rows_of_a_column - 1) / rows_of_a_column;
    if (segments > room) segments = room;
    if (segments < 1 || dualprop__cuda_are_few_rows(rows)) segments = 1;
    return (rows + segments - 1) / segments;
}

/* Sums that are launched together. */
struct launch_of_sums {
    segment_body segments;
    column_body totals;
    int64_t elements, columns, used; /* of the segments, of the totals; doubles of the workspace */

    launch_of_sums()
    {
        memset((void *)this, 0, sizeof *this);
    }

    /* Are there too many already, for these to come too? */
    int is_full(int64_t parts) const
    {
        return segments.count == most_sums ||
               (used > 0 && (used + parts) * (int64_t)sizeof(double) > DUALPROP__CUDA_PRODUCT_WORKSPACE);
    }

    void add_totals(const dualprop__cuda_sums &sums, const double *partial, int64_t count)
    {
        column_body::array &to = totals.arrays[totals.count++];
        columns += sums.columns;
        to.partial = partial;
        to.result = sums.to;
        to.segments = count;
        to.columns = sums.columns;
        to.end = columns;
        to.scale = sums.scale;
        to.accumulate = sums.accumulate;
    }

    void add(const dualprop__cuda_sums &sums, int64_t segment, int64_t count, double *workspace)
    {
        segment_body::array &to = segments.arrays[segments.count++];
        elements += count * sums.columns;
        to.from = sums.from;
        to.result = sums.to;
        to.rows = sums.rows;
        to.columns = sums.columns;
        to.segment = segment;
        to.end = elements;
        to.scale = sums.scale;
        to.accumulate = sums.accumulate;
        if (count == 1) return;
        to.partial = workspace + used;
        used += count * sums.columns;
        add_totals(sums, to.partial, count);
    }

    dualprop_status run(dualprop__cuda *self)
    {
        DUALPROP__CUDA_PASS((issue<each>(self, segments, elements)));
        return issue<team>(self, totals, columns);
    }
};

} // namespace

int dualprop__cuda_are_few_rows(int64_t rows)
{
    return rows <= 2 * rows_of_a_column;
}

dualprop_status dualprop__cuda_column_sums_of_all(dualprop__cuda *self, const dualprop__cuda_sums *all, int count)
{
    launch_of_sums launch;
    for (int i = 0; i < count; i++) {
        int64_t segment = rows_of_segment(all[i].rows, all[i].columns);
        int64_t segments = (all[i].rows + segment - 1) / segment;
        if (launch.is_full(segments > 1 ? segments * all[i].columns : 0)) {
            DUALPROP__CUDA_PASS(launch.run(self));
            launch = launch_of_sums();
        }
        launch.add(all[i], segment, segments, (double *)self->workspace);
    }
    return launch.run(self);
}

dualprop_status dualprop__cuda_column_sums(dualprop__cuda *self, const dualprop__cuda_sums *sums)
{
    return dualprop__cuda_column_sums_of_all(self, sums, 1);
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
