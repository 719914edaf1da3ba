# SPDX-License-Identifier: MPL-2.0
"""What keeps runs of these tests apart that happen at the same time."""

import json
import subprocess
import sys
import unittest

import ground
import harness

# Another run, which takes as many ports as it is told, if it can have them; there are few of them here. It goes on until told to end.
OTHER = """
import ground, json, sys
ground.first_own_port = lambda: 4096
taken = [ground.free_port() for _ in range(int(sys.argv[1]))]
print(json.dumps([ground.RUN_NAME, taken]), flush=True)
sys.stdin.read()
"""
ALL = 4096  # more than there are


class TestGround(unittest.TestCase):
    def other(self, count):
        """The process, and the name and the ports that it has."""
        process = subprocess.Popen([sys.executable, "-B", "-c", OTHER, str(count)], cwd=harness.HERE, env={}, text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(process.communicate)
        return json.loads(process.stdout.readline())

    def test_runs_at_once_take_nothing_of_each_other(self):
        name, taken = self.other(2 * ground.PORTS_IN_BLOCK)
        another, rest = self.other(ALL)
        self.assertEqual((len(set(taken)), set(taken) & set(rest)), (2 * ground.PORTS_IN_BLOCK, set()))
        self.assertGreater(len(set(rest)), ground.PORTS_IN_BLOCK)
        self.assertEqual(len({name, another, ground.RUN_NAME}), 3)


if __name__ == "__main__":
    unittest.main()
