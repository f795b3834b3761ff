/*
 * blis_images.c - workspaces of convolutions: pieces of one, and slices for the members of a team.
 */
#include "blis_images.h"

/* Bytes of all slices together, at most, where that leaves enough members. */
#define SLICES ((int64_t)8 << 20)
#define MEMBERS_AT_LEAST 16

char *dualprop__acquire_piece(dualprop__space *space, int64_t bytes)
{
    char *piece = space->base ? space->base + space->used : NULL;
    space->used += dualprop__ceil_div(bytes, DUALPROP__LINE) * DUALPROP__LINE;
    return piece;
}

int64_t dualprop__members_of(int64_t slice_bytes)
{
    int64_t members = dualprop__least(SLICES / dualprop__most(slice_bytes, 1), DUALPROP__MEMBERS);
    return dualprop__most(members, MEMBERS_AT_LEAST);
}
