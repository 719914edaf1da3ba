# SPDX-License-Identifier: MPL-2.0
"""fairvisor connect and config_watch: another bundle comes to be served, whole or not at all, and file and service agree."""

import fcntl
import glob
import json
import os
import pty
import select
import socket
import stat
import struct
import subprocess

import harness

NEGLIGIBLE = 0.000001


def bundle(version, burst=10):
    return harness.one_rule(NEGLIGIBLE, burst, version=version)


class PushCase(harness.TestCase):
    def connect(self, edge, *arguments, code=0, **more):
        done = edge.cli("connect", "-c", edge.config_file, *arguments, **{"stdin": subprocess.DEVNULL, **more})
        self.assertEqual(done.returncode, code, (arguments, done.stdout, done.stderr))
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
        edge.wait_log(rf"a bundle is pushed by user {os.geteuid()} .*; because: ticket 77")
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
        self.assertIn("served: version 2", self.connect(edge, "--rollback", "--yes").stdout)
        self.assertIn("served: version 1", self.connect(edge, "--rollback", "--to", "1", "--yes").stdout)
        self.assertEqual(self.version(edge), 1)

    def test_standard_input_and_question(self):
        edge = self.start_edge(bundle(1))
        done = edge.cli("connect", "-c", edge.config_file, "--push", "-", "--yes", input=json.dumps(bundle(2)))
        self.assertEqual((done.returncode, self.version(edge)), (0, 2), done.stderr)
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
                self.assertEqual(self.version(edge), version)

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
        os.mkdir(edge.policy_file + ".new")  # as if the folder could not be written to
        self.assertIn("could not be created", self.connect(edge, "--push", target, "--yes", code=71).stderr)
        os.rmdir(edge.policy_file + ".new")
        with open(edge.policy_file, "rb") as file:
            self.assertEqual((file.read(), self.version(edge), edge.ready()["generation"]), (before, 1, 1))
        self.assertEqual(edge.cli("status", "-c", edge.config_file).returncode, 0)
        self.assertEqual(glob.glob(edge.policy_file + ".*"), [])
        edge.stop()
        self.connect(edge, "--push", target, "--yes", code=69)
        self.connect(edge, "--list", code=69)

    def test_edit_is_not_lost(self):
        edge = self.start_edge(bundle(1))
        edge.write_policy(bundle(5))  # edited, never loaded
        self.assertIn("has been changed since it was loaded",
                      self.connect(edge, "--push", self.write(edge, bundle(2)), "--yes").stderr)
        with open(edge.policy_file + ".replaced", encoding="utf-8") as file:
            self.assertEqual((json.load(file), self.file(edge), self.version(edge)), (bundle(5), bundle(2), 2))

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
                    self.assertEqual(struct.unpack_from("=IIII", visitor.recv(65536))[3], code, fds)
        self.assertEqual((self.version(edge), self.file(edge)), (1, bundle(1)))
        self.connect(edge, "--push", self.write(edge, bundle(2)), "--yes")

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
            self.connect(edge, "--push", first if number % 2 else second, "--yes")
            self.connect(edge, "--rollback", "--yes")
        result = load.finish()
        self.assertEqual(result["failed"], 0, result)


