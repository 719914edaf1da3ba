/* SPDX-License-Identifier: MPL-2.0
 *
 * A generation: the settings and the sealed bundle that a set of workers is started with. Never changed once made; a
 * reload makes the next one.
 */
#ifndef FAIRVISOR_MASTER_GENERATION_H
#define FAIRVISOR_MASTER_GENERATION_H

#include <stdbool.h>
#include <stdint.h>

#include "master/copies.h"
#include "master/loop.h"
#include "master/options.h"
#include "master/privileges.h"
#include "master/source.h"
#include "master/vet.h"
#include "shm/failure.h"
#include "shm/settings.h"

struct generation {
    uint32_t number; /* from 1; 0 = there is none */
    struct settings settings;
    struct source source; /* the bundle's bytes */
    struct vet_report report;
    int64_t loaded_at_ns; /* wall clock */
    int bundle_fd;        /* sealed */
    struct copies copies; /* of the files that keys are looked up in */
};

/* Takes over GIVEN or, when it is NULL, reads the bundle that SETTINGS name; vets and seals it. The complaints are in
 * GENERATION->report also when it fails. SERVED: see vet_bundle. */
bool generation_init(struct generation *generation, uint32_t number, const struct settings *settings,
                     struct source *given, const struct vet_served *served, struct loop *loop,
                     const struct privileges *privileges, struct failure *failure);

/* Closes and frees what the generation holds; its workers have descriptors of their own. */
void generation_fini(struct generation *generation);

#endif
