# SPDX-License-Identifier: MPL-2.0

bin_PROGRAMS += fairvisor
fairvisor_SOURCES = \
	cli/main.c \
	cli/command.c cli/command.h \
	cli/emit.c cli/emit.h \
	cli/excerpt.c cli/excerpt.h \
	cli/explain.c cli/explain.h \
	cli/input.c cli/input.h \
	cli/instance.c cli/instance.h \
	cli/narrate.c cli/narrate.h \
	cli/question.c cli/question.h \
	cli/status.c cli/status.h \
	cli/validate.c cli/validate.h
fairvisor_LDADD = libpolicy.a libshm.a $(CRYPTO_LIBS) $(JWT_LIBS)

man_MANS += cli/fairvisor.1 master/fairvisord.8 shm/fairvisor.conf.5 policy/fairvisor-policy.5
EXTRA_DIST += cli/fairvisor.1 master/fairvisord.8 shm/fairvisor.conf.5 policy/fairvisor-policy.5
