/* SPDX-License-Identifier: MPL-2.0
 *
 * read -> vet -> seal.
 */
#include "master/generation.h"

#include <string.h>
#include <unistd.h>

#include "shm/moment.h"
#include "shm/sealed.h"

bool generation_init(struct generation *generation, uint32_t number, const struct settings *settings,
                     struct source *given, const struct vet_served *served, struct loop *loop,
                     const struct privileges *privileges, struct failure *failure)
{
    const char *path = settings->config_file;

    memset(generation, 0, sizeof(*generation));
    generation->number = number;
    generation->settings = *settings;
    generation->bundle_fd = -1;
    generation->loaded_at_ns = moment_now().wall_ns;
    if (given) {
        generation->source = *given;
        *given = (struct source){.bytes = NULL};
    }
    if ((!given && !source_read(path, &generation->source, failure)) || !copies_make(settings, &generation->copies, failure) ||
        !vet_bundle(loop, &generation->source, settings, &generation->copies, served, privileges, &generation->report,
                    failure) ||
        !generation->report.is_valid)
        return false;
    generation->bundle_fd = sealed_create(number, generation->loaded_at_ns, generation->source.digest,
                                          (struct slice){generation->source.bytes, generation->source.size});
    if (generation->bundle_fd < 0)
        return failure_set_errno(failure, EXIT_CODE_OS, "the bundle %s could not be sealed",
                                 source_name(&generation->source, path));
    return true;
}

void generation_fini(struct generation *generation)
{
    source_free(&generation->source);
    copies_close(&generation->copies);
    if (generation->number > 0 && generation->bundle_fd >= 0)
        close(generation->bundle_fd);
    generation->bundle_fd = -1;
    generation->number = 0;
}
