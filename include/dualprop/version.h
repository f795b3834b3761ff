/*
 * dualprop/version.h - which library this is.
 */
#ifndef DUALPROP_VERSION_H
#define DUALPROP_VERSION_H

#include <stdint.h>

#include "export.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DUALPROP_VERSION_MAJOR 0
#define DUALPROP_VERSION_MINOR 1
#define DUALPROP_VERSION_PATCH 0
/** The version of this header as one number: major * 10000 + minor * 100 + patch. */
#define DUALPROP_VERSION (DUALPROP_VERSION_MAJOR * 10000 + DUALPROP_VERSION_MINOR * 100 + DUALPROP_VERSION_PATCH)

/** Give the version of the library that is running, as DUALPROP_VERSION counts. Since: 0.1. */
DUALPROP_API uint32_t dualprop_version(void);

/** Give the version of the library that is running, such as "0.1.0"; a static string. Since: 0.1. */
DUALPROP_API const char *dualprop_version_string(void);

/** Give what the library was built from, as a JSON object (version, compiler, BLIS); a static string. Since: 0.1. */
DUALPROP_API const char *dualprop_build_info(void);

#ifdef __cplusplus
}
#endif

#endif
