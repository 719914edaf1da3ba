/* SPDX-License-Identifier: MPL-2.0
 *
 * The files that keys of a policy are looked up in, for commands that judge without the service.
 */
#ifndef FAIRVISOR_CLI_LOOKUP_H
#define FAIRVISOR_CLI_LOOKUP_H

#include <stdbool.h>

#include "policy/bundle.h"
#include "policy/complaint.h"
#include "policy/references.h"
#include "shm/failure.h"
#include "shm/settings.h"

/* Of the bits WANTED (1 << enum settings_reference), those for which SETTINGS name no file and none is packaged. */
unsigned lookup_find_missing(const struct settings *settings, unsigned wanted);

/* What the service under SETTINGS has to say about BUNDLE, and the bundle itself cannot know: COMPLAINTS get one of SEVERITY
 * when a file is missing that its keys are looked up in, as the service would refuse it then, and lose the warning about
 * unverified claims when there are keys to verify tokens with. */
void lookup_complain(const struct settings *settings, const struct bundle *bundle, enum complaint_severity severity,
                     struct complaint_list *complaints);

/* Opens the files of the bits WANTED, as far as there are any. references_close also after false. */
bool lookup_open(const struct settings *settings, unsigned wanted, struct references *references,
                 struct failure *failure);

/* Opens the key set in the file PATH alone, as references.token_keys. references_close also after false. */
bool lookup_open_keys(const char *path, struct references *references, struct failure *failure);

#endif
