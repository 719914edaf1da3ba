# SPDX-License-Identifier: MPL-2.0
"""What an idle keep-alive connection costs a worker in memory of its own, the kernel's socket apart."""

import resource
import socket

import bench_scenarios
import bench_servers
import harness

FIRST, MORE = 500, 5000  # the first ones fill what the allocator has ready


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


def run():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, FIRST + MORE + 1000), hard))
    server = bench_servers.FairvisorServer(bench_scenarios.Decision(), None)
    connections = []
    try:
        pid, = server.pids()
        connections += connect(server, FIRST)
        before = own_bytes(pid)
        connections += connect(server, MORE)
        each = (own_bytes(pid) - before) / MORE
    finally:
        for connection in connections:
            connection.close()
        server.remove()
    print(f"{each:.0f} bytes for each idle connection")
    return {"bytes_per_idle_connection": each}
