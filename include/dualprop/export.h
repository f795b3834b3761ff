/*
 * dualprop/export.h - how public functions are declared.
 */
#ifndef DUALPROP_EXPORT_H
#define DUALPROP_EXPORT_H


#if defined(__GNUC__)
#define DUALPROP_API __attribute__((visibility("default")))
/** A public function whose status must not be ignored. */
#define DUALPROP_CALL __attribute__((visibility("default"), warn_unused_result)) dualprop_status
#else
#define DUALPROP_API
#define DUALPROP_CALL dualprop_status
#endif

#endif
