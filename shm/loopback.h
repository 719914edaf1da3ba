/* SPDX-License-Identifier: MPL-2.0
 *
 * Sockets whose connections never leave the machine.
 */
#ifndef FAIRVISOR_SHM_LOOPBACK_H
#define FAIRVISOR_SHM_LOOPBACK_H

#include "shm/address.h"

/* Such a connection loses nothing and shares no link. When ADDRESS is one of loopback, the TCP socket FD, which listens there or is
 * connected to it, gets the simplest congestion control, which every kernel has and every user may choose; it saves what a model of
 * the path costs for each segment. A refusal changes nothing. */
void loopback_tune(int fd, const struct address *address);

#endif
