# SPDX-License-Identifier: MPL-2.0
"""The master's door: `fairvisor keys`, who may come in, and that a hostile visitor can't hurt."""

import json
import os
import resource
import signal
import socket
import stat
import struct
import subprocess
import time

import harness

NEGLIGIBLE = 0.000001
MAGIC, VERSION = 0x66766430, 1
VISITORS = 8  # that the master has places for
READ_SECONDS = 5


def door_of(edge):
    return os.path.join(edge.settings["runtime_dir"], f"{edge.name}.door")


def visit(edge):
    visitor = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    visitor.connect(door_of(edge))
    visitor.settimeout(20)
    return visitor


def reply_of(visitor):
    """(code, sentence) of the master's reply; None when it sent us away without one."""
    data = visitor.recv(65536)
    if not data:
        return None
    magic, _version, _size, code = struct.unpack_from("=IIII", data)
    assert magic == MAGIC, data[:16]
    return code, data[16:16 + 1024].split(b"\0")[0].decode()


def policy(rules, **spec):
    bundle = harness.one_rule()
    bundle["policies"][0]["spec"].update(rules=rules, **spec)
    return bundle


def chat(max_tokens):
    return json.dumps({"messages": [{"role": "user", "content": "x"}], "max_tokens": max_tokens}).encode()


def header_key(value):
    return {"X-Key": value}


class TestKeys(harness.TestCase):
    def test_list(self):
        """Everybody whose events are in memory is listed by what his cell says now; who is hidden, by a hash."""
        edge = self.start_edge(policy([harness.token_bucket("r", NEGLIGIBLE, 4, ("header:x-user",)),
                                       harness.token_bucket("hidden", NEGLIGIBLE, 4, ("header:x-api-key",)),
                                       harness.token_bucket("all", NEGLIGIBLE, 100, ())]))
        self.assertIn("cells in use: 0", self.keys(edge, "list").stdout)
        for user, count in (("alice", 3), ("bob", 1), (("a b\x1b", 0))):
            for _ in range(count):
                edge.decide(headers=[("X-User", user), ("X-Api-Key", "secret")])
        told = json.loads(self.keys(edge, "list", "--json").stdout)
        # A millionth comes back in each second.
        self.assertEqual(sorted((row["rule"], round(row["spent"]), [pair["value"] for pair in row["identity"]])
                                for row in told["limits"] if row["rule"] != "hidden"),
                         [("all", 4, []), ("r", 1, ["bob"]), ("r", 3, ["alice"])])
        hidden, = [row for row in told["limits"] if row["rule"] == "hidden"]
        self.assertEqual((round(hidden["spent"]), told["limits"][0]["rule"], told["limits"][0]["fill_percent"] in (99, 100)),
                         (4, "hidden", True))
        self.assertRegex(hidden["identity"][0]["value"], "^#[0-9a-f]{16}$")
        self.assertEqual((told["cells_used"], told["named"], told["hidden"]), (4, 4, 1))
        self.keys(edge, "reset", "--rule", "r", "--reason", "x", "header:x-user=alice")
        lines = self.keys(edge, "list", "--rule", "r").stdout.splitlines()
        self.assertRegex(lines[0], r"^ 2[45] %  demo-rate-limit/r, rate  header:x-user=bob: 3(\.0\d*)? of 4 left in ")
        self.assertEqual(len(lines), 3)
        text = self.keys(edge, "list").stdout
        self.assertNotIn("secret", text)
        self.assertIn("1 identity is told by a hash, #..., because the setting redact hides such values", text)

    def spent(self, edge, *pairs):
        return sorted((row["rule"], row["limit"], round(row["spent"])) for row in self.limits(edge, *pairs))

    def assert_tokens_spent(self, edge, amount, began, *pairs):
        """The day says AMOUNT; to the minute, a token came back for each that has passed since BEGAN."""
        spent = {row["limit"]: row["spent"] for row in self.limits(edge, *pairs) if row["rule"] == "llm"}
        back = (time.monotonic() - began) / 60
        self.assertEqual((sorted(spent), spent["day"]), (["day", "minute"], amount))
        self.assertTrue(amount - back <= spent["minute"] <= amount, (spent, amount, back))

    def test_by_hash(self):
        """The hash that stands for a value finds all limits of the rules that events tell of, and nobody else's."""
        harness.avoid_midnight()
        llm = {"name": "llm", "limit_keys": ["header:x-api-key"], "algorithm": "token_bucket_llm",
               "algorithm_config": {"tokens_per_minute": 1, "burst_tokens": 1_000_000, "tokens_per_day": 1_000_000}}
        edge = self.start_edge(policy([harness.token_bucket("r", NEGLIGIBLE, 4, ("header:x-api-key", "header:x-user")), llm]))
        began = time.monotonic()
        for key, user in (("one", "alice"), ("one", "bob"), ("two", "alice")):
            for _ in range(2):
                edge.decide(headers=[("X-Api-Key", key), ("X-User", user)], body=chat(95))
        rows = json.loads(self.keys(edge, "list", "--json").stdout)["limits"]
        self.assertEqual(sorted(row["limit"] for row in rows), ["day"] * 2 + ["minute"] * 2 + ["rate"] * 3)
        hashes = {round(row["spent"]): row["identity"][0]["value"] for row in rows if row["limit"] == "day"}
        (more, first), (less, second) = sorted(hashes.items(), reverse=True)
        first, second = f"header:x-api-key={first}", f"header:x-api-key={second}"
        self.assertEqual(more, 2 * less)
        self.assertEqual([row["rule"] for row in self.limits(edge, first)], ["llm"] * 2)
        self.assert_tokens_spent(edge, more, began, first)
        self.assert_tokens_spent(edge, less, began, second, "header:x-user=alice")
        self.assertEqual(self.spent(edge, second, "header:x-user=alice")[-1], ("r", "rate", 2))
        done = self.keys(edge, "reset", "--reason", "by hash", first, "header:x-user=alice")
        self.assertEqual(done.stdout, "limits reset: 3\n")
        self.assertEqual(self.spent(edge, "header:x-api-key=one", "header:x-user=alice"),
                         [("llm", "day", 0), ("llm", "minute", 0), ("r", "rate", 0)])
        self.assertEqual(self.spent(edge, "header:x-api-key=one", "header:x-user=bob")[-1], ("r", "rate", 2))
        self.assert_tokens_spent(edge, less, began, second)
        done = self.keys(edge, "grant", "--reason", "half", "--amount", "1", "--rule", "r", second, "header:x-user=alice")
        self.assertEqual(done.stdout, "given back: 1, limits changed: 1\n")
        edge.wait_log(rf"audit: reset {first} header:x-user=alice by user .*, because: by hash")
        done = self.keys(edge, "get", "header:x-api-key=#0123456789abcdef", code=1)
        self.assertIn("no event that is still in memory tells an identity with this hash", done.stderr)

    def test_an_open_breaker_by_hash(self):
        edge = self.start_edge(policy([harness.token_bucket("r", 100, 100, ("header:x-api-key",))],
                                      circuit_breaker={"enabled": True, "spend_rate_threshold_per_minute": 2,
                                                       "action": "reject", "auto_reset_after_minutes": 0}))
        self.assertEqual([edge.decide(headers=[("X-Api-Key", "one")]).status for _ in range(4)][-1], 429)
        row, = [row for row in json.loads(self.keys(edge, "list", "--json").stdout)["limits"] if row["limit"] == "breaker"]
        self.assertEqual((row["rule"], row["open"], row["fill_percent"]), (None, True, 100))
        self.assertIn("/circuit breaker, breaker  header:x-api-key=#", self.keys(edge, "list").stdout)
        self.keys(edge, "reset", "--reason", "x", f"header:x-api-key={row['identity'][0]['value']}")
        self.assertEqual(edge.decide(headers=[("X-Api-Key", "one")]).status, 200)

    def test_values_by_standard_input(self):
        edge = self.start_edge(policy([harness.token_bucket("r", NEGLIGIBLE, 4, ("header:x-api-key",))]))
        edge.decide(headers=[("X-Api-Key", "s e=cret")])

        def ask(*words, given="s e=cret\n", code=0):
            done = edge.cli(words[0], "-c", edge.config_file, *words[1:], input=given)
            self.assertEqual(done.returncode, code, done)
            return done.stdout + done.stderr

        self.assertRegex(ask("keys", "get", "header:x-api-key=-"), r"\b3(\.0\d*)? of 4 left")
        ask("kill", "header:x-api-key", "-", given="s e=cret")
        self.assertEqual(edge.decide(headers=[("X-Api-Key", "s e=cret")]).header("X-Fairvisor-Reason"), "kill_switch_active")
        ask("kill", "--remove", "header:x-api-key", "-")
        self.assertEqual(edge.decide(headers=[("X-Api-Key", "s e=cret")]).status, 200)
        self.assertIn("first line is empty", ask("kill", "header:x-api-key", "-", given="\n", code=64))
        self.assertIn("longer than", ask("kill", "header:x-api-key", "-", given="x" * 100_000, code=64))
        self.assertIn("only one value", ask("keys", "get", "header:x-api-key=-", "ip:address=-", code=64))

    def keys(self, edge, *arguments, code=0):
        done = edge.cli("keys", arguments[0], "-c", edge.config_file, *arguments[1:])
        self.assertEqual(done.returncode, code, (arguments, done.stdout, done.stderr))
        return done

    def limits(self, edge, *pairs):
        return json.loads(self.keys(edge, "get", "--json", *pairs).stdout)["limits"]

    def ask(self, edge, key, count=1, **more):
        return [edge.decide("GET", "/api", headers=header_key(key), **more).status for _ in range(count)]

    def test_grant_where_one_limit_is_full_again(self):
        """A rule's minute has come back long since; what the day gets is told."""
        harness.avoid_midnight()
        rule = {"name": "tokens", "limit_keys": ["header:x-key"], "algorithm": "token_bucket_llm", "algorithm_config": {
            "tokens_per_minute": 60_000_000, "tokens_per_day": 60_000_000, "default_max_completion": 500}}
        edge = self.start_edge(policy([rule]), settings={"redact": "none"})
        self.assertEqual(self.ask(edge, "alice", 2), [200, 200])
        self.wait_for_minute(edge)
        done = self.keys(edge, "grant", "--amount", "200", "--reason", "goodwill", "header:x-key=alice")
        self.assertEqual(done.stdout, "given back: 200, limits changed: 1\n")

    def wait_for_minute(self, edge):
        """Waits until the minute of alice has nothing spent."""
        harness.wait_until(lambda: [limit["spent"] for limit in self.limits(edge, "header:x-key=alice")
                                    if limit["limit"] == "minute"] == [0], "the minute to come back")

    def test_reset_and_grant(self):
        """The figures are those of the engine to the millionth; only the one identity is changed."""
        edge = self.start_edge(policy([harness.token_bucket("per-key", NEGLIGIBLE, 5, ["header:X-Key"])]),
                               settings={"redact": "none"})
        for key in ("alice", "bob"):
            self.assertEqual(self.ask(edge, key, 6), [200] * 5 + [429])
        limit, = self.limits(edge, "header:X-KEY=alice")
        self.assertEqual((limit["capacity"], limit["rule"], limit["limit"], limit["shadow"]),
                         (5, "per-key", "rate", False))
        self.assertAlmostEqual(limit["spent"], 5, delta=0.001)
        done = self.keys(edge, "grant", "--amount", "2", "--reason", "goodwill", "header:x-key=alice")
        self.assertEqual(done.stdout, "given back: 2, limits changed: 1\n")
        self.assertEqual(self.ask(edge, "alice", 3), [200, 200, 429])
        self.keys(edge, "reset", "--reason", "ticket 812", "header:x-key=alice")
        self.assertEqual(self.ask(edge, "alice", 6), [200] * 5 + [429])
        self.assertEqual(self.ask(edge, "bob"), [429])
        edge.wait_log(rf"audit: grant header:x-key=alice by user {os.geteuid()} \(process \d+\), 2 given back, 1 limit "
                      r"changed, version 1, generation 1, sha256 [0-9a-f]{12}, because: goodwill")
        edge.wait_log(r"audit: reset header:x-key=alice by user .*, 1 limit changed, .*, because: ticket 812")
        events = [json.loads(line) for line in edge.cli("logs", "-c", edge.config_file, "--action", "audit", "--since",
                                                        "1h", "--no-follow", "--format", "json").stdout.splitlines()]
        for event in events:
            self.assertEqual((event["uid"], event["keys"], event["version"], event["hash"], event["generation"]),
                             (os.geteuid(), {"header:x-key": "alice"}, "1", edge.ready()["policy_hash"], 1))
        self.assertEqual([(event["reason"], event["detail"], event["note"]) for event in events],
                         [("grant", "2 given back, 1 limit changed", "goodwill"),
                          ("reset", "1 limit changed", "ticket 812")])
        done = self.keys(edge, "grant", "--amount", "2", "--reason", "goodwill", "header:x-key=alcie")
        self.assertEqual(done.stdout, "nothing to give back: nothing is spent\n")
        done = self.keys(edge, "grant", "--amount", "99", "--reason", "all of it", "--json", "header:x-key=bob")
        self.assertLessEqual(json.loads(done.stdout)["amount"], 5)
        self.assertEqual(self.ask(edge, "bob", 6), [200] * 5 + [429])

    def test_breaker_without_end(self):
        """auto_reset_after_minutes 0: only by hand."""
        breaker = {"enabled": True, "spend_rate_threshold_per_minute": 3, "action": "reject",
                   "auto_reset_after_minutes": 0}
        edge = self.start_edge(policy([harness.token_bucket("per-key", 1000, 1000, ["header:X-Key"])],
                                      circuit_breaker=breaker))
        for key in ("mallory", "alice"):
            self.assertEqual(self.ask(edge, key, 5), [200] * 3 + [429] * 2)
        opened = self.limits(edge, "header:x-key=mallory")[-1]
        self.assertEqual((opened["limit"], opened["open"]), ("breaker", True))
        self.assertIn("until it is reset by hand", self.keys(edge, "get", "header:x-key=mallory").stdout)
        self.keys(edge, "reset", "--reason", "loop fixed", "header:x-key=mallory")
        self.assertEqual(self.limits(edge, "header:x-key=mallory")[-1]["open"], False)
        self.assertEqual(self.ask(edge, "mallory", 4), [200] * 3 + [429])
        self.assertEqual(self.ask(edge, "alice"), [429], "somebody else's breaker was closed")

    def test_shared_and_several(self):
        harness.avoid_midnight()
        budget = {"name": "money", "limit_keys": ["header:X-Key"], "algorithm": "cost_based",
                  "algorithm_config": {"budget": 10, "period": "1d", "cost_key": "fixed", "fixed_cost": 2.5,
                                       "staged_actions": [{"threshold_percent": 100, "action": "reject"}]}}
        flight = {"name": "flight", "limit_keys": ["header:X-Key"], "algorithm": "concurrency",
                  "algorithm_config": {"max_in_flight": 50, "ttl_seconds": 3600}}
        edge = self.start_edge(policy([harness.token_bucket("all", NEGLIGIBLE, 6, []),
                                       harness.token_bucket("per-key", NEGLIGIBLE, 5, ["header:X-Key"]), budget, flight]))
        self.ask(edge, "alice", 3)
        limits = {limit["rule"]: limit for limit in self.limits(edge, "header:x-key=alice")}
        self.assertEqual(sorted(limits), ["flight", "money", "per-key"])
        self.assertEqual((limits["money"]["spent"], limits["money"]["remaining"]), (7.5, 2.5))
        self.assertEqual(limits["flight"]["spent"], 3)
        several = self.keys(edge, "grant", "--amount", "1", "--reason", "x", "header:x-key=alice", code=64)
        self.assertIn("--rule", several.stderr)
        self.keys(edge, "grant", "--amount", "2.5", "--reason", "x", "--rule", "money", "header:x-key=alice")
        self.keys(edge, "grant", "--amount", "1", "--reason", "x", "--rule", "flight", "header:x-key=alice", code=1)
        limits = {limit["rule"]: limit for limit in self.limits(edge, "header:x-key=alice")}
        self.assertEqual((limits["money"]["spent"], limits["flight"]["spent"]), (5, 3))
        shared, = self.limits(edge)
        self.assertEqual(shared["rule"], "all")
        self.ask(edge, "carol", 3)
        self.assertEqual(self.ask(edge, "dave"), [429])
        self.keys(edge, "reset", "--reason", "x", "--policy", "demo-rate-limit")
        self.assertEqual(self.ask(edge, "dave"), [200])

    def test_bad_use(self):
        """Each mistake gets one sentence and its documented exit code."""
        edge = self.start_edge(policy([harness.token_bucket("per-key", 1, 5, ["header:X-Key"])]))
        for arguments, code, part in (
                (["get", "header:x-kye=1"], 64, "asks for header:x-kye"),
                (["get", "hedder:x=1"], 64, "did you mean"),
                (["get", "nonsense"], 64, "KEY=VALUE"),
                (["get", "ip:address=nonsense"], 64, "not an IPv4 or IPv6 address"),
                (["get", "ip:address=10.0.0.1"], 1, "no limit"),
                (["reset", "header:x-key=1"], 64, "--reason"),
                (["reset", "--reason", "x"], 64, "--policy"),
                (["reset", "--reason", "x" * 300, "header:x-key=1"], 64, "longer than"),
                (["grant", "--reason", "x", "header:x-key=1"], 64, "--amount"),
                (["grant", "--reason", "x", "--amount", "-1", "header:x-key=1"], 64, "greater than 0"),
                (["grant", "--reason", "x", "--amount", "0.0000001", "header:x-key=1"], 64, "decimal places")):
            with self.subTest(arguments=arguments):
                self.assertIn(part, self.keys(edge, *arguments, code=code).stderr)
        edge.stop()
        self.assertIn("not running", self.keys(edge, "get", "header:x-key=1", code=69).stderr)
        self.assertIn("not running", self.keys(edge, "reset", "--reason", "x", "header:x-key=1", code=69).stderr)

    def test_killed_master(self):
        """A door that nobody stands behind any more."""
        edge = self.start_edge(policy([harness.token_bucket("per-key", 1, 5, ["header:X-Key"])]))
        edge.kill_everything()
        self.assertTrue(os.path.exists(door_of(edge)))
        self.assertIn("not running", self.keys(edge, "reset", "--reason", "x", "header:x-key=1", code=69).stderr)
        edge.start()
        self.keys(edge, "reset", "--reason", "x", "header:x-key=1")

    def test_reset_under_load(self):
        """A reset is one more full budget, not one request more or less, whatever goes on meanwhile."""
        burst, resets = 1000, harness.full_or_short(50, 5)
        edge = self.start_edge(policy([harness.token_bucket("all", NEGLIGIBLE, burst, [])]), workers=4)
        load = self.load(edge.address, "--path", "/v1/decision", "--header", "X-Original-Method: GET", "--header",
                         "X-Original-URI: /", "--expect", "200,429", "--duration-ms", 600_000, "--connections", 16)
        for _ in range(resets):
            harness.wait_until(lambda: self.limits(edge)[0]["remaining"] < 1, "the budget to be spent")
            self.keys(edge, "reset", "--reason", "load", "--policy", "demo-rate-limit")
        harness.wait_until(lambda: self.limits(edge)[0]["remaining"] < 1, "the budget to be spent")
        result = load.finish()
        self.assertEqual((result["failed"], harness.statuses(result)[200]), (0, burst * (resets + 1)), result)


class TestDoor(harness.TestCase):
    def edge(self, **more):
        return self.start_edge(policy([harness.token_bucket("per-key", NEGLIGIBLE, 5, ["header:X-Key"])]), **more)

    def check_serves(self, edge):
        """The door opens, and the master does all else it does."""
        done = edge.cli("keys", "reset", "-c", edge.config_file, "--reason", "x", "header:x-key=1")
        self.assertEqual(done.returncode, 0, done.stderr)
        edge.reload()

    def test_mode(self):
        edge = self.edge()
        facts = os.stat(door_of(edge))
        self.assertEqual((stat.S_ISSOCK(facts.st_mode), stat.S_IMODE(facts.st_mode), facts.st_uid),
                         (True, 0o600, os.geteuid()))
        edge.stop()
        self.assertFalse(os.path.exists(door_of(edge)))

    def test_strangers(self):
        """Who may not signal the master may not come in, not even when somebody opens the mode of the socket."""
        if not harness.IS_ROOT:
            self.skipTest("only root can become somebody else")
        edge = self.edge()
        os.chmod(edge.settings["runtime_dir"], 0o755)
        program = ("import socket, sys; s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.connect(sys.argv[1]); "
                   "print(len(s.recv(10)))")
        command = ["/usr/bin/python3", "-c", program, door_of(edge)]
        closed = subprocess.run(command, user="nobody", group="nogroup", extra_groups=[], capture_output=True, text=True)
        self.assertIn("PermissionError", closed.stderr)
        os.chmod(door_of(edge), 0o666)
        opened = subprocess.run(command, user="nobody", group="nogroup", extra_groups=[], capture_output=True, text=True)
        self.assertEqual(opened.stdout, "0\n", opened.stderr)
        self.check_serves(edge)

    def test_a_door_of_a_stranger(self):
        """Where he could put one in the place of ours, it is told nothing."""
        if not harness.IS_ROOT:
            self.skipTest("only root can become somebody else")
        edge = self.new_edge(harness.one_rule())
        os.chmod(edge.settings["runtime_dir"], 0o777)
        program = ("import socket, sys; s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.bind(sys.argv[1]); "
                   "s.listen(); print('open', flush=True); print(len(s.accept()[0].recv(10)))")
        with subprocess.Popen(["/usr/bin/python3", "-c", program, door_of(edge)], user="nobody", group="nogroup",
                              extra_groups=[], stdout=subprocess.PIPE, text=True) as stranger:
            self.assertEqual(stranger.stdout.readline(), "open\n")
            done = edge.cli("kill", "-c", edge.config_file, "header:x-key", "secret", "--reason", "x")
            self.assertEqual(done.returncode, 77, done.stderr)
            self.assertIn("was made by somebody else than you or root: nothing was sent to it", done.stderr)
            self.assertEqual(stranger.stdout.read(), "0\n")

    def test_garbage(self):
        """Nothing that can be sent does anything."""
        edge = self.edge()
        before, descriptors = edge.workers(), len(os.listdir(f"/proc/{edge.pid}/fd"))
        for data in (b"x", b"\0" * 12, b"GET / HTTP/1.1\r\n\r\n", os.urandom(100), os.urandom(60000), b"\xff" * 30000):
            with visit(edge) as visitor:
                visitor.send(data)
                self.assertIsNone(reply_of(visitor), data[:20])
        for version, size, rest in ((VERSION, 4, b""), (VERSION, 12, b""), (VERSION + 1, 100, b"\0" * 88),
                                    (VERSION, 0xffffffff, b"\xff" * 40000)):
            with visit(edge) as visitor:
                visitor.send(struct.pack("=III", MAGIC, version, size) + rest)
                code, sentence = reply_of(visitor)
                self.assertIn("different versions", sentence)
        with visit(edge) as visitor:  # the size of ours, and nothing but ones behind it
            size = self.request_size(edge)
            visitor.send(struct.pack("=III", MAGIC, VERSION, size) + b"\xff" * (size - 12))
            self.assertEqual(reply_of(visitor), (64, "the request is malformed"))
            visitor.close()
        with visit(edge) as visitor:  # half of one, and one that goes on
            visitor.send(struct.pack("=III", MAGIC, VERSION, size) + b"\0" * 1000)
            self.assertEqual(reply_of(visitor), (64, "the request is malformed"))
        with visit(edge) as visitor:
            visitor.send(struct.pack("=III", MAGIC, VERSION, size) + b"\0" * size)
            self.assertEqual(reply_of(visitor), (64, "the request is malformed"))
        with visit(edge) as visitor:  # descriptors that nobody asked for
            socket.send_fds(visitor, [struct.pack("=III", MAGIC, VERSION, size) + b"\0" * (size - 12)],
                            [0, 1, 2] * 20)
            self.assertEqual(reply_of(visitor), (0, ""))
        harness.wait_until(lambda: len(os.listdir(f"/proc/{edge.pid}/fd")) <= descriptors, "descriptors to be closed")
        self.assertEqual(edge.workers(), before)
        self.check_serves(edge)

    def request_size(self, edge):
        """What the master takes for a whole request: the only size that it does not find foreign."""
        for size in range(12, 65536, 4):
            with visit(edge) as visitor:
                visitor.send(struct.pack("=III", MAGIC, VERSION, size))
                if "different versions" not in reply_of(visitor)[1]:
                    return size
        raise AssertionError("no size is taken")

    def test_silent_visitors(self):
        """As many as there are places say nothing; the next one is served when their time is over, the service never
        stops, and the master sleeps meanwhile."""
        edge = self.edge()
        visitors = [visit(edge) for _ in range(VISITORS)]
        before = harness.cpu_seconds([edge.pid])
        self.assertEqual(edge.decide("GET", "/", headers=header_key("1")).status, 200)
        edge.reload()
        self.check_serves(edge)
        self.assertLess(harness.cpu_seconds([edge.pid]) - before, 2.0)
        for visitor in visitors:
            self.assertEqual(visitor.recv(100), b"")
            visitor.close()

    def test_no_descriptors(self):
        """Who cannot be let in waits at the door, without waking the master all the time, and is served when there is room."""
        edge = self.start_edge(harness.one_rule(), settings={"snapshot_interval": "0"})
        limits = resource.prlimit(edge.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(edge.pid, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{edge.pid}/fd")), limits[1]))
        with subprocess.Popen([os.path.join(edge.prefix, "bin", "fairvisor"), "kill", "-c", edge.config_file, "ip:address", "10.0.0.9",
                               "--for", "1h", "--reason", "test"], env=harness.clean_environment(), stdout=subprocess.PIPE) as order:
            edge.wait_log(r"an order waits at .*\.door, but cannot be let in for now: Too many open files")
            resource.prlimit(edge.pid, resource.RLIMIT_NOFILE, limits)
            order.communicate(timeout=20)
            self.assertEqual(order.returncode, 0)
        self.assertLess(edge.log().count("an order waits"), 10)
        self.assertEqual(edge.decide(client="10.0.0.9").status, 429)

    def test_thousand_connects(self):
        edge = self.edge()
        before = len(os.listdir(f"/proc/{edge.pid}/fd"))
        for _ in range(1000):
            visit(edge).close()
        waiting = []
        for _ in range(1000):  # nobody hangs up: the queue fills, and then it is the visitor who waits
            visitor = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            visitor.setblocking(False)
            try:
                visitor.connect(door_of(edge))
                waiting.append(visitor)
            except BlockingIOError:
                visitor.close()
        self.assertLess(len(waiting), 100)
        self.assertEqual(edge.decide("GET", "/", headers=header_key("1")).status, 200)
        for visitor in waiting:
            visitor.close()
        self.check_serves(edge)
        harness.wait_until(lambda: len(os.listdir(f"/proc/{edge.pid}/fd")) <= before, "descriptors to be closed")

    def test_a_stopped_master(self):
        """Whoever waits is told why, status says what to do, and the order is followed when the master goes on."""
        edge = self.start_edge(policy([harness.token_bucket("all", NEGLIGIBLE, 5, [])]))
        os.kill(edge.pid, signal.SIGSTOP)
        try:
            with subprocess.Popen([os.path.join(edge.prefix, "bin", "fairvisor"), "kill", "-c", edge.config_file, "ip:address", "10.0.0.9"],
                                  env=harness.clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as waiting:
                self.assertIn(f"the master of instance {edge.name} has not answered yet", waiting.stderr.readline())
                status = edge.cli("status", "-c", edge.config_file)
                self.assertEqual(status.returncode, 2, status.stdout)
                self.assertIn(f"was stopped by a signal; its workers serve on, and nobody replaces them, reloads or takes orders. "
                              f"`kill -CONT {edge.pid}` lets it go on", status.stdout)
                self.assertEqual(edge.decide().status, 200)
                os.kill(edge.pid, signal.SIGCONT)
                self.assertIn("set: every request", waiting.stdout.read())
                self.assertEqual(waiting.wait(), 0)
        finally:
            os.kill(edge.pid, signal.SIGCONT)
        self.assertEqual(edge.cli("status", "-c", edge.config_file).returncode, 0)

    def test_every_command_with_a_dead_master(self):
        """One clear sentence and the documented code; what only looks at memory still shows it."""
        edge = self.start_edge(policy([harness.token_bucket("all", NEGLIGIBLE, 5, [])]))
        self.assertEqual(edge.decide().status, 200)
        edge.kill_everything()
        name = edge.name
        for words, code, sentence in (
                (["status"], 2, f"instance {name} is not running"),
                (["keys", "reset", "ip:address=10.0.0.1", "--reason", "x"], 69, f"instance {name} is not running"),
                (["kill", "ip:address", "10.0.0.1"], 69, f"instance {name} is not running"),
                (["kill", "--remove", "ip:address", "10.0.0.1"], 69, f"instance {name} is not running"),
                (["connect", "--push", edge.policy_file, "--yes"], 69, f"instance {name} is not running"),
                (["connect", "--rollback", "--yes"], 1, "there is nothing to go back to"),  # what is kept is looked at all the same
                (["connect", "--list"], 0, None),
                (["kill", "--list"], 69, f"instance {name} is not running"), (["logs", "--no-follow"], 0, None),
                (["top", "--once"], 0, None),
                (["keys", "list"], 69, f"instance {name} is not running"), (["explain", "GET", "/"], 0, None)):
            done = edge.cli(*words, "-c", edge.config_file)
            said = done.stdout if words == ["status"] else done.stderr
            self.assertEqual(done.returncode, code, (words, done))
            if sentence:
                self.assertIn(sentence, said.splitlines()[0], words)
                self.assertEqual(len(done.stderr.splitlines()), words != ["status"], done)
        for order in ("stop", "quit", "reload", "reopen"):
            done = edge.run("-s", order)
            self.assertEqual((done.returncode, len(done.stderr.splitlines())), (69, 1), done)
            self.assertIn("not running", done.stderr)

    def test_gone_before_the_answer(self):
        """Who does not wait for the answer is served all the same, and nobody minds."""
        edge = self.start_edge(policy([harness.token_bucket("all", NEGLIGIBLE, 5, [])]))
        size = self.request_size(edge)
        for _ in range(20):
            with visit(edge) as visitor:
                visitor.send(struct.pack("=IIII", MAGIC, VERSION, size, 1) + b"\0" * (size - 16))
        edge.wait_log("audit: reset by user .*, because: no reason given")
        edge.reload()

    def test_upgrade(self):
        """The new master has a door of the same name, and the old one does not take it away."""
        edge = self.edge()
        before = edge.ready()["generation"]
        edge.send_signal(signal.SIGUSR2)
        harness.wait_until(lambda: edge.ready().get("generation", before) > before, "the new master")
        edge.process.wait(harness.STOP_SECONDS)
        done = edge.cli("keys", "reset", "-c", edge.config_file, "--reason", "x", "header:x-key=1")
        self.assertEqual(done.returncode, 0, done.stderr)
        edge.stop_successor()
