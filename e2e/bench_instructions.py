# SPDX-License-Identifier: MPL-2.0
"""Instructions instead of time: the same on a noisy machine, so that a regression shows. Counted by valgrind's callgrind;
what the kernel does is not in them.

A worker runs under tests/worker/launch, without a master. It is asked twice, with so many and with three times as many requests,
in two runs; the difference is what requests cost, without start and end.
"""

import glob
import json
import os
import re
import shutil
import subprocess
import tempfile

import bench_scenarios
import harness

REQUESTS = 2000
QUESTIONS = 20_000


class Folder:
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


def counted(text):
    """The total that callgrind wrote at its end."""
    return int(re.search(r"^(?:totals|summary): (\d+)", text, re.MULTILINE).group(1))


# ---- the whole worker ------------------------------------------------------------------------------------------------

def worker_instructions(build, scenario, requests, connections=8):
    with Folder() as folder:
        port = harness.free_port()
        settings = {"listen": f"127.0.0.1:{port}", "instance": folder.instance, "shared_dict_size": "16m"}
        for name, text in getattr(scenario, "settings", {}).items():
            settings[name] = folder.write(name, text)
        wrapper = folder.write("worker", f"""#!/bin/sh
exec valgrind -q --tool=callgrind --callgrind-out-file={folder.path}/count {build}/fairvisor-worker
""", 0o755)
        process = subprocess.Popen(
            [os.path.join(build, "tests/worker/launch"), wrapper,
             folder.write("policy.json", json.dumps(scenario.policy())),
             folder.write("conf", "".join(f"{name} = {value}\n" for name, value in settings.items()))],
            stdout=subprocess.PIPE, text=True)
        try:
            if not process.stdout.readline().startswith("ready"):
                raise RuntimeError("the worker did not start under valgrind")
            headers = [word for name, value in scenario.request.headers for word in ("--header", f"{name}: {value}")]
            body = ["--body", scenario.request.body.decode()] if scenario.request.body else []
            harness.LOAD = os.path.join(build, "e2e/fairvisor-load")
            result = harness.Load(("127.0.0.1", port), "--path", scenario.request.target, "--method",
                                  scenario.request.method, "--connections", connections, "--requests", requests,
                                  "--timeout-ms", 60000, *headers, *body).result()
        finally:
            process.terminate()
            process.wait(harness.STOP_SECONDS)
        if result["failed"] or result["statuses"] != {"200": requests}:
            raise RuntimeError(f"not all were allowed: {result}")
        with open(os.path.join(folder.path, "count"), encoding="utf-8") as file:
            return counted(file.read())


def per_request(build, scenario):
    few = worker_instructions(build, scenario, REQUESTS)
    return (worker_instructions(build, scenario, 3 * REQUESTS) - few) / (2 * REQUESTS)


# ---- the engine as it grows ------------------------------------------------------------------------------------------

def engine_policy(policies):
    """POLICIES policies for paths of their own; the engine is asked for the path of the one in the middle."""
    return {"bundle_version": 1, "policies": [
        {"id": f"policy-{number}", "spec": {"selector": {"pathPrefix": f"/api/v1/service-{number}"}, "rules": [
            {"name": "rate", "limit_keys": ["header:x-api-key"], "algorithm": "token_bucket",
             "algorithm_config": {"tokens_per_second": 1, "burst": 1_000_000}}]}} for number in range(policies)]}


def engine_instructions(build, policies, keys):
    engine = os.path.join(build, "e2e/fairvisor-engine")
    with Folder() as folder:
        arguments = [folder.instance, folder.write("policy.json", json.dumps(engine_policy(policies))),
                     f"/api/v1/service-{policies // 2}/items", str(keys)]
        filled = subprocess.run([engine, *arguments, str(keys)], capture_output=True, text=True, check=True).stdout
        count = os.path.join(folder.path, "count")
        asked = subprocess.run(["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={count}",
                                "--collect-atstart=no", "--toggle-collect=engine_decide", engine, *arguments,
                                str(QUESTIONS)], capture_output=True, text=True, check=True).stdout
        if int(filled) != keys or int(asked) != QUESTIONS:
            raise RuntimeError(f"not all were allowed: {filled} of {keys}, {asked} of {QUESTIONS}")
        with open(count, encoding="utf-8") as file:
            return counted(file.read()) / QUESTIONS


def steps(most):
    """1, 100, 10,000 ... and MOST."""
    return sorted({1, most} | {100 ** power for power in range(1, 5) if 100 ** power < most})


def run(build, names, keys):
    build = os.path.abspath(build)
    document = {"worker": {}, "keys": {}, "policies": {}}
    print("instructions of the worker per request")
    for scenario in bench_scenarios.SCENARIOS:
        if scenario.name in names and scenario.name != "proxy":  # which needs an upstream
            document["worker"][scenario.name] = per_request(build, scenario)
            print(f"{scenario.name:>22} {document['worker'][scenario.name]:10.0f}", flush=True)
    for what, points in (("keys", steps(keys)), ("policies", steps(10_000))):
        print(f"instructions of the engine per decision over {what}")
        for point in points:
            figure = engine_instructions(build, *((1, point) if what == "keys" else (point, 100)))
            document[what][point] = figure
            print(f"{point:>22,} {figure:10.0f}  {figure / document[what][1]:.2f}", flush=True)
    return document
