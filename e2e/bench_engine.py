# SPDX-License-Identifier: MPL-2.0
"""The policy engine alone, in a small program (e2e/engine.c): instructions of a decision under valgrind, its CPU time, and how
many keys an arena holds.
"""

import glob
import json
import os
import re
import shutil
import subprocess
import tempfile

QUESTIONS = 20_000  # under valgrind
TIMED_QUESTIONS = 1_000_000
ARENA_MEGABYTES = 2048


class Folder:
    """A temporary folder and an instance of its name; nothing of either stays."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="fairvisor-bench-")
        self.instance = os.path.basename(self.path)

    def write(self, name, text, mode=0o644):
        path = os.path.join(self.path, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path)
        for path in glob.glob(f"/dev/shm/fairvisor-{self.instance}*"):
            os.unlink(path)


def instructions_in(path):
    """The total that callgrind wrote at its end."""
    with open(path, encoding="utf-8") as file:
        return int(re.search(r"^(?:totals|summary): (\d+)", file.read(), re.MULTILINE).group(1))


def policy(policies, rules):
    """POLICIES policies for paths of their own; the engine is asked for the path of the one in the middle. What a decision
    takes comes back in ten minutes, so that no key of a run is forgotten, and none is allowed that has no room.
    """
    return {"bundle_version": 1, "policies": [
        {"id": f"policy-{number}", "spec": {"selector": {"pathPrefix": f"/api/v1/service-{number}"}, "rules": [
            {"name": f"rate-{rule}", "limit_keys": ["header:x-api-key"], "algorithm": "token_bucket", "on_full": "reject",
             "algorithm_config": {"tokens_per_second": 1, "burst": 900_000_000, "fixed_cost": 600}} for rule in range(rules)]}}
        for number in range(policies)]}


class Engine:
    """One arena, one policy, KEYS identities that ask in turn."""

    def __init__(self, build, folder, keys=1, policies=1, rules=1, megabytes=ARENA_MEGABYTES):
        self.folder = folder
        self.command = [os.path.join(build, "e2e/fairvisor-engine"), folder.instance, str(megabytes),
                        folder.write("policy.json", json.dumps(policy(policies, rules))),
                        f"/api/v1/service-{policies // 2}/items", str(keys)]

    def ask(self, questions, *wrapper):
        """(how many were allowed, CPU nanoseconds of all)."""
        done = subprocess.run([*wrapper, *self.command, str(questions)], capture_output=True, text=True, check=True)
        return tuple(int(word) for word in done.stdout.split())

    def ask_allowed(self, questions, *wrapper):
        allowed, nanoseconds = self.ask(questions, *wrapper)
        if allowed != questions:
            raise RuntimeError(f"{allowed} of {questions} questions were allowed")
        return nanoseconds

    def instructions(self):
        count = os.path.join(self.folder.path, "count")
        self.ask_allowed(QUESTIONS, "valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={count}",
                         "--collect-atstart=no", "--toggle-collect=engine_decide")
        return instructions_in(count) / QUESTIONS


def decision(build, keys=1, policies=1, rules=1):
    """Instructions and CPU nanoseconds of one decision, once each key is known."""
    with Folder() as folder:
        engine = Engine(build, folder, keys, policies, rules)
        engine.ask_allowed(keys)
        questions = max(keys, TIMED_QUESTIONS)
        return {"nanoseconds": engine.ask_allowed(questions) / questions, "instructions": engine.instructions()}


def bytes_per_key(build, megabytes=64):
    """An arena's size over the keys it takes before it is full."""
    with Folder() as folder:
        most = megabytes << 20 >> 4
        taken, _ = Engine(build, folder, keys=most, megabytes=megabytes).ask(most)
        return (megabytes << 20) / taken
