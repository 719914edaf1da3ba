# SPDX-License-Identifier: MPL-2.0
"""Bad HTTP through a whole instance: the cases of tests/worker/http over TCP and unix sockets, garbage, and slow or
silent clients. Each gets its status and a closed connection; nothing hangs and no worker dies.
"""

import collections
import glob
import importlib.machinery
import importlib.util
import json
import os
import random
import signal
import socket
import struct
import sys
import time

import harness

PATIENCE = 5  # seconds that the server gives a client, who may be slow to do the next thing where the machine is busy
ANSWERS = 16  # of 16 kB: more than the client side of a connection keeps
WORKER_TESTS = os.path.join(harness.SOURCE, "tests", "worker")


def load_script(name):
    """A test script of the worker as a module: its parser, its client and its steps."""
    sys.path.insert(0, WORKER_TESTS)
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), os.path.join(WORKER_TESTS, name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    os.environ["srcdir"] = harness.SOURCE
    loader.exec_module(module)
    sys.path.remove(WORKER_TESTS)
    return module


class ClosingConnection(harness.Connection):
    def remove(self):
        self.close()
        return []


class TestHttp(harness.TestCase):
    def clients(self, edge, client_class):
        yield "TCP", lambda: client_class(socket.create_connection(edge.address, 20))

        def connect():
            peer = socket.socket(socket.AF_UNIX)
            peer.settimeout(20)
            peer.connect(edge.unix_path)
            return client_class(peer)
        yield "unix", connect

    def own_connection(self, edge):
        return self.own(ClosingConnection(edge.address))

    def run_case(self, script, case, connect, is_bytewise):
        with connect() as client:
            for carry_out, what in case.steps:
                carry_out(client, what, is_bytewise)
            wanted = client.is_closed if case.end == "close" else client.is_open
            self.assertTrue(wanted(), f"the connection should be: {case.end}")

    def test_cases(self):
        script = load_script("http-cases")
        paths = sorted(glob.glob(os.path.join(WORKER_TESTS, "http", "*.txt")))
        self.assertGreaterEqual(len(paths), 3)
        count = 0
        for path in paths:
            lines, cases = script.read(path)
            settings = dict(line.replace(" ", "").split("=", 1) for line in lines)
            edge = self.start_edge(harness.one_rule(1000000, 1000000, []), workers=2, unix=True, settings=settings)
            workers = edge.workers()
            for transport, connect in self.clients(edge, script.Client):
                for case in cases:
                    for is_bytewise in (False,) if case.is_whole else (False, True):
                        with self.subTest(f"{case.place} {case.name} {transport} {'bytewise' if is_bytewise else ''}"):
                            self.run_case(script, case, connect, is_bytewise)
                            count += 1
            self.assertEqual(edge.workers(), workers, "a worker died")
        print(f"        {count} cases")

    def test_garbage(self):
        """Random and half-valid bytes: an answer with an error status or none, then the end; never a hang."""
        edge = self.start_edge(harness.one_rule(1000000, 1000000, []), workers=2,
                               settings={"header_timeout": "1s", "body_timeout": "1s", "idle_timeout": "1s"})
        workers, dice = edge.workers(), random.Random(20260101)
        good = harness.format_request("POST", "/v1/decision/a?b=c", [("X-A", "b"), ("Transfer-Encoding", "chunked")],
                                      b"3\r\nabc\r\n0\r\n\r\n")
        for number in range(harness.full_or_short(3000, 300)):
            if number % 3 == 0:
                data = dice.randbytes(dice.randrange(1, 3000))
            else:
                data = bytearray(good * (number % 3))
                for _ in range(dice.randrange(1, 6)):
                    data[dice.randrange(len(data))] = dice.randrange(256)
            with harness.Connection(edge.address, timeout=20) as client:
                try:
                    client.send(bytes(data))
                    client.socket.shutdown(socket.SHUT_WR)
                    rest = client.rest()
                except (ConnectionError, harness.Incomplete) as trouble:
                    self.assertNotIn("timeout", str(trouble), bytes(data))
                    continue
                self.assertTrue(rest == b"" or rest.startswith(b"HTTP/1.1 "), (bytes(data), rest))
        self.assertEqual(edge.workers(), workers, "a worker died")
        self.assertEqual(edge.get("/livez").status, 200)

    def test_proxies_that_tell_no_client(self):
        """They are counted and logged, once for many, when a key looks at addresses."""
        edge = self.start_edge(harness.one_rule(), workers=1)
        for told, count in (("192.0.2.1", 0), ("garbage, 192.0.2.1", 0), ("garbage", 1), ("", 2), (None, 3), ("garbage, 127.0.0.1", 4)):
            fields = {} if told is None else {"X-Forwarded-For": told}
            edge.get("/v1/decision", {"X-Original-Method": "GET", "X-Original-URI": "/", **fields})
            self.assertEqual(edge.metrics()["fairvisor_clients_untold_total"], count, told)
        self.assertIn("4 times told by no trusted proxy", edge.cli("status", "-c", edge.config_file).stdout)
        self.assertEqual(json.loads(edge.cli("status", "-c", edge.config_file, "--json").stdout)["clients_untold"], 4)
        edge.stop()  # lines of workers come by way of the master
        self.assertEqual(edge.log().count("a trusted proxy, 127.0.0.1, told no client"), 1)

    def test_a_proxy_on_a_unix_socket_tells_no_client(self):
        edge = self.start_edge(harness.one_rule(), workers=1, unix=True, settings={"trusted_proxies": "unix"})
        harness.request(edge.unix_path, target="/v1/decision", headers={"X-Original-Method": "GET", "X-Original-URI": "/"})
        self.assertEqual(edge.metrics()["fairvisor_clients_untold_total"], 1)
        edge.wait_log("a trusted proxy, on a unix socket, told no client")

    def test_a_body_that_has_begun_is_not_asked_for(self):
        edge = self.start_edge(harness.one_rule(), workers=1)
        head = harness.format_request("POST", "/v1/settle", {"Expect": "100-continue", "Content-Length": "2"})
        for begun, rest, statuses in ((b"", b"{}", [100, 400]), (b"{", b"}", [400])):
            with harness.Connection(edge.address) as client:
                client.send(head + begun)
                asked = [client.answer().status] if not begun else []
                client.send(rest)
                self.assertEqual([*asked, client.answer().status], statuses)

    def test_no_key_looks_at_clients(self):
        edge = self.start_edge(harness.one_rule(keys=("header:x-key",)), workers=1)
        edge.get("/v1/decision", {"X-Original-Method": "GET", "X-Original-URI": "/"})
        self.assertEqual(edge.metrics()["fairvisor_clients_untold_total"], 0)
        self.assertNotIn("told by no trusted proxy", edge.cli("status", "-c", edge.config_file).stdout)
        edge.stop()
        self.assertNotIn("told no client", edge.log())

    def test_slow_clients(self):
        """A silent connection is closed, a slow head or body is answered 408, and others are served meanwhile."""
        edge = self.start_edge(harness.one_rule(1000000, 1000000, []), workers=1,
                               settings={"header_timeout": f"{PATIENCE}s", "body_timeout": "1s", "idle_timeout": f"{PATIENCE}s"})
        silent = [harness.Connection(edge.address, 20) for _ in range(200)]
        slow_head = harness.Connection(edge.address, 20)
        slow_head.send(b"GET /livez HTTP/1.1\r\nHo")
        slow_body = harness.Connection(edge.address, 20)
        slow_body.send(b"POST /v1/decision/ HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        used = harness.Connection(edge.address, 20)
        used.send(harness.format_request(target="/livez"))
        self.assertEqual(used.answer().status, 200)
        self.assertEqual(edge.decide("GET", "/").status, 200)
        self.assertEqual(slow_head.answer().status, 408)
        self.assertTrue(slow_head.is_closed())
        self.assertEqual(slow_body.answer().status, 408)
        self.assertTrue(slow_body.is_closed())
        self.assertTrue(used.is_closed())
        for client in silent:
            client.rest()  # whatever it says, it ends
            client.close()
        for client in (slow_head, slow_body, used):
            client.close()
        harness.wait_until(lambda: edge.metric("fairvisor_connections") == 1, "all connections to be gone")

    def test_slow_readers(self):
        """Who takes an answer slowly gets all of it, whatever the timeouts are; who takes nothing is reset, which frees what the
        kernel keeps for it."""
        edge = self.start_edge(harness.one_rule(), workers=1, settings={
            "body_timeout": f"{PATIENCE}s", "idle_timeout": f"{PATIENCE}s"})
        slow, stalled = (harness.Connection(edge.address, 20, receive_room=4096) for _ in range(2))
        for client in (slow, stalled):
            self.addCleanup(client.close)
            client.send(harness.format_request(target="/metrics") * ANSWERS)
        began = time.monotonic()
        for _ in range(ANSWERS):
            while b"\r\n\r\n" not in slow.buffer or len(slow.buffer) < 12000:
                slow.buffer += slow.socket.recv(2000)
                time.sleep(PATIENCE / ANSWERS / 5)
            answer = slow.answer()
            self.assertEqual((answer.status, answer.body[-1:]), (200, b"\n"))
        self.assertGreater(time.monotonic() - began, PATIENCE)
        harness.wait_until(lambda: edge.metric("fairvisor_connections") == 1, "all connections to be gone")
        with self.assertRaisesRegex(harness.Incomplete, "reset"):
            stalled.rest()

    def test_too_many_connections(self):
        edge = self.start_edge(harness.one_rule(1000000, 1000000, []), workers=1, settings={"max_connections": 20})
        held = []
        for _ in range(20):
            client = harness.Connection(edge.address, 20)
            client.send(harness.format_request(target="/livez"))
            held.append(client)
            answer = client.answer()
            if answer.status == 503:
                break
        refused = edge.get("/livez")
        self.assertEqual((refused.status, refused.header("Connection")), (503, "close"))
        for client in held:
            client.close()
        harness.wait_until(lambda: edge.get("/livez").status == 200, "room for new connections")

    def test_pipelining_and_http_1_0(self):
        edge = self.start_edge(harness.one_rule(0.000001, 5), workers=1)
        asked = harness.format_request(target="/v1/decision", headers=[("X-Original-Method", "GET"),
                                                                       ("X-Original-URI", "/")])
        with harness.Connection(edge.address) as client:
            client.send(asked * 8)
            self.assertEqual([client.answer().status for _ in range(8)], [200] * 5 + [429] * 3)
        with harness.Connection(edge.address) as client:
            client.send(b"GET /livez HTTP/1.0\r\n\r\n")
            answer = client.answer()
            self.assertEqual((answer.status, answer.header("Transfer-Encoding")), (200, None))
            self.assertTrue(client.is_closed())

    def test_answers_of_one_turn(self):
        """Many requests that a worker finds at once, from clients that leave in all ways: everybody who can still hear gets
        an answer, in order, and the budget is exact."""
        edge = self.start_edge(harness.one_rule(0.000001, 100), workers=1)
        fields = [("X-Original-Method", "GET"), ("X-Original-URI", "/")]
        asked = harness.format_request(target="/v1/decision", headers=fields)
        last = harness.format_request(target="/v1/decision", headers=[*fields, ("Connection", "close")])
        clients = [self.own_connection(edge) for _ in range(160)]
        for client in clients:  # accepted, and idle
            client.send(harness.format_request(target="/livez"))
            self.assertEqual(client.answer().status, 200)
        keeping, half_closing, pipelining, closing, reset = clients[:90], clients[90:100], clients[100:102], \
            clients[102:130], clients[130:]
        (worker,) = edge.workers()
        harness.kill(worker, signal.SIGSTOP)
        for client in keeping:
            client.send(asked)
        for client in half_closing:
            client.send(asked)
            client.socket.shutdown(socket.SHUT_WR)
        for client in pipelining:
            client.send(asked * 40)
        for client in closing:
            client.send(last)
        for client in reset:
            client.send(asked)
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
        harness.kill(worker, signal.SIGCONT)
        counts = collections.Counter(client.answer().status for client in keeping + half_closing + closing)
        for client in pipelining:
            statuses = [client.answer().status for _ in range(40)]
            self.assertEqual(statuses, sorted(statuses), "answers are in the order of their requests")
            counts.update(statuses)
        for client in half_closing + closing:
            self.assertTrue(client.is_closed())
        for client in keeping:
            client.send(asked)
            self.assertEqual(client.answer().status, 429)
        decided = edge.metrics()
        allowed = sum(value for key, value in decided.items()
                      if key.startswith("fairvisor_decisions_total") and 'action="allow"' in key)
        self.assertEqual(allowed, 100)
        self.assertLessEqual(counts[200], 100)
        self.assertGreaterEqual(counts[200], 100 - len(reset), "only clients that are gone can have taken the rest")
        self.assertEqual(edge.workers(), [worker])
