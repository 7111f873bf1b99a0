"""Memory of the machine and of this process: how much there is, is free, is held, and how to give it back.

Needs nothing but the standard library; what a system does not tell is 0.
"""

from __future__ import annotations

import ctypes
import gc
import os
from pathlib import Path

_MEMINFO, _STATM = Path("/proc/meminfo"), Path("/proc/self/statm")
_LIMITS = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current"), Path("/sys/fs/cgroup/memory.stat")),
    (
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.stat"),
    ),
)
"""A container's limit, what is used of it, and what of that are mere copies of files; versions 2 and 1."""

RESERVE_BYTES = 200_000_000
"""Left free beside a model's weights, for the run itself and for the rest of the machine."""


def total_bytes() -> int:
    """Main memory of the machine."""
    return _meminfo().get("MemTotal", 0) or _pages("SC_PHYS_PAGES")


def free_bytes() -> int:
    """Main memory that can be had without swapping, within the container's limit where there is one."""
    free = _meminfo().get("MemAvailable", 0) or _pages("SC_AVPHYS_PAGES")
    room = _room_in_container()
    return free if room is None else min(free, room)


def resident_bytes(pid: int | None = None) -> int:
    """Main memory that a process holds; this one by default."""
    path = _STATM if pid is None else Path(f"/proc/{pid}/statm")
    try:
        return int(path.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def give_back() -> None:
    """Return what is no longer used to the system: garbage first, then the free pages that glibc keeps."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        return  # another C library: it has no such call


def _meminfo() -> dict[str, int]:
    """Bytes by name; empty where there is no such file."""
    try:
        rows = [line.split() for line in _MEMINFO.read_text(encoding="ascii").splitlines()]
    except (OSError, ValueError):
        return {}
    return {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows if len(row) == 3 and row[1].isdigit()}


def _pages(name: str) -> int:
    try:
        return os.sysconf(name) * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return 0


def _room_in_container() -> int | None:
    for limit_file, used_file, stat_file in _LIMITS:
        try:
            limit, used = int(limit_file.read_text()), int(used_file.read_text())
            rows = (line.split() for line in stat_file.read_text().splitlines())
            copies = sum(int(row[1]) for row in rows if row[0] in ("inactive_file", "total_inactive_file"))
        except (OSError, ValueError, IndexError):
            continue
        if limit < 2**60:  # version 1 writes a number near 2**63 for "none"
            return max(0, limit - used + copies)
    return None
