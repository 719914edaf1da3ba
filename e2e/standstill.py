# SPDX-License-Identifier: MPL-2.0
"""Whether the machine kept time while a test ran: a process that wants to wake every 10 ms notes when it could not, and when the
wall clock was set. A virtual machine that is paused or crowded out makes bounds untrue that hold on any other."""

import os
import struct
import time

NAP = 0.01
LONGEST = 0.15  # seconds; below it the tests have room of their own
NOTE = struct.Struct("dd")  # when it was over (monotonic), how long it was


def watch(out, parent):
    """Writes a NOTE of nothing when it begins and one for each standstill, until PARENT is gone."""
    before, before_wall = time.monotonic(), time.time()
    os.write(out, NOTE.pack(before, 0))
    while os.getppid() == parent:
        time.sleep(NAP)
        now, wall = time.monotonic(), time.time()
        passed = now - before
        lost = max(passed - NAP, abs(wall - before_wall - passed))
        if lost >= LONGEST:
            try:
                os.write(out, NOTE.pack(now, lost))
            except BlockingIOError:
                pass  # thousands that nobody read: no test has failed yet
        before, before_wall = now, wall


class Watch:
    def __init__(self):
        parent = os.getpid()
        self.notes = []
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(reader)
                watch(writer, parent)
            finally:
                os._exit(0)
        os.close(writer)
        os.read(reader, NOTE.size)  # it has begun
        os.set_blocking(reader, False)
        self.reader = reader

    def longest_since(self, began):
        """The longest standstill that was over after BEGAN (monotonic), in seconds; 0 when there was none of LONGEST."""
        try:
            while noted := os.read(self.reader, NOTE.size):
                self.notes.append(NOTE.unpack(noted))
        except BlockingIOError:
            pass
        return max((lost for over, lost in self.notes if over >= began), default=0)
