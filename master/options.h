/* SPDX-License-Identifier: MPL-2.0
 *
 * The command line of fairvisord.
 */
#ifndef FAIRVISOR_MASTER_OPTIONS_H
#define FAIRVISOR_MASTER_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "shm/failure.h"

enum options_order {
    OPTIONS_ORDER_NONE,
    OPTIONS_ORDER_STOP,
    OPTIONS_ORDER_QUIT,
    OPTIONS_ORDER_RELOAD,
    OPTIONS_ORDER_REOPEN
};

struct options {
    const char *config;  /* -c; NULL: the default path, which need not be there */
    const char *pidfile; /* -p; NULL: the setting */
    enum options_order order;
    bool is_test;       /* -t and -T */
    bool prints;        /* -T */
    bool is_daemon;     /* -d */
    bool wants_help;    /* -h */
    bool wants_version; /* -V */
};

/* Reads the arguments; the strings in OPTIONS are those of ARGUMENTS. EXIT_CODE_USAGE with a sentence. */
bool options_parse(int count, char **arguments, struct options *options, struct failure *failure);

void options_print_help(FILE *out);

#endif
