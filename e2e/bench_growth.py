# SPDX-License-Identifier: MPL-2.0
"""CPU time of a decision as connections and workers become more, beside nginx `return 204` with as many. What grows inside of
the engine (keys, policies, rules) is counted in instructions: bench_instructions.
"""

import contextlib
import os

import bench_measure
import bench_scenarios
import bench_servers

POINTS = {"connections": (10, 100, 1000, 10_000), "workers": (1, 2)}


def measure_point(what, point, arguments):
    scenario = bench_scenarios.Decision()
    setattr(scenario, what, point)
    servers = []
    with contextlib.ExitStack() as started:
        for make in (bench_servers.NginxServer, bench_servers.FairvisorServer):
            servers.append(make(scenario, None))
            started.callback(servers[-1].remove)
        return bench_measure.cpu_rounds(servers, scenario, arguments)


def points_of(what):
    return [point for point in POINTS[what] if what != "workers" or point <= os.cpu_count()]


def run(arguments):
    document = {}
    for what in POINTS:
        print(f"\n== CPU us per decision over {what}: {bench_measure.rounds_of(arguments)}\n"
              f"{'':>22} {'fairvisor':>10} {'nginx':>10}   of nginx (spread)", flush=True)
        document[what] = {}
        for point in points_of(what):
            result = document[what][point] = measure_point(what, point, arguments)
            base, ours = result["medians"].values()
            print(f"{point:>22,} {ours['cpu_us']:10.2f} {base['cpu_us']:10.2f}   {ours['ratio']:.2f} "
                  f"({ours['ratio_low']:.2f} to {ours['ratio_high']:.2f})", flush=True)
    return document
