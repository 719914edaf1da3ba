# SPDX-License-Identifier: MPL-2.0
"""fairvisor-load (e2e/load/), which asks much and counts the answers."""

import json
import signal
import subprocess

import ground
from ground import clean_environment


class Load:
    """fairvisor-load in the background; result() waits for its end and gives its JSON."""

    def __init__(self, target, *arguments):
        if isinstance(target, tuple):
            target = f"{target[0]}:{target[1]}"
        command = [ground.LOAD, "--target", target, *[str(argument) for argument in arguments]]
        self.process = subprocess.Popen(command, env=clean_environment(), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def is_running(self):
        return self.process.poll() is None

    def result(self, timeout=600):
        try:
            out, err = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, err = self.process.communicate()
            raise TimeoutError(f"fairvisor-load did not end within {timeout} s: {err}") from None
        if self.process.returncode not in (0, 1):
            raise RuntimeError(f"fairvisor-load exited with {self.process.returncode}: {err}")
        return json.loads(out)

    def finish(self):
        """Asks a load that runs for a duration to end now, and gives its result."""
        self.process.send_signal(signal.SIGINT)
        return self.result()

    def remove(self):
        if self.is_running():
            self.process.kill()
            self.process.communicate()
        return []


def statuses(result):
    return {int(status): count for status, count in result["statuses"].items()}
