# SPDX-License-Identifier: MPL-2.0
"""What Traefik, Kong and APISIX send to fairvisord with the files of packaging/gateways/, as their sources build it, sent by hand:
these gateways are not at hand. Checks the verdict, that a client's own fields among them change nothing, and that the files
agree with the requests.
"""

import os
import re

import gateways
import harness

BURST = 3

# TARGET, the fields the gateway itself makes for POST /v1/chat?x=1 of 10.0.0.1, and a client's fields that it passes on.
SHAPES = {
    "traefik": ("/v1/forward-auth", [
        ("Host", "127.0.0.1:8080"), ("User-Agent", "client/1"), ("Accept", "*/*"), ("Content-Type", "application/json"),
        ("X-Forwarded-For", "10.0.0.1"), ("X-Forwarded-Host", "api.example"), ("X-Forwarded-Method", "POST"),
        ("X-Forwarded-Port", "80"), ("X-Forwarded-Proto", "http"), ("X-Forwarded-Server", "gateway"),
        ("X-Forwarded-Uri", "/v1/chat?x=1"), ("X-Real-Ip", "10.0.0.1"), ("Accept-Encoding", "gzip")],
        [("X-Original-Uri", "/free"), ("X-Original-Method", "PUT"), ("X-Original-Host", "other"),
         ("Forwarded", "for=203.0.113.9"), ("X-Fairvisor-Status", "200")]),
    "kong": ("/v1/decision", [
        ("Host", "127.0.0.1:8080"), ("User-Agent", "client/1"), ("accept", "*/*"), ("content-type", "application/json"),
        ("X-Original-Method", "POST"), ("X-Original-URI", "/v1/chat?x=1"), ("X-Original-Host", "api.example"),
        ("X-Forwarded-For", "10.0.0.1")],
        [("forwarded", "for=203.0.113.9"), ("x-forwarded-prefix", "/free"), ("x-real-ip", "203.0.113.9")]),
    "apisix": ("/v1/forward-auth", [
        ("Host", "127.0.0.1:8080"), ("User-Agent", "lua-resty-http/0.17 (Lua) ngx_lua/10026"),
        ("X-Forwarded-Proto", "http"), ("X-Forwarded-Method", "POST"), ("X-Forwarded-Host", "api.example"),
        ("X-Forwarded-Uri", "/v1/chat?x=1"), ("X-Forwarded-For", "10.0.0.1")],
        [("Authorization", "Bearer sk-none"), ("X-Api-Key", "mine"), ("X-Token-Estimate", "1")]),
}
FILES = {"traefik": "traefik/fairvisor.yaml", "kong": "kong/kong.yml", "apisix": "apisix/apisix.yaml"}
ORIGIN = ("x-country-code", "x-asn", "x-asn-type", "x-tor-exit", "x-fairvisor-reject-status")


class TestShapes(harness.TestCase):
    def test_verdicts(self):
        for name, (target, fields, passed_on) in SHAPES.items():
            with self.subTest(gateway=name):
                bundle = harness.one_rule(0.001, BURST, prefix="/v1/chat")
                bundle["policies"][0]["spec"]["selector"].update(methods=["POST"], hosts=["api.example"])
                edge = self.start_edge(bundle, workers=1)
                for _ in range(BURST):
                    answer = edge.get(target, fields)
                    self.assertEqual((answer.status, answer.header("X-Fairvisor-Status")), (200, "200"), answer)
                for more in ([], passed_on, *([field] for field in passed_on)):
                    answer = edge.get(target, more + fields)
                    self.assertEqual(answer.status, 429, (more, answer))
                    self.assertEqual(answer.header("X-Fairvisor-Reason"), "rate_limit_exceeded")
                    self.assertEqual(answer.header("Content-Type"), "application/problem+json")
                other = [(field, value.replace("10.0.0.1", "10.0.0.2")) for field, value in fields]
                self.assertEqual(edge.get(target, other).status, 200)

    def test_files_ask_the_endpoint_of_the_shape(self):
        for name, (target, _, _) in SHAPES.items():
            self.assertRegex(gateways.shipped(FILES[name]), rf"http://127\.0\.0\.1:8080{target}\b")

    def test_files_keep_clients_from_telling_where_they_are_from(self):
        """Traefik and Kong take these fields away by name; APISIX sends only what request_headers lists."""
        for name in ("traefik", "kong"):
            text = gateways.shipped(FILES[name]).lower()
            for field in ORIGIN:
                self.assertRegex(text, rf'"{field}"|\b{field}: ""', name)
        listed = re.search(r"^ *request_headers: \[(.*)\]$", gateways.shipped(FILES["apisix"]), re.MULTILINE).group(1)
        self.assertFalse(set(ORIGIN) & {field.strip().lower() for field in listed.split(",")})

    def test_apisix_names_every_field_of_a_refusal(self):
        listed = re.search(r"client_headers: \[(.*?)\]", gateways.shipped(FILES["apisix"]), re.DOTALL).group(1)
        listed = {field.strip().lower() for field in listed.split(",")}
        edge = self.start_edge(harness.one_rule(0.001, 1), workers=1)
        edge.decide()
        answer = edge.decide()
        self.assertEqual(answer.status, 429)
        own = {"content-length", "connection", "date", "x-fairvisor-status", "cache-control", "server"}
        self.assertFalse({field.lower() for field, _ in answer.fields} - own - listed)

    def test_policy_for_litellm_is_valid(self):
        edge = self.new_edge(gateways.shipped("litellm/policy.json"))
        result = edge.cli("validate", "--strict", edge.policy_file)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_every_gateway_has_a_readme_entry(self):
        readme = gateways.shipped("README.md")
        for entry in os.listdir(gateways.SHIPPED):
            if os.path.isdir(os.path.join(gateways.SHIPPED, entry)):
                self.assertIn(f"`{entry}/", readme)
