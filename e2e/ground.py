# SPDX-License-Identifier: MPL-2.0
"""The ground everything here stands on: where the programs are, how long to wait, which ports are free."""

import os
import random
import secrets
import socket
import time

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
RUN_NAME = f"e2e-{os.getpid()}-{secrets.token_hex(3)}"  # what a run that was killed left behind may have our process id
START_SECONDS = 60 if not VALGRIND else valgrind.SECONDS
# After 35 s (drain_timeout) fairvisord asks its workers to end, 6 s later it kills them.
STOP_SECONDS = 60 if not VALGRIND else valgrind.SECONDS


def full_or_short(full, short):
    """FULL with --full, else SHORT: with the figures of a release all tests take about an hour more."""
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


DAY_SECONDS = 86400


def avoid_midnight(seconds=60):
    """Waits, where the day ends in UTC within SECONDS, until the next one has begun: budgets of a day, a week or a month are whole
    again then, in the middle of whatever is asked."""
    left = DAY_SECONDS - time.time() % DAY_SECONDS
    if left < seconds:
        time.sleep(left + 1)


LOWEST_PORT = 10000
PORTS_IN_BLOCK = 100
PORT_BLOCKS = {}  # the first port of each block that is ours until this process ends, and the socket that says so
PORTS = []  # of our blocks, not given yet


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


def claim_ports():
    """Makes a block of ports ours, which no other run of these tests at the same time takes anything of. Where none is left, ports that
    were given are given again."""
    end = first_own_port()
    blocks = list(range(min(LOWEST_PORT, end // 2), end - PORTS_IN_BLOCK + 1, PORTS_IN_BLOCK))
    random.shuffle(blocks)
    for first in blocks:
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0fairvisor-e2e-ports-{first}")
        except OSError:
            claim.close()
            continue
        PORT_BLOCKS[first] = claim
        PORTS.extend(range(first, first + PORTS_IN_BLOCK))
        return
    PORTS.extend(first + number for first in PORT_BLOCKS for number in range(PORTS_IN_BLOCK))
    if not PORTS:
        raise RuntimeError("other runs of these tests have all the ports below those of outgoing connections: end them")


def free_port(family=socket.AF_INET):
    """One that nobody listens on, nor gets by connecting somewhere, nor another run of these tests from here, until it is used."""
    host = "127.0.0.1" if family == socket.AF_INET else "::1"
    while True:
        if not PORTS:
            claim_ports()
        port = PORTS.pop()
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            try:
                probe.bind((host, port))
                return port
            except OSError:
                continue
