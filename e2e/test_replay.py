# SPDX-License-Identifier: MPL-2.0
"""What `fairvisor test` says of yesterday is what the service said: its own decision log, judged again, gives the same
verdicts.

The log has times in milliseconds. So the buckets of this test either give nothing back while it runs, or are asked when no
token is about to become whole."""

import collections
import datetime
import json
import os
import random
import subprocess
import time

import faults
import harness
import jose

REQUESTS = harness.full_or_short(20_000, 1_500)
PAUSE = 2.5  # seconds in which the buckets of REFILLED keys fill, to the middle between two tokens
SLOW_BURST = 3  # of their buckets, which get a token in a second
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
            harness.token_bucket("slow", 1, SLOW_BURST, ("header:x-key",))]}},
        {"id": "trial", "spec": {"selector": {"pathPrefix": "/"}, "mode": "shadow", "rules": [
            harness.token_bucket("address", 0.001, 20, ("ip:address",))]}},
    ],
    "kill_switches": [{"scope_key": "header:x-key", "scope_value": "stolen", "reason": "lost"}],
}


def whole_lines(edge):
    """Of the log; the last may be half written."""
    return edge.log().split("\n")[:-1]


class TestReplay(harness.TestCase):
    def ask(self, edge, dice):
        key = dice.choice(["stolen"] + ["key-%d" % number for number in range(60)])
        path = dice.choice(["/x/loop/a", "/x/loop/b", "/x/orders", "/x/a%20b"])
        team = dice.choice(["red", "blue & green", "", "100%"])
        query = "?team=" + team.replace("%", "%25").replace(" ", "+").replace("&", "%26") if team and "loop" not in path else ""
        fields = [("X-Key", key)] if dice.random() < 0.9 else []
        return edge.decide(dice.choice(["GET", "POST"]), path + query, "10.0.0.%d" % dice.randint(1, 20), fields).status

    def drain(self, edge, key):
        """Five requests at once: as many pass as the bucket of KEY has, and as come back until the last of them."""
        began = time.monotonic()
        got = [edge.decide("GET", "/refill", "10.1.0.1", [("X-Key", key)]).status]
        least = int(PAUSE) if key in self.spent_at else SLOW_BURST
        self.spent_at.setdefault(key, time.monotonic())  # or before, where the answer was long on its way
        got += [edge.decide("GET", "/refill", "10.1.0.1", [("X-Key", key)]).status for _ in range(4)]
        self.assertTrue(least <= got.count(200) <= SLOW_BURST + int(time.monotonic() - began), (got, time.monotonic() - began))
        return got

    def wait_between_tokens(self, key):
        """Until the bucket of KEY has filled for PAUSE, or, where the requests of others took longer, until it is full."""
        filled = time.monotonic() - self.spent_at[key]
        if filled < PAUSE:
            time.sleep(PAUSE - filled)
        elif PAUSE + 0.2 < filled < SLOW_BURST + 0.5:
            time.sleep(SLOW_BURST + 0.5 - filled)

    def test_the_same_verdicts(self):
        edge = self.start_edge(BUNDLE, settings={"decision_log": "all", "log_format": "json", "redact": "none",
                                                 "decision_log_rate": 1000000})
        dice = random.Random(11)
        sent, self.spent_at = collections.Counter(), {}
        for key in REFILLED:
            sent.update(self.drain(edge, key))
        for _ in range(REQUESTS):
            sent[self.ask(edge, dice)] += 1
        for key in REFILLED:
            self.wait_between_tokens(key)
            sent.update(self.drain(edge, key))
        total = sum(sent.values())
        harness.wait_until(lambda: sum('"action":"allow"' in line or '"action":"reject"' in line for line in whole_lines(edge)) >= total,
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
        for line in whole_lines(edge):
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


class TestTokens(harness.TestCase):
    def test_a_token_that_does_not_verify_is_refused_again(self):
        """Whether a token is good is not the policy's to say: what the service found stands in its log."""
        key, other = jose.Secret("ours"), jose.Secret("ours", b"0123456789abcdef0123456789abcdef")
        edge = self.new_edge({"bundle_version": 1, "policies": [{"id": "users", "spec": {"selector": {"pathPrefix": "/"}, "rules": [
            harness.token_bucket("user", 0.001, 2, ["jwt:sub"], on_missing="reject")]}}]}, settings={
                "decision_log": "all", "log_format": "json", "redact": "none"})
        keys = os.path.join(edge.directory, "keys.json")
        with open(keys, "w", encoding="utf-8") as file:
            file.write(jose.key_set(key))
        os.chmod(keys, 0o644)
        edge.write_settings(jwt_keys_file=keys)
        edge.start()
        later = int(time.time()) + 3600
        tokens = [key.token({"sub": "ann", "exp": later})] * 3 + [other.token({"sub": "ann", "exp": later})] * 4 + \
            [key.token({"sub": "bob", "exp": 1})] * 2 + [None]
        got = [edge.decide("GET", "/", headers=[("Authorization", "Bearer " + token)] if token else []).status for token in tokens]
        self.assertEqual(got, [200, 200, 429] + [401] * 6 + [429])
        harness.wait_until(lambda: sum('"action":"' in line for line in whole_lines(edge)) >= len(tokens), "every decision in the log")
        done = edge.cli("test", "-c", edge.config_file, "--json", "--requests", edge.log_file)
        self.assertEqual(done.returncode, 0, done.stderr)
        result = json.loads(done.stdout)["result"]
        self.assertEqual(result["as_logged"], {"verdicts": 10, "rejected_only_then": 0, "rejected_only_here": 0})
        self.assertEqual({rule.get("rule", rule.get("guard")): rule["reasons"] for rule in result["rules"]},
                         {"token": {"jwt_invalid": 6}, "user": {"rate_limit_exceeded": 1, "identity_missing": 1}})


# ---- many lines ---------------------------------------------------------------------------------------------------------

LINES = harness.full_or_short(1_000_000, 50_000)
LINES_A_MINUTE = 1_000_000  # of the processor's time: five percent of it are used
BUDGET = 40


class TestManyLines(harness.TestCase):
    """A log of a million lines is judged by four rules within a minute of one core's time, in each way of writing it; a quota
    for each client tells whether every line counted."""

    def bundle(self, edge_folder):
        rules = [
            {"name": "quota", "limit_keys": ["ip:address"], "algorithm": "cost_based",
             "algorithm_config": {"budget": BUDGET, "period": "1d", "staged_actions": STAGES}},
            harness.token_bucket("path", 1_000_000, 1_000_000, ["path", "ip:address"]),
            harness.token_bucket("agent", 1_000_000, 1_000_000, ["header:user-agent"]),
            harness.token_bucket("all", 1_000_000, 1_000_000, [])]
        path = os.path.join(edge_folder, "policy.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"bundle_version": 1, "policies": [{"id": "p", "spec": {"selector": {"pathPrefix": "/"}, "rules": rules}}]}, file)
        return path

    def judge(self, form, *options):
        dice, asked = random.Random(7), collections.Counter()
        folder = self.temporary_folder()
        log = os.path.join(folder, "access.log")
        with open(log, "w", encoding="ascii") as file:
            for number in range(LINES):
                client = "10.1.%d.%d" % (dice.randrange(100), dice.randrange(10))
                asked[client] += 1
                file.write(form(client, number))
        done = subprocess.run(
            ["prlimit", "--cpu=%d" % -(-LINES * 60 // LINES_A_MINUTE), harness.program("fairvisor"), "test", "-c", "/dev/null",
             self.bundle(folder), "--json", "--requests", log, *options], env=harness.clean_environment(),
            capture_output=True, text=True, timeout=1200)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        answer = json.loads(done.stdout)
        self.assertEqual((answer["log"]["lines"], answer["log"]["requests"]), (LINES, LINES))
        self.assertEqual(answer["result"]["allowed"], sum(min(count, BUDGET) for count in asked.values()))

    def stamp(self, number, form):
        return time.strftime(form, time.gmtime(1_790_000_000 + number // 50))

    def test_combined(self):
        self.judge(lambda client, number: f'{client} - - [{self.stamp(number, "%d/%b/%Y:%H:%M:%S +0000")}] "GET /orders/{number % 999}?'
                   f'page=2 HTTP/1.1" 200 512 "-" "Mozilla/5.0 (X11; Linux x86_64) Firefox/{number % 9}"\n')

    def test_a_format(self):
        self.judge(lambda client, number: f'{client} {1_790_000_000 + number // 50}.{number % 1000:03d} 0.012 "GET /orders/{number % 999} '
                   f'HTTP/1.1" "curl/{number % 9}"\n',
                   "--log-format", '$remote_addr $msec $request_time "$request" "$http_user_agent"')

    def test_json(self):
        self.judge(lambda client, number: f'{{"time":"{self.stamp(number, "%Y-%m-%dT%H:%M:%S.250Z")}","method":"GET","path":"/orders/'
                   f'{number % 999}","client":"{client}","headers":{{"User-Agent":"curl/{number % 9}"}}}}\n')


# ---- days of everything -------------------------------------------------------------------------------------------------

ROUNDS = harness.full_or_short(1000, 200)  # between two rounds hours may pass
JUMP = 500  # seconds; whole multiples of it pass, so that a bucket of one token in 1,000 s is never asked on the edge of one
NEVER_SETTLED = 100.0  # seconds: longer than flights last, shorter than a jump
WORDS = "word " * 400
# Where limits refuse together, the one with the longest wait is told; waits are spread by a number that each arena draws.
OF_SEVERAL = {"tpm_exceeded", "tpd_exceeded", "budget_exhausted", "concurrency_exceeded", "rate_limit_exceeded", "loop_detected",
              "circuit_breaker_open"}
TOKENS = jose.Secret("replay")


def llm_rule(name, keys, **config):
    return {"name": name, "limit_keys": keys, "algorithm": "token_bucket_llm", "on_missing": "reject",
            "algorithm_config": {"default_max_completion": 500, **config}}


def quota(name, budget, period, **more):
    return {"name": name, "limit_keys": ["header:x-key"], "algorithm": "cost_based", "on_missing": "share",
            "algorithm_config": {"budget": budget, "period": period, "cost_key": "header:x-cost", "default_cost": 1,
                                 "staged_actions": STAGES, **more}}


def next_morning(now):
    """The next six in the morning: every run begins there."""
    return now.replace(hour=6, minute=0, second=0) + datetime.timedelta(days=1 if now.hour >= 6 else 0)


def everything(begin):
    """A bundle with one of each that refuses, which all see the same traffic, from BEGIN on."""
    in_two_hours = begin + datetime.timedelta(hours=2)
    money = {"name": "money", "limit_keys": ["header:x-org"], "algorithm": "cost_based", "on_missing": "reject",
             "algorithm_config": {"budget": 0.08, "period": "1d", "cost_key": "usage", "staged_actions": STAGES}}
    flights = {"name": "flights", "limit_keys": ["header:x-org"], "algorithm": "concurrency",
               "algorithm_config": {"max_in_flight": 2, "ttl_seconds": 60}}
    return {
        "bundle_version": 1,
        "price_table": {"small": {"input": 1, "output": 2}, "large": {"input": 10, "output": 20}},
        "policies": [
            {"id": "chat", "spec": {"selector": {"pathPrefix": "/v1/chat"}, "rules": [
                llm_rule("tokens", ["header:x-org"], tokens_per_minute=60, burst_tokens=4000, tokens_per_day=9000,
                         max_prompt_tokens=300, max_completion_tokens=2500, max_tokens_per_request=2550), money, flights]}},
            {"id": "agents", "spec": {"selector": {"pathPrefix": "/v1/agents"}, "rules": [
                llm_rule("agent", ["jwt:sub"], tokens_per_minute=100000)],
                "loop_detection": {"enabled": True, "window_seconds": 60, "threshold_identical_requests": 3},
                "circuit_breaker": {"enabled": True, "spend_rate_threshold_per_minute": 3000, "action": "reject",
                                    "auto_reset_after_minutes": 15}}},
            {"id": "quotas", "spec": {"selector": {"pathPrefix": "/api"}, "rules": [
                harness.token_bucket("rate", 0.001, 3, ["header:x-key"], on_missing="share"),
                quota("hour", 9, "1h"), quota("day", 30, "1d"), quota("night", 25, "1d", timezone="America/New_York")]}},
            {"id": "trial", "spec": {"selector": {"pathPrefix": "/api"}, "mode": "shadow", "rules": [
                harness.token_bucket("address", 0.001, 4, ["ip:address"])]}},
        ],
        "kill_switches": [
            {"scope_key": "header:x-key", "scope_value": "stolen"},
            {"scope_key": "header:x-key", "scope_value": "paused", "expires_at": in_two_hours.strftime("%Y-%m-%dT%H:%M:%SZ")}],
        "defaults": {"unmatched": "reject"},
    }


class Client:
    """Asks an edge one thing after the other, and writes down what a log of it has to say beside what the service logs."""

    def __init__(self, edge, clocks, dice):
        self.edge, self.clocks, self.dice = edge, clocks, dice
        self.asked = []  # members of a JSON line, in the order of the decisions
        self.open = []  # (number in asked, reservation) that may be settled
        self.statuses = collections.Counter()

    def now_ms(self):
        return int((time.time() + self.clocks.get("wall_shift_s")) * 1000)

    def sleep(self, seconds):
        for name in ("wall_shift_s", "boot_shift_s"):
            self.clocks.set(name, self.clocks.get(name) + seconds)

    def send(self, uri, fields, body=b""):
        fields = [("X-Original-Method", "POST"), ("X-Original-URI", uri),
                  ("X-Forwarded-For", "10.0.0.%d" % self.dice.randint(1, 4)), *fields]
        answer = harness.request(self.edge.address, "POST", "/v1/decision", fields, body)
        self.statuses[answer.status] += 1
        self.asked.append({"uri": uri, "body": body.decode()})
        reservation = answer.header("X-Fairvisor-Reservation")
        if reservation:
            self.open.append((len(self.asked) - 1, reservation))
            self.asked[-1]["duration_seconds"] = NEVER_SETTLED
        return answer.status

    def body(self):
        request = {"model": self.dice.choice(["small", "small", "large", "unknown"]),
                   "messages": [{"role": "user", "content": WORDS[:self.dice.choice([20, 400, 2000])]}]}
        if self.dice.random() < 0.7:
            request["max_tokens"] = self.dice.choice([10, 300, 2500, 2501])
        return json.dumps(request).encode()

    def chat(self):
        fields = [("X-Org", self.dice.choice(["acme", "globex"]))] if self.dice.random() < 0.95 else []
        for _ in range(self.dice.choice([1, 1, 4])):
            self.send("/v1/chat/completions", fields, self.body())

    def agent(self):
        who = self.dice.choice(["ann", "bob"])
        fields = [("Authorization", "Bearer " + TOKENS.token({"sub": who}))] if self.dice.random() < 0.95 else []
        if self.dice.random() < 0.2:
            fields.append(("X-Stainless-Retry-Count", "1"))
        body = json.dumps({"max_tokens": self.dice.choice([10, 1500])}).encode()
        for _ in range(self.dice.choice([1, 1, 4])):
            self.send("/v1/agents/" + self.dice.choice(["a", "b?x=1&y=2", "b?y=2&x=1"]), fields, body)
            if fields and fields[-1][0] == "X-Stainless-Retry-Count":
                self.asked[-1]["headers"] = dict(fields[-1:])

    def api(self):
        fields = [("X-Key", self.dice.choice(["k1", "k1", "k2", "stolen", "paused"]))] if self.dice.random() < 0.9 else []
        if self.dice.random() < 0.3:
            fields.append(("X-Cost", "2.5"))
        for _ in range(self.dice.choice([1, 1, 5])):
            self.send("/api/orders", fields)
            if fields and fields[-1][0] == "X-Cost":
                self.asked[-1]["headers"] = dict(fields[-1:])

    def nobody(self):
        self.send("/elsewhere", [])

    def settle(self):
        """Never in the millisecond of the decision before: by their times they must stand in this order."""
        if not self.open:
            return
        number, reservation = self.open.pop(-self.dice.randint(1, min(3, len(self.open))))
        usage = {"prompt_tokens": self.dice.choice([5, 300]), "completion_tokens": self.dice.choice([0, 7, 3000])}
        if self.dice.random() < 0.5:
            usage["model"] = self.dice.choice(["small", "large"])
        after = self.now_ms()
        harness.wait_until(lambda: self.now_ms() > after, "the next millisecond")
        self.asked[number].update(usage, ended_ms=self.now_ms())
        answer = harness.request(self.edge.address, "POST", "/v1/settle",
                                 body=json.dumps({"reservation": reservation, **usage}).encode())
        if answer.status not in (200, 204):
            for name in usage:  # too late: nothing was settled
                del self.asked[number][name]
            del self.asked[number]["ended_ms"]
        self.statuses["settled", answer.status] += 1

    def live(self):
        """An hour or a moment of everything."""
        for _ in range(self.dice.randint(1, 8)):
            self.dice.choice([self.chat, self.chat, self.agent, self.agent, self.api, self.api, self.settle, self.settle,
                              self.nobody])()
        if self.dice.random() < 0.6:
            self.sleep(JUMP * self.dice.choice([1, 1, 2, 7, 20]))


def milliseconds(text):
    moment = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=datetime.timezone.utc)
    return round(moment.timestamp() * 1000)


if not harness.ASAN:  # two libraries that come before libc do not go together
    class TestDays(harness.TestCase):
        """Days of tokens, money, requests in flight, loops, breakers, quotas over midnights and kill switches that end: what the
        service says, on clocks that hours are added to, is what the replay says."""

        def start(self):
            begin = next_morning(datetime.datetime.now(datetime.timezone.utc))
            edge = self.new_edge(everything(begin), workers=2, settings={
                "decision_log": "all", "log_format": "json", "redact": "none", "decision_log_rate": 1000000})
            clocks = self.own(faults.Faults(edge))
            edge.start()
            client = Client(edge, clocks, random.Random(20))
            client.sleep(int(begin.timestamp() - time.time()))
            return edge, client, begin

        def lines(self, edge, client):
            """The service's decision log, each line with what the client knows beside."""
            def told():
                events = [json.loads(line) for line in whole_lines(edge) if line.startswith("{")]
                return [event for event in events if event.get("action") in ("allow", "reject", "would_reject")]
            judged = lambda events: sum(event["action"] != "would_reject" for event in events)
            harness.wait_until(lambda: judged(told()) >= len(client.asked), "every decision in the log")
            number, lines = 0, []
            for event in told():
                if event["action"] != "would_reject":
                    more = dict(client.asked[number])
                    number += 1
                    ended_ms = more.pop("ended_ms", None)
                    if ended_ms:
                        more["duration_seconds"] = (ended_ms - milliseconds(event["time"])) / 1000
                    event.update(more)
                lines.append(event)
            return lines

        def test_every_verdict_again(self):
            edge, client, begin = self.start()
            for _ in range(ROUNDS):
                client.live()
            lines = self.lines(edge, client)
            looser = everything(begin)
            looser["policies"][0]["spec"]["rules"][0]["algorithm_config"]["tokens_per_day"] = 10_000_000
            paths = [os.path.join(edge.directory, name) for name in ("requests.json", "looser.json")]
            for path, text in zip(paths, ("\n".join(map(json.dumps, lines)), json.dumps(looser))):
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
            done = edge.cli("test", "-c", edge.config_file, "--json", "--requests", paths[0], "--compare", paths[1])
            self.assertEqual(done.returncode, 0, done.stderr)
            answer = json.loads(done.stdout)
            result = answer["result"]
            self.assertEqual(result["as_logged"], {"verdicts": len(client.asked), "rejected_only_then": 0,
                                                   "rejected_only_here": 0})
            reasons = collections.Counter(line["reason"] for line in lines if line.get("reason"))
            told = collections.Counter()
            for rule in result["rules"]:
                told.update(rule["reasons"])
            self.assertEqual(sum(told.values()), sum(reasons.values()))
            for reason in sorted(set(told) - OF_SEVERAL):
                self.assertEqual(told[reason], reasons[reason], reason)
            self.assertTrue({"tpm_exceeded", "tpd_exceeded"} & set(told), told)
            wanted = {"prompt_tokens_exceeded", "max_tokens_per_request_exceeded",
                      "completion_tokens_exceeded", "budget_exhausted", "model_unpriced", "concurrency_exceeded", "loop_detected",
                      "circuit_breaker_open", "identity_missing", "kill_switch_active", "rate_limit_exceeded",
                      "no_policy_matched"}
            self.assertLessEqual(wanted, set(told))
            self.assertGreater(client.statuses["settled", 200], 20)
            self.assertGreater(answer["other"]["as_logged"]["rejected_only_then"], 0, "another policy says the same")
