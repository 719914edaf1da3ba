/* SPDX-License-Identifier: MPL-2.0
 *
 * What a service manager is told: sd_notify(3), spoken directly. Does nothing when nobody asked (no NOTIFY_SOCKET).
 */
#ifndef FAIRVISOR_MASTER_NOTIFY_H
#define FAIRVISOR_MASTER_NOTIFY_H

#include <sys/types.h>

void notify_ready(const char *status); /* READY=1 and STATUS= */
void notify_reloading(void);           /* RELOADING=1 and MONOTONIC_USEC= */
void notify_stopping(void);            /* STOPPING=1 */
void notify_main_pid(pid_t pid);       /* MAINPID=: a new program takes over */

#endif
