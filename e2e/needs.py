# SPDX-License-Identifier: MPL-2.0
"""What a machine may not have: a test that needs it is skipped there, and says why."""

import os
import shutil
import socket
import subprocess
import unittest

from ground import IS_ROOT

# Workers cannot be traced: what they have open, and their environment, is root's alone to see.
looks_into_workers = unittest.skipUnless(IS_ROOT, "only root may look into workers")


def may_mount():
    """Whether mounts of one's own can be had: containers seldom give them, not even to root."""
    rights = [] if IS_ROOT else ["--map-current-user", "--keep-caps"]
    command = ["unshare", "--mount", *rights, "mount", "-t", "tmpfs", "tmpfs", "/dev/shm"]
    return bool(shutil.which("unshare")) and subprocess.run(command, capture_output=True, check=False).returncode == 0


MAY_MOUNT = may_mount()
needs_mounts = unittest.skipUnless(MAY_MOUNT, "nobody may have mounts of his own here")
needs_mounts_of_root = unittest.skipUnless(IS_ROOT and MAY_MOUNT, "needs root, and mounts of its own")


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


needs_ipv6 = unittest.skipUnless(has_ipv6(), "this machine has no ::1")


def needs_shared_memory(mebibytes):
    """For a test whose counters want more room than the 64 MiB that containers have."""
    room = os.statvfs("/dev/shm")
    free = room.f_bavail * room.f_frsize >> 20
    return unittest.skipIf(free < mebibytes, f"/dev/shm has {free} MiB to give, {mebibytes} are needed")
