/* SPDX-License-Identifier: MPL-2.0
 *
 * Token estimates of multipart forms, as which sound and pictures are sent to models (RFC 7578).
 */
#ifndef FAIRVISOR_POLICY_ESTIMATE_FORM_H
#define FAIRVISOR_POLICY_ESTIMATE_FORM_H

#include "policy/estimate.h"

/* Estimates BODY, the form that CONTENT_TYPE says it is: a part that is a file counts like media in JSON, of the others their text. false:
 * it is none, or keeps not to its boundary; then ESTIMATE stays as it was. */
bool estimate_form(struct slice body, struct slice content_type, struct estimate *estimate);

#endif
