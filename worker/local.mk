# SPDX-License-Identifier: MPL-2.0

# The worker's rooms, in the order in which a request passes them.
noinst_LIBRARIES += libworker.a
libworker_a_SOURCES = \
	worker/worker.c worker/worker.h worker/worker_make.c \
	worker/confine.c worker/confine.h \
	worker/syscalls.c worker/syscalls.h \
	worker/listener.c worker/listener.h \
	worker/timeouts.c worker/timeouts.h \
	worker/conn.c worker/conn.h worker/conn_private.h worker/conn_read.c worker/conn_step.c worker/conn_write.c \
	worker/conn_batch.c worker/conn_batch.h worker/conn_proxy.c worker/conn_proxy.h \
	worker/pieces.c worker/pieces.h worker/unsent.c worker/unsent.h \
	worker/hold.c worker/hold.h \
	worker/head.c worker/head.h worker/head_fields.def worker/head_line.c worker/head_private.h \
	worker/run.c worker/run.h worker/name.h \
	worker/chunk.c worker/chunk.h \
	worker/body.c worker/body.h \
	worker/http.c worker/http.h \
	worker/request.c worker/request.h \
	worker/response.c worker/response.h worker/response_fields.def \
	worker/exchange.c worker/exchange.h worker/unsettled.c worker/unsettled.h \
	worker/provider.c worker/provider.h \
	worker/meter.c worker/meter.h worker/meter_close.c worker/meter_usage.c \
	worker/sse.c worker/sse.h \
	worker/eventstream.c worker/eventstream.h \
	worker/elements.c worker/elements.h \
	worker/forward.c worker/forward.h worker/forward_private.h \
	worker/forward_request.c worker/forward_response.c \
	worker/resolve.c worker/resolve.h \
	worker/tls.c worker/tls.h \
	worker/upstream.c worker/upstream.h worker/upstream_private.h worker/upstream_ends.def \
	worker/upstream_connect.c worker/upstream_pool.c \
	worker/proxy.c worker/proxy.h worker/proxy_private.h worker/proxy_request.c worker/proxy_response.c \
	worker/proxy_body.c worker/proxy_repeat.c worker/proxy_tunnel.c \
	worker/route.c worker/route.h \
	worker/client.c worker/client.h \
	worker/gateway.c worker/gateway.h \
	worker/extract.c worker/extract.h \
	worker/tokens.c worker/tokens.h \
	worker/judge.c worker/judge.h \
	worker/answer.c worker/answer.h \
	worker/headers.c worker/headers.h \
	worker/reject.c worker/reject.h \
	worker/reject_sentence.c worker/reject_sentence.h \
	worker/settle.c worker/settle.h \
	worker/debug.c worker/debug.h \
	worker/endpoints.c worker/endpoints.h \
	worker/cells.c worker/cells.h worker/metrics.c worker/metrics.h worker/metrics_text.c worker/metrics_text.h \
	worker/reply.c worker/reply.h \
	worker/outbox.c worker/outbox.h
libworker_a_CPPFLAGS = $(AM_CPPFLAGS) $(UV_CFLAGS) $(SSL_CFLAGS)
libworker_a_CFLAGS = $(AM_CFLAGS) $(LTO_CFLAGS)

pkglibexec_PROGRAMS += fairvisor-worker
fairvisor_worker_SOURCES = worker/main.c
fairvisor_worker_CPPFLAGS = $(AM_CPPFLAGS) $(UV_CFLAGS) $(SSL_CFLAGS)
fairvisor_worker_CFLAGS = $(AM_CFLAGS) $(LTO_CFLAGS)
fairvisor_worker_LDFLAGS = $(HARDENING_LDFLAGS) $(LTO_CFLAGS)
fairvisor_worker_LDADD = libworker.a libpolicy.a libshm.a $(UV_LIBS) $(HTTP_PARSER_LIBS) $(SSL_LIBS) $(CRYPTO_LIBS) \
	$(JWT_LIBS)

EXTRA_DIST += worker/README.md
