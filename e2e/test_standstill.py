# SPDX-License-Identifier: MPL-2.0
"""A machine that stands still is noticed, one that does not is not."""

import os
import signal
import time

import harness
import standstill


class TestWatch(harness.TestCase):
    def test_a_pause_is_noticed_and_is_over(self):
        watch = standstill.Watch()
        self.addCleanup(os.waitpid, watch.pid, 0)
        self.addCleanup(os.kill, watch.pid, signal.SIGKILL)
        began = time.monotonic()
        os.kill(watch.pid, signal.SIGSTOP)
        time.sleep(2 * standstill.LONGEST)
        os.kill(watch.pid, signal.SIGCONT)
        stood = harness.wait_until(lambda: watch.longest_since(began), "the pause to be noticed")
        self.assertGreaterEqual(stood, standstill.LONGEST)
        self.assertEqual(watch.longest_since(time.monotonic() + 3600), 0)
