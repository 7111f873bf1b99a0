"""The doctor's checks, one by one: terminals, devices that crash, lie or hang, networks that do not answer."""

from __future__ import annotations

import http.server
import json
import os
import pty
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tui.commands.doctor import checks, devices, terminal_probe
from tui.commands.doctor.checks import (
    Verdict,
    check_folders,
    check_memory,
    check_network,
    check_terminal,
    check_versions,
)
from tui.commands.doctor.devices import check_devices, judge

RESULT: dict[str, Any] = {
    "device": "cuda",
    "dtype": "float16",
    "used": "float16",
    "error": 0.001,
    "tolerance": 0.02,
    "same_best": True,
    "seconds": 0.5,
    "problem": "",
    "stale": False,
    "missing": False,
}
TODO = {"torch": "2.13", "threads": 2, "todo": [["cuda", "float16"], ["cpu", "float32"]]}


def script(*lines: object, end: str = "") -> tuple[str, str]:
    """A program that prints as the self-test does, then ends in a way of its own."""
    printed = "\n".join(json.dumps(line) for line in lines)
    return "-c", f"import os, sys, signal, time\nprint({printed!r}, flush=True)\n{end}"


# -- terminal ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "16 million"),
        ({"TERM": "xterm-direct"}, "16 million"),
        ({"TERM": "xterm-256color"}, "256"),
        ({"TERM": "xterm"}, "16"),
        ({"TERM": "dumb"}, "none (TERM is dumb or not set)"),
        ({}, "none (TERM is dumb or not set)"),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, "none (NO_COLOR is set)"),
    ],
)
def test_colours_are_what_the_environment_says(environment: dict[str, str], expected: str) -> None:
    assert terminal_probe.colours(environment) == expected


def test_a_terminal_without_colours_is_a_warning_and_an_unknown_clipboard_is_none() -> None:
    found = {finding.name: finding for finding in check_terminal({"TERM": "dumb", "TMUX": "x", "SSH_CONNECTION": "y"})}
    assert found["colours"].verdict is Verdict.WARNING
    assert found["clipboard"].verdict is Verdict.UNKNOWN
    assert found["kind"].detail == "dumb through tmux through ssh"


@pytest.mark.parametrize(
    ("size", "verdict"), [((80, 24), Verdict.OK), ((79, 24), Verdict.WARNING), (None, Verdict.UNKNOWN)]
)
def test_a_small_terminal_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int] | None, verdict: Verdict
) -> None:
    monkeypatch.setattr(checks, "size", lambda: size)
    found = {finding.name: finding for finding in check_terminal({})}
    assert found["size"].verdict is verdict


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A pseudo-terminal as both streams; gives the end at which the terminal sits."""
    master, slave = pty.openpty()
    with os.fdopen(slave, "r+b", buffering=0) as stream:
        monkeypatch.setattr(terminal_probe, "sys", SimpleNamespace(stdin=stream, stdout=stream))
        yield master
    os.close(master)


@pytest.mark.parametrize("cells", [1, 2])
def test_the_terminal_is_asked_how_wide_a_korean_letter_is(terminal: int, cells: int) -> None:
    def answer() -> None:
        asked = b""
        while b"\x1b[6n" not in asked:
            asked += os.read(terminal, 64)
        os.write(terminal, f"\x1b[12;{1 + cells}R".encode())

    thread = threading.Thread(target=answer)
    thread.start()
    assert terminal_probe.wide_cells() == cells
    thread.join()


def test_a_terminal_that_does_not_answer_is_unknown(terminal: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal_probe, "TERMINAL_PATIENCE_S", 0.01)
    assert terminal_probe.wide_cells() is None


@pytest.mark.parametrize(("cells", "verdict"), [(2, Verdict.OK), (1, Verdict.WARNING), (None, Verdict.UNKNOWN)])
def test_wide_characters_need_two_cells(monkeypatch: pytest.MonkeyPatch, cells: int | None, verdict: Verdict) -> None:
    monkeypatch.setattr(checks, "wide_cells", lambda: cells)
    found = {finding.name: finding for finding in check_terminal({})}
    assert found["wide characters"].verdict is verdict


# -- versions, files, memory ------------------------------------------------------------------------------------------


def test_a_missing_package_is_a_problem_and_an_optional_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    known = checks._version
    monkeypatch.setattr(checks, "_version", lambda name: "" if name in ("torch", "gguf") else known(name))
    found = {finding.name: finding for finding in check_versions()}
    assert (found["torch"].verdict, found["gguf"].verdict) == (Verdict.PROBLEM, Verdict.OK)
    assert "pip install" in found["torch"].hint
    assert 'nlp-tui[gguf]"' in found["gguf"].hint


def test_a_folder_that_cannot_be_written_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "is_writable", lambda path: not path.endswith("nlp-tui"))
    verdicts = {finding.name: finding.verdict for finding in check_folders()}
    assert verdicts["cache"] is verdicts["data"] is Verdict.PROBLEM
    assert verdicts["starters"] is verdicts["hub cache"] is Verdict.OK


def test_a_nearly_full_disk_and_little_memory_are_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "LEAST_DISK_BYTES", 2**60)
    monkeypatch.setattr(checks, "free_bytes", lambda: 10_000_000)
    assert {finding.verdict for finding in check_folders() if finding.name != "starters"} == {Verdict.WARNING}
    assert [finding.verdict for finding in check_memory()] == [Verdict.WARNING]


def test_memory_that_a_system_does_not_tell_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "free_bytes", lambda: 0)
    assert [finding.verdict for finding in check_memory()] == [Verdict.UNKNOWN]


# -- devices ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "verdict", "words"),
    [
        ({}, Verdict.OK, "error 1.0e-03 nats (up to 0.02 is fine), 0.5 s"),
        ({"missing": True, "used": "", "error": -1.0}, Verdict.OK, "not on this processor; float32 is used"),
        ({"error": 0.5}, Verdict.PROBLEM, "it computes wrongly: error 5.0e-01"),
        ({"error": float("nan")}, Verdict.PROBLEM, "it computes wrongly"),
        ({"same_best": False}, Verdict.PROBLEM, "another token is the most likely"),
        ({"problem": "no driver"}, Verdict.PROBLEM, "no driver"),
        ({"stale": True}, Verdict.WARNING, "cannot be told"),
    ],
)
def test_each_result_has_its_verdict(changes: dict[str, Any], verdict: Verdict, words: str) -> None:
    finding = judge(RESULT | changes)
    assert finding.verdict is verdict
    assert words in finding.detail
    assert finding.hint or verdict is Verdict.OK


def test_a_device_that_crashes_is_named(tmp_path: Path) -> None:
    crash = script(TODO, RESULT, end="os.kill(os.getpid(), signal.SIGSEGV)")
    torch, first, second = check_devices(crash)
    assert (torch.verdict, first.verdict, second.verdict) == (Verdict.OK, Verdict.OK, Verdict.PROBLEM)
    assert (second.name, second.detail) == ("cpu float32", "it crashes (SIGSEGV)")


def test_a_self_test_that_ends_early_is_a_problem() -> None:
    *_, last = check_devices(script(TODO, RESULT, end="sys.exit(3)"))
    assert (last.name, last.verdict) == ("cpu float32", Verdict.PROBLEM)
    assert "exit status 3" in last.detail
    (only,) = check_devices(("-c", "raise SystemExit(1)"))
    assert (only.name, only.verdict) == ("self-test", Verdict.PROBLEM)


def test_a_device_that_hangs_is_named_and_its_process_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "SELF_TEST_PATIENCE_S", 0.5)
    *_, last = check_devices(script(TODO, RESULT, end="time.sleep(600)"))
    assert (last.name, last.verdict) == ("cpu float32", Verdict.PROBLEM)
    assert "it hangs" in last.detail


# -- network ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def mirror() -> Iterator[Callable[[int], str]]:
    """A hub that answers with a status; gives its address."""
    servers: list[http.server.HTTPServer] = []

    def start(status: int) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  the library's name
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return f"http://someone:secret@127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(200, Verdict.OK), (401, Verdict.WARNING), (429, Verdict.WARNING), (503, Verdict.PROBLEM)],
)
def test_a_mirror_is_judged_by_what_it_answers(
    mirror: Callable[[int], str], status: int, verdict: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    *_, finding = check_network({"HF_ENDPOINT": mirror(status)})
    assert (finding.name, finding.verdict) == ("mirror", verdict)
    assert str(status) in finding.detail
    assert "secret" not in finding.detail


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:1", "nonsense", "http://[::1"])
def test_a_network_that_is_not_there_is_a_problem_in_one_line(endpoint: str) -> None:
    *_, finding = check_network({"HF_ENDPOINT": endpoint})
    assert finding.verdict is Verdict.PROBLEM
    assert "cannot be reached" in finding.detail
    assert "everything bundled works without" in finding.hint
