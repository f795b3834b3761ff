/*
 * crc32.c - see crc32.h. The table is computed again for each call: that costs as much as a few kilobytes of data, and
 * there is no global state to guard.
 */
#include "crc32.h"

#define POLYNOMIAL 0xEDB88320u

static void fill_table(uint32_t table[256])
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t remainder = byte;
        for (int bit = 0; bit < 8; bit++) remainder = remainder >> 1 ^ (remainder & 1 ? POLYNOMIAL : 0);
        table[byte] = remainder;
    }
}

uint32_t dualprop__crc32(uint32_t checksum, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    uint32_t table[256];
    fill_table(table);
    checksum = ~checksum;
    for (size_t i = 0; i < size; i++) checksum = checksum >> 8 ^ table[(checksum ^ bytes[i]) & 0xff];
    return ~checksum;
}
