# SPDX-License-Identifier: MPL-2.0
noinst_LIBRARIES += libpolicy.a
libpolicy_a_SOURCES = \
	policy/bundle.c policy/bundle.h \
	policy/base64url.c policy/base64url.h \
	policy/certificates.c policy/certificates.h \
	policy/claims.c policy/claims.h \
	policy/complaint.c policy/complaint.h \
	policy/decimal.c policy/decimal.h \
	policy/descriptor.c policy/descriptor.h \
	policy/digest.c policy/digest.h \
	policy/facts.c policy/facts.h \
	policy/fields.c policy/fields.def policy/fields.h policy/hints.def \
	policy/iso8601.c policy/iso8601.h \
	policy/json.c policy/json.h \
	policy/json_escape.c policy/json_escape.h \
	policy/json_gate.c policy/json_gate.h \
	policy/lint.c policy/lint_costs.c policy/lint_formats.c policy/lint_keys.c policy/lint_switches.c \
	policy/load.c policy/load.h policy/load_private.h \
	policy/load_algorithm.c policy/load_key.c policy/load_key_value.c policy/load_object.c policy/load_policy.c \
	policy/load_prices.c policy/load_rule.c policy/load_selector.c policy/load_switches.c policy/load_value.c \
	policy/load_word.c \
	policy/match.c policy/match.h \
	policy/path.c policy/path.h \
	policy/prices.c policy/prices.h \
	policy/print.c policy/print.h \
	policy/region.c policy/region.h
libpolicy_a_CPPFLAGS = $(AM_CPPFLAGS) $(CRYPTO_CFLAGS) $(JWT_CFLAGS) $(MAXMINDDB_CFLAGS)
libpolicy_a_CFLAGS = $(AM_CFLAGS) $(LTO_CFLAGS)

# What keys such as ip:country and ua:bot are looked up in.
libpolicy_a_SOURCES += \
	policy/asn_types.c policy/asn_types.h policy/bots.c policy/bots.h policy/geoip.c policy/geoip.h \
	policy/lines.c policy/lines.h policy/networks.c policy/networks.h policy/origin.c policy/origin.h \
	policy/references.c policy/references.h

# Judging.
libpolicy_a_SOURCES += \
	policy/decide.c policy/decide.h policy/decide_private.h \
	policy/decide_prepare.c policy/decide_rules.c policy/decide_limits.c policy/decide_guards.c \
	policy/decide_metering.c policy/decide_money.c policy/decide_counts.c policy/decide_notes.c \
	policy/decide_reserve.c policy/decide_reserve_write.c policy/decide_owed.c \
	policy/decide_cells.c policy/decide_cells.h policy/decide_kills.c policy/switch_words.c policy/switch_words.h \
	policy/calendar.c policy/calendar.h policy/endpoint.c policy/endpoint.h policy/estimate.c policy/estimate.h policy/estimate_names.c \
	policy/estimate_names.h policy/estimate_form.c policy/estimate_form.h \
	policy/quote.c policy/quote.h \
	policy/body_edit.c policy/body_edit.h policy/model.c policy/model.h policy/reservation.c policy/reservation.h \
	policy/json_flow.c policy/json_flow.h policy/usage.c policy/usage.h policy/usage_reader.c policy/usage_reader.h \
	policy/usage_reader_sum.c policy/usage_places.c policy/usage_places.h \
	policy/verdict.c policy/verdict.h policy/reasons.def

# Decisions as events.
libpolicy_a_SOURCES += policy/decide_events.c policy/decide_redact.c

# Tokens and the keys that verify them.
libpolicy_a_SOURCES += \
	policy/jwks.c policy/jwks.h policy/jwks_key.c policy/jwks_key.h policy/jwks_material.c policy/jwks_material.h \
	policy/jwks_members.c policy/jwks_members.h \
	policy/jwt.c policy/jwt.h policy/jwt_faults.def policy/jwt_algorithm.c policy/jwt_algorithm.h \
	policy/jwt_shape.c policy/jwt_shape.h

# What one bundle demands otherwise than another.
libpolicy_a_SOURCES += \
	policy/difference.c policy/difference.h policy/difference_private.h policy/difference_bundle.c \
	policy/difference_policy.c policy/difference_rule.c policy/difference_zero.c
