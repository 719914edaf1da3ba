# SPDX-License-Identifier: MPL-2.0

bin_PROGRAMS += fairvisor
fairvisor_SOURCES = \
	cli/main.c \
	cli/access_log.c cli/access_log.h \
	cli/bundle_copy.c cli/bundle_copy.h \
	cli/command.c cli/command.h \
	cli/connect.c cli/connect.h cli/connect_kept.c cli/connect_kept.h \
	cli/contrast.c cli/contrast.h \
	cli/diff.c cli/diff.h \
	cli/emit.c cli/emit.h \
	cli/event_line.c cli/event_line.h \
	cli/excerpt.c cli/excerpt.h \
	cli/explain.c cli/explain.h \
	cli/init.c cli/init.h \
	cli/input.c cli/input.h \
	cli/instance.c cli/instance.h \
	cli/json_log.c cli/json_log.h \
	cli/json_keys.c cli/json_reading.h \
	cli/json_value.c cli/json_value.h \
	cli/jwt.c cli/jwt.h \
	cli/keys.c cli/keys.h \
	cli/keys_list.c cli/keys_list.h \
	cli/keys_view.c cli/keys_view.h \
	cli/kill.c cli/kill.h \
	cli/kill_list.c cli/kill_list.h \
	cli/kill_seen.c cli/kill_seen.h \
	cli/loaded.c cli/loaded.h \
	cli/log_format.c cli/log_format.h \
	cli/logs.c cli/logs.h \
	cli/lookup.c cli/lookup.h \
	cli/narrate.c cli/narrate.h \
	cli/order.c cli/order.h \
	cli/put_back.c cli/put_back.h \
	cli/page.c cli/page.h \
	cli/bearer.c cli/bearer.h \
	cli/question.c cli/question.h \
	cli/record.c cli/record.h \
	cli/replay.c cli/replay.h \
	cli/report.c cli/report.h \
	cli/report_json.c cli/report_text.c \
	cli/report_notes.c cli/report_notes.h \
	cli/schema.c cli/schema.h \
	cli/settled.c cli/settled.h \
	cli/sieve.c cli/sieve.h \
	cli/status.c cli/status.h cli/status_report.c cli/status_report.h \
	cli/tally.c cli/tally.h \
	cli/tally_identity.c cli/tally_identity.h \
	cli/test.c cli/test.h \
	cli/traffic.c cli/traffic.h \
	cli/validate.c cli/validate.h \
	cli/watch.c cli/watch.h
fairvisor_LDADD = libpolicy.a libshm.a $(CRYPTO_LIBS) $(JWT_LIBS)

# The templates of `fairvisor init`, as they are in packaging/templates.
init_templates = packaging/templates/api.json packaging/templates/llm.json packaging/templates/webhook.json \
	packaging/templates/agents.json
nodist_fairvisor_SOURCES = cli/init_templates.h
BUILT_SOURCES += cli/init_templates.h
CLEANFILES += cli/init_templates.h
EXTRA_DIST += $(init_templates)
cli/init.$(OBJEXT): cli/init_templates.h
cli/init_templates.h: $(init_templates)
	$(AM_V_GEN)$(MKDIR_P) cli && for name in api llm webhook agents; do \
		echo "static const char init_template_$$name[] =" && \
		sed -e 's/["\\]/\\&/g' -e 's/.*/    "&\\n"/' "$(srcdir)/packaging/templates/$$name.json" && echo '    ;' || exit 1; \
	done >$@.new && mv $@.new $@

man_MANS += cli/fairvisor.1 master/fairvisord.8 shm/fairvisor.conf.5 policy/fairvisor-policy.5
EXTRA_DIST += cli/fairvisor.1 master/fairvisord.8 shm/fairvisor.conf.5 policy/fairvisor-policy.5

# fairvisor top.
fairvisor_SOURCES += cli/ranking.c cli/ranking.h cli/screen.c cli/screen.h cli/top.c cli/top.h \
	cli/fill.c cli/fill.h cli/top_view.c cli/top_view.h cli/top_screen.c cli/top_once.c

# The JSON Schema of bundles, made by the program that checks them.
nodist_pkgdata_DATA = policy.schema.json
CLEANFILES += policy.schema.json
policy.schema.json: fairvisor$(EXEEXT)
	$(AM_V_GEN)./fairvisor$(EXEEXT) validate --schema >$@.new && mv $@.new $@

# Completion for shells, made of what the commands say of themselves.
EXTRA_DIST += packaging/make-completion
bashcompletiondir = $(datadir)/bash-completion/completions
zshcompletiondir = $(datadir)/zsh/site-functions
nodist_bashcompletion_DATA = completion/fairvisor
nodist_zshcompletion_DATA = completion/_fairvisor
CLEANFILES += completion/fairvisor completion/_fairvisor
completion/fairvisor: fairvisor$(EXEEXT) packaging/make-completion
	$(AM_V_GEN)$(MKDIR_P) completion && sh $(srcdir)/packaging/make-completion bash ./fairvisor$(EXEEXT) >$@.new && mv $@.new $@
completion/_fairvisor: fairvisor$(EXEEXT) packaging/make-completion
	$(AM_V_GEN)$(MKDIR_P) completion && sh $(srcdir)/packaging/make-completion zsh ./fairvisor$(EXEEXT) >$@.new && mv $@.new $@
