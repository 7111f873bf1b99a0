"""`attention` on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.inside import use


def test_json_is_a_line_a_token_with_its_weights(gpt2_folder: Path, tmp_path: Path) -> None:
    where = ("--model", str(gpt2_folder), "--layer", "2", "--head", "3")
    finished = use("attention", "one 한", *where, "--json", folder=tmp_path)
    assert (finished.code, finished.stderr) == (0, "")
    assert [line["index"] for line in finished.lines] == [0, 1, 2, 3]
    assert [line["text"] for line in finished.lines][:2] == ["one", " "]
    for row, line in enumerate(finished.lines):
        assert sum(line["weights"]) == pytest.approx(1, abs=1e-5)
        assert line["weights"][row + 1 :] == [0.0] * (3 - row)


def test_without_json_it_is_a_grid_and_says_when_the_text_was_cut(gpt2_folder: Path, tmp_path: Path) -> None:
    finished = use(
        "attention", "one two three \x1b[31m", "--model", str(gpt2_folder), "--max-tokens", "3", folder=tmp_path
    )
    assert finished.code == 0
    ruler, *rows = finished.stdout.splitlines()
    assert ruler.split() == ["1", "2", "3"]
    assert [row.split()[:2] for row in rows] == [["1", "one"], ["2", "two"], ["3", "three"]]
    assert "██····" in rows[0]
    assert "first 3 of" in finished.stderr
    assert "\x1b" not in finished.stdout


def test_what_is_out_of_range_is_one_line(gpt2_folder: Path, tmp_path: Path) -> None:
    for option, value in (("--layer", "0"), ("--head", "5")):
        finished = use("attention", "one", "--model", str(gpt2_folder), option, value, folder=tmp_path)
        assert finished.code == 2
        assert finished.stderr.count("\n") == 1
        assert f"{option[2:]} must be in [" in finished.stderr
