# SPDX-License-Identifier: MPL-2.0
"""fairvisord: one instance with everything it owns."""

import contextlib
import glob
import json
import os
import re
import signal
import subprocess
import tempfile

import valgrind
from ground import (COVERAGE, IS_ROOT, LOAD, PREFIX, RUN_NAME, START_SECONDS, STOP_SECONDS, VALGRIND, clean_environment,
                    free_port, wait_until)
from processes import children_of, command_name, is_alive, kill, processes_with_arena
from raw_http import Incomplete, request

# Under valgrind, workers of a busy machine may take longer to start than fairvisord waits for them. Then they are asked for again.
TOO_SLOW = re.compile(r"was not ready within \d+ s and is killed(?:\n.*)*?\n.* before it was ready")
STARTS = 5  # at most

SANITIZER_LINES = re.compile(r"ERROR: (Address|Leak|UndefinedBehavior)Sanitizer|runtime error: |fairvisor: bug at ")


class Edge:
    """One instance of fairvisord with everything it owns."""

    number = 0

    def __init__(self, policy, workers=2, settings=None, unix=False, prefix=None, under_valgrind=VALGRIND):
        Edge.number += 1
        self.valgrind = valgrind.Valgrind(LOAD) if under_valgrind else None
        self.name = f"{RUN_NAME}-{Edge.number}"
        self.prefix = prefix or PREFIX
        self.directory = tempfile.mkdtemp(prefix="fairvisor-e2e-")
        os.chmod(self.directory, 0o755)  # workers and nginx run as somebody else
        self.policy_file = os.path.join(self.directory, "policy.json")
        self.config_file = os.path.join(self.directory, "fairvisor.conf")
        self.log_file = os.path.join(self.directory, "log")
        self.pid_file = os.path.join(self.directory, "pid")
        self.port = free_port()
        self.address = ("127.0.0.1", self.port)
        self.unix_path = os.path.join(self.directory, "edge.sock") if unix else None
        listen = f"127.0.0.1:{self.port}" + (f", unix:{self.unix_path}" if unix else "")
        self.settings = {
            "config_file": self.policy_file,
            "listen": listen,
            "worker_processes": workers,
            "shared_dict_size": "16m",
            "instance": self.name,
            "runtime_dir": os.path.join(self.directory, "run"),
            "state_dir": os.path.join(self.directory, "state"),
            "decision_log": "off",
        }
        if unix:
            self.settings["socket_mode"] = "0666"
        if IS_ROOT:
            self.settings.update({"user": "nobody", "group": "nogroup"} if not under_valgrind else {"user": "root", "group": "root"})
        if under_valgrind or COVERAGE:
            self.settings["worker_sandbox"] = "off"  # the one makes code as it goes, the other writes files
        self.settings.update(settings or {})
        for folder in ("run", "state"):
            os.mkdir(os.path.join(self.directory, folder))
        self.process = self.last_signal = None
        self.write_policy(policy)
        self.write_settings()

    # -- files --
    def write_policy(self, policy):
        text = policy if isinstance(policy, (str, bytes)) else json.dumps(policy, indent=2)
        temporary = self.policy_file + ".new"
        with open(temporary, "wb") as file:
            file.write(text.encode() if isinstance(text, str) else text)
        os.replace(temporary, self.policy_file)

    def write_settings(self, **changes):
        self.settings.update(changes)
        with open(self.config_file, "w", encoding="utf-8") as file:
            for name, value in self.settings.items():
                if value is not None:
                    file.write(f"{name} = {value}\n")

    def log(self):
        try:
            with open(self.log_file, encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def wait_log(self, pattern, seconds=START_SECONDS, after=0):
        """Waits for a log line that PATTERN finds, looking behind the first AFTER characters of the log."""
        return wait_until(lambda: re.search(pattern, self.log()[after:]), f"a log line like {pattern!r}", seconds)

    # -- life --
    def command(self, *arguments):
        binary = os.path.join(self.prefix, "sbin", "fairvisord")
        return [binary, "-c", self.config_file, "-p", self.pid_file, *arguments]

    def environment(self):
        return clean_environment(self.valgrind.environment() if self.valgrind else {})

    def run(self, *arguments, timeout=START_SECONDS):
        """Runs fairvisord to its end (-t, -T, -s ..., a start that must fail)."""
        return subprocess.run(self.command(*arguments), env=self.environment(), capture_output=True, text=True,
                              timeout=timeout, stdin=subprocess.DEVNULL)

    def cli(self, *arguments, timeout=START_SECONDS, **more):
        """Runs fairvisor(1); give it -c and this instance's config_file where it should look at the instance."""
        return subprocess.run([os.path.join(self.prefix, "bin", "fairvisor"), *arguments], env=clean_environment(),
                              capture_output=True, text=True, timeout=timeout, **more)

    def spawn(self):
        log = open(self.log_file, "ab")
        command = (self.valgrind.command() if self.valgrind else []) + self.command()
        self.process = subprocess.Popen(command, env=self.environment(), stdin=subprocess.DEVNULL, stdout=log,
                                        stderr=log, start_new_session=True)
        log.close()

    def start(self):
        """Starts in the foreground of the harness and waits until /readyz says 200."""
        for _ in range(STARTS if self.valgrind else 1):
            written = len(self.log())
            self.spawn()
            wait_until(self.is_ready_or_dead, f"fairvisord {self.name} to become ready",
                       valgrind.SECONDS if self.valgrind else START_SECONDS)
            if self.process.poll() is None or not TOO_SLOW.search(self.log()[written:]):
                break
        if self.process.poll() is not None:
            raise RuntimeError(f"fairvisord exited with {self.process.returncode} at start:\n{self.log()}")
        if self.settings.get("log", "stderr") == "stderr" and self.settings.get("log_level", "info") in ("info", "debug", "notice"):
            self.wait_log("fairvisord .* is ready: |fairvisord .* has taken over: ", after=written)
        return self

    def is_ready_or_dead(self):
        """Ready is the whole instance: one worker may answer before the master has written its pidfile."""
        return self.process.poll() is not None or (self.written_pid() == self.process.pid and self.ready().get("ready"))

    def written_pid(self):
        """What the pidfile says; 0 when there is none."""
        try:
            with open(self.pid_file, encoding="ascii") as file:
                return int(file.read())
        except (FileNotFoundError, ValueError):
            return 0

    def ready(self):
        """The /readyz document, {} while nobody listens."""
        try:
            return request(self.address, target="/readyz", timeout=5 if not self.valgrind else valgrind.SECONDS).json()
        except (OSError, Incomplete, ValueError):
            return {}

    @property
    def pid(self):
        return self.process.pid

    def workers(self):
        return [pid for pid in children_of(self.pid) if command_name(pid).startswith("fairvisor-worke")]

    def send_signal(self, number):
        self.process.send_signal(number)

    def reload(self, seconds=START_SECONDS):
        """HUP, and waits until a new generation answers and the master is done with the old one's listeners; where a worker of
        before had no processor for so long that the master did not wait for it, until it is gone, unless a client keeps it."""
        workers = set(self.workers())
        before, written = wait_until(self.ready, "an answer")["generation"], len(self.log())
        self.send_signal(signal.SIGHUP)
        asked = 1

        def has_come():
            nonlocal asked
            if self.valgrind and len(TOO_SLOW.findall(self.log()[written:])) >= asked:
                asked += 1
                self.send_signal(signal.SIGHUP)
            return self.ready().get("generation", before) > before

        wait_until(has_come, "a new generation", seconds)
        if self.settings.get("log", "stderr") == "stderr":
            self.wait_log("reloaded: generation", seconds, written)
        if "still accepts connections" in self.log()[written:]:
            with contextlib.suppress(TimeoutError):
                wait_until(lambda: not workers & set(self.workers()), "workers of before to leave", 10)
        return True

    def reload_wholly(self):
        """Reloads, and waits until nobody of before is left, who might answer on a connection that a gateway has kept."""
        before = set(self.workers())
        self.reload()
        wait_until(lambda: not before & set(self.workers()), "workers of before to leave", STOP_SECONDS)

    def reload_refused(self, seconds=START_SECONDS):
        """HUP, and waits until the master has refused; returns the log lines it wrote about it."""
        before = len(self.log())
        self.send_signal(signal.SIGHUP)
        self.wait_log("the reload was refused.*\n", seconds, before)
        return self.log()[before:]

    def stop(self, number=signal.SIGTERM):
        """Stops the master and returns its exit code."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.last_signal = number
            self.process.send_signal(number)
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise TimeoutError(f"fairvisord {self.name} did not stop within {STOP_SECONDS} s") from None
        return code

    def stop_successor(self):
        """Asks the master that took over from the one we started to end."""
        wait_until(lambda: self.written_pid() not in (0, self.pid), "another master in the pidfile")
        kill(self.written_pid(), signal.SIGTERM)

    def kill_everything(self):
        """SIGKILL to master and workers at once, as a power cut would; also to a worker that was being started meanwhile."""
        every = set()

        def killed():
            pids = processes_with_arena(self.name)
            every.update(pids)
            for pid in pids:
                kill(pid)
            return pids

        pids = killed()
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        # A process that ends lets its memory go first, and its sockets last.
        wait_until(lambda: not killed() and not any(is_alive(pid) for pid in every), "killed processes to be gone")
        return pids

    def remove(self):
        """Stops what still runs and removes every trace. Returns complaints."""
        trouble = []
        try:
            self.stop()
        except TimeoutError as late:
            trouble.append(str(late))
        try:
            wait_until(lambda: not processes_with_arena(self.name), "workers to leave", STOP_SECONDS)
        except TimeoutError:
            left = processes_with_arena(self.name)
            trouble.append(f"processes {left} of {self.name} outlived their master")
            for pid in left:
                kill(pid)
        for path in glob.glob(f"/dev/shm/fairvisor-{self.name}") + glob.glob(f"/dev/shm/fairvisor-{self.name}.*"):
            os.unlink(path)
        if self.valgrind and self.process is not None:
            trouble += self.valgrind.complaints(self.process.pid, self.last_signal == signal.SIGQUIT)
        if SANITIZER_LINES.search(self.log()):
            trouble.append(f"a sanitizer or an assertion spoke in the log of {self.name}")
        return trouble

    # -- questions --
    def get(self, target, headers=(), **more):
        return request(self.address, target=target, headers=headers, **more)

    def decide(self, method="GET", uri="/", client=None, headers=(), **more):
        """Asks /v1/decision the way nginx does."""
        fields = [("X-Original-Method", method), ("X-Original-URI", uri)]
        if client:
            fields.append(("X-Forwarded-For", client))
        fields += list(headers.items()) if isinstance(headers, dict) else list(headers)
        return self.get("/v1/decision", fields, **more)

    def metrics(self):
        """All samples of /metrics: {name{labels}: value}."""
        samples = {}
        for line in self.get("/metrics").body.decode().splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                samples[name] = float(value)
        return samples

    def metric(self, name):
        """Sum of a metric over its labels; an absent one is an error."""
        values = [value for key, value in self.metrics().items() if key.partition("{")[0] == name]
        if not values:
            raise KeyError(f"/metrics has no {name}")
        return sum(values)
