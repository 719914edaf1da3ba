# SPDX-License-Identifier: MPL-2.0

noinst_LIBRARIES += libshm.a
libshm_a_CFLAGS = $(AM_CFLAGS) $(LTO_CFLAGS)
libshm_a_SOURCES = shm/slice.h shm/must.h shm/handoff.h shm/hex_digit.h
if COVERAGE
libshm_a_SOURCES += tests/coverage_exit.c
endif

# The ground floor: failures, clock, log lines, names, addresses, settings.
libshm_a_SOURCES += \
	shm/failure.c shm/failure.h \
	shm/moment.c shm/moment.h \
	shm/log.c shm/log.h \
	shm/near.c shm/near.h \
	shm/utf8.c shm/utf8.h \
	shm/write_whole.c shm/write_whole.h \
	shm/address.c shm/address.h \
	shm/loopback.c shm/loopback.h \
	shm/quantity.c shm/quantity.h \
	shm/backend.c shm/backend.h \
	shm/setting.c shm/setting.h shm/settings.def \
	shm/setting_value.c shm/setting_value.h \
	shm/setting_list.c shm/setting_list.h \
	shm/settings.c shm/settings_file.c shm/settings_file.h shm/settings_read.c shm/settings_finish.c shm/settings.h \
	shm/owner.c shm/owner.h

# What the master hands to a worker.
libshm_a_SOURCES += shm/sealed.c shm/sealed.h shm/handoff.c

# What fairvisor(1) and the master say to each other.
libshm_a_SOURCES += shm/door.c shm/door.h shm/kept.c shm/kept.h

# The arena: cells in stripes, admission over them, counters, the snapshot.
libshm_a_SOURCES += \
	shm/siphash.c shm/siphash.h \
	shm/cell.c shm/cell.h shm/cell_kinds.h shm/cell_bucket.h \
	shm/cell_bucket.c shm/cell_window.c shm/cell_count.c shm/cell_flight.c shm/cell_breaker.c \
	shm/stripe.c shm/stripe.h \
	shm/arena.c shm/arena.h shm/arena_layout.c shm/arena_layout.h \
	shm/survey.c shm/survey.h \
	shm/admission.c shm/admission.h \
	shm/counters.c shm/counters.h shm/counters.def \
	shm/families.c shm/families.h shm/families.def \
	shm/series.c shm/series.h \
	shm/snapshot.c shm/snapshot.h \
	shm/correction.c shm/correction.h shm/counted.c shm/counted.h \
	shm/flights.c shm/flights.h \
	shm/kills.c shm/kills.h

# Secrets among the settings.
libshm_a_SOURCES += shm/setting_secret.c shm/setting_secret.h

# The ring of events.
libshm_a_SOURCES += shm/event.c shm/event.h shm/events.c shm/events.h shm/event_print.c shm/event_print.h shm/line.c shm/line.h
