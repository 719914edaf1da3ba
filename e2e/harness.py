# SPDX-License-Identifier: MPL-2.0
"""What every end-to-end test stands on: real fairvisord instances, a real nginx, raw HTTP, the load client.

Takes installed programs from the prefix in $FAIRVISOR_PREFIX and builds nothing. Each instance has a name, folders and
ports of its own, so that tests never meet each other or a service on the same machine. Whatever a test starts is
stopped when the test ends, passed or failed; processes and /dev/shm/fairvisor-* that outlive it are an error. Prints
the logs of a failed test. Never stands in for a real program with an imitation.

    class TestSomething(harness.TestCase):
        def test_it(self):
            edge = self.start_edge(harness.one_rule(rate=5, burst=10), workers=2)
            answer = edge.decide("GET", "/api", client="10.0.0.1")
            self.assertEqual(answer.status, 200)
"""

import contextlib
import os
import shutil
import sys
import tempfile
import threading
import unittest

# Tests have all of it from here.
# pylint: disable=unused-import
from backend import Backend
from edge import Edge
from ground import (ASAN, COVERAGE, FULL, HERE, IS_ROOT, LOAD, PREFIX, SOURCE, START_SECONDS, STOP_SECONDS,
                    avoid_midnight, clean_environment, free_port, full_or_short, is_listening, program, wait_until)
from load_client import Load, statuses
from needs import (MAY_MOUNT, looks_into_workers, needs_ipv6, needs_mounts, needs_mounts_of_root, needs_shared_memory)
from nginx import Nginx, texts_in
from policies import held_budget, one_rule, token_bucket, with_version
from processes import (children_of, command_name, cpu_seconds, is_alive, kill, process_state, processes_with_arena,
                       stop_process)
from raw_http import Answer, Connection, Incomplete, format_request, request


class TestCase(unittest.TestCase):
    """Owns what a test starts; shows the logs when it fails."""

    maxDiff = None

    def setUp(self):
        self.owned = []
        self.addCleanup(self.clean)

    def own(self, thing):
        self.owned.append(thing)
        return thing

    def new_edge(self, policy, **more):
        """An instance that is not started yet."""
        return self.own(Edge(policy, **more))

    def start_edge(self, policy, **more):
        return self.new_edge(policy, **more).start()

    def start_nginx(self, http, port, **more):
        return self.own(Nginx(http, port, **more)).start()

    def load(self, target, *arguments):
        return self.own(Load(target, *arguments))

    @contextlib.contextmanager
    def everybody_allowed(self, edge):
        """Four clients ask EDGE, one request after the other, until the block ends: nobody may be refused, or not be answered."""
        trouble, answers, done = [], [], threading.Event()

        def client():
            while not done.is_set():
                try:
                    answers.append(edge.decide(client="10.0.0.1").status)
                except (OSError, Incomplete) as error:
                    trouble.append(repr(error))

        threads = [threading.Thread(target=client) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            done.set()
            for thread in threads:
                thread.join()
        self.assertEqual(trouble, [])
        self.assertEqual(set(answers), {200})

    def temporary_folder(self):
        folder = tempfile.mkdtemp(prefix="fairvisor-e2e-")
        os.chmod(folder, 0o755)
        self.addCleanup(shutil.rmtree, folder, True)
        return folder

    def has_failed(self):
        outcome = self._outcome
        errors = getattr(outcome, "errors", None)
        if errors is None:
            errors = outcome.result.failures + outcome.result.errors
            return any(test is self or getattr(test, "test_case", None) is self for test, _ in errors)
        return any(error for _, error in errors)

    def clean(self):
        trouble, failed = [], self.has_failed()
        for thing in reversed(self.owned):
            trouble += thing.remove()
        for thing in self.owned:
            if hasattr(thing, "log") and (failed or trouble):
                lines = thing.log().splitlines()
                name = getattr(thing, "name", "nginx")
                print(f"---- last lines of the log of {name} ({len(lines)} in all)", file=sys.stderr)
                print("\n".join(lines[-60:]), file=sys.stderr, flush=True)
            if hasattr(thing, "directory"):
                shutil.rmtree(thing.directory, ignore_errors=True)
        if trouble:
            self.fail("; ".join(trouble))
