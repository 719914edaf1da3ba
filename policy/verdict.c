/* SPDX-License-Identifier: MPL-2.0
 *
 * The table of reasons.
 */
#include "policy/verdict.h"

const struct reason_row verdict_reasons[REASON_COUNT] = {
    [REASON_NONE] = {"", 200, true, "The request is allowed."},
#define REASON(symbol, status, retry, help) [REASON_##symbol] = {#symbol, status, retry, help},
#include "policy/reasons.def"
#undef REASON
};

const char *verdict_help(const struct verdict *verdict)
{
    if (verdict->has_limit && verdict->limit.needed > 0)
        return "The request is larger than the whole limit, so it never fits.";
    return verdict_reasons[verdict->reason].help;
}
