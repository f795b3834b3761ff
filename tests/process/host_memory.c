/*
 * host_memory.c - the whole process's malloc() fails, or is counted: what the C library, jansson and BLIS allocate for
 * us, which no allocator of ours sees. A program of its own, since it replaces malloc() for everything in it (glibc).
 *
 * Once a context is made, no failed allocation anywhere may end the process, and a training step makes none at all.
 * The last line is the count, as tests/run.sh wants it.
 */
#include <dualprop/dualprop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __GLIBC__

#define BATCH 5
#define INPUTS 12
#define OUTPUTS 4

/* ---- malloc ---- */

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *pointer, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *pointer);

static struct {
    long calls, fail_at; /* the first call that fails, from 1; 0: none */
    int for_ever, watched;
    long failures;
} host;

static int fails(void)
{
    if (!host.watched) return 0;
    long call = ++host.calls;
    int fail = host.fail_at > 0 && (host.for_ever ? call >= host.fail_at : call == host.fail_at);
    host.failures += fail;
    return fail;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *pointer, size_t size)
{
    return fails() ? NULL : __libc_realloc(pointer, size);
}

void *memalign(size_t alignment, size_t size)
{
    return fails() ? NULL : __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

int posix_memalign(void **pointer, size_t alignment, size_t size)
{
    void *memory = memalign(alignment, size);
    if (!memory) return 12; /* ENOMEM */
    *pointer = memory;
    return 0;
}

void free(void *pointer)
{
    __libc_free(pointer);
}

static void watch(long fail_at, int for_ever)
{
    host.calls = host.failures = 0;
    host.fail_at = fail_at;
    host.for_ever = for_ever;
    host.watched = 1;
}

/* ---- a model ---- */

typedef struct model {
    dualprop_network *network;
    dualprop_rule *rule;
    dualprop_state *state;
    dualprop_optimizer *optimizer;
} model;

static char path[96];
static dualprop_context *context;

#define TRY(call)                                         \
    do {                                                  \
        dualprop_status try_status = (call);              \
        if (try_status != DUALPROP_OK) return try_status; \
    } while (0)

static dualprop_status make(model *self)
{
    memset(self, 0, sizeof *self);
    TRY(dualprop_network_create(&self->network, context, 1, 1, INPUTS));
    TRY(dualprop_network_add_dense(self->network, 9, DUALPROP_TANH));
    TRY(dualprop_network_add_dense(self->network, OUTPUTS, DUALPROP_IDENTITY));
    TRY(dualprop_network_initialize(self->network, 1));
    TRY(dualprop_rule_create(&self->rule, context, DUALPROP_DP_ADJOINT));
    TRY(dualprop_state_create(&self->state, self->network, self->rule, BATCH));
    return dualprop_optimizer_create(&self->optimizer, self->network, DUALPROP_ADAM);
}

static void unmake(model *self)
{
    dualprop_optimizer_destroy(self->optimizer);
    dualprop_state_destroy(self->state);
    dualprop_rule_destroy(self->rule);
    dualprop_network_destroy(self->network);
}

static dualprop_status train(const model *self)
{
    static const float images[BATCH * INPUTS] = { 1, 2, 3 };
    static const int32_t labels[BATCH] = { 0, 1, 2, 3, 0 };
    float scores[BATCH * OUTPUTS];
    double loss;
    TRY(dualprop_infer(self->state, images, labels, BATCH));
    TRY(dualprop_update(self->optimizer, self->state));
    TRY(dualprop_predict(scores, self->state, images, BATCH));
    return dualprop_evaluate(&loss, NULL, NULL, 1, self->state, images, labels, BATCH);
}

static dualprop_status fill_and_write(dualprop_checkpoint *checkpoint, const model *self)
{
    TRY(dualprop_checkpoint_put_network(checkpoint, self->network));
    TRY(dualprop_checkpoint_put_rule(checkpoint, self->rule));
    TRY(dualprop_checkpoint_put_optimizer(checkpoint, self->optimizer));
    return dualprop_checkpoint_write(checkpoint, path);
}

static dualprop_status save(const model *self)
{
    dualprop_checkpoint *checkpoint;
    TRY(dualprop_checkpoint_create(&checkpoint, context));
    dualprop_status status = fill_and_write(checkpoint, self);
    dualprop_checkpoint_destroy(checkpoint);
    return status;
}

static dualprop_status get(model *self, const dualprop_checkpoint *checkpoint)
{
    TRY(dualprop_checkpoint_get_network(&self->network, checkpoint));
    TRY(dualprop_checkpoint_get_rule(&self->rule, checkpoint));
    return dualprop_checkpoint_get_optimizer(&self->optimizer, checkpoint, self->network);
}

static dualprop_status load(void)
{
    dualprop_checkpoint *checkpoint;
    model loaded = { 0 };
    TRY(dualprop_checkpoint_read(&checkpoint, context, path));
    dualprop_status status = get(&loaded, checkpoint);
    unmake(&loaded);
    dualprop_checkpoint_destroy(checkpoint);
    return status;
}

/* A whole life: make, train, save, load. */
static dualprop_status live(void)
{
    model self;
    dualprop_status status = make(&self);
    if (status == DUALPROP_OK) status = train(&self);
    if (status == DUALPROP_OK) status = save(&self);
    if (status == DUALPROP_OK) status = load();
    unmake(&self);
    return status;
}

/* ---- the tests ---- */

static int passed, failed;

static void count(int good, const char *what, long number)
{
    passed += good;
    failed += !good;
    if (!good) printf("FAILED: %s (%ld)\n", what, number);
}

static void steps_allocate_nothing(void)
{
    model self;
    dualprop_status status = make(&self);
    for (int i = 0; i < 3 && status == DUALPROP_OK; i++) {
        watch(1, 1);
        status = train(&self);
        host.watched = 0;
        count(status == DUALPROP_OK && host.calls == 0, "a step calls malloc()", host.calls);
    }
    unmake(&self);
}

/* Fail call after call, until there are no more. */
static void every_call_fails(int for_ever)
{
    long at = 0, refused = 0;
    int wrong = 0;
    do {
        watch(++at, for_ever);
        dualprop_status status = live();
        host.watched = 0;
        refused += status == DUALPROP_ERROR_NO_MEMORY;
        if (status == DUALPROP_OK || status == DUALPROP_ERROR_NO_MEMORY) continue;
        wrong++;
        printf("call %ld of malloc(): %s\n", at, dualprop_status_name(status));
    } while (host.failures > 0);
    count(wrong == 0 && refused > 50, "each failed malloc() is NO_MEMORY or nothing", at - 1);
    count(live() == DUALPROP_OK, "all is well afterwards", for_ever);
}

static void run(int backend)
{
    if (dualprop_context_create(&context, backend, NULL) != DUALPROP_OK) {
        count(0, "no context", backend);
        return;
    }
    steps_allocate_nothing();
    every_call_fails(0);
    every_call_fails(1);
    dualprop_context_destroy(context);
}

int main(void)
{
    char folder[64];
    strcpy(folder, access("/dev/shm", W_OK) == 0 ? "/dev/shm/dualprop-test-XXXXXX" : "/tmp/dualprop-test-XXXXXX");
    setvbuf(stdout, malloc(4096), _IOFBF, 4096);
    if (!mkdtemp(folder)) return 1;
    snprintf(path, sizeof path, "%s/model", folder);
    run(DUALPROP_BACKEND_REFERENCE);
    run(DUALPROP_BACKEND_BLIS);
    unlink(path);
    rmdir(folder);
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed > 0;
}

#else

int main(void)
{
    printf("skipped: host_memory: malloc() can only be replaced with glibc\n0 passed, 0 failed, 1 skipped\n");
    return 0;
}

#endif
