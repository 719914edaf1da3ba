/* SPDX-License-Identifier: MPL-2.0
 *
 * The request that `fairvisor explain` is asked about: facts made from words of a command line.
 */
#ifndef FAIRVISOR_CLI_QUESTION_H
#define FAIRVISOR_CLI_QUESTION_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/input.h"
#include "policy/facts.h"
#include "shm/failure.h"

#define QUESTION_MAX_FIELDS 100

/* Borrows the words it is made of. */
struct question {
    struct fact_field fields[QUESTION_MAX_FIELDS];
    struct facts facts;
    struct slice authorization; /* value of the first field of this name */
    bool has_bearer;            /* there is one */
    bool is_repeated;           /* there are more */
    bool has_body;
    struct input body;     /* owned */
    size_t size;           /* bytes of all values together */
    char *host, *path;     /* owned */
};

/* The functions that take a word fail with EXIT_CODE_USAGE. question_finish after all words, question_free always. */
void question_init(struct question *question);
bool question_add_field(struct question *question, const char *word, struct failure *failure);
bool question_set_client(struct question *question, const char *word, struct failure *failure);
/* Reads the body from the file PATH, or from standard input for "-". Fails with EXIT_CODE_NO_INPUT, too. */
bool question_read_body(struct question *question, const char *path, struct failure *failure);
bool question_finish(struct question *question, const char *method, const char *uri, struct failure *failure);
void question_free(struct question *question);

#endif
