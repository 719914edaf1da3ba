/* SPDX-License-Identifier: MPL-2.0
 *
 * What each byte of a head may be part of (RFC 9110 5.6.2 and 5.5, RFC 3986).
 */
#include "worker/run.h"

const uint8_t run_roles[256] = {
    ['\t'] = RUN_VALUE,
    [' '] = RUN_VALUE,
    ['!'] = RUN_NAME | RUN_TARGET | RUN_VALUE | RUN_HOST,
    ['"'] = RUN_TARGET | RUN_VALUE,
    ['#'] = RUN_NAME | RUN_TARGET | RUN_VALUE,
    ['$' ... '\''] = RUN_NAME | RUN_TARGET | RUN_VALUE | RUN_HOST,
    ['(' ... ')'] = RUN_TARGET | RUN_VALUE | RUN_HOST,
    ['*' ... '+'] = RUN_NAME | RUN_TARGET | RUN_VALUE | RUN_HOST,
    [','] = RUN_TARGET | RUN_VALUE,
    ['-' ... '.'] = RUN_NAME | RUN_TARGET | RUN_VALUE | RUN_HOST,
    ['/'] = RUN_TARGET | RUN_VALUE,
    ['0' ... '9'] = RUN_NAME | RUN_TARGET | RUN_VALUE | RUN_HOST,
    [':'] = RUN_TARGET | RUN_VALUE,
    [';'] = RUN_TARGET | RUN_VALUE | RUN_HOST,
    ['<'] = RUN_TARGET | RUN_VALUE,
    ['='] = RUN_TARGET | RUN_VALUE | RUN_HOST,
    ['>' ... '@'] = RUN_TARGET | RUN_VALUE,
    ['A' ... 'Z'] = RUN_NAME | RUN_TARGET | RUN_VALUE | RUN_HOST,
    ['[' ... ']'] = RUN_TARGET | RUN_VALUE,
    ['^'] = RUN_NAME | RUN_TARGET | RUN_VALUE,
    ['_'] = RUN_NAME | RUN_TARGET | RUN_VALUE | RUN_HOST,
    ['`'] = RUN_NAME | RUN_TARGET | RUN_VALUE,
    ['a' ... 'z'] = RUN_NAME | RUN_TARGET | RUN_VALUE | RUN_HOST,
    ['{'] = RUN_TARGET | RUN_VALUE,
    ['|'] = RUN_NAME | RUN_TARGET | RUN_VALUE,
    ['}'] = RUN_TARGET | RUN_VALUE,
    ['~'] = RUN_NAME | RUN_TARGET | RUN_VALUE | RUN_HOST,
    [0x80 ... 0xff] = RUN_VALUE,
};
