# SPDX-License-Identifier: MPL-2.0
"""USR2: a new program takes over sockets and counters; one that cannot leaves the old master as it was."""

import os
import shutil
import signal
import unittest

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
        harness.wait_until(lambda: not harness.processes_with_arena(edge.name), "everybody to go", harness.STOP_SECONDS)
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
