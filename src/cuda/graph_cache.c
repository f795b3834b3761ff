/*
 * graph_cache.c - work done at once or put off, and CUDA graphs of what comes again.
 *
 * All work on the device goes through dualprop__cuda_issue(): outside a deferred stretch it runs at once, inside it is
 * written down. At the end of the stretch the whole list runs. A list that comes for the first time runs piece by
 * piece, which also lets the vendor libraries load what they need; the second time it is captured into a CUDA graph;
 * from then on it is one launch. Lists are compared byte by byte, so a graph never runs for anything but exactly the
 * work it was captured from. Where capturing fails the list goes on running piece by piece.
 *
 *     bytes of a list:  | run | size | arguments, padded to 8 | run | size | ...
 */
#include "graph_cache.h"

#include <string.h>

#define PROGRAMS 16 /* lists remembered; the one that was not used for the longest time goes */
#define FIRST_ROOM 16384

struct dualprop__cuda_program {
    unsigned char *bytes;
    size_t size;
    cudaGraphExec_t graph; /* NULL until captured */
    int refused;           /* capturing has failed */
    uint64_t used_at;
};

struct entry {
    dualprop__cuda_run run;
    size_t size;
};

static _Thread_local struct dualprop__cuda_recording *current;

/* ---- recordings ---- */

struct dualprop__cuda_recording *dualprop__cuda_recording_of(const dualprop__cuda *self)
{
    return current && current->owner == self ? current : NULL;
}

struct dualprop__cuda_recording *dualprop__cuda_pause(const dualprop__cuda *self)
{
    struct dualprop__cuda_recording *paused = dualprop__cuda_recording_of(self);
    if (paused) current = NULL;
    return paused;
}

void dualprop__cuda_go_on(struct dualprop__cuda_recording *paused)
{
    if (paused) current = paused;
}

int dualprop__cuda_is_deferred(const dualprop__cuda *self)
{
    return dualprop__cuda_recording_of(self) != NULL;
}

struct dualprop__cuda_peaks *dualprop__cuda_peaks_of(dualprop__cuda *self)
{
    struct dualprop__cuda_recording *recording = dualprop__cuda_recording_of(self);
    return recording ? &recording->peaks : &self->peaks;
}

static dualprop_status fill_recording(dualprop__cuda *self, struct dualprop__cuda_recording *recording)
{
    size_t bytes = (size_t)DUALPROP__CUDA_STEPS * DUALPROP__CUDA_STEP_BYTES;
    recording->owner = self;
    recording->bytes = dualprop__cuda_host_allocate(self, FIRST_ROOM);
    if (!recording->bytes) return DUALPROP_ERROR_NO_MEMORY;
    recording->room = FIRST_ROOM;
    DUALPROP__CUDA_PASS(dualprop__cuda_peaks_create(self, &recording->peaks));
    DUALPROP__CUDA_TRY(self, cudaMalloc(&recording->steps, bytes));
    DUALPROP__CUDA_TRY(self, cudaMallocHost(&recording->steps_pinned, bytes));
    DUALPROP__CUDA_TRY(self, cudaEventCreateWithFlags(&recording->steps_sent, cudaEventDisableTiming));
    DUALPROP__CUDA_TRY(self, cudaEventCreateWithFlags(&recording->told, cudaEventDisableTiming));
    return DUALPROP_OK;
}

static void destroy_recording(dualprop__cuda *self, struct dualprop__cuda_recording *recording)
{
    if (dualprop__cuda_is_ours(self)) {
        if (recording->told) cudaEventDestroy(recording->told);
        if (recording->steps_sent) cudaEventDestroy(recording->steps_sent);
        if (recording->steps_pinned) cudaFreeHost(recording->steps_pinned);
        if (recording->steps) cudaFree(recording->steps);
    }
    dualprop__cuda_peaks_destroy(self, &recording->peaks);
    dualprop__cuda_host_release(self, recording->bytes, recording->room);
    dualprop__cuda_host_release(self, recording, sizeof *recording);
}

/* An idle one, or another where more threads put off work at once than ever before. */
static dualprop_status take_recording(dualprop__cuda *self, struct dualprop__cuda_recording **recording)
{
    *recording = self->idle_recordings;
    if (*recording) {
        self->idle_recordings = (*recording)->next;
        return DUALPROP_OK;
    }
    struct dualprop__cuda_recording *made = dualprop__cuda_host_allocate(self, sizeof *made);
    if (!made) return DUALPROP_ERROR_NO_MEMORY;
    dualprop_status status = fill_recording(self, made);
    if (status != DUALPROP_OK) destroy_recording(self, made);
    else *recording = made;
    return status;
}

static void put_recording(dualprop__cuda *self, struct dualprop__cuda_recording *recording)
{
    recording->used = 0;
    recording->step_count = 0;
    recording->tensor_count = 0;
    recording->gathering = 0;
    recording->refused = NULL;
    recording->told_count = 0;
    recording->next = self->idle_recordings;
    self->idle_recordings = recording;
}

/* The thread's stretch is over. */
static void leave_recording(dualprop__cuda *self, struct dualprop__cuda_recording *recording)
{
    current = NULL;
    put_recording(self, recording);
    self->active_recordings--;
    dualprop__cuda_retire(self);
}

/* ---- running a list ---- */

static dualprop_status run_pieces(dualprop__cuda *self, const unsigned char *bytes, size_t size)
{
    for (size_t at = 0; at < size;) {
        struct entry entry;
        memcpy(&entry, bytes + at, sizeof entry);
        DUALPROP__CUDA_PASS(entry.run(self, bytes + at + sizeof entry));
        at += sizeof entry + (entry.size + 7) / 8 * 8;
    }
    return DUALPROP_OK;
}

/* Run the pieces into a graph instead of into the stream. Whatever happens, capturing has ended afterwards. */
static dualprop_status capture(dualprop__cuda *self, struct dualprop__cuda_program *program)
{
    cudaStream_t stream = self->stream;
    cudaGraph_t graph = NULL;
    DUALPROP__CUDA_TRY(self, cudaStreamBeginCapture(self->own_stream, cudaStreamCaptureModeThreadLocal));
    self->stream = self->own_stream;
    self->capturing = 1;
    dualprop_status status = run_pieces(self, program->bytes, program->size);
    self->capturing = 0;
    self->stream = stream;
    cudaError_t error = cudaStreamEndCapture(self->own_stream, &graph);
    if (status == DUALPROP_OK && error != cudaSuccess)
        status = dualprop__cuda_status(self, error, "cudaStreamEndCapture");
    if (status == DUALPROP_OK) {
        error = cudaGraphInstantiate(&program->graph, graph, 0);
        if (error != cudaSuccess) {
            program->graph = NULL;
            status = dualprop__cuda_status(self, error, "cudaGraphInstantiate");
        }
    }
    if (graph) cudaGraphDestroy(graph);
    cudaGetLastError();
    return status;
}

static void log_refusal(const dualprop__cuda *self)
{
    const dualprop_host *host = self->host;
    host->log(host->user_data, 1, "cuda", "a step could not be captured as a CUDA graph; it runs piece by piece");
}

static dualprop_status run_again(dualprop__cuda *self, struct dualprop__cuda_program *program)
{
    if (!program->graph && !program->refused && capture(self, program) != DUALPROP_OK) {
        program->refused = 1;
        if (self->dead != DUALPROP_OK) return dualprop__cuda_fail(self, self->dead, "%s", self->why_dead);
        log_refusal(self);
    }
    if (!program->graph) return run_pieces(self, program->bytes, program->size);
    DUALPROP__CUDA_TRY(self, cudaGraphLaunch(program->graph, self->stream));
    self->graph_launches++;
    return DUALPROP_OK;
}

/* ---- lists remembered ---- */

static void forget(dualprop__cuda *self, struct dualprop__cuda_program *program)
{
    if (program->graph && dualprop__cuda_is_ours(self)) cudaGraphExecDestroy(program->graph);
    dualprop__cuda_host_release(self, program->bytes, program->size);
    memset(program, 0, sizeof *program);
}

dualprop_status dualprop__cuda_programs_create(dualprop__cuda *self)
{
    struct dualprop__cuda_recording *first;
    self->programs = dualprop__cuda_host_allocate(self, PROGRAMS * sizeof *self->programs);
    if (!self->programs) return DUALPROP_ERROR_NO_MEMORY;
    DUALPROP__CUDA_PASS(take_recording(self, &first));
    put_recording(self, first);
    return DUALPROP_OK;
}

void dualprop__cuda_programs_forget(dualprop__cuda *self)
{
    for (int i = 0; self->programs && i < PROGRAMS; i++) forget(self, &self->programs[i]);
}

void dualprop__cuda_programs_destroy(dualprop__cuda *self)
{
    dualprop__cuda_programs_forget(self);
    dualprop__cuda_host_release(self, self->programs, PROGRAMS * sizeof *self->programs);
    while (self->idle_recordings) {
        struct dualprop__cuda_recording *recording = self->idle_recordings;
        self->idle_recordings = recording->next;
        destroy_recording(self, recording);
    }
}

static struct dualprop__cuda_program *find(dualprop__cuda *self, const unsigned char *bytes, size_t size)
{
    for (int i = 0; i < PROGRAMS; i++) {
        struct dualprop__cuda_program *program = &self->programs[i];
        if (program->size == size && memcmp(program->bytes, bytes, size) == 0) return program;
    }
    return NULL;
}

/* Without memory for it a list is not remembered, and only runs more slowly. */
static void remember(dualprop__cuda *self, const unsigned char *bytes, size_t size, uint64_t now)
{
    struct dualprop__cuda_program *oldest = self->programs;
    for (int i = 1; i < PROGRAMS; i++)
        if (self->programs[i].used_at < oldest->used_at) oldest = &self->programs[i];
    forget(self, oldest);
    oldest->bytes = self->host->allocate(self->host->user_data, size, 64);
    if (!oldest->bytes) return;
    memcpy(oldest->bytes, bytes, size);
    oldest->size = size;
    oldest->used_at = now;
}

static dualprop_status run_list(dualprop__cuda *self, const unsigned char *bytes, size_t size)
{
    uint64_t now = ++self->program_clock;
    struct dualprop__cuda_program *program = find(self, bytes, size);
    if (program) {
        program->used_at = now;
        return run_again(self, program);
    }
    remember(self, bytes, size, now);
    return run_pieces(self, bytes, size);
}

/* ---- issuing ---- */

/* The numbers of learning steps go ahead of the work that reads them. */
static dualprop_status send_steps(dualprop__cuda *self, struct dualprop__cuda_recording *recording)
{
    size_t bytes = (size_t)recording->step_count * DUALPROP__CUDA_STEP_BYTES;
    if (bytes == 0) return DUALPROP_OK;
    DUALPROP__CUDA_TRY(self, cudaMemcpyAsync(recording->steps, recording->steps_pinned, bytes, cudaMemcpyHostToDevice,
                                             self->stream));
    DUALPROP__CUDA_TRY(self, cudaEventRecord(recording->steps_sent, self->stream));
    return DUALPROP_OK;
}

/* Run all that was put off, once and not to be remembered, and go on with an empty list. */
static dualprop_status run_now(dualprop__cuda *self, struct dualprop__cuda_recording *recording)
{
    DUALPROP__CUDA_PASS(dualprop__cuda_learn_flush(self, recording));
    DUALPROP__CUDA_PASS(send_steps(self, recording));
    size_t size = recording->used;
    recording->used = 0;
    recording->step_count = 0;
    return run_pieces(self, recording->bytes, size);
}

dualprop_status dualprop__cuda_flush(dualprop__cuda *self)
{
    struct dualprop__cuda_recording *recording = dualprop__cuda_recording_of(self);
    return recording ? run_now(self, recording) : DUALPROP_OK;
}

static dualprop_status make_room(dualprop__cuda *self, struct dualprop__cuda_recording *recording, size_t size)
{
    size_t room = recording->room;
    if (recording->used + size <= room) return DUALPROP_OK;
    while (recording->used + size > room) room *= 2;
    unsigned char *larger = dualprop__cuda_host_allocate(self, room);
    if (!larger) return DUALPROP_ERROR_NO_MEMORY;
    memcpy(larger, recording->bytes, recording->used);
    dualprop__cuda_host_release(self, recording->bytes, recording->room);
    recording->bytes = larger;
    recording->room = room;
    return DUALPROP_OK;
}

dualprop_status dualprop__cuda_issue(dualprop__cuda *self, dualprop__cuda_run run, const void *arguments, size_t size)
{
    struct dualprop__cuda_recording *recording = dualprop__cuda_recording_of(self);
    struct entry entry = { run, size };
    size_t padded = (size + 7) / 8 * 8;
    if (!recording) return run(self, arguments);
    if (!recording->gathering) DUALPROP__CUDA_PASS(dualprop__cuda_learn_flush(self, recording));
    DUALPROP__CUDA_PASS(make_room(self, recording, sizeof entry + padded));
    unsigned char *to = recording->bytes + recording->used;
    memcpy(to, &entry, sizeof entry);
    memset(to + sizeof entry, 0, padded);
    memcpy(to + sizeof entry, arguments, size);
    recording->used += sizeof entry + padded;
    return DUALPROP_OK;
}

/* ---- the slots ---- */

/* A thread that defers already, here or on another instance, goes on with that; its end ends nothing here. */
dualprop_status dualprop__cuda_begin_deferred(dualprop__cuda *self)
{
    if (current) return DUALPROP_OK;
    DUALPROP__CUDA_PASS(take_recording(self, &current));
    self->active_recordings++;
    return DUALPROP_OK;
}

static dualprop_status finish(dualprop__cuda *self, struct dualprop__cuda_recording *recording)
{
    int told = dualprop__cuda_peaks_are_told(recording);
    DUALPROP__CUDA_PASS(dualprop__cuda_learn_flush(self, recording));
    if (told) DUALPROP__CUDA_PASS(dualprop__cuda_peaks_clear_told(self, recording));
    DUALPROP__CUDA_PASS(send_steps(self, recording));
    if (recording->used > 0) DUALPROP__CUDA_PASS(run_list(self, recording->bytes, recording->used));
    return told ? dualprop__cuda_peaks_settle_told(self, recording)
                : dualprop__cuda_peaks_settle(self, &recording->peaks);
}

/* What may still be on its way to the host is let come, so that it is not taken for what comes later. */
static void let_come(dualprop__cuda *self, const struct dualprop__cuda_recording *recording)
{
    if (recording->told_count > 0 && self->dead == DUALPROP_OK) cudaStreamSynchronize(self->stream);
}

dualprop_status dualprop__cuda_end_deferred(dualprop__cuda *self, int discard)
{
    struct dualprop__cuda_recording *recording = dualprop__cuda_recording_of(self);
    if (!recording) return DUALPROP_OK;
    dualprop_status status = discard ? DUALPROP_OK : finish(self, recording);
    if (status != DUALPROP_OK) let_come(self, recording);
    dualprop__cuda_peaks_drop(self, &recording->peaks);
    leave_recording(self, recording);
    return status;
}

/* In a forked child another thread may have held the lock, so there the recording is left to the process's end. */
void dualprop__cuda_abandon(dualprop__cuda *self)
{
    struct dualprop__cuda_recording *recording = dualprop__cuda_recording_of(self);
    if (!recording) return;
    if (!dualprop__cuda_is_ours(self)) {
        current = NULL;
        return;
    }
    pthread_mutex_lock(&self->lock);
    recording->peaks.count = 0;
    leave_recording(self, recording);
    pthread_mutex_unlock(&self->lock);
}
