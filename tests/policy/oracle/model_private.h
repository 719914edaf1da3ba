/* SPDX-License-Identifier: MPL-2.0
 *
 * Private to tests/policy/oracle/model*.c.
 */
#ifndef FAIRVISOR_TESTS_POLICY_ORACLE_MODEL_PRIVATE_H
#define FAIRVISOR_TESTS_POLICY_ORACLE_MODEL_PRIVATE_H

#include "tests/policy/oracle/model.h"

/* First value of the query parameter NAME, decoded; NULL = absent. */
const char *model_match_parameter(const struct world_ask *ask, const char *name);

/* Value of a key, NULL when the request has none. */
const char *model_match_value(const struct world_ask *ask, enum world_key key);

bool model_match_condition(const struct world_ask *ask, enum world_key key, int value);
bool model_match_policy(const struct world_policy *policy, const struct world_ask *ask);
bool model_match_holds(const struct world_override *override, int64_t wall_ns);
bool model_match_switch(const struct world_bundle *bundle, const struct world_step *step);

/* Price of the model at index MODEL of world_models; NULL when it has none. */
const struct world_price *model_money_price(const struct world_bundle *bundle, int model);

/* What tokens cost, of which CACHED of the prompt were cached; millionths, rounded up. */
int64_t model_money_cost(const struct world_price *price, int64_t prompt, int64_t cached, int64_t completion);

/* Appends what one matching policy demands of a request. SHADOW as in struct model_demand. */
void model_demand_policy(const struct world_policy *policy, const struct world_step *step, int shadow,
                         struct model_verdict *verdict);

/* Limit of a rule's bucket or window. IS_DAY: the day of a token budget. false when the rule has none such. */
bool model_demand_limit(const struct world_rule *rule, bool is_day, int64_t wall_ns, struct model_limit *limit);

#endif
