/* SPDX-License-Identifier: MPL-2.0
 *
 * What the keys ip:country, ip:asn, ip:type, ip:tor, ua:bot and ua:bot_category look their answers up in, and the keys
 * that verify the tokens of jwt: keys: the files that the settings of enum settings_reference name, opened and parsed.
 * Immutable once made.
 *
 * The only part of policy/ that touches files, and only by descriptors it is given: the library of the databases maps a
 * file by its name, and that name is made here of the descriptor's number.
 */
#ifndef FAIRVISOR_POLICY_REFERENCES_H
#define FAIRVISOR_POLICY_REFERENCES_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/asn_types.h"
#include "policy/bots.h"
#include "policy/geoip.h"
#include "policy/jwks.h"
#include "policy/networks.h"
#include "shm/failure.h"
#include "shm/settings.h"

struct references { /* NULL: not there */
    struct geoip *countries, *numbers;
    struct asn_types *types;
    struct networks *tor;
    struct bots *bots;
    struct jwks *token_keys;
};

/* Opens what FDS hold; -1: nothing. NAMES are what sentences call the files. The descriptors may be closed afterwards.
 * false with all of it closed again, EXIT_CODE_BAD_CONFIG when a file is not what it should be. Needs /proc. */
bool references_open(const int fds[SETTINGS_REFERENCES], const char *const names[SETTINGS_REFERENCES],
                     struct references *references, struct failure *failure);
void references_close(struct references *references);

/* Reads all of the databases: see geoip_check. */
bool references_check(const struct references *references, const char *const names[SETTINGS_REFERENCES],
                      struct failure *failure);

/* What is to be said when the bits MISSING (1 << enum settings_reference) of a bundle's needs are not set: "the key
 * ip:country needs the setting geoip_country_db". */
#define REFERENCES_SENTENCE_SIZE 256
void references_explain(unsigned missing, char sentence[REFERENCES_SENTENCE_SIZE]);

#endif
