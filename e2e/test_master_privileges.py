# SPDX-License-Identifier: MPL-2.0
"""What a worker of a root-started instance may do, asked of the kernel: nothing but serve."""

import os
import pwd
import stat
import unittest

import harness


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


@unittest.skipUnless(harness.IS_ROOT, "only root has privileges to drop: run the tests as root")
class Privileges(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.edge = self.start_edge(harness.one_rule(), workers=2, unix=True)
        self.pids = self.edge.workers()
        self.assertEqual(len(self.pids), 2)

    def test_identity(self):
        nobody = pwd.getpwnam("nobody")
        for pid in self.pids:
            facts = status_of(pid)
            self.assertEqual(facts["Uid"].split(), [str(nobody.pw_uid)] * 4)
            self.assertEqual(len(set(facts["Gid"].split())), 1)
            self.assertNotEqual(facts["Gid"].split()[0], "0")
            self.assertNotIn("0", facts["Groups"].split())

    def test_capabilities(self):
        for pid in self.pids:
            facts = status_of(pid)
            for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                self.assertEqual(int(facts[name], 16), 0, name)
            self.assertEqual(facts["NoNewPrivs"], "1")

    @unittest.skipIf(harness.ASAN, "a sanitized worker needs a process of its own for its leak check")
    @unittest.skipIf(harness.COVERAGE, "a worker that counts what is reached has no sandbox, for it writes files")
    def test_system_calls(self):
        for pid in self.pids:
            self.assertEqual((status_of(pid)["Seccomp"], status_of(pid)["Seccomp_filters"]), ("2", "1"))
        self.edge.write_settings(worker_sandbox="off")
        self.edge.reload()
        harness.wait_until(lambda: len(self.edge.workers()) == 2 and not set(self.pids) & set(self.edge.workers()),
                           "the others to be gone")
        self.assertEqual({status_of(pid)["Seccomp"] for pid in self.edge.workers()}, {"0"})

    @unittest.skipIf(harness.ASAN, "a sanitized worker stays dumpable for its leak check")
    def test_memory_is_private(self):
        """A process that is not dumpable has its /proc files owned by root."""
        for pid in self.pids:
            self.assertEqual(os.stat(f"/proc/{pid}/environ").st_uid, 0)

    def test_environment_and_arguments(self):
        for pid in self.pids:
            with open(f"/proc/{pid}/environ", "rb") as file:
                names = {entry.split(b"=")[0] for entry in file.read().split(b"\0") if entry}
            self.assertLessEqual(names, {b"ASAN_OPTIONS", b"UBSAN_OPTIONS"})
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                name, role = file.read().split(b"\0")[:2]
            self.assertEqual(name, b"fairvisor-worker")
            self.assertRegex(role.decode(), rf"^{self.edge.name}/\d+$")

    @staticmethod
    def names_without_clients(pid):
        """What each descriptor is, once 17 and 18 are the only sockets."""
        names = {}
        for entry in os.listdir(f"/proc/{pid}/fd"):
            try:
                names[int(entry)] = os.readlink(f"/proc/{pid}/fd/{entry}")
            except FileNotFoundError:
                return None
        sockets = sorted(number for number, name in names.items() if name.startswith("socket:"))
        return names if sockets == [17, 18] else None

    def test_descriptors(self):
        """fd 0 to 16 as the contract between master and worker says, then this worker's sockets, then its event loop's."""
        for pid in self.pids:
            names = harness.wait_until(lambda: self.names_without_clients(pid), "the harness's own connections to be closed")
            self.assertEqual(names[0], "/dev/null")
            self.assertEqual(names[1], "/dev/null")
            for number in (2, 3, 4):
                self.assertRegex(names.get(number, "pipe:[closed]"), r"^pipe:\[")
            self.assertEqual(names[5], f"/dev/shm/fairvisor-{self.edge.name}")
            for number, kind in ((6, "bundle"), (7, "handoff")):
                self.assertIn(names.get(number, f"fairvisor-{kind}"), (f"/memfd:fairvisor-{kind} (deleted)", f"fairvisor-{kind}"))
            for number in range(8, 12):  # nothing to look keys up in but the list of bots, which is installed
                self.assertEqual(names[number], "/dev/null")
            self.assertEqual(names[12], "/memfd:fairvisor-bot_list (deleted)")
            for number in range(13, 17):  # no keys that verify tokens, no certificate and its key, no authorities
                self.assertEqual(names[number], "/dev/null")
            for number in set(names) - set(range(19)):
                self.assertRegex(names[number], r"^(anon_inode:\[(eventpoll|eventfd|io_uring)\]|pipe:\[\d+\]|/dev/null)$")

    def test_files(self):
        arena = os.stat(f"/dev/shm/fairvisor-{self.edge.name}")
        self.assertEqual(stat.S_IMODE(arena.st_mode), 0o600)
        self.assertEqual(arena.st_uid, pwd.getpwnam("nobody").pw_uid)
        lock = os.stat(os.path.join(self.edge.settings["runtime_dir"], f"{self.edge.name}.lock"))
        self.assertEqual((stat.S_IMODE(lock.st_mode), lock.st_uid), (0o600, 0))

    def test_replacement_is_as_poor(self):
        harness.kill(self.pids[0])
        harness.wait_until(lambda: len(self.edge.workers()) == 2 and self.pids[0] not in self.edge.workers(), "a new worker")
        self.pids = self.edge.workers()
        for pid in self.pids:
            harness.wait_until(lambda pid=pid: status_of(pid)["NoNewPrivs"] == "1", "it to be set up")
        self.test_capabilities()
        self.test_identity()


if __name__ == "__main__":
    unittest.main()
