# SPDX-License-Identifier: MPL-2.0
"""fairvisord behind real HAProxy, Envoy, Caddy, Apache and Varnish with the shipped files, and the Lua for Kong in an nginx: one table
of what must hold, run for each gateway once failing closed and once failing open.

Guards above all against the bypass: with fail-open configured, a limited request must still be refused.
"""

import json
import os
import signal
import time

import gateways
import harness

BURST = 3
HELD_MS = 1000  # what loop detection and the template for models ask for
HELD_BUDGET = 100
SLOWEST_SECONDS = 30  # the gateways' own limits are 2 s, and their share may be long where the machine is busy; a hung edge takes for ever

# The client's words that must not change the verdict.
SPOOFS = (
    [("X-Forwarded-For", "203.0.113.9")], [("X_Forwarded_For", "203.0.113.9")],
    [("X-Original-URI", "/free"), ("X-Original-Method", "PUT")], [("X-Original-Host", "other")],
    [("X-Forwarded-Uri", "/free"), ("X-Forwarded-Method", "PUT")], [("X-Forwarded-Host", "other")],
    [("Forwarded", "for=203.0.113.9"), ("X-Real-IP", "203.0.113.9")],
    [("X-Fairvisor-Reject-Status", "200")], [("X-Fairvisor-Status", "200")], [("X-Fairvisor-Judged", "allowed")],
    [("X-Accel-Redirect", "@backend")],
    [("Connection", "X-Forwarded-For, X-Original-URI, X-Original-Method, X-Forwarded-Uri")],
    [("Connection", "X-Fairvisor-Judged")],
    [("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-For", "203.0.113.10")],
)


def bundle():
    """Below /key the bucket is the client's X-Key, below /ip its address; /free is not limited; a Tor exit may not see /tor; answers
    about /held are held back; /slots has few at once."""
    policies = [("by-key", "/key", ("header:x-key",)), ("by-address", "/ip", ("ip:address",))]
    whole = harness.one_rule()
    whole["policies"] = [harness.one_rule(0.001, BURST, keys, prefix, name)["policies"][0]
                         for name, prefix, keys in policies]
    whole["policies"].append(harness.held_budget(HELD_MS, HELD_BUDGET, "/held", "held", ("header:x-key",)))
    flight = {"name": "few", "limit_keys": [], "algorithm": "concurrency", "algorithm_config": {"max_in_flight": 9}}
    whole["policies"].append({"id": "slots", "spec": {"selector": {"pathPrefix": "/slots"}, "mode": "enforce", "rules": [flight]}})
    whole["kill_switches"] = [{"scope_key": "ip:tor", "scope_value": "true", "route": "/tor"}]
    return whole


class Rows:
    """The table: each method that begins with row_ holds for every gateway, in this order."""

    gateway = opens = None
    ROWS = ("allowed_passes", "clients_are_told_apart", "limited_is_refused", "limited_post_is_refused",
            "held_answers_pass_once", "reservations_are_handed_on", "bodies_arrive", "spoofs_change_nothing",
            "origin_cannot_be_told", "statuses_of_the_application_stay", "targets_that_name_the_host",
            "huge_heads_do_not_pass", "hung_edge_is_cut", "dead_edge_as_chosen", "back_again")

    def setUp(self):
        super().setUp()
        harness.avoid_midnight(300)
        self.backend = self.own(harness.Backend())
        exits = os.path.join(self.temporary_folder(), "exits")
        with open(exits, "w", encoding="ascii") as file:
            file.write("198.51.100.0/24\n")
        self.edge = self.start_edge(bundle(), workers=1, settings={"tor_exit_list": exits, **self.gateway.settings})
        self.ask = self.own(self.gateway(self.edge, self.backend, self.opens)).start().get

    def test_rows(self):
        for row in self.ROWS:
            with self.subTest(row=row):
                self.backend.requests.clear()
                getattr(self, "row_" + row)()

    def spend(self, key):
        for _ in range(BURST):
            self.assertEqual(self.ask("/key", {"X-Key": key}).status, 200)
        self.backend.requests.clear()

    def assert_refused(self, answer, policy="by-key"):
        self.assert_verdict(answer, policy)
        self.assertEqual(self.backend.requests, [])

    def assert_verdict(self, answer, policy):
        self.assertEqual(answer.status, 429, answer)
        self.assertGreaterEqual(int(answer.header("Retry-After")), 1)
        self.assertRegex(answer.header("RateLimit"), rf'^"{policy}";r=0;t=\d+$')
        self.assertEqual(answer.header("RateLimit-Limit"), str(BURST))
        self.assertEqual(answer.header("RateLimit-Remaining"), "0")
        self.assertEqual(answer.header("X-Fairvisor-Reason"), "rate_limit_exceeded")
        self.assertEqual(answer.header("Content-Type"), "application/problem+json")
        self.assertEqual(answer.json()["violated-policies"], [policy])
        for name in ("Retry-After", "RateLimit", "X-Fairvisor-Reason", "Content-Type"):
            self.assertEqual(len(answer.headers(name)), 1, answer)

    def row_allowed_passes(self):
        for left in range(BURST - 1, -1, -1):
            answer = self.ask("/key?q=1", {"X-Key": "first"})
            self.assertEqual((answer.status, answer.header("X-Backend")), (200, "yes"), answer)
            self.assertRegex(answer.header("RateLimit"), rf'^"by-key";r={left};')
            if self.gateway.tells_remaining:
                self.assertEqual(answer.header("RateLimit-Remaining"), str(left), answer)
        method, uri, fields, _ = self.backend.requests[0]
        self.assertEqual((method, uri, fields["x-key"]), ("GET", "/key?q=1", "first"))
        for _ in range(2 * BURST):
            self.assertEqual(self.ask("/free").status, 200)

    def row_clients_are_told_apart(self):
        """Two addresses, two buckets, whatever they claim."""
        for source, status in (("127.0.1.1", 200), ("127.0.1.2", 200), ("127.0.1.1", 429)):
            for _ in range(BURST if status == 200 else 1):
                with harness.Connection(self.ask.__self__.address, source=source) as connection:
                    connection.send(harness.format_request("GET", "/ip/apart", {"X-Forwarded-For": "203.0.113.9"}))
                    self.assertEqual(connection.answer().status, status, source)

    def row_limited_is_refused(self):
        self.spend("limited")
        for _ in range(harness.full_or_short(200, 5)):
            self.assert_refused(self.ask("/key", {"X-Key": "limited"}))

    def row_limited_post_is_refused(self):
        """And the connection is usable or closed afterwards, never out of step."""
        self.spend("post")
        with harness.Connection(self.ask.__self__.address) as connection:
            body = b"GET /free HTTP/1.1\r\nHost: smuggled\r\n\r\n" * 3000
            connection.send(harness.format_request("POST", "/key/b", {"X-Key": "post"}, body))
            self.assert_refused(connection.answer())
            try:
                connection.send(harness.format_request("GET", "/free/after"))
                self.assertEqual(connection.answer().status, 200)
            except (harness.Incomplete, OSError):
                pass
        self.assertNotIn("smuggled", [fields["host"] for _, _, fields, _ in self.backend.requests])

    def row_held_answers_pass_once(self):
        """Late, charged once, and not as what passes a dead fairvisord."""
        for method, body in (("GET", b""), ("POST", b"x" * 1000)):
            began = time.monotonic()
            answer = self.ask("/held", {"X-Key": "held"}, method, body)
            self.assertEqual((answer.status, answer.header("X-Backend")), (200, "yes"), answer)
            self.assertGreaterEqual(time.monotonic() - began, HELD_MS / 1000)
            self.assertRegex(answer.header("RateLimit"), '^"held";')
        self.assertEqual(len(self.backend.requests), 2)
        asked = self.edge.get("/v1/decision",
                              {"X-Original-Method": "GET", "X-Original-URI": "/held", "X-Key": "held"})
        self.assertEqual(asked.header("RateLimit-Remaining"), str(HELD_BUDGET - 3), asked)

    def row_reservations_are_handed_on(self):
        if not self.gateway.hands_reservation:
            return
        self.assertEqual(self.ask("/slots", {"X-Fairvisor-Reservation": "mine"}).status, 200)
        name = self.backend.requests[-1][2]["x-fairvisor-reservation"]
        settled = self.edge.get("/v1/settle", method="POST", body=json.dumps({"reservation": name}).encode())
        self.assertEqual(settled.status, 200, (name, settled))

    def row_bodies_arrive(self):
        body = os.urandom(self.gateway.largest_body)
        answer = self.ask("/key/c%20d?x=%26&y", [("X-Key", "bodies"), ("X-Mine", "1")], "POST", body, timeout=30)
        self.assertEqual(answer.status, 200, answer)
        method, uri, fields, received = self.backend.requests[-1]
        self.assertEqual((method, uri, fields["x-mine"]), ("POST", "/key/c%20d?x=%26&y", "1"))
        self.assertTrue(received == body, f"{len(received)} bytes arrived of {len(body)}, or others")
        for method in ("HEAD", "DELETE", "PUT"):
            answer = self.ask("/free/" + method, method=method, body=b"x" if method == "PUT" else b"")
            self.assertEqual(answer.status, 200, answer)
            # A cache asks for a whole answer, of which it gives the client the head.
            self.assertIn(self.backend.requests[-1][0], (method, "GET") if method == "HEAD" else (method,))
        self.assertEqual(self.backend.requests[-1][3], b"x")

    def row_spoofs_change_nothing(self):
        for _ in range(BURST):
            self.assertEqual(self.ask("/ip").status, 200)
        self.backend.requests.clear()
        for fields in SPOOFS:
            with self.subTest(fields=fields):
                answer = self.ask("/ip/x", fields)
                if answer.status == 400 and fields[0][0] == "Connection":
                    self.assertEqual(self.backend.requests, [])  # some gateways refuse it themselves
                else:
                    self.assert_refused(answer, "by-address")

    def row_origin_cannot_be_told(self):
        told = [("X-Original-Method", "GET"), ("X-Original-URI", "/tor"), ("X-Tor-Exit", "true")]
        self.assertEqual(self.edge.get("/v1/decision", told).status, 429)
        for name in ("X-Tor-Exit", "x-tor-exit", "X_Tor_Exit"):
            self.assertEqual(self.ask("/tor", {name: "true"}).status, 200, name)
        self.assertEqual(self.ask("/tor", {"X-Country-Code": "?", "X-ASN": "?", "X-ASN-Type": "?"}).status, 200)

    def row_statuses_of_the_application_stay(self):
        for status in (401, 403, 404, 429, 500, 502, 503, 504):
            with self.subTest(status=status):
                answer = self.ask(f"/status/{status}")
                self.assertEqual((answer.status, answer.header("X-Backend")), (status, "yes"), answer)
                self.assertIn(b"/status/", answer.body)

    def row_targets_that_name_the_host(self):
        """A URL in the request line asks for what its path asks for, for the root when it has none."""
        for target in ("http://localhost", "http://localhost/free"):
            self.assertEqual(self.ask(target, {"X-Key": "url"}).status, 200, target)
        self.spend("url")
        for target in ("http://localhost/key", "HTTP://localhost/key?x", "http://localhost//key", "http://localhost/x/../%6bey"):
            self.assert_refused(self.ask(target, {"X-Key": "url"}))

    def row_huge_heads_do_not_pass(self):
        """What fairvisord would not read is not a dead fairvisord."""
        self.spend("huge")
        large = [("X-Key", "huge")] + [(f"X-Large-{i}", "x" * 7000) for i in range(3)]
        many = [("X-Key", "huge")] + [(f"X-{i}", "v") for i in range(95)]
        for fields in (large, many):
            try:
                answer = self.ask("/key", fields)
                self.assertEqual(answer.status // 100, 4, answer)
            except harness.Incomplete:
                pass  # refused without a word
        self.assertEqual(self.backend.requests, [])

    def assert_silent(self, method):
        body = os.urandom(200_000) if method == "POST" else b""
        began = time.monotonic()
        answer = self.ask(f"/key/{began}", {"X-Key": "silent"}, method, body, timeout=60)
        self.assertLess(time.monotonic() - began, SLOWEST_SECONDS)
        if self.opens:
            self.assertEqual((answer.status, answer.header("X-Backend")), (200, "yes"), answer)
            self.assertEqual(self.backend.requests[-1][0], method)
            self.assertTrue(self.backend.requests[-1][3] == body)
            self.assertEqual(len(self.backend.requests), 1)
        else:
            self.assertIn(answer.status, self.gateway.silent)
            self.assertEqual(self.backend.requests, [])
        self.backend.requests.clear()

    def row_hung_edge_is_cut(self):
        pids = [self.edge.pid, *self.edge.workers()]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            self.assert_silent("GET")
            self.assert_silent("POST")
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def row_dead_edge_as_chosen(self):
        self.edge.stop()
        self.assert_silent("GET")
        self.assert_silent("POST")

    def row_back_again(self):
        self.edge.start()
        harness.wait_until(lambda: self.ask("/ip").status == 429, "verdicts of the edge that was started again")
        self.backend.requests.clear()
        self.assert_refused(self.ask("/key", {"X-Key": "limited"}))


class CheckingHaproxy(gateways.Haproxy):
    """Waits long for a verdict, but not for its checks."""

    patience = ("timeout server 2s", "timeout server 60s")


class TestHealthChecks(harness.TestCase):
    def test_a_verdict_is_obeyed_although_a_check_failed_meanwhile(self):
        """fairvisord, which holds the answer back, is stopped until HAProxy takes it for dead; then it allows the request."""
        policy = {**harness.one_rule(), "policies": [harness.held_budget(HELD_MS, HELD_BUDGET, "/", "held")]}
        edge = self.start_edge(policy, workers=1, settings={"worker_hang_timeout": "0"})
        gateway = self.own(CheckingHaproxy(edge, self.own(harness.Backend()), False)).start()
        with harness.Connection(gateway.address, 60) as connection:
            connection.send(harness.format_request())
            harness.wait_until(lambda: edge.metric("fairvisor_decisions_total") == 1, "the decision")
            worker, = edge.workers()
            os.kill(worker, signal.SIGSTOP)
            try:
                harness.wait_until(lambda: "Server fairvisor/edge is DOWN" in gateway.log(), "HAProxy to notice")
            finally:
                os.kill(worker, signal.SIGCONT)
            answer = connection.answer()
        self.assertEqual((answer.status, answer.header("X-Backend")), (200, "yes"), answer)


def make_classes():
    for gateway in gateways.ALL:
        for opens in (False, True):
            name = f"Test{gateway.__name__}{'FailOpen' if opens else 'FailClosed'}"
            members = {"gateway": gateway, "opens": opens, "__module__": __name__}
            globals()[name] = type(name, (Rows, harness.TestCase), members)


make_classes()
