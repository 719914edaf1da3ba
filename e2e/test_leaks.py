# SPDX-License-Identifier: MPL-2.0
"""Nothing is lost as time goes by: the whole life of an instance under valgrind, and its memory over many requests and reloads.

`packaging/check --only valgrind` runs other tests of requests under valgrind, too.
"""

import json
import os
import shutil
import signal
import ssl
import time

import harness
import jose
import test_meter
import test_proxy_tls
import upstream
import valgrind

REQUESTS = harness.full_or_short(10_000_000, 200_000)
RELOADS = harness.full_or_short(1000, 20)
GROWTH_KB = 256  # of what a process has for itself, over all of them
DESCRIPTORS = 4  # more or fewer: of connections that come and go
DECISION = ["--path", "/v1/decision", "--header", "X-Original-Method: POST", "--header", "X-Original-URI: /api",
            "--header", "X-Key: key-{0-99999}"]


def rules(*extra, version=1):
    """One of each: tokens, money, a rate, flights, a loop, a breaker, a claim."""
    policy = test_meter.bundle(
        test_meter.policy("/tokens", test_meter.tokens({"enabled": True, "enforce_mid_stream": True})),
        test_meter.policy("/money", test_meter.money()),
        {"id": "rate", "spec": {"selector": {"pathPrefix": "/api"}, "rules": [
            harness.token_bucket("by-key", 1, 3, ["header:x-key"]), harness.token_bucket("by-tenant", 1000, 1000, ["jwt:tenant"]),
            {"name": "flights", "limit_keys": ["header:x-key"], "algorithm": "concurrency",
             "algorithm_config": {"max_in_flight": 100, "ttl_seconds": 60}}],
            "loop_detection": {"enabled": True, "window_seconds": 60, "threshold_identical_requests": 50, "action": "warn"},
            "circuit_breaker": {"enabled": True, "spend_rate_threshold_per_minute": 100000, "action": "reject",
                                "auto_reset_after_minutes": 1}}}, version=version)
    policy["policies"] += extra
    return policy


if not harness.ASAN:  # which finds leaks by itself

    class TestLife(harness.TestCase):
        def setUp(self):
            super().setUp()
            self.assertTrue(shutil.which("valgrind"), "valgrind is not installed: apt-get install valgrind")
            self.folder = self.temporary_folder()
            self.key = jose.Private(self.folder, "ES256", "e1")
            with open(os.path.join(self.folder, "keys.json"), "w", encoding="utf-8") as file:
                file.write(jose.key_set(self.key, jose.Secret("s1")))

        def live(self, edge, requests):
            """REQUESTS, reloads over a connection that is kept, the same again, a graceful end."""
            with harness.Connection(edge.address, 60) as kept:
                kept.send(harness.format_request(target="/livez"))
                self.assertEqual(kept.answer().status, 200)
                requests(edge)
                edge.write_policy("{")
                edge.reload_refused(valgrind.SECONDS)
                for version in (2, 3):
                    edge.write_policy(rules(version=version))
                    edge.reload(valgrind.SECONDS)
            requests(edge)
            self.assertEqual(edge.stop(signal.SIGQUIT), 0)

        def test_decisions(self):
            edge = self.start_edge(rules(), under_valgrind=True, settings={
                "jwt_keys_file": os.path.join(self.folder, "keys.json"), "debug_session_secret": "correct-horse-battery-staple",
                "decision_log": "all", "snapshot_interval": "5s", "header_timeout": "60s"})
            self.live(edge, self.decide)

        def decide(self, edge):
            post = harness.request
            good = self.key.token({"tenant": "t", "exp": int(time.time()) + 3600})
            tokens = (good, good, good[:-8] + "AAAAAAAA", "a.b.c", "sk-live-1")
            statuses = [edge.decide("GET", "/api", headers={"X-Key": "k", "Authorization": f"Bearer {token}"}, timeout=60).status
                        for token in tokens]
            self.assertEqual(set(statuses) - {200, 401, 429}, set())
            for number in range(20):
                edge.decide("GET", f"/api?{number}", headers={"X-Key": f"key-{number % 3}"}, timeout=60)
            for path in ("/tokens", "/money"):
                answer = edge.decide("POST", path, headers={"X-Key": "k"}, body=test_meter.chat(100, "a text"), timeout=60)
                self.assertEqual(answer.status, 200)
                usage = {"reservation": answer.header("X-Fairvisor-Reservation"), "prompt_tokens": 3, "completion_tokens": 5}
                for status in (200, 409):
                    settled = post(edge.address, "POST", "/v1/settle", body=json.dumps(usage).encode(), timeout=60)
                    self.assertEqual(settled.status, status)
            for path, headers in (("/v1/forward-auth", {"X-Forwarded-Method": "GET", "X-Forwarded-Uri": "/api"}),
                                  ("/v1/accel/x", {"X-Original-Method": "GET", "X-Original-URI": "/api"}),
                                  ("/v1/debug/session", {"X-Fairvisor-Debug-Secret": "correct-horse-battery-staple"}),
                                  ("/v1/settle", {}), ("/metrics", {}), ("/readyz", {}), ("/nothing", {}), ("/v1/decision", {})):
                for method in ("GET", "POST"):
                    post(edge.address, method, path, headers, timeout=60)
            for bad in (b"GET\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx"):
                with harness.Connection(edge.address, 60) as client:
                    client.send(bad)
                    self.assertIn(client.answer().status, (400, 404))
            with harness.Connection(edge.address, 60) as client:  # who leaves in the middle of a body that is wanted
                client.send(harness.format_request("POST", "/v1/decision/tokens", {"Content-Length": "1000"}, b"{"))
            for arguments in (("kill", "header:x-key", "evil", "--for", "1h"), ("kill", "--remove", "header:x-key", "evil"),
                              ("keys", "list"), ("status",)):
                done = edge.cli(arguments[0], *arguments[1:], "-c", edge.config_file, timeout=valgrind.SECONDS)
                self.assertEqual(done.returncode, 0, done)

        def test_proxy(self):
            """TLS on both sides, a stream, one that is left, one that breaks off, an upstream that is gone."""
            key, pem = test_proxy_tls.make_certificate(self.folder, "edge")
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pem, key)
            server = self.own(test_proxy_tls.SecureScripted(serve, context))
            edge = self.new_edge(rules(), under_valgrind=True, settings={
                "mode": "reverse_proxy", "backend_url": server.url, "backend_ca_file": pem, "backend_connect_timeout": "60s",
                "tls_cert": pem, "tls_key": key, "drain_timeout": "20s", "body_timeout": "20s", "header_timeout": "60s"})
            self.public = ("127.0.0.1", harness.free_port())
            edge.write_settings(listen="127.0.0.1:%d" % self.public[1], ops_listen=edge.settings["listen"])
            edge.start()
            self.context = ssl.create_default_context(cafile=pem)
            self.live(edge, self.proxied)

        def connect(self):
            connection = test_proxy_tls.SecureConnection(self.public, self.context)
            connection.socket.settimeout(60)
            return connection

        def proxied(self, edge):
            with self.connect() as client:
                for path in ("/tokens", "/money", "/api", "/tokens/stream", "/money/stream", "/tokens"):
                    client.send(harness.format_request("POST", path, {"X-Key": "k"}, test_meter.chat(100, "text", stream="stream" in path)))
                    self.assertEqual(client.answer().status, 200, path)
                client.send(harness.format_request("POST", "/elsewhere", body=b"x" * 500_000))
                self.assertEqual(client.answer().status, 200)
            for path in ("/tokens/broken", "/elsewhere/nonsense", "/money/long", "/elsewhere/long"):
                with self.connect() as client:
                    client.send(harness.format_request("POST", path, {"X-Key": "k"}, test_meter.chat(10, stream=True)))
                    client.need(lambda: b"\r\n\r\n" in client.buffer)  # and it leaves
            with self.connect() as client:
                client.send(b"nonsense\r\n\r\n")
                self.assertEqual(client.answer().status, 400)
            with harness.Connection(self.public, 60) as client:
                client.send(harness.format_request())  # that is not TLS
                self.assertEqual(client.answer().status, 400)
            with harness.Connection(self.public, 60) as client:
                client.send(b"\x16\x03" + harness.format_request())  # nor is that
                self.assertNotIn(b"HTTP/", client.rest())
            self.assertEqual(edge.get("/metrics", timeout=60).status, 200)


def serve(peer):
    """Says what the path asks for."""
    while True:
        request = peer.request()
        if request.target.endswith("/stream"):
            peer.send(test_meter.events(test_meter.sse(test_meter.word("a"), test_meter.word("b"), b"[DONE]")))
        elif request.target.endswith("/long"):
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            piece = test_meter.sse(test_meter.word("word"))
            for _ in range(300):
                peer.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            return
        elif request.target.endswith("/broken"):
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
            return
        elif request.target.endswith("/nonsense"):
            peer.send(b"what?\r\n\r\n")
            return
        else:
            peer.send(upstream.counted(b'{"usage":{"prompt_tokens":3,"completion_tokens":4}}', fields="Content-Type: application/json\r\n"))


def kilobytes(pid):
    """Memory that a process has for itself; the counters it shares are as large as they are. Counted page by page: RssAnon of
    /proc/PID/status is a sum that the processors bring up to date now and then."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Anonymous:"))


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


@harness.looks_into_workers
class TestFlat(harness.TestCase):
    def measure(self, edge):
        return {pid: (kilobytes(pid), descriptors(pid)) for pid in [edge.pid, *edge.workers()]}

    def assert_flat(self, before, after, what):
        for (pid, (memory, files)), (memory_after, files_after) in zip(before.items(), after.values()):
            print(f"        {what}: process {pid} from {memory} to {memory_after} kB, from {files} to {files_after} descriptors")
            if not harness.ASAN:  # which keeps what is freed for a while
                self.assertLessEqual(memory_after - memory, GROWTH_KB)
            self.assertLessEqual(files_after - files, DESCRIPTORS)

    def ask(self, edge, count):
        """Decisions, one in ten with a body that is looked into."""
        for number, more in ((count - count // 10, []), (count // 10, ["--body", test_meter.chat(1, "a text").decode()])):
            target = ["--header", "X-Original-URI: " + ("/tokens" if more else "/api")]
            result = self.load(edge.address, *DECISION[:4], *target, *DECISION[6:], *more, "--method", "POST", "--connections", 8,
                               "--requests", number, "--expect", "200,429", "--timeout-ms", 60000).result(timeout=1700)
            self.assertEqual(result["failed"], 0, result)
        harness.wait_until(lambda: edge.metric("fairvisor_connections") == 1, "the load's connections to be gone")

    @harness.needs_shared_memory(65)
    def test_over_requests(self):
        edge = self.start_edge(rules(), settings={"shared_dict_size": "64m"})
        self.ask(edge, REQUESTS // 10)
        before = self.measure(edge)
        self.ask(edge, REQUESTS)
        self.assert_flat(before, self.measure(edge), f"{REQUESTS} requests")

    def test_over_reloads(self):
        edge = self.start_edge(rules(), settings={"drain_timeout": "1s"})
        for _ in range(RELOADS // 10 + 2):
            edge.reload()
        self.ask(edge, 2000)
        before = self.measure(edge)
        for version in range(RELOADS):
            edge.write_policy(rules(version=version + 2))
            edge.reload()
        self.ask(edge, 2000)
        harness.wait_until(lambda: len(harness.processes_with_arena(edge.name)) == 3, "those before to leave")
        self.assert_flat(before, self.measure(edge), f"{RELOADS} reloads")
