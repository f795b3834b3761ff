/*
 * utf8.c - texts for callers in other languages, which decode them strictly.
 */
#include "base.h"

/* Bytes of the valid sequence at `at`, or 0. A NUL is no continuation byte, so that a text's end is never passed. */
static int valid_sequence(const unsigned char *at)
{
    static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
    if (*at < 0x80) return 1;
    if (*at < 0xc2 || *at > 0xf4) return 0;
    int length = *at < 0xe0 ? 2 : *at < 0xf0 ? 3 : 4;
    uint32_t number = *at & (0x7fu >> length);
    for (int i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80) return 0;
        number = number << 6 | (at[i] & 0x3fu);
    }
    return number < smallest[length] || number > 0x10ffff || (number >= 0xd800 && number < 0xe000) ? 0 : length;
}

int dualprop__utf8_valid(const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        int length = valid_sequence(at);
        if (length == 0) return 0;
        at += length;
    }
    return 1;
}

void dualprop__utf8_mend(char *text)
{
    for (unsigned char *at = (unsigned char *)text; *at;) {
        int length = valid_sequence(at);
        if (length == 0) *at = '?';
        at += length ? length : 1;
    }
}
