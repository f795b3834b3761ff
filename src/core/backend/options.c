/*
 * options.c - from a caller's options to complete settings.
 *
 * Structs of callers begin with their size. A shorter one comes from an older header: what it lacks is zero. A longer
 * one comes from a newer header: it is served as long as nothing is set that this library does not know.
 */
#include <string.h>

#include "backend_internal.h"

#define MOST_THREADS 1024

#define REQUIRE(condition, ...) DUALPROP__REQUIRE(NULL, condition, DUALPROP_ERROR_INVALID_ARGUMENT, __VA_ARGS__)

/* How much of a struct there must be: everything up to this member, itself included. */
#define UP_TO(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))

dualprop_status dualprop__struct_copy(void *to, size_t known, const void *from, size_t least, const char *name)
{
    uint64_t size = 0;
    memcpy(&size, from, sizeof size);
    REQUIRE(size >= least && size <= DUALPROP__MOST_STRUCT_BYTES, "%s: struct_size is %llu, expected %zu", name,
            (unsigned long long)size, known);
    for (size_t i = known; i < size; i++)
        REQUIRE(((const char *)from)[i] == 0, "%s: it sets what came after version %s of the library (byte %zu)", name,
                dualprop_version_string(), i);
    memset(to, 0, known);
    memcpy(to, from, size < known ? size : known);
    memcpy(to, &(uint64_t){ known }, sizeof(uint64_t));
    return DUALPROP_OK;
}

/* While the major version is 0 every older header of it is served. */
static dualprop_status check_header_version(uint32_t version)
{
    uint32_t major = version / 10000, minor = version / 100 % 100;
    if (version == 0 || (major == DUALPROP_VERSION_MAJOR && minor <= DUALPROP_VERSION_MINOR)) return DUALPROP_OK;
    return dualprop__fail(NULL, DUALPROP_ERROR_BACKEND_VERSION,
                          "the program was compiled with the header of dualprop %u.%u.%u; this library is %s", major,
                          minor, version % 100, dualprop_version_string());
}

static dualprop_status check_numbers(const dualprop_options *options)
{
    REQUIRE(options->precision == 0 || options->precision == DUALPROP_F32 || options->precision == DUALPROP_F64,
            "options.precision is %d, expected DUALPROP_F32 or DUALPROP_F64", options->precision);
    REQUIRE(options->threads == DUALPROP_ALL_CPUS || (options->threads >= 0 && options->threads <= MOST_THREADS),
            "options.threads is %d, expected 1 to %d or DUALPROP_ALL_CPUS", options->threads, MOST_THREADS);
    REQUIRE(options->level >= DUALPROP_LEVEL_AUTO && options->level <= DUALPROP_LEVEL_AVX512,
            "options.level is %d, expected one of DUALPROP_LEVEL_...", options->level);
    REQUIRE(options->numerics >= DUALPROP_NUMERICS_STRICT && options->numerics <= DUALPROP_NUMERICS_BF16,
            "options.numerics is %d, expected one of DUALPROP_NUMERICS_...", options->numerics);
    REQUIRE(options->numerics == DUALPROP_NUMERICS_STRICT || options->precision != DUALPROP_F64,
            "options.numerics is %s, expected strict with precision f64",
            dualprop_name(DUALPROP_NAMES_NUMERICS, options->numerics));
    REQUIRE(options->autotune == 0 || options->autotune == 1, "options.autotune is %d, expected 0 or 1",
            options->autotune);
    REQUIRE(options->device >= 0, "options.device is %d, expected 0 or more", options->device);
    REQUIRE(options->reserved == 0, "options.reserved is %d, expected 0", options->reserved);
    return DUALPROP_OK;
}

dualprop_status dualprop__allocator_read(dualprop_allocator *to, const dualprop_allocator *from)
{
    if (!from) from = &dualprop__default_allocator;
    DUALPROP__TRY(dualprop__struct_copy(to, sizeof *to, from, UP_TO(dualprop_allocator, release), "allocator"));
    REQUIRE(to->allocate && to->release, "allocator: allocate and release must not be NULL");
    return DUALPROP_OK;
}

static dualprop_status read_io(dualprop_io *to, const dualprop_io *from)
{
    if (!from) from = &dualprop__posix_io;
    DUALPROP__TRY(dualprop__struct_copy(to, sizeof *to, from, UP_TO(dualprop_io, sync_folder), "io"));
    REQUIRE(to->open && to->size && to->read && to->write && to->sync && to->close && to->rename && to->remove &&
                to->sync_folder,
            "io: all members but user_data and remove_stale must be set");
    return DUALPROP_OK;
}

static dualprop_status read_threads(dualprop_threads *to, const dualprop_threads *from)
{
    if (!from) from = &dualprop__default_threads;
    DUALPROP__TRY(dualprop__struct_copy(to, sizeof *to, from, UP_TO(dualprop_threads, join), "thread_hooks"));
    REQUIRE(to->start && to->join, "thread_hooks: start and join must not be NULL");
    return DUALPROP_OK;
}

static dualprop_status read_loader(dualprop_loader *to, const dualprop_loader *from)
{
    if (!from) from = &dualprop__default_loader;
    DUALPROP__TRY(dualprop__struct_copy(to, sizeof *to, from, UP_TO(dualprop_loader, error), "loader"));
    REQUIRE(to->open && to->symbol && to->error, "loader: open, symbol and error must not be NULL");
    return DUALPROP_OK;
}

dualprop_status dualprop__settings_read(struct dualprop__settings *settings, const dualprop_options *options)
{
    static const dualprop_options defaults = DUALPROP_OPTIONS_INIT;
    dualprop_options *read = &settings->options;
    if (!options) options = &defaults;
    DUALPROP__TRY(dualprop__struct_copy(read, sizeof *read, options, sizeof(uint64_t), "options"));
    DUALPROP__TRY(check_header_version(read->version));
    DUALPROP__TRY(check_numbers(read));
    if (read->precision == 0) read->precision = DUALPROP_F32;
    if (read->threads == 0) read->threads = 1;
    DUALPROP__TRY(dualprop__allocator_read(&settings->allocator, read->allocator));
    DUALPROP__TRY(read_io(&settings->io, read->io));
    DUALPROP__TRY(read_threads(&settings->thread_hooks, read->thread_hooks));
    return read_loader(&settings->loader, read->loader);
}
