"""`doctor` and `locate`: what is printed, the verdicts and the exit code."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path

import pytest

from core.models.registry import STARTER_FOLDER
from tests.cli.inside import use
from tests.cli.process import run

FIELDS = ["area", "name", "verdict", "detail", "hint", "value", "used"]


@pytest.mark.starter
def test_doctor_tries_every_precision_and_finds_no_problem_here(tmp_path: Path) -> None:
    finished = run("doctor", "--json", folder=tmp_path)
    assert finished.code == 0, finished.stdout
    assert finished.stderr == ""
    assert all(list(line) == FIELDS for line in finished.lines)
    found = {(line["area"], line["name"]): line for line in finished.lines}
    assert {area for area, _ in found} == {"versions", "terminal", "files", "memory", "devices"}
    for precision in ("float32", "float16", "bfloat16", "int8"):
        line = found["devices", f"cpu {precision}"]
        assert line["verdict"] == "ok"
        if line["used"] == precision:
            assert 0 <= line["value"] < 0.3
        else:
            assert line["detail"] == "not on this processor; float32 is used"
    assert found["devices", "cpu float32"]["value"] < 1e-3
    assert found["terminal", "clipboard"]["verdict"] == "unknown"
    assert found["terminal", "size"]["verdict"] == "unknown"  # there is no terminal here
    assert found["memory", "main memory"]["value"] > 0


@pytest.mark.starter
@pytest.mark.slow
def test_doctor_reads_as_a_table_and_what_a_processor_does_not_have_is_no_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")  # an Intel or AMD processor then has no bfloat16
    finished = run("doctor", folder=tmp_path)
    assert finished.code == 0
    assert "versions\n  ✓ ok       python " in finished.stdout
    assert "cpu float32      error " in finished.stdout
    if platform.machine() in ("x86_64", "AMD64"):
        assert "✓ ok       cpu bfloat16     not on this processor; float32 is used" in finished.stdout
    assert "0 problems" in finished.stderr
    assert "the network was not tried (--network)" in finished.stderr


@pytest.mark.starter
@pytest.mark.slow
def test_a_problem_makes_the_exit_code_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://someone:secret@127.0.0.1:9")
    finished = run("doctor", "--network", "--json", folder=tmp_path)
    assert finished.code == 1
    problems = [line for line in finished.lines if line["verdict"] == "problem"]
    assert [line["name"] for line in problems] == ["mirror"]
    assert problems[0]["detail"].startswith("http://127.0.0.1:9 cannot be reached")
    assert "secret" not in finished.stdout


def test_locate_prints_every_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CACHE", "DATA", "STATE", "CONFIG"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    finished = use("locate", "--json", folder=tmp_path)
    assert finished.code == 0
    paths = {line["name"]: line["path"] for line in finished.lines}
    assert paths == {
        "starters": str(STARTER_FOLDER),
        "hub cache": os.environ["HF_HUB_CACHE"],
        "trash": os.path.join(os.environ["HF_HUB_CACHE"], ".nlp-tui-trash"),
        "cache": str(tmp_path / "cache" / "nlp-tui"),
        "converted": str(tmp_path / "cache" / "nlp-tui" / "converted"),
        "data": str(tmp_path / "data" / "nlp-tui"),
        "state": str(tmp_path / "state" / "nlp-tui"),
        "config": str(tmp_path / "config" / "nlp-tui"),
        "log": str(tmp_path / "state" / "nlp-tui" / "log"),
    }
    assert {line["name"] for line in finished.lines if line["exists"]} == {"starters", "hub cache"}
    readable = use("locate", folder=tmp_path)
    assert all(path in readable.stdout for path in paths.values())


def test_what_is_printed_is_json(tmp_path: Path) -> None:
    assert all(json.loads(line) for line in use("locate", "--json", folder=tmp_path).stdout.splitlines())
