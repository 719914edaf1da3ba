# SPDX-License-Identifier: MPL-2.0
"""What every end-to-end test stands on: real fairvisord instances, a real nginx, raw HTTP, the load client.

Takes installed programs from the prefix in $FAIRVISOR_PREFIX and builds nothing. Each instance has a name, folders and
ports of its own, so that tests never meet each other or a service on the same machine. Whatever a test starts is
stopped when the test ends, passed or failed; processes and /dev/shm/fairvisor-* that outlive it are an error. Prints
the logs of a failed test. Never stands in for a real program with an imitation.

    class TestSomething(harness.TestCase):
        def test_it(self):
            edge = self.start_edge(harness.one_rule(rate=5, burst=10), workers=2)
            answer = edge.decide("GET", "/api", client="10.0.0.1")
            self.assertEqual(answer.status, 200)
"""

import contextlib
import copy
import glob
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import valgrind

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(HERE)
PREFIX = os.environ.get("FAIRVISOR_PREFIX", "")
LOAD = os.environ.get("FAIRVISOR_LOAD", os.path.join(PREFIX, "fairvisor-load"))
FULL = os.environ.get("E2E_FULL") == "1"
ASAN = os.environ.get("E2E_ASAN") == "1"
VALGRIND = os.environ.get("E2E_VALGRIND") == "1"  # every instance runs under it
COVERAGE = os.environ.get("E2E_COVERAGE") == "1"
IS_ROOT = os.geteuid() == 0
RUN_NAME = f"e2e-{os.getpid()}"
START_SECONDS = 30 if not VALGRIND else valgrind.SECONDS
STOP_SECONDS = 40 if not VALGRIND else valgrind.SECONDS  # the graceful cap of fairvisord is 35 s

SANITIZER_LINES = re.compile(r"ERROR: (Address|Leak|UndefinedBehavior)Sanitizer|runtime error: |fairvisor: bug at ")


def full_or_short(full, short):
    """The issue's figure with --full, a smaller one otherwise."""
    return full if FULL else short


def program(name):
    for folder in ("sbin", "bin", "libexec/fairvisor"):
        path = os.path.join(PREFIX, folder, name)
        if os.access(path, os.X_OK):
            return path
    raise FileNotFoundError(f"{name} is not under {PREFIX!r}; run make install and set FAIRVISOR_PREFIX")


def clean_environment(extra=None):
    """The caller's environment without FAIRVISOR_* (fairvisord would read them as settings)."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FAIRVISOR_")}
    environment.update(extra or {})
    return environment


def wait_until(condition, what, seconds=START_SECONDS):
    """Asks CONDITION until it gives something true, and returns that. A bounded wait for an event, not a delay."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s for: {what}")
        time.sleep(0.01)


LOWEST_PORT = 10000
PORTS_GIVEN = set()


def is_listening(process, address):
    """Also when PROCESS ended: there is nothing to wait for then."""
    if process.poll() is not None:
        return True
    try:
        socket.create_connection(address, 1).close()
        return True
    except OSError:
        return False


def first_own_port():
    """Connections that go out get ports from here on, as they please."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        return int(file.read().split()[0])


def free_port(family=socket.AF_INET):
    """One that nobody listens on, nor gets by connecting somewhere until it is used."""
    host = "127.0.0.1" if family == socket.AF_INET else "::1"
    end = first_own_port()
    while True:
        port = random.randrange(min(LOWEST_PORT, end // 2), end)
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue
        if port not in PORTS_GIVEN:
            PORTS_GIVEN.add(port)
            return port


# ---- policies --------------------------------------------------------------------------------------------------------

def one_rule(rate=5, burst=10, keys=("ip:address",), prefix="/", policy="demo-rate-limit", rule="global-rps",
             version=1):
    """The smallest bundle: one policy, one token bucket."""
    return {
        "bundle_version": version,
        "issued_at": "2026-01-01T00:00:00Z",
        "policies": [{
            "id": policy,
            "spec": {
                "selector": {"pathPrefix": prefix},
                "mode": "enforce",
                "rules": [token_bucket(rule, rate, burst, keys)],
            },
        }],
        "kill_switches": [],
    }


def held_budget(delay_ms, budget, prefix, policy, keys=("ip:address",)):
    """A policy that holds each answer back, and whose RateLimit-Remaining tells what has been charged."""
    stages = [{"threshold_percent": 0, "action": "throttle", "delay_ms": delay_ms}, {"threshold_percent": 100, "action": "reject"}]
    config = {"budget": budget, "period": "month", "cost_key": "fixed", "fixed_cost": 1, "staged_actions": stages}
    rule = {"name": "held", "limit_keys": list(keys), "algorithm": "cost_based", "algorithm_config": config}
    return {"id": policy, "spec": {"selector": {"pathPrefix": prefix}, "mode": "enforce", "rules": [rule]}}


def token_bucket(name, rate, burst, keys=("ip:address",), **more):
    return {
        "name": name,
        "limit_keys": list(keys),
        "algorithm": "token_bucket",
        "algorithm_config": {"tokens_per_second": rate, "burst": burst},
        **more,
    }


def with_version(bundle, version):
    changed = copy.deepcopy(bundle)
    changed["bundle_version"] = version
    return changed


# ---- HTTP, as raw as it gets -----------------------------------------------------------------------------------------

class Answer:
    def __init__(self, status, fields, body, raw, version="HTTP/1.1"):
        self.status, self.fields, self.body, self.raw, self.version = status, fields, body, raw, version

    def header(self, name, default=None):
        for field, value in self.fields:
            if field.lower() == name.lower():
                return value
        return default

    def headers(self, name):
        return [value for field, value in self.fields if field.lower() == name.lower()]

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.fields} {self.body[:200]!r}>"


class Incomplete(Exception):
    """The peer closed, or fell silent, before a whole answer was there."""

    def __init__(self, reason, got):
        super().__init__(f"{reason}; got {got!r}")
        self.got = got


class Connection:
    """One client connection: bytes out, answers in. ADDRESS is (host, port) or the path of a unix socket; SOURCE the local
    address to call from; RECEIVE_ROOM how many bytes the kernel may keep for us."""

    def __init__(self, address, timeout=10, source=None, receive_room=None):
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        else:
            self.socket = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        if receive_room:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_room)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect(address)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def more(self):
        try:
            data = self.socket.recv(65536)
        except socket.timeout:
            raise Incomplete("timeout", self.buffer) from None
        except ConnectionResetError:
            raise Incomplete("reset", self.buffer) from None
        self.buffer += data
        return bool(data)

    def need(self, is_there):
        while not is_there():
            if not self.more():
                raise Incomplete("closed", self.buffer)

    def take(self, size):
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def line(self):
        self.need(lambda: b"\r\n" in self.buffer)
        return self.take(self.buffer.index(b"\r\n") + 2)[:-2]

    def exactly(self, size):
        parts = [self.take(size)]  # appending megabytes to the buffer, read by read, would take for ever
        left = size - len(parts[0])
        while left > 0:
            self.need(lambda: self.buffer)
            parts.append(self.take(left))
            left -= len(parts[-1])
        return b"".join(parts)

    def chunks(self):
        parts = []
        while True:
            size = int(self.line().split(b";")[0], 16)
            if size == 0:
                while self.line():
                    pass
                return b"".join(parts)
            parts.append(self.exactly(size))
            self.exactly(2)

    def rest(self):
        while self.more():
            pass
        return self.take(len(self.buffer))

    def answer(self, method="GET"):
        """Reads one whole answer by its framing."""
        self.need(lambda: b"\r\n\r\n" in self.buffer)
        head = self.take(self.buffer.index(b"\r\n\r\n") + 4)
        lines = head[:-4].decode("latin-1").split("\r\n")
        version, status = lines[0].split(" ")[:2]
        fields = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:]]
        answer = Answer(int(status), fields, b"", head, version)
        length = answer.header("content-length")
        if method == "HEAD" or answer.status in (204, 304) or answer.status < 200:
            pass
        elif (answer.header("transfer-encoding") or "").lower() == "chunked":
            answer.body = self.chunks()
        elif length is not None:
            answer.body = self.exactly(int(length))
        else:
            answer.body = self.rest()
        return answer

    def is_closed(self):
        """Whether the peer closes without sending another byte."""
        try:
            return not self.buffer and not self.more()
        except Incomplete as trouble:
            return str(trouble).startswith("reset") and not trouble.got


def format_request(method="GET", target="/", headers=(), body=b"", host="localhost", version="HTTP/1.1"):
    fields = list(headers.items()) if isinstance(headers, dict) else list(headers)
    names = {name.lower() for name, _ in fields}
    if "host" not in names and host is not None:
        fields.insert(0, ("Host", host))
    if (body or method in ("POST", "PUT", "PATCH")) and not names & {"content-length", "transfer-encoding"}:
        fields.append(("Content-Length", str(len(body))))
    head = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return f"{method} {target} {version}\r\n{head}\r\n".encode("latin-1") + body


def request(address, method="GET", target="/", headers=(), body=b"", timeout=10, **more):
    """One request on a connection of its own."""
    with Connection(address, timeout) as connection:
        connection.send(format_request(method, target, headers, body, **more))
        return connection.answer(method)


# ---- processes -------------------------------------------------------------------------------------------------------

def process_state(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
            return file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def is_alive(pid):
    state = process_state(pid)
    return state is not None and state[0] not in "ZX"


def children_of(pid):
    found = []
    for entry in os.listdir("/proc"):
        state = process_state(entry) if entry.isdigit() else None
        if state and state[0] not in "ZX" and int(state[1]) == pid:
            found.append(int(entry))
    return sorted(found)


def command_name(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="latin-1") as file:
            return file.read().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def processes_with_arena(name):
    """Processes that have the arena of instance NAME mapped: master and workers, of any generation."""
    pattern = re.compile(rf"/dev/shm/fairvisor-{re.escape(name)}(\.refused)?( \(deleted\))?$", re.MULTILINE)
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/maps", encoding="latin-1") as file:
                if pattern.search(file.read()):
                    found.append(int(entry))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return sorted(found)


def kill(pid, number=signal.SIGKILL):
    try:
        os.kill(pid, number)
        return True
    except ProcessLookupError:
        return False


def cpu_seconds(pids):
    """User + system time of processes, from /proc/PID/stat."""
    ticks = 0
    for pid in pids:
        state = process_state(pid)
        if state:
            ticks += int(state[11]) + int(state[12])
    return ticks / os.sysconf("SC_CLK_TCK")


# ---- fairvisord ------------------------------------------------------------------------------------------------------

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
        written = len(self.log())
        self.spawn()
        wait_until(self.is_ready_or_dead, f"fairvisord {self.name} to become ready",
                   valgrind.SECONDS if self.valgrind else START_SECONDS)
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
        """HUP, and waits until a new generation answers and the master is done with the old one's listeners."""
        before, written = self.ready()["generation"], len(self.log())
        self.send_signal(signal.SIGHUP)
        wait_until(lambda: self.ready().get("generation", before) > before, "a new generation", seconds)
        if self.settings.get("log", "stderr") == "stderr":
            self.wait_log("reloaded: generation", seconds, written)
        return True

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

    def kill_everything(self):
        """SIGKILL to master and workers at once, as a power cut would."""
        pids = processes_with_arena(self.name)
        for pid in pids:
            kill(pid)
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        wait_until(lambda: not processes_with_arena(self.name), "killed processes to be gone")
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


# ---- nginx -----------------------------------------------------------------------------------------------------------

NGINX_MAIN = """
{main}
daemon off;
worker_processes {workers};
{user}
pid {directory}/nginx.pid;
error_log {directory}/error.log info;
events {{ worker_connections {connections}; }}
http {{
    access_log {directory}/access.log;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    default_type text/plain;
{http}
}}
"""


def texts_in(directory, *names):
    """What stands in those of the files NAMES that are there."""
    text = ""
    for name in names:
        path = os.path.join(directory, name)
        if os.path.exists(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                text += file.read()
    return text


def stop_process(process, name, seconds=20):
    """Asks PROCESS, which may be None or over, to end; kills it when it has not within SECONDS. Returns the complaints."""
    if process and process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return [f"{name} did not stop within {seconds} s"]
    return []


class Nginx:
    """A real nginx with a prefix of its own; HTTP is the text of its http block, MAIN stands before everything."""

    def __init__(self, http, port, workers=1, main="", connections=1024):
        self.directory = tempfile.mkdtemp(prefix="fairvisor-e2e-nginx-")
        os.chmod(self.directory, 0o755)
        self.port, self.address, self.process = port, ("127.0.0.1", port), None
        text = NGINX_MAIN.format(main=main, directory=self.directory, workers=workers, http=http, connections=connections,
                                 user="user nobody nogroup;" if IS_ROOT else "")
        self.config_file = os.path.join(self.directory, "nginx.conf")
        with open(self.config_file, "w", encoding="utf-8") as file:
            file.write(text)

    @staticmethod
    def binary():
        return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/sbin")

    def start(self):
        binary = self.binary()
        if not binary:
            raise FileNotFoundError("nginx is not installed: apt-get install nginx-light")
        self.process = subprocess.Popen([binary, "-p", self.directory, "-c", self.config_file],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=open(os.path.join(self.directory, "stderr"), "wb"))
        wait_until(lambda: is_listening(self.process, self.address), "nginx to listen")
        if self.process.poll() is not None:
            raise RuntimeError(f"nginx exited with {self.process.returncode}:\n{self.log()}")
        return self

    def pids(self):
        return [self.process.pid, *children_of(self.process.pid)]

    def log(self):
        return texts_in(self.directory, "stderr", "error.log")

    def get(self, target="/", headers=(), method="GET", body=b"", **more):
        return request(self.address, method, target, headers, body, **more)

    def remove(self):
        return stop_process(self.process, "nginx")


# ---- the load client -------------------------------------------------------------------------------------------------

class Load:
    """fairvisor-load in the background; result() waits for its end and gives its JSON."""

    def __init__(self, target, *arguments):
        if isinstance(target, tuple):
            target = f"{target[0]}:{target[1]}"
        command = [LOAD, "--target", target, *[str(argument) for argument in arguments]]
        self.process = subprocess.Popen(command, env=clean_environment(), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def is_running(self):
        return self.process.poll() is None

    def result(self, timeout=600):
        try:
            out, err = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, err = self.process.communicate()
            raise TimeoutError(f"fairvisor-load did not end within {timeout} s: {err}") from None
        if self.process.returncode not in (0, 1):
            raise RuntimeError(f"fairvisor-load exited with {self.process.returncode}: {err}")
        return json.loads(out)

    def finish(self):
        """Asks a load that runs for a duration to end now, and gives its result."""
        self.process.send_signal(signal.SIGINT)
        return self.result()

    def remove(self):
        if self.is_running():
            self.process.kill()
            self.process.communicate()
        return []


def statuses(result):
    return {int(status): count for status, count in result["statuses"].items()}


# ---- the test case ---------------------------------------------------------------------------------------------------

class TestCase(unittest.TestCase):
    """Owns what a test starts; shows the logs when it fails."""

    maxDiff = None

    def setUp(self):
        self.owned, self.shown = [], []
        self.addCleanup(self.clean)

    def own(self, thing):
        self.owned.append(thing)
        return thing

    def new_edge(self, policy, **more):
        """An instance that is not started yet."""
        return self.own(Edge(policy, **more))

    def start_edge(self, policy, **more):
        return self.new_edge(policy, **more).start()

    def start_nginx(self, http, port, **more):
        return self.own(Nginx(http, port, **more)).start()

    def load(self, target, *arguments):
        return self.own(Load(target, *arguments))

    @contextlib.contextmanager
    def everybody_allowed(self, edge):
        """Four clients ask EDGE, one request after the other, until the block ends: nobody may be refused, or not be answered."""
        trouble, answers, done = [], [], threading.Event()

        def client():
            while not done.is_set():
                try:
                    answers.append(edge.decide(client="10.0.0.1").status)
                except (OSError, Incomplete) as error:
                    trouble.append(repr(error))

        threads = [threading.Thread(target=client) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            done.set()
            for thread in threads:
                thread.join()
        self.assertEqual(trouble, [])
        self.assertEqual(set(answers), {200})

    def temporary_folder(self):
        folder = tempfile.mkdtemp(prefix="fairvisor-e2e-")
        os.chmod(folder, 0o755)
        self.addCleanup(shutil.rmtree, folder, True)
        return folder

    def has_failed(self):
        outcome = self._outcome
        errors = getattr(outcome, "errors", None)
        if errors is None:
            errors = outcome.result.failures + outcome.result.errors
            return any(test is self or getattr(test, "test_case", None) is self for test, _ in errors)
        return any(error for _, error in errors)

    def clean(self):
        trouble, failed = [], self.has_failed()
        for thing in reversed(self.owned):
            trouble += thing.remove()
        for thing in self.owned:
            if hasattr(thing, "log") and (failed or trouble):
                lines = thing.log().splitlines()
                name = getattr(thing, "name", "nginx")
                print(f"---- last lines of the log of {name} ({len(lines)} in all)", file=sys.stderr)
                print("\n".join(lines[-60:]), file=sys.stderr, flush=True)
            if hasattr(thing, "directory"):
                shutil.rmtree(thing.directory, ignore_errors=True)
        if trouble:
            self.fail("; ".join(trouble))


class Backend(threading.Thread):
    """An application behind a gateway: answers with what it received, as JSON; a path of /status/N answers N."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.requests = []
        self.start()

    def run(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def serve(self, peer):
        with peer, peer.makefile("rb") as file:
            head = file.readline().decode("latin-1").split()
            if len(head) != 3:
                return
            fields = {}
            for line in iter(file.readline, b"\r\n"):
                name, _, value = line.decode("latin-1").partition(":")
                fields[name.lower()] = value.strip()
            body = file.read(int(fields.get("content-length", 0)))
            self.requests.append((head[0], head[1], fields, body))
            found = re.match(r"/status/(\d+)", head[1])
            status = int(found.group(1)) if found else 200
            text = json.dumps({"method": head[0], "uri": head[1], "headers": fields, "size": len(body)}).encode()
            peer.sendall(b"HTTP/1.1 %d From-Backend\r\nContent-Type: application/json\r\nX-Backend: yes\r\n"
                         b"Content-Length: %d\r\nConnection: close\r\n\r\n" % (status, len(text)) + text)

    def remove(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        return []
