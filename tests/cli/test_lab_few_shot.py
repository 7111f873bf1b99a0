"""`score` on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.inside import use
from tests.cli.process import run

EXAMPLES = ("--example", "big => small", "--example", "hot => cold", "--query", "up")


def test_json_is_a_line_an_answer(gpt2_folder: Path, tmp_path: Path) -> None:
    answers = ("--answer", "down", "--answer", "아래 [/]")
    finished = use("score", *EXAMPLES, *answers, "--model", str(gpt2_folder), "--json", folder=tmp_path)
    assert (finished.code, finished.stderr) == (0, "")
    assert [line["answer"] for line in finished.lines] == ["down", "아래 [/]"]
    for line in finished.lines:
        assert line["sum"] == pytest.approx(sum(token["logprob"] for token in line["tokens"]))
    assert sum(line["prob"] for line in finished.lines) == pytest.approx(1)


@pytest.mark.starter
@pytest.mark.slow
def test_the_starter_s_winners_and_the_prompt_are_said(tmp_path: Path) -> None:
    answers = ("--answer", "down", "--answer", "a very long way down")
    finished = run("score", "--task", "Opposites.", *EXAMPLES, *answers, folder=tmp_path)
    assert finished.code == 0
    assert finished.stdout.splitlines()[-1] == "best (*): down as a whole (sum), a very long way down per token (mean)"
    assert "  Opposites.\n  big => small\n  hot => cold\n  up =>\n" in finished.stderr


def test_a_template_writes_the_cases_another_way(gpt2_folder: Path, tmp_path: Path) -> None:
    template = ("--template", r"Q: {input}\nA: {output}", "--answer", "down", "--model", str(gpt2_folder))
    finished = use("score", *EXAMPLES, *template, folder=tmp_path)
    assert "  Q: hot\n  A: cold\n  Q: up\n  A:\n" in finished.stderr


def test_what_cannot_be_scored_is_one_line(tmp_path: Path) -> None:
    for options, reason in (
        (("--query", "up"), "no answer"),
        (("--query", "up", "--answer", " "), "none of them empty"),
        (("--query", " ", "--answer", "a"), "query is empty"),
        (("--query", "up", "--answer", "a", "--example", "big, small"), "not of the form"),
        (("--answer", "a"), "--query"),
    ):
        finished = use("score", *options, folder=tmp_path)
        assert finished.code == 2
        assert reason in finished.stderr
        assert finished.stderr.count("\n") == 1
