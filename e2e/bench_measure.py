# SPDX-License-Identifier: MPL-2.0
"""Rounds, medians, ratios with their spread, and tables."""

import os
import statistics

import bench_client
import harness

PERCENTILES = ("p50", "p90", "p99", "p999")
CONNECTED_PER_SECOND = 2500
TICK = 1 / os.sysconf("SC_CLK_TCK")


def in_turns(servers, rounds, one_of):
    """ROUNDS times ONE_OF of every server, each round beginning with another one."""
    result = []
    for number in range(rounds):
        turn = number % len(servers)
        one = {server.name: one_of(server) for server in servers[turn:] + servers[:turn]}
        result.append({server.name: one[server.name] for server in servers})
    return result


def spread(rounds, name, figure, base=None):
    """Median, smallest and largest ratio of a figure to that of BASE, the first one, in the same round."""
    ratios = [one[name][figure] / one[base or next(iter(one))][figure] for one in rounds]
    return {"ratio": statistics.median(ratios), "ratio_low": min(ratios), "ratio_high": max(ratios)}


def median(rounds, name, figure):
    return statistics.median(one[name][figure] for one in rounds)


def rounds_of(arguments):
    length = f"{arguments.requests} requests" if arguments.requests else f"{arguments.seconds} s"
    return f"medians of {arguments.rounds} rounds of {length}"


# ---- CPU time --------------------------------------------------------------------------------------------------------

def drive(server, scenario, arguments, seconds):
    if arguments.requests:
        return bench_client.counted(server, scenario, arguments.requests)
    client = bench_client.streams if scenario.events else bench_client.wrk
    return client(server, scenario, seconds + scenario.connections // CONNECTED_PER_SECOND)


def measure(server, scenario, arguments):
    pids = server.pids()
    before = harness.cpu_seconds(pids)
    done, seconds = drive(server, scenario, arguments, arguments.seconds)
    used = max(harness.cpu_seconds(pids) - before, TICK)
    return {"per_second": done / seconds, "cpu_us": used / done * 1e6, "busy": used / seconds}


def cpu_rounds(servers, scenario, arguments):
    if not arguments.requests:
        for server in servers:
            drive(server, scenario, arguments, 1)  # warm
    rounds = in_turns(servers, arguments.rounds, lambda server: measure(server, scenario, arguments))
    table = {server.name: {"cpu_us": median(rounds, server.name, "cpu_us"),
                           "per_second": median(rounds, server.name, "per_second"),
                           "busy": median(rounds, server.name, "busy"), **spread(rounds, server.name, "cpu_us")}
             for server in servers}
    return {"unit": scenario.unit, "medians": table, "rounds": rounds}


def cpu_time(servers, scenario, arguments):
    result = cpu_rounds(servers, scenario, arguments)
    unit, table = result["unit"], result["medians"]
    print(f"{rounds_of(arguments)}, {scenario.connections} connections\n"
          f"{'':22} {'CPU us/' + unit:>14} {unit + 's/s':>11} {'busy':>6}   CPU per {unit} / {servers[0].name}")
    for name, row in table.items():
        print(f"{name:22} {row['cpu_us']:14.2f} {row['per_second']:11.0f} {row['busy']:6.1%}   "
              f"{row['ratio']:.2f}  ({row['ratio_low']:.2f} to {row['ratio_high']:.2f})")
    ours = [name for name in table if name.startswith("fairvisor")]
    for other in ours[1:]:
        print("{0} / {1}: {ratio:.3f} ({ratio_low:.3f} to {ratio_high:.3f})".format(
            ours[0], other, **spread(result["rounds"], ours[0], "cpu_us", other)))
    idle = [name for name, row in table.items() if row["busy"] < 0.97]
    if idle and not scenario.events:
        print(f"below 97 % busy, so their requests/s are those of the client: {', '.join(idle)}")
    return result


# ---- latency ---------------------------------------------------------------------------------------------------------

def measure_latency(server, scenario, arguments):
    result = bench_client.load(server, scenario, "--rate", arguments.rate, "--duration-ms", arguments.seconds * 1000)
    return {name: result["latency_us"][name] for name in PERCENTILES}


def latency(servers, scenario, arguments):
    rounds = in_turns(servers, arguments.rounds, lambda server: measure_latency(server, scenario, arguments))
    table = {server.name: {name: {"us": median(rounds, server.name, name), **spread(rounds, server.name, name)}
                           for name in PERCENTILES} for server in servers}
    print(f"medians of {arguments.rounds} rounds of {arguments.seconds} s at {arguments.rate}/s, open loop: us, of "
          f"{servers[0].name} (spread)")
    print(f"{'':22}" + "".join(f"{name:>28}" for name in PERCENTILES))
    for name, row in table.items():
        print(f"{name:22}" + "".join("{us:9.0f} {ratio:5.2f} ({ratio_low:4.2f}-{ratio_high:5.2f})".format(**row[one])
                                     for one in PERCENTILES))
    return {"medians": table, "rounds": rounds}
