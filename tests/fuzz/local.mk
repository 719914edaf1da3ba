# SPDX-License-Identifier: MPL-2.0

# Fuzz targets: programs of libFuzzer with --enable-fuzz (make fuzz TIME=60, or RUNS=50000000), else programs that
# read files, for make check.
fuzz_targets = \
	tests/fuzz/fuzz_address tests/fuzz/fuzz_arena tests/fuzz/fuzz_bundle tests/fuzz/fuzz_chunk tests/fuzz/fuzz_events \
	tests/fuzz/fuzz_frames tests/fuzz/fuzz_http tests/fuzz/fuzz_jwks tests/fuzz/fuzz_jwt tests/fuzz/fuzz_lists \
	tests/fuzz/fuzz_logs tests/fuzz/fuzz_meter tests/fuzz/fuzz_prices tests/fuzz/fuzz_request_body \
	tests/fuzz/fuzz_reservation tests/fuzz/fuzz_response tests/fuzz/fuzz_settings tests/fuzz/fuzz_settle \
	tests/fuzz/fuzz_snapshot
fuzz_libraries = libworker.a libpolicy.a libshm.a $(UV_LIBS) $(HTTP_PARSER_LIBS) $(SSL_LIBS) $(CRYPTO_LIBS) $(JWT_LIBS)
if FUZZ
fuzz_main =
fuzz_ldflags = $(AM_LDFLAGS) -fsanitize=fuzzer
else
fuzz_main = tests/fuzz/replay.c
fuzz_ldflags = $(AM_LDFLAGS)
endif
check_PROGRAMS += $(fuzz_targets)
TESTS += tests/fuzz/replay-corpus
EXTRA_DIST += tests/fuzz/replay-corpus tests/fuzz/run tests/fuzz/targets tests/fuzz/corpus tests/fuzz/entry.h \
	tests/fuzz/world.h tests/fuzz/replay.c
tests_fuzz_fuzz_address_SOURCES = tests/fuzz/fuzz_address.c $(fuzz_main)
tests_fuzz_fuzz_address_LDADD = $(fuzz_libraries)
tests_fuzz_fuzz_address_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_arena_SOURCES = tests/fuzz/fuzz_arena.c $(fuzz_main)
tests_fuzz_fuzz_arena_LDADD = $(fuzz_libraries)
tests_fuzz_fuzz_arena_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_bundle_SOURCES = tests/fuzz/fuzz_bundle.c $(fuzz_main)
tests_fuzz_fuzz_bundle_LDADD = $(fuzz_libraries)
tests_fuzz_fuzz_bundle_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_chunk_SOURCES = tests/fuzz/fuzz_chunk.c $(fuzz_main)
tests_fuzz_fuzz_chunk_LDADD = $(fuzz_libraries)
tests_fuzz_fuzz_chunk_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_events_SOURCES = tests/fuzz/fuzz_events.c cli/event_line.c $(fuzz_main)
tests_fuzz_fuzz_events_LDADD = $(fuzz_libraries)
tests_fuzz_fuzz_events_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_frames_SOURCES = tests/fuzz/fuzz_frames.c master/letter.c $(fuzz_main)
tests_fuzz_fuzz_frames_LDADD = $(fuzz_libraries)
tests_fuzz_fuzz_frames_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_http_SOURCES = tests/fuzz/fuzz_http.c $(fuzz_main)
tests_fuzz_fuzz_http_LDADD = $(fuzz_libraries)
tests_fuzz_fuzz_http_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_jwks_SOURCES = tests/fuzz/fuzz_jwks.c $(fuzz_main)
tests_fuzz_fuzz_jwks_LDADD = $(fuzz_libraries)
tests_fuzz_fuzz_jwks_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_jwt_SOURCES = tests/fuzz/fuzz_jwt.c $(fuzz_main)
tests_fuzz_fuzz_jwt_LDADD = $(fuzz_libraries)
tests_fuzz_fuzz_jwt_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_lists_SOURCES = tests/fuzz/fuzz_lists.c $(fuzz_main)
tests_fuzz_fuzz_lists_LDADD = $(fuzz_libraries)
tests_fuzz_fuzz_lists_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_logs_SOURCES = tests/fuzz/fuzz_logs.c cli/access_log.c cli/json_keys.c cli/json_log.c cli/json_value.c \
	cli/record.c $(fuzz_main)
tests_fuzz_fuzz_logs_LDADD = $(fuzz_libraries)
tests_fuzz_fuzz_logs_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_meter_SOURCES = tests/fuzz/fuzz_meter.c $(fuzz_main)
tests_fuzz_fuzz_meter_LDADD = $(fuzz_libraries)
tests_fuzz_fuzz_meter_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_prices_SOURCES = tests/fuzz/fuzz_prices.c $(fuzz_main)
tests_fuzz_fuzz_prices_LDADD = $(fuzz_libraries)
tests_fuzz_fuzz_prices_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_request_body_SOURCES = tests/fuzz/fuzz_request_body.c $(fuzz_main)
tests_fuzz_fuzz_request_body_LDADD = $(fuzz_libraries)
tests_fuzz_fuzz_request_body_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_reservation_SOURCES = tests/fuzz/fuzz_reservation.c $(fuzz_main)
tests_fuzz_fuzz_reservation_LDADD = $(fuzz_libraries)
tests_fuzz_fuzz_reservation_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_response_SOURCES = tests/fuzz/fuzz_response.c $(fuzz_main)
tests_fuzz_fuzz_response_LDADD = $(fuzz_libraries)
tests_fuzz_fuzz_response_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_settings_SOURCES = tests/fuzz/fuzz_settings.c $(fuzz_main)
tests_fuzz_fuzz_settings_LDADD = $(fuzz_libraries)
tests_fuzz_fuzz_settings_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_settle_SOURCES = tests/fuzz/fuzz_settle.c $(fuzz_main)
tests_fuzz_fuzz_settle_LDADD = $(fuzz_libraries)
tests_fuzz_fuzz_settle_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_snapshot_SOURCES = tests/fuzz/fuzz_snapshot.c $(fuzz_main)
tests_fuzz_fuzz_snapshot_LDADD = $(fuzz_libraries)
tests_fuzz_fuzz_snapshot_LDFLAGS = $(fuzz_ldflags)

.PHONY: fuzz
fuzz: $(fuzz_targets)
	TIME='$(TIME)' RUNS='$(RUNS)' TARGETS='$(TARGETS)' srcdir='$(srcdir)' $(SHELL) $(srcdir)/tests/fuzz/run
