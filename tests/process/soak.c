/*
 * soak.c - for as long as is asked for, memory, files and the starts of threads fail at random, while random calls are
 * made and a model learns, is saved, loaded, published, and predicts for others. After each round memory, files and
 * threads of the process are what they were after the first ones, and what a round promises has been kept.
 *
 * usage: soak [SECONDS]    (60). TEST_SEED chooses what fails. The last line is the count of the suites.
 */
#include <dirent.h>
#include <dualprop/dualprop.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "failing_allocator.h"
#include "faulty_io.h"
#include "random_calls.h"
#include "randomness.h"
#include "saved_model.h"
#include "scratch_folder.h"

enum { READERS = 2, ACTS = 400, CALLS = 300, WARM_UP = 8 };

static struct counts {
    long rounds, calls_hit, acts, acts_hit, saves, loads, publications;
    atomic_long predictions;
} counts;

static _Noreturn void promise_is_broken(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("; round %ld, TEST_SEED=%llu\n0 passed, 1 failed, 0 skipped\n", counts.rounds,
           (unsigned long long)random_seed());
    exit(1);
}
#define must(holds, ...)                              \
    do {                                              \
        if (!(holds)) promise_is_broken(__VA_ARGS__); \
    } while (0)

/* ---- what the process has ---- */

struct possessions {
    int threads, files;
    size_t allocated, resident; /* bytes */
};

static int entries(const char *path)
{
    int count = 0;
    DIR *folder = opendir(path);
    must(folder, "%s cannot be read", path);
    while (readdir(folder)) count++;
    closedir(folder);
    return count - 2; /* . and .. */
}

static struct possessions look(void)
{
    struct possessions now = { .threads = entries("/proc/self/task"), .files = entries("/proc/self/fd") - 1 };
    long pages = 0;
#ifdef __GLIBC__
    malloc_trim(0);
    now.allocated = mallinfo2().uordblks;
#endif
    FILE *statm = fopen("/proc/self/statm", "r");
    must(statm && fscanf(statm, "%*s %ld", &pages) == 1, "no /proc/self/statm");
    fclose(statm);
    now.resident = (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
    return now;
}

/* A percent, and what the C library may keep for itself. */
static void compare(struct possessions first, struct possessions now)
{
    must(now.threads == first.threads, "%d threads where there were %d", now.threads, first.threads);
    must(now.files == first.files, "%d open files where there were %d", now.files, first.files);
    must(now.allocated <= first.allocated + first.allocated / 100 + 4096, "%zu bytes are allocated, %zu were",
         now.allocated, first.allocated);
    must(now.resident <= first.resident + first.resident / 100 + (1 << 20), "%zu bytes are resident, %zu were",
         now.resident, first.resident);
}

/* ---- a model that learns, is saved and serves ---- */

typedef struct service {
    randomness random;
    failing_allocator memory;
    faulty_io files;
    dualprop_allocator allocator;
    dualprop_io io;
    saved_plan plan;
    saved_model model;
    dualprop_network *served;
    scratch_folder folder;
    int saved;        /* is there a file? */
    uint32_t in_file; /* its parameters */
    atomic_int stop;
} service;

/* The next call's fault, or none. */
static void arm(service *self)
{
    static const int errors[] = { EIO, ENOSPC, EINTR, EACCES, EMFILE, EFBIG, FAULTY_IO_SHORT };
    int which = (int)random_below(&self->random, 3);
    must(self->files.open_files == 0, "%d files were left open", self->files.open_files);
    failing_allocator_arm(&self->memory, which == 0 ? 1 + (long)random_below(&self->random, 60) : 0,
                          (int)random_below(&self->random, 2));
    faulty_io_arm(&self->files, which == 1 ? (int)random_below(&self->random, 12) : -1,
                  which == 1 && random_below(&self->random, 2), errors[random_below(&self->random, 7)]);
    if (self->files.error == EINTR) self->files.for_ever = 0; /* it is tried again */
}

static int hit(const service *self)
{
    return self->memory.failures > 0 || (self->files.fail_at >= 0 && self->files.calls > self->files.fail_at);
}

static int disarm(service *self)
{
    int was_hit = hit(self);
    must(self->files.open_files == 0, "%d files were left open", self->files.open_files);
    failing_allocator_arm(&self->memory, 0, 0);
    faulty_io_arm(&self->files, -1, 0, 0);
    counts.acts_hit += was_hit;
    return was_hit;
}

/* The file is the old one or the new one, whole, whatever failed. */
static void check_file(service *self, uint32_t now)
{
    saved_model loaded;
    must(saved_model_open(&loaded, &self->plan) == DUALPROP_OK, "no context to load into");
    must(saved_model_load(&loaded, self->folder.file) == DUALPROP_OK, "the file does not load after a save");
    uint32_t found = saved_model_parameters(&loaded);
    must(found == now || (self->saved && found == self->in_file), "the file is of neither save");
    self->in_file = found;
    self->saved = 1;
    saved_model_destroy(&loaded);
}

static dualprop_status save_model(service *self)
{
    uint32_t now = saved_model_parameters(&self->model);
    arm(self);
    dualprop_status status = saved_model_save(&self->model, self->folder.file);
    must(disarm(self) || status == DUALPROP_OK, "a save failed without a reason: %s", dualprop_status_name(status));
    int there = access(self->folder.file, F_OK) == 0;
    must(there || (!self->saved && status != DUALPROP_OK), "a file is gone");
    must(scratch_folder_entries(&self->folder) == there, "a temporary file was left");
    if (there) check_file(self, now);
    if (status == DUALPROP_OK) must(self->in_file == now, "a save that succeeded is not in the file");
    counts.saves += status == DUALPROP_OK;
    return status;
}

/* Loaded beside the model, then in its place: it goes on from the file. */
static dualprop_status load_model(service *self)
{
    saved_model loaded;
    if (!self->saved) return DUALPROP_OK;
    must(saved_model_open(&loaded, &self->plan) == DUALPROP_OK, "no context to load into");
    arm(self);
    dualprop_status status = saved_model_load(&loaded, self->folder.file);
    if (status == DUALPROP_OK) status = dualprop_network_copy(self->model.network, loaded.network);
    must(disarm(self) || status == DUALPROP_OK, "a load failed without a reason");
    counts.loads += status == DUALPROP_OK;
    if (status == DUALPROP_OK)
        must(saved_model_parameters(&self->model) == self->in_file, "other parameters came back than were saved");
    saved_model_destroy(&loaded);
    return status;
}

static dualprop_status publish_model(service *self)
{
    arm(self);
    dualprop_status status = dualprop_network_publish(self->served, self->model.network);
    must(disarm(self) || status == DUALPROP_OK || status == DUALPROP_ERROR_BUSY, "publishing failed without a reason");
    counts.publications += status == DUALPROP_OK;
    return status;
}

/* Only steps may change parameters, and only those that succeed. */
static dualprop_status train_model(service *self)
{
    int64_t before, after;
    uint32_t parameters = saved_model_parameters(&self->model);
    must(dualprop_optimizer_info(NULL, &before, NULL, self->model.optimizer) == DUALPROP_OK, "no number of steps");
    arm(self);
    dualprop_status status = saved_model_train(&self->model, 1);
    must(disarm(self) || status == DUALPROP_OK, "training failed without a reason: %s", dualprop_status_name(status));
    must(dualprop_optimizer_info(NULL, &after, NULL, self->model.optimizer) == DUALPROP_OK, "no number of steps");
    must(after - before == (status == DUALPROP_OK), "a step that failed was counted");
    if (status != DUALPROP_OK)
        must(saved_model_parameters(&self->model) == parameters, "a step that failed changed parameters");
    return status;
}

struct reader {
    service *of;
    dualprop_state *state;
};

static void *predict_on(void *argument)
{
    struct reader *self = argument;
    float x[SAVED_INPUTS] = { 1, -1, 0.5f }, scores[SAVED_OUTPUTS];
    while (!atomic_load(&self->of->stop)) {
        must(dualprop_predict(scores, self->state, x, 1) == DUALPROP_OK, "a prediction failed");
        atomic_fetch_add(&counts.predictions, 1);
        nanosleep(&(struct timespec){ 0, 50000 }, NULL);
    }
    return NULL;
}

/* With whatever memory and threads there are; when they do not suffice it tries again. */
static void open_service(service *self)
{
    dualprop_status status;
    do {
        arm(self);
        status = saved_model_create(&self->model, &self->plan);
        if (status == DUALPROP_OK) status = dualprop_network_clone(&self->served, self->model.network);
        if (status == DUALPROP_OK) status = dualprop_network_publish(self->served, self->model.network);
        must(disarm(self) || status == DUALPROP_OK, "a model was not made: %s", dualprop_status_name(status));
        if (status == DUALPROP_OK) return;
        dualprop_network_destroy(self->served);
        self->served = NULL;
        saved_model_destroy(&self->model);
    } while (status != DUALPROP_OK);
}

static void serve(uint64_t stream)
{
    static dualprop_status (*const acts[])(service *) = { train_model,   train_model, train_model,
                                                          publish_model, save_model,  load_model };
    service self = { .random = random_start(stream), .folder = scratch_folder_create() };
    struct reader readers[READERS];
    pthread_t threads[READERS];
    self.allocator = failing_allocator_table(&self.memory);
    self.io = faulty_io_table(&self.files);
    self.plan = (saved_plan){ stream % 2 ? DUALPROP_BACKEND_BLIS : DUALPROP_BACKEND_REFERENCE,
                              DUALPROP_F32,
                              stream % 3 ? DUALPROP_ADAM : DUALPROP_SGD,
                              &self.allocator,
                              &self.io,
                              1 + (int)(stream % 4) };
    open_service(&self);
    for (int i = 0; i < READERS; i++) {
        readers[i].of = &self;
        must(dualprop_state_create(&readers[i].state, self.served, NULL, 1) == DUALPROP_OK, "no state for a reader");
        must(pthread_create(&threads[i], NULL, predict_on, &readers[i]) == 0, "no thread for a reader");
    }
    for (int i = 0; i < ACTS; i++, counts.acts++) {
        dualprop_status status = acts[random_below(&self.random, sizeof acts / sizeof *acts)](&self);
        (void)status;
    }
    atomic_store(&self.stop, 1);
    for (int i = 0; i < READERS; i++) {
        pthread_join(threads[i], NULL);
        dualprop_state_destroy(readers[i].state);
    }
    dualprop_network_destroy(self.served);
    saved_model_destroy(&self.model);
    scratch_folder_destroy(&self.folder);
    must(self.memory.misuse == 0, "a block of memory was misused");
    must(self.memory.live_blocks == 0, "%ld blocks of memory are left", (long)self.memory.live_blocks);
}

/* Without glibc's lists of freed blocks, which it counts as allocated: a leak of some bytes shows then. */
static void count_exactly(char **argv)
{
    if (getenv("GLIBC_TUNABLES")) return;
    setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0:glibc.malloc.mxfast=0", 1);
    execv("/proc/self/exe", argv);
}

int main(int argc, char **argv)
{
    count_exactly(argv);
    double seconds = argc > 1 ? atof(argv[1]) : 60;
    time_t start = time(NULL);
    struct possessions first = { 0 }, now = { 0 };
    for (uint64_t i = 0; i < WARM_UP + 1 || difftime(time(NULL), start) < seconds; i++, counts.rounds++) {
        (void)random_calls_with_faults(&counts.calls_hit, i % 2 ? DUALPROP_BACKEND_BLIS : DUALPROP_BACKEND_REFERENCE,
                                       i % 4 < 2 ? DUALPROP_F32 : DUALPROP_F64, 1000000 + i, CALLS);
        serve(i);
        now = look();
        if (i == WARM_UP) first = now;
        if (i > WARM_UP) compare(first, now);
    }
    printf(
        "%.0f s, %ld rounds: %ld random calls and %ld of %ld acts of a service met a fault; %ld saves, %ld loads, %ld "
        "publications, %ld predictions; %d threads and %d files as at first, %zu bytes allocated (%zu), %zu resident "
        "(%zu)\n",
        difftime(time(NULL), start), counts.rounds, counts.calls_hit, counts.acts_hit, counts.acts, counts.saves,
        counts.loads, counts.publications, (long)counts.predictions, now.threads, now.files, now.allocated,
        first.allocated, now.resident, first.resident);
    puts("1 passed, 0 failed, 0 skipped");
    return 0;
}
