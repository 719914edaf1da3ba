# SPDX-License-Identifier: MPL-2.0
"""/metrics, the dashboard and the alerts fit together, and promtool finds nothing to say about any of them."""

import json
import os
import re
import shutil
import subprocess

import harness

FOLDER = os.path.join(harness.SOURCE, "packaging", "monitoring")
PANELS = {"row", "stat", "timeseries"}

# Of the contract, section 7; those of the control plane are told only with one.
CONTRACT = """fairvisor_decisions_total fairvisor_decision_duration_seconds fairvisor_would_reject_total
fairvisor_tokens_consumed_total fairvisor_token_reservation_unused_total fairvisor_token_estimation_ratio
fairvisor_descriptor_missing_total fairvisor_loop_detected_total fairvisor_circuit_state fairvisor_kill_switch_rejects_total
fairvisor_config_info fairvisor_config_last_reload_successful fairvisor_config_last_reload_success_timestamp_seconds
fairvisor_shm_cells fairvisor_shm_cells_used fairvisor_shm_evictions_total fairvisor_shm_repairs_total
fairvisor_worker_restarts_total fairvisor_connections fairvisor_http_requests_total fairvisor_build_info""".split()

EVERYTHING = {"bundle_version": 1, "policies": [{"id": "a \"quoted\\ id", "spec": {
    "selector": {"pathPrefix": "/"},
    "circuit_breaker": {"enabled": True, "spend_rate_threshold_per_minute": 100, "action": "reject"},
    "rules": [harness.token_bucket("r", 1, 2, ("header:x-api-key",)),
              {"name": "t", "limit_keys": ["ip:address"], "algorithm": "token_bucket_llm",
               "algorithm_config": {"tokens_per_minute": 1000}}]}}]}


class MonitoringTest(harness.TestCase):
    def promtool(self, *words, **more):
        binary = shutil.which("promtool")
        self.assertIsNotNone(binary, "promtool is not installed: apt-get install prometheus")
        done = subprocess.run([binary, *words], capture_output=True, text=True, timeout=60, **more)
        self.assertEqual(done.returncode, 0, done)
        return done.stdout + done.stderr

    def page(self):
        edge = self.start_edge(EVERYTHING)
        for _ in range(3):
            edge.decide(uri="/v1/chat", client="10.0.0.1", headers=[("X-Api-Key", "k")])
        return edge.get("/metrics").body.decode()

    def names(self, page):
        found = {}
        for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", page, re.MULTILINE):
            endings = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
            found.update({name + ending: name for ending in endings})
        return found

    def dashboard(self):
        with open(os.path.join(FOLDER, "dashboard.json"), encoding="utf-8") as file:
            return json.load(file)

    def expressions(self):
        board = self.dashboard()
        return ([target["expr"] for panel in board["panels"] for target in panel.get("targets", [])] +
                [item["expr"] for item in board["annotations"]["list"]])

    def test_metrics(self):
        page = self.page()
        self.assertEqual(self.promtool("check", "metrics", input=page), "")
        names = set(self.names(page).values())
        self.assertEqual([name for name in CONTRACT if name not in names], [])
        # Nothing that a client sent is a label.
        self.assertNotIn("10.0.0.1", page)
        self.assertNotIn("/v1/chat", page)

    def test_manual_page_lists_all(self):
        """fairvisord(8) lists each metric of the page, with its type and its labels, and no other."""
        page = self.page()
        found = dict(re.findall(r"^# TYPE (\S+) (\S+)$", page, re.MULTILINE))
        with open(os.path.join(harness.SOURCE, "master", "fairvisord.8"), encoding="utf-8") as file:
            rows = file.read().split("\n.Sh METRICS\n")[1].split("\n.Sh ")[0].split("\n.It Va ")[1:]
        listed = {row.split("\n")[0]: row.split("\n")[2].split(",")[0].rstrip(".").lower() for row in rows}
        self.assertEqual(listed, found)
        for row in rows:
            name = row.split("\n")[0]
            labels = re.findall(r"[a-z]+", "".join(re.findall(r"^\.Va (.*)$", row, re.MULTILINE)))
            samples = re.findall(rf"^{name}(?:_bucket|_sum|_count)?(?:\{{(.*)\}})? \S+$", page, re.MULTILINE)
            self.assertNotEqual(samples, [], name)
            for sample in samples:
                shown = re.findall(r'(?:^|,)([a-z]+)="', sample)
                self.assertEqual([label for label in shown if label != "le"], labels, name)

    def test_alerts(self):
        self.promtool("check", "rules", os.path.join(FOLDER, "alerts.yml"))
        self.promtool("test", "rules", "alerts_test.yml", cwd=FOLDER)
        with open(os.path.join(FOLDER, "alerts.yml"), encoding="utf-8") as file:
            rules = file.read()
        with open(os.path.join(FOLDER, "alerts_test.yml"), encoding="utf-8") as file:
            tests = file.read()
        for alert in re.findall(r"- alert: (\S+)", rules):
            self.assertIn(f'alertname="{alert}"', tests, "every alert is tried")
        names = self.names(self.page())
        for name in re.findall(r"fairvisor_[a-z_]+", rules):
            self.assertIn(name, names)

    def test_dashboard(self):
        names = self.names(self.page())
        for expression in self.expressions():
            for name in re.findall(r"fairvisor_[a-z_]+", expression):
                self.assertIn(name, names, expression)
        # Each expression is one that Prometheus reads: as recording rules.
        directory = self.new_edge(harness.one_rule()).directory
        path = os.path.join(directory, "expressions.yml")
        rules = [{"record": f"x:{number}", "expr": expression.replace("$__rate_interval", "5m")}
                 for number, expression in enumerate(self.expressions())]
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, file)  # JSON is YAML
        self.promtool("check", "rules", path)

    def test_dashboard_is_whole(self):
        board = self.dashboard()
        panels = board["panels"]
        self.assertEqual(len({panel["id"] for panel in panels}), len(panels))
        self.assertTrue({"title", "uid", "schemaVersion", "templating", "time", "panels"} <= set(board))
        variables = {item["name"] for item in board["templating"]["list"]}
        taken = set()
        for panel in panels:
            self.assertIn(panel["type"], PANELS)
            place = panel["gridPos"]
            self.assertLessEqual(place["x"] + place["w"], 24)
            cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                     for y in range(place["y"], place["y"] + place["h"])}
            self.assertFalse(cells & taken, f"{panel['title']} lies over another panel")
            taken |= cells
            if panel["type"] != "row":
                self.assertTrue(panel["targets"], panel["title"])
                self.assertTrue(all(target["refId"] and target["expr"] for target in panel["targets"]))
        for name in re.findall(r"\$\{?([a-z]+)", json.dumps(board)):
            self.assertIn(name, variables | {"all"})
