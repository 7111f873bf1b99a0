"""The machine a figure was measured on, how quickly it reads memory, and whether anything else disturbed it.

Linux tells all of it in /proc; elsewhere a measurement counts as undisturbed and the processor has no better name.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from benchmarks.processes import others_time_s

STEAL_LIMIT = 0.01
"""The share of processor time the host may take from this machine in a repeat that counts."""

OTHERS_LIMIT = 0.05
"""The share other programs of this machine may use in a repeat that counts."""

TRIES = 4
"""How often a disturbed repeat is repeated before it is taken as it is, and marked."""

_READ_BYTES = 512 * 2**20
_READ_REPEATS = 9

Measured = TypeVar("Measured")


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What went on beside a measurement, as shares of all processor time."""

    steal: float
    """Taken by the host."""
    others: float
    """Used by programs that are not part of the measurement."""

    @property
    def counts(self) -> bool:
        """Whether it is too much."""
        return self.steal > STEAL_LIMIT or self.others > OTHERS_LIMIT


class Watch:
    """Looks at the machine from its making to `end`."""

    def __init__(self) -> None:
        self._stolen_s = _stolen_s()
        self._others_s = others_time_s()
        self._began = time.perf_counter()

    def end(self) -> Disturbance:
        """What disturbed the time since; of the programs that ended meanwhile, nothing is known."""
        available_s = max(1e-9, (time.perf_counter() - self._began) * cores())
        others_s = sum(spent - self._others_s.get(pid, 0.0) for pid, spent in others_time_s().items())
        return Disturbance((_stolen_s() - self._stolen_s) / available_s, max(0.0, others_s) / available_s)


def undisturbed(measure: Callable[[], Measured]) -> tuple[Measured, bool]:
    """Measure until nothing disturbs it, a few times at most.

    Returns:
        What was measured last, and whether it was undisturbed.
    """
    for attempt in range(1, TRIES + 1):
        watch = Watch()
        measured = measure()
        disturbance = watch.end()
        if not disturbance.counts:
            return measured, True
        shares = f"steal {disturbance.steal:.1%}, other programs {disturbance.others:.1%}"
        print(f"disturbed ({shares}), try {attempt} of {TRIES}", file=sys.stderr, flush=True)
    return measured, False


def cores() -> int:
    """How many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def describe() -> str:
    """Processor, cores, memory and system in a line."""
    return f"{_cpu_model()}, {cores()} cores, {_memory_gib():.0f} GiB, {platform.system()}, Python {_python()}"


def read_bandwidth() -> float:
    """Bytes a second that all cores together read from memory: the best of some passes over a large array."""
    count = cores()
    parts = [np.ones(_READ_BYTES // count // 4, dtype=np.float32) for _ in range(count)]
    best_s = float("inf")
    with ThreadPoolExecutor(count) as pool:
        for _ in range(_READ_REPEATS):
            for read in (np.max, lambda part: np.dot(part, part)):
                began = time.perf_counter()
                list(pool.map(read, parts))
                best_s = min(best_s, time.perf_counter() - began)
    return sum(part.nbytes for part in parts) / best_s


def _stolen_s() -> float:
    """Seconds of all cores that the host took since the machine started; 0 where nobody counts them."""
    try:
        total = Path("/proc/stat").read_text(encoding="ascii").partition("\n")[0]
    except OSError:
        return 0.0
    return int(total.split()[8]) / os.sysconf("SC_CLK_TCK")


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    flags = next((line for line in lines if line.startswith("flags")), "").split()
    known = [label for flag, label in _FEATURES.items() if flag in flags]
    return f"{name or platform.machine()} ({', '.join(known)})" if known else name or platform.machine()


_FEATURES = {"avx2": "AVX2", "avx512f": "AVX-512", "avx512_vnni": "VNNI", "avx512_bf16": "BF16", "amx_tile": "AMX"}
"""The processor's features that decide how quick the precisions are, by their name in /proc/cpuinfo."""


def _memory_gib() -> float:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (ValueError, OSError):
        return 0.0


def _python() -> str:
    return platform.python_version()
