/* SPDX-License-Identifier: MPL-2.0
 *
 * From bytes to a compiled policy, or to complaints.
 */
#ifndef FAIRVISOR_POLICY_LOAD_H
#define FAIRVISOR_POLICY_LOAD_H

#include <stdint.h>

#include "policy/bundle.h"
#include "policy/complaint.h"
#include "shm/slice.h"

#define LOAD_MAX_BYTES  (UINT64_C(64) << 20)
#define LOAD_MAX_TOKENS ((size_t)8 << 20) /* JSON values and member names */

/* Code of the warning about jwt: keys, for those who know of keys that verify tokens: see load_suit_settings. */
#define LOAD_UNVERIFIED_JWT "unverified_jwt"
/* Codes of warnings that hold only for answers to a gateway: whoever knows that the mode is another removes them. */
#define LOAD_LONG_DELAY "long_delay"
#define LOAD_UNSETTLED  "unsettled"
#define LOAD_PROXY_ONLY "proxy_only"

/* Code of the warning about a path that is written like a pattern. */
#define LOAD_LITERAL_PATH "literal_path"

/* Code of the warning about a value that looks like the hash that is shown in the place of one. */
#define LOAD_HASHED_VALUE "hashed_value"

/* Builds the policy from TEXT, judged at the wall-clock time NOW (seconds). Returns it, owned by the caller
 * (bundle_free), or NULL when complaints->errors > 0; warnings alone do not stop it. TEXT need not outlive the call.
 * Initializes COMPLAINTS. */
struct bundle *load_bundle(struct slice text, int64_t now, struct complaint_list *complaints);

/* Removes the warnings about what the settings have seen to: VERIFIES_TOKENS: there are keys for them; ANSWERS_GATEWAYS:
 * the mode is that of the decision service. */
void load_suit_settings(struct complaint_list *complaints, bool verifies_tokens, bool answers_gateways);

/* Reads the key TEXT, as a descriptor's text spells it, into DESCRIPTOR, whose slices point into TEXT. false when it is
 * none. Allocates nothing and complains to nobody. */
bool load_key_parse(struct slice text, struct descriptor *descriptor);

#endif
