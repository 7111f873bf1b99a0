"""No connection is opened unless it is asked for: by a guard inside each process, and by strace from outside."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.process import PATIENCE_S, REPOSITORY, command_line, environment
from tests.hub.server import LocalHub
from tests.tui.test_terminal import Terminal

pytestmark = [pytest.mark.starter, pytest.mark.slow]

_GUARD = """
import os, sys
def note(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.sendmsg"):
        with open(os.environ["SOCKET_LOG"], "a") as log:
            log.write(f"{event} {arguments[1:]}\\n")
with open(os.environ["SOCKET_LOG"], "a") as log:
    log.write(f"watching {' '.join(sys.orig_argv)}\\n")
sys.addaudithook(note)
"""
"""Run by every Python process of a command before anything else; notes what a socket is used for."""

SHORT = ("--max-new-tokens", "2", "--seed", "1")


class Guard:
    """A log that every process writes to."""

    def __init__(self, folder: Path) -> None:
        (folder / "guard").mkdir()
        (folder / "guard" / "sitecustomize.py").write_text(_GUARD, encoding="utf-8")
        self.log = folder / "sockets.log"
        self.environment = {"PYTHONPATH": f"{folder / 'guard'}:{REPOSITORY}", "SOCKET_LOG": str(self.log)}

    def lines(self) -> list[str]:
        """What was noted."""
        return self.log.read_text(encoding="utf-8").splitlines()

    def connections(self) -> list[str]:
        """What was noted of sockets; at least one process must have been watched."""
        assert any(line.startswith("watching ") for line in self.lines())
        return [line for line in self.lines() if not line.startswith("watching ")]


@pytest.fixture
def guard(tmp_path: Path) -> Guard:
    return Guard(tmp_path)


def run_guarded(guard: Guard, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command whose every process is watched, without being told that it is offline."""
    variables = {name: value for name, value in environment().items() if name != "HF_HUB_OFFLINE"}
    return subprocess.run(
        command_line(*arguments),
        cwd=guard.log.parent,
        env=variables | guard.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_the_guard_sees_a_connection(guard: Guard, hub: LocalHub) -> None:
    finished = run_guarded(guard, "models", "pull", "gpt2", "--yes")
    assert finished.returncode == 0, finished.stderr
    assert any("socket.connect" in line and str(hub.port) in line for line in guard.connections())


COMMANDS: dict[str, tuple[str, ...]] = {
    "generate": ("generate", "Once upon a time", *SHORT),
    "generate offline": ("generate", "Once upon a time", *SHORT, "--offline"),
    "similar": ("similar", "A cat", "A dog"),
    "models list": ("models", "list"),
    "models verify": ("models", "verify", "starter/mrpc"),
    "a pull offline": ("models", "pull", "gpt2", "--yes", "--offline"),
    "a model that is not here": ("generate", "a", "--model", "gpt2"),
}


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS.keys())
def test_a_command_opens_no_connection(arguments: tuple[str, ...], guard: Guard, hub: LocalHub) -> None:
    run_guarded(guard, *arguments)
    assert guard.connections() == []
    assert not hub.served


def test_the_app_opens_no_connection(guard: Guard, hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in guard.environment.items():
        monkeypatch.setenv(name, value)
    terminal = Terminal(guard.log.parent)
    try:
        terminal.until(lambda text: "ready" in text)
        terminal.press("\x11")
        assert terminal.wait() == 0
    finally:
        terminal.close()
    assert sum("core.engine.worker" in line for line in guard.lines()) == 1
    assert guard.connections() == []
    assert not hub.served


def strace_into(log: Path) -> list[str]:
    """The beginning of a command whose sockets are written down."""
    strace = shutil.which("strace")
    if strace is None or subprocess.run([strace, "-o", "/dev/null", "true"], check=False).returncode != 0:
        pytest.skip("strace is not here, or may not trace")
    return [strace, "-f", "-e", "trace=socket,connect,sendto,sendmsg", "-o", str(log)]


def internet_calls(log: Path) -> list[str]:
    """What was done with internet sockets, by a program with at least two processes or threads."""
    calls = log.read_text(encoding="utf-8").splitlines()
    assert sum("exited with" in line for line in calls) > 1
    return [line for line in calls if "AF_INET" in line]


def test_strace_sees_a_connection(tmp_path: Path, hub: LocalHub) -> None:
    log = tmp_path / "strace.log"
    variables = environment() | {"HF_HUB_OFFLINE": "0"}
    command = [*strace_into(log), *command_line("models", "pull", "gpt2", "--yes")]
    subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, timeout=PATIENCE_S, check=True)
    assert any("connect(" in line and str(hub.port) in line for line in internet_calls(log))


@pytest.mark.parametrize("options", [(), ("--offline",)], ids=["default", "offline"])
def test_the_kernel_sees_no_connection_of_the_app(
    options: tuple[str, ...], tmp_path: Path, hub: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, traced = tmp_path / "strace.log", tmp_path / "traced-python"
    traced.write_text(f'#!/bin/sh\nexec {shlex.join([*strace_into(log), sys.executable])} "$@"\n', encoding="utf-8")
    traced.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(traced))  # what the terminal starts
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    terminal = Terminal(tmp_path, *options)
    try:
        terminal.until(lambda text: "ready" in text)
        terminal.press("\x11")
        assert terminal.wait() == 0
    finally:
        terminal.close()
    assert internet_calls(log) == []


@pytest.mark.parametrize("options", [(), ("--offline",)], ids=["default", "offline"])
def test_the_kernel_sees_no_connection_of_generate(options: tuple[str, ...], tmp_path: Path, hub: LocalHub) -> None:
    log = tmp_path / "strace.log"
    variables = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    finished = subprocess.run(
        [*strace_into(log), *command_line("generate", "Once upon a time", *SHORT, *options)],
        cwd=tmp_path,
        env=variables | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert finished.returncode == 0
    assert internet_calls(log) == []
