/*
 * lone_transport.h - the transport of a group of one process.
 */
#ifndef TESTS_LONE_TRANSPORT_H
#define TESTS_LONE_TRANSPORT_H

#include <dualprop/dualprop.h>

/* Nothing is moved: a process's own parts lie where they belong. */
extern const dualprop_transport lone_transport;

#endif
