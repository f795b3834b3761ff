/*
 * error.c - the last error, and the log.
 *
 * Each thread keeps its last error, so that reporting one needs no memory and no lock that could be held for long; a
 * copy goes into the context for threads that ask about an error they did not make.
 *
 * What a thread itself keeps is short: which context and which status it was, and where the sentence lies. Memory of
 * threads that exists with the thread is scarce for a library that is loaded by dlopen(), and memory of threads that
 * comes with its first use ends the process if there is none left. So the sentences lie in slots that all threads
 * share. A thread keeps its slot until more than SLOTS others have reported errors after it; then its sentence is gone
 * and the status's own text stands in for it.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base.h"

#define TEXT_SIZE sizeof(((dualprop_context *)0)->error_text)

#define SLOTS 256

/* On glibc the thread's part exists from its start, however the library was loaded; others allocate at dlopen(). */
#ifdef __GLIBC__
#define FROM_THE_START __attribute__((tls_model("initial-exec")))
#else
#define FROM_THE_START
#endif

static _Thread_local FROM_THE_START struct {
    const dualprop_context *context;
    uint64_t report; /* the number of the report whose sentence the slot holds; 0: none */
    int slot;
    dualprop_status status;
} last;
_Static_assert(sizeof last <= 64, "more would leave too little for other libraries");

/*
 * A slot is locked for the time of a copy. Who finds it locked does without it: in a forked child it may stay locked.
 */
static struct slot {
    atomic_flag locked;
    uint64_t report;
    char text[TEXT_SIZE];
} slots[SLOTS];
static atomic_uint_fast64_t reports;

static int lock_slot(struct slot *slot)
{
    for (int tries = 0; tries < 1000; tries++)
        if (!atomic_flag_test_and_set(&slot->locked)) return 1;
    return 0;
}

static void unlock_slot(struct slot *slot)
{
    atomic_flag_clear(&slot->locked);
}

static int keep_in(int number, const char *text)
{
    struct slot *slot = &slots[number];
    if (!lock_slot(slot)) return 0;
    slot->report = last.report;
    memcpy(slot->text, text, TEXT_SIZE);
    last.slot = number;
    unlock_slot(slot);
    return 1;
}

/* In the slot of the report before, if no other thread has used it since; else in the next one in turn. */
static void keep_text(const char *text)
{
    static atomic_uint turn;
    struct slot *own = &slots[last.slot];
    int is_own = 0;
    if (last.report != 0 && lock_slot(own)) {
        is_own = own->report == last.report;
        unlock_slot(own);
    }
    last.report = atomic_fetch_add(&reports, 1) + 1;
    if (is_own && keep_in(last.slot, text)) return;
    for (int tries = 0; tries < SLOTS; tries++)
        if (keep_in((int)(atomic_fetch_add(&turn, 1) % SLOTS), text)) return;
}

/* The sentence of this thread's last error. */
static void read_text(char text[TEXT_SIZE])
{
    struct slot *slot = &slots[last.slot];
    int found = 0;
    text[0] = '\0';
    if (last.report == 0) return;
    if (lock_slot(slot)) {
        found = slot->report == last.report;
        if (found) memcpy(text, slot->text, TEXT_SIZE);
        unlock_slot(slot);
    }
    if (!found) snprintf(text, TEXT_SIZE, "%s", dualprop_status_message(last.status));
}

/* A forked child may find the lock held by a thread that does not exist there: it never waits. */
int dualprop__context_lock(dualprop_context *context)
{
    if (context->process_number == dualprop__process_number()) return pthread_mutex_lock(&context->lock) == 0;
    return pthread_mutex_trylock(&context->lock) == 0;
}

/* Contexts are const to those who only fail: their error text is no part of their value. */
static void copy_to_context(const dualprop_context *shared, dualprop_status status, const char *text)
{
    dualprop_context *context = (dualprop_context *)(uintptr_t)shared;
    if (!dualprop__context_lock(context)) return;
    context->error_status = status;
    memcpy(context->error_text, text, TEXT_SIZE);
    pthread_mutex_unlock(&context->lock);
}

dualprop_status dualprop__fail(const dualprop_context *context, dualprop_status status, const char *format, ...)
{
    int kept = errno;
    char text[TEXT_SIZE] = ""; /* first here, since the last error may be among the arguments */
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    dualprop__utf8_mend(text);
    keep_text(text);
    last.context = context;
    last.status = status;
    if (context) copy_to_context(context, status, text);
    errno = kept;
    return status;
}

void dualprop__error_detach(const dualprop_context *context)
{
    if (last.context == context) last.context = NULL;
}

static const char *kind_name(uint32_t kind)
{
    switch (kind) {
    case DUALPROP__CONTEXT: return "context";
    case DUALPROP__NETWORK: return "network";
    case DUALPROP__LAYER: return "layer";
    case DUALPROP__RULE: return "rule";
    case DUALPROP__STATE: return "state";
    case DUALPROP__OPTIMIZER: return "optimizer";
    case DUALPROP__CHECKPOINT: return "checkpoint";
    case DUALPROP__DIAGNOSTICS: return "diagnostics";
    case DUALPROP__GROUP: return "group";
    case DUALPROP__DEAD: return "destroyed handle";
    default: return NULL;
    }
}

dualprop_status dualprop__check_handle(const void *handle, uint32_t kind, const char *argument, const char *function)
{
    if (!handle) return dualprop__fail(NULL, DUALPROP_ERROR_INVALID_ARGUMENT, "%s: %s is NULL", function, argument);
    uint32_t found = 0;
    memcpy(&found, handle, sizeof found); /* it may be anything, and anywhere */
    if (found == kind) return DUALPROP_OK;
    const char *name = kind_name(found);
    return dualprop__fail(NULL, DUALPROP_ERROR_HANDLE, "%s: %s is %s%s where a living %s was expected", function,
                          argument, name ? "a " : "no handle", name ? name : "", kind_name(kind));
}

void dualprop__text_copy_out(char *buffer, size_t size, size_t *needed, const char *text)
{
    size_t length = strlen(text);
    if (needed) *needed = length + 1;
    if (size == 0) return;
    size_t fits = length < size ? length : size - 1;
    while (fits > 0 && fits < length && ((unsigned char)text[fits] & 0xc0) == 0x80) fits--; /* no part of a character */
    memcpy(buffer, text, fits);
    buffer[fits] = '\0';
}

dualprop_status dualprop_last_error(char *buffer, size_t size, size_t *needed, const dualprop_context *context)
{
    char text[TEXT_SIZE];
    if (!buffer && size > 0) return DUALPROP_ERROR_INVALID_ARGUMENT;
    if (!context || last.context == context) {
        read_text(text);
        dualprop__text_copy_out(buffer, size, needed, text);
        return DUALPROP_OK;
    }
    uint32_t found = 0;
    memcpy(&found, context, sizeof found);
    if (found != DUALPROP__CONTEXT) return DUALPROP_ERROR_HANDLE;
    dualprop_context *locked = (dualprop_context *)(uintptr_t)context;
    if (!dualprop__context_lock(locked)) return DUALPROP_ERROR_FORKED;
    dualprop__text_copy_out(buffer, size, needed, locked->error_text);
    pthread_mutex_unlock(&locked->lock);
    return DUALPROP_OK;
}

/*
 * The callback runs without the lock, so that one that misbehaves cannot stop the library. It will print, which is a
 * point where pthread_cancel() takes effect, and the call it reports from is not over: the thread goes on to its end.
 */
void dualprop__log(const dualprop_context *context, int level, const char *component, const char *format, ...)
{
    if (!context || !dualprop__context_lock((dualprop_context *)(uintptr_t)context)) return;
    dualprop_log log = level <= context->log_level ? context->log : NULL;
    void *user_data = context->log_data;
    pthread_mutex_unlock(&((dualprop_context *)(uintptr_t)context)->lock);
    if (!log) return;
    int kept = errno;
    char message[TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    dualprop__utf8_mend(message);
    int shield = dualprop__shield_begin();
    log(user_data, level, component, message);
    dualprop__shield_end(shield);
    errno = kept;
}
