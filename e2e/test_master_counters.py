# SPDX-License-Identifier: MPL-2.0
"""What has been spent stays spent: over stop and start, over kill -9 of everything, over the loss of the shared memory; and
a damaged snapshot is refused with one clear line, never half believed."""

import glob
import os
import shutil
import signal
import subprocess
import time
import unittest

import faults
import harness

BURST = 5
STRANGER = 12345  # not the workers, who are 65534


class Counters(harness.TestCase):
    def spent_edge(self, **settings):
        """An instance on which client 10.0.0.1 has spent its whole burst."""
        edge = self.start_edge(harness.one_rule(rate=0.001, burst=BURST), settings=settings)
        for _ in range(BURST):
            self.assertEqual(edge.decide(client="10.0.0.1").status, 200)
        self.assertEqual(edge.decide(client="10.0.0.1").status, 429)
        return edge

    def assert_spent(self, edge):
        self.assertEqual(edge.decide(client="10.0.0.1").status, 429)
        self.assertEqual(edge.decide(client="10.0.0.2").status, 200)

    def assert_fresh(self, edge):
        for _ in range(BURST):
            self.assertEqual(edge.decide(client="10.0.0.1").status, 200)

    @staticmethod
    def arena(edge):
        return f"/dev/shm/fairvisor-{edge.name}"

    @staticmethod
    def snapshot(edge):
        return os.path.join(edge.settings["state_dir"], f"{edge.name}.snapshot")

    @staticmethod
    def fill(path):
        """Writes to PATH until the disk is full."""
        with open(path, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                return

    def test_full_shared_memory_is_told_in_the_log(self):
        """A flood of clients against the smallest arena: rates let new ones through uncounted, and the log says so; who
        was there before keeps what he has spent."""
        rules = [harness.token_bucket(f"r{number}", 0.000001, BURST, ["ip:address"]) for number in range(8)]
        bundle = harness.one_rule(rate=0.000001, burst=BURST)
        bundle["policies"][0]["spec"]["rules"] = rules
        edge = self.start_edge(bundle, settings={"shared_dict_size": "8m", "snapshot_interval": 0})
        for _ in range(BURST):
            self.assertEqual(edge.decide(client="10.0.0.1").status, 200)
        self.load(edge.address, "--path", "/v1/decision", "--header", "X-Original-Method: GET", "--header",
                  "X-Original-URI: /", "--header", "X-Forwarded-For: 10.9.{0-255}.{0-99}", "--expect", "200",
                  "--requests", 25_600, "--connections", 8).result()
        self.assertGreater(edge.metric("fairvisor_state_full_total"), 0)
        edge.wait_log(r"warning.* shared memory is full: \d+ limits found no cell .* raise shared_dict_size")
        self.assertEqual(edge.decide(client="10.0.0.1").status, 429)

    def test_a_budget_that_finds_no_room_is_not_said_to_be_used_up(self):
        """Who is refused because shared memory is full may come back in a second, not when the untouched budget ends; and an
        explanation says the same."""
        rules = [harness.token_bucket(f"r{number}", 0.000001, BURST, ["ip:address"]) for number in range(8)]
        rules.append({"name": "quota", "limit_keys": ["header:x-api-key"], "algorithm": "cost_based",
                      "algorithm_config": {"budget": 1000, "period": "1d",
                                           "staged_actions": [{"threshold_percent": 100, "action": "reject"}]}})
        bundle = harness.one_rule(rate=0.000001, burst=BURST)
        bundle["policies"][0]["spec"]["rules"] = rules
        edge = self.start_edge(bundle, settings={"shared_dict_size": "8m", "snapshot_interval": 0})
        self.load(edge.address, "--path", "/v1/decision", "--header", "X-Original-Method: GET", "--header",
                  "X-Original-URI: /", "--header", "X-Forwarded-For: 10.9.{0-255}.{0-99}", "--expect", "200",
                  "--requests", 25_600, "--connections", 8).result()
        answer = edge.decide(client="10.9.0.0", headers={"X-Api-Key": "new"})
        self.assertEqual((answer.status, answer.header("X-Fairvisor-Reason")), (503, "state_full"))
        self.assertIn(answer.header("Retry-After"), ("1", "2"))
        self.assertIsNone(answer.header("RateLimit"))
        self.assertIn(b"has no room to count this identity. Come back in", answer.body)
        told = edge.cli("explain", "-c", edge.config_file, "GET", "/", "--client", "10.9.0.0", "-H", "X-Api-Key: new").stdout
        self.assertIn("/ quota: limit 1000 in 1 d 0 h, remaining 1000, this request costs 1: fits, "
                      "but shared memory has no room to count it", told)
        self.assertIn("verdict: rejected, state_full (503)", told)

    @harness.needs_shared_memory(301)
    def test_cells_of_a_large_arena(self):
        """They are counted between requests: a page tells what the last count came to, and begins another."""
        edge = self.start_edge(harness.one_rule(rate=0.000001, burst=BURST), settings={"shared_dict_size": "300m", "snapshot_interval": 0})
        self.assertEqual(edge.metric("fairvisor_shm_cells_used"), 0)
        for number in range(20):
            edge.decide(client=f"10.0.0.{number}")
        harness.wait_until(lambda: edge.metric("fairvisor_shm_cells_used") == 20, "all to be counted")
        self.assertGreater(edge.metric("fairvisor_shm_cells"), 300_000)

    def test_quit_and_start(self):
        for number in (signal.SIGQUIT, signal.SIGTERM):
            with self.subTest(number):
                edge = self.spent_edge()
                self.assertEqual(edge.stop(number), 0)
                self.assertFalse(os.path.exists(self.arena(edge)), "the snapshot was written, so the memory is given back")
                self.assertTrue(os.path.exists(self.snapshot(edge)))
                edge.start()
                edge.wait_log(r"counters were restored from a snapshot that is \d+ s old: [1-9]\d* cells")
                self.assert_spent(edge)

    def test_kill_everything_and_start(self):
        edge = self.spent_edge(snapshot_interval="0")
        edge.kill_everything()
        edge.start()
        edge.wait_log(r"counters in shared memory were adopted: [1-9]\d* of \d+ cells in use")
        self.assert_spent(edge)

    def assert_kept(self, edge, function, most):
        """The first call of FUNCTION fails in a start, the second in another, and so on: none of them gives up what was spent."""
        for number in range(1, most + 1):
            plan = self.own(faults.Faults(edge, "fairvisord", function, number))
            for path in glob.glob(self.snapshot(edge) + ".previous"):
                os.unlink(path)
            edge.spawn()
            harness.wait_until(edge.is_ready_or_dead, "a start or its end")
            has_fired = plan.get("fired")
            edge.environment = harness.clean_environment
            edge.kill_everything()
            edge.start()
            self.assertEqual(edge.decide(client="10.0.0.1").status, 429, f"{function} {number}")
            self.assertEqual(edge.stop(signal.SIGQUIT), 0)
            if not has_fired:
                break
        self.assertGreater(number, 2)

    @unittest.skipIf(harness.ASAN, "an allocator of its own is not to be stood in front of")
    def test_a_start_that_is_short_of_something_gives_nothing_up(self):
        """No process, no mapping, no descriptor: that says nothing about the counters, which are there for the next start."""
        edge = self.spent_edge(snapshot_interval=0)
        self.assertEqual(edge.stop(signal.SIGQUIT), 0)
        self.assert_kept(edge, "fork", 4)
        self.assert_kept(edge, "mmap", 4)
        edge = self.spent_edge()
        self.assertEqual(edge.stop(signal.SIGQUIT), 0)
        self.assert_kept(edge, "openat", 20)

    def test_generation_and_counters_go_on_after_a_kill(self):
        edge = self.spent_edge()
        edge.reload()
        before, decisions = edge.ready()["generation"], edge.metric("fairvisor_decisions_total")
        edge.kill_everything()
        edge.start()
        self.assertGreater(edge.ready()["generation"], before)
        self.assertGreaterEqual(edge.metric("fairvisor_decisions_total"), decisions)

    def test_memory_lost_and_start(self):
        """A reboot: the shared memory is gone, the periodic snapshot is there."""
        edge = self.spent_edge(snapshot_interval="100ms")
        spent_at = time.time()  # one that was begun before may lack the last of it, whenever it comes to be there
        harness.wait_until(lambda: edge.metric("fairvisor_snapshot_last_success_timestamp_seconds") > spent_at,
                           "a snapshot of all that was spent")
        edge.kill_everything()
        os.unlink(self.arena(edge))
        edge.start()
        self.assert_spent(edge)

    def test_snapshots_off_keep_the_memory(self):
        edge = self.spent_edge(snapshot_interval="0")
        self.assertEqual(edge.stop(signal.SIGQUIT), 0)
        self.assertTrue(os.path.exists(self.arena(edge)))
        self.assertIn("snapshots are off", edge.log())
        edge.start()
        self.assert_spent(edge)

    def damage(self, change):
        """Stops a spent instance, lets CHANGE(bytes) ruin its snapshot, and starts it again."""
        edge = self.spent_edge()
        self.assertEqual(edge.stop(signal.SIGQUIT), 0)
        with open(self.snapshot(edge), "rb") as file:
            data = file.read()
        for path in glob.glob(self.snapshot(edge) + "*"):
            os.unlink(path)
        with open(self.snapshot(edge), "wb") as file:
            file.write(change(data))
        length = len(edge.log())
        edge.start()
        refusals = [line for line in edge.log()[length:].splitlines() if ".refused" in line]
        self.assertEqual(len(refusals), 1, refusals)
        self.assertIn(self.snapshot(edge), refusals[0])
        self.assertTrue(os.path.exists(self.snapshot(edge) + ".refused"))
        self.assert_fresh(edge)

    def test_truncated_snapshot(self):
        self.damage(lambda data: data[:len(data) // 2])

    def test_empty_snapshot(self):
        self.damage(lambda data: b"")

    def test_snapshot_with_a_flipped_bit(self):
        middle = 2
        self.damage(lambda data: data[:len(data) // middle] + bytes([data[len(data) // middle] ^ 1])
                    + data[len(data) // middle + 1:])

    def test_longer_snapshot(self):
        self.damage(lambda data: data + b"x")

    def test_foreign_file(self):
        self.damage(lambda data: b"\x7fELF" + b"\0" * 8192)

    def test_snapshot_of_another_instance(self):
        other = self.spent_edge()
        other.stop(signal.SIGQUIT)
        with open(self.snapshot(other), "rb") as file:
            foreign = file.read()
        self.damage(lambda data: foreign)

    def test_previous_snapshot_is_tried(self):
        edge = self.spent_edge()
        edge.stop(signal.SIGQUIT)
        os.rename(self.snapshot(edge), self.snapshot(edge) + ".previous")
        with open(self.snapshot(edge), "wb") as file:
            file.write(b"torn")
        edge.start()
        edge.wait_log(r"the snapshot before the last is used")
        self.assert_spent(edge)

    def test_foreign_arena_is_set_aside(self):
        edge = self.spent_edge()
        edge.stop(signal.SIGQUIT)
        with open(self.arena(edge), "wb") as file:
            file.write(b"not ours" * 4096)
        edge.start()
        edge.wait_log(r"set aside as fairvisor-.*\.refused")
        self.assert_spent(edge)

    def test_what_cannot_be_set_aside(self):
        """Nothing is said to be done that was not, and whoever starts it learns what to remove."""
        edge = self.spent_edge()
        edge.stop(signal.SIGQUIT)
        os.mkfifo(self.arena(edge), 0o600)
        os.makedirs(self.arena(edge) + ".refused/full")
        try:
            refused = edge.run()
            self.assertEqual(refused.returncode, 71, refused.stderr)
            self.assertRegex(refused.stderr, rf"{self.arena(edge)} could not be set aside as \S+\.refused \(.*\): remove both, as root")
            self.assertIn("it is not a regular file", refused.stderr)
            self.assertNotIn("it is set aside", refused.stderr)
        finally:
            shutil.rmtree(self.arena(edge) + ".refused")
        edge.start()
        edge.wait_log(r"not a regular file; it is set aside as fairvisor-.*\.refused")
        self.assert_spent(edge)

    @unittest.skipUnless(harness.IS_ROOT, "only root can give files away: run the tests as root")
    def test_files_of_strangers_are_set_aside_unread(self):
        edge = self.spent_edge()
        edge.stop(signal.SIGQUIT)
        for path in (self.arena(edge), self.snapshot(edge)):
            with open(path, "ab") as file:
                file.write(b"x" * 4096)
            os.chown(path, STRANGER, STRANGER)
            os.chmod(path, 0o600)
        edge.start()
        edge.wait_log(rf"shared memory .* cannot be used: it belongs to user {STRANGER}, .*set aside as fairvisor-.*\.refused")
        edge.wait_log(rf"the snapshot .* was refused: it belongs to user {STRANGER}, .*set aside")
        self.assertIn("generation", edge.cli("status", "-c", edge.config_file).stdout)
        os.chown(self.arena(edge), STRANGER, STRANGER)
        status = edge.cli("status", "-c", edge.config_file)
        self.assertIn(f"it belongs to user {STRANGER}", status.stdout)

    def test_changed_size_keeps_what_is_there(self):
        edge = self.spent_edge(snapshot_interval="0")
        edge.kill_everything()
        edge.write_settings(shared_dict_size="32m")
        edge.start()
        edge.wait_log(r"shared_dict_size is 33554432 bytes, but the adopted shared memory has 16777216")
        self.assert_spent(edge)

    @unittest.skipUnless(harness.IS_ROOT, "only root can mount a small disk: run the tests as root")
    def test_full_disk(self):
        edge = self.new_edge(harness.one_rule(rate=1000, burst=1000), settings={"snapshot_interval": "100ms"})
        state = edge.settings["state_dir"]
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0750", "tmpfs", state], capture_output=True, text=True)
        if mounted.returncode != 0:
            self.skipTest(f"a small disk could not be mounted: {mounted.stderr}")
        self.addCleanup(subprocess.run, ["umount", "-l", state], check=True)
        self.fill(os.path.join(state, "ballast"))
        edge.start()
        failures = harness.wait_until(lambda: edge.metric("fairvisor_snapshot_failures_total"), "a failed snapshot")
        harness.wait_until(lambda: edge.metric("fairvisor_snapshot_failures_total") > failures, "another one")
        self.assertEqual(edge.decide(client="10.0.0.1").status, 200)
        lines = [line for line in edge.log().splitlines() if "no snapshot of the counters was written" in line]
        self.assertEqual(len(lines), 1, "one line a minute is enough")
        os.unlink(os.path.join(state, "ballast"))
        edge.wait_log("snapshots of the counters are written again")
        self.assertEqual(edge.stop(), 0)

    @unittest.skipUnless(harness.IS_ROOT, "only root can mount a small disk: run the tests as root")
    def test_stop_with_a_full_disk_keeps_the_memory(self):
        edge = self.new_edge(harness.one_rule(rate=0.001, burst=BURST), settings={"snapshot_interval": "1h"})
        state = edge.settings["state_dir"]
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0750", "tmpfs", state], capture_output=True, text=True)
        if mounted.returncode != 0:
            self.skipTest(f"a small disk could not be mounted: {mounted.stderr}")
        self.addCleanup(subprocess.run, ["umount", "-l", state], check=True)
        self.fill(os.path.join(state, "ballast"))
        edge.start()
        for _ in range(BURST):
            edge.decide(client="10.0.0.1")
        self.assertEqual(edge.stop(signal.SIGQUIT), 0)
        self.assertIn("the counters stay in shared memory", edge.log())
        self.assertTrue(os.path.exists(self.arena(edge)))
        edge.start()
        self.assert_spent(edge)


if __name__ == "__main__":
    unittest.main()
