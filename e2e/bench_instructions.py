# SPDX-License-Identifier: MPL-2.0
"""Instructions instead of time: the same on a noisy machine, so that a regression shows. Counted by valgrind's callgrind;
what the kernel does is not in them.

A worker runs under tests/worker/launch, without a master. It is asked twice, with so many and with three times as many requests,
in two runs; the difference is what requests cost, without start and end. The engine is asked in a program of its own.
"""

import json
import os
import subprocess

import bench_client
import bench_engine
import bench_scenarios
import ground
import harness

REQUESTS = 2000
MOST_POLICIES, MOST_RULES = 10_000, 32


# ---- the whole worker ------------------------------------------------------------------------------------------------

class Worker:
    """Under callgrind, in FOLDER, until leave()."""

    name = "worker"

    def __init__(self, build, folder, scenario):
        port = harness.free_port()
        self.address, self.folder = ("127.0.0.1", port), folder
        settings = {"listen": f"127.0.0.1:{port}", "instance": folder.instance, "shared_dict_size": "16m",
                    "worker_sandbox": "off"}  # callgrind writes a file
        for name, text in getattr(scenario, "settings", {}).items():
            settings[name] = folder.write(name, text)
        wrapper = folder.write("worker", f"""#!/bin/sh
exec valgrind -q --tool=callgrind --callgrind-out-file={folder.path}/count {build}/fairvisor-worker
""", 0o755)
        self.process = subprocess.Popen(
            [os.path.join(build, "tests/worker/launch"), wrapper,
             folder.write("policy.json", json.dumps(scenario.policy())),
             folder.write("conf", "".join(f"{name} = {value}\n" for name, value in settings.items()))],
            stdout=subprocess.PIPE, text=True)

    def wait_ready(self):
        if not self.process.stdout.readline().startswith("ready"):
            raise RuntimeError("the worker did not start under valgrind")

    def leave(self):
        self.process.terminate()
        self.process.wait(harness.STOP_SECONDS)


def worker_instructions(build, scenario, requests):
    with bench_engine.Folder() as folder:
        worker = Worker(build, folder, scenario)
        try:
            worker.wait_ready()
            ground.LOAD = os.path.join(build, "e2e/fairvisor-load")
            bench_client.load(worker, scenario, "--requests", requests, "--timeout-ms", 60000)
        finally:
            worker.leave()
        return bench_engine.instructions_in(os.path.join(folder.path, "count"))


def per_request(build, scenario):
    scenario.connections = 8
    few = worker_instructions(build, scenario, REQUESTS)
    return (worker_instructions(build, scenario, 3 * REQUESTS) - few) / (2 * REQUESTS)


# ---- the engine as it grows ------------------------------------------------------------------------------------------

def steps(most):
    """1, 100, 10,000 ... and MOST."""
    return sorted({1, most} | {100 ** power for power in range(1, 5) if 100 ** power < most})


def grow(build, what, points, **others):
    print(f"\n== the engine's decision over {what}: instructions (of the first), CPU ns", flush=True)
    result = {}
    for point in points:
        row = result[point] = bench_engine.decision(build, **{**others, what: point})
        row["ratio"] = row["instructions"] / result[points[0]]["instructions"]
        print(f"{point:>22,} {row['instructions']:10.0f} ({row['ratio']:.2f}) {row['nanoseconds']:8.0f}", flush=True)
    return result


def run(build, names, keys):
    build = os.path.abspath(build)
    document = {"worker": {}}
    print("\n== instructions of the worker per request")
    for scenario in bench_scenarios.SCENARIOS:
        if scenario.name in names and not scenario.is_proxied:  # which needs an upstream
            document["worker"][scenario.name] = per_request(build, scenario)
            print(f"{scenario.name:>22} {document['worker'][scenario.name]:10.0f}", flush=True)
    document["keys"] = grow(build, "keys", steps(keys))
    document["policies"] = grow(build, "policies", steps(MOST_POLICIES), keys=100)
    document["rules"] = grow(build, "rules", (1, 2, 4, 8, 16, MOST_RULES), keys=100)
    document["all"] = grow(build, "keys", (1, keys), policies=MOST_POLICIES)
    return document
