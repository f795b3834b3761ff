/*
 * exceptions.cpp - C++ exceptions that leave callbacks: what docs/threads.md promises of the library afterwards.
 *
 * The library is C: an exception passes through it without anything being tidied up on its way. The objects of the call
 * stay busy; all others, the context too, go on with the same bits, and everything can be destroyed without a leak.
 */
#include <dualprop/dualprop.h>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <pthread.h>
#include <stdexcept>

static int failures, checks;

static void check(bool good, const char *what)
{
    checks++;
    if (good) return;
    failures++;
    std::printf("FAILED: %s\n", what);
}

static void must(dualprop_status status, const char *what)
{
    check(status == DUALPROP_OK, what);
}

/* ---- memory of ours, which is all given back in the end ---- */

static long blocks;
static bool out_of_luck;

static void *allocate(void *, size_t size, size_t alignment)
{
    if (out_of_luck) throw std::bad_alloc();
    blocks++;
    return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

static void release(void *, void *pointer, size_t)
{
    blocks--;
    std::free(pointer);
}

/* ---- callbacks ---- */

static void throwing_log(void *, int, const char *, const char *)
{
    throw std::runtime_error("log");
}

/* Runs half, then throws. */
static void throwing_loop(void *, void (*task)(void *, int64_t), void *argument, int64_t count)
{
    for (int64_t i = 0; i < count / 2; i++) task(argument, i);
    throw std::runtime_error("parallel_for");
}

static bool is_cancellable()
{
    int before, again;
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &before);
    pthread_setcancelstate(before, &again);
    return before == PTHREAD_CANCEL_ENABLE;
}

/* ---- what learns ---- */

enum { INPUTS = 64, CLASSES = 10, BATCH = 32, HIDDEN = 300 };
static float images[BATCH * INPUTS];
static int32_t labels[BATCH];

struct learner {
    dualprop_network *network = nullptr;
    dualprop_rule *rule = nullptr;
    dualprop_state *state = nullptr;
    dualprop_optimizer *optimizer = nullptr;

    explicit learner(dualprop_context *context)
    {
        must(dualprop_network_create(&network, context, 1, 1, INPUTS), "network");
        must(dualprop_network_add_dense(network, HIDDEN, DUALPROP_RELU), "hidden layer");
        must(dualprop_network_add_dense(network, CLASSES, DUALPROP_IDENTITY), "output layer");
        must(dualprop_network_initialize(network, 1), "weights");
        must(dualprop_rule_create(&rule, context, DUALPROP_DP_ADJOINT), "rule");
        must(dualprop_state_create(&state, network, rule, BATCH), "state");
        must(dualprop_optimizer_create(&optimizer, network, DUALPROP_ADAM), "optimizer");
    }

    ~learner()
    {
        dualprop_optimizer_destroy(optimizer);
        dualprop_state_destroy(state);
        dualprop_rule_destroy(rule);
        dualprop_network_destroy(network);
    }

    dualprop_status learn() const { return dualprop_learn(optimizer, state, images, labels, BATCH); }

    double loss() const
    {
        double loss = -1;
        must(dualprop_evaluate(&loss, nullptr, nullptr, 1, state, images, labels, BATCH), "evaluate");
        return loss;
    }
};

template <typename Call> static bool throws(Call call)
{
    try {
        call();
    } catch (const std::exception &) {
        return true;
    }
    return false;
}

int main()
{
    dualprop_options options = DUALPROP_OPTIONS_INIT;
    dualprop_allocator allocator = {};
    dualprop_context *context = nullptr;
    allocator.struct_size = sizeof allocator;
    allocator.allocate = allocate;
    allocator.release = release;
    options.allocator = &allocator;
    for (int i = 0; i < BATCH * INPUTS; i++) images[i] = static_cast<float>(i * 37 % 101) / 101;
    for (int i = 0; i < BATCH; i++) labels[i] = i % CLASSES;
    must(dualprop_context_create(&context, DUALPROP_BACKEND_BLIS, &options), "context");
    {
        learner hit(context), other(context), same(context);

        check(throws([&] { (void)!dualprop_context_set_log(context, throwing_log, nullptr, DUALPROP_LOG_DEBUG); }),
              "a log's exception reaches its host");
        must(dualprop_context_set_log(context, nullptr, nullptr, DUALPROP_LOG_ERROR), "the log can be set again");
        pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, nullptr);

        long before = blocks;
        out_of_luck = true;
        dualprop_network *made = nullptr;
        check(throws([&] { (void)!dualprop_network_create(&made, context, 1, 1, INPUTS); }),
              "an allocator's exception reaches its host");
        out_of_luck = false;
        check(made == nullptr && blocks == before, "nothing was made");

        must(hit.learn(), "a step before");
        must(dualprop_context_set_parallel_for(context, throwing_loop, nullptr, 4), "the host's loop");
        check(throws([&] { (void)!hit.learn(); }), "a loop's exception reaches its host");
        check(!is_cancellable(), "cancellation is off afterwards, for the host to switch on");
        pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, nullptr);
        must(dualprop_context_set_parallel_for(context, nullptr, nullptr, 0), "the library's loop again");

        check(hit.learn() == DUALPROP_ERROR_BUSY, "the objects of the call stay busy");
        for (int i = 0; i < 3; i++) must(other.learn(), "others learn");
        for (int i = 0; i < 3; i++) must(same.learn(), "others learn");
        double one = other.loss(), two = same.loss();
        check(std::memcmp(&one, &two, sizeof one) == 0 && one > 0, "the same bits");
    }
    dualprop_context_destroy(context);
    check(blocks == 0, "all is destroyed, and nothing leaks");
    std::printf("%d passed, %d failed, 0 skipped\n", checks - failures, failures);
    return failures > 0;
}
