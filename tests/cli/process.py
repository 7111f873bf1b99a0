"""Runs `nlp-tui` as a process of its own, in an empty folder, with this checkout's packages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import errors

REPOSITORY = Path(errors.__file__).parents[1]
PATIENCE_S = 300
"""Turns a hang into a failure; no command takes a fraction of it."""

UNDECODABLE = os.fsdecode(b"caf\xe9\xff")
"""What Python makes of an argument that is not UTF-8."""


def command_line(*arguments: str) -> list[str]:
    """The command, with `-P` so that the current folder is not on the module path, as for the installed script."""
    return [sys.executable, "-P", "-m", "tui.cli", *arguments]


def environment() -> dict[str, str]:
    """This process's variables and its packages."""
    return {**os.environ, "PYTHONPATH": str(REPOSITORY)}


@dataclass(frozen=True, slots=True)
class Finished:
    """What a command printed and how it ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The JSON objects of stdout."""
        return [json.loads(line) for line in self.stdout.splitlines()]


def assert_refused(finished: Finished, code: int, message: str) -> None:
    """One plain line on stderr, nothing on stdout."""
    assert finished.code == code, finished.stderr
    assert finished.stdout == ""
    assert finished.stderr.startswith("error: ")
    assert finished.stderr.count("\n") == 1
    assert finished.stderr.endswith("\n")
    assert message in finished.stderr
    assert "hint: " in finished.stderr
    assert "Traceback" not in finished.stderr
    assert "\x1b" not in finished.stderr


def run(*arguments: str, folder: Path, stdin: bytes = b"") -> Finished:
    """Run a command to its end; what it prints must be UTF-8."""
    finished = subprocess.run(
        command_line(*arguments),
        cwd=folder,
        env=environment(),
        input=stdin,
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return Finished(finished.returncode, finished.stdout.decode(), finished.stderr.decode())


def start(*arguments: str, folder: Path) -> subprocess.Popen[str]:
    """Start a command whose output is read as it comes."""
    return subprocess.Popen(
        command_line(*arguments),
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
