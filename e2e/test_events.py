# SPDX-License-Identifier: MPL-2.0
"""What an operator sees of decisions: `fairvisor logs`, the decision log and its process."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import harness

WAIT_MS = 1_000_000  # until one more request fits: nobody asks so slowly that a token comes back meanwhile
KEYED = {"bundle_version": 1, "policies": [
    {"id": "p", "spec": {"selector": {"pathPrefix": "/"}, "rules": [
        harness.token_bucket("r", 1000 / WAIT_MS, 2, ("header:x-api-key",)),
        harness.token_bucket("ip", 1000, 1000, ("ip:address",))]}},
    {"id": "shadow", "spec": {"selector": {"pathPrefix": "/"}, "mode": "shadow", "rules": [
        harness.token_bucket("s", 0.001, 1, ("ip:address",))]}}]}


def lines_of(text):
    """Objects of whole lines: of one that is being written, a file has the beginning first."""
    return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines() if line.startswith("{")]


class EventsTest(harness.TestCase):
    def logs(self, edge, *words):
        done = edge.cli("logs", "-c", edge.config_file, "--format", "json", *words)
        self.assertEqual(done.returncode, 0, done)
        return lines_of(done.stdout)

    def spend(self, edge, count=4, key="sk-secret"):
        for _ in range(count):
            edge.decide(uri="/v1/chat?key=hidden", client="10.0.0.1", headers=[("X-Api-Key", key)])

    def readers(self, edge):
        return [pid for pid in harness.children_of(edge.pid) if harness.command_name(pid) == "fv-decisions"]

    def wait_counted(self, edge, count):
        """Lines are counted after they are written."""
        harness.wait_until(lambda: edge.metric("fairvisor_decision_log_lines_total") == count, f"{count} lines to be counted")


class TestLogs(EventsTest):
    def test_what_is_told(self):
        edge = self.start_edge(KEYED)
        began = time.monotonic()
        self.spend(edge)
        passed_ms = (time.monotonic() - began) * 1000
        rejects = self.logs(edge, "--no-follow", "--action", "reject")
        self.assertEqual(len(rejects), 2)
        event = rejects[0]
        self.assertRegex(event["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertRegex(event["keys"]["header:x-api-key"], r"^#[0-9a-f]{16}$")
        self.assertEqual({name: event[name] for name in ("reason", "policy", "rule", "method", "path", "client", "limit",
                                                         "cost", "status", "hashed", "generation")},
                         {"reason": "rate_limit_exceeded", "policy": "p", "rule": "r", "method": "GET",
                          "path": "/v1/chat", "client": "10.0.0.1", "limit": 2, "cost": 1, "status": 429, "hashed": True,
                          "generation": 1})
        self.assertEqual(event["other_keys"], {"ip:address": "10.0.0.1"})
        self.assertLess(event["remaining"], 1)
        self.assertTrue(WAIT_MS - passed_ms <= event["wait_ms"] <= WAIT_MS, (event, passed_ms))
        self.assertEqual(rejects[0]["keys"], rejects[1]["keys"])
        self.assertEqual(len(self.logs(edge, "--no-follow", "--action", "would_reject", "--policy", "shadow")), 3)
        self.assertEqual(len(self.logs(edge, "--no-follow", "--action", "allow")), 2)
        self.assertEqual(len(self.logs(edge, "--no-follow", "--lines", "1")), 1)
        self.assertEqual(self.logs(edge, "--no-follow", "--key", "ip:address=10.0.0.2"), [])
        nothing = edge.cli("logs", "-c", edge.config_file, "--no-follow", "--policy", "mispelt")
        self.assertEqual((nothing.returncode, nothing.stdout), (0, ""))
        self.assertRegex(nothing.stderr, r"^fairvisor: warning: the loaded bundle has no policy 'mispelt'\n"
                         r"fairvisor: nothing to show: \d+ events were written so far, none that is still in memory is asked for$")
        self.assertEqual(edge.cli("logs", "-c", edge.config_file, "--no-follow", "--policy", "shadow").stderr, "")
        everything = edge.cli("logs", "-c", edge.config_file, "--no-follow", "--lines", "100", "--action",
                              "allow,reject,would_reject,charge").stdout
        self.assertNotIn("sk-secret", everything)
        self.assertNotIn("hidden", everything)
        self.assertEqual(edge.metric("fairvisor_events_dropped_total"), 0)
        self.assertGreaterEqual(edge.metric("fairvisor_events_written_total"), 7)

    def test_missing_key_is_named(self):
        """Whoever is refused for want of a key reads in the answer and in the log which one it is."""
        rule = {**harness.token_bucket("r", 1, 2, ("ip:address", "header:x-api-key")), "on_missing": "reject"}
        edge = self.start_edge({"bundle_version": 1, "policies": [
            {"id": mode, "spec": {"selector": {"pathPrefix": "/"}, "mode": mode, "rules": [rule]}}
            for mode in ("enforce", "shadow")]})
        answer = edge.decide(uri="/v1/chat", client="10.0.0.1")
        self.assertEqual(answer.status, 429)
        self.assertIn("The request lacks header:x-api-key, which the rule needs.", json.loads(answer.body)["detail"])
        self.assertEqual({event["action"]: (event["reason"], event["note"])
                          for event in self.logs(edge, "--no-follow", "--action", "reject,would_reject")},
                         {action: ("identity_missing", "lacks header:x-api-key") for action in ("reject", "would_reject")})
        self.assertIn("lacks header:x-api-key", edge.cli("logs", "-c", edge.config_file, "--no-follow").stdout)

    def test_redact(self):
        edge = self.start_edge(KEYED, settings={"redact": "none"})
        self.spend(edge)
        self.assertEqual(self.logs(edge, "--no-follow", "--key", "header:x-api-key=sk-secret")[0]["keys"],
                         {"header:x-api-key": "sk-secret"})
        edge.write_settings(redact="all")
        edge.reload()
        self.spend(edge)
        event = self.logs(edge, "--no-follow", "--action", "reject", "--lines", "1")[0]
        self.assertNotIn("client", event)
        self.assertNotIn("10.0.0.1", json.dumps(event))

    def test_follow_over_a_restart(self):
        edge = self.start_edge(KEYED)
        watcher = subprocess.Popen([harness.program("fairvisor"), "logs", "-c", edge.config_file, "--action", "reject",
                                    "--format", "json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env=harness.clean_environment())
        self.addCleanup(watcher.wait)
        self.addCleanup(watcher.kill)
        self.spend(edge, 3)
        self.assertEqual(json.loads(watcher.stdout.readline())["reason"], "rate_limit_exceeded")
        for pid in [edge.pid, *edge.workers()]:  # not everybody who looks into the arena: the watcher does as well
            harness.kill(pid)
        edge.process.wait()
        self.assertIn("is not running", watcher.stderr.readline())
        once = edge.cli("logs", "-c", edge.config_file, "--no-follow")
        self.assertEqual((once.returncode, len(once.stderr.splitlines())), (0, 1), once)
        self.assertIn(f"instance {edge.name} is not running", once.stderr)
        edge.start()
        self.assertIn("runs again", watcher.stderr.readline())
        edge.stop()
        self.assertIn("is not running", watcher.stderr.readline())
        edge.start()
        self.spend(edge, 3, key="another")
        self.assertEqual(json.loads(watcher.stdout.readline())["reason"], "rate_limit_exceeded")
        watcher.send_signal(signal.SIGTERM)  # SIGINT is ignored by whatever a script starts in the background
        watcher.communicate(timeout=10)

    def test_a_loop_can_be_judged_again(self):
        """Its event tells the keys of the policies before it as well."""
        edge = self.start_edge({"bundle_version": 1, "policies": [
            {"id": "a", "spec": {"selector": {"pathPrefix": "/"}, "rules": [
                harness.token_bucket("r", 100, 100, ("header:x-team",))]}},
            {"id": "b", "spec": {"selector": {"pathPrefix": "/"}, "rules": [harness.token_bucket("r", 100, 100)],
                                 "loop_detection": {"enabled": True, "window_seconds": 3600, "action": "reject",
                                                    "threshold_identical_requests": 2}}}]})
        for _ in range(3):
            edge.decide(uri="/x", client="10.0.0.1", headers=[("X-Team", "red")])
        event = self.logs(edge, "--no-follow", "--action", "reject")[-1]
        self.assertEqual((event["reason"], event["policy"], event["keys"], event["other_keys"]),
                         ("loop_detected", "b", {"ip:address": "10.0.0.1"}, {"header:x-team": "red"}))

    def test_a_jwt_that_does_not_verify(self):
        """Refused before any policy is asked: told as well."""
        bundle = {"bundle_version": 1, "policies": [{"id": "p", "spec": {"selector": {"pathPrefix": "/"}, "rules": [
            harness.token_bucket("r", 1, 2, ("jwt:sub",))]}}]}
        directory = self.new_edge(bundle)
        keys = os.path.join(directory.directory, "keys.json")
        with open(keys, "w", encoding="ascii") as file:
            json.dump({"keys": [{"kty": "oct", "alg": "HS256", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"}]}, file)
        directory.write_settings(jwt_keys_file=keys)
        directory.start()
        answer = directory.decide(uri="/x", client="10.0.0.9", headers=[("Authorization", "Bearer a.b.c")])
        self.assertEqual(answer.status, 401)
        event = self.logs(directory, "--no-follow")[-1]
        self.assertEqual((event["action"], event["reason"], event["status"], event["path"], event["client"]),
                         ("reject", "jwt_invalid", 401, "/x", "10.0.0.9"))


# In a mount namespace of its own: a /dev in which /dev/log is the socket $1, then the rest of the words.
OWN_DEV = """set -e
dev=$1.dev; socket=$1; shift
mkdir -p $dev; mount -t tmpfs -o mode=755 dev $dev; mkdir $dev/shm; : > $dev/log
mount --bind $socket $dev/log; mount --rbind /dev/shm $dev/shm
for name in null zero full random urandom; do : > $dev/$name; mount --bind /dev/$name $dev/$name; done
mount --rbind $dev /dev; exec "$@" """


class SyslogEdge(harness.Edge):
    """Its /dev/log is a socket of the test: syslog(3) asks for that path and for no other."""

    def command(self, *arguments):
        rights = [] if harness.IS_ROOT else ["--map-current-user", "--keep-caps"]
        return ["unshare", "--mount", *rights, "sh", "-c", OWN_DEV, "sh", os.path.join(self.directory, "syslog"),
                *super().command(*arguments)]


@harness.needs_mounts
class TestSyslog(EventsTest):
    def test_lines_with_their_priorities(self):
        """The log of the service and the log of decisions, as a syslog daemon gets them."""
        edge = self.own(SyslogEdge(KEYED, settings={"log": "syslog", "decision_log": "reject"}))
        path = os.path.join(edge.directory, "syslog")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
            daemon.bind(path)
            os.chmod(path, 0o666)
            daemon.settimeout(harness.START_SECONDS)
            edge.start()
            self.spend(edge)
            got = []
            while sum('"action":' in text for _, _, text in got) < 5 or not any(" is ready: " in text for _, _, text in got):
                match = re.match(r"<(\d+)>\w{3} [ \d]\d \d\d:\d\d:\d\d fairvisord\[(\d+)\]: (.*)", daemon.recv(65536).decode(), re.S)
                self.assertIsNotNone(match, got)
                got.append((int(match[1]), int(match[2]), match[3].rstrip("\0")))
            reader, = self.readers(edge)
        decisions = [(priority, pid, json.loads(text)) for priority, pid, text in got if '"action":' in text]
        self.assertEqual(sorted(event["action"] for _, _, event in decisions), ["reject"] * 2 + ["would_reject"] * 3)
        self.assertEqual({(priority, pid) for priority, pid, _ in decisions}, {(3 * 8 + 6, reader)}, "daemon.info")
        lines = {text: priority for priority, pid, text in got if pid == edge.pid}
        self.assertEqual({priority for text, priority in lines.items() if "is ready: " in text}, {3 * 8 + 5}, "daemon.notice")
        self.assertEqual({priority for text, priority in lines.items() if "with them as many budgets" in text}, {3 * 8 + 4})
        self.wait_counted(edge, 5)


class TestDecisionLog(EventsTest):
    def start(self, **settings):
        edge = self.new_edge(KEYED, settings={"decision_log": "reject", **settings})
        edge.path = os.path.join(edge.directory, "decisions")
        edge.write_settings(log=edge.path)
        return edge.start()

    def decisions(self, edge, path=None):
        try:
            with open(path or edge.path, encoding="utf-8") as file:
                return [line for line in lines_of(file.read()) if "action" in line]
        except FileNotFoundError:
            return []

    def wait_for(self, edge, count, path=None):
        return harness.wait_until(lambda: len(found := self.decisions(edge, path)) >= count and found, f"{count} decisions")

    def test_rejects(self):
        edge = self.start()
        self.spend(edge)
        found = self.wait_for(edge, 5)
        self.assertEqual(sorted(line["action"] for line in found), ["reject"] * 2 + ["would_reject"] * 3)
        shown = edge.cli("logs", "--action", "reject", "--format", "json", edge.path)
        self.assertEqual(len(lines_of(shown.stdout)), 2, shown)
        self.wait_counted(edge, 5)

    def test_all_are_there_to_the_last(self):
        """Also what was decided just before the end; and the reader has no more rights than a worker."""
        edge = self.start(decision_log="all")
        self.spend(edge, 1)
        self.wait_for(edge, 1)  # a reader that writes has given up its rights
        reader, = self.readers(edge)
        with open(f"/proc/{reader}/status", encoding="ascii") as file:
            status = file.read()
        self.assertEqual(re.search(r"CapEff:\s*(\w+)", status)[1], "0000000000000000")
        self.assertEqual(re.search(r"NoNewPrivs:\s*(\d)", status)[1], "1")
        with open(f"/proc/{edge.workers()[0]}/status", encoding="ascii") as file:
            self.assertEqual(re.search(r"Uid:.*", status)[0], re.search(r"Uid:.*", file.read())[0])
        self.assertEqual(sorted(map(int, os.listdir(f"/proc/{reader}/fd"))), [0, 1, 2])
        self.assertEqual(harness.Load(edge.address, "--connections", 4, "--requests", 5000, "--path", "/v1/decision/x", "--header",
                                      "X-Api-Key: k{1-50}", "--expect", "200,429").result()["failed"], 0)
        events = edge.metric("fairvisor_decisions_total") + edge.metric("fairvisor_would_reject_total")
        self.assertGreater(events, 5000)
        others = edge.metric("fairvisor_events_written_total") - events  # of kinds that get no line
        edge.stop()
        found = self.decisions(edge)
        told = sum(line["action"] in ("allow", "reject", "would_reject") for line in found) + \
            sum(line["count"] for line in found if line["action"] in ("lost", "withheld"))
        # For a reader that had no processor while the events went round in memory, some are lost: counted, of whatever kind they were.
        self.assertGreaterEqual(told, events)
        self.assertLessEqual(told, events + (others if any(line["action"] == "lost" for line in found) else 0))

    def test_reopen_and_reload_lose_nothing(self):
        edge = self.start()
        total, files = 0, []
        for number in range(4):
            self.spend(edge, 3, key=f"k{number}")
            total += 1
            files.append(f"{edge.path}.{number}")
            os.rename(edge.path, files[-1])
            edge.send_signal(signal.SIGUSR1)
            harness.wait_until(lambda: os.path.exists(edge.path), "the new file")
            self.spend(edge, 3, key=f"l{number}")
            total += 1
            edge.send_signal(signal.SIGHUP)
            harness.wait_until(lambda: edge.ready().get("generation") == number + 2, "the reload")

        def rejects():
            return [line for path in files + [edge.path] for line in self.decisions(edge, path)
                    if line["action"] == "reject"]

        harness.wait_until(lambda: len(rejects()) >= total, "all rejects")
        self.assertEqual(len(rejects()), total)
        harness.wait_until(lambda: len(self.readers(edge)) == 1, "the old readers to leave")

    def test_reader_that_is_killed(self):
        edge = self.start()
        self.spend(edge, 3, key="a")
        self.wait_counted(edge, 3)
        victim, = self.readers(edge)
        harness.wait_until(lambda: harness.process_state(victim)[0] == "S", "it to note how far it has come, and wait for more")
        harness.kill(victim)
        self.spend(edge, 3, key="b")
        harness.wait_until(lambda: self.readers(edge) not in ([], [victim]), "another reader")
        harness.wait_until(lambda: sum(line["action"] == "reject" for line in self.decisions(edge)) == 2, "both rejects")
        with open(edge.path, encoding="utf-8") as file:
            self.assertIn("the process of the decision log ended with signal 9", file.read())

    def test_rate(self):
        edge = self.start(decision_log_rate=3, decision_log="all")
        self.spend(edge, 40)
        harness.wait_until(lambda: any(line["action"] == "withheld" for line in self.decisions(edge)), "a line about it")
        self.spend(edge, 1)

        def told():
            found = self.decisions(edge)
            return (sum(line["action"] not in ("withheld", "lost") for line in found) +
                    sum(line["count"] for line in found if line["action"] == "withheld"))

        # 41 verdicts, and 40 of the shadow rule.
        self.assertGreater(edge.metrics()['fairvisor_decision_log_dropped_total{cause="rate"}'], 0)
        harness.wait_until(lambda: told() == 81, "every event in a line or a count")

    def test_full_disk(self):
        """What cannot be written is counted, and decisions go on."""
        edge = self.start_edge(KEYED, settings={"decision_log": "reject", "log": "/dev/full"})
        self.spend(edge)
        harness.wait_until(lambda: edge.metrics()['fairvisor_decision_log_dropped_total{cause="write"}'] >= 5,
                           "the count of lines that are missing")
        self.assertEqual(edge.decide(client="10.0.0.2").status, 200)

    def tear(self, edge, path, ballast):
        """Fills the disk of the log, and gives what the log is then."""
        with open(ballast, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(b"x" * 4096):
                pass
        missing = 'fairvisor_decision_log_dropped_total{cause="write"}'
        before = edge.metrics()[missing]
        self.spend(edge, 40)
        harness.wait_until(lambda: edge.metrics()[missing] > before, "lines that are missing")
        with open(path, encoding="utf-8") as file:
            return file.read()

    @unittest.skipUnless(harness.IS_ROOT, "only root can mount a small disk: run the tests as root")
    def test_a_line_that_a_full_disk_tore_takes_no_other_with_it(self):
        """A reload while the disk is full begins another process for the decision log, which does not know how the one before ended."""
        folder = tempfile.mkdtemp()
        self.addCleanup(os.rmdir, folder)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0755", "tmpfs", folder], capture_output=True, text=True)
        if mounted.returncode != 0:
            self.skipTest(f"a small disk could not be mounted: {mounted.stderr}")
        self.addCleanup(subprocess.run, ["umount", "-l", folder], check=True)
        path, ballast = os.path.join(folder, "log"), os.path.join(folder, "ballast")
        edge = self.start_edge(KEYED, settings={"decision_log": "all", "log": path})
        before = self.tear(edge, path, ballast)
        while before.endswith("\n"):  # a page ends where a line does: the next one will not
            os.unlink(ballast)
            self.spend(edge, 1)
            harness.wait_until(lambda: os.path.getsize(path) > len(before), "a line")  # pylint: disable=cell-var-from-loop
            before = self.tear(edge, path, ballast)
        edge.reload()
        os.unlink(ballast)
        self.spend(edge, 40)
        harness.wait_until(lambda: edge.decide(client="10.0.0.2").status == 200 and os.path.getsize(path) > len(before) + 2000, "lines")
        with open(path, encoding="utf-8") as file:
            behind = file.read()[len(before):]
        self.assertEqual(behind[0], "\n")
        for line in filter(None, behind.splitlines()[1:-1]):  # master and process may both find the line torn, and end it
            self.assertRegex(line, r'^(\{.*\}|\d{4}-.*)$')

    def test_off_and_on(self):
        edge = self.start_edge(KEYED, settings={"decision_log": "off"})
        self.assertEqual(self.readers(edge), [])
        self.spend(edge)
        edge.write_settings(decision_log="all")
        edge.reload()
        harness.wait_until(lambda: self.readers(edge), "the reader")
        self.spend(edge, 1, key="new")
        harness.wait_until(lambda: [line for line in lines_of(edge.log()) if line.get("action") == "allow"], "the allow")
        # What happened while nobody logged is not dug out.
        self.assertFalse([line for line in lines_of(edge.log()) if line.get("action") == "reject"])
        self.assertFalse([line for line in lines_of(edge.log()) if line.get("action") == "lost"])


@harness.looks_into_workers
class TestCostOfLooking(EventsTest):
    """The worker does not know whether somebody looks on."""

    REQUESTS = harness.full_or_short(30_000, 4_000)
    PAIRS = harness.full_or_short(11, 1)

    @staticmethod
    def is_drawn(path):
        try:
            with open(path, "rb") as file:
                return b"q quit" in file.read()
        except FileNotFoundError:
            return False

    @staticmethod
    def run_seconds(pid):
        """On a processor, as the scheduler measures it: the clock of /proc/PID/stat looks once in 10 ms and misses short turns."""
        with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
            return int(file.read().split()[0]) / 1e9

    def ask(self, edge):
        """What this many requests cost the one worker: seconds of processor time, calls of read and write. It never waits for the next
        request: waking a processor that sleeps costs several times what a request does, and who looks on keeps it awake."""
        worker = edge.workers()[0]

        def spent():
            with open(f"/proc/{worker}/io", encoding="ascii") as file:
                calls = dict(line.split(": ") for line in file.read().splitlines())
            return self.run_seconds(worker), int(calls["syscr"]) + int(calls["syscw"])

        before = spent()
        result = harness.Load(edge.address, "--connections", 16, "--requests", self.REQUESTS, "--path", "/v1/decision/x",
                              "--header", "X-Api-Key: k{1-50}", "--expect", "200,429").result()
        self.assertEqual(sum(harness.statuses(result).values()), self.REQUESTS)
        return tuple(now - then for now, then in zip(spent(), before))

    def test_it(self):
        edge = self.start_edge(KEYED, workers=1)
        self.ask(edge)
        ratios = []
        for _ in range(self.PAIRS):
            alone = self.ask(edge)
            watchers = [subprocess.Popen([harness.program("fairvisor"), "logs", "-c", edge.config_file, "--format", "json"],
                                         stdout=subprocess.DEVNULL, env=harness.clean_environment()) for _ in range(2)]
            shown = os.path.join(edge.directory, "typescript")
            terminal = subprocess.Popen(["script", "-qfc", f"{harness.program('fairvisor')} top -c {edge.config_file}",
                                         shown], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                        env=harness.clean_environment({"TERM": "xterm"}))
            self.addCleanup(terminal.stdin.close)
            harness.wait_until(lambda: self.is_drawn(shown), "a frame of top")
            watched = self.ask(edge)
            for process in [*watchers, terminal]:
                self.assertIsNone(process.poll(), "it looked on to the end")
            # Asked to leave, not killed: killing `script` would leave top behind on a terminal that is gone.
            terminal.stdin.write(b"q")
            terminal.stdin.flush()
            self.assertEqual(terminal.wait(harness.STOP_SECONDS), 0)
            for process in watchers:
                process.terminate()
                process.wait(harness.STOP_SECONDS)
            # Not one call more; a few may differ because readiness and data race.
            self.assertLess(abs(watched[1] - alone[1]), self.REQUESTS / 100)
            ratios.append(watched[0] / alone[0])
        ratio = sorted(ratios)[len(ratios) // 2]
        print(f"cost of looking: {self.PAIRS} pairs, processor time of the worker x {ratio:.3f} (median)", flush=True)
        if harness.FULL:
            self.assertLess(ratio, 1.02)
