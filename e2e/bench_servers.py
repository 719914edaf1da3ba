# SPDX-License-Identifier: MPL-2.0
"""Programs that are measured, with one process or thread for each worker on cores of their own: nginx `return 204` (the base),
nginx `limit_req`, HAProxy with a stick table, fairvisord; the others are in bench_lua, bench_redis, bench_envoy and
bench_proxies. made(scenario, small) starts one whose limit SMALL is small (None: none is); `proves` names the limits that
the preflight can make small.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile

import harness
import processes

CORES = sorted(os.sched_getaffinity(0))
CLIENT_CORE = CORES[-1]
BASE = "nginx return 204"
LARGEST_RATE = 900_000  # of limit_req, which counts in thousandths


def on_cores(cores, call):
    """What CALL starts stays on these cores."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        return call()
    finally:
        os.sched_setaffinity(0, allowed)


def server_cores(scenario):
    return set(CORES[:scenario.workers])


def most_connections(scenario):
    return scenario.connections * (1 + scenario.is_proxied) + 1000


def remove_folder(path):
    shutil.rmtree(path, ignore_errors=True)


class Started:
    """What runs until it is removed. start() gives self.parts the removal of each part before it starts it: when one does not
    start, nothing is left of those before it."""

    def __init__(self, *arguments):
        self.parts = contextlib.ExitStack()
        try:
            self.start(*arguments)
        except BaseException:
            self.parts.close()
            raise

    def start(self, *arguments):
        raise NotImplementedError

    def start_nginx(self, nginx, cores):
        self.parts.callback(remove_folder, nginx.directory)
        self.parts.callback(nginx.remove)
        on_cores(cores, nginx.start)
        return nginx

    def new_folder(self):
        directory = tempfile.mkdtemp(prefix="fairvisor-bench-")
        self.parts.callback(remove_folder, directory)
        return directory

    def start_process(self, command, cores):
        process = on_cores(cores, lambda: subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        self.parts.callback(processes.stop_process, process, command[0])
        return process

    def remove(self):
        self.parts.close()


class NginxServer(Started):
    name, proves = BASE, ()

    def start(self, scenario, small):
        self.scenario, self.port = scenario, harness.free_port()
        self.nginx = self.start_nginx(harness.Nginx(self.http(small), self.port, workers=scenario.workers, main=self.main(),
                                                    connections=most_connections(scenario)), server_cores(scenario))
        self.address = self.nginx.address

    def main(self):
        return ""

    def before_server(self, _small):
        return ""

    def location(self, _small):
        return "return 204;"

    def http(self, small):
        return f"""
            {self.before_server(small)}
            access_log off;
            keepalive_requests 1000000000;
            open_file_cache max=10;
            open_file_cache_errors on;
            server {{ listen 127.0.0.1:{self.port} backlog=4096; location / {{ {self.location(small)} }} }}"""

    def workers(self):
        """All of them, or None: nginx listens before it starts them."""
        found = harness.children_of(self.nginx.process.pid)
        return found if len(found) == self.scenario.workers else None

    def pids(self):
        return harness.wait_until(self.workers, "nginx to have its workers")


class NginxLimit(NginxServer):
    name, proves = "nginx limit_req", ("rate",)

    def rate(self, small):
        return min(self.scenario.size_of("rate", small), LARGEST_RATE)

    def before_server(self, small):
        return f"limit_req_status 429; limit_req_zone $http_x_forwarded_for zone=z:10m rate={self.rate(small)}r/s;"

    def location(self, small):
        # What comes within one millisecond counts against the burst alone. `return` would be carried out before
        # limit_req; try_files comes behind it, its file cached as absent.
        burst = max(self.rate(small) // 10, 10)
        return f"limit_req zone=z burst={burst} nodelay; try_files /absent =204;"


class OwnProcess(Started):
    """A server that is one process with a file of settings: COMMAND gives its command line."""

    proves = ("rate",)

    def start(self, scenario, small):
        self.scenario, self.directory = scenario, self.new_folder()
        self.port = harness.free_port()
        self.address = ("127.0.0.1", self.port)
        self.process = self.start_process(self.command(small), server_cores(scenario))
        harness.wait_until(self.is_listening, f"{self.name} to listen", 60)

    def command(self, small):
        raise NotImplementedError

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def is_listening(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.name} exited with {self.process.returncode}")
        try:
            return harness.request(self.address).status
        except (OSError, harness.Incomplete):
            return False

    def pids(self):
        return [self.process.pid]


HAPROXY = """
global
    nbthread {workers}
    maxconn {connections}
defaults
    mode http
    timeout client 60s
    timeout connect 1s
    timeout server 60s
frontend bench
    bind 127.0.0.1:{port}
    stick-table type string len 64 size 100k expire 60s store http_req_rate(1s)
    http-request track-sc0 req.hdr(X-Forwarded-For)
    http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt {limit} }}
    {answer}
"""


class HaproxyServer(OwnProcess):
    name = "HAProxy stick table"

    def command(self, small):
        binary = shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin")
        return [binary, "-db", "-f", self.write("haproxy.cfg", self.config(small))]

    def config(self, small, answer="http-request return status 204"):
        return HAPROXY.format(port=self.port, limit=self.scenario.size_of("rate", small), answer=answer,
                              workers=self.scenario.workers, connections=self.scenario.connections + 100)  # of clients, its maxconn


class FairvisorServer(Started):
    name = "fairvisor"
    prefix = None  # $FAIRVISOR_PREFIX

    def start(self, scenario, small):
        self.proves = tuple(scenario.limits)
        self.edge = harness.Edge(scenario.policy(small), workers=scenario.workers, prefix=self.prefix)
        self.parts.callback(remove_folder, self.edge.directory)
        self.parts.callback(self.edge.remove)
        self.edge.write_settings(max_connections=most_connections(scenario), **self.settings())
        for name, text in getattr(scenario, "settings", {}).items():
            path = os.path.join(self.edge.directory, name)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            self.edge.write_settings(**{name: path})
        self.address = self.edge.address
        on_cores(server_cores(scenario), self.edge.start)

    def settings(self):
        return {}

    def pids(self):
        return self.edge.workers()
