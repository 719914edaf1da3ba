# SPDX-License-Identifier: MPL-2.0
"""What /proc says of processes, and how they are ended."""

import os
import re
import signal
import subprocess


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


def is_worker_of(pid, name):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().startswith(f"fairvisor-worker\0{name}/".encode())
    except (FileNotFoundError, ProcessLookupError):
        return False


def processes_with_arena(name):
    """Processes that have the arena of instance NAME mapped, or are about to: master and workers, of any generation. Workers, whose
    maps only root may see, have the instance in their title."""
    pattern = re.compile(rf"/dev/shm/fairvisor-{re.escape(name)}(\.refused)?( \(deleted\))?$", re.MULTILINE)
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/maps", encoding="latin-1") as file:
                if pattern.search(file.read()) or is_worker_of(entry, name):
                    found.append(int(entry))
        except (FileNotFoundError, ProcessLookupError):
            continue
        except PermissionError:
            if is_worker_of(entry, name):
                found.append(int(entry))
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
