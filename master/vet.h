/* SPDX-License-Identifier: MPL-2.0
 *
 * Judges a bundle in a throw-away process: the bytes are a stranger's, and a parser that dies of them must not take the
 * master along.
 */
#ifndef FAIRVISOR_MASTER_VET_H
#define FAIRVISOR_MASTER_VET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "master/copies.h"
#include "master/loop.h"
#include "master/privileges.h"
#include "master/source.h"
#include "policy/complaint.h"
#include "shm/failure.h"

#define VET_VERSION_SIZE 64 /* as in struct arena_status */

/* Said wherever a bundle that selects by hosts is loaded with mode = reverse_proxy. */
#define VET_CHOSEN_HOST                                                                                           \
    "hosts: in reverse proxy mode the client chooses its Host field, and the backend is the same for all: a request that " \
    "names another host is not limited by such a policy; let one without hosts, or defaults.unmatched, catch the others"

/* Said wherever a bundle that uses jwt: keys is loaded without jwt_keys_file. */
#define VET_UNVERIFIED_CLAIMS                                                                                     \
    "jwt: keys are read without verifying signatures, for jwt_keys_file is not set: this is right only behind a " \
    "gateway that has verified them"

/* Said wherever vet_trusts_everybody. */
#define VET_TRUSTS_EVERYBODY                                                                                       \
    "trusted_proxies has every address (/0): whoever can connect chooses the address that he is counted by, and more; name " \
    "the gateways' networks alone"

/* Said of a key set with keys of no use here; takes their number, a uint32_t. */
#define VET_KEYS_LEFT_OUT "keys in jwt_keys_file that are left out, for they are there to encrypt (use is enc): %u"

#define VET_SHOWN_KEY \
    "the file of tls_key can be read by every user of this machine: take that right away (chmod o-r), and replace the key " \
    "if others may have read it"

/* Travels through a pipe as bytes; vet_bundle checks every field of it. `code` of the complaints is not kept. */
struct vet_report {
    uint32_t is_valid; /* 0 or 1 */
    uint32_t policy_count;
    uint32_t rule_count;
    uint32_t kill_switch_count;
    uint32_t trusts_claims; /* 0 or 1: it uses jwt: keys, and there is nothing to verify tokens with */
    uint32_t trusts_hosts;  /* 0 or 1: policies select by the client's Host, and whatever it says is passed on */
    uint32_t at_zero;       /* rules that begin at zero after a reload, for none before counted in the same place */
    uint32_t keys_left_out; /* of the key set: see struct jwks */
    uint32_t shows_key;     /* 0 or 1: every user of the machine can read tls_key */
    int64_t expires_at;     /* of the bundle, seconds since 1970; 0: never */
    int64_t certificate_ends_at; /* of tls_cert, the same; 0: there is none */
    char version_text[VET_VERSION_SIZE];
    struct failure references; /* what is wrong with the files that keys are looked up in; EXIT_CODE_OK: nothing */
    struct complaint_list complaints;
};

/* What is served until now; rules of a new bundle are compared with it. */
struct vet_served {
    const struct source *source;
    int64_t loaded_at_ns; /* wall clock */
};

/* Vets SOURCE, the bundle that SETTINGS name, and COPIES, which it may need, turning LOOP until the child is done.
 * true: REPORT is filled (is_valid may be 0: then FAILURE holds the one sentence and EXIT_CODE_BAD_BUNDLE). false: the
 * child could not do its work, EXIT_CODE_OUR_BUG or EXIT_CODE_OS; or COPIES cannot be used, EXIT_CODE_BAD_CONFIG. SERVED may
 * be NULL: nothing is. */
bool vet_bundle(struct loop *loop, const struct source *source, const struct settings *settings,
                const struct copies *copies, const struct vet_served *served, const struct privileges *privileges,
                struct vet_report *report, struct failure *failure);

/* Whether trusted_proxies leaves out nobody who speaks IPv4, or IPv6. */
bool vet_trusts_everybody(const struct settings *settings);

/* One sentence about the certificate of REPORT when it has expired, or will within a week; or else false. */
bool vet_print_certificate(const struct vet_report *report, char *line, size_t size);

/* "FILE:LINE:COL: error: SENTENCE (POINTER)" */
void vet_print_complaint(const struct complaint *complaint, const char *path, char *line, size_t size);

#endif
