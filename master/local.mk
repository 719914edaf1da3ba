# SPDX-License-Identifier: MPL-2.0
sbin_PROGRAMS += fairvisord
fairvisord_SOURCES = \
	master/admin.c master/admin.h \
	master/amend.c master/amend.h \
	master/audit.c master/audit.h \
	master/bind.c master/bind.h \
	master/bundle_watch.c master/bundle_watch.h \
	master/check.c master/check.h \
	master/configure.c master/configure.h \
	master/control.c master/control.h \
	master/copies.c master/copies.h \
	master/crew.c master/crew.h \
	master/daemon.c master/daemon.h \
	master/deploy.c master/deploy.h \
	master/expiry.c master/expiry.h \
	master/finish.c master/finish.h \
	master/folders.c master/folders.h \
	master/backend_watch.c master/backend_watch.h master/fullness.c master/fullness.h \
	master/generation.c master/generation.h \
	master/history.c master/history.h \
	master/holder.c master/holder.h \
	master/landing.c master/landing.h \
	master/letter.c master/letter.h \
	master/limits.c master/limits.h \
	master/listeners.c master/listeners.h \
	master/decisions.c master/decisions_reader.c master/decisions.h \
	master/logsink.c master/logsink.h \
	master/loop.c master/loop.h \
	master/main.c \
	master/master.c master/master.h \
	master/memory_watch.c master/memory_watch.h \
	master/notify.c master/notify.h \
	master/options.c master/options.h \
	master/order.c master/order.h \
	master/orphans.c master/orphans.h \
	master/pidfile.c master/pidfile.h \
	master/privileges.c master/privileges.h \
	master/reload.c master/reload.h \
	master/respawn.c master/respawn.h \
	master/pulse.c master/pulse.h \
	master/restore.c master/restore.h \
	master/snapshots.c master/snapshots.h \
	master/source.c master/source.h \
	master/spawn.c master/spawn.h \
	master/start.c master/start.h \
	master/upgrade.c master/upgrade.h \
	master/switches.c master/switches.h \
	master/vet.c master/vet.h
fairvisord_LDADD = libpolicy.a libshm.a $(CRYPTO_LIBS) $(JWT_LIBS)
