# SPDX-License-Identifier: MPL-2.0
"""Rounds, medians, ratios, tables and the picture."""

import os
import re
import statistics
import subprocess
import tempfile

import harness
from bench_servers import CLIENT_CORE

PERCENTILES = ("p50", "p90", "p99", "p999")


# ---- CPU time --------------------------------------------------------------------------------------------------------

def wrk_script(request):
    """Lua text for wrk; long brackets keep the bytes of a body as they are."""
    lines = [f'wrk.method = "{request.method}"']
    lines += [f'wrk.headers["{name}"] = "{value}"' for name, value in request.headers]
    if request.body:
        lines.append("wrk.body = [==[" + request.body.decode() + "]==]")
    return "\n".join(lines) + "\n"


def run_wrk(server, request, seconds, connections):
    with tempfile.NamedTemporaryFile("w", suffix=".lua", encoding="utf-8") as script:
        script.write(wrk_script(request))
        script.flush()
        done = subprocess.run(["taskset", "-c", str(CLIENT_CORE), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s",
                               "-s", script.name, f"http://127.0.0.1:{server.address[1]}{request.target}"],
                              capture_output=True, text=True, check=True)
    if re.search("Non-2xx|Socket errors", done.stdout):
        raise RuntimeError(f"{server.name}: {done.stdout}")
    requests = int(re.search(r"(\d+) requests in", done.stdout).group(1))
    return requests, float(re.search(r"Requests/sec: +([\d.]+)", done.stdout).group(1))


def measure(server, request, seconds, connections):
    pids = server.pids()
    before = harness.cpu_seconds(pids)
    requests, rate = run_wrk(server, request, seconds, connections)
    used = harness.cpu_seconds(pids) - before
    return {"rps": rate, "cpu_us": used / requests * 1e6, "busy": used / (requests / rate)}


def in_turns(servers, rounds, one_of):
    """ROUNDS times ONE_OF of every server, each round beginning with another one."""
    result = []
    for number in range(rounds):
        turn = number % len(servers)
        one = {server.name: one_of(server) for server in servers[turn:] + servers[:turn]}
        result.append({server.name: one[server.name] for server in servers})
    return result


def spread(rounds, name, figure):
    """Median, smallest and largest ratio of a figure to the base's of the same round."""
    ratios = [one[name][figure] / next(iter(one.values()))[figure] for one in rounds]
    return {"ratio": statistics.median(ratios), "ratio_low": min(ratios), "ratio_high": max(ratios)}


def median(rounds, name, figure):
    return statistics.median(one[name][figure] for one in rounds)


def cpu_time(servers, scenario, arguments):
    for server in servers:  # warm
        run_wrk(server, scenario.request, 1, arguments.connections)
    rounds = in_turns(servers, arguments.rounds,
                      lambda server: measure(server, scenario.request, arguments.seconds, arguments.connections))
    table = {server.name: {"cpu_us_per_request": median(rounds, server.name, "cpu_us"),
                           "requests_per_second": median(rounds, server.name, "rps"),
                           "busy": median(rounds, server.name, "busy"), **spread(rounds, server.name, "cpu_us")}
             for server in servers}
    print(f"medians of {arguments.rounds} rounds of {arguments.seconds} s, {arguments.connections} connections\n"
          f"{'':22} {'CPU us/request':>14} {'requests/s':>11} {'busy':>6}   CPU per request / {servers[0].name}")
    for name, row in table.items():
        print(f"{name:22} {row['cpu_us_per_request']:14.2f} {row['requests_per_second']:11.0f} {row['busy']:6.1%}   "
              f"{row['ratio']:.2f}  ({row['ratio_low']:.2f} to {row['ratio_high']:.2f})")
    idle = [name for name, row in table.items() if row["busy"] < 0.97]
    if idle:
        print(f"below 97 % busy, so their requests/s are those of the client: {', '.join(idle)}")
    return {"medians": table, "rounds": rounds}


# ---- latency ---------------------------------------------------------------------------------------------------------

def measure_latency(server, request, arguments):
    headers = [word for name, value in request.headers for word in ("--header", f"{name}: {value}")]
    body = ["--body", request.body.decode()] if request.body else []
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {CLIENT_CORE})
    try:
        load = harness.Load(server.address, "--path", request.target, "--method", request.method, "--expect", "200,204",
                            "--connections", arguments.connections, "--rate", arguments.rate,
                            "--duration-ms", arguments.seconds * 1000, *headers, *body)
    finally:
        os.sched_setaffinity(0, allowed)
    result = load.result()
    if result["failed"]:
        raise RuntimeError(f"{server.name}: {result}")
    return {name: result["latency_us"][name] for name in PERCENTILES}


def latency(servers, scenario, arguments):
    rounds = in_turns(servers, arguments.rounds, lambda server: measure_latency(server, scenario.request, arguments))
    table = {server.name: {name: {"us": median(rounds, server.name, name), **spread(rounds, server.name, name)}
                           for name in PERCENTILES} for server in servers}
    print(f"medians of {arguments.rounds} rounds of {arguments.seconds} s at {arguments.rate}/s, open loop: us (of {servers[0].name})")
    print(f"{'':22}" + "".join(f"{name:>18}" for name in PERCENTILES))
    for name, row in table.items():
        print(f"{name:22}" + "".join(f"{row[one]['us']:10.0f} ({row[one]['ratio']:5.2f})" for one in PERCENTILES))
    return {"medians": table, "rounds": rounds}


# ---- the picture -----------------------------------------------------------------------------------------------------

def draw(document, path):
    """One bar for each server: its CPU time per request over the base's, which is the line at 1."""
    bars = [(f"{scenario}: {name}", row["ratio"]) for scenario, result in document.items()
            for name, row in result.get("medians", {}).items() if isinstance(row.get("ratio"), float)]
    scale = 520 / max([ratio for _, ratio in bars] + [1])
    rows = []
    for i, (label, ratio) in enumerate(bars):
        colour = "#2a7" if label.endswith("fairvisor") else "#89a"
        rows.append(f'<text x="250" y="{i * 22 + 35}" text-anchor="end">{label}</text>'
                    f'<rect x="260" y="{i * 22 + 22}" width="{ratio * scale:.1f}" height="16" fill="{colour}"/>'
                    f'<text x="{265 + ratio * scale:.1f}" y="{i * 22 + 35}">{ratio:.2f}</text>')
    height = len(bars) * 22 + 40
    with open(path, "w", encoding="utf-8") as file:
        file.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="840" height="{height}" font-family="sans-serif" '
                   f'font-size="12"><text x="10" y="14">CPU time per request, first of each = 1</text>{"".join(rows)}'
                   f'<line x1="{260 + scale:.1f}" y1="18" x2="{260 + scale:.1f}" y2="{height - 8}" stroke="#c33"/></svg>\n')
