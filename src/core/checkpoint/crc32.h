/*
 * crc32.h - the CRC-32 of zlib, PNG and Ethernet (polynomial 0xEDB88320, reflected).
 */
#ifndef DUALPROP_CORE_CRC32_H
#define DUALPROP_CORE_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* Continue a checksum over more bytes; begin with 0. The CRC of "123456789" is 0xcbf43926. */
uint32_t dualprop__crc32(uint32_t checksum, const void *data, size_t size);

#endif
