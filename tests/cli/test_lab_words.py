"""`wordpiece`, `softmax` and `families` as other programs call them; none of them starts an engine."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from core.lab.families import FAMILIES
from tests.cli.inside import use


def test_wordpiece_prints_every_try_and_the_tokens(tmp_path: Path) -> None:
    finished = use("wordpiece", "playing", "--vocabulary", "play ##ing", "--json", folder=tmp_path)
    assert (finished.code, finished.stderr) == (0, "")
    *tries, last = finished.lines
    assert [(one["piece"], one["start"], one["end"], one["found"]) for one in tries] == [
        ("playing", 0, 7, False),
        ("playin", 0, 6, False),
        ("playi", 0, 5, False),
        ("play", 0, 4, True),
        ("##ing", 4, 7, True),
    ]
    assert all(one["word"] == "playing" for one in tries)
    assert last == {"tokens": ["play", "##ing"]}


def test_wordpiece_takes_berts_vocabulary_unless_told(tmp_path: Path) -> None:
    finished = use("wordpiece", "I love natural language processing!", "--json", folder=tmp_path)
    assert finished.lines[-1] == {"tokens": ["i", "love", "natural", "language", "processing", "!"]}
    readable = use("wordpiece", "tokenization", folder=tmp_path)
    assert readable.stdout.splitlines()[-1] == "tokens: token ##ization"


def test_wordpiece_reads_a_vocabulary_from_a_file_and_says_what_is_wrong_with_one(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("안\n##녕\nplay\n", encoding="utf-8")
    (tmp_path / "empty.txt").write_text(" \n")
    (tmp_path / "latin.txt").write_bytes(b"\xe9")
    finished = use("wordpiece", "play plays [MASK]", "--vocabulary-file", "vocab.txt", "--json", folder=tmp_path)
    assert finished.lines[-1] == {"tokens": ["play", "[UNK]", "[MASK]"]}
    for name, code, message in (
        ("empty.txt", 2, "the vocabulary is empty"),
        ("latin.txt", 2, "not valid UTF-8"),
        ("none.txt", 1, "cannot be read"),
    ):
        refused = use("wordpiece", "play", "--vocabulary-file", name, folder=tmp_path)
        assert (refused.code, refused.stdout) == (code, "")
        assert message in refused.stderr
        assert refused.stderr.count("\n") == 1
    both = use("wordpiece", "play", "--vocabulary", "a", "--vocabulary-file", "vocab.txt", folder=tmp_path)
    assert both.code == 2


def test_wordpiece_says_when_a_word_is_too_long(tmp_path: Path) -> None:
    finished = use("wordpiece", "x" * 101, "--json", folder=tmp_path)
    assert finished.lines == [{"tokens": ["[UNK]"]}]
    assert "101 characters" in finished.stderr


def test_softmax_prints_a_line_a_logit(tmp_path: Path) -> None:
    lines = use("softmax", "2.5", "1.0", "0.5", "--json", folder=tmp_path).lines
    assert [list(line)[:5] for line in lines] == [["logit", "scaled", "shifted", "exp", "prob"]] * 3
    assert [line["prob"] for line in lines] == pytest.approx([0.73612472, 0.16425163, 0.09962365])
    halved = use("softmax", "2.5", "1.0", "0.5", "--temperature", "0.5", "--json", folder=tmp_path).lines
    assert [line["scaled"] for line in halved] == [5, 2, 1]
    assert halved[1]["exp"] == pytest.approx(math.exp(-3))


def test_softmax_takes_negative_numbers_and_prints_no_json_that_is_none(tmp_path: Path) -> None:
    lines = use("softmax", "-1e3", "-.5", "-2", "-inf", "--json", "--temperature", "1", folder=tmp_path).lines
    assert [line["logit"] for line in lines] == [-1000, -0.5, -2, None]
    assert lines[3]["prob"] == 0
    overflowing = use("softmax", "1000", "1001", "--json", folder=tmp_path).lines
    assert [(line["naive_exp"], line["naive_prob"]) for line in overflowing] == [(None, None)] * 2


def test_softmax_at_temperature_0_is_greedy_and_says_so(tmp_path: Path) -> None:
    finished = use("softmax", "1", "2", "--temperature", "0", folder=tmp_path)
    assert finished.code == 0
    assert "greedy" in finished.stderr
    assert "100.00%" in finished.stdout.splitlines()[2]


@pytest.mark.parametrize("arguments", [(), ("x",), ("nan",), ("1", "--temperature", "-1"), ("-inf",)])
def test_softmax_refuses_in_one_line(arguments: tuple[str, ...], tmp_path: Path) -> None:
    finished = use("softmax", *arguments, folder=tmp_path)
    assert (finished.code, finished.stdout) == (2, "")
    assert finished.stderr.startswith("error: ")
    assert finished.stderr.count("\n") == 1


def test_families_prints_one_object_a_line_or_a_table(tmp_path: Path) -> None:
    lines = use("families", "--json", folder=tmp_path).lines
    assert [line["name"] for line in lines] == [family.name for family in FAMILIES]
    gpt2 = next(line for line in lines if line["name"] == "GPT-2")
    assert [size["parameters"] for size in gpt2["sizes"]] == [124e6, 355e6, 774e6, 1.5e9]
    table = use("families", folder=tmp_path).stdout
    assert all(family.name in table for family in FAMILIES)
    assert "unpublished" in table


def test_families_tells_everything_about_one_and_refuses_what_is_none(tmp_path: Path) -> None:
    finished = use("families", "gpt-2", folder=tmp_path)
    assert "medium 355 M: 24 layers" in finished.stdout
    refused = use("families", "llama", folder=tmp_path)
    assert refused.code == 2
    assert "no family 'llama'" in refused.stderr
