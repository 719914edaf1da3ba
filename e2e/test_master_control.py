# SPDX-License-Identifier: MPL-2.0
"""Orders to a running instance: -s, signals, reloads that succeed and reloads that must change nothing, dead workers."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
import unittest

import harness

BAD_BUNDLES = {
    "not JSON": "{",
    "empty": "",
    "unknown field": '{"bundle_version": 2, "policies": [], "polices": []}',
    "no policies": '{"bundle_version": 2}',
}


class Orders(harness.TestCase):
    def test_nobody_to_order(self):
        edge = self.new_edge(harness.one_rule())
        for order in ("stop", "quit", "reload", "reopen"):
            result = edge.run("-s", order)
            self.assertEqual(result.returncode, 69, result.stderr)
            self.assertIn(f"'{edge.name}' is not running", result.stderr)

    def test_recycled_process_id_is_left_alone(self):
        """A pidfile that a crash left behind may name anybody by now."""
        edge = self.new_edge(harness.one_rule())
        bystander = subprocess.Popen(["sleep", "60"])
        self.addCleanup(bystander.wait)
        self.addCleanup(bystander.kill)
        with open(edge.pid_file, "w", encoding="ascii") as file:
            file.write(f"{bystander.pid}\n")
        self.assertEqual(edge.run("-s", "stop").returncode, 69)
        self.assertIsNone(bystander.poll())

    def test_pidfile_of_somebody_else(self):
        edge = self.start_edge(harness.one_rule())
        bystander = subprocess.Popen(["sleep", "60"])
        self.addCleanup(bystander.wait)
        self.addCleanup(bystander.kill)
        with open(edge.pid_file, "w", encoding="ascii") as file:
            file.write(f"{bystander.pid}\n")
        result = edge.run("-s", "stop")
        self.assertEqual(result.returncode, 73, result.stderr)
        self.assertIsNone(bystander.poll())
        self.assertEqual(edge.get("/livez").status, 200)

    def test_missing_pidfile(self):
        """The lock names the process as well."""
        edge = self.start_edge(harness.one_rule(version=1))
        os.unlink(edge.pid_file)
        edge.write_policy(harness.one_rule(version=2))
        self.assertEqual(edge.run("-s", "reload").returncode, 0)
        harness.wait_until(lambda: str(edge.ready().get("policy_version")) == "2", "the new workers alone to answer")
        self.assertEqual(edge.run("-s", "quit", timeout=60).returncode, 0)
        self.assertEqual(edge.process.wait(10), 0)

    @staticmethod
    def as_nobody(edge, *arguments, script="", binary=None):
        """Gives an order as the user nobody; SCRIPT prepares, as root, a /run of its own."""
        command = ["unshare", "-m", "sh", "-ec", script + ' exec setpriv --reuid nobody --regid nogroup --clear-groups "$@"',
                   "sh", binary, "-c", edge.config_file, *arguments]
        environment = harness.clean_environment()
        environment.pop("XDG_RUNTIME_DIR", None)
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)

    @harness.needs_mounts_of_root
    def test_order_by_somebody_else(self):
        binary = shutil.copy(harness.program("fairvisord"), self.temporary_folder())  # where nobody may run it
        edge = self.start_edge(harness.one_rule())
        folder = edge.settings["runtime_dir"]
        for mode in (0o755, 0o700):
            os.chmod(folder, mode)
            result = self.as_nobody(edge, "-s", "reload", binary=binary)
            self.assertEqual(result.returncode, 77, result.stderr)
            self.assertRegex(result.stderr, rf"'{edge.name}' in {re.escape(folder)} cannot be read: run this as the user")
        os.chmod(folder, 0o755)
        os.chmod(os.path.join(folder, f"{edge.name}.lock"), 0o644)
        result = self.as_nobody(edge, "-s", "stop", binary=binary)
        self.assertEqual(result.returncode, 77, result.stderr)
        self.assertRegex(result.stderr, rf"process {edge.pid} may not be signalled by you: run this as the user")
        self.assertEqual(edge.get("/livez").status, 200)

    @harness.needs_mounts_of_root
    def test_order_to_the_folder_of_root(self):
        binary = shutil.copy(harness.program("fairvisord"), self.temporary_folder())
        edge = self.new_edge(harness.one_rule(), settings={"runtime_dir": None})
        run = "mount -t tmpfs tmpfs /run; mkdir /run/fairvisor;"
        for suffix in ("lock", "pid"):
            script = f"{run} touch /run/fairvisor/{edge.name}.{suffix};"
            result = self.as_nobody(edge, "-s", "reload", script=script, binary=binary)
            self.assertEqual(result.returncode, 77, result.stderr)
            self.assertRegex(result.stderr, r"in /tmp/fairvisor-\d+, .* in /run/fairvisor: run this as root")
        result = self.as_nobody(edge, "-s", "reload", script=run, binary=binary)
        self.assertEqual(result.returncode, 69, result.stderr)
        self.assertRegex(result.stderr, r"in /tmp/fairvisor-\d+, .* would be in /run/fairvisor")

    def test_stop_and_quit_wait_for_the_end(self):
        for order in ("stop", "quit"):
            with self.subTest(order):
                edge = self.start_edge(harness.one_rule())
                result = edge.run("-s", order, timeout=60)
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertEqual(edge.process.wait(10), 0)
                self.assertEqual(edge.run("-s", order).returncode, 69)

    def test_a_typo_locks_no_operator_out(self):
        """What does not say where the instance is is passed over, and told; what does say it is refused as ever."""
        edge = self.start_edge(harness.one_rule())
        with open(edge.config_file, encoding="utf-8") as file:
            text = file.read()

        def typo(line):
            with open(edge.config_file, "w", encoding="utf-8") as file:
                file.write(text + line + "\n")
            return f"{edge.config_file}:{len(text.splitlines()) + 1}: "

        place = typo("lisen = x")
        for words in (("kill", "header:x-api-key", "stolen"), ("kill", "--list"), ("status",), ("logs", "--no-follow"),
                      ("top", "--once"), ("keys", "get", "header:x-api-key=a")):
            done = edge.cli(words[0], "-c", edge.config_file, *words[1:])
            self.assertNotEqual(done.returncode, 78, done)
            self.assertEqual(done.stderr.count(f'fairvisor: warning: {place}there is no setting "lisen"'), 1, done)
        self.assertIn("stolen", edge.cli("kill", "-c", edge.config_file, "--list").stdout)
        self.assertEqual(edge.run("-s", "reload").returncode, 78)
        for line in ("runtime_dr = /tmp", "instanse = other", "user", "runtime_dir = /tmp"):
            place = typo(line)
            for done in (edge.cli("status", "-c", edge.config_file), edge.run("-s", "quit")):
                self.assertEqual(done.returncode, 3 if done.args[0].endswith("fairvisor") else 78, done)
                self.assertIn(place, done.stdout + done.stderr)
        place = typo("max_headers = many")
        done = edge.run("-s", "quit", timeout=60)
        self.assertEqual(done.returncode, 0, done)
        self.assertIn(f"fairvisord: warning: {place}max_headers = many: ", done.stderr)

    def test_reload_waits_for_the_outcome(self):
        edge = self.start_edge(harness.one_rule(version=1))
        edge.write_policy(harness.one_rule(version=2))
        result = edge.run("-s", "reload")
        self.assertEqual(result.returncode, 0, result.stderr)
        edge.wait_log("bundle %s: version 2" % re.escape(edge.policy_file))
        # A worker of before that got no processor for a second may take one more connection before it is told to leave.
        harness.wait_until(lambda: str(edge.ready().get("policy_version")) == "2", "the new workers alone to answer")

    def test_failed_reload_says_why(self):
        edge = self.start_edge(harness.one_rule(version=1))
        edge.write_policy('{\n  "bundle_version": 2,\n  "policies": [],\n  "polices": []\n}\n')
        result = edge.run("-s", "reload")
        self.assertEqual(result.returncode, 65, result.stderr)
        self.assertRegex(result.stderr, re.escape(edge.policy_file) + r":4:3: error: ")
        self.assertEqual(str(edge.ready()["policy_version"]), "1")

    def test_log_is_opened_anew(self):
        edge = self.new_edge(harness.one_rule())
        path = os.path.join(edge.directory, "moved.log")
        edge.write_settings(log=path)
        edge.start()
        os.rename(path, path + ".1")
        self.assertEqual(edge.run("-s", "reopen").returncode, 0)

        def lines():
            with open(path, encoding="utf-8") as file:
                return file.read()

        harness.wait_until(lambda: os.path.exists(path) and "opened anew" in lines(), "the new log file")
        victim = edge.workers()[0]
        harness.kill(victim)
        harness.wait_until(lambda: f"process {victim}" in lines(), "a line in the new log file")


class Reloads(harness.TestCase):
    def test_new_policy_and_settings_together(self):
        edge = self.start_edge(harness.one_rule(burst=5), workers=2)
        self.assertEqual(edge.decide(client="10.0.0.1").status, 200)
        before = set(edge.workers())
        edge.write_policy(harness.one_rule(burst=5, version=2))
        edge.write_settings(worker_processes=3, allow_status=204)
        edge.reload()
        harness.wait_until(lambda: not before & set(edge.workers()), "the old workers to leave")
        self.assertEqual(edge.decide(client="10.0.0.1").status, 204)
        self.assertEqual(len(edge.workers()), 3)

    def test_spent_budget_stays_spent(self):
        edge = self.start_edge(harness.one_rule(rate=0.001, burst=5))
        for _ in range(5):
            self.assertEqual(edge.decide(client="10.0.0.1").status, 200)
        edge.write_policy(harness.one_rule(rate=0.001, burst=5, version=2))
        edge.reload()
        self.assertEqual(edge.decide(client="10.0.0.1").status, 429)

    def test_bad_bundle_changes_nothing(self):
        edge = self.start_edge(harness.one_rule(version=1))
        workers, generation = edge.workers(), edge.ready()["generation"]
        for name, text in BAD_BUNDLES.items():
            with self.subTest(name):
                edge.write_policy(text)
                lines = edge.reload_refused()
                self.assertRegex(lines, re.escape(edge.policy_file) + r":\d+:\d+: error: ")
                self.assertIn("the reload was refused", lines)
                self.assertEqual(edge.workers(), workers)
                self.assertEqual(edge.ready()["generation"], generation)
        self.assertEqual(edge.metric("fairvisor_config_last_reload_successful"), 0)
        edge.write_policy(harness.one_rule(version=2))
        edge.reload()
        self.assertEqual(edge.metric("fairvisor_config_last_reload_successful"), 1)

    def test_missing_bundle_changes_nothing(self):
        edge = self.start_edge(harness.one_rule())
        os.unlink(edge.policy_file)
        self.assertIn(edge.policy_file, edge.reload_refused())
        self.assertEqual(edge.decide(client="10.0.0.1").status, 200)

    def test_bad_settings_change_nothing(self):
        edge = self.start_edge(harness.one_rule())
        edge.write_settings(worker_proceses=1)
        self.assertIn("worker_processes", edge.reload_refused())
        self.assertEqual(edge.decide(client="10.0.0.1").status, 200)

    def test_settings_that_need_a_restart(self):
        changes = {
            "instance": "another",
            "shared_dict_size": "32m",
            "runtime_dir": "{directory}/other",
            "state_dir": "{directory}/other",
        }
        if harness.IS_ROOT:
            changes["user"] = "daemon"
        edge = self.start_edge(harness.one_rule())
        given = dict(edge.settings)
        for name, value in changes.items():
            with self.subTest(name):
                edge.write_settings(**{**given, name: value.format(directory=edge.directory)})
                self.assertIn(f"{name} cannot change", edge.reload_refused())
        edge.write_settings(**given)
        edge.reload()

    @harness.needs_mounts_of_root
    def test_workers_that_do_not_start_change_nothing(self):
        """The new program of the workers is broken: the old generation must not notice."""
        edge = self.new_edge(harness.one_rule())
        command = edge.command
        edge.command = lambda *arguments: ["unshare", "-m", *command(*arguments)]
        edge.start()
        workers = edge.workers()
        inside = ["nsenter", "-t", str(edge.pid), "-m"]
        subprocess.run([*inside, "mount", "--bind", "/bin/false", harness.program("fairvisor-worker")], check=True)
        edge.write_settings(worker_processes=4)
        self.assertIn("before it was ready", edge.reload_refused())
        self.assertEqual(edge.workers(), workers)
        for _ in range(20):
            self.assertEqual(edge.get("/livez").status, 200)
        self.refused_under_load(edge)
        harness.wait_until(lambda: subprocess.run([*inside, "umount", harness.program("fairvisor-worker")]).returncode == 0,
                           "the last of those workers to be gone")
        edge.reload()
        harness.wait_until(lambda: len(edge.workers()) == 4, "the new generation")

    def refused_under_load(self, edge):
        """The sockets of workers that never came must not have taken a single connection."""
        load = self.load(edge.address, "--path", "/livez", "--expect", "200", "--connections", 8, "--fresh",
                         "--duration-ms", 3_000_000)
        for _ in range(10):
            edge.reload_refused()
        harness.wait_until(lambda: edge.metric("fairvisor_http_requests_total") > 100, "requests to have come meanwhile")
        result = load.finish()
        self.assertEqual(result["failed"], 0, result)
        self.assertGreater(result["answered"], 10)

    def test_nothing_piles_up_in_the_master(self):
        edge = self.start_edge(harness.one_rule(), workers=2, unix=True)

        def descriptors():
            return sorted(os.listdir(f"/proc/{edge.pid}/fd"))

        edge.reload()
        harness.wait_until(lambda: len(edge.workers()) == 2, "the old generation to leave")
        before = len(descriptors())
        for number in range(10):
            edge.write_policy(harness.one_rule(version=number + 2) if number % 2 else "{")
            edge.reload() if number % 2 else edge.reload_refused()
        harness.wait_until(lambda: len(edge.workers()) == 2, "the old generations to leave")
        harness.wait_until(lambda: len(descriptors()) <= before, f"no more than {before} descriptors")

    def test_socket_mode_follows(self):
        edge = self.start_edge(harness.one_rule(), unix=True)
        edge.write_settings(socket_mode="0640")
        edge.reload()
        self.assertEqual(os.stat(edge.unix_path).st_mode & 0o777, 0o640)

    def test_most_workers_there_can_be(self):
        edge = self.start_edge(harness.one_rule(), workers=64)
        edge.reload()
        edge.reload()
        harness.wait_until(lambda: len(edge.workers()) == 64, "the old generations to leave", 60)
        self.assertEqual(edge.get("/livez").status, 200)

    def test_listen_addresses_come_and_go(self):
        edge = self.start_edge(harness.one_rule())
        added, path = harness.free_port(), os.path.join(edge.directory, "added.sock")
        edge.write_settings(listen=f"127.0.0.1:{edge.port}, 127.0.0.1:{added}, unix:{path}", socket_mode="0666")
        edge.reload()
        self.assertEqual(harness.request(("127.0.0.1", added), target="/livez").status, 200)
        self.assertEqual(harness.request(path, target="/livez").status, 200)
        edge.write_settings(listen=f"127.0.0.1:{edge.port}")
        edge.reload()
        self.assertFalse(os.path.exists(path))

        def is_refused():
            try:
                harness.request(("127.0.0.1", added), target="/livez", timeout=5)
                return False
            except ConnectionRefusedError:
                return True
            except (OSError, harness.Incomplete):
                return False

        harness.wait_until(is_refused, "the removed address to be closed")

    def test_busy_address_changes_nothing(self):
        edge = self.start_edge(harness.one_rule())
        with socket.create_server(("127.0.0.1", 0)) as other:
            busy, free = other.getsockname()[1], harness.free_port()
            edge.write_settings(listen=f"127.0.0.1:{free}, 127.0.0.1:{edge.port}, 127.0.0.1:{busy}")
            self.assertIn(f"127.0.0.1:{busy} is in use", edge.reload_refused())
        with self.assertRaises(ConnectionRefusedError):
            harness.request(("127.0.0.1", free), target="/livez")
        self.assertEqual(edge.get("/livez").status, 200)

    def test_every_client_is_answered_while_workers_come_and_go(self):
        """Fewer workers than sockets: those that remain must serve the orphaned sockets as well."""
        edge = self.start_edge(harness.one_rule(rate=1000000, burst=1000000), workers=4)
        with self.everybody_allowed(edge):
            for number in range(harness.full_or_short(40, 10)):
                edge.write_settings(worker_processes=2 if number % 2 == 0 else 4)
                edge.reload()

    def test_hup_during_a_reload_is_remembered(self):
        edge = self.start_edge(harness.one_rule(version=1))
        reloads = edge.metric("fairvisor_config_reloads_total")
        for _ in range(3):
            harness.kill(edge.pid, signal.SIGHUP)
        edge.write_policy(harness.one_rule(version=2))
        harness.kill(edge.pid, signal.SIGHUP)
        harness.wait_until(lambda: str(edge.ready().get("policy_version")) == "2", "the last bundle to be served")
        # A new worker may answer before the master has counted.
        harness.wait_until(lambda: edge.metric("fairvisor_config_reloads_total") > reloads, "the reload to be counted")


class Deaths(harness.TestCase):
    def test_killed_worker_is_replaced(self):
        edge = self.start_edge(harness.one_rule(), workers=2)
        before = edge.workers()
        restarts = edge.metric("fairvisor_worker_restarts_total")
        harness.kill(before[0])
        harness.wait_until(lambda: len(set(edge.workers()) - set(before)) == 1, "a new worker")
        self.assertIn(before[1], edge.workers())
        edge.wait_log(rf"process {before[0]}\) was killed by signal 9 \(Killed\)")
        harness.wait_until(lambda: edge.metric("fairvisor_worker_restarts_total") == restarts + 1, "the restart to be counted")
        harness.wait_until(lambda: re.search(r"\| .* worker_restarts=1c( |$)",
                                             edge.cli("status", "-c", edge.config_file).stdout.split("\n")[0]),
                           "the restart in the performance data")

    def test_counters_never_fall(self):
        edge = self.start_edge(harness.one_rule(rate=1000, burst=1000), workers=1)
        for _ in range(20):
            edge.decide(client="10.0.0.1")
        before = edge.metric("fairvisor_decisions_total")
        old = edge.workers()
        harness.kill(old[0])
        harness.wait_until(lambda: edge.workers() and edge.workers() != old and edge.ready(), "a new worker to answer")
        self.assertGreaterEqual(edge.metric("fairvisor_decisions_total"), before)

    def test_delay_grows_when_workers_keep_dying(self):
        edge = self.start_edge(harness.one_rule(), workers=1)
        for expected in ("in 0 ms", "in 100 ms", "in 200 ms", "in 400 ms"):
            victim = harness.wait_until(edge.workers, "a worker")[0]
            harness.kill(victim)
            edge.wait_log(rf"process {victim}\) was killed .* starts {expected}")
        harness.wait_until(lambda: edge.ready().get("ready"), "the last one to serve")

    def test_workers_leave_when_the_master_is_killed(self):
        edge = self.start_edge(harness.one_rule(), workers=2, settings={"drain_timeout": "1s"})
        workers = edge.workers()
        edge.process.kill()
        edge.process.wait()
        harness.wait_until(lambda: not any(harness.is_alive(pid) for pid in workers), "the orphans to leave", 60)

    def test_start_over_orphans(self):
        """The master is killed and started again at once: its workers may still be there, with its port."""
        edge = self.start_edge(harness.one_rule(rate=0.001, burst=2), workers=2)
        self.assertEqual(edge.decide(client="10.0.0.1").status, 200)
        self.assertEqual(edge.decide(client="10.0.0.1").status, 200)
        with harness.Connection(edge.address) as connection:  # keeps one worker draining
            connection.send(harness.format_request(target="/livez"))
            self.assertEqual(connection.answer().status, 200)
            edge.process.kill()
            edge.process.wait()
            edge.start()
        self.assertEqual(edge.decide(client="10.0.0.1").status, 429)

    def test_stop_while_a_worker_hangs(self):
        edge = self.start_edge(harness.one_rule(), workers=2)
        os.kill(edge.workers()[0], signal.SIGSTOP)
        began = time.monotonic()
        self.assertEqual(edge.stop(signal.SIGTERM), 0)
        self.assertLess(time.monotonic() - began, harness.STOP_SECONDS)
        self.assertRegex(edge.log(), r"did not leave in time: it gets signal 9")


if __name__ == "__main__":
    unittest.main()
