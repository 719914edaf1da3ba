# SPDX-License-Identifier: MPL-2.0
"""Keys that are looked up: country, autonomous system and its type, Tor, bots. In live instances, with databases and
lists written here; what trusted proxies say about the client; files that are missing, damaged or replaced.
"""

import json
import os
import re
import signal

import harness
import mmdb

GERMAN, JAPANESE, HOSTED, EXIT = "192.0.2.1", "2001:db8::1", "198.51.100.1", "203.0.113.1"
STRANGER = "192.0.9.9"

COUNTRIES = {"192.0.2.0/24": {"country": {"iso_code": "DE"}}, "2001:db8::/32": {"country_code": "JP"},
             "127.0.0.0/8": {"country_code": "ZZ"}}
NUMBERS = {"192.0.2.0/24": {"autonomous_system_number": 64496}, "198.51.100.0/24": {"asn": "AS64500"}}
TYPES = "# number type\n64500 hosting\nAS64496\tisp\n"
TOR = "# exits\n203.0.113.0/24\n2001:db8:ffff::1\n"
BOTS = "ai\tGPTBot\ntool\tcurl/\n"


def blocks(*pairs):
    """A bundle that blocks each KEY=VALUE for ever and lets everything else pass."""
    bundle = harness.one_rule(rate=100000, burst=100000, keys=())
    bundle["kill_switches"] = [{"scope_key": key, "scope_value": value} for key, value in pairs]
    return bundle


class Case(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = self.temporary_folder()
        os.chmod(self.folder, 0o700)  # workers read copies, not files
        self.files = {name: os.path.join(self.folder, name)
                      for name in ("geoip_country_db", "geoip_asn_db", "asn_type_map", "tor_exit_list", "bot_list")}
        mmdb.write(self.files["geoip_country_db"], COUNTRIES)
        mmdb.write(self.files["geoip_asn_db"], NUMBERS)
        for name, text in (("asn_type_map", TYPES), ("tor_exit_list", TOR), ("bot_list", BOTS)):
            self.write(name, text)

    def write(self, name, text):
        with open(self.files[name] + ".new", "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        os.replace(self.files[name] + ".new", self.files[name])

    def need_databases(self):
        done = self.new_edge(blocks(("ip:country", "DE"))).run("-t")
        if "built without" in done.stderr:
            self.assertEqual(done.returncode, 65, done)
            self.assertIn("libmaxminddb-dev", done.stderr)
            self.skipTest("the programs were built without libmaxminddb")

    def chosen(self, *names):
        return {name: self.files[name] for name in names}

    def assert_blocked(self, edge, blocked, client, headers=()):
        answer = edge.decide("GET", "/", client, headers)
        self.assertEqual(answer.status, 429 if blocked else 200, (client, headers, answer))
        if blocked:
            self.assertEqual(answer.header("X-Fairvisor-Reason"), "kill_switch_active")


class TestLists(Case):
    """What needs no database."""

    def test_tor(self):
        edge = self.start_edge(blocks(("ip:tor", "true")), settings=self.chosen("tor_exit_list"))
        for client, blocked in ((EXIT, True), ("2001:db8:ffff::1", True), (STRANGER, False), (JAPANESE, False)):
            self.assert_blocked(edge, blocked, client)

    def test_tor_of_everybody_else(self):
        edge = self.start_edge(blocks(("ip:tor", "false")), settings=self.chosen("tor_exit_list"))
        self.assert_blocked(edge, False, EXIT)
        self.assert_blocked(edge, True, STRANGER)

    def test_bots(self):
        edge = self.start_edge(blocks(("ua:bot_category", "ai"), ("ua:bot_category", "empty")),
                               settings=self.chosen("bot_list"))
        for agent, blocked in (("Mozilla/5.0 (compatible; gptBOT/1.2)", True), ("curl/8.0", False), ("Firefox", False)):
            self.assert_blocked(edge, blocked, STRANGER, {"User-Agent": agent})
        self.assert_blocked(edge, True, STRANGER)
        edge.write_policy(harness.with_version(blocks(("ua:bot", "true")), 2))
        edge.reload()
        for agent, blocked in (("x GPTBot", True), ("curl/8.0", True), ("Firefox", False)):
            self.assert_blocked(edge, blocked, STRANGER, {"User-Agent": agent})

    def test_packaged_bots(self):
        """Without bot_list, the list that is installed."""
        edge = self.start_edge(blocks(("ua:bot_category", "ai"), ("ua:bot_category", "search")))
        for agent, blocked in (("Mozilla/5.0 (compatible; ClaudeBot/1.0)", True), ("Googlebot/2.1", True),
                               ("Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0", False)):
            self.assert_blocked(edge, blocked, STRANGER, {"User-Agent": agent})

    def test_buckets_by_key(self):
        """As limit_keys: exits share one bucket, the others another."""
        edge = self.start_edge(harness.one_rule(rate=0.001, burst=2, keys=["ip:tor"]),
                               settings=self.chosen("tor_exit_list"), workers=1)
        statuses = [edge.decide("GET", "/", client).status
                    for client in (EXIT, "203.0.113.2", EXIT, STRANGER, "192.0.9.8", STRANGER)]
        self.assertEqual(statuses, [200, 200, 429, 200, 200, 429])

    def test_a_hundred_thousand_networks(self):
        self.write("tor_exit_list", "".join(f"10.{i >> 8 & 255}.{i & 255}.{i >> 16 << 4}/29\n" for i in range(100_000)))
        edge = self.start_edge(blocks(("ip:tor", "true")), settings=self.chosen("tor_exit_list"))
        for client, blocked in (("10.0.0.1", True), ("10.0.0.8", False), ("10.134.159.22", True), ("10.134.160.22", False)):
            self.assert_blocked(edge, blocked, client)


class TestDatabases(Case):
    def setUp(self):
        super().setUp()
        self.need_databases()

    def start(self, *pairs):
        return self.start_edge(blocks(*pairs), settings=self.files)

    def test_country(self):
        edge = self.start(("ip:country", "de"), ("ip:country", "JP"))
        for client, blocked in ((GERMAN, True), (JAPANESE, True), (STRANGER, False), (HOSTED, False)):
            self.assert_blocked(edge, blocked, client)

    def test_asn(self):
        edge = self.start(("ip:asn", "AS64496"), ("ip:asn", "64500"))
        for client, blocked in ((GERMAN, True), (HOSTED, True), (JAPANESE, False), (STRANGER, False)):
            self.assert_blocked(edge, blocked, client)

    def test_type(self):
        edge = self.start(("ip:type", "hosting"))
        for client, blocked in ((GERMAN, False), (HOSTED, True), (STRANGER, False)):
            self.assert_blocked(edge, blocked, client)

    def test_trusted_proxy_knows_better(self):
        edge = self.start(("ip:country", "FR"), ("ip:asn", "64511"), ("ip:type", "isp"), ("ip:tor", "true"))
        for name, value, blocked in (("X-Country-Code", "fr", True), ("X-Country-Code", "DE", False),
                                     ("X-ASN", "AS64511", True), ("X-ASN", "64496", True),  # an isp
                                     ("X-ASN-Type", "isp", True), ("X-ASN-Type", "hosting", False),
                                     ("X-Tor-Exit", "1", True), ("X-Tor-Exit", "false", False)):
            self.assert_blocked(edge, blocked, STRANGER, {name: value})
        self.assertEqual(edge.metric("fairvisor_client_overrides_ignored_total"), 0)

    def test_useless_fields_are_ignored_and_counted(self):
        edge = self.start(("ip:country", "DE"), ("ip:tor", "true"))
        self.assert_blocked(edge, True, GERMAN, {"X-Country-Code": "FRA"})
        self.assert_blocked(edge, True, GERMAN, [("X-Country-Code", "FR"), ("X-Country-Code", "FR")])
        self.assert_blocked(edge, True, EXIT, {"X-Tor-Exit": "maybe"})
        metrics = edge.metrics()
        self.assertEqual(metrics['fairvisor_client_overrides_ignored_total{cause="invalid"}'], 2)
        self.assertEqual(metrics['fairvisor_client_overrides_ignored_total{cause="repeated"}'], 1)

    def test_strangers_are_not_believed(self):
        settings = dict(self.files, trusted_proxies="none")
        edge = self.start_edge(blocks(("ip:country", "FR"), ("ip:country", "ZZ")), settings=settings)
        self.assert_blocked(edge, True, None, {"X-Country-Code": "DE"})  # 127.0.0.1 stays what it is
        edge.write_policy(harness.with_version(blocks(("ip:country", "FR")), 2))
        edge.reload()
        self.assert_blocked(edge, False, None, {"X-Country-Code": "FR"})
        self.assertEqual(edge.metric("fairvisor_client_overrides_ignored_total"), 0)

    def test_reload_takes_the_new_files(self):
        edge = self.start(("ip:country", "PL"))
        self.assert_blocked(edge, False, GERMAN)
        mmdb.write(self.files["geoip_country_db"], {"192.0.2.0/24": {"country_code": "PL"}})
        self.assert_blocked(edge, False, GERMAN)  # only when told
        edge.reload()
        self.assert_blocked(edge, True, GERMAN)

    def test_a_file_cut_under_our_feet(self):
        """Workers have copies of their own: neither a truncated file nor a worker that comes later notices."""
        edge = self.start(("ip:country", "DE"))
        os.truncate(self.files["geoip_country_db"], 0)
        for pid in edge.workers():
            harness.kill(pid, signal.SIGKILL)
            harness.wait_until(lambda: pid not in edge.workers(), "the worker to be gone")
            harness.wait_until(lambda: len(edge.workers()) == 2, "the next worker")
        self.assert_blocked(edge, True, GERMAN)
        self.assert_blocked(edge, False, STRANGER)

    def bad_files(self):
        with open(self.files["geoip_country_db"], "rb") as file:
            good = file.read()
        return (("geoip_country_db", b"<html>", "the database .*geoip_country_db cannot be used"),
                ("geoip_country_db", good[:200], "the database .*geoip_country_db cannot be used"),
                ("geoip_country_db", b"\xff\xff\xff" + good[3:], "the database .*geoip_country_db is damaged"),
                ("geoip_asn_db", good, "the database .*geoip_asn_db knows no autonomous system"),
                ("asn_type_map", b"1 isp\nisp 2\n", "asn_type_map:2: \"isp\" is not the number"),
                ("tor_exit_list", b"192.0.2.300\n", "tor_exit_list:1: \"192.0.2.300\" is neither"),
                ("tor_exit_list", b"", "the list .*tor_exit_list holds no address"),
                ("bot_list", b"ai GPTBot\n", "bot_list:1: \"ai GPTBot\" has no tab"),
                ("bot_list", None, r"the file .*bot_list \(setting bot_list\) could not be opened"))

    def test_bad_files_change_nothing(self):
        """All or nothing: the reload is refused with a sentence, and -t and a start say the same."""
        edge = self.start(("ip:country", "DE"))
        other = self.new_edge(blocks(("ip:country", "DE")), settings=self.files)
        generation, workers = edge.ready()["generation"], edge.workers()
        for name, content, sentence in self.bad_files():
            with self.subTest(f"{name} {content!r:.40}"):
                with open(self.files[name], "rb") as file:
                    before = file.read()
                if content is None:
                    os.unlink(self.files[name])
                else:
                    self.write(name, content)
                self.assertRegex(edge.reload_refused(), sentence)
                self.assert_blocked(edge, True, GERMAN)
                for arguments in (("-t",), ()):
                    done = other.run(*arguments)
                    self.assertEqual(done.returncode, 66 if content is None else 78, done)
                    self.assertRegex(done.stderr, sentence)
                self.write(name, before)
        self.assertEqual((edge.ready()["generation"], edge.workers()), (generation, workers))
        edge.reload()
        self.assert_blocked(edge, True, GERMAN)

    def test_missing_settings_are_named(self):
        for key, value, wanted in (("ip:country", "DE", ["geoip_country_db"]), ("ip:asn", "1", ["geoip_asn_db"]),
                                   ("ip:type", "isp", ["geoip_asn_db", "asn_type_map"]),
                                   ("ip:tor", "true", ["tor_exit_list"])):
            with self.subTest(key):
                edge = self.new_edge(blocks((key, value)))
                for arguments in (("-t",), ()):
                    done = edge.run(*arguments)
                    self.assertEqual(done.returncode, 78, done)
                    self.assertIn("cannot be enforced", done.stderr)
                    for name in wanted:
                        self.assertRegex(done.stderr, rf"{re.escape(key)}.* needs? the setting {name}")
                done = edge.cli("validate", "--format", "json", edge.policy_file)
                self.assertEqual(done.returncode, 0, done)
                self.assertEqual([one["code"] for one in json.loads(done.stdout)["complaints"]], ["needs_setting"])
                edge.write_settings(**self.files)
                self.assertEqual(edge.run("-t").returncode, 0)
                self.assertEqual(edge.cli("validate", "--strict", "-c", edge.config_file, edge.policy_file).returncode, 0)

    def test_reload_refuses_what_it_cannot_look_up(self):
        edge = self.start_edge(harness.one_rule())
        edge.write_policy(blocks(("ip:country", "DE")))
        self.assertRegex(edge.reload_refused(), "ip:country needs the setting geoip_country_db")
        edge.write_settings(**self.files)
        edge.reload()
        self.assert_blocked(edge, True, GERMAN)

    def test_explain(self):
        edge = self.start(("ip:country", "DE"))
        done = edge.cli("explain", "-c", edge.config_file, "GET", "/", "--client", GERMAN)
        self.assertEqual(done.returncode, 0, done)
        self.assertIn("kill_switch_active", done.stdout)
        done = edge.cli("explain", "-c", edge.config_file, "GET", "/", "--client", STRANGER)
        self.assertNotIn("kill_switch_active", done.stdout)
