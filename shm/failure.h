/* SPDX-License-Identifier: MPL-2.0
 *
 * What went wrong at start-up or reload, as a value: one sentence for the operator and the exit code it deserves.
 * Functions that can fail return false and fill their last parameter; main prints the sentence and exits.
 */
#ifndef FAIRVISOR_SHM_FAILURE_H
#define FAIRVISOR_SHM_FAILURE_H

#include <stdbool.h>

/* Exit codes: sysexits(3) where it has one. */
enum exit_code {
    EXIT_CODE_OK = 0,
    EXIT_CODE_REFUSED = 1, /* fairvisor(1): nothing is wrong with the order, but it could not be followed */
    EXIT_CODE_USAGE = 64,
    EXIT_CODE_BAD_BUNDLE = 65,
    EXIT_CODE_NO_INPUT = 66,
    EXIT_CODE_NOT_RUNNING = 69,
    EXIT_CODE_OUR_BUG = 70,
    EXIT_CODE_OS = 71,
    EXIT_CODE_PIDFILE = 73,
    EXIT_CODE_PERMISSION = 77,
    EXIT_CODE_BAD_CONFIG = 78,
};

struct failure {
    enum exit_code code;
    char sentence[1024];
};

/* Fills FAILURE and returns false, so that a caller can write `return failure_set(...)`. A path or a word that is quoted may hold
 * anything: control characters, which a terminal would obey, become '?'. What does not fit ends in "...". */
bool failure_set(struct failure *failure, enum exit_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same, with ": " and the text of errno behind the sentence, also behind one that was cut. */
bool failure_set_errno(struct failure *failure, enum exit_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
