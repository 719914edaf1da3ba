# SPDX-License-Identifier: MPL-2.0
"""USR2: a new program takes over sockets and counters; one that cannot leaves the old master as it was."""

import fcntl
import os
import shutil
import signal
import unittest

import faults
import harness


class Upgrades(harness.TestCase):
    def replaceable_edge(self, policy, **more):
        """An instance started from a copy of the program, so that the file can be replaced as a package manager does."""
        edge = self.new_edge(policy, **more)
        edge.prefix = os.path.join(edge.directory, "prefix")
        os.makedirs(os.path.join(edge.prefix, "sbin"))
        self.replace(edge, harness.program("fairvisord"))
        edge.start()
        self.addCleanup(self.stop_all, edge)
        return edge

    @staticmethod
    def replace(edge, source):
        path = os.path.join(edge.prefix, "sbin", "fairvisord")
        shutil.copy(source, path + ".new")
        os.chmod(path + ".new", 0o755)
        os.replace(path + ".new", path)

    @staticmethod
    def pid_of(edge):
        try:
            with open(edge.pid_file, encoding="ascii") as file:
                return int(file.read())
        except FileNotFoundError:
            return None

    def stop_all(self, edge):
        pid = self.pid_of(edge)
        if pid:
            harness.kill(pid, signal.SIGTERM)
            harness.wait_until(lambda: not harness.is_alive(pid), "the new master to stop", harness.STOP_SECONDS)

    def upgrade(self, edge):
        old = self.pid_of(edge)
        harness.kill(old, signal.SIGUSR2)
        new = harness.wait_until(lambda: self.pid_of(edge) not in (None, old) and self.pid_of(edge), "the new pidfile")
        if old == edge.pid:
            self.assertEqual(edge.process.wait(harness.STOP_SECONDS), 0)
        harness.wait_until(lambda: not harness.is_alive(old), "the old master to go", harness.STOP_SECONDS)
        return new

    def test_new_master_takes_over(self):
        edge = self.replaceable_edge(harness.one_rule(rate=0.001, burst=3), unix=True)
        for _ in range(3):
            self.assertEqual(edge.decide(client="10.0.0.1").status, 200)
        generation = edge.ready()["generation"]
        self.replace(edge, harness.program("fairvisord"))
        new = self.upgrade(edge)
        self.assertEqual(edge.ready()["generation"], generation + 1)
        self.assertEqual(edge.decide(client="10.0.0.1").status, 429)
        self.assertEqual(harness.request(edge.unix_path, target="/livez").status, 200)
        self.assertFalse(os.path.exists(edge.pid_file + ".oldbin"))
        self.assertEqual(edge.run("-s", "reload").returncode, 0)
        again = self.upgrade(edge)
        self.assertNotEqual(new, again)
        self.assertEqual(edge.decide(client="10.0.0.1").status, 429)
        result = edge.run("-s", "quit", timeout=60)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertFalse(os.path.exists(edge.unix_path))
        self.assertFalse(os.path.exists(f"/dev/shm/fairvisor-{edge.name}"))

    def test_new_master_claims_the_memory(self):
        """The lock of the runtime folder is handed over, the claim on the shared memory cannot be: a master in a container that
        shares /dev/shm has nothing else to go by."""
        edge = self.replaceable_edge(harness.one_rule())
        self.upgrade(edge)

        def is_claimed():
            with open(f"/dev/shm/fairvisor-{edge.name}", "r+b") as file:
                try:
                    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    return True
            return False
        harness.wait_until(is_claimed, "the memory to be claimed")

    def test_nobody_is_turned_away(self):
        edge = self.replaceable_edge(harness.one_rule(rate=1000000, burst=1000000), workers=2)
        with self.everybody_allowed(edge):
            for _ in range(harness.full_or_short(10, 3)):
                self.upgrade(edge)

    def test_upgrades_under_load(self):
        """64 keep-alive connections and fresh ones, one shared budget: nobody fails and nothing is given twice."""
        burst = 20000
        edge = self.replaceable_edge(harness.one_rule(rate=0.000001, burst=burst), workers=2)
        fields = ["--path", "/v1/decision", "--header", "X-Original-Method: GET", "--header", "X-Original-URI: /api/data",
                  "--header", "X-Forwarded-For: 10.0.0.1", "--expect", "200,429", "--timeout-ms", 20000,
                  "--duration-ms", 3_000_000]
        loads = [self.load(edge.address, *fields, "--connections", 64),
                 self.load(edge.address, *fields, "--connections", 8, "--fresh")]
        upgrades = harness.full_or_short(20, 5)
        for number in range(upgrades):
            edge.write_settings(worker_processes=(4, 2, 3, 1)[number % 4])
            self.replace(edge, harness.program("fairvisord"))
            self.upgrade(edge)
        results = [load.finish() for load in loads]
        for result in results:
            self.assertEqual(result["failed"], 0, result)
            self.assertGreater(result["answered"], upgrades)
        allowed = sum(harness.statuses(result).get(200, 0) for result in results)
        while edge.decide(uri="/api/data", client="10.0.0.1").status == 200:  # what the loads have left
            allowed += 1
            self.assertLessEqual(allowed, burst)
        self.assertEqual(allowed, burst)

    def assert_unharmed(self, edge, workers):
        edge.wait_log(r"the upgrade failed, this master goes on")
        self.assertIsNone(edge.process.poll())
        self.assertEqual(self.pid_of(edge), edge.pid)
        self.assertFalse(os.path.exists(edge.pid_file + ".oldbin"))
        self.assertEqual(edge.workers(), workers)
        self.assertEqual(edge.get("/readyz").status, 200)
        edge.reload()

    def test_program_that_fails(self):
        edge = self.replaceable_edge(harness.one_rule())
        workers = edge.workers()
        self.replace(edge, shutil.which("false"))
        harness.kill(edge.pid, signal.SIGUSR2)
        self.assert_unharmed(edge, workers)

    def test_daemon(self):
        edge = self.new_edge(harness.one_rule(rate=0.001, burst=1))
        edge.write_settings(log=edge.log_file)
        self.addCleanup(self.stop_all, edge)
        self.assertEqual(edge.run("-d").returncode, 0)
        self.assertEqual(edge.decide(client="10.0.0.1").status, 200)
        old = self.pid_of(edge)
        harness.kill(old, signal.SIGUSR2)
        harness.wait_until(lambda: self.pid_of(edge) not in (None, old), "the new pidfile")
        harness.wait_until(lambda: not harness.is_alive(old), "the old master to go", harness.STOP_SECONDS)
        self.assertEqual(edge.decide(client="10.0.0.1").status, 429)
        self.assertEqual(edge.run("-s", "quit", timeout=60).returncode, 0)

    def test_stop_in_the_middle(self):
        """Whoever wins, nothing stays behind that the other one needs: one master at most, and the counters somewhere."""
        edge = self.replaceable_edge(harness.one_rule(rate=0.001, burst=1))
        self.assertEqual(edge.decide(client="10.0.0.1").status, 200)
        harness.kill(edge.pid, signal.SIGUSR2)
        harness.kill(edge.pid, signal.SIGTERM)
        self.assertEqual(edge.process.wait(harness.STOP_SECONDS), 0)
        left = self.pid_of(edge)
        if left and harness.is_alive(left):
            harness.kill(left, signal.SIGTERM)
        # A process that ends lets its memory go first, and its sockets last.
        harness.wait_until(lambda: not harness.processes_with_arena(edge.name) and not (left and harness.is_alive(left)),
                           "everybody to go", harness.STOP_SECONDS)
        edge.start()
        self.assertEqual(edge.decide(client="10.0.0.1").status, 429)

    def test_program_that_is_gone(self):
        edge = self.replaceable_edge(harness.one_rule())
        workers = edge.workers()
        os.unlink(os.path.join(edge.prefix, "sbin", "fairvisord"))
        harness.kill(edge.pid, signal.SIGUSR2)
        self.assert_unharmed(edge, workers)

    def test_bad_bundle(self):
        edge = self.replaceable_edge(harness.one_rule(), unix=True)
        workers = edge.workers()
        edge.write_policy('{"bundle_version": 1, "polices": []}')
        harness.kill(edge.pid, signal.SIGUSR2)
        edge.wait_log(r"the upgrade failed")
        edge.write_policy(harness.one_rule())
        self.assert_unharmed(edge, workers)
        self.assertEqual(harness.request(edge.unix_path, target="/livez").status, 200)

    def slow_edge(self, has_pidfile=True, **settings):
        """An instance and its new master, which waits at its disk just before it takes over: the old one serves
        version 1 of the bundle, the new one version 2."""
        edge = self.new_edge(harness.one_rule(version=1), workers=2)
        edge.write_settings(**settings)
        plan = self.own(faults.Faults(edge, held=".bundle.json"))
        edge.start()
        self.addCleanup(self.stop_all, edge)
        edge.write_policy(harness.one_rule(version=2))
        plan.set("rename_delay_ms", 600_000)
        if not has_pidfile:
            os.unlink(edge.pid_file)
        harness.kill(edge.pid, signal.SIGUSR2)
        new = harness.wait_until(lambda: self.pid_of(edge) not in (None, edge.pid) and self.pid_of(edge), "the new pidfile")
        harness.wait_until(lambda: self.holder_of(edge) == new, "the new master to sign the lock")
        harness.wait_until(lambda: str(edge.ready().get("policy_version")) == "2", "the new master to be known")
        return edge, plan, new

    @staticmethod
    def holder_of(edge):
        with open(os.path.join(edge.settings["runtime_dir"], f"{edge.name}.lock"), encoding="ascii") as file:
            return int(file.read())

    @staticmethod
    def names(edge):
        """Those of all workers, of whichever master: instance and slot."""
        names = []
        for pid in harness.processes_with_arena(edge.name):
            try:
                with open(f"/proc/{pid}/cmdline", encoding="ascii") as file:
                    words = file.read().split("\0")
            except OSError:
                continue
            names += words[1:2] if words[0] == "fairvisor-worker" else []
        return names

    @unittest.skipIf(harness.ASAN, "an allocator of its own is not to be stood in front of")
    def test_a_worker_that_died_does_not_come_back_into_a_slot_of_the_new_master(self):
        """The place of one that keeps dying is free for a second; the new master takes it, and is not ready before it is over."""
        edge = self.new_edge(harness.one_rule(version=1), workers=1)
        plan = self.own(faults.Faults(edge))
        edge.start()
        self.addCleanup(self.stop_all, edge)
        edge.write_policy(harness.one_rule(version=2))
        for death in range(1, 7):
            victim = harness.wait_until(edge.workers, "a worker")[0]
            harness.wait_until(lambda: edge.ready().get("ready"), "it to serve")
            if death == 6:
                plan.set("rename_delay_ms", 400)
            harness.kill(victim)
            edge.wait_log(rf"process {victim}\) was killed .* starts in \d+ ms")
        harness.kill(edge.pid, signal.SIGUSR2)
        while edge.process.poll() is None:
            names = self.names(edge)
            self.assertEqual(len(names), len(set(names)), names)
        plan.set("rename_delay_ms", 0)

    @unittest.skipIf(harness.ASAN, "an allocator of its own is not to be stood in front of")
    def test_new_master_that_dies_once_others_know_of_it(self):
        """Lock, pidfile, socket of fairvisor(1) and status name the new one; then it is killed: they name the old one again."""
        for has_pidfile in (True, False):
            with self.subTest(has_pidfile=has_pidfile):
                self.assert_taken_back(*self.slow_edge(has_pidfile))

    def assert_taken_back(self, edge, plan, new):
        harness.kill(new)
        plan.set("rename_delay_ms", 0)
        edge.wait_log("the upgrade failed, this master goes on")
        self.assertEqual(self.holder_of(edge), edge.pid)
        self.assertEqual(self.pid_of(edge), edge.pid)
        result = edge.cli("kill", "-c", edge.config_file, "ip:address", "10.0.0.9", "--reason", "test", "--for", "1h")
        self.assertEqual(result.returncode, 0, result.stderr)
        result = edge.run("-s", "reload")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(str(edge.ready()["policy_version"]), "2")
        self.assertEqual(edge.run("-s", "quit", timeout=60).returncode, 0)

    @unittest.skipIf(harness.ASAN, "an allocator of its own is not to be stood in front of")
    def test_orders_during_an_upgrade_are_handed_on(self):
        """The new master has read bundle and log before the orders came to the old one."""
        log = os.path.join(self.temporary_folder(), "own.log")
        edge, plan, new = self.slow_edge(log=log)
        os.rename(log, log + ".1")
        edge.write_policy(harness.one_rule(version=3))
        harness.kill(edge.pid, signal.SIGUSR1)
        harness.kill(edge.pid, signal.SIGHUP)
        plan.set("rename_delay_ms", 0)
        harness.wait_until(lambda: str(edge.ready().get("policy_version")) == "3", "the new bundle to be served")
        harness.wait_until(lambda: os.path.exists(log), "the log to be opened anew")
        self.assertEqual(edge.process.wait(harness.STOP_SECONDS), 0)
        self.assertEqual(self.pid_of(edge), new)

    def test_forged_letter(self):
        edge = self.new_edge(harness.one_rule())
        for text in ("x", "lock=0,report=1,generation=1,pid=1,sockets=0"):
            os.environ["FAIRVISORD_UPGRADE"] = text
            try:
                result = edge.run()
            finally:
                del os.environ["FAIRVISORD_UPGRADE"]
            self.assertIn(result.returncode, (64, 73), result.stderr)


if __name__ == "__main__":
    unittest.main()
