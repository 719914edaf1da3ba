/* SPDX-License-Identifier: MPL-2.0
 *
 * The bundle that an instance serves, from the copy that its master keeps in the runtime folder, with a decider on the
 * instance's arena: for whoever looks into cells for a while, during which it may be replaced by a reload.
 */
#ifndef FAIRVISOR_CLI_BUNDLE_COPY_H
#define FAIRVISOR_CLI_BUNDLE_COPY_H

#include "cli/instance.h"
#include "policy/bundle.h"
#include "policy/decide.h"

struct bundle_copy {
    struct bundle *bundle;   /* NULL: the copy cannot be read, or is not of what is served */
    struct decider *decider; /* likewise */
    struct arena arena;      /* the decider's view of it */
    uint32_t generation;
    char hash[65]; /* of the bundle */
};

/* Makes COPY, which begins as zeros, that of what INSTANCE, which is open, serves by its status. Cheap when it is that already. */
void bundle_copy_refresh(struct bundle_copy *copy, const struct instance *instance);

void bundle_copy_free(struct bundle_copy *copy);

#endif
