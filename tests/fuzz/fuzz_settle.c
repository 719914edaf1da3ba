/* SPDX-License-Identifier: MPL-2.0
 *
 * The body of a settlement. Figures that are taken are counts of tokens; what is refused comes with a sentence.
 */
#include "policy/estimate.h"
#include "tests/fuzz/entry.h"
#include "worker/settle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = entry_copy(data, size);
    struct region *region = region_new();
    struct settle_demand demand = {0};
    struct outbox complaint;

    MUST(region && outbox_init(&complaint, 256));
    if (settle_read(text, region, &demand, &complaint)) {
        MUST(complaint.used == 0);
        MUST(demand.usage.in_total >= 0 && demand.usage.in_total <= ESTIMATE_MOST);
        MUST(demand.usage.out_total >= 0 && demand.usage.out_total <= ESTIMATE_MOST);
        MUST(demand.usage.in_cached >= 0 && demand.usage.in_cached <= ESTIMATE_MOST);
    } else {
        MUST(complaint.used > 0);
    }
    outbox_fini(&complaint);
    region_free(region);
    entry_free(text);
    return 0;
}
