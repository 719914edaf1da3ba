/* SPDX-License-Identifier: MPL-2.0
 *
 * The files of the settings tls_cert, tls_key and backend_ca_file: are they what they should be, and do they belong
 * together? Asked before a worker uses them.
 */
#ifndef FAIRVISOR_POLICY_CERTIFICATES_H
#define FAIRVISOR_POLICY_CERTIFICATES_H

#include <stdbool.h>
#include <stdint.h>

#include <openssl/bio.h>

#include "shm/failure.h"
#include "shm/settings.h"

/* The whole file behind FD in memory; NULL when it cannot be read. Freed with certificates_free. */
BIO *certificates_read(int fd);

/* Overwrites what is in it. NULL is fine. */
void certificates_free(BIO *file);

/* Checks what is there of the three, by the descriptors and names of all references (-1: not set). false:
 * EXIT_CODE_BAD_CONFIG or EXIT_CODE_OS. */
bool certificates_check(const int fds[SETTINGS_REFERENCES], const char *const names[SETTINGS_REFERENCES],
                        struct failure *failure);

/* The last second, since 1970, at which the first certificate behind FD is good (notAfter); one that ended before 1970, or whose
 * time cannot be read, ends at 1. 0 when there is none. */
int64_t certificates_end(int fd);

/* How long before its end it is said to end soon. */
#define CERTIFICATES_SOON_S (INT64_C(7) * 24 * 60 * 60)

#endif
