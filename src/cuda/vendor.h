/*
 * vendor.h - the vendors' libraries, loaded when a device has been found and not before: they are hundreds of
 * megabytes.
 *
 * They are looked for in the folders of DUALPROP_CUDA_PATH (separated by colons), then where the loader looks. A folder
 * may be the one with the library, the one above its lib/, or the folder `nvidia` of Python wheels, whose parts have a
 * lib/ each. An own copy of the CUDA runtime is linked in.
 *
 * Each is loaded by one file, which lists the functions it calls once and gets a struct of pointers to them.
 */
#ifndef DUALPROP_CUDA_VENDOR_H
#define DUALPROP_CUDA_VENDOR_H

#include "device.h"

#define DUALPROP__CUDA_POINTER(name) __typeof__(name) *name;
#define DUALPROP__CUDA_NAME(name) #name,

/*
 * Fill api, a struct of `count` pointers, with the functions named. NO_BACKEND with the loader's words where the
 * library, called `title` in the sentence, or one of the functions is missing. It is never unloaded.
 */
dualprop_status dualprop__cuda_vendor_load(dualprop__cuda *self, void *api, const char *const *names, size_t count,
                                           const char *library, const char *title);
/*
 * Is `part` there, a library that a vendor's library loads by itself: beside the one that has `function`, or where the
 * loader looks? It is never unloaded.
 */
int dualprop__cuda_vendor_has(const void *function, const char *part);

#endif
