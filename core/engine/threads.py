"""How many threads torch computes with: every core that other programs leave free, looked at again while work goes on.

Threads that compute together wait for each other by spinning, which is quickest while each has a core of its own. Once
another program needs one of the cores, the thread on it comes late and all others wait for it at every layer: measured
on two cores, decoding beside one busy program is 18 times slower with two threads than with one. Linux tells what the
cores do; elsewhere all of them are used.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection
from pathlib import Path

import torch

LOOK_EVERY_S = 0.25
"""How much time lies between two looks at least."""

STALE_S = 1.0
"""A look at more time than this says nothing of now: nobody asked meanwhile."""

TAKEN = 0.45
"""A core counts as another program's when others used this share of it; an interface that paints uses less."""

STEADY_LOOKS = 2
"""So many looks in a row must agree before the number changes."""


def own_cores() -> frozenset[int]:
    """The numbers of the cores this process may run on."""
    affinity = getattr(os, "sched_getaffinity", None)
    return frozenset(affinity(0)) if affinity else frozenset(range(os.cpu_count() or 1))


def busy_s(cores: Collection[int]) -> float | None:
    """Seconds that these cores have worked for anybody since the machine started; None where nobody counts them."""
    try:
        lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    total = 0
    for name, *counts in (line.split() for line in lines if line.startswith("cpu")):
        if name != "cpu" and int(name[3:]) in cores:
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, counts[:8])
            total += user + nice + system + irq + softirq + steal
    return total / os.sysconf("SC_CLK_TCK")


class Threads:
    """Keeps torch's number of threads at the number of cores that are free."""

    def __init__(
        self,
        cores: Collection[int] | None = None,
        busy_s: Callable[[Collection[int]], float | None] = busy_s,
        own_s: Callable[[], float] = time.process_time,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with all cores.

        Args:
            cores: which to use; all that the process may run on when None.
            busy_s: tells how long cores have worked.
            own_s: tells how long this process has worked, on all cores together.
            now_s: a monotonic clock.
        """
        self._cores = own_cores() if cores is None else frozenset(cores)
        self._busy_s, self._own_s, self._now_s = busy_s, own_s, now_s
        self.count = len(self._cores)
        """How many threads compute now."""
        self._wanted = [self.count]
        self._seen = self._look()
        torch.set_num_threads(self.count)

    def adjust(self) -> None:
        """Look at the cores again, unless that was a moment ago; costs next to nothing when it was."""
        now_s, own_s, busy_s = self._seen
        elapsed_s = self._now_s() - now_s
        if elapsed_s < LOOK_EVERY_S or busy_s is None:
            return
        self._seen = self._look()
        if self._seen[2] is None or elapsed_s > STALE_S:
            return
        others = (self._seen[2] - busy_s - (self._seen[1] - own_s)) / elapsed_s
        free = max(1, len(self._cores) - int(others + 1 - TAKEN))
        self._wanted = [*self._wanted[1 - STEADY_LOOKS :], free]
        if free != self.count and self._wanted == [free] * STEADY_LOOKS:
            self.count = free
            torch.set_num_threads(free)

    def _look(self) -> tuple[float, float, float | None]:
        return self._now_s(), self._own_s(), self._busy_s(self._cores)
