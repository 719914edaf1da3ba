# SPDX-License-Identifier: MPL-2.0

# Lints: scripts that read the sources and the built objects; each can fail, which tests/lint/self-test proves.
lint_scripts = tests/lint/include-arrows tests/lint/symbol-names tests/lint/house-rules tests/lint/self-test
TESTS += $(lint_scripts)
EXTRA_DIST += $(lint_scripts)

# A test that hangs is ended, but the limits of Check (4 s, unless a test says more) are for a machine that does nothing else.
AM_TESTS_ENVIRONMENT = CK_TIMEOUT_MULTIPLIER=$${CK_TIMEOUT_MULTIPLIER-20}; export CK_TIMEOUT_MULTIPLIER;

# What the tests of a build with --enable-coverage reach.
EXTRA_DIST += tests/coverage-report tests/coverage-kept

# shm: settings and the ground floor.
shm_ground_tests = \
	tests/shm/test_address tests/shm/test_failure tests/shm/test_log tests/shm/test_moment tests/shm/test_near tests/shm/test_quantity \
	tests/shm/test_settings tests/shm/test_utf8
check_PROGRAMS += $(shm_ground_tests)
TESTS += $(shm_ground_tests)
tests_shm_test_address_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_shm_test_address_LDADD = libshm.a $(CHECK_LIBS)
tests_shm_test_failure_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_shm_test_failure_LDADD = libshm.a $(CHECK_LIBS)
tests_shm_test_log_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_shm_test_log_LDADD = libshm.a $(CHECK_LIBS)
tests_shm_test_moment_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_shm_test_moment_LDADD = libshm.a $(CHECK_LIBS)
tests_shm_test_near_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_shm_test_near_LDADD = libshm.a $(CHECK_LIBS)
tests_shm_test_quantity_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_shm_test_quantity_LDADD = libshm.a $(CHECK_LIBS)
tests_shm_test_settings_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_shm_test_settings_LDADD = libshm.a $(CHECK_LIBS)
tests_shm_test_utf8_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_shm_test_utf8_LDADD = libshm.a $(CHECK_LIBS)

# master: each test links only the files it is about.
master_tests = \
	tests/master/test_backend_watch tests/master/test_fullness tests/master/test_letter tests/master/test_listeners tests/master/test_logsink \
	tests/master/test_options tests/master/test_pidfile tests/master/test_pulse tests/master/test_respawn tests/master/test_vet
check_PROGRAMS += $(master_tests)
TESTS += $(master_tests)
tests_master_test_backend_watch_SOURCES = tests/master/test_backend_watch.c master/backend_watch.c master/loop.c
tests_master_test_backend_watch_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_master_test_backend_watch_LDADD = libshm.a $(CHECK_LIBS)
tests_master_test_fullness_SOURCES = tests/master/test_fullness.c master/fullness.c master/loop.c
tests_master_test_fullness_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_master_test_fullness_LDADD = libshm.a $(CHECK_LIBS)
tests_master_test_listeners_SOURCES = tests/master/test_listeners.c master/listeners.c master/bind.c master/holder.c
tests_master_test_listeners_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_master_test_listeners_LDADD = libshm.a $(CHECK_LIBS)
tests_master_test_logsink_SOURCES = tests/master/test_logsink.c master/logsink.c master/loop.c
tests_master_test_logsink_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_master_test_logsink_LDADD = libpolicy.a libshm.a $(CHECK_LIBS)
tests_master_test_options_SOURCES = tests/master/test_options.c master/options.c
tests_master_test_options_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_master_test_options_LDADD = libshm.a $(CHECK_LIBS)
tests_master_test_pidfile_SOURCES = tests/master/test_pidfile.c master/pidfile.c master/folders.c
tests_master_test_pidfile_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_master_test_pidfile_LDADD = libshm.a $(CHECK_LIBS)
tests_master_test_pulse_SOURCES = tests/master/test_pulse.c master/pulse.c
tests_master_test_pulse_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_master_test_pulse_LDADD = libshm.a $(CHECK_LIBS)
tests_master_test_respawn_SOURCES = tests/master/test_respawn.c master/respawn.c
tests_master_test_respawn_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_master_test_respawn_LDADD = libshm.a $(CHECK_LIBS)
tests_master_test_letter_SOURCES = tests/master/test_letter.c master/letter.c
tests_master_test_letter_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_master_test_letter_LDADD = libshm.a $(CHECK_LIBS)
tests_master_test_vet_SOURCES = tests/master/test_vet.c master/vet.c master/copies.c master/loop.c master/privileges.c master/source.c
tests_master_test_vet_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_master_test_vet_LDADD = libpolicy.a libshm.a $(CRYPTO_LIBS) $(JWT_LIBS) $(CHECK_LIBS)

# The arena and what lives in it.
shm_arena_tests = tests/shm/test_siphash tests/shm/test_cell tests/shm/test_stripe tests/shm/test_arena \
	tests/shm/test_arena_faults tests/shm/test_admission tests/shm/test_snapshot tests/shm/test_correction \
	tests/shm/test_flights tests/shm/test_kept tests/shm/test_kills
check_PROGRAMS += $(shm_arena_tests)
TESTS += $(shm_arena_tests)
EXTRA_DIST += tests/shm/arena_fixture.h tests/shm/step.h
tests_shm_test_siphash_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(CRYPTO_CFLAGS)
tests_shm_test_siphash_LDADD = libshm.a $(CHECK_LIBS) $(CRYPTO_LIBS)
tests_shm_test_cell_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_shm_test_cell_LDADD = libshm.a $(CHECK_LIBS)
tests_shm_test_stripe_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_shm_test_stripe_LDADD = libshm.a $(CHECK_LIBS)
tests_shm_test_arena_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_shm_test_arena_LDADD = libshm.a $(CHECK_LIBS)
tests_shm_test_arena_faults_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_shm_test_arena_faults_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=fchown -Wl,--wrap=fchmod -Wl,--wrap=fstat -Wl,--wrap=getrandom \
	-Wl,--wrap=mmap -Wl,--wrap=shm_open -Wl,--wrap=shm_unlink -Wl,--wrap=pthread_mutexattr_init \
	-Wl,--wrap=pthread_mutexattr_setpshared -Wl,--wrap=pthread_mutexattr_setrobust -Wl,--wrap=pthread_mutexattr_settype \
	-Wl,--wrap=pthread_mutex_init -Wl,--wrap=pthread_mutex_consistent
tests_shm_test_arena_faults_LDADD = libshm.a $(CHECK_LIBS)
tests_shm_test_admission_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_shm_test_admission_LDADD = libshm.a $(CHECK_LIBS)
tests_shm_test_kills_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_shm_test_kills_LDADD = libshm.a $(CHECK_LIBS)
tests_shm_test_kept_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_shm_test_kept_LDADD = libshm.a $(CHECK_LIBS)
tests_shm_test_correction_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_shm_test_correction_LDADD = libshm.a $(CHECK_LIBS)
tests_shm_test_flights_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_shm_test_flights_LDADD = libshm.a $(CHECK_LIBS)
tests_shm_test_snapshot_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_shm_test_snapshot_LDADD = libshm.a $(CHECK_LIBS)

# Events: the ring.
check_PROGRAMS += tests/shm/test_events
TESTS += tests/shm/test_events
tests_shm_test_events_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_shm_test_events_LDADD = libshm.a $(CHECK_LIBS)

# cli: golden outputs, and the commands beside a living arena.
check_PROGRAMS += tests/cli/test_event_line tests/cli/test_instance
TESTS += tests/cli/test_event_line tests/cli/test_instance tests/cli/golden tests/cli/replay
tests_cli_test_event_line_SOURCES = tests/cli/test_event_line.c cli/event_line.c
tests_cli_test_event_line_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_cli_test_event_line_LDADD = libpolicy.a libshm.a $(CHECK_LIBS) $(CRYPTO_LIBS) $(JWT_LIBS)
tests_cli_test_instance_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_cli_test_instance_LDADD = libpolicy.a libshm.a $(CHECK_LIBS) $(CRYPTO_LIBS) $(JWT_LIBS)
EXTRA_DIST += tests/cli/golden tests/cli/replay tests/cli/bundles tests/cli/cases tests/cli/decisions.txt \
	tests/cli/lists tests/cli/logs tests/cli/tokens

# Worker: units, then a real worker under its launcher.
worker_units = tests/worker/test_syscalls tests/worker/test_response tests/worker/test_forward tests/worker/test_head \
	tests/worker/test_run tests/worker/test_chunk tests/worker/test_answer tests/worker/test_extract \
	tests/worker/test_timeouts tests/worker/test_settle tests/worker/test_hold
check_PROGRAMS += $(worker_units) tests/worker/launch
TESTS += $(worker_units) tests/worker/http-cases tests/worker/serving tests/worker/limits
EXTRA_DIST += tests/worker/http-cases tests/worker/serving tests/worker/limits tests/worker/worker_process.py \
	tests/worker/http/endpoints.txt tests/worker/http/framing.txt tests/worker/http/heads.txt \
	tests/worker/http/limits.txt
tests_worker_launch_LDADD = libshm.a
tests_worker_test_response_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_worker_test_response_LDADD = libworker.a $(CHECK_LIBS)
tests_worker_test_syscalls_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_worker_test_syscalls_LDADD = libworker.a libshm.a $(CHECK_LIBS)
tests_worker_test_forward_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(UV_CFLAGS)
tests_worker_test_forward_LDADD = libworker.a libpolicy.a libshm.a $(UV_LIBS) $(CRYPTO_LIBS) $(JWT_LIBS) $(CHECK_LIBS)
tests_worker_test_head_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_worker_test_head_LDADD = libworker.a $(CHECK_LIBS)
tests_worker_test_run_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_worker_test_run_LDADD = libworker.a $(CHECK_LIBS)
tests_worker_test_chunk_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_worker_test_chunk_LDADD = libworker.a $(HTTP_PARSER_LIBS) $(CHECK_LIBS)
tests_worker_test_answer_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_worker_test_answer_LDADD = libworker.a libpolicy.a $(CHECK_LIBS)
tests_worker_test_extract_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_worker_test_extract_LDADD = libworker.a libpolicy.a libshm.a $(CHECK_LIBS)
tests_worker_test_timeouts_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_worker_test_timeouts_LDADD = libworker.a $(CHECK_LIBS)
tests_worker_test_settle_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(UV_CFLAGS)
tests_worker_test_settle_LDADD = libworker.a libpolicy.a libshm.a $(UV_LIBS) $(CRYPTO_LIBS) $(JWT_LIBS) $(CHECK_LIBS)
tests_worker_test_hold_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(UV_CFLAGS)
tests_worker_test_hold_LDADD = libworker.a $(UV_LIBS) $(CHECK_LIBS)

# Verdicts, written as rules on one side and requests on the other.
check_PROGRAMS += tests/policy/test_decide
TESTS += tests/policy/test_decide
EXTRA_DIST += tests/policy/verdicts
tests_policy_test_decide_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_policy_test_decide_LDADD = libpolicy.a libshm.a $(CRYPTO_LIBS) $(JWT_LIBS) $(CHECK_LIBS)

# Manual pages are held against the tables and the programs.
check_PROGRAMS += tests/shm/print_settings tests/shm/print_metrics tests/policy/print_fields tests/policy/print_reasons
TESTS += tests/cli/manual
tests_shm_print_settings_LDADD = libshm.a
tests_shm_print_metrics_LDADD = libshm.a
tests_policy_print_reasons_LDADD = libpolicy.a libshm.a $(CRYPTO_LIBS) $(JWT_LIBS)
tests_policy_print_fields_LDADD = libpolicy.a libshm.a $(CRYPTO_LIBS) $(JWT_LIBS)
EXTRA_DIST += tests/cli/manual

# policy: the reading of bundles. Tests with few sources list them; the others need the whole loader.
policy_tests = \
	tests/policy/test_bundles tests/policy/test_claims tests/policy/test_complaint \
	tests/policy/test_decimal tests/policy/test_descriptor tests/policy/test_difference tests/policy/test_facts \
	tests/policy/test_fields tests/policy/test_iso8601 tests/policy/test_json \
	tests/policy/test_json_gate tests/policy/test_load tests/policy/test_match tests/policy/test_path \
	tests/policy/test_memory tests/policy/test_jwt_library tests/policy/test_print tests/policy/test_region
check_PROGRAMS += $(policy_tests)
TESTS += $(policy_tests)
EXTRA_DIST += tests/policy/bad tests/policy/good
tests_policy_test_bundles_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) -DPOLICY_CASES='"$(abs_top_srcdir)/tests/policy"'
tests_policy_test_bundles_LDADD = libpolicy.a libshm.a $(CRYPTO_LIBS) $(CHECK_LIBS)
tests_policy_test_claims_SOURCES = tests/policy/test_claims.c policy/base64url.c policy/claims.c policy/json.c policy/json_escape.c \
	policy/json_gate.c policy/jwt_shape.c policy/region.c
tests_policy_test_claims_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(JWT_CFLAGS)
tests_policy_test_claims_LDADD = libshm.a $(JWT_LIBS) $(CHECK_LIBS)
tests_policy_test_complaint_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_policy_test_complaint_LDADD = libpolicy.a libshm.a $(CRYPTO_LIBS) $(CHECK_LIBS)
tests_policy_test_decimal_SOURCES = tests/policy/test_decimal.c policy/decimal.c
tests_policy_test_decimal_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_policy_test_decimal_LDADD = $(CHECK_LIBS)
tests_policy_test_descriptor_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_policy_test_descriptor_LDADD = libpolicy.a libshm.a $(CRYPTO_LIBS) $(CHECK_LIBS)
tests_policy_test_difference_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_policy_test_difference_LDADD = libpolicy.a libshm.a $(CRYPTO_LIBS) $(CHECK_LIBS)
tests_policy_test_facts_SOURCES = tests/policy/test_facts.c policy/facts.c
tests_policy_test_facts_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_policy_test_facts_LDADD = $(CHECK_LIBS)
tests_policy_test_fields_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_policy_test_fields_LDADD = libpolicy.a libshm.a $(CRYPTO_LIBS) $(CHECK_LIBS)
tests_policy_test_iso8601_SOURCES = tests/policy/test_iso8601.c policy/iso8601.c
tests_policy_test_iso8601_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_policy_test_iso8601_LDADD = $(CHECK_LIBS)
tests_policy_test_json_SOURCES = tests/policy/test_json.c policy/json.c policy/json_escape.c policy/json_gate.c policy/region.c
tests_policy_test_json_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_policy_test_json_LDADD = libshm.a $(CHECK_LIBS)
tests_policy_test_json_gate_SOURCES = tests/policy/test_json_gate.c policy/json_gate.c
tests_policy_test_json_gate_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_policy_test_json_gate_LDADD = libshm.a $(CHECK_LIBS)
tests_policy_test_load_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_policy_test_load_LDADD = libpolicy.a libshm.a $(CRYPTO_LIBS) $(CHECK_LIBS)
tests_policy_test_match_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_policy_test_match_LDADD = libpolicy.a libshm.a $(CRYPTO_LIBS) $(CHECK_LIBS)
tests_policy_test_memory_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_policy_test_memory_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc
tests_policy_test_memory_LDADD = libpolicy.a libshm.a $(CRYPTO_LIBS) $(CHECK_LIBS)
tests_policy_test_jwt_library_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(CRYPTO_CFLAGS)
tests_policy_test_jwt_library_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=HMAC -Wl,--wrap=EVP_MD_CTX_new -Wl,--wrap=EVP_DigestVerifyInit \
	-Wl,--wrap=EVP_DigestVerify -Wl,--wrap=EVP_PKEY_CTX_set_rsa_padding -Wl,--wrap=EVP_PKEY_CTX_set_rsa_pss_saltlen \
	-Wl,--wrap=BN_bin2bn -Wl,--wrap=ECDSA_SIG_new -Wl,--wrap=ECDSA_SIG_set0 -Wl,--wrap=i2d_ECDSA_SIG
tests_policy_test_jwt_library_LDADD = libpolicy.a libshm.a $(CRYPTO_LIBS) $(CHECK_LIBS)
tests_policy_test_path_SOURCES = tests/policy/test_path.c policy/path.c
tests_policy_test_path_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_policy_test_path_LDADD = $(CHECK_LIBS)
tests_policy_test_print_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_policy_test_print_LDADD = libpolicy.a libshm.a $(CRYPTO_LIBS) $(CHECK_LIBS)
tests_policy_test_region_SOURCES = tests/policy/test_region.c policy/region.c
tests_policy_test_region_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_policy_test_region_LDADD = $(CHECK_LIBS)

# What keys are looked up in: lists, and databases that the tests write themselves.
lookup_tests = tests/policy/test_asn_types tests/policy/test_bots tests/policy/test_geoip tests/policy/test_networks
check_PROGRAMS += $(lookup_tests)
TESTS += $(lookup_tests)
EXTRA_DIST += tests/policy/mmdb.h
tests_policy_test_asn_types_SOURCES = tests/policy/test_asn_types.c policy/asn_types.c policy/geoip.c policy/lines.c
tests_policy_test_asn_types_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(MAXMINDDB_CFLAGS)
tests_policy_test_asn_types_LDADD = libshm.a $(CHECK_LIBS)
tests_policy_test_bots_SOURCES = tests/policy/test_bots.c policy/bots.c policy/lines.c
tests_policy_test_bots_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_policy_test_bots_LDADD = libshm.a $(CHECK_LIBS)
tests_policy_test_geoip_SOURCES = tests/policy/test_geoip.c policy/geoip.c
tests_policy_test_geoip_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(MAXMINDDB_CFLAGS)
tests_policy_test_geoip_LDADD = libshm.a $(CHECK_LIBS)
tests_policy_test_networks_SOURCES = tests/policy/test_networks.c policy/networks.c policy/lines.c
tests_policy_test_networks_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_policy_test_networks_LDADD = libshm.a $(CHECK_LIBS)

# Tokens and the keys that verify them.
jwt_tests = tests/policy/test_base64url tests/policy/test_jwks tests/policy/test_jwt
check_PROGRAMS += $(jwt_tests)
TESTS += $(jwt_tests)
EXTRA_DIST += tests/policy/jwt_maker.h
tests_policy_test_base64url_SOURCES = tests/policy/test_base64url.c policy/base64url.c
tests_policy_test_base64url_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(CRYPTO_CFLAGS)
tests_policy_test_base64url_LDADD = $(CRYPTO_LIBS) $(CHECK_LIBS)
tests_policy_test_jwks_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(CRYPTO_CFLAGS)
tests_policy_test_jwks_LDADD = libpolicy.a libshm.a $(CRYPTO_LIBS) $(CHECK_LIBS)
tests_policy_test_jwt_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(CRYPTO_CFLAGS)
tests_policy_test_jwt_LDADD = libpolicy.a libshm.a $(CRYPTO_LIBS) $(CHECK_LIBS)

# Every limit against a reference model, against other processes, against the calendar and against a flood.
oracle_sources = \
	tests/policy/oracle/compare.c tests/policy/oracle/compare.h tests/policy/oracle/engine.c \
	tests/policy/oracle/engine.h tests/policy/oracle/generate.c tests/policy/oracle/generate.h \
	tests/policy/oracle/model.c tests/policy/oracle/model.h tests/policy/oracle/model_calendar.c \
	tests/policy/oracle/model_demand.c tests/policy/oracle/model_match.c tests/policy/oracle/model_money.c \
	tests/policy/oracle/model_private.h \
	tests/policy/oracle/model_slot.c tests/policy/oracle/render.c tests/policy/oracle/render.h \
	tests/policy/oracle/replay.c tests/policy/oracle/replay.h tests/policy/oracle/world.c tests/policy/oracle/world.h
processes_sources = tests/policy/processes/ledger.c tests/policy/processes/ledger.h tests/policy/processes/scene.c \
	tests/policy/processes/scene.h
limit_tests = tests/policy/test_calendar tests/policy/test_estimate tests/policy/test_flood \
	tests/policy/test_identities tests/policy/test_oracle tests/policy/test_processes tests/policy/test_reservation
check_PROGRAMS += $(limit_tests)
TESTS += $(limit_tests)
tests_policy_test_calendar_SOURCES = tests/policy/test_calendar.c policy/calendar.c
tests_policy_test_calendar_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_policy_test_calendar_LDADD = $(CHECK_LIBS)
tests_policy_test_estimate_SOURCES = tests/policy/test_estimate.c policy/decimal.c policy/estimate.c \
	policy/estimate_form.c policy/estimate_names.c policy/quote.c
tests_policy_test_estimate_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_policy_test_estimate_LDADD = $(CHECK_LIBS)
tests_policy_test_flood_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_policy_test_flood_LDADD = libpolicy.a libshm.a $(CRYPTO_LIBS) $(JWT_LIBS) $(CHECK_LIBS)
tests_policy_test_identities_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(CRYPTO_CFLAGS)
tests_policy_test_identities_LDADD = libpolicy.a libshm.a $(CRYPTO_LIBS) $(JWT_LIBS) $(CHECK_LIBS)
tests_policy_test_processes_SOURCES = tests/policy/test_processes.c $(processes_sources)
tests_policy_test_processes_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_policy_test_processes_LDADD = libpolicy.a libshm.a $(CRYPTO_LIBS) $(JWT_LIBS) $(CHECK_LIBS)
tests_policy_test_reservation_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_policy_test_reservation_LDADD = libpolicy.a libshm.a $(CRYPTO_LIBS) $(JWT_LIBS) $(CHECK_LIBS)
tests_policy_test_oracle_SOURCES = tests/policy/test_oracle.c $(oracle_sources)
tests_policy_test_oracle_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_policy_test_oracle_LDADD = libpolicy.a libshm.a $(CRYPTO_LIBS) $(JWT_LIBS) $(CHECK_LIBS)

# What bearer tokens say, in a worker.
check_PROGRAMS += tests/worker/test_tokens
TESTS += tests/worker/test_tokens
tests_worker_test_tokens_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(CRYPTO_CFLAGS)
tests_worker_test_tokens_LDADD = libworker.a libpolicy.a libshm.a $(CRYPTO_LIBS) $(CHECK_LIBS)

# What answers of models say of their usage.
check_PROGRAMS += tests/policy/test_usage_reader
TESTS += tests/policy/test_usage_reader
EXTRA_DIST += tests/policy/usage
tests_policy_test_usage_reader_SOURCES = tests/policy/test_usage_reader.c policy/decimal.c policy/json_flow.c \
	policy/quote.c policy/usage.c policy/usage_places.c policy/usage_reader.c policy/usage_reader_sum.c
tests_policy_test_usage_reader_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_policy_test_usage_reader_LDADD = $(CHECK_LIBS)

# What is changed in request bodies on their way to a model.
check_PROGRAMS += tests/policy/test_body_edit
TESTS += tests/policy/test_body_edit
tests_policy_test_body_edit_SOURCES = tests/policy/test_body_edit.c policy/body_edit.c policy/decimal.c policy/endpoint.c \
	policy/estimate.c policy/estimate_names.c policy/json.c policy/json_escape.c policy/json_gate.c policy/quote.c policy/region.c
tests_policy_test_body_edit_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_policy_test_body_edit_LDADD = libshm.a $(CHECK_LIBS)

# Exchanges with models, recorded.
check_PROGRAMS += tests/worker/test_meter
TESTS += tests/worker/test_meter
EXTRA_DIST += tests/worker/streams
tests_worker_test_meter_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_worker_test_meter_LDADD = libworker.a libpolicy.a libshm.a $(CHECK_LIBS)

check_PROGRAMS += tests/worker/test_eventstream
TESTS += tests/worker/test_eventstream
tests_worker_test_eventstream_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_worker_test_eventstream_LDADD = libworker.a libpolicy.a libshm.a $(CHECK_LIBS)

# fairvisor top: sums.
check_PROGRAMS += tests/cli/test_ranking
TESTS += tests/cli/test_ranking
tests_cli_test_ranking_SOURCES = tests/cli/test_ranking.c cli/ranking.c
tests_cli_test_ranking_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_cli_test_ranking_LDADD = libshm.a $(CHECK_LIBS)
# The JSON Schema of bundles says what the loader says; completion knows what the commands know.
TESTS += tests/policy/schema tests/cli/completion tests/cli/bad-use
EXTRA_DIST += tests/cli/bad-use tests/policy/schema tests/policy/schema-cannot tests/cli/completion

include tests/fuzz/local.mk
