# SPDX-License-Identifier: MPL-2.0
"""fairvisor kill: effective on every worker at once, without a reload, and for as long as it was told."""

import json
import os
import signal
import subprocess
import threading
import time

import harness

PLENTY = 1_000_000
LASTING = 6  # seconds that a switch lasts: long enough to be seen on a slow machine


def bundle(**more):
    return {**harness.one_rule(PLENTY, PLENTY, ["header:X-Key"]), **more}


class TestKill(harness.TestCase):
    def kill(self, edge, *arguments, code=0):
        done = edge.cli("kill", *arguments, "-c", edge.config_file)
        self.assertEqual(done.returncode, code, (arguments, done.stdout, done.stderr))
        return done

    def list(self, edge):
        return json.loads(self.kill(edge, "--list", "--json").stdout)["kill_switches"]

    def ask(self, edge, key, uri="/api", **fields):
        answer = edge.decide("GET", uri, headers={"X-Key": key, **fields})
        return answer.status if answer.status == 200 else (answer.status, answer.header("X-Fairvisor-Reason"))

    KILLED = (429, "kill_switch_active")

    def test_orders_whose_words_are_lost(self):
        """Standard output is full: whoever gave the order is told that it holds, and of a question that it was only one."""
        edge = self.start_edge(bundle())
        edge.write_policy(bundle(bundle_version=2))
        holds = "; what was ordered is done all the same"
        for words, told in ((("kill", "header:x-key", "mallory"), holds), (("kill", "--list"), ""),
                            (("keys", "reset", "--reason", "x", "header:x-key=alice"), holds), (("keys", "list"), ""),
                            (("connect", "--push", edge.policy_file, "--yes"), holds), (("connect", "--list"), "")):
            with open("/dev/full", "w", encoding="ascii") as full:
                done = subprocess.run([harness.program("fairvisor"), *words, "-c", edge.config_file], stdout=full,
                                      env=harness.clean_environment(), stderr=subprocess.PIPE, text=True, check=False)
            self.assertEqual(done.returncode, 71, (words, done.stderr))
            self.assertIn(f"standard output cannot be written: No space left on device{told}\n", done.stderr, words)
        self.assertEqual(edge.ready()["generation"], 2)
        self.assertEqual(self.ask(edge, "mallory"), self.KILLED)

    def test_life(self):
        """Set, shown, explained, kept over reload, crash, restart and upgrade, lifted."""
        edge = self.start_edge(bundle(), workers=4, settings={"redact": "none"})
        self.kill(edge, "header:X-Key", "mallory", "--reason", "ticket 911")
        self.assertEqual(edge.ready()["generation"], 1)
        self.assertEqual((self.ask(edge, "mallory"), self.ask(edge, "alice")), (self.KILLED, 200))
        self.assertIn("ticket 911", edge.decide("GET", "/", headers={"X-Key": "mallory"}).body.decode())
        edge.wait_log(rf"audit: kill header:x-key=mallory by user {os.geteuid()} .*, for good, .* because: ticket 911")
        row, = self.list(edge)
        self.assertEqual((row["key"], row["value"], row["reason"], row["expires_at"], row["source"]),
                         ("header:x-key", "mallory", "ticket 911", None, "hand"))
        self.assertIn("kill by hand header:x-key=mallory, because: ticket 911",
                      edge.cli("status", "-c", edge.config_file).stdout)
        explained = edge.cli("explain", "-c", edge.config_file, "GET", "/", "-H", "X-Key: mallory").stdout
        self.assertIn('kill switch: header:x-key is "mallory"', explained)
        edge.write_policy(bundle(bundle_version=2))
        edge.reload()
        self.assertEqual((self.ask(edge, "mallory"), self.ask(edge, "alice")), (self.KILLED, 200))
        edge.kill_everything()
        edge.start()
        self.assertEqual((self.ask(edge, "mallory"), self.ask(edge, "alice")), (self.KILLED, 200))
        self.assertEqual(edge.stop(), 0)
        self.assertFalse(os.path.exists(f"/dev/shm/fairvisor-{edge.name}"))
        edge.start()
        self.assertEqual((self.ask(edge, "mallory"), self.ask(edge, "alice")), (self.KILLED, 200))
        self.assertEqual(self.kill(edge, "--remove", "header:x-key", "mallory").stdout, "lifted\n")
        self.assertEqual((self.ask(edge, "mallory"), self.list(edge)), (200, []))
        edge.stop()
        edge.start()
        self.assertEqual(self.ask(edge, "mallory"), 200)

    def test_nobody_has_it(self):
        """A misspelt value looks like one that works; also where the events show hashes."""
        edge = self.start_edge(bundle(), workers=1)
        self.ask(edge, "alice")
        warning = "nobody with this value has been seen"
        self.assertNotIn(warning, self.kill(edge, "header:x-key", "alice").stderr)
        self.assertIn(warning, self.kill(edge, "header:x-key", "alcie").stderr)
        self.assertNotIn(warning, self.kill(edge, "--remove", "header:x-key", "alcie").stderr)
        for key, value, seen in (("header:x-key", "alice", True), ("header:x-key", "alcie", False), ("header:x-other", "alice", None)):
            self.assertIs(json.loads(self.kill(edge, key, value, "--json").stdout)["seen"], seen, (key, value))

    def test_upgrade(self):
        edge = self.start_edge(bundle())
        self.kill(edge, "header:x-key", "mallory")
        before = edge.ready()["generation"]
        edge.send_signal(signal.SIGUSR2)
        harness.wait_until(lambda: edge.ready().get("generation", before) > before, "the new master")
        edge.process.wait(harness.STOP_SECONDS)
        self.assertEqual((self.ask(edge, "mallory"), self.ask(edge, "alice")), (self.KILLED, 200))
        self.kill(edge, "--remove", "header:x-key", "mallory")
        self.assertEqual(self.ask(edge, "mallory"), 200)
        edge.stop_successor()

    def test_json(self):
        edge = self.start_edge(bundle())
        switch = {"key": "header:x-key", "value": "mallory", "route": None, "reason": "ticket 9"}
        set_anew = json.loads(self.kill(edge, "header:X-Key", "mallory", "--reason", "ticket 9", "--json").stdout)
        self.assertEqual(set_anew, {"done": "set", **switch, "expires_at": None, "seen": False})
        changed = json.loads(self.kill(edge, "header:x-key", "mallory", "--reason", "ticket 9", "--for", "1h", "--json").stdout)
        self.assertRegex(changed.pop("expires_at"), r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertEqual(changed, {"done": "changed", **switch, "seen": False})
        lifted = json.loads(self.kill(edge, "--remove", "header:x-key", "mallory", "--json").stdout)
        self.assertEqual(lifted, {"done": "lifted", **switch, "reason": None})
        # As one word, as the other commands have it.
        self.assertIn("header:x-key=mallory=x is refused", self.kill(edge, "header:x-key=mallory=x").stdout)
        self.assertEqual(self.ask(edge, "mallory=x"), self.KILLED)
        self.kill(edge, "--remove", "header:x-key=mallory=x")
        self.assertEqual(self.ask(edge, "mallory=x"), 200)

    def test_ends_by_itself(self):
        edge = self.start_edge(bundle())
        began = time.time()
        self.kill(edge, "header:x-key", "mallory", "--for", f"{LASTING}s")
        self.assertEqual(self.ask(edge, "mallory"), self.KILLED)
        self.assertRegex(edge.cli("status", "-c", edge.config_file).stdout, "kill by hand header:x-key=#[0-9a-f]{16} until ")
        edge.wait_log("the kill switch of header:x-key=#[0-9a-f]{16} has ended")
        edge.wait_log("audit: kill header:x-key=#[0-9a-f]{16} by user .*, until .*, because: no reason given")
        self.assertNotIn("mallory", edge.log(), "the value of a credential is in the log")
        self.assertEqual((self.ask(edge, "mallory"), self.list(edge)), (200, []))
        self.assertGreaterEqual(time.time() - began, LASTING)

    def test_keys_of_every_kind(self):
        """Keys that no policy asks for, as well; judged as a kill switch of the bundle is."""
        edge = self.start_edge(bundle())
        token = "eyJhbGciOiJIUzI1NiJ9.eyJvcmciOiJhY21lIn0.c2ln"  # {"org": "acme"}
        for key, value, fields in (("header:X-Tenant", "t1", {"X-Tenant": "t1"}), ("query:q", "a b", {}),
                                   ("jwt:org", "acme", {"Authorization": f"Bearer {token}"}),
                                   ("ip:address", "2001:DB8::0:1", {"X-Forwarded-For": "2001:db8::1"}),
                                   ("ip:prefix", "2001:db8:1::9", {"X-Forwarded-For": "2001:db8:1::77"}),
                                   ("ua:bot", "true", {"User-Agent": "Googlebot/2.1"})):
            with self.subTest(key=key):
                uri = "/api?q=a+b" if key == "query:q" else "/api"
                self.assertEqual(self.ask(edge, "alice", uri, **fields), 200)
                told = self.kill(edge, key, value).stderr
                self.assertEqual("no rule of the loaded bundle has the key" in told, key in ("header:X-Tenant", "query:q", "jwt:org"))
                self.assertEqual(self.ask(edge, "alice", uri, **fields), self.KILLED)
                self.assertEqual(self.ask(edge, "alice", **{"User-Agent": "Mozilla/5.0"}), 200)
                self.kill(edge, "--remove", key, value)
                self.assertEqual(self.ask(edge, "alice", uri, **fields), 200)
        self.assertEqual(self.kill(edge, "header:x-key", "alice").stderr, "")
        self.kill(edge, "--remove", "header:x-key", "alice")
        self.assertIn("did you mean header:x-key?", self.kill(edge, "header:xkey", "mallory").stderr)
        self.assertIn("underscores_in_headers", self.kill(edge, "header:x_key", "mallory").stderr)
        self.assertIn("stands for itself", self.kill(edge, "header:x-key", "mal*").stderr)
        self.assertIn("geoip_country_db", self.kill(edge, "ip:country", "DE").stderr)
        self.assertEqual(self.ask(edge, "alice", **{"X-Country-Code": "DE"}), self.KILLED)

    def test_route_and_override(self):
        override = {"enabled": True, "reason": "drill", "expires_at": "2999-01-01T00:00:00Z"}
        edge = self.start_edge(bundle())
        told = self.kill(edge, "header:x-key", "mallory", "--route", "/v1/chat")
        self.assertEqual(told.stdout, "set: every request with header:x-key=mallory for exactly /v1/chat is refused\n")
        self.assertIn("header:x-key=mallory for exactly /v1/chat, set by hand", self.kill(edge, "--list").stdout)
        self.assertEqual([self.ask(edge, "mallory", uri) for uri in ("/v1/chat", "/v1/chat/", "/v1/ch%61t", "/v1/chats")],
                         [self.KILLED, 200, self.KILLED, 200])
        self.assertRegex(edge.cli("status", "-c", edge.config_file).stdout,
                         r"kill by hand header:x-key=#[0-9a-f]{16} for exactly /v1/chat\n")
        self.assertRegex(self.kill(edge, "--remove", "header:x-key", "mallory", code=1).stderr,
                         "with a route .*: to lift it, add --route /v1/chat\n")
        self.kill(edge, "header:x-key", "trudy")
        self.assertIn("leave out --route",
                      self.kill(edge, "--remove", "header:x-key", "trudy", "--route", "/v1/chat", code=1).stderr)
        edge.write_policy(bundle(kill_switch_override=override))
        edge.reload()
        self.assertEqual(self.ask(edge, "mallory", "/v1/chat"), 200)
        self.assertIn("kill_switch_override", self.kill(edge, "header:x-key", "eve").stderr)
        self.assertIn("kill_switch_override", self.kill(edge, "--list").stdout)
        self.assertEqual(self.ask(edge, "eve"), 200)

    def test_beside_the_bundle(self):
        """Those of the bundle hold as before, and cannot be lifted by hand."""
        own = [{"scope_key": "header:x-key", "scope_value": value, "reason": "old"} for value in ("eve", "mallory")]
        edge = self.start_edge(bundle(kill_switches=own))
        self.kill(edge, "header:x-key", "trudy")
        self.assertEqual([self.ask(edge, key) for key in ("eve", "mallory", "trudy", "alice")],
                         [self.KILLED] * 3 + [200])
        self.kill(edge, "--remove", "header:x-key", "eve", code=1)
        self.assertEqual([row["source"] for row in self.list(edge)], ["hand", "bundle", "bundle"])

    def test_full_table_and_bad_use(self):
        edge = self.start_edge(bundle())
        for number in range(64):
            self.kill(edge, "header:x-key", f"k{number}")
        self.assertIn("in use", self.kill(edge, "header:x-key", "k64", code=1).stderr)
        self.assertIn("changed", self.kill(edge, "header:x-key", "k63", "--for", "1h").stdout)
        self.assertEqual([self.ask(edge, key) for key in ("k0", "k63", "k64")], [self.KILLED, self.KILLED, 200])
        for arguments, code, part in (
                (["header:x-key"], 64, "KEY and VALUE"), (["hedder:x", "1"], 64, "did you mean"),
                (["header:x-key", ""], 64, ""), (["header:x-key", "x" * 1025], 64, ""),
                (["ip:address", "nonsense"], 64, "not an IPv4 or IPv6 address"),
                (["header:x-key", "1", "--route", "chat"], 64, "/"), (["header:x-key", "1", "--for", "never"], 64, "15m"),
                (["header:x-key", "1", "--for", "0s"], 64, "15m"), (["header:x-key", "1", "--for", "200000d"], 64, "100 years"),
                (["header:x-key", "1", "--reason", "x" * 257], 64, ""), (["header:x-key", "\x1b[2J"], 64, ""),
                (["--list", "header:x-key"], 64, "--list"), (["--remove", "header:x-key", "none"], 1, "--list")):
            with self.subTest(arguments=arguments):
                self.assertIn(part, self.kill(edge, *arguments, code=code).stderr)
        edge.stop()
        self.assertIn("not running", self.kill(edge, "header:x-key", "1", code=69).stderr)
        self.assertIn("not running", self.kill(edge, "--list", code=69).stderr)

    def test_full_disk(self):
        """What cannot be written down holds all the same, and says so."""
        edge = self.start_edge(bundle())
        os.mkdir(os.path.join(edge.settings["state_dir"], f"{edge.name}.kills.fairvisor-new"))  # nothing can be made of this name
        done = self.kill(edge, "header:x-key", "mallory", code=71)
        self.assertIn("holds, but only until a restart", done.stderr)
        self.assertEqual(self.ask(edge, "mallory"), self.KILLED)

    def test_damaged_file(self):
        """A file that is not whole is set aside, with a line that tells the operator to act."""
        edge = self.start_edge(bundle())
        path = os.path.join(edge.settings["state_dir"], f"{edge.name}.kills")
        self.kill(edge, "header:x-key", "mallory")
        edge.stop()
        with open(path, "r+b") as file:
            file.seek(1000)
            file.write(b"\xff")
        edge.start()
        edge.wait_log("kill switches do NOT hold")
        self.assertEqual((os.path.exists(path), os.path.exists(path + ".refused")), (False, True))
        self.assertEqual(self.ask(edge, "mallory"), 200)
        edge.stop()
        os.replace(path + ".refused", path + ".elsewhere")
        os.symlink(path + ".elsewhere", path)  # of whoever it is
        edge.start()
        self.assertEqual((os.path.lexists(path), os.path.islink(path + ".refused")), (False, True))

    def test_mad_worker(self):
        """A table that another process has scribbled over harms nobody; the next order puts it right."""
        edge = self.start_edge(bundle())
        self.kill(edge, "header:x-key", "mallory")
        with open(f"/dev/shm/fairvisor-{edge.name}", "r+b") as arena:
            data = arena.read(4 << 20)
            at = data.index(b"header:x-key\0")
            table = at - 16 - 8  # the count and its padding stand before the first row
            for filling in (b"\xff", b"A", b"\0"):
                arena.seek(table)
                arena.write(filling * 224_000)
                arena.seek(table - 8)
                sequence = int.from_bytes(data[table - 8:table - 4], "little")
                arena.write((sequence + 2 + filling[0] * 2).to_bytes(4, "little"))
                arena.flush()
                self.assertEqual(self.ask(edge, "alice"), 200)
                edge.cli("status", "-c", edge.config_file)
                self.kill(edge, "--list")
        workers = edge.workers()
        self.kill(edge, "header:x-key", "eve")
        self.assertEqual([self.ask(edge, key) for key in ("mallory", "eve", "alice")], [self.KILLED, self.KILLED, 200])
        self.assertEqual(edge.workers(), workers)


class Prober(threading.Thread):
    """Asks over one keep-alive connection, again and again, and notes when what was answered had been asked."""

    def __init__(self, edge):
        super().__init__(daemon=True)
        self.connection = harness.Connection(edge.address)
        self.port = self.connection.socket.getsockname()[1]
        self.message = harness.format_request("GET", "/v1/decision", [
            ("X-Original-Method", "GET"), ("X-Original-URI", "/api"), ("X-Key", "mallory")])
        self.answers, self.stopping = [], False
        self.start()

    def run(self):
        while not self.stopping:
            asked = time.monotonic()
            self.connection.send(self.message)
            status = self.connection.answer().status
            self.answers.append((asked, time.monotonic(), status))

    def finish(self):
        self.stopping = True
        self.join(20)
        self.connection.close()
        return self.answers


class TestLatency(harness.TestCase):
    WORKERS = 4

    def workers_of(self, edge, probers):
        """Which worker has the other end of each connection."""
        inodes = {}
        with open("/proc/net/tcp", encoding="ascii") as file:
            for line in list(file)[1:]:
                parts = line.split()
                if int(parts[1].split(":")[1], 16) == edge.port:
                    inodes[int(parts[2].split(":")[1], 16)] = parts[9]
        owners = {}
        for pid in edge.workers():
            for name in os.listdir(f"/proc/{pid}/fd"):
                try:
                    owners[os.readlink(f"/proc/{pid}/fd/{name}")] = pid
                except FileNotFoundError:
                    continue
        return {owners.get(f"socket:[{inodes.get(prober.port)}]") for prober in probers} - {None}

    @harness.looks_into_workers
    def test_within_100_ms(self):
        """Under load: nothing that is asked 100 ms after the order is admitted, on any connection to any worker."""
        edge = self.start_edge(bundle(), workers=self.WORKERS)
        probers = [Prober(edge) for _ in range(8)]
        while len(self.workers_of(edge, probers)) < self.WORKERS and len(probers) < 64:
            probers.append(Prober(edge))
        # A connection has an owner when it is accepted.
        harness.wait_until(lambda: len(self.workers_of(edge, probers)) == self.WORKERS, "a connection to each worker")
        load = self.load(edge.address, "--path", "/v1/decision", "--header", "X-Original-Method: GET", "--header",
                         "X-Original-URI: /api", "--header", "X-Key: alice", "--expect", "200", "--duration-ms",
                         600_000, "--connections", 32)
        worst_first, worst_last = [], []
        for _ in range(harness.full_or_short(20, 3)):
            harness.wait_until(lambda: all(p.answers and p.answers[-1][2] == 200 for p in probers), "all to be admitted")
            ordered = time.monotonic()
            done = edge.cli("kill", "header:x-key", "mallory", "-c", edge.config_file)
            returned = time.monotonic()
            self.assertEqual(done.returncode, 0, done.stderr)
            harness.wait_until(lambda: all(p.answers[-1][2] == 429 for p in probers), "all to be refused")
            for prober in probers:
                answers = [answer for answer in prober.answers if answer[1] >= ordered]
                worst_first.append(min(answered for _, answered, status in answers if status == 429) - ordered)
                worst_last.append(max((asked for asked, _, status in answers if status == 200), default=ordered) - returned)
            lifted = edge.cli("kill", "--remove", "header:x-key", "mallory", "-c", edge.config_file)
            self.assertEqual(lifted.returncode, 0, lifted.stderr)
        for prober in probers:
            prober.finish()
        result = load.finish()
        self.assertEqual(result["failed"], 0, result)
        self.assertLess(max(worst_last), 0.1)
        self.assertEqual(edge.ready()["generation"], 1)
        print(f"        {len(probers)} connections to {self.WORKERS} workers beside {result['answered']} requests: last "
              f"admitted request asked {max(worst_last) * 1000:.1f} ms after the order was done (negative: before); "
              f"first refused answer at most {max(worst_first) * 1000:.1f} ms after the command was begun")


