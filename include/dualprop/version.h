/**
 * @file
 * dualprop/version.h - the version of the library.
 */
#ifndef DUALPROP_VERSION_H
#define DUALPROP_VERSION_H

#include <stdint.h>

#include "export.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The first number of this header's version. */
#define DUALPROP_VERSION_MAJOR 0
/** The second number of this header's version. */
#define DUALPROP_VERSION_MINOR 1
/** The third number of this header's version. */
#define DUALPROP_VERSION_PATCH 0
/** The version of this header as one number: major * 10000 + minor * 100 + patch. */
#define DUALPROP_VERSION (DUALPROP_VERSION_MAJOR * 10000 + DUALPROP_VERSION_MINOR * 100 + DUALPROP_VERSION_PATCH)

/** Return the version of the running library, encoded as DUALPROP_VERSION is. Since: 0.1. */
DUALPROP_API uint32_t dualprop_version(void);

/** Return the version of the running library, such as "0.1.0"; a static string. Since: 0.1. */
DUALPROP_API const char *dualprop_version_string(void);

/** Describe the build as a JSON object (version, compiler, BLIS); a static string. Since: 0.1. */
DUALPROP_API const char *dualprop_build_info(void);

#ifdef __cplusplus
}
#endif

#endif
