# SPDX-License-Identifier: MPL-2.0
"""An instance under valgrind's memcheck, master, workers and all their children: what its logs say when it is over.

Errors, and memory that nothing points to any more, are complaints in every process. After a graceful end the master and the workers
have also given all their memory back, and have no descriptor open but those that they were given or keep for as long as they live.
"""

import glob
import os
import re
import tempfile

LIBRARY = "fairvisor-unlimited.so"
SECONDS = 480  # instead of those that a test waits for something
# Descriptors of the master's own: its signals and timers, the ends of its log, the lock of its instance, counters, what is alive.
FOR_LIFE = ("loop_init", "logsink_init", "pidfile_lock", "restore_arena", "crew_init")
WORD = re.compile(r"^==\d+== ?", re.MULTILINE)
ERRORS = re.compile(r"ERROR SUMMARY: (\d+) errors")
OPEN = re.compile(r"^Open (?:file descriptor|AF_\w+ socket) .*(?:\n +.*)*", re.MULTILINE)


class Valgrind:
    """The options and the logs of one instance. LOAD is the path of the load client, beside which the library lies."""

    def __init__(self, load):
        self.folder = tempfile.mkdtemp(prefix="fairvisor-e2e-valgrind-")
        self.library = os.path.join(os.path.dirname(load), LIBRARY)

    def command(self):
        return ["valgrind", "--trace-children=yes", "--vgdb=no", "--leak-check=full", "--show-leak-kinds=definite,indirect",
                "--errors-for-leak-kinds=definite,indirect", "--track-fds=yes", "--num-callers=30",
                f"--log-file={self.folder}/%p.log"]

    def environment(self):
        return {"LD_PRELOAD": self.library}

    def complaints(self, master, is_graceful):
        """What is wrong in any process of the instance whose master had the process id MASTER; IS_GRACEFUL: how it ended."""
        found, logs = [], sorted(glob.glob(os.path.join(self.folder, "*.log")))
        for path in logs:
            with open(path, encoding="utf-8", errors="replace") as file:
                log = WORD.sub("", file.read())
            errors = ERRORS.search(log)
            if errors is None:
                continue  # killed by the test
            is_worker = "/fairvisor-worker " in log[:2000]
            if int(errors.group(1)) > 0:
                found.append(f"valgrind found {errors.group(1)} errors:\n{log}")
            elif is_graceful and (is_worker or os.path.basename(path) == f"{master}.log"):
                found += self.left_behind(log, is_worker)
        return found or ([] if logs else ["valgrind wrote nothing"])

    @staticmethod
    def left_behind(log, is_worker):
        name, found = "a worker" if is_worker else "the master", []
        if "All heap blocks were freed" not in log:
            found.append(f"{name} left memory behind:\n{log}")
        for descriptor in OPEN.findall(log):
            if "<inherited from parent>" not in descriptor and (is_worker or not any(word in descriptor for word in FOR_LIFE)):
                found.append(f"{name} left a descriptor open:\n{descriptor}")
        return found
