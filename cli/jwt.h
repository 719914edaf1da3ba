/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisor jwt.
 */
#ifndef FAIRVISOR_CLI_JWT_H
#define FAIRVISOR_CLI_JWT_H

#include "cli/command.h"

#define JWT_DETAILS                                                                                                   \
    "  TOKEN            three parts of base64url with dots between; - or none reads standard input\n"                 \
    "  --keys FILE      the key set (JWKS) that verifies, as in the setting jwt_keys_file\n"                          \
    "  --issuer TEXT    the issuer (iss) that the token must name, as in jwt_issuer\n"                                \
    "  --audience TEXT  the audience (aud) that the token must name, as in jwt_audience\n"                            \
    "  --leeway TIME    how far clocks may differ, as in jwt_leeway (default 60s)\n"                                  \
    "  --raw            check the signature alone; the payload may be anything\n"                                     \
    "  --json           one object: valid, reason, sentence, algorithm and kid of the key that verified (null when\n" \
    "                   none did), header, claims (null when they cannot be read); with --raw payload, a string,\n"   \
    "                   instead of claims\n"                                                                          \
    "\n"                                                                                                              \
    "What is shown of an invalid token is what it says itself, and not to be believed. Other users of the\n"          \
    "machine can see the words of a command line: give a token that matters by standard input.\n"                     \
    "\n"                                                                                                              \
    "Exit code: 0 valid, 1 invalid, 64 wrong usage, 66 no such file, 77 permission, 78 the key set is bad.\n"

#define JWT_EXAMPLES                                            \
    "  fairvisor jwt --keys /etc/fairvisor/jwks.json < token\n" \
    "  fairvisor jwt --keys jwks.json --issuer https://id.example --json TOKEN\n"

int jwt_run(const struct command *command, int count, char **words);

#endif
