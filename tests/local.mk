# SPDX-License-Identifier: MPL-2.0

# Lints: scripts that read the sources and the built objects; each can fail, which tests/lint/self-test proves.
lint_scripts = tests/lint/include-arrows tests/lint/symbol-names tests/lint/house-rules tests/lint/self-test
TESTS += $(lint_scripts)
EXTRA_DIST += $(lint_scripts)

# shm: settings and the ground floor.
shm_ground_tests = \
	tests/shm/test_address tests/shm/test_log tests/shm/test_near tests/shm/test_quantity tests/shm/test_settings
check_PROGRAMS += $(shm_ground_tests)
TESTS += $(shm_ground_tests)
tests_shm_test_address_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_shm_test_address_LDADD = libshm.a $(CHECK_LIBS)
tests_shm_test_log_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_shm_test_log_LDADD = libshm.a $(CHECK_LIBS)
tests_shm_test_near_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_shm_test_near_LDADD = libshm.a $(CHECK_LIBS)
tests_shm_test_quantity_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_shm_test_quantity_LDADD = libshm.a $(CHECK_LIBS)
tests_shm_test_settings_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_shm_test_settings_LDADD = libshm.a $(CHECK_LIBS)
