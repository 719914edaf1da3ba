# SPDX-License-Identifier: MPL-2.0
"""A limiter whose state is in Redis, as many run one: nginx with Lua asks it for each request, over connections that are
kept, by a script that Redis holds. The nearest it can be is the same machine and a unix socket, and that is what is measured;
the CPU time of both counts.
"""

import hashlib
import os
import shutil
import socket

import bench_lua
import bench_servers
import harness

# A token bucket in one step: what is left, or -1.
SCRIPT = """
local rate, burst, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call("TIME")
local now = time[1] + time[2] / 1000000
local kept = redis.call("HMGET", KEYS[1], "level", "at")
local level = math.min(burst, (tonumber(kept[1]) or burst) + (now - (tonumber(kept[2]) or now)) * rate)
if level < cost then return -1 end
redis.call("HSET", KEYS[1], "level", level - cost, "at", string.format("%.6f", now))
redis.call("EXPIRE", KEYS[1], 86400)
return math.floor(level - cost)
"""

CONTENT = """
local client = redis:new()
client:set_timeouts(1000, 1000, 1000)
if not client:connect("unix:%(path)s") then return ngx.exit(503) end
local left = client:evalsha("%(digest)s", 1, "rate:" .. ngx.var.remote_addr, %(rate)d, %(burst)d, 1)
if not left then return ngx.exit(503) end
client:set_keepalive(60000, 256)
return require("limiter").answer(left, %(rate)d, %(burst)d)
"""


class Redis(bench_servers.Started):
    def start(self, cores):
        self.directory = self.new_folder()
        os.chmod(self.directory, 0o755)  # nginx asks as somebody else
        self.path = os.path.join(self.directory, "redis.sock")
        self.process = self.start_process(
            [shutil.which("redis-server"), "--port", "0", "--unixsocket", self.path, "--unixsocketperm", "777", "--save", "",
             "--appendonly", "no", "--dir", self.directory], cores)
        harness.wait_until(self.has_script, "Redis to take the script")

    def has_script(self):
        script = SCRIPT.encode()
        if self.process.poll() is not None:
            raise RuntimeError(f"redis-server exited with {self.process.returncode}")
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(10)
                client.connect(self.path)
                client.sendall(b"*3\r\n$6\r\nSCRIPT\r\n$4\r\nLOAD\r\n$%d\r\n%s\r\n" % (len(script), script))
                return client.recv(100) == b"$40\r\n%s\r\n" % self.digest().encode()
        except OSError:
            return False

    @staticmethod
    def digest():
        return hashlib.sha1(SCRIPT.encode()).hexdigest()


class NginxRedis(bench_servers.NginxServer):
    name, proves = "nginx with Redis", ("rate",)

    def start(self, scenario, small):
        self.redis = Redis(bench_servers.server_cores(scenario))
        self.parts.callback(self.redis.remove)
        super().start(scenario, small)

    def main(self):
        return bench_lua.main_block()

    def before_server(self, _small):
        return (f'lua_shared_dict limits 1m; {bench_lua.REAL_ADDRESS}\n'
                f'init_by_lua_block {{ redis = require "nginx.redis" {bench_lua.LOAD} }}')

    def location(self, small):
        rate = self.scenario.size_of("rate", small)
        script = CONTENT % {"path": self.redis.path, "digest": self.redis.digest(), "rate": rate, "burst": max(rate, 10)}
        return f"content_by_lua_block {{ {script} }}"

    def pids(self):
        return [*super().pids(), self.redis.process.pid]
