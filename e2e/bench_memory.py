# SPDX-License-Identifier: MPL-2.0
"""What an idle keep-alive connection, a key and a policy cost: private memory of a worker, the kernel's socket apart, and
bytes of the arena.
"""

import socket

import bench_engine
import bench_scenarios
import bench_servers
import harness

FIRST, MORE = 500, 5000  # connections; the first ones fill what the allocator has ready
POLICIES = 10_000


def own_bytes(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return sum(int(line.split()[1]) * 1024 for line in file if line.startswith("Private_"))


def connect(server, count):
    """COUNT connections that have been served once and wait."""
    request = bench_scenarios.Decision.request
    bytes_of_request = harness.format_request(request.method, request.target, request.headers)
    connections = []
    for _ in range(count):
        connection = socket.create_connection(server.address)
        connection.sendall(bytes_of_request)
        if not connection.recv(4096).startswith(b"HTTP/1.1 20"):
            raise RuntimeError("a connection was not served")
        connections.append(connection)
    return connections


def bytes_per_connection(make):
    scenario = bench_scenarios.Decision()
    scenario.connections = FIRST + MORE
    server = make(scenario, None)
    connections = []
    try:
        pid, = server.pids()
        connections += connect(server, FIRST)
        before = own_bytes(pid)
        connections += connect(server, MORE)
        return (own_bytes(pid) - before) / MORE
    finally:
        for connection in connections:
            connection.close()
        server.remove()


class Policies(bench_scenarios.Decision):
    """Of one rule each."""

    def __init__(self, count):
        self.count = count

    def policy(self, small=None):
        return bench_engine.policy(self.count, 1)


def worker_bytes(policies):
    server = bench_servers.FairvisorServer(Policies(policies), None)
    try:
        pid, = server.pids()
        return own_bytes(pid)
    finally:
        server.remove()


def run(build):
    document = {"idle_connection": {}}
    print("\n== memory in bytes", flush=True)
    for make in (bench_servers.NginxServer, bench_servers.HaproxyServer, bench_servers.FairvisorServer):
        document["idle_connection"][make.name] = bytes_per_connection(make)
        print(f"{'idle connection':>22} {document['idle_connection'][make.name]:8.0f}  {make.name}", flush=True)
    document["key"] = bench_engine.bytes_per_key(build)
    print(f"{'key of one limit':>22} {document['key']:8.1f}  fairvisor", flush=True)
    document["policy"] = (worker_bytes(POLICIES) - worker_bytes(1)) / (POLICIES - 1)
    print(f"{'policy of one rule':>22} {document['policy']:8.0f}  fairvisor, in each worker", flush=True)
    return document
