# SPDX-License-Identifier: MPL-2.0
"""The same programs in front of an upstream, over connections that are kept, and the upstream: nginx on the client's core,
so that it is no part of what is measured. For streams it is nginx with Lua, which writes one event after the other.
"""

import bench_envoy
import bench_lua
import bench_servers
import harness

KEPT = 256  # connections to the upstream
PAUSE = 0.01  # seconds between the events of a stream

STREAM = """
ngx.req.read_body()
ngx.header.content_type = "text/event-stream"
local head = 'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1767225600,"model":"gpt-4o-mini","choices":['
local word = head .. '{"index":0,"delta":{"content":" word"},"finish_reason":null}]}\\n'
local last = head .. '],"usage":{"prompt_tokens":9,"completion_tokens":%d,"total_tokens":%d}}\\n\\ndata: [DONE]\\n'
local count = tonumber(ngx.var.http_x_events)
for _ = 1, count - 1 do
    ngx.say(word)
    ngx.flush(true)
    ngx.sleep(PAUSE)
end
ngx.say(last:format(count, count + 9))
"""


class Upstream(bench_servers.Started):
    def start(self, scenario):
        self.port = harness.free_port()
        if scenario.events:
            main = bench_lua.main_block()
            location = "content_by_lua_block { " + STREAM.replace("PAUSE", str(PAUSE)) + " }"
        else:
            main, location = "", "return 204;"
        http = f"""
            access_log off; keepalive_requests 1000000000;
            server {{ listen 127.0.0.1:{self.port}; location / {{ {location} }} }}"""
        self.nginx = self.start_nginx(harness.Nginx(http, self.port, main=main), {bench_servers.CLIENT_CORE})


class WithUpstream:
    """Mixed into a server: an upstream that lives as long as it."""

    def start(self, scenario, small):
        self.upstream = Upstream(scenario)
        self.parts.callback(self.upstream.remove)
        super().start(scenario, small)


class NginxProxy(WithUpstream, bench_servers.NginxServer):
    name = "nginx proxy_pass"

    def before_server(self, _small):
        return (f"upstream behind {{ server 127.0.0.1:{self.upstream.port}; keepalive {KEPT}; "
                "keepalive_requests 1000000000; }")

    def location(self, _small):
        buffering = "proxy_buffering off;" if self.scenario.events else ""
        return f'proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection ""; {buffering}'


class HaproxyProxy(WithUpstream, bench_servers.HaproxyServer):
    name = "HAProxy"

    def config(self, small, answer="default_backend behind"):
        return super().config(small, answer) + (
            "backend behind\n    http-reuse always\n"
            f"    server one 127.0.0.1:{self.upstream.port} pool-max-conn {KEPT}\n")


class EnvoyProxy(WithUpstream, bench_envoy.EnvoyServer):
    name = "Envoy"

    def route(self):
        return "{ match: { prefix: / }, route: { cluster: behind, timeout: 0s } }"

    def clusters(self):
        return bench_envoy.CLUSTER.format(port=self.upstream.port, connections=bench_servers.most_connections(self.scenario))


class FairvisorProxy(WithUpstream, bench_servers.FairvisorServer):
    def settings(self):
        return {"mode": "reverse_proxy", "backend_url": f"http://127.0.0.1:{self.upstream.port}",
                "backend_keepalive": KEPT}
