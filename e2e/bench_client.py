# SPDX-License-Identifier: MPL-2.0
"""Who asks, on a core of its own: wrk, as fast as it can; the load client where requests are counted, streamed or sent at a
fixed rate. Each gives (what was done, in the scenario's unit; seconds).
"""

import itertools
import re
import subprocess
import tempfile

import bench_servers
import harness


runs = itertools.count(1)


def with_fresh_key(request):
    """Each run spends its own budget: the largest there is lasts for one of long prompts, and not for all rounds."""
    if "X-Api-Key" not in dict(request.headers):
        return request
    return request.with_headers(("X-Api-Key", f"k-{next(runs):016x}"))


def wrk_script(request):
    """Lua text for wrk; long brackets keep the bytes of a body as they are."""
    lines = [f'wrk.method = "{request.method}"']
    lines += [f'wrk.headers["{name}"] = "{value}"' for name, value in request.headers]
    if request.body:
        lines.append("wrk.body = [==[" + request.body.decode() + "]==]")
    return "\n".join(lines) + "\n"


def wrk(server, scenario, seconds):
    request = with_fresh_key(scenario.request)
    with tempfile.NamedTemporaryFile("w", suffix=".lua", encoding="utf-8") as script:
        script.write(wrk_script(request))
        script.flush()
        done = bench_servers.on_cores({bench_servers.CLIENT_CORE}, lambda: subprocess.run(
            ["wrk", "-t1", f"-c{scenario.connections}", f"-d{seconds}s", "--timeout", "10s", "-s", script.name,
             f"http://127.0.0.1:{server.address[1]}{request.target}"], capture_output=True, text=True, check=True))
    if re.search("Non-2xx|Socket errors", done.stdout):
        raise RuntimeError(f"{server.name}: {done.stdout}")
    requests = int(re.search(r"(\d+) requests in", done.stdout).group(1))
    return requests, requests / float(re.search(r"Requests/sec: +([\d.]+)", done.stdout).group(1))


def load(server, scenario, *more):
    """The load client's whole result; an answer that is not 200 or 204 is an error."""
    request = scenario.request
    headers = [word for name, value in request.headers for word in ("--header", f"{name}: {value}")]
    body = ["--body", request.body.decode()] if request.body else []
    client = bench_servers.on_cores({bench_servers.CLIENT_CORE}, lambda: harness.Load(
        server.address, "--path", request.target, "--method", request.method, "--expect", "200,204",
        "--connections", scenario.connections, *headers, *body, *more))
    result = client.result()
    if result["failed"]:
        raise RuntimeError(f"{server.name}: {result}")
    return result


def counted(server, scenario, requests):
    """So many requests."""
    result = load(server, scenario, "--requests", requests)
    return requests * max(scenario.events, 1), result["seconds"]


def streams(server, scenario, seconds):
    """Streams for so long; those that are open at its end are read to their end."""
    result = load(server, scenario, "--duration-ms", seconds * 1000)
    return result["answered"] * scenario.events, result["seconds"]
