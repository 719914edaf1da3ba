# SPDX-License-Identifier: MPL-2.0
"""fairvisor connect and config_watch: another bundle comes to be served, whole or not at all, and file and service agree."""

import fcntl
import glob
import json
import os
import pty
import select
import shutil
import socket
import stat
import struct
import subprocess

import harness

NEGLIGIBLE = 0.000001


def bundle(version, burst=10):
    return harness.one_rule(NEGLIGIBLE, burst, version=version)


class PushCase(harness.TestCase):
    def connect(self, edge, *arguments, code=0, waits=True, **more):
        """Once it was done, workers of before may answer for a moment, while they drain."""
        before = set(edge.workers()) if edge.process.poll() is None else set()
        done = edge.cli("connect", "-c", edge.config_file, *arguments, **{"stdin": subprocess.DEVNULL, **more})
        self.assertEqual(done.returncode, code, (arguments, done.stdout, done.stderr))
        if waits and ("served: " in done.stdout or '"generation":' in done.stdout):
            harness.wait_until(lambda: not before & set(edge.workers()), "workers of before to leave")
        return done

    def write(self, edge, content, name="new.json"):
        path = os.path.join(edge.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(content if isinstance(content, str) else json.dumps(content, indent=1))
        return path

    def file(self, edge):
        with open(edge.policy_file, encoding="utf-8") as file:
            return json.load(file)

    def kept(self, edge):
        return json.loads(self.connect(edge, "--list", "--json").stdout)["bundles"]

    def version(self, edge):
        return edge.ready().get("policy_version")


class TestPush(PushCase):
    def test_push_and_rollback(self):
        edge = self.start_edge(bundle(1), workers=2)
        os.chmod(edge.policy_file, 0o604)
        self.assertEqual([edge.decide("GET", "/", "10.0.0.1").status for _ in range(3)], [200] * 3)
        done = self.connect(edge, "--push", self.write(edge, bundle(2, 4)), "--yes", "--reason", "ticket 77")
        self.assertIn("version 1 -> 2", done.stdout)
        self.assertIn("burst", done.stdout)
        self.assertIn("1 difference: 1 stricter", done.stdout)
        self.assertIn(f"served: version 2, generation 2, written to {edge.policy_file}", done.stdout)
        self.assertEqual((self.version(edge), self.file(edge), stat.S_IMODE(os.stat(edge.policy_file).st_mode)),
                         (2, bundle(2, 4), 0o604))
        self.assertEqual([edge.decide("GET", "/", "10.0.0.1").status for _ in range(2)], [200, 429], "counters are kept")
        edge.wait_log(rf"audit: push by user {os.geteuid()} .*, version 1 -> 2, generation 1 -> 2, .*, because: ticket 77")
        self.assertEqual([(row["number"], row["version"], row["served"]) for row in self.kept(edge)],
                         [(1, "1", False), (2, "2", True)])
        edge.reload()  # the file says the same
        self.assertEqual(self.version(edge), 2)
        self.assertEqual(edge.run("-t").returncode, 0)
        self.assertIn("served: version 1", self.connect(edge, "--rollback", "--yes").stdout)
        self.assertEqual((self.version(edge), self.file(edge)), (1, bundle(1)))
        edge.stop()
        edge.start()
        self.assertEqual(self.version(edge), 1)
        self.assertEqual([(row["version"], row["served"]) for row in self.kept(edge)], [("1", True), ("2", False)])
        self.assertIn("nothing to go back to", self.connect(edge, "--rollback", "--yes", code=1).stderr)
        self.assertIn("served: version 2", self.connect(edge, "--rollback", "--to", "2", "--yes").stdout)
        self.assertIn("served: version 1", self.connect(edge, "--rollback", "--yes").stdout)
        self.assertEqual(self.version(edge), 1)

    def test_json(self):
        edge = self.start_edge(bundle(1))
        done = json.loads(self.connect(edge, "--push", self.write(edge, bundle(2, 4)), "--yes", "--json").stdout)
        self.assertEqual({name: done[name] for name in ("instance", "before", "after", "generation", "file", "stricter")},
                         {"instance": edge.name, "before": "1", "after": "2", "generation": 2, "file": edge.policy_file,
                          "stricter": 1})
        self.assertEqual([row["subject"] for row in done["differences"]], ["burst"])
        back = json.loads(self.connect(edge, "--rollback", "--yes", "--json").stdout)
        self.assertEqual((back["before"], back["after"], back["generation"], back["looser"]), ("2", "1", 3, 1))
        self.assertEqual(self.connect(edge, "--rollback", "--json", code=64).stdout, "")

    def test_back_and_further_back(self):
        """Each rollback goes further back; the same bytes twice are two places, of which one is served."""
        edge = self.start_edge(bundle(1))

        def push(version):
            self.connect(edge, "--push", self.write(edge, bundle(version)), "--yes")

        def back(version):
            self.assertIn(f"served: version {version},", self.connect(edge, "--rollback", "--yes").stdout)

        def check(*versions):
            """The list, the one that is served in a tuple."""
            self.assertEqual([(row["version"],) if row["served"] else row["version"] for row in self.kept(edge)],
                             list(versions))

        for version in (2, 3, 2):
            push(version)
        check("1", "2", "3", ("2",))
        for version, kept in ((3, ("1", "2", ("3",), "2")), (2, ("1", ("2",), "3", "2")), (1, (("1",), "2", "3", "2"))):
            back(version)
            edge.reload()
            check(*kept)
        self.assertIn("no other bundle older than number 1, which is served, is kept; --to NUMBER",
                      self.connect(edge, "--rollback", "--yes", code=1).stderr)
        push(4)  # what it replaces stands before it
        check("1", "2", "3", "2", "1", ("4",))
        edge.stop()
        edge.start()
        back(1)
        back(2)
        check("1", "2", "3", ("2",), "1", "4")
        with open(glob.glob(os.path.join(edge.settings["state_dir"], "*.bundles", "served"))[0], "w", encoding="utf-8") as file:
            file.write("many")
        listed = edge.cli("connect", "-c", edge.config_file, "--list").stdout
        self.assertEqual(listed.count("(served)"), 1)
        self.assertRegex(listed, r"\A +number  kept at \(UTC\) +sha256 +bundle\n +1  20")

    def test_standard_input_and_question(self):
        edge = self.start_edge(bundle(1))
        self.connect(edge, "--push", "-", "--yes", stdin=None, input=json.dumps(bundle(2)))
        self.assertEqual(self.version(edge), 2)
        self.connect(edge, "--push", self.write(edge, bundle(3)), code=64)
        for answer, code, version in ((b"n\n", 1, 2), (b"\n", 1, 2), (b"y\n", 0, 3)):
            with self.subTest(answer=answer):
                terminal, end = pty.openpty()
                program = subprocess.Popen([harness.program("fairvisor"), "connect", "-c", edge.config_file, "--push",
                                            self.write(edge, bundle(3))], env=harness.clean_environment(), stdin=end,
                                           stdout=end, stderr=end)
                os.close(end)
                text = b""
                while b"[y/N]" not in text:
                    self.assertTrue(select.select([terminal], [], [], harness.START_SECONDS)[0], text)
                    text += os.read(terminal, 4096)
                os.write(terminal, answer)
                self.assertEqual(program.wait(harness.START_SECONDS), code, text)
                os.close(terminal)
                harness.wait_until(lambda: self.version(edge) == version, f"version {version}")

    def test_counts_at_zero_are_told(self):
        """Another figure keeps what is counted, another mode does not: the preview and the log of the reload say so."""
        edge = self.start_edge(bundle(1))
        raised = bundle(1, 100_000)
        self.assertNotIn("begin at zero", self.connect(edge, "--push", self.write(edge, raised), "--yes").stdout)
        raised["policies"][0]["spec"]["mode"] = "shadow"
        self.assertIn("mode changed: enforce -> shadow (its counts begin at zero)\n",
                      self.connect(edge, "--push", self.write(edge, raised), "--yes").stdout)
        edge.wait_log("counts begin at zero for 1 rule of 1: ", 60)
        self.assertEqual(edge.log().count("counts begin at zero"), 1)

    def test_kept_are_bounded(self):
        edge = self.start_edge(bundle(1))
        for version in range(2, 14):
            self.connect(edge, "--push", self.write(edge, bundle(version)), "--yes")
        self.connect(edge, "--push", self.write(edge, bundle(13)), "--yes")  # the same again is not kept twice
        self.assertEqual([row["version"] for row in self.kept(edge)], [str(version) for version in range(4, 14)])
        self.connect(edge, "--rollback", "--to", "1", "--yes", code=1)

    def test_refused(self):
        """What is not taken changes neither the file nor the service."""
        edge = self.start_edge(bundle(1))
        with open(edge.policy_file, "rb") as file:
            before = file.read()
        expired = {**bundle(2), "expires_at": "2001-01-01T00:00:00Z"}
        for content, code in (('{"bundle_version": 2}', 65), ("{", 65), ("", 65), (expired, 65)):
            self.connect(edge, "--push", self.write(edge, content), "--yes", code=code)
        self.connect(edge, "--push", os.path.join(edge.directory, "none.json"), "--yes", code=66)
        self.connect(edge, "--rollback", "--yes", code=1)
        for arguments in ([], ["--push", "x", "--list"], ["--list", "--yes"], ["--to", "1", "--list"], ["--rollback", "x"]):
            self.connect(edge, *arguments, code=64)
        target = self.write(edge, bundle(2))
        os.rename(edge.policy_file, edge.policy_file + ".real")
        os.symlink(edge.policy_file + ".real", edge.policy_file)
        self.assertIn("symbolic link", self.connect(edge, "--push", target, "--yes", code=1).stderr)
        os.remove(edge.policy_file)
        os.rename(edge.policy_file + ".real", edge.policy_file)
        os.mkdir(edge.policy_file + ".fairvisor-new")  # as if the folder could not be written to
        self.assertIn("could not be created", self.connect(edge, "--push", target, "--yes", code=71).stderr)
        os.rmdir(edge.policy_file + ".fairvisor-new")
        with open(edge.policy_file, "rb") as file:
            self.assertEqual((file.read(), self.version(edge), edge.ready()["generation"]), (before, 1, 1))
        self.assertEqual(edge.cli("status", "-c", edge.config_file).returncode, 0)
        self.assertEqual(glob.glob(edge.policy_file + ".*"), [])
        edge.stop()
        self.connect(edge, "--push", target, "--yes", code=69)
        self.assertIn("(in config_file)", self.connect(edge, "--list").stdout)
        self.connect(edge, "--list", "--instance", "no-such-one", code=69)

    def test_refusal_says_what_validate_says(self):
        """The same errors with the same place, and the file that was to be pushed, not the one that is served."""
        edge = self.start_edge(bundle(1))
        for content, code in (('{"bundle_version": 2,\n "polices": []}', 65), (harness.one_rule(1, 2, ["ip:country"]), 78)):
            path = self.write(edge, content)
            refused = self.connect(edge, "--push", path, "--yes", code=code).stderr
            told = edge.cli("validate", "-c", edge.config_file, path).stdout
            self.assertIn(path, refused)
            self.assertNotIn(edge.policy_file, refused)
            if code == 65:
                self.assertTrue(refused.startswith(told[:told.index(f"{path}: invalid")]), (refused, told))
            else:
                self.assertIn("error: ip:country needs the setting geoip_country_db, which is not set", refused)
        self.assertEqual(self.version(edge), 1)

    def test_edit_is_not_lost(self):
        edge = self.start_edge(bundle(1))
        self.assertNotIn("is not what is served", edge.cli("status", "-c", edge.config_file).stdout)
        edge.write_policy(bundle(5))  # edited, never loaded
        self.assertIn("is not what is served", edge.cli("status", "-c", edge.config_file).stdout)
        self.assertIn("has been changed since it was loaded",
                      self.connect(edge, "--push", self.write(edge, bundle(2)), "--yes").stderr)
        with open(edge.policy_file + ".replaced", encoding="utf-8") as file:
            self.assertEqual((json.load(file), self.file(edge), self.version(edge)), (bundle(5), bundle(2), 2))

    def test_files_of_others_beside_it_stay(self):
        """What an operator has prepared under a name of his own, and an edit that is too large to be read."""
        edge = self.start_edge(bundle(1))
        prepared = self.write(edge, bundle(7), os.path.basename(edge.policy_file) + ".new")
        self.connect(edge, "--push", self.write(edge, bundle(2)), "--yes")
        with open(prepared, encoding="utf-8") as file:
            self.assertEqual(json.load(file), bundle(7))
        os.truncate(edge.policy_file, 2 << 30)
        self.connect(edge, "--push", self.write(edge, bundle(3)), "--yes")
        self.assertEqual((os.path.getsize(edge.policy_file + ".replaced"), self.version(edge)), (2 << 30, 3))

    def test_an_edit_that_is_pushed_is_no_other(self):
        edge = self.start_edge(bundle(1))
        edge.write_policy(bundle(2))
        self.assertNotIn("warning: " + edge.policy_file, self.connect(edge, "--push", edge.policy_file, "--yes").stderr)
        self.assertFalse(os.path.exists(edge.policy_file + ".replaced"))
        self.assertEqual(self.version(edge), 2)

    def test_an_edit_that_cannot_be_moved_is_kept(self):
        edge = self.start_edge(bundle(1))
        edge.write_policy(bundle(5))
        os.makedirs(edge.policy_file + ".replaced/full")
        self.assertIn("could not be moved to", self.connect(edge, "--push", self.write(edge, bundle(2)), "--yes", code=71).stderr)
        self.assertEqual((self.file(edge), self.version(edge), edge.ready()["generation"]), (bundle(5), 1, 1))

    def test_who_and_why(self):
        edge = self.start_edge(bundle(1))
        self.connect(edge, "--push", self.write(edge, bundle(2)), "--yes", "--reason", "ticket 77")
        edge.write_policy(bundle(3))
        edge.reload()
        self.assertEqual([(row["how"], row["uid"], row["reason"]) for row in self.kept(edge)],
                         [("start", None, None), ("push", os.geteuid(), "ticket 77"), ("reload", os.geteuid(), None)])
        self.assertRegex(self.connect(edge, "--list").stdout,
                         r"version 1, 1 policy, start\n.*, push by \w+, because: ticket 77\n.*, reload by \w+  \(served\)\n\Z")
        self.connect(edge, "--rollback", "--to", "1", "--yes")
        self.connect(edge, "--push", self.write(edge, bundle(4)), "--yes")
        self.assertEqual([row["how"] for row in self.kept(edge)], ["start", "push", "reload", "start", "push"])

    def test_damage_in_the_history(self):
        """One that cannot be read hides no other, and nobody waits for a fifo."""
        edge = self.start_edge(bundle(1))
        folder = os.path.join(edge.settings["state_dir"], f"{edge.name}.bundles")
        self.connect(edge, "--push", self.write(edge, bundle(2)), "--yes")
        edge.stop()
        for name in ("00000001.json", "served"):
            os.unlink(os.path.join(folder, name))
            os.mkfifo(os.path.join(folder, name))
        edge.start()
        self.assertEqual([(row["version"], row["served"], "error" in row) for row in self.kept(edge)],
                         [(None, False, True), ("2", True, False)])
        self.assertIn("00000001.json is not a regular file", self.connect(edge, "--list").stdout)

    def test_the_copy_in_the_runtime_folder_could_not_be_written(self):
        """As when /run is full: what is told is about what is served, never about what was served before."""
        edge = self.start_edge(bundle(1, 10))
        copy = os.path.join(edge.settings["runtime_dir"], f"{edge.name}.bundle.json")
        os.mkdir(copy + ".fairvisor-new")
        edge.write_policy(bundle(2, 4))
        edge.reload()

        def told():
            found = edge.cli("explain", "-c", edge.config_file, "GET", "/", "--client", "10.0.0.1", "--json")
            return json.loads(found.stdout)["bundle"] if found.returncode == 0 else (found.returncode, found.stderr)

        self.assertEqual((told()["source"], told()["version"]), (edge.policy_file, "2"))
        edge.write_policy(bundle(5))  # never loaded
        self.assertIn("00000002.json", told()["source"])
        shutil.rmtree(os.path.join(edge.settings["state_dir"], f"{edge.name}.bundles"))
        code, sentence = told()
        self.assertEqual(code, 71)
        self.assertIn("is the disk full?", sentence)
        self.assertIn("fairvisord -s reload", sentence)

    def test_hostile_bundles(self):
        """Descriptors that are no sealed memory, and bundles that the vetting refuses behind the back of the command."""
        edge = self.start_edge(bundle(1))
        path = os.path.join(edge.settings["runtime_dir"], f"{edge.name}.door")
        size = self.request_size(path)
        push = struct.pack("=IIII", 0x66766430, 1, size, 5) + b"\0" * (size - 16)
        reader, writer = os.pipe()
        plain = os.memfd_create("plain", os.MFD_ALLOW_SEALING)
        os.write(plain, b"{}")
        sealed = os.memfd_create("sealed", os.MFD_ALLOW_SEALING)
        os.write(sealed, b'{"bundle_version": 2, "polices": []}')
        self.seal(sealed)
        with open("/proc/self/mem", "rb") as memory, open(edge.policy_file, "rb") as file:
            for fds, code in (([], 64), ([reader], 64), ([writer], 64), ([plain], 64), ([file.fileno()], 64),
                              ([memory.fileno()], 64), ([os.open("/dev/zero", os.O_RDONLY)], 64), ([sealed], 65)):
                with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as visitor:
                    visitor.connect(path)
                    visitor.settimeout(20)
                    if fds:
                        socket.send_fds(visitor, [push], fds)
                    else:
                        visitor.send(push)
                    answer = visitor.recv(65536)
                    self.assertEqual(struct.unpack_from("=IIII", answer)[3], code, fds)
        self.assertIn(b'the bundle that was pushed has 1 error; it was not loaded: 1:23: "polices" is not a field of the bundle', answer)
        self.assertNotIn(edge.policy_file.encode(), answer)
        edge.write_policy("{")  # a mistake without a place in the bundle
        refused = edge.reload_refused()
        self.assertIn("it was not loaded: 1:1: this bracket is not closed\n", refused)
        edge.write_policy(bundle(1))
        self.assertEqual((self.version(edge), self.file(edge)), (1, bundle(1)))
        self.connect(edge, "--push", self.write(edge, bundle(2)), "--yes")

    def audits(self, edge):
        """Acts of operators in the ring, the oldest first."""
        lines = edge.cli("logs", "-c", edge.config_file, "--action", "audit", "--since", "1h", "--no-follow", "--format",
                         "json").stdout.splitlines()
        return [json.loads(line) for line in lines]

    def test_acts_are_audited(self):
        """Who changed which bundle into which, and what was refused: in the ring and in the log."""
        edge = self.start_edge(bundle(1), settings={"config_watch": "on"})
        first = edge.ready()["policy_hash"]
        done = edge.cli("connect", "-c", edge.config_file, "--push", self.write(edge, bundle(2)), "--yes", "--reason", "ticket 7",
                        stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0, done.stderr)
        harness.wait_until(lambda: edge.ready().get("generation") == 2, "the new workers alone to answer")
        second = edge.ready()["policy_hash"]
        harness.wait_until(lambda: self.audits(edge), "the push in the ring")
        event, = self.audits(edge)
        self.assertEqual({name: event.get(name) for name in ("reason", "note", "uid", "version_before", "version",
                                                             "hash_before", "hash", "generation_before", "generation")},
                         {"reason": "push", "note": "ticket 7", "uid": os.geteuid(), "version_before": "1", "version": "2",
                          "hash_before": first, "hash": second, "generation_before": 1, "generation": 2})
        edge.reload()
        edge.write_policy("{")
        harness.wait_until(lambda: len(self.audits(edge)) == 3, "the refused reload in the ring")
        reload, refused = self.audits(edge)[1:]
        self.assertEqual((reload["reason"], reload["uid"], reload["pid"], reload["hash_before"], reload["hash"]),
                         ("reload", os.geteuid(), os.getpid(), second, second))
        self.assertEqual((refused["reason"], refused.get("uid"), refused["hash"], refused["generation_before"],
                          refused["generation"]), ("reload_refused", None, second, 3, 3))
        self.assertIn("has 1 error", refused["detail"])
        text = edge.cli("logs", "-c", edge.config_file, "--action", "audit", "--since", "1h", "--no-follow").stdout
        self.assertRegex(text, rf"audit +push by uid {os.geteuid()} \(pid \d+\), version 1 -> 2, generation 1 -> 2, "
                               rf"sha256 {first[:12]} -> {second[:12]} - ticket 7\n")
        self.assertNotIn(": \n", text)

    def test_rollback_is_audited_as_one(self):
        edge = self.start_edge(bundle(1))
        self.connect(edge, "--push", self.write(edge, bundle(2)), "--yes")
        self.connect(edge, "--rollback", "--yes")
        self.connect(edge, "--rollback", "--to", "2", "--yes")
        harness.wait_until(lambda: len(self.audits(edge)) == 3, "all of it in the ring")
        self.assertEqual([event["reason"] for event in self.audits(edge)], ["push", "rollback", "rollback"])
        edge.wait_log("audit: rollback by user ")
        shown = edge.cli("logs", "-c", edge.config_file, "--reason", "rollback", "--since", "1h", "--no-follow").stdout
        self.assertEqual(shown.count("rollback by uid"), 2)

    def seal(self, fd):
        fcntl.fcntl(fd, 1033, 1 | 2 | 4 | 8)  # F_ADD_SEALS: SEAL, SHRINK, GROW, WRITE

    def request_size(self, path):
        for size in range(12, 65536, 4):
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as visitor:
                visitor.connect(path)
                visitor.send(struct.pack("=III", 0x66766430, 1, size))
                if b"different versions" not in visitor.recv(65536):
                    return size
        raise AssertionError("no size is taken")

    def test_under_load(self):
        """Pushes and rollbacks under load: no request fails."""
        edge = self.start_edge(bundle(1, 100_000), workers=2)
        first, second = self.write(edge, bundle(1, 100_000), "1.json"), self.write(edge, bundle(2, 100_000), "2.json")
        load = self.load(edge.address, "--path", "/v1/decision", "--header", "X-Original-Method: GET", "--header",
                         "X-Original-URI: /", "--expect", "200,429", "--duration-ms", 600_000, "--connections", 16)
        for number in range(harness.full_or_short(50, 5)):
            self.connect(edge, "--push", first if number % 2 else second, "--yes", waits=False)
            self.connect(edge, "--rollback", "--yes", waits=False)
        result = load.finish()
        self.assertEqual(result["failed"], 0, result)




class TestWatch(PushCase):
    """config_watch = on"""

    def reloads(self, edge):
        """How often a change was noticed: said before anything is reloaded."""
        return edge.log().count("config_watch: ")

    def wait_version(self, edge, version):
        harness.wait_until(lambda: self.version(edge) == version, f"version {version} to be served")

    def test_rename_and_write(self):
        """However a file comes to have another content; a broken one is refused once, and the old one stays."""
        edge = self.start_edge(bundle(1), settings={"config_watch": "on"})
        edge.write_policy(bundle(2))  # a rename
        self.wait_version(edge, 2)
        with open(edge.policy_file, "w", encoding="utf-8") as file:  # in its place, in two parts
            text = json.dumps(bundle(3))
            file.write(text[:50])
            file.flush()
            file.write(text[50:])
        self.wait_version(edge, 3)
        written = len(edge.log())  # what the file was in between may have been looked at, too
        edge.write_policy('{"bundle_version": 4, "polices": []}')
        edge.wait_log("the reload was refused, generation .* goes on unchanged", after=written)
        harness.wait_until(lambda: edge.cli("status", "-c", edge.config_file).returncode == 1, "the status to tell of it")
        edge.write_policy(bundle(5))
        self.wait_version(edge, 5)
        self.assertEqual(edge.log()[written:].count("the reload was refused"), 1, "a broken file is tried once")
        os.unlink(edge.policy_file)
        edge.wait_log("cannot be looked at, what was loaded goes on")
        self.assertEqual(self.version(edge), 5)
        edge.write_policy(bundle(6))
        self.wait_version(edge, 6)

    def test_same_content_and_other_files(self):
        """Neither the same content under a new name nor anything else in the folder is a reason to reload."""
        edge = self.start_edge(bundle(1), settings={"config_watch": "on"})
        edge.write_policy(bundle(1))
        for number in range(50):
            self.write(edge, "nothing", f"other-{number}")
        edge.write_settings(max_connections=77)  # settings are not watched
        edge.write_policy(bundle(2))
        self.wait_version(edge, 2)
        self.assertEqual(self.reloads(edge), 1)
        self.connect(edge, "--push", self.write(edge, bundle(3)), "--yes")  # what was pushed is served already
        edge.write_policy(bundle(4))
        self.wait_version(edge, 4)
        self.assertEqual(self.reloads(edge), 2)

    def test_config_map(self):
        """Kubernetes: bundle.json -> ..data/bundle.json, and ..data, a link to a folder, is swapped by a rename."""
        edge = self.new_edge(bundle(1), settings={"config_watch": "on"})
        mount = os.path.join(edge.directory, "mount")
        os.mkdir(mount)

        def swap(version):
            folder = os.path.join(mount, f"..2026_11_24_{version}")
            os.mkdir(folder)
            self.write(edge, bundle(version), os.path.join(folder, "bundle.json"))
            os.symlink(os.path.basename(folder), os.path.join(mount, "..data_tmp"))
            old = os.path.realpath(os.path.join(mount, "..data")) if version > 1 else None
            os.rename(os.path.join(mount, "..data_tmp"), os.path.join(mount, "..data"))
            if old:
                os.unlink(os.path.join(old, "bundle.json"))
                os.rmdir(old)

        swap(1)
        os.symlink("..data/bundle.json", os.path.join(mount, "bundle.json"))
        edge.write_settings(config_file=os.path.join(mount, "bundle.json"))
        edge.start()
        for version in (2, 3, 4):
            swap(version)
            self.wait_version(edge, version)
        self.assertIn("symbolic link",
                      self.connect(edge, "--push", self.write(edge, bundle(9)), "--yes", code=1).stderr)

    def test_on_and_off(self):
        """The setting itself changes with a reload; the folder may be away for a while."""
        edge = self.start_edge(bundle(1))
        edge.write_settings(config_watch="on")
        edge.reload()
        edge.write_policy(bundle(2))
        self.wait_version(edge, 2)
        away = os.path.join(edge.directory, "away")
        home = os.path.join(edge.directory, "home")
        os.mkdir(home)
        self.write(edge, bundle(3), os.path.join(home, "policy.json"))
        edge.write_settings(config_file=os.path.join(home, "policy.json"))
        edge.reload()
        self.wait_version(edge, 3)
        os.rename(home, away)
        os.mkdir(home)
        self.write(edge, bundle(4), os.path.join(home, "policy.json"))
        self.wait_version(edge, 4)
        edge.write_settings(config_watch="off")
        edge.reload()
        noticed = edge.log().count("config_watch: ")
        for version in (5, 6):
            self.write(edge, bundle(version), os.path.join(home, "policy.json"))
            edge.reload()
            self.wait_version(edge, version)
        self.assertEqual(edge.log().count("config_watch: "), noticed)
