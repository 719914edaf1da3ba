# SPDX-License-Identifier: MPL-2.0
"""What `fairvisor test` says of yesterday is what the service said: its own decision log, judged again, gives the same
verdicts.

The log has times in milliseconds. So the buckets of this test either give nothing back while it runs, or are asked when no
token is about to become whole."""

import collections
import json
import random
import time

import harness

REQUESTS = harness.full_or_short(20_000, 1_500)
PAUSE = 2.5  # seconds in which the buckets of REFILLED keys fill, to the middle between two tokens
REFILLED = ["slow-%d" % number for number in range(20)]

RULES = {"rate": "header:x-key", "slow": "header:x-key", "quota": "query:team", "address": "ip:address"}
STAGES = [{"threshold_percent": 100, "action": "reject"}]
BUNDLE = {
    "bundle_version": 1,
    "policies": [
        {"id": "limits", "spec": {"selector": {"pathPrefix": "/x"}, "rules": [
            harness.token_bucket("rate", 0.001, 12, ("header:x-key",), on_missing="share"),
            {"name": "quota", "limit_keys": ["query:team"], "algorithm": "cost_based", "on_missing": "share",
             "algorithm_config": {"budget": 150, "period": "1d", "staged_actions": STAGES}}]}},
        {"id": "loops", "spec": {"selector": {"pathPrefix": "/x/loop"}, "rules": [
            harness.token_bucket("wide", 100000, 100000, ("header:x-key",))],
            "loop_detection": {"enabled": True, "window_seconds": 3600, "threshold_identical_requests": 2}}},
        {"id": "refill", "spec": {"selector": {"pathExact": "/refill"}, "rules": [
            harness.token_bucket("slow", 1, 3, ("header:x-key",))]}},
        {"id": "trial", "spec": {"selector": {"pathPrefix": "/"}, "mode": "shadow", "rules": [
            harness.token_bucket("address", 0.001, 20, ("ip:address",))]}},
    ],
    "kill_switches": [{"scope_key": "header:x-key", "scope_value": "stolen", "reason": "lost"}],
}


class TestReplay(harness.TestCase):
    def ask(self, edge, dice):
        key = dice.choice(["stolen"] + ["key-%d" % number for number in range(60)])
        path = dice.choice(["/x/loop/a", "/x/loop/b", "/x/orders", "/x/a%20b"])
        team = dice.choice(["red", "blue & green", "", "100%"])
        query = "?team=" + team.replace("%", "%25").replace(" ", "+").replace("&", "%26") if team and "loop" not in path else ""
        fields = [("X-Key", key)] if dice.random() < 0.9 else []
        return edge.decide(dice.choice(["GET", "POST"]), path + query, "10.0.0.%d" % dice.randint(1, 20), fields).status

    def drain(self, edge, expected):
        """Five requests at once for each slow key: as many pass as its bucket has."""
        sent = collections.Counter()
        for key in REFILLED:
            got = [edge.decide("GET", "/refill", "10.1.0.1", [("X-Key", key)]).status for _ in range(5)]
            sent.update(got)
            if expected:
                self.assertEqual([got.count(200), got.count(429)], expected)
            else:
                self.assertTrue(0 < got.count(200) < 5, got)
        return sent

    def test_the_same_verdicts(self):
        edge = self.start_edge(BUNDLE, settings={"decision_log": "all", "log_format": "json", "redact": "none",
                                                 "decision_log_rate": 1000000})
        dice = random.Random(11)
        sent = collections.Counter()
        sent.update(self.drain(edge, [3, 2]))
        paused_until = time.monotonic() + PAUSE
        for _ in range(REQUESTS):
            sent[self.ask(edge, dice)] += 1
        time.sleep(max(0, paused_until - time.monotonic()))
        sent.update(self.drain(edge, None))
        total = sum(sent.values())
        harness.wait_until(lambda: edge.log().count('"action":"allow"') + edge.log().count('"action":"reject"') >= total,
                           "every decision in the log")
        done = edge.cli("test", "-c", edge.config_file, "--json", "--identities", "10000", "--requests", edge.log_file)
        self.assertEqual(done.returncode, 0, done.stderr)
        answer = json.loads(done.stdout)
        result = answer["result"]
        self.assertEqual(answer["log"]["requests"], total)
        self.assertEqual((result["allowed"], result["rejected"]), (sent[200], total - sent[200]))

        live, reasons = self.read_log(edge)
        replayed = {}
        for identity in result["identities"]:
            place = identity.get("policy", ""), identity.get("rule", identity.get("guard")), identity["identity"]
            replayed[place] = (identity["rejected"], identity["would_reject"], identity["first"], identity["last"])
        replayed = {place: row for place, row in replayed.items() if place[1] in RULES}
        self.assertGreater(len(live), 40)
        self.assertEqual({place: (live.get(place), replayed.get(place)) for place in live.keys() | replayed.keys()
                          if live.get(place) != replayed.get(place)}, {})
        told = collections.Counter()
        for rule in result["rules"]:
            told.update(rule["reasons"])
        self.assertEqual(told, reasons)
        self.assertEqual(set(told), {"rate_limit_exceeded", "budget_exhausted", "loop_detected", "kill_switch_active"})
        self.assertGreater(sum(row[1] for row in live.values()), 0, "no shadow refusals")

    def read_log(self, edge):
        """Refusals of each rule and identity, and the reasons of all, in shadow too, as the service told them."""
        live, reasons = {}, collections.Counter()
        for line in edge.log().splitlines():
            event = json.loads(line) if line.startswith("{") else {}
            if event.get("action") not in ("reject", "would_reject"):
                continue
            reasons[event["reason"]] += 1
            if event.get("rule") not in RULES:
                continue
            name = RULES[event["rule"]]
            place = event["policy"], event["rule"], "%s=%s" % (name, event.get("keys", {}).get(name, "(missing)"))
            rejected, would, first, _ = live.get(place, (0, 0, event["time"], None))
            is_shadow = event["action"] == "would_reject"
            live[place] = (rejected + (not is_shadow), would + is_shadow, first, event["time"])
        return live, reasons


if __name__ == "__main__":
    harness.main()
