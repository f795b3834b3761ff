/**
 * @file
 * dualprop/status.h - the statuses that the library's calls return.
 *
 * Each call returns a dualprop_status; DUALPROP_OK is 0 and every other value is an error. The values never change.
 * There are gaps between the groups: a wrong argument, the wrong moment, the machine, the data, the numbers, the
 * backend. dualprop_last_error() in dualprop/context.h copies the sentence that explains an error.
 *
 * Threads: everything here may be called from any thread at any time.
 */
#ifndef DUALPROP_STATUS_H
#define DUALPROP_STATUS_H

#include "export.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The list of statuses: X(NAME, value, message). The enumeration, the names and the messages are generated from it. */
#define DUALPROP_STATUS_LIST(X)                                                           \
    X(OK, 0, "success")                                                                   \
    X(ERROR_INVALID_ARGUMENT, 1, "an argument has a value that the call does not accept") \
    X(ERROR_RANGE, 2, "a size overflows")                                                 \
    X(ERROR_LIMIT, 3, "a size is above a limit that was set")                             \
    X(ERROR_HANDLE, 4, "a handle was destroyed, or is of another kind")                   \
    X(ERROR_INVALID_STATE, 10, "the call came at the wrong moment")                       \
    X(ERROR_BUSY, 11, "the object is in use by another call")                             \
    X(ERROR_FORKED, 12, "the object was made in another process")                         \
    X(ERROR_CANCELLED, 13, "the call was cancelled")                                      \
    X(ERROR_UNSUPPORTED, 14, "the combination is not supported")                          \
    X(ERROR_NO_MEMORY, 20, "out of memory")                                               \
    X(ERROR_THREAD, 21, "a thread could not be started")                                  \
    X(ERROR_FORMAT, 30, "a file breaks the rules of its format")                          \
    X(ERROR_CORRUPT, 31, "a file's checksum does not match its data")                     \
    X(ERROR_IO, 32, "reading or writing a file failed")                                   \
    X(ERROR_NO_SPACE, 33, "no space is left on the device")                               \
    X(ERROR_FILE_TOO_BIG, 34, "a file would exceed the process's file size limit")        \
    X(ERROR_ACCESS, 35, "a file could not be opened")                                     \
    X(ERROR_NOT_FINITE, 40, "a number is NaN or infinite")                                \
    X(ERROR_DIVERGED, 41, "the inference diverged")                                       \
    X(ERROR_NO_BACKEND, 50, "the backend is not available")                               \
    X(ERROR_BACKEND_VERSION, 51, "the backend was built for another version")             \
    X(ERROR_NO_DEVICE, 52, "no device was found")                                         \
    X(ERROR_DEVICE, 53, "the device failed")                                              \
    X(ERROR_TRANSPORT, 60, "the processes of a group could not reach each other")         \
    X(ERROR_PEER, 61, "another process of the group failed")

/** The constants DUALPROP_OK, DUALPROP_ERROR_INVALID_ARGUMENT and so on. */
enum {
#define DUALPROP_STATUS_ENTRY(name, value, message) DUALPROP_##name = value,
    DUALPROP_STATUS_LIST(DUALPROP_STATUS_ENTRY)
#undef DUALPROP_STATUS_ENTRY
};

/** A status: one of the constants above. */
typedef int dualprop_status;

/**
 * Return the name of a status, such as "DUALPROP_ERROR_NO_MEMORY".
 *
 * @param status  any number
 * @return a static string; "unknown status" for a number that is not a status
 * Since: 0.1.
 */
DUALPROP_API const char *dualprop_status_name(dualprop_status status);

/**
 * Return a short, general sentence about a status. dualprop_last_error() explains what happened in a particular call.
 *
 * @param status  any number
 * @return a static string; "unknown status" for a number that is not a status
 * Since: 0.1.
 */
DUALPROP_API const char *dualprop_status_message(dualprop_status status);

#ifdef __cplusplus
}
#endif

#endif
