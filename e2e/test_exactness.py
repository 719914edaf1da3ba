# SPDX-License-Identifier: MPL-2.0
"""Exactly as many requests as the limit says, whatever the number of workers and connections, and all or nothing over
several limits."""

import json

import harness

NEGLIGIBLE = 0.000001  # tokens a second
REQUESTS = harness.full_or_short(200_000, 50_000 if not harness.ASAN else 10_000)


class TestExactness(harness.TestCase):
    def spend(self, edge, run, requests=REQUESTS):
        load = self.load(edge.address, "--path", "/v1/decision", "--header", "X-Original-Method: GET",
                         "--header", "X-Original-URI: /api/data", "--header", f"X-Run: {run}", "--connections", 64,
                         "--threads", 2, "--requests", requests, "--expect", "200,429")
        result = load.result()
        self.assertEqual(result["failed"], 0, result)
        return harness.statuses(result)

    def test_one_limit(self):
        """200,000 requests on one key over 64 connections to 4 workers, burst 1,000: exactly 1,000 are allowed."""
        edge = self.start_edge(harness.one_rule(NEGLIGIBLE, 1000, ["header:x-run"]), workers=4)
        runs = harness.full_or_short(20, 3)
        for run in range(runs):
            self.assertEqual(self.spend(edge, run), {200: 1000, 429: REQUESTS - 1000}, f"run {run} of {runs}")

    def test_a_refused_request_is_charged_nowhere(self):
        """Three rules, the third refuses first: the other two were charged for the allowed requests only."""
        rules = [harness.token_bucket("first", NEGLIGIBLE, 5000, ["header:x-run"]),
                 harness.token_bucket("second", NEGLIGIBLE, 3000, ["header:x-run"]),
                 harness.token_bucket("third", NEGLIGIBLE, 1000, ["header:x-run"])]
        bundle = harness.one_rule()
        bundle["policies"][0]["spec"]["rules"] = rules
        edge = self.start_edge(bundle, workers=4)
        for run in range(harness.full_or_short(20, 2)):
            self.assertEqual(self.spend(edge, run), {200: 1000, 429: REQUESTS - 1000})
        self.assert_explained(edge, {"first": 4000, "second": 2000, "third": 0})
        # Without the third rule, the second gives out what it has kept: 2,000, to the request.
        bundle = harness.with_version(bundle, 2)
        bundle["policies"][0]["spec"]["rules"] = rules[:2]
        edge.write_policy(bundle)
        edge.reload()
        self.assertEqual(self.spend(edge, 0, 20_000), {200: 2000, 429: 18_000})
        self.assert_explained(edge, {"first": 2000, "second": 0})

    def assert_explained(self, edge, wanted):
        """What `fairvisor explain` says is left, and that asking charges nothing."""
        for _ in range(2):
            done = edge.cli("explain", "-c", edge.config_file, "--json", "GET", "/api/data", "-H", "X-Run: 0")
            self.assertEqual(done.returncode, 0, done)
            document = json.loads(done.stdout)
            self.assertEqual(document["counters"], "live", document)
            limits = {step["rule"]: step["remaining"] for step in document["steps"] if "remaining" in step}
            self.assertEqual({rule: int(left) for rule, left in limits.items()}, wanted, document)

    def test_cost_of_a_request(self):
        """A cost from a header is charged to the millionth."""
        bundle = harness.one_rule(NEGLIGIBLE, 10, ["header:x-run"])
        config = bundle["policies"][0]["spec"]["rules"][0]["algorithm_config"]
        config.update({"cost_source": "header:X-Cost", "default_cost": 1})
        edge = self.start_edge(bundle)
        for cost, status in (("4.5", 200), ("5.5", 200), ("0.000001", 429)):
            answer = edge.decide("GET", "/", headers=[("X-Run", "a"), ("X-Cost", cost)])
            self.assertEqual(answer.status, status, (cost, answer))
        self.assertEqual(edge.decide("GET", "/", headers=[("X-Run", "b"), ("X-Cost", "10.000001")]).status, 429)
        self.assertEqual(edge.decide("GET", "/", headers=[("X-Run", "b"), ("X-Cost", "10")]).status, 200)

    def test_keys_do_not_collide(self):
        """Values are hashed with their lengths: ("a|b", "c") is not ("a", "b|c")."""
        edge = self.start_edge(harness.one_rule(NEGLIGIBLE, 1, ["header:x-a", "header:x-b"]))
        pairs = [("a|b", "c"), ("a", "b|c"), ("ab", "c"), ("a", "bc"), ("a, b", "c"), ("a", "b, c"), ("abc", "0")]
        for pair in pairs:
            fields = [("X-A", pair[0]), ("X-B", pair[1])]
            self.assertEqual(edge.decide("GET", "/", headers=fields).status, 200, pair)
            self.assertEqual(edge.decide("GET", "/", headers=fields).status, 429, pair)

    def test_a_path_cannot_slip_past(self):
        edge = self.start_edge(harness.one_rule(NEGLIGIBLE, 1, [], prefix="/v1/chat"))
        self.assertEqual(edge.decide("GET", "/v1/chat").status, 200)
        for uri in ("/v1/chat", "/v1/../v1/chat", "/v1/ch%61t", "//v1//chat", "/v1/./chat", "/v1/chat/x?y=1",
                    "/%76%31/chat"):
            self.assertEqual(edge.decide("GET", uri).status, 429, uri)
        for uri in ("/v1/chats", "/v1", "/v1/chat%2Fx/../../other"):
            self.assertEqual(edge.decide("GET", uri).status, 200, uri)
