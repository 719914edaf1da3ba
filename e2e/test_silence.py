# SPDX-License-Identifier: MPL-2.0
"""What goes wrong while everything goes on is said: expired bundles and certificates, lost log lines, removed memory, a
history that is not kept, selectors that match nothing."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import unittest

import harness
from test_proxy_tls import make_certificate


def written(moment):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def in_seconds(seconds):
    return written(time.time() + seconds)


class SilenceCase(harness.TestCase):
    def status(self, edge, code):
        done = []

        def says_so():
            done[:] = [edge.cli("status", "-c", edge.config_file)]
            return done[0].returncode == code
        try:
            harness.wait_until(says_so, f"the status to be {code}")
        except TimeoutError:
            self.fail(done[0].stdout + done[0].stderr)
        return done[0].stdout

    def status_json(self, edge):
        return json.loads(edge.cli("status", "-c", edge.config_file, "--json").stdout)

    def connect(self, edge, *arguments, code=0):
        done = edge.cli("connect", "-c", edge.config_file, *arguments, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done


class TestExpiredBundle(SilenceCase):
    def test_its_end_is_told(self):
        edge = self.start_edge(harness.one_rule(version=1))
        self.assertEqual(edge.metric("fairvisor_bundle_expiry_timestamp_seconds"), 0)
        self.assertNotIn("expires", self.status(edge, 0))
        end = in_seconds(3600)
        edge.write_policy({**harness.one_rule(version=2), "expires_at": end})
        edge.reload()
        self.assertIn(f"expires      {end}, in ", self.status(edge, 0))
        self.assertEqual(self.status_json(edge)["expires_at"], end)
        self.assertEqual(written(edge.metric("fairvisor_bundle_expiry_timestamp_seconds")), end)

    def test_it_is_served_on_and_everybody_says_so(self):
        edge = self.start_edge(harness.one_rule(version=1))
        end = in_seconds(10)  # by then it must be loaded
        edge.write_policy({**harness.one_rule(version=2), "expires_at": end})
        edge.reload()
        edge.wait_log(rf"expired at {end}: it is served on, but the next reload or start will refuse it", seconds=60)
        self.assertRegex(self.status(edge, 1), rf"WARNING - the bundle of instance \S+ expired at {end}; it is served on")
        self.assertEqual(edge.decide(client="10.0.0.1").status, 200)
        time.sleep(1.5)
        self.assertEqual(edge.log().count("it is served on"), 1)
        edge.stop()
        refused = edge.run()
        self.assertEqual(refused.returncode, 65, refused.stderr)
        self.assertIn("has expired", refused.stderr)
        self.assertIn("connect --rollback", refused.stderr)
        self.assertRegex(self.connect(edge, "--list").stdout, r"version 2, 1 policy, reload by \w+  \(in config_file\)\n\Z")
        os.chmod(edge.policy_file, 0o604)
        if harness.IS_ROOT:
            os.chown(edge.policy_file, 65534, 65534)
        before = os.stat(edge.policy_file)
        done = self.connect(edge, "--rollback", "--yes").stdout
        self.assertIn("is not running; for its next start: version 1", done)
        self.assertIn(f"written to {edge.policy_file}", done)
        after = os.stat(edge.policy_file)
        self.assertEqual((after.st_mode, after.st_uid, after.st_gid), (before.st_mode, before.st_uid, before.st_gid))
        with open(edge.policy_file + ".replaced", encoding="utf-8") as file:
            self.assertEqual(json.load(file)["bundle_version"], 2)
        edge.start()
        self.assertEqual(edge.ready()["policy_version"], 1)

    def test_nothing_to_put_back(self):
        edge = self.start_edge(harness.one_rule(version=1))
        edge.stop()
        self.assertIn("nothing to go back to", self.connect(edge, "--rollback", "--yes", code=1).stderr)
        self.assertIn("is not running", self.connect(edge, "--push", edge.policy_file, "--yes", code=69).stderr)
        self.connect(edge, "--rollback", "--to", "1", "--yes", "--json")
        os.rename(edge.policy_file, edge.policy_file + ".real")
        os.symlink(edge.policy_file + ".real", edge.policy_file)
        self.assertIn("not a regular file", self.connect(edge, "--rollback", "--to", "1", "--yes", code=1).stderr)


class TestCertificate(SilenceCase):
    def test_its_end_and_a_key_that_all_can_read(self):
        edge = self.new_edge(harness.one_rule())
        key, cert = make_certificate(edge.directory, "own", days="2")
        os.chmod(key, 0o644)
        edge.write_settings(tls_cert=cert, tls_key=key, ops_listen=f"127.0.0.1:{harness.free_port()}")
        checked = edge.run("-t")
        self.assertEqual(checked.returncode, 0, checked.stderr)
        self.assertRegex(checked.stderr, r"warning: the certificate of tls_cert expires at 20\S+Z: put a new one in its place")
        self.assertIn("tls_key can be read by every user", checked.stderr)
        os.chmod(key, 0o600)
        key, cert = make_certificate(edge.directory, "own", days="30")
        self.assertNotIn("warning: the certificate", edge.run("-t").stderr)
        self.assertNotIn("can be read by every user", edge.run("-t").stderr)


class TestRoom(SilenceCase):
    def test_shared_memory_that_cannot_be_had(self):
        edge = self.new_edge(harness.one_rule())
        fits = edge.run("-t")
        self.assertEqual(fits.returncode, 0, fits.stderr)
        self.assertNotIn("shared_dict_size", fits.stderr)
        edge.write_settings(shared_dict_size="1024g")
        checked = edge.run("-t")
        self.assertEqual(checked.returncode, 0, checked.stderr)
        self.assertRegex(checked.stderr, r"warning: shared_dict_size is 1048576 MiB, but /dev/shm has \d+ MiB free of \d+: a start "
                                         r"would fail now; .* lower shared_dict_size")


class TestLostLines(SilenceCase):
    def test_full_disk(self):
        edge = self.start_edge(harness.one_rule(), settings={"log": "/dev/full"})
        harness.wait_until(lambda: edge.metric("fairvisor_log_lines_dropped_total") >= 1, "lines of the master")
        text = self.status(edge, 1)
        self.assertRegex(text, r"WARNING - the log of instance \S+, /dev/full, takes no lines since 20\S+Z; \d+ lines were lost")
        # The master has written all lines of its start by the first order, and published how many were lost by the
        # second, which is none to write of.
        for words, code in ((("header:x-key", "k", "--reason", "x"), 0), (("--remove", "header:x-key", "nobody"), 1)):
            told = edge.cli("kill", "-c", edge.config_file, *words)
            self.assertEqual(told.returncode, code, told.stderr)
        lost = edge.metric("fairvisor_log_lines_dropped_total")
        time.sleep(2.5)
        self.assertEqual(edge.metric("fairvisor_log_lines_dropped_total"), lost, "attempts to tell are no lines")
        edge.write_settings(log=os.path.join(edge.directory, "log"))
        edge.reload()
        harness.wait_until(lambda: self.status_json(edge)["log_losing_since"] is None, "the log to take lines again")
        with open(os.path.join(edge.directory, "log"), encoding="utf-8") as file:
            self.assertRegex(file.read(), r"\d+ log lines were dropped because the log did not take them, from 20\S+Z on")
        self.assertRegex(self.status(edge, 0), r"lines lost: \d+")

    @unittest.skipIf(os.path.exists("/dev/log"), "somebody listens at /dev/log here")
    def test_no_syslog(self):
        edge = self.start_edge(harness.one_rule(1, 1), settings={"log": "syslog", "decision_log": "reject"})
        harness.wait_until(lambda: edge.metric("fairvisor_log_lines_dropped_total") >= 1, "lines of the master")
        self.assertIn(", syslog, takes no lines since", self.status(edge, 1))
        for _ in range(3):
            edge.decide(client="10.0.0.1")
        harness.wait_until(lambda: edge.metrics()['fairvisor_decision_log_dropped_total{cause="write"}'] >= 2,
                           "the decisions that nobody took")

    @unittest.skipIf(os.path.exists("/dev/log"), "somebody listens at /dev/log here")
    def test_no_syslog_is_told_before_the_start(self):
        """In the background the log goes to syslog, whatever `log` says of standard error."""
        warning = "warning: the log goes to syslog (setting `log`), but nobody listens at /dev/log"
        for log, word, is_warned in (("syslog", "-t", True), ("stderr", "-t", False), ("syslog", "-d", True), ("stderr", "-d", True)):
            with self.subTest(log=log, word=word):
                edge = self.new_edge(harness.one_rule(), settings={"log": log})
                done = edge.run(word)
                self.assertEqual((done.returncode, done.stderr.count(warning)), (0, int(is_warned)), done)
                edge.run("-s", "stop")
        edge = self.new_edge(harness.one_rule(), settings={"log": os.path.join(self.temporary_folder(), "log")})
        self.assertNotIn(warning, edge.run("-d").stderr)
        edge.run("-s", "stop")

    @unittest.skipUnless(harness.IS_ROOT, "opens the pipe of another process")
    def test_full_pipe(self):
        """Lines of workers, while the master does not read."""
        edge = self.start_edge(harness.one_rule(), workers=1, settings={"debug_session_secret": "0123456789abcdef"})
        edge.send_signal(signal.SIGSTOP)
        try:
            pipe = os.open(f"/proc/{edge.workers()[0]}/fd/2", os.O_WRONLY | os.O_NONBLOCK)
            with self.assertRaises(BlockingIOError):
                while True:
                    os.write(pipe, b"x" * 4095 + b"\n")
            os.close(pipe)
            harness.request(edge.address, "POST", "/v1/debug/session", [("X-Fairvisor-Debug-Secret", "wrong")])
            harness.wait_until(lambda: edge.metric("fairvisor_log_lines_dropped_total") == 1, "the line that found no room")
        finally:
            edge.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def called(name):
    """This process has another name meanwhile."""
    before = harness.command_name(os.getpid())
    try:
        rename_self(name)
        yield
    finally:
        rename_self(before)


def rename_self(name):
    with open("/proc/self/comm", "w", encoding="utf-8") as file:
        file.write(name)


class TestRemovedMemory(SilenceCase):
    def test_tools_agree(self):
        edge = self.start_edge(harness.one_rule())
        os.unlink(f"/dev/shm/fairvisor-{edge.name}")
        edge.wait_log(r"was removed while it is in use")
        harness.wait_until(lambda: edge.metric("fairvisor_shm_removed") == 1, "the metric to say so, too")
        self.assertIn("is running, but its shared memory was removed", self.status(edge, 1))
        self.assertTrue(self.status_json(edge)["running"])
        self.assertIn("is running, but its shared memory was removed",
                      edge.cli("connect", "-c", edge.config_file, "--list").stderr)
        reloaded = edge.run("-s", "reload")
        self.assertEqual(reloaded.returncode, 71, reloaded.stderr)
        self.assertIn("it was removed while in use", reloaded.stderr)
        self.assertEqual(edge.run("-s", "quit", timeout=60).returncode, 0)
        edge.start()
        edge.wait_log(r"counters were restored from a snapshot")

    @harness.looks_into_workers  # and so does the master that names them
    def test_orphans_that_hold_the_port_are_named(self):
        edge = self.start_edge(harness.one_rule())
        workers = edge.workers()
        os.unlink(f"/dev/shm/fairvisor-{edge.name}")
        for pid in workers:
            harness.kill(pid, signal.SIGSTOP)  # they neither see that the master is gone, nor let go
        harness.kill(edge.pid)
        edge.process.wait(10)
        try:
            refused = edge.run()
            self.assertEqual(refused.returncode, 71, refused.stderr)
            self.assertRegex(refused.stderr, rf"in use by process \d+ \(fairvisor-worker {edge.name}/\d+\), which a master "
                                             "that is gone left behind: `kill -QUIT`, to each of its workers")
        finally:
            for pid in workers:
                harness.kill(pid)

    def test_strangers_are_named(self):
        with socket.socket() as stranger:
            stranger.bind(("127.0.0.1", 0))
            stranger.listen()
            edge = self.new_edge(harness.one_rule())
            edge.write_settings(listen=f"127.0.0.1:{stranger.getsockname()[1]}")
            self.assertRegex(edge.run().stderr, rf"in use by process {os.getpid()} \(\S+\): stop that one, or choose another "
                                                "address in `listen`")
            edge = self.new_edge(harness.one_rule(), settings={"ops_listen": f"127.0.0.1:{stranger.getsockname()[1]}"})
            self.assertRegex(edge.run().stderr, r"in use by .* or choose another address in `ops_listen`")

    def test_instances_are_named(self):
        """Nobody is told to kill what a master would start again."""
        first, second = self.start_edge(harness.one_rule(), unix=True), self.new_edge(harness.one_rule())
        for address in (f"127.0.0.1:{first.address[1]}", f"unix:{first.unix_path}"):
            second.write_settings(listen=address)
            self.assertRegex(second.run().stderr, rf"{address} is in use by process {first.pid} \(\S+\): stop that instance, with its "
                                                  "settings and `fairvisord -s quit`, or choose another address")

    def test_workers_are_those_of_a_master(self):
        """Who is found first is not always the master: here a program that calls itself one, its child a worker."""
        folder = self.temporary_folder()
        os.mkdir(os.path.join(folder, "x"))
        with open(os.path.join(folder, "x", "0"), "w", encoding="ascii") as file:
            file.write("read line\n")
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        edge = self.new_edge(harness.one_rule())
        edge.write_settings(listen=f"127.0.0.1:{listener.getsockname()[1]}")
        with subprocess.Popen(["fairvisor-worker", "x/0"], executable="/bin/sh", cwd=folder, pass_fds=[listener.fileno()],
                              stdin=subprocess.PIPE) as worker:
            listener.close()
            named = rf"in use by process {worker.pid} \(fairvisor-worker x/0\), "
            self.assertRegex(edge.run().stderr, named + "which a master that is gone left behind")
            with called("fairvisord"):
                self.assertRegex(edge.run().stderr, named + rf"whose master is process {os.getpid()}: stop that instance, with its "
                                                            "settings and `fairvisord -s quit`, or choose")


class TestOtherUsers(SilenceCase):
    @unittest.skipUnless(harness.IS_ROOT, "changes the owner of shared memory")
    def test_root_is_told_how_to_reach_an_instance_of_another_user(self):
        edge = self.start_edge(harness.one_rule(), settings={"user": "root", "group": "root"})
        os.chown(f"/dev/shm/fairvisor-{edge.name}", 65534, 65534)
        environment = {**edge.environment(), "FAIRVISOR_RUNTIME_DIR": "/nonexistent"}
        told = subprocess.run(edge.command("-s", "reload"), env=environment, capture_output=True, text=True, check=False)
        self.assertEqual(told.returncode, 77, told.stderr)
        self.assertIn("it belongs to user 65534", told.stderr)
        self.assertIn("name his folder in FAIRVISOR_RUNTIME_DIR", told.stderr)


class TestGateways(SilenceCase):
    def test_one_that_is_not_trusted(self):
        """All of its clients are one: it is counted, logged once for many, and told until trusted_proxies names it."""
        edge = self.start_edge(harness.one_rule(0.001, 5), workers=1, settings={"trusted_proxies": "10.0.0.0/8"})
        self.assertEqual(edge.decide().status, 200)
        self.assertNotIn("X-Forwarded-For", self.status(edge, 0), "who names no client may be one")
        fields = {"X-Forwarded-Method": "GET", "X-Forwarded-Uri": "/"}
        for number, target in enumerate(("/v1/decision", "/v1/forward-auth", "/v1/decision/a")):
            edge.get(target, {**fields, "X-Forwarded-For": f"192.0.2.{number}"})
            self.assertEqual(edge.metric("fairvisor_forwarded_for_ignored_total"), number + 1, target)
        self.assertEqual(edge.metric("fairvisor_clients_untold_total"), 0)
        edge.wait_log(r"X-Forwarded-For of 127\.0\.0\.1 is ignored, because trusted_proxies does not name it: .* add 127\.0\.0\.1 to")
        self.assertEqual(edge.log().count("is ignored"), 1)
        text = self.status(edge, 1)
        self.assertRegex(text, r"WARNING - a gateway asks instance \S+ that trusted_proxies does not name")
        self.assertIn("3 times X-Forwarded-For was ignored", text)
        self.assertEqual(self.status_json(edge)["forwarded_ignored"], 3)
        edge.write_settings(trusted_proxies="127.0.0.1")
        edge.reload()
        self.assertEqual(edge.decide(client="192.0.2.1").status, 200)
        self.assertIn("3 times X-Forwarded-For was ignored", self.status(edge, 0))

    def test_one_on_a_unix_socket(self):
        edge = self.start_edge(harness.one_rule(), workers=1, unix=True, settings={"trusted_proxies": "127.0.0.1"})
        harness.request(edge.unix_path, target="/v1/decision",
                        headers={"X-Original-Method": "GET", "X-Original-URI": "/", "X-Forwarded-For": "192.0.2.1"})
        edge.wait_log("X-Forwarded-For of a gateway on a unix socket is ignored, .* add unix to trusted_proxies")

    def test_clients_of_the_reverse_proxy(self):
        """They may send the field as they like."""
        edge = self.start_edge(harness.one_rule(), workers=1, settings={
            "mode": "reverse_proxy", "backend_url": f"http://127.0.0.1:{harness.free_port()}", "trusted_proxies": "unix",
            "ops_listen": f"127.0.0.1:{harness.free_port()}"})
        edge.get("/", {"X-Forwarded-For": "192.0.2.1"})
        self.assertEqual(self.status_json(edge)["forwarded_ignored"], 0)
        self.assertNotIn("is ignored", edge.log())

    def test_no_key_looks_at_clients(self):
        edge = self.start_edge(harness.one_rule(keys=("header:x-key",)), workers=1, settings={"trusted_proxies": "none"})
        edge.decide(client="192.0.2.1")
        self.assertEqual(edge.metric("fairvisor_forwarded_for_ignored_total"), 0)
        self.status(edge, 0)


class TestOrders(SilenceCase):
    def test_a_history_that_is_not_kept(self):
        edge = self.start_edge(harness.one_rule(version=1))
        folder = os.path.join(edge.settings["state_dir"], f"{edge.name}.bundles")
        shutil.rmtree(folder)
        with open(folder, "w", encoding="ascii"):
            pass
        path = os.path.join(edge.directory, "new.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(harness.one_rule(version=2), file)
        done = self.connect(edge, "--push", path, "--yes")
        self.assertIn("served: version 2", done.stdout)
        self.assertIn("warning: the bundle is served, but could not be kept in", done.stderr)
        os.unlink(folder)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(harness.one_rule(version=3), file)
        done = self.connect(edge, "--push", path, "--yes")
        self.assertNotIn("could not be kept", done.stderr)

    def test_refused_settings_are_told_to_whoever_reloads(self):
        edge = self.start_edge(harness.one_rule())
        with socket.socket() as stranger:
            stranger.bind(("127.0.0.1", 0))
            stranger.listen()
            port = stranger.getsockname()[1]
            for settings, cause in (({"shared_dict_size": "64m"}, "shared_dict_size"),
                                    ({"listen": f"127.0.0.1:{port}"}, f":{port} is in use")):
                with self.subTest(cause):
                    before = {name: edge.settings.get(name) for name in settings}
                    edge.write_settings(**settings)
                    refused = edge.run("-s", "reload")
                    self.assertEqual(refused.returncode, 78, refused.stderr)
                    self.assertIn(cause, refused.stderr)
                    self.assertIn(cause, self.status(edge, 1))
                    edge.write_settings(**before)

    def test_what_matches_nothing(self):
        bundle = harness.one_rule(keys=("header:x-tenant",), prefix="/api")
        rules = bundle["policies"][0]["spec"]["rules"]
        rules.append({**rules[0], "name": "another"})
        edge = self.start_edge(bundle)
        self.assertNotIn("unmatched", self.status(edge, 0))
        for _ in range(3):
            edge.decide(uri="/elsewhere", client="10.0.0.1")
        edge.decide(uri="/api/x", client="10.0.0.1")
        text = self.status(edge, 0)
        self.assertIn("3 requests matched no policy's selector", text)
        self.assertRegex(text, r"missing      2 times a rule found no header:x-tenant in a request\n")
        found = self.status_json(edge)
        self.assertEqual((found["unmatched"], found["missing"]), (3, {"header:x-tenant": 2}))

    def test_a_restored_snapshot_is_one(self):
        edge = self.start_edge(harness.one_rule(), settings={"snapshot_interval": "1h"})
        edge.decide(client="10.0.0.1")
        edge.stop()
        edge.start()
        self.assertGreater(edge.metric("fairvisor_snapshot_last_success_timestamp_seconds"), time.time() - 60)
        self.assertNotRegex(self.status(edge, 0), r"snapshots .*never")


if __name__ == "__main__":
    unittest.main()
