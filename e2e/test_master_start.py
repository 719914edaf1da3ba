# SPDX-License-Identifier: MPL-2.0
"""How fairvisord starts, and how it refuses to: every refusal has its exit code and one sentence that names the cause."""

import os
import re
import signal
import socket
import subprocess
import unittest

import harness

SECOND_BUNDLE_ERROR = '{\n  "bundle_version": 1,\n  "polices": []\n}\n'


class Refusals(harness.TestCase):
    def refused(self, edge, code, *sentences, arguments=()):
        result = edge.run(*arguments)
        self.assertEqual(result.returncode, code, result.stderr)
        for sentence in sentences:
            self.assertRegex(result.stderr, sentence)
        return result

    def test_usage(self):
        edge = self.new_edge(harness.one_rule())
        self.refused(edge, 64, r"^fairvisord: -x is not an option", arguments=["-x"])
        self.refused(edge, 64, r"'restart'", arguments=["-s", "restart"])
        self.refused(edge, 64, r"'serve' is one argument too many", arguments=["serve"])

    def test_missing_config_file(self):
        edge = self.new_edge(harness.one_rule())
        os.unlink(edge.config_file)
        self.refused(edge, 66, re.escape(edge.config_file))

    def test_unknown_setting(self):
        edge = self.new_edge(harness.one_rule(), settings={"worker_proceses": 2})
        self.refused(edge, 78, r"fairvisor\.conf:\d+", r"worker_processes")

    def test_bad_value(self):
        edge = self.new_edge(harness.one_rule(), settings={"snapshot_interval": "soon"})
        self.refused(edge, 78, r"snapshot_interval")

    def test_no_settings_at_all(self):
        """Names the file that was looked for; without -c it may be missing."""
        edge = self.new_edge(harness.one_rule())
        result = subprocess.run([harness.program("fairvisord"), "-t"], env=harness.clean_environment(), text=True,
                                capture_output=True, timeout=30)
        self.assertEqual(result.returncode, 78, result.stderr)
        self.assertRegex(result.stderr, r"config_file is not set, for there is no configuration file /.*/fairvisor\.conf")
        edge.write_settings(config_file=None)
        self.assertNotIn("there is no", self.refused(edge, 78, "config_file is not set", arguments=["-t"]).stderr)

    def test_log_file_without_a_folder(self):
        path = os.path.join(self.temporary_folder(), "no", "log")
        edge = self.new_edge(harness.one_rule(), settings={"log": path})
        for arguments in ([], ["-t"]):
            self.refused(edge, 78, re.escape(path), "there is no folder", arguments=arguments)
        os.mkdir(os.path.dirname(path))
        self.assertEqual(edge.run("-t").returncode, 0)
        self.assertFalse(os.path.exists(path))

    def test_port_out_of_range(self):
        edge = self.new_edge(harness.one_rule(), settings={"listen": "127.0.0.1:70000"})
        self.refused(edge, 78, r"127\.0\.0\.1:70000\" needs a port from 1 to 65535", arguments=["-t"])

    def test_missing_bundle(self):
        edge = self.new_edge(harness.one_rule())
        os.unlink(edge.policy_file)
        self.refused(edge, 66, re.escape(edge.policy_file))

    def test_bundle_that_is_a_fifo(self):
        edge = self.new_edge(harness.one_rule())
        os.unlink(edge.policy_file)
        os.mkfifo(edge.policy_file)
        self.refused(edge, 65, "not a regular file")

    def test_settings_and_log_that_are_fifos(self):
        edge = self.new_edge(harness.one_rule())
        edge.write_settings(log=os.path.join(edge.directory, "log.fifo"))
        os.mkfifo(edge.settings["log"])
        self.refused(edge, 78, r"the log file .*log\.fifo \(setting `log`\) is a fifo")
        os.unlink(edge.config_file)
        os.mkfifo(edge.config_file)
        for arguments in ([], ["-t"]):
            self.refused(edge, 78, r"the configuration file .* is a fifo", arguments=arguments)

    def test_bad_bundle(self):
        edge = self.new_edge(SECOND_BUNDLE_ERROR)
        for arguments in ([], ["-t"], ["-T"], ["-d"]):
            with self.subTest(arguments):
                result = self.refused(edge, 65, re.escape(edge.policy_file) + r":3:3: error: .* \(/polices\)",
                                      r"fairvisord: the bundle .* has \d+ errors?", arguments=arguments)
                self.assertEqual(result.stdout, "")
        self.assertFalse(os.path.exists(edge.pid_file))
        self.assertFalse(os.path.exists(f"/dev/shm/fairvisor-{edge.name}"))

    def test_busy_port(self):
        edge = self.new_edge(harness.one_rule())
        with socket.create_server(edge.address):
            self.refused(edge, 71, rf"127\.0\.0\.1:{edge.port} is in use")
        self.assertFalse(os.path.exists(f"/dev/shm/fairvisor-{edge.name}"))

    def test_address_of_nobody_here(self):
        edge = self.new_edge(harness.one_rule())
        for address, sentence in (("192.0.2.1", "this machine has no such address$"),
                                  ("[2001:db8::1]", "this machine (has no such address; .*IPv6 is off|does not speak IPv6)$")):
            edge.write_settings(listen=f"{address}:{edge.port}")
            self.refused(edge, 71, "(?m)cannot be bound: " + sentence)

    def test_port_of_another_instance(self):
        """SO_REUSEPORT alone would let the two share it without a word."""
        first = self.start_edge(harness.one_rule())
        second = self.new_edge(harness.one_rule(), settings={"listen": f"127.0.0.1:{first.port}"})
        self.refused(second, 71, rf"127\.0\.0\.1:{first.port} is in use")

    def test_unix_socket_of_another_instance(self):
        first = self.start_edge(harness.one_rule(), unix=True)
        second = self.new_edge(harness.one_rule(), settings={"listen": f"unix:{first.unix_path}"})
        self.refused(second, 71, re.escape(first.unix_path) + " is in use")
        self.assertEqual(harness.request(first.unix_path, target="/livez").status, 200)

    def test_second_master_of_an_instance(self):
        edge = self.start_edge(harness.one_rule())
        self.refused(edge, 73, rf"'{edge.name}' is running already, as process {edge.pid}")
        self.assertEqual(edge.get("/readyz").status, 200)

    def test_the_same_instance_in_another_runtime_dir(self):
        first = self.start_edge(harness.one_rule())
        workers = first.workers()
        second = self.new_edge(harness.one_rule())
        second.write_settings(instance=first.name)
        self.refused(second, 73, rf"'{first.name}' is running already, as process {first.pid} with another runtime_dir")
        self.assertEqual(first.workers(), workers)
        self.assertNotIn("exited", first.log())
        first.kill_everything()
        first.start()  # what is left of a master that died is none

    def test_many_masters_at_once(self):
        """Whoever comes first has the instance, all others are refused, whether there are counters of before or not."""
        edges = [self.new_edge(harness.one_rule(0.000001, 3, [])) for _ in range(6)]
        for edge in edges[1:]:
            edge.name = edges[0].name
            edge.write_settings(instance=edge.name)
        for is_first in (True, False):
            for edge in edges:
                edge.spawn()
            harness.wait_until(lambda: sum(edge.process.poll() is None for edge in edges) == 1, "all but one to be refused")
            one = next(edge for edge in edges if edge.process.poll() is None)
            self.assertEqual({edge.process.returncode for edge in edges} - {None, 73, 71}, set())
            harness.wait_until(lambda: harness.is_listening(one.process, one.address) and one.ready().get("ready"), "it to serve")
            self.assertEqual([one.decide().status for _ in range(4)], [200, 200, 200, 429] if is_first else [429] * 4)
            one.kill_everything()

    def test_unwritable_pidfile(self):
        edge = self.new_edge(harness.one_rule())
        edge.pid_file = os.path.join(edge.directory, "no", "such", "pid")
        self.refused(edge, 73, "no/such/pid")

    @unittest.skipUnless(harness.IS_ROOT, "only root drops privileges")
    def test_unknown_user(self):
        edge = self.new_edge(harness.one_rule(), settings={"user": "nobody-of-that-name"})
        self.refused(edge, 78, "'nobody-of-that-name' does not exist")

    @harness.needs_mounts_of_root
    def test_too_little_shared_memory(self):
        edge = self.new_edge(harness.one_rule(), settings={"shared_dict_size": "64m"})
        script = 'mount -t tmpfs -o size=16m tmpfs /dev/shm && exec "$@"'
        result = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", *edge.command()], timeout=60, text=True,
                                env=harness.clean_environment(), capture_output=True, stdin=subprocess.DEVNULL)
        self.assertEqual(result.returncode, 71, result.stderr)
        self.assertRegex(result.stderr, r"fairvisord: .*shared memory")

    @unittest.skipUnless(harness.IS_ROOT, "only root can try another user's folder")
    @unittest.skipUnless(harness.IS_ROOT, "only root can make somebody else's files")
    def test_runtime_dir_that_a_stranger_points_to(self):
        """He could let it point elsewhere while the service runs."""
        edge = self.new_edge(harness.one_rule())
        link = os.path.join(self.temporary_folder(), "link")
        os.symlink(edge.settings["runtime_dir"], link)
        edge.write_settings(runtime_dir=link)
        self.assertEqual(edge.start().ready()["status"], "ok")
        edge.stop()
        os.lchown(link, 65534, 65534)
        self.refused(edge, 77, r"link \(setting `runtime_dir`\) is a symbolic link of user 65534: it must be ours or root's")

    def test_runtime_dir_that_everybody_may_write_to(self):
        edge = self.new_edge(harness.one_rule())
        os.chmod(edge.settings["runtime_dir"], 0o777)
        self.refused(edge, 77, "everybody may write")

    @harness.needs_mounts_of_root
    def test_workers_that_cannot_start(self):
        """A worker that never gets ready fails the start and leaves nothing behind."""
        edge = self.new_edge(harness.one_rule())
        script = 'mount --bind "$0" "$1" && shift && exec "$@"'
        command = ["unshare", "-m", "sh", "-c", script, "/bin/false", harness.program("fairvisor-worker"), *edge.command()]
        result = subprocess.run(command, timeout=60, text=True, env=harness.clean_environment(), capture_output=True,
                                stdin=subprocess.DEVNULL)
        self.assertEqual(result.returncode, 71, result.stderr)
        self.assertRegex(result.stderr, r"fairvisord: worker \d+ \(process \d+\) exited with code 1 before it was ready")
        self.assertFalse(os.path.exists(edge.pid_file))
        self.assertFalse(os.path.exists(f"/dev/shm/fairvisor-{edge.name}"))


class Starts(harness.TestCase):
    def test_check_only(self):
        edge = self.new_edge(harness.one_rule())
        result = edge.run("-t")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r"are valid: version 1, 1 policy, 1 rule")
        self.assertFalse(os.path.exists(f"/dev/shm/fairvisor-{edge.name}"))

    def test_check_says_that_claims_are_unverified(self):
        edge = self.new_edge(harness.one_rule(keys=["jwt:sub"]))
        result = edge.run("-t")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("without verifying", result.stderr)

    def test_proxies_that_are_everybody(self):
        edge = self.new_edge(harness.one_rule())
        for networks, is_told in (("0.0.0.0/0", True), ("10.0.0.0/8, ::/0", True), ("10.0.0.0/8, ::1", False), ("none", False)):
            with self.subTest(networks):
                edge.write_settings(trusted_proxies=networks)
                self.assertEqual("trusted_proxies has every address" in edge.run("-t").stderr, is_told)
        edge.write_settings(trusted_proxies="0.0.0.0/0")
        edge.start()
        edge.wait_log("warning master: trusted_proxies has every address")

    def test_dump_can_be_read_again(self):
        edge = self.new_edge(harness.one_rule(), settings={"allow_status": "204"})
        first = edge.run("-T")
        self.assertEqual(first.returncode, 0, first.stderr)
        self.assertRegex(first.stdout, r"(?m)^allow_status *= *204$")
        with open(edge.config_file, "w", encoding="utf-8") as file:
            file.write(first.stdout)
        second = edge.run("-T")
        self.assertEqual(second.returncode, 0, second.stderr)
        self.assertEqual(first.stdout, second.stdout)

    def test_environment_overrules_the_file_and_flags_both(self):
        edge = self.new_edge(harness.one_rule(), settings={"reject_status": "429"})
        environment = harness.clean_environment({"FAIRVISOR_REJECT_STATUS": "403"})
        result = subprocess.run(edge.command("-T"), env=environment, capture_output=True, text=True, timeout=30)
        self.assertRegex(result.stdout, r"(?m)^reject_status *= *403$")
        self.assertIn(edge.pid_file, result.stdout)

    def test_version_and_help(self):
        edge = self.new_edge(harness.one_rule())
        self.assertRegex(edge.run("-V").stdout, r"^fairvisord \d+\.\d+")
        self.assertIn("--config", edge.run("--help").stdout)

    def test_log_tells_what_runs(self):
        edge = self.start_edge(harness.one_rule(keys=["jwt:sub"]), workers=2, unix=True)
        edge.wait_log(rf"listening on 127\.0\.0\.1:{edge.port}")
        edge.wait_log(rf"listening on unix:{re.escape(edge.unix_path)}")
        edge.wait_log(r"bundle .*: version 1, 1 policy, 1 rule, .* sha256 [0-9a-f]{64}")
        edge.wait_log(r"is ready: 2 workers, 1 policy, version 1, generation 1")
        edge.wait_log(r"counters start at zero")
        edge.wait_log(r"without verifying")

    def test_pidfile_and_copy_of_the_bundle(self):
        edge = self.start_edge(harness.one_rule())
        with open(edge.pid_file, encoding="ascii") as file:
            self.assertEqual(file.read(), f"{edge.pid}\n")
        copy = os.path.join(edge.settings["runtime_dir"], f"{edge.name}.bundle.json")
        with open(copy, "rb") as kept, open(edge.policy_file, "rb") as given:
            self.assertEqual(kept.read(), given.read())
        self.assertEqual(os.stat(copy).st_mode & 0o777, 0o640)
        self.assertEqual(edge.stop(), 0)
        self.assertFalse(os.path.exists(edge.pid_file))

    def test_careless_starter(self):
        """Signals ignored and blocked, standard descriptors closed, others left open: none of it may matter."""
        edge = self.new_edge(harness.one_rule(), workers=1)
        command = edge.command
        edge.command = lambda *arguments: ["sh", "-c", 'trap "" HUP CHLD QUIT TERM USR1; exec 7<"$0" <&- >&- && exec "$@"',
                                           edge.config_file, *command(*arguments)]
        edge.start()
        worker = edge.workers()[0]
        if harness.IS_ROOT:  # nobody else may look into a worker
            self.assertNotIn(edge.config_file, [os.readlink(f"/proc/{worker}/fd/{entry}")
                                                for entry in os.listdir(f"/proc/{worker}/fd") if int(entry) < 8])
        harness.kill(worker)
        harness.wait_until(lambda: edge.workers() and edge.workers() != [worker] and edge.ready(), "a new worker")
        edge.reload()
        self.assertEqual(edge.stop(signal.SIGQUIT), 0)

    def test_two_instances_side_by_side(self):
        first, second = self.start_edge(harness.one_rule()), self.start_edge(harness.one_rule())
        self.assertEqual(first.get("/readyz").status, 200)
        self.assertEqual(second.get("/readyz").status, 200)

    def test_stale_unix_socket_is_replaced(self):
        edge = self.new_edge(harness.one_rule(), unix=True)
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(edge.unix_path)
        edge.start()
        self.assertEqual(harness.request(edge.unix_path, target="/livez").status, 200)
        self.assertEqual(os.stat(edge.unix_path).st_mode & 0o777, 0o666)
        edge.stop()
        self.assertFalse(os.path.exists(edge.unix_path))

    @harness.needs_ipv6
    def test_ipv6_next_to_ipv4(self):
        edge = self.new_edge(harness.one_rule())
        edge.write_settings(listen=f"127.0.0.1:{edge.port}, [::1]:{edge.port}")
        edge.start()
        self.assertEqual(harness.request(("::1", edge.port), target="/livez").status, 200)
        self.assertEqual(edge.get("/livez").status, 200)

    def test_service_manager_is_told(self):
        edge = self.new_edge(harness.one_rule())
        path = os.path.join(edge.directory, "notify.sock")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(path)
            manager.settimeout(30)
            os.environ["NOTIFY_SOCKET"] = path
            try:
                edge.start()
            finally:
                del os.environ["NOTIFY_SOCKET"]
            self.assertRegex(manager.recv(4096).decode(), r"^READY=1\nSTATUS=2 workers, 1 policy")
            edge.reload()
            self.assertRegex(manager.recv(4096).decode(), r"^RELOADING=1\nMONOTONIC_USEC=\d+\n")
            self.assertRegex(manager.recv(4096).decode(), r"^READY=1\n")
            edge.stop()
            self.assertRegex(manager.recv(4096).decode(), r"^STOPPING=1\n")


class Daemons(harness.TestCase):
    def daemon(self, **more):
        edge = self.new_edge(harness.one_rule(), **more)
        edge.write_settings(log=edge.log_file)
        self.addCleanup(self.end, edge)
        return edge

    @staticmethod
    def end(edge):
        for pid in harness.processes_with_arena(edge.name):
            harness.kill(pid)

    def test_returns_when_listening(self):
        edge = self.daemon()
        result = edge.run("-d")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(edge.get("/readyz").status, 200)
        with open(edge.pid_file, encoding="ascii") as file:
            pid = int(file.read())
        self.assertEqual(os.getsid(pid), pid)
        for number in (0, 1):
            self.assertEqual(os.readlink(f"/proc/{pid}/fd/{number}"), "/dev/null")
        self.assertEqual(edge.run("-s", "quit", timeout=60).returncode, 0)
        self.assertFalse(harness.is_alive(pid))
        self.assertFalse(os.path.exists(edge.pid_file))

    def test_failed_start_has_its_exit_code(self):
        edge = self.daemon()
        with socket.create_server(edge.address):
            result = edge.run("-d")
        self.assertEqual(result.returncode, 71, result.stderr)
        self.assertIn("is in use", result.stderr)
        self.assertIn("is in use", edge.log())

    def test_workers_leave_and_come_back(self):
        edge = self.daemon()
        self.assertEqual(edge.run("-d").returncode, 0)
        with open(edge.pid_file, encoding="ascii") as file:
            pid = int(file.read())
        harness.kill(pid, signal.SIGWINCH)
        harness.wait_until(lambda: not harness.children_of(pid), "workers to leave")
        harness.kill(pid, signal.SIGHUP)
        harness.wait_until(lambda: edge.ready().get("ready"), "workers to come back")
        self.assertEqual(edge.run("-s", "stop", timeout=60).returncode, 0)


if __name__ == "__main__":
    unittest.main()
