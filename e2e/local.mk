# SPDX-License-Identifier: MPL-2.0
# End-to-end tests: the load client is built here and installed nowhere; e2e/run takes the programs from a prefix.

noinst_PROGRAMS += e2e/fairvisor-load
e2e_fairvisor_load_SOURCES = e2e/load/main.c e2e/load/options.c e2e/load/options.h e2e/load/runner.c e2e/load/runner.h \
	e2e/load/request.c e2e/load/request.h e2e/load/answer.c e2e/load/answer.h e2e/load/tally.c e2e/load/tally.h

noinst_PROGRAMS += e2e/fairvisor-engine
e2e_fairvisor_engine_SOURCES = e2e/engine.c
e2e_fairvisor_engine_LDADD = libpolicy.a libshm.a $(CRYPTO_LIBS) $(JWT_LIBS)

EXTRA_DIST += e2e/bench e2e/bench_client.py e2e/bench_engine.py e2e/bench_envoy.py e2e/bench_growth.py e2e/bench_instructions.py \
	e2e/bench_lua.py e2e/bench_measure.py e2e/bench_memory.py e2e/bench_peers.py e2e/bench_picture.py e2e/bench_proof.py \
	e2e/bench_proxies.py e2e/bench_redis.py e2e/bench_scenarios.py e2e/bench_servers.py e2e/test_bench.py

EXTRA_DIST += e2e/kong.lua e2e/limiter.lua e2e/test_litellm.py e2e/litellm_model.py e2e/litellm_client.py
EXTRA_DIST += e2e/harness.py e2e/backend.py e2e/edge.py e2e/ground.py e2e/needs.py e2e/load_client.py e2e/nginx.py e2e/policies.py \
	e2e/processes.py e2e/raw_http.py e2e/standstill.py e2e/test_standstill.py
EXTRA_DIST += e2e/run e2e/gateways.py e2e/test_gateways.py e2e/test_gateway_shapes.py e2e/jose.py e2e/mmdb.py \
	e2e/test_load_client.py e2e/test_ground.py e2e/test_quickstart.py e2e/test_exactness.py e2e/test_jwt.py \
	e2e/test_meter.py e2e/dialects.py e2e/test_sdks.py e2e/sdk_client.py e2e/sdk_client.mjs e2e/test_descriptors.py \
	e2e/test_door.py e2e/test_kill.py e2e/test_limits.py e2e/test_reload.py e2e/test_death.py e2e/test_nginx.py \
	e2e/test_bundles.py e2e/test_http.py e2e/test_master_start.py e2e/test_master_control.py e2e/test_master_counters.py \
	e2e/test_master_privileges.py e2e/test_master_upgrade.py
EXTRA_DIST += e2e/test_events.py
EXTRA_DIST += e2e/test_providers.py
EXTRA_DIST += e2e/test_silence.py
EXTRA_DIST += e2e/test_debug.py
EXTRA_DIST += e2e/test_monitoring.py
EXTRA_DIST += e2e/test_flights.py e2e/test_proxy.py e2e/test_proxy_tls.py e2e/test_proxy_bodies.py \
	e2e/test_proxy_hostile.py e2e/test_proxy_repeat.py e2e/upstream.py
EXTRA_DIST += e2e/test_push.py
EXTRA_DIST += e2e/test_top.py
EXTRA_DIST += e2e/test_replay.py
EXTRA_DIST += e2e/test_hour.py
EXTRA_DIST += e2e/test_slow.py
EXTRA_DIST += e2e/test_leaks.py e2e/valgrind.py e2e/unlimited.c

# Preloaded into the programs by test_faults and test_chaos; without the sanitizers, which have allocators of their own.
noinst_DATA = e2e/fairvisor-faults.so e2e/fairvisor-unlimited.so
e2e/fairvisor-faults.so: e2e/faults.c
	$(AM_V_CCLD)$(MKDIR_P) e2e && $(CC) -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -O1 -g -fPIC -shared -o $@ \
		$(srcdir)/e2e/faults.c
e2e/fairvisor-unlimited.so: e2e/unlimited.c
	$(AM_V_CCLD)$(MKDIR_P) e2e && $(CC) -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -O1 -g -fPIC -shared -o $@ \
		$(srcdir)/e2e/unlimited.c
CLEANFILES += e2e/fairvisor-faults.so e2e/fairvisor-unlimited.so
EXTRA_DIST += e2e/faults.c e2e/faults.py e2e/test_faults.py e2e/test_money.py e2e/test_chaos.py
