# SPDX-License-Identifier: MPL-2.0
noinst_LIBRARIES += libpolicy.a
libpolicy_a_SOURCES = \
	policy/complaint.c policy/complaint.h \
	policy/decimal.c policy/decimal.h \
	policy/fields.c policy/fields.def policy/fields.h \
	policy/iso8601.c policy/iso8601.h \
	policy/json.c policy/json.h \
	policy/json_gate.c policy/json_gate.h \
	policy/region.c policy/region.h
libpolicy_a_CPPFLAGS = $(AM_CPPFLAGS) $(CRYPTO_CFLAGS) $(JWT_CFLAGS)

# Judging.
libpolicy_a_SOURCES += \
	policy/decide.c policy/decide.h policy/decide_private.h \
	policy/decide_rules.c policy/decide_counts.c \
	policy/verdict.c policy/verdict.h policy/reasons.def
