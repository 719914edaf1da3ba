# SPDX-License-Identifier: MPL-2.0
"""Workers killed at random moments under load: never one request over the limit, every one replaced, no lock left
behind."""

import json
import os
import random
import signal
import time

import harness

NEGLIGIBLE = 0.000001
KILLS = harness.full_or_short(200, 40 if not harness.ASAN else 12)
BURST = harness.full_or_short(4_000_000, 1_000_000 if not harness.ASAN else 100_000)
WORKERS = 4
CONNECTIONS = 64
STRIPE_DEADLINE_SECONDS = 0.05  # of shm/stripe.h


def open_sockets(pid):
    """Sockets a process holds: its connections and its listeners. Only root may look; others get the worst case."""
    if not harness.IS_ROOT:
        return CONNECTIONS + 1
    count = 0
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            count += os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:")
        except FileNotFoundError:
            pass
    return count


class TestDeath(harness.TestCase):
    def kill_one(self, edge, dice):
        """Kills a random worker when all are there; returns how many connections it could have taken with it."""
        workers = harness.wait_until(lambda: len(edge.workers()) == WORKERS and edge.workers(), "all workers", 60)
        victim = dice.choice(workers)
        began = time.monotonic()
        os.kill(victim, signal.SIGSTOP)  # wherever it stands, also within a stripe; its sockets can be counted
        sockets = open_sockets(victim)
        os.kill(victim, signal.SIGKILL)
        while harness.is_alive(victim):  # it keeps what it has locked until it gets a processor to end on
            pass
        self.longest_stop = max(self.longest_stop, time.monotonic() - began)
        harness.wait_until(lambda: victim not in edge.workers(), "the killed worker to be reaped")
        return sockets

    def test_random_kills_under_load(self):
        seed = int.from_bytes(os.urandom(4), "big")
        print(f"        seed {seed}")
        dice = random.Random(seed)
        edge = self.start_edge(harness.one_rule(NEGLIGIBLE, BURST, ["header:x-key"]), workers=WORKERS)
        load = self.load(edge.address, "--path", "/v1/decision", "--header", "X-Original-Method: GET", "--header",
                         "X-Original-URI: /api", "--header", "X-Key: one", "--expect", "200,429,503", "--connections",
                         CONNECTIONS, "--threads", 2, "--duration-ms", 3_000_000, "--timeout-ms", 60000)
        lost = self.longest_stop = 0
        for number in range(KILLS):
            if number % 12 == 11:  # the delay of a place whose workers keep dying starts anew with a generation
                edge.write_policy(harness.with_version(harness.one_rule(NEGLIGIBLE, BURST, ["header:x-key"]), number))
                edge.reload()
            lost += self.kill_one(edge, dice)
        harness.wait_until(lambda: len(edge.workers()) == WORKERS, "every killed worker to be replaced", 60)
        result = load.finish()
        during = harness.statuses(result).get(200, 0)
        more = self.load(edge.address, "--path", "/v1/decision", "--header", "X-Original-Method: GET", "--header",
                         "X-Original-URI: /api", "--header", "X-Key: one", "--expect", "200,429", "--connections", 64,
                         "--requests", BURST + 1000).result()
        self.assertEqual(more["failed"], 0, more)
        allowed = sum(harness.statuses(part).get(200, 0) for part in (result, more))
        failed = result["failed"]
        print(f"        {KILLS} kills: {allowed} of {BURST} allowed ({during} during the kills), "
              f"{failed} requests failed, {lost} connections lost, {result['answered']} answered")
        self.assertLessEqual(allowed, BURST, "more requests than the limit were let through")
        self.assertGreaterEqual(allowed + failed, BURST, "more was lost than the failed requests explain")
        self.assertLessEqual(failed, lost)
        self.assertGreaterEqual(edge.metric("fairvisor_worker_restarts_total"), KILLS)
        # Others wait so long for one that is stopped within a stripe, and longer only where this machine was slow to kill it.
        if self.longest_stop < STRIPE_DEADLINE_SECONDS:
            self.assertEqual((harness.statuses(result).get(503, 0), edge.metric("fairvisor_stripe_stuck_total")), (0, 0))
        self.assert_no_stuck_lock(edge)
        self.assert_clean_audit(edge)

    def assert_clean_audit(self, edge):
        """A start audits the memory that the dead have left: nothing is damaged, nothing forgotten."""
        edge.kill_everything()
        written = len(edge.log())
        edge.start()
        adopted = edge.wait_log(r"counters in shared memory were adopted: .*", after=written).group(0)
        self.assertRegex(adopted, r"in use, 0 repaired$")
        self.assertNotIn("damaged", edge.log()[written:])
        self.assertEqual(edge.decide("GET", "/api", headers=[("X-Key", "one")]).status, 429)

    def assert_no_stuck_lock(self, edge):
        """Keys enough to touch every stripe, each asked twice."""
        result = self.load(edge.address, "--path", "/v1/decision", "--header", "X-Original-Method: GET", "--header",
                           "X-Original-URI: /api", "--header", "X-Key: k{1-5000}", "--requests", 10_000,
                           "--connections", 16, "--timeout-ms", 60_000).result()
        self.assertEqual((result["failed"], harness.statuses(result)), (0, {200: 10_000}), result)

    def test_all_workers_killed_at_once(self):
        edge = self.start_edge(harness.one_rule(NEGLIGIBLE, 5), workers=2)
        for _ in range(3):
            self.assertEqual(edge.decide("GET", "/", "10.0.0.1").status, 200)
        old = edge.workers()
        for pid in old:
            harness.kill(pid)
        harness.wait_until(lambda: len(set(edge.workers()) - set(old)) == 2, "two new workers")
        self.assertEqual([edge.decide("GET", "/", "10.0.0.1").status for _ in range(3)], [200, 200, 429])

    def test_what_is_told_of_a_dead_master(self):
        """A worker that serves on without a master is no running service, and no stopped one: its counters are those of now."""
        edge = self.start_edge(harness.one_rule(0.001, 3), workers=1, settings={"drain_timeout": "60s"})

        def tell(*words, code=0):
            done = edge.cli(words[0], "-c", edge.config_file, *words[1:])
            self.assertEqual(done.returncode, code, done)
            return done.stdout

        with harness.Connection(edge.address, 30) as connection:
            connection.send(harness.format_request("GET", "/v1/decision/x", [("X-Forwarded-For", "10.0.0.1")]))
            self.assertEqual(connection.answer("GET").status, 200)
            worker, = edge.workers()
            edge.process.kill()
            edge.process.wait()
            status = tell("status", code=2)
            self.assertRegex(status, rf"^FAIRVISOR CRITICAL - the master of instance {edge.name} is dead; 1 worker serves on ")
            self.assertRegex(status, r"(?m)^  running      no; the last master was process \d+$")
            self.assertRegex(status, r"(?m)^  workers      1 of the dead master, until drained$")
            document = json.loads(tell("status", "--json", code=2))
            self.assertEqual((document["running"], document["pid"], document["workers"]), (False, 0, 1))
            explained = json.loads(tell("explain", "--json", "--client", "10.0.0.1", "GET", "/x"))
            self.assertEqual(explained["counters"], "live")
            self.assertEqual([int(step["remaining"]) for step in explained["steps"] if step["step"] == "limit"], [2])
            self.assertIn(f"live, of instance {edge.name}, whose master is dead; 1 worker serves on until drained",
                          tell("explain", "--client", "10.0.0.1", "GET", "/x"))
            self.assertIn("spent", tell("keys", "get", "ip:address=10.0.0.1"))
            self.assertEqual(edge.cli("keys", "reset", "-c", edge.config_file, "--reason", "x", "ip:address=10.0.0.1").returncode, 69)
        harness.kill(worker)
        harness.wait_until(lambda: not harness.processes_with_arena(edge.name), "the orphaned worker to be gone")
        status = tell("status", code=2)
        self.assertIn(f"instance {edge.name} is not running", status)
        self.assertRegex(status, r"(?m)^  workers      none$")

    def test_another_runtime_folder(self):
        """A running instance whose settings are not given: the folder is named, and what to give."""
        edge = self.start_edge(harness.one_rule())
        path = os.path.join(edge.directory, "other.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write("runtime_dir = /nonexistent\n")
            file.writelines(f"{name} = {value}\n" for name, value in edge.settings.items() if name in ("user", "group"))
        for words in (("keys", "list"), ("explain", "GET", "/x"), ("kill", "--list")):
            done = edge.cli(words[0], "-c", path, "--instance", edge.name, *words[1:])
            self.assertEqual((done.returncode, done.stdout), (78, ""), done)
            self.assertIn(f"instance {edge.name} runs, but the copy of its policy is not in /nonexistent: give the settings it was "
                          "started with by -c FILE", done.stderr)

    def test_workers_leave_when_the_master_is_killed(self):
        edge = self.start_edge(harness.one_rule(), workers=3, settings={"drain_timeout": "1s"})
        self.assertEqual(len(edge.workers()), 3)
        edge.process.kill()
        edge.process.wait()
        harness.wait_until(lambda: not harness.processes_with_arena(edge.name), "orphaned workers to leave", 40)
