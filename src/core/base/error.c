/*
 * error.c - the last error, and the log.
 *
 * Each thread keeps its last error in a slot of its own, so that reporting one needs no memory and no lock; a copy
 * goes into the context for threads that ask about an error they did not make. A library that is linked at start-up
 * has its slots in memory that exists with the thread; one that is loaded later by dlopen gets them from the C
 * library at a thread's first error.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base.h"

#define TEXT_SIZE sizeof(((dualprop_context *)0)->error_text)

static _Thread_local struct {
    const dualprop_context *context;
    dualprop_status status;
    char text[TEXT_SIZE];
} last;

/* A forked child may find the lock held by a thread that does not exist there: it never waits. */
static int lock_context(dualprop_context *context)
{
    if (context->process == dualprop__process_id()) return pthread_mutex_lock(&context->lock) == 0;
    return pthread_mutex_trylock(&context->lock) == 0;
}

/* Contexts are const to those who only fail: their error text is no part of their value. */
static void copy_to_context(const dualprop_context *shared)
{
    dualprop_context *context = (dualprop_context *)(uintptr_t)shared;
    if (!lock_context(context)) return;
    context->error_status = last.status;
    memcpy(context->error_text, last.text, sizeof last.text);
    pthread_mutex_unlock(&context->lock);
}

dualprop_status dualprop__fail(const dualprop_context *context, dualprop_status status, const char *format, ...)
{
    int kept = errno;
    char text[TEXT_SIZE]; /* first here, since the last error may be among the arguments */
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    memcpy(last.text, text, sizeof text);
    last.context = context;
    last.status = status;
    if (context) copy_to_context(context);
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

static void copy_out_text(char *buffer, size_t size, size_t *needed, const char *text)
{
    size_t length = strlen(text);
    if (needed) *needed = length + 1;
    if (size == 0) return;
    size_t fits = length < size ? length : size - 1;
    memcpy(buffer, text, fits);
    buffer[fits] = '\0';
}

dualprop_status dualprop_last_error(char *buffer, size_t size, size_t *needed, const dualprop_context *context)
{
    if (!buffer && size > 0) return DUALPROP_ERROR_INVALID_ARGUMENT;
    if (!context || last.context == context) {
        copy_out_text(buffer, size, needed, last.text);
        return DUALPROP_OK;
    }
    uint32_t found = 0;
    memcpy(&found, context, sizeof found);
    if (found != DUALPROP__CONTEXT) return DUALPROP_ERROR_HANDLE;
    dualprop_context *locked = (dualprop_context *)(uintptr_t)context;
    if (!lock_context(locked)) return DUALPROP_ERROR_FORKED;
    copy_out_text(buffer, size, needed, locked->error_text);
    pthread_mutex_unlock(&locked->lock);
    return DUALPROP_OK;
}

/*
 * The callback runs without the lock, so that one that misbehaves cannot stop the library. It will print, which is a
 * point where pthread_cancel() takes effect, and the call it reports from is not over: the thread goes on to its end.
 */
void dualprop__log(const dualprop_context *context, int level, const char *component, const char *format, ...)
{
    if (!context || !lock_context((dualprop_context *)(uintptr_t)context)) return;
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
    int shield = dualprop__shield_begin();
    log(user_data, level, component, message);
    dualprop__shield_end(shield);
    errno = kept;
}
