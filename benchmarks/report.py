"""Tables in Markdown, with what a reader needs to judge them: machine, date, command and versions."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib import metadata
from itertools import zip_longest

from benchmarks import machine


def heading(module: str, arguments: Sequence[str], packages: Iterable[str] = ()) -> str:
    """What was run, where, when, and with which versions.

    Args:
        module: the module that was run.
        arguments: its command line.
        packages: distributions whose versions matter.
    """
    command = shlex.join(["python", "-m", module, *arguments])
    today = datetime.now(tz=UTC).date().isoformat()
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return f"`{command}` on {machine.describe()}, {today}" + (f"; {versions}" if versions else "")


def version(package: str) -> str:
    """The version of an installed distribution, "not installed" else."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; a row may be shorter than the header."""
    lines = [list(header), ["---"] * len(header)]
    lines += [[cell for cell, _ in zip_longest(row, header, fillvalue="")] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def milliseconds(seconds: float) -> str:
    """A duration in ms with three useful digits."""
    return f"{seconds * 1000:.1f}" if seconds < 0.1 else f"{seconds * 1000:.0f}"


def progress(text: str) -> None:
    """A line for whoever waits, on stderr."""
    print(text, file=sys.stderr, flush=True)
