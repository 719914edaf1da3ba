# SPDX-License-Identifier: MPL-2.0
"""The other side of e2e/faults.c: a plan that the processes of an instance share, and what it makes of them."""

import mmap
import os
import struct
import tempfile

import harness

LIBRARY = os.path.join(os.path.dirname(harness.LOAD), "fairvisor-faults.so")
LAYOUT = struct.Struct("=32s32sQQQqqqq32s")
NUMBERS = {name: 64 + 8 * index for index, name in enumerate(
    ("fails", "counted", "fired", "wall_shift_s", "boot_shift_s", "fsync_delay_ms", "rename_delay_ms"))}


class Faults:
    """Makes the FAILS-th call of FUNCTION in PROGRAM fail, once; 0 only counts. Clocks and delays can be set at any time; those of
    renames are of files whose new names end in HELD. Without an EDGE it is the caller who hands on the variables."""

    def __init__(self, edge, program="", function="", fails=0, held=""):
        self.file = tempfile.NamedTemporaryFile(prefix="fairvisor-e2e-plan-")
        self.file.write(LAYOUT.pack(program.encode(), function.encode(), fails, 0, 0, 0, 0, 0, 0, held.encode()))
        self.file.flush()
        os.chmod(self.file.name, 0o666)  # workers are somebody else
        self.plan = mmap.mmap(self.file.fileno(), LAYOUT.size)
        self.variables = {"FAULTS_PLAN": self.file.name, "LD_PRELOAD": LIBRARY}
        if edge:
            edge.environment = lambda: harness.clean_environment(self.variables)

    def get(self, name):
        return struct.unpack_from("=q", self.plan, NUMBERS[name])[0]

    def set(self, name, value):
        struct.pack_into("=q", self.plan, NUMBERS[name], value)

    def remove(self):
        self.plan.close()
        self.file.close()
        return []
