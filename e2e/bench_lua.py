# SPDX-License-Identifier: MPL-2.0
"""The same policies as an nginx with Debian's Lua module enforces them: limiter.lua."""

import base64
import os

import bench_scenarios
import bench_servers
import harness

MODULES = ["ndk_http_module", "ngx_http_lua_module"]
FOLDER = "/usr/lib/nginx/modules"
LOAD = f'package.loaded.limiter = dofile("{os.path.join(harness.HERE, "limiter.lua")}")'
REAL_ADDRESS = "set_real_ip_from 127.0.0.0/8; real_ip_header X-Forwarded-For; real_ip_recursive on;"


def sizes(scenario, small):
    """The limits, by the names that limiter.lua has for them."""
    if not scenario.name.startswith("llm"):
        return {limit: scenario.size_of(limit, small) for limit in scenario.limits}
    config = scenario.policy(small)["policies"][0]["spec"]["rules"][0]["algorithm_config"]
    return {"minute": config["tokens_per_minute"], "day": config["tokens_per_day"]}


def http_block(scenario, small):
    """What stands in the http block before the server, and what its location does."""
    policy = sizes(scenario, small)
    if "loop" in policy:
        policy["loop"] = min(policy["loop"], bench_scenarios.LOOPS_MOST)
    members = "".join(f"{name} = {size}, " for name, size in policy.items())
    secret = base64.b64encode(bench_scenarios.KEY.secret).decode()
    what = "model" if scenario.name.startswith("llm") else scenario.name
    return (f"""lua_shared_dict limits 16m;
                client_body_buffer_size 256k;
                {REAL_ADDRESS}
                init_by_lua_block {{
                    {LOAD}
                    require("limiter").configure({{{members}secret = ngx.decode_base64("{secret}")}})
                }}""",
            f'content_by_lua_block {{ require("limiter").{what}() }}')


def main_block():
    return "\n".join(f"load_module {FOLDER}/{name}.so;" for name in MODULES)


class NginxLua(bench_servers.NginxServer):
    name = "nginx with Lua"

    def start(self, scenario, small):
        self.proves = tuple(scenario.limits)
        super().start(scenario, small)

    def main(self):
        return main_block()

    def before_server(self, small):
        return http_block(self.scenario, small)[0]

    def location(self, small):
        return http_block(self.scenario, small)[1]
