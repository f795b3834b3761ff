/*
 * schedule.c - the orders of schedule.h, one small function a question.
 */
#include "schedule.h"

#include "dualprop/types.h"

int dualprop__schedule_visits(int schedule, int layers, int pass)
{
    if (schedule == DUALPROP_FORWARD) return layers;
    return pass == 1 ? layers - 1 : 2 * layers - 1;
}

int dualprop__schedule_layer(int schedule, int layers, int pass, int visit)
{
    if (schedule == DUALPROP_FORWARD) return visit + 1;
    if (pass == 1) return layers - visit;
    return visit < layers ? visit + 1 : 2 * layers - 1 - visit;
}

int dualprop__schedule_closing(int schedule)
{
    return schedule == DUALPROP_FORWARD_BACKWARD ? 1 : 0;
}
