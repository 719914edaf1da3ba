# SPDX-License-Identifier: MPL-2.0
"""The programs that are measured, each with one process or thread on one core: nginx `return 204`, nginx `limit_req`,
HAProxy with a stick table, nginx with a limiter in Lua, fairvisord. made(scenario, small) starts one whose limit SMALL is
small (None: none is).
"""

import os
import shutil
import subprocess
import tempfile

import bench_lua
import harness

SERVER_CORE, CLIENT_CORE = 0, 1
BASE = "nginx return 204"


def pinned(call):
    """What CALL starts stays on the server's core."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {SERVER_CORE})
    try:
        return call()
    finally:
        os.sched_setaffinity(0, allowed)


class NginxServer:
    name, proves = BASE, ()

    def __init__(self, scenario, small):
        self.scenario, self.port = scenario, harness.free_port()
        self.nginx = harness.Nginx(self.http(small), self.port, main=self.main())
        self.address = self.nginx.address
        pinned(self.nginx.start)

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
            server {{ listen 127.0.0.1:{self.port}; location / {{ {self.location(small)} }} }}"""

    def pids(self):
        return harness.children_of(self.nginx.process.pid)

    def remove(self):
        self.nginx.remove()
        shutil.rmtree(self.nginx.directory, ignore_errors=True)


class NginxLimit(NginxServer):
    name, proves = "nginx limit_req", ("rate",)

    def before_server(self, small):
        rate = min(self.scenario.size_of("rate", small), 900_000)
        return f"limit_req_status 429; limit_req_zone $http_x_forwarded_for zone=z:10m rate={rate}r/s;"

    def location(self, small):
        # What comes within one millisecond counts against the burst alone. `return` would be carried out before
        # limit_req; try_files comes behind it, its file cached as absent.
        burst = max(min(self.scenario.size_of("rate", small), 900_000) // 10, 10)
        return f"limit_req zone=z burst={burst} nodelay; try_files /absent =204;"


class NginxLua(NginxServer):
    name = "nginx with Lua"

    def __init__(self, scenario, small):
        self.proves = tuple(scenario.limits)
        super().__init__(scenario, small)

    def main(self):
        return bench_lua.main_block()

    def before_server(self, small):
        return bench_lua.http_block(self.scenario, small)[0]

    def location(self, small):
        return bench_lua.http_block(self.scenario, small)[1]


HAPROXY = """
global
    nbthread 1
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
    http-request return status 204
"""


class HaproxyServer:
    name, proves = "HAProxy stick table", ("rate",)

    def __init__(self, scenario, small):
        self.scenario, self.directory = scenario, tempfile.mkdtemp(prefix="fairvisor-bench-")
        self.port = harness.free_port()
        self.address = ("127.0.0.1", self.port)
        path = os.path.join(self.directory, "haproxy.cfg")
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.config(small))
        binary = shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin")
        self.process = pinned(lambda: subprocess.Popen([binary, "-db", "-f", path], stdin=subprocess.DEVNULL,
                                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        harness.wait_until(self.is_listening, "HAProxy to listen")

    def config(self, small):
        return HAPROXY.format(port=self.port, limit=self.scenario.size_of("rate", small))

    def is_listening(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"haproxy exited with {self.process.returncode}")
        try:
            return harness.request(self.address).status
        except OSError:
            return False

    def pids(self):
        return [self.process.pid]

    def remove(self):
        self.process.terminate()
        self.process.wait(20)
        shutil.rmtree(self.directory, ignore_errors=True)


class FairvisorServer:
    name = "fairvisor"

    def __init__(self, scenario, small, **settings):
        self.proves = tuple(scenario.limits)
        self.edge = harness.Edge(scenario.policy(small), workers=1)
        self.edge.write_settings(**settings)
        for name, text in getattr(scenario, "settings", {}).items():
            path = os.path.join(self.edge.directory, name)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            self.edge.write_settings(**{name: path})
        self.address = self.edge.address
        pinned(self.edge.start)

    def pids(self):
        return self.edge.workers()

    def remove(self):
        self.edge.remove()
        shutil.rmtree(self.edge.directory, ignore_errors=True)


class Upstream:
    """What the proxies stand in front of: nginx on the client's core, so that it is no part of what is measured."""

    def __init__(self):
        self.port = harness.free_port()
        self.nginx = harness.Nginx(f"""
            access_log off; keepalive_requests 1000000000;
            server {{ listen 127.0.0.1:{self.port}; location / {{ return 204; }} }}""", self.port)
        allowed = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {CLIENT_CORE})
        try:
            self.nginx.start()
        finally:
            os.sched_setaffinity(0, allowed)

    def remove(self):
        self.nginx.remove()
        shutil.rmtree(self.nginx.directory, ignore_errors=True)


class NginxProxy(NginxServer):
    name = "nginx proxy_pass"

    def __init__(self, scenario, small):
        self.upstream = Upstream()
        super().__init__(scenario, small)

    def before_server(self, _small):
        return f"upstream behind {{ server 127.0.0.1:{self.upstream.port}; keepalive 64; keepalive_requests 1000000000; }}"

    def location(self, _small):
        return 'proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection "";'

    def remove(self):
        super().remove()
        self.upstream.remove()


class HaproxyProxy(HaproxyServer):
    name = "HAProxy"

    def __init__(self, scenario, small):
        self.upstream = Upstream()
        super().__init__(scenario, small)

    def config(self, small):
        text = HAPROXY.format(port=self.port, limit=self.scenario.size_of("rate", small))
        return text.replace("http-request return status 204", "default_backend behind") + (
            "backend behind\n    http-reuse always\n"
            f"    server one 127.0.0.1:{self.upstream.port} pool-max-conn 64\n")

    def remove(self):
        super().remove()
        self.upstream.remove()


class FairvisorProxy(FairvisorServer):
    def __init__(self, scenario, small):
        self.upstream = Upstream()
        super().__init__(scenario, small, mode="reverse_proxy", backend_url=f"http://127.0.0.1:{self.upstream.port}")

    def remove(self):
        super().remove()
        self.upstream.remove()


def of_scenario(scenario):
    """Who can enforce the scenario's policy, the base first."""
    if scenario.name == "proxy":
        return [NginxProxy, HaproxyProxy, FairvisorProxy]
    simple = [NginxLimit, HaproxyServer] if scenario.name == "decision" else []
    return [NginxServer, *simple, NginxLua, FairvisorServer]
