/*
 * version.c - which library this is, and what it was built from.
 */
#include "dualprop/version.h"

#include "dualprop/backend.h"

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
#define VERSION TEXT(DUALPROP_VERSION_MAJOR) "." TEXT(DUALPROP_VERSION_MINOR) "." TEXT(DUALPROP_VERSION_PATCH)

#if defined(__clang__)
#define COMPILER "clang " TEXT(__clang_major__) "." TEXT(__clang_minor__) "." TEXT(__clang_patchlevel__)
#elif defined(__GNUC__)
#define COMPILER "gcc " TEXT(__GNUC__) "." TEXT(__GNUC_MINOR__) "." TEXT(__GNUC_PATCHLEVEL__)
#else
#define COMPILER "unknown"
#endif

#if defined(DUALPROP_NO_BLIS)
#define BLIS "null"
#elif defined(DUALPROP_BLIS_VERSION)
#define BLIS "\"" DUALPROP_BLIS_VERSION "\""
#else
#define BLIS "\"linked in\""
#endif

uint32_t dualprop_version(void)
{
    return DUALPROP_VERSION;
}

const char *dualprop_version_string(void)
{
    return VERSION;
}

const char *dualprop_build_info(void)
{
    return "{\"version\": \"" VERSION "\", \"compiler\": \"" COMPILER "\", \"blis\": " BLIS
           ", \"backend_api\": " TEXT(DUALPROP_BACKEND_API) "}";
}
