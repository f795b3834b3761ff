/**
 * @file
 * dualprop/export.h - how public functions are declared.
 */
#ifndef DUALPROP_EXPORT_H
#define DUALPROP_EXPORT_H

#if defined(__GNUC__)
/** A function that the library exports. */
#define DUALPROP_API __attribute__((visibility("default")))
/** The compiler warns if the caller ignores the returned status. */
#define DUALPROP_CHECKED __attribute__((warn_unused_result))
#else
#define DUALPROP_API
#define DUALPROP_CHECKED
#endif

#endif
