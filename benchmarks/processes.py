"""Processes as Linux shows them in /proc: a program with all its children, paused, measured, continued."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_ENDED = ("Z", "X")
"""States of a process that is no more than an entry in its parent's list."""

_END_PATIENCE_S = 3.0


@dataclass(frozen=True, slots=True)
class Memory:
    """How much memory a process holds."""

    resident_bytes: int
    peak_bytes: int


def tree(pid: int) -> list[int]:
    """A process and everything below it, parents first; only itself where there is no /proc."""
    children: dict[int, list[int]] = defaultdict(list)
    for entry in _PROC.glob("[0-9]*") if _PROC.is_dir() else ():
        fields = _stat(int(entry.name))
        if fields:
            children[int(fields[1])].append(int(entry.name))
    found = [pid]
    for parent in found:
        found += children[parent]
    return found


def others_time_s() -> dict[int, float]:
    """Processor time of every process that is neither this one nor below it, by process id."""
    ours, times = set(tree(os.getpid())), {}
    for entry in _PROC.glob("[0-9]*") if _PROC.is_dir() else ():
        pid = int(entry.name)
        fields = _stat(pid) if pid not in ours else []
        if fields and fields[0] not in _ENDED:
            times[pid] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return times


def work_s(pid: int) -> float:
    """Processor time of the main threads of a process and of everything below it.

    Threads that wait for each other by spinning are left out.
    """
    total_ns = 0
    for member in tree(pid):
        with contextlib.suppress(OSError):
            path = _PROC / str(member) / "task" / str(member) / "schedstat"
            total_ns += int(path.read_text(encoding="ascii").split()[0])
    return total_ns / 1e9


def memory(pid: int) -> Memory:
    """Resident memory of one process, now and at most.

    Raises:
        OSError: it is gone, or this system has no /proc.
    """
    lines = (_PROC / str(pid) / "status").read_text(encoding="utf-8").splitlines()
    kibibytes = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith(("VmRSS", "VmHWM"))}
    return Memory(int(kibibytes["VmRSS"]) * 1024, int(kibibytes["VmHWM"]) * 1024)


def send(pid: int, number: signal.Signals) -> None:
    """Signal a process and everything below it: SIGSTOP pauses, SIGCONT continues."""
    for member in tree(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(member, number)


def end(*pids: int) -> None:
    """Kill processes and everything below them, and wait until all of it has let go of the machine."""
    members = [member for pid in pids for member in tree(pid)]
    for pid in pids:
        send(pid, signal.SIGKILL)
    deadline = time.monotonic() + _END_PATIENCE_S
    while time.monotonic() < deadline and any((_stat(member) or _ENDED)[0] not in _ENDED for member in members):
        time.sleep(0.005)


def exit_on_sigterm() -> None:
    """Leave by way of `finally`, so that paused children do not outlive this process."""

    def leave(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # `timeout` sends it twice; the second must not end the tidying
        sys.exit(1)

    signal.signal(signal.SIGTERM, leave)


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the program's name; empty when it is gone."""
    try:
        return (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []
