/*
 * graph_cache.c - commands that run at once or are deferred, and CUDA graphs of lists that come again.
 *
 * All work on the device goes through dualprop__cuda_issue(): outside a deferred section it runs at once, inside it is
 * recorded. At the end of the section the whole list runs. A list that comes for the first time runs command by
 * command, which also lets the vendor libraries load what they need; the second time it is captured into a CUDA graph;
 * from then on it is one launch. Lists are compared byte by byte, so a graph never runs for anything but exactly the
 * work it was captured from. Where capturing fails the list goes on running command by command.
 *
 *     bytes of a list:  | run | size | back | traits | arguments, padded to 8 | run | size | ...
 */
#include "graph_cache.h"

#include <stdio.h>
#include <string.h>

#define CACHED_GRAPHS 64 /* lists remembered; the one that was not used for the longest time goes */
#define LISTS 32         /* command lists kept for threads that come again */
#define FIRST_ROOM 16384

struct dualprop__cuda_cached_graph {
    unsigned char *bytes;
    size_t size;
    cudaGraphExec_t graph; /* NULL until captured */
    int refused;           /* capturing has failed */
    uint64_t used_at;
};

struct entry {
    dualprop__cuda_run run;
    size_t size;
    size_t back; /* bytes of the entry before, where that begins */
    struct dualprop__cuda_traits traits;
};

/* Bytes of an entry with its arguments. */
static size_t length_of(size_t size)
{
    return sizeof(struct entry) + (size + 7) / 8 * 8;
}

static _Thread_local struct dualprop__cuda_command_list *current;

/* ---- command lists ---- */

struct dualprop__cuda_command_list *dualprop__cuda_command_list_of(const dualprop__cuda *self)
{
    return current && current->owner == self ? current : NULL;
}

struct dualprop__cuda_command_list *dualprop__cuda_pause_deferral(const dualprop__cuda *self)
{
    struct dualprop__cuda_command_list *paused = dualprop__cuda_command_list_of(self);
    if (paused) current = NULL;
    return paused;
}

void dualprop__cuda_resume_deferral(struct dualprop__cuda_command_list *paused)
{
    if (paused) current = paused;
}

int dualprop__cuda_is_deferred(const dualprop__cuda *self)
{
    return dualprop__cuda_command_list_of(self) != NULL;
}

struct dualprop__cuda_max_slots *dualprop__cuda_max_slots_of(dualprop__cuda *self)
{
    struct dualprop__cuda_command_list *list = dualprop__cuda_command_list_of(self);
    return list ? &list->max_slots : &self->max_slots;
}

static dualprop_status fill_list(dualprop__cuda *self, struct dualprop__cuda_command_list *list)
{
    size_t bytes = (size_t)DUALPROP__CUDA_STEPS * DUALPROP__CUDA_STEP_BYTES;
    list->owner = self;
    list->bytes = dualprop__cuda_host_allocate(self, FIRST_ROOM);
    if (!list->bytes) return DUALPROP_ERROR_NO_MEMORY;
    list->room = FIRST_ROOM;
    list->beside.host = dualprop__cuda_host_allocate(self, DUALPROP__CUDA_BESIDE);
    if (!list->beside.host) return DUALPROP_ERROR_NO_MEMORY;
    DUALPROP__CUDA_PASS(dualprop__cuda_max_slots_create(self, &list->max_slots));
    DUALPROP__CUDA_TRY(self, cudaMalloc(&list->steps, bytes));
    DUALPROP__CUDA_TRY(self, cudaMallocHost(&list->steps_pinned, bytes));
    DUALPROP__CUDA_TRY(self, cudaEventCreateWithFlags(&list->steps_sent, cudaEventDisableTiming));
    return DUALPROP_OK;
}

static void destroy_list(dualprop__cuda *self, struct dualprop__cuda_command_list *list)
{
    if (dualprop__cuda_is_ours(self)) {
        if (list->steps_sent) cudaEventDestroy(list->steps_sent);
        if (list->steps_pinned) cudaFreeHost(list->steps_pinned);
        if (list->steps) cudaFree(list->steps);
    }
    dualprop__cuda_max_slots_destroy(self, &list->max_slots);
    dualprop__cuda_host_release(self, list->beside.host, DUALPROP__CUDA_BESIDE);
    dualprop__cuda_host_release(self, list->bytes, list->room);
    dualprop__cuda_host_release(self, list, sizeof *list);
}

/*
 * The address of a list's tables is in the commands, so a thread that comes again gets the list it had: only then does
 * the same work have the same bytes. A new thread gets a new list, or, if there are many, the one that was not used for
 * the longest time.
 */
static dualprop_status acquire_list(dualprop__cuda *self, struct dualprop__cuda_command_list **list)
{
    struct dualprop__cuda_command_list **found = NULL, **oldest = NULL, **link = &self->idle_lists;
    int idle = 0;
    for (; *link; link = &(*link)->next, idle++) {
        if (pthread_equal((*link)->thread, pthread_self())) found = link;
        if (!oldest || (*link)->used_at < (*oldest)->used_at) oldest = link;
    }
    if (!found && idle + self->active_lists >= LISTS) found = oldest;
    *list = found ? *found : NULL;
    if (found) *found = (*found)->next;
    dualprop_status status = DUALPROP_OK;
    if (!*list) {
        struct dualprop__cuda_command_list *made = dualprop__cuda_host_allocate(self, sizeof *made);
        if (!made) return DUALPROP_ERROR_NO_MEMORY;
        status = fill_list(self, made);
        if (status != DUALPROP_OK) destroy_list(self, made);
        else *list = made;
    }
    if (*list) (*list)->thread = pthread_self();
    return status;
}

static void return_list(dualprop__cuda *self, struct dualprop__cuda_command_list *list)
{
    list->used = 0;
    list->step_count = 0;
    list->tensor_count = 0;
    list->gathering = 0;
    list->beside.bytes = 0;
    list->rejected = NULL;
    list->read_back_count = 0;
    list->used_at = ++self->graph_clock;
    list->next = self->idle_lists;
    self->idle_lists = list;
}

/* A section is over. */
static void leave_list(dualprop__cuda *self, struct dualprop__cuda_command_list *list)
{
    return_list(self, list);
    self->active_lists--;
    dualprop__cuda_free_retired(self);
}

/* ---- running a list ---- */

static dualprop_status run_commands(dualprop__cuda *self, const unsigned char *bytes, size_t size)
{
    for (size_t at = 0; at < size;) {
        struct entry entry;
        memcpy(&entry, bytes + at, sizeof entry);
        DUALPROP__CUDA_PASS(entry.run(self, bytes + at + sizeof entry));
        at += length_of(entry.size);
    }
    return DUALPROP_OK;
}

/* Run the commands into a graph instead of into the stream. Whatever happens, capturing has ended afterwards. */
static dualprop_status capture(dualprop__cuda *self, struct dualprop__cuda_cached_graph *cached)
{
    cudaStream_t stream = self->stream;
    cudaGraph_t graph = NULL;
    DUALPROP__CUDA_TRY(self, cudaStreamBeginCapture(self->own_stream, cudaStreamCaptureModeThreadLocal));
    self->stream = self->own_stream;
    self->capturing = 1;
    dualprop_status status = run_commands(self, cached->bytes, cached->size);
    self->capturing = 0;
    self->stream = stream;
    cudaError_t error = cudaStreamEndCapture(self->own_stream, &graph);
    if (status == DUALPROP_OK && error != cudaSuccess)
        status = dualprop__cuda_status(self, error, "cudaStreamEndCapture");
    if (status == DUALPROP_OK) {
        error = cudaGraphInstantiate(&cached->graph, graph, 0);
        if (error != cudaSuccess) {
            cached->graph = NULL;
            status = dualprop__cuda_status(self, error, "cudaGraphInstantiate");
        }
    }
    if (graph) cudaGraphDestroy(graph);
    cudaGetLastError();
    return status;
}

/* A graph that cannot be made or launched is not tried again, and said once; the list runs by itself. */
static dualprop_status refuse(dualprop__cuda *self, struct dualprop__cuda_cached_graph *cached, const char *what)
{
    const dualprop_host *host = self->host;
    char message[120];
    if (self->dead != DUALPROP_OK) return dualprop__cuda_fail(self, self->dead, "%s", self->why_dead);
    if (cached->graph) cudaGraphExecDestroy(cached->graph);
    cached->graph = NULL;
    cached->refused = 1;
    self->graphs_refused++;
    snprintf(message, sizeof message, "a step could not be %s as a CUDA graph; it runs command by command", what);
    host->log(host->user_data, DUALPROP_LOG_WARNING, "cuda", message);
    return DUALPROP_OK;
}

/* A list whose engines are still to be timed (dnn.c) runs by itself once more, so that its graph has the same bits. */
static dualprop_status run_again(dualprop__cuda *self, struct dualprop__cuda_cached_graph *cached)
{
    self->not_ready = 0;
    if (!cached->graph && !cached->refused && capture(self, cached) != DUALPROP_OK && !self->not_ready)
        DUALPROP__CUDA_PASS(refuse(self, cached, "captured"));
    if (cached->graph) {
        cudaError_t error = cudaGraphLaunch(cached->graph, self->stream);
        if (error == cudaSuccess) {
            self->graph_launches++;
            return DUALPROP_OK;
        }
        dualprop_status status = dualprop__cuda_status(self, error, "cudaGraphLaunch");
        if (status == DUALPROP_ERROR_NO_MEMORY) return status;
        DUALPROP__CUDA_PASS(refuse(self, cached, "launched"));
    }
    return run_commands(self, cached->bytes, cached->size);
}

/* ---- lists remembered ---- */

static void forget(dualprop__cuda *self, struct dualprop__cuda_cached_graph *cached)
{
    if (cached->graph && dualprop__cuda_is_ours(self)) cudaGraphExecDestroy(cached->graph);
    dualprop__cuda_host_release(self, cached->bytes, cached->size);
    memset(cached, 0, sizeof *cached);
}

dualprop_status dualprop__cuda_graph_cache_create(dualprop__cuda *self)
{
    struct dualprop__cuda_command_list *first;
    self->cached_graphs = dualprop__cuda_host_allocate(self, CACHED_GRAPHS * sizeof *self->cached_graphs);
    if (!self->cached_graphs) return DUALPROP_ERROR_NO_MEMORY;
    DUALPROP__CUDA_PASS(acquire_list(self, &first));
    return_list(self, first);
    return DUALPROP_OK;
}

void dualprop__cuda_graph_cache_forget(dualprop__cuda *self)
{
    for (int i = 0; self->cached_graphs && i < CACHED_GRAPHS; i++) forget(self, &self->cached_graphs[i]);
}

void dualprop__cuda_graph_cache_destroy(dualprop__cuda *self)
{
    dualprop__cuda_graph_cache_forget(self);
    dualprop__cuda_host_release(self, self->cached_graphs, CACHED_GRAPHS * sizeof *self->cached_graphs);
    while (self->idle_lists) {
        struct dualprop__cuda_command_list *list = self->idle_lists;
        self->idle_lists = list->next;
        destroy_list(self, list);
    }
}

static struct dualprop__cuda_cached_graph *find(dualprop__cuda *self, const unsigned char *bytes, size_t size)
{
    for (int i = 0; i < CACHED_GRAPHS; i++) {
        struct dualprop__cuda_cached_graph *cached = &self->cached_graphs[i];
        if (cached->size == size && memcmp(cached->bytes, bytes, size) == 0) return cached;
    }
    return NULL;
}

/* Without memory for it a list is not remembered, and only runs more slowly. */
static void remember(dualprop__cuda *self, const unsigned char *bytes, size_t size, uint64_t now)
{
    struct dualprop__cuda_cached_graph *oldest = self->cached_graphs;
    for (int i = 1; i < CACHED_GRAPHS; i++)
        if (self->cached_graphs[i].used_at < oldest->used_at) oldest = &self->cached_graphs[i];
    forget(self, oldest);
    oldest->bytes = self->host->allocate(self->host->user_data, size, 64);
    if (!oldest->bytes) return;
    memcpy(oldest->bytes, bytes, size);
    oldest->size = size;
    oldest->used_at = now;
}

static dualprop_status run_list(dualprop__cuda *self, const unsigned char *bytes, size_t size)
{
    uint64_t now = ++self->graph_clock;
    struct dualprop__cuda_cached_graph *cached = find(self, bytes, size);
    if (cached) {
        cached->used_at = now;
        return run_again(self, cached);
    }
    remember(self, bytes, size, now);
    return run_commands(self, bytes, size);
}

/* ---- issuing ---- */

/* The numbers of learning steps go ahead of the work that reads them. */
static dualprop_status send_steps(dualprop__cuda *self, struct dualprop__cuda_command_list *list)
{
    size_t bytes = (size_t)list->step_count * DUALPROP__CUDA_STEP_BYTES;
    if (bytes == 0) return DUALPROP_OK;
    DUALPROP__CUDA_TRY(self,
                       cudaMemcpyAsync(list->steps, list->steps_pinned, bytes, cudaMemcpyHostToDevice, self->stream));
    DUALPROP__CUDA_TRY(self, cudaEventRecord(list->steps_sent, self->stream));
    return DUALPROP_OK;
}

/* Run all deferred work once, without remembering it, and go on with an empty list. */
static dualprop_status run_now(dualprop__cuda *self, struct dualprop__cuda_command_list *list)
{
    DUALPROP__CUDA_PASS(dualprop__cuda_learn_flush(self, list));
    DUALPROP__CUDA_PASS(dualprop__cuda_send_beside(self, list));
    DUALPROP__CUDA_PASS(send_steps(self, list));
    size_t size = list->used;
    list->used = 0;
    list->step_count = 0;
    return run_commands(self, list->bytes, size);
}

dualprop_status dualprop__cuda_flush(dualprop__cuda *self)
{
    struct dualprop__cuda_command_list *list = dualprop__cuda_command_list_of(self);
    return list ? run_now(self, list) : DUALPROP_OK;
}

static dualprop_status make_room(dualprop__cuda *self, struct dualprop__cuda_command_list *list, size_t size)
{
    size_t room = list->room;
    if (list->used + size <= room) return DUALPROP_OK;
    while (list->used + size > room) room *= 2;
    unsigned char *larger = dualprop__cuda_host_allocate(self, room);
    if (!larger) return DUALPROP_ERROR_NO_MEMORY;
    memcpy(larger, list->bytes, list->used);
    dualprop__cuda_host_release(self, list->bytes, list->room);
    list->bytes = larger;
    list->room = room;
    return DUALPROP_OK;
}

dualprop_status dualprop__cuda_issue_known(dualprop__cuda *self, dualprop__cuda_run run, const void *arguments,
                                           size_t size, const struct dualprop__cuda_traits *traits)
{
    struct dualprop__cuda_command_list *list = dualprop__cuda_command_list_of(self);
    struct entry entry = { run, size, list && list->used > 0 ? list->used - list->last : 0, *traits };
    size_t length = length_of(size);
    if (!list) return run(self, arguments);
    if (!list->gathering) DUALPROP__CUDA_PASS(dualprop__cuda_learn_flush(self, list));
    DUALPROP__CUDA_PASS(make_room(self, list, length));
    unsigned char *to = list->bytes + list->used;
    memset(to, 0, length);
    memcpy(to, &entry, sizeof entry);
    memcpy(to + sizeof entry, arguments, size);
    list->last = list->used;
    list->used += length;
    return DUALPROP_OK;
}

dualprop_status dualprop__cuda_issue(dualprop__cuda *self, dualprop__cuda_run run, const void *arguments, size_t size)
{
    static const struct dualprop__cuda_traits nothing_known;
    return dualprop__cuda_issue_known(self, run, arguments, size, &nothing_known);
}

/* ---- commands that need not run twice ---- */

static int lies_in(const void *address, const struct dualprop__cuda_range *arrays, int count)
{
    for (int i = 0; i < count; i++) {
        uintptr_t offset = (uintptr_t)address - (uintptr_t)arrays[i].begin;
        if (arrays[i].begin && offset < (uintptr_t)arrays[i].bytes) return 1;
    }
    return 0;
}

/* Addresses are whole words of the arguments. */
static int uses(const struct entry *entry, const unsigned char *arguments, const struct dualprop__cuda_range *arrays,
                int count)
{
    for (size_t at = 0; at + sizeof(void *) <= entry->size; at += sizeof(void *)) {
        void *word;
        memcpy(&word, arguments + at, sizeof word);
        if (lies_in(word, arrays, count)) return 1;
    }
    return 0;
}

static int may_write(const struct entry *entry, const unsigned char *arguments,
                     const struct dualprop__cuda_range *arrays, int count)
{
    if (entry->traits.written) return lies_in(entry->traits.written, arrays, count);
    return uses(entry, arguments, arrays, count);
}

/* The thread's list, if all that was asked for before is in it; the next command will bring a launch that waits. */
static const struct dualprop__cuda_command_list *complete_list(const dualprop__cuda *self)
{
    const struct dualprop__cuda_command_list *list = dualprop__cuda_command_list_of(self);
    return list && (list->tensor_count == 0 || list->gathering) ? list : NULL;
}

/* From the last command backwards: most of what is looked for was done a moment ago. */
static unsigned char *last_of(const struct dualprop__cuda_command_list *list)
{
    return list && list->used > 0 ? list->bytes + list->last : NULL;
}

static unsigned char *before(const struct dualprop__cuda_command_list *list, const unsigned char *at,
                             const struct entry *entry)
{
    return entry->back > 0 ? list->bytes + (at - list->bytes) - entry->back : NULL;
}

void *dualprop__cuda_earlier(const dualprop__cuda *self, int kind, const struct dualprop__cuda_range *read,
                             const struct dualprop__cuda_range *written, int done, void **body)
{
    const struct dualprop__cuda_command_list *list = complete_list(self);
    struct entry entry;
    for (unsigned char *own, *at = last_of(list); at; at = before(list, at, &entry)) {
        memcpy(&entry, at, sizeof entry);
        own = at + sizeof entry;
        if (entry.traits.kind == kind && (kind != DUALPROP__CUDA_DYADS || uses(&entry, own, read, 1))) {
            *body = own + entry.traits.at;
            return own;
        }
        if (may_write(&entry, own, read, 1)) return NULL;
        if (done ? may_write(&entry, own, written, 1) : uses(&entry, own, written, 1)) return NULL;
    }
    return NULL;
}

void *dualprop__cuda_last_body(const dualprop__cuda *self, int kind)
{
    const struct dualprop__cuda_command_list *list = complete_list(self);
    struct entry entry;
    if (!list || list->used == 0) return NULL;
    memcpy(&entry, list->bytes + list->last, sizeof entry);
    return entry.traits.kind == kind ? list->bytes + list->last + sizeof entry + entry.traits.at : NULL;
}

void dualprop__cuda_drop_last(const dualprop__cuda *self)
{
    struct dualprop__cuda_command_list *list = dualprop__cuda_command_list_of(self);
    struct entry entry;
    memcpy(&entry, list->bytes + list->last, sizeof entry);
    list->used = list->last;
    list->last -= entry.back;
}

int dualprop__cuda_is_done(const dualprop__cuda *self, dualprop__cuda_run run, const void *arguments, size_t size,
                           const struct dualprop__cuda_range *arrays, int count)
{
    const struct dualprop__cuda_command_list *list = complete_list(self);
    struct entry entry;
    for (const unsigned char *own, *at = last_of(list); at; at = before(list, at, &entry)) {
        memcpy(&entry, at, sizeof entry);
        own = at + sizeof entry;
        if (entry.run == run && entry.size == size && memcmp(own, arguments, size) == 0) return 1;
        if (may_write(&entry, own, arrays, count)) return 0;
    }
    return 0;
}

/* ---- the slots ---- */

/* A thread that defers already, here or on another instance, goes on with that; its end ends nothing here. */
dualprop_status dualprop__cuda_begin_deferred(dualprop__cuda *self)
{
    if (current) return DUALPROP_OK;
    DUALPROP__CUDA_PASS(acquire_list(self, &current));
    self->active_lists++;
    return DUALPROP_OK;
}

static dualprop_status submit(dualprop__cuda *self, struct dualprop__cuda_command_list *list)
{
    DUALPROP__CUDA_PASS(dualprop__cuda_learn_flush(self, list));
    DUALPROP__CUDA_PASS(dualprop__cuda_send_beside(self, list));
    DUALPROP__CUDA_PASS(send_steps(self, list));
    return list->used > 0 ? run_list(self, list->bytes, list->used) : DUALPROP_OK;
}

/* What may still be on its way to the host is let come, so that it is not taken for what comes later. */
static void let_come(dualprop__cuda *self, const struct dualprop__cuda_command_list *list)
{
    if (list->read_back_count > 0 && self->dead == DUALPROP_OK) cudaStreamSynchronize(self->stream);
}

/* The section is over, with this status. */
static dualprop_status close_list(dualprop__cuda *self, struct dualprop__cuda_command_list *list,
                                  dualprop_status status)
{
    if (status != DUALPROP_OK) let_come(self, list);
    dualprop__cuda_max_abs_drop(self, &list->max_slots);
    leave_list(self, list);
    return status;
}

dualprop_status dualprop__cuda_end_deferred(dualprop__cuda *self, int discard)
{
    struct dualprop__cuda_command_list *list = dualprop__cuda_command_list_of(self);
    if (!list) return DUALPROP_OK;
    dualprop_status status = discard ? DUALPROP_OK : submit(self, list);
    if (status == DUALPROP_OK && !discard) status = dualprop__cuda_max_abs_finish(self, list);
    current = NULL;
    return close_list(self, list, status);
}

/* A section inside another one is part of that, whose end has its numbers. */
dualprop_status dualprop__cuda_submit_deferred(dualprop__cuda *self, struct dualprop__cuda_command_list **list)
{
    struct dualprop__cuda_command_list *own = dualprop__cuda_command_list_of(self);
    *list = NULL;
    if (!own) return DUALPROP_OK;
    dualprop_status status = submit(self, own);
    current = NULL;
    if (status != DUALPROP_OK) return close_list(self, own, status);
    *list = own;
    return DUALPROP_OK;
}

dualprop_status dualprop__cuda_collect_deferred(dualprop__cuda *self, struct dualprop__cuda_command_list *list)
{
    return list ? close_list(self, list, dualprop__cuda_max_abs_finish(self, list)) : DUALPROP_OK;
}

void dualprop__cuda_abandon_submitted(dualprop__cuda *self, struct dualprop__cuda_command_list *list)
{
    if (!list || !dualprop__cuda_is_ours(self)) return;
    pthread_mutex_lock(&self->lock);
    list->max_slots.count = 0;
    leave_list(self, list);
    pthread_mutex_unlock(&self->lock);
}

/* In a forked child another thread may have held the lock, so there the list is left to the process's end. */
void dualprop__cuda_abandon(dualprop__cuda *self)
{
    struct dualprop__cuda_command_list *list = dualprop__cuda_command_list_of(self);
    if (!list) return;
    current = NULL;
    dualprop__cuda_abandon_submitted(self, list);
}
