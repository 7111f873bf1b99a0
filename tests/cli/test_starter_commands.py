"""The README's commands on the bundled models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.process import run

pytestmark = pytest.mark.starter

PAIRS = (
    ("The cat is on the mat", "A feline is sitting on a rug"),
    ("I love pizza", "Python is a programming language"),
    ("He runs fast", "She walks slowly"),
)


@pytest.mark.slow
def test_the_course_settings_stream_tokens_and_repeat(tmp_path: Path) -> None:
    options = ("--max-new-tokens", "30", "--temperature", "0.8", "--top-k", "50", "--top-p", "0.95", "--json")
    runs = [run("generate", "Once upon a time", *options, "--seed", seed, folder=tmp_path) for seed in ("1", "1", "2")]
    assert [finished.code for finished in runs] == [0, 0, 0]
    assert [finished.stderr for finished in runs] == ["", "", ""]
    first, *tokens, done = runs[0].lines
    assert (first["model"], first["source"]) == ("starter/gpt2", "starter")
    assert [token["type"] for token in tokens] == ["token"] * len(tokens)
    ids = [finished.lines[-1]["ids"] for finished in runs]
    assert done["ids"] == ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize("prompt", ["Once upon a time", "In the year 2050,", "The secret to happiness is"])
@pytest.mark.slow
def test_max_length_is_accepted_as_the_course_uses_it(prompt: str, tmp_path: Path) -> None:
    finished = run("generate", prompt, "--max-length", "30", "--seed", "1", folder=tmp_path)
    assert finished.code == 0
    assert finished.stdout.startswith(prompt)


@pytest.mark.slow
def test_similar_answers_from_the_starter(tmp_path: Path) -> None:
    finished = run("similar", "The cat is on the mat", "A feline is sitting on a rug", folder=tmp_path)
    assert finished.code == 0
    assert finished.stderr == ""
    assert "starter/mrpc" in finished.stdout


@pytest.mark.slow
def test_the_course_s_lab_examples_answer_in_the_shape_the_readme_shows(tmp_path: Path) -> None:
    def lines(*arguments: str) -> list[dict[str, Any]]:
        finished = run(*arguments, "--json", folder=tmp_path)
        assert (finished.code, finished.stderr) == (0, "")
        return finished.lines

    filled = lines("fill", "I went to the [MASK] to buy some milk.")
    assert [line["rank"] for line in filled] == [1, 2, 3, 4, 5]
    assert all(line["text"] == f"I went to the {line['token']} to buy some milk." for line in filled)
    for (first, second), is_similar in zip(PAIRS, (True, False, False), strict=True):
        (compared,) = lines("similar", first, second)
        assert compared["similar"] + compared["not_similar"] == pytest.approx(1)
        assert (compared["similar"] > 0.5) == is_similar
        assert -1 <= compared["cosine"] <= 1
    assert [round(line["prob"], 3) for line in lines("softmax", "2.5", "1.0", "0.5")] == [0.736, 0.164, 0.1]
    words = lines("wordpiece", "I love natural language processing!")[-1]["tokens"]
    assert words == ["i", "love", "natural", "language", "processing", "!"]
    assert lines("wordpiece", "playing", "--vocabulary", "play ##ing")[-1]["tokens"] == ["play", "##ing"]
    (read,) = lines("sentiment", "I love this movie!")
    assert read["label"] == "POSITIVE"
    assert sum(read["scores"].values()) == pytest.approx(1)


@pytest.mark.slow
def test_a_starter_s_answer_says_that_it_is_not_the_original(tmp_path: Path) -> None:
    finished = run("compare", "starter/bert", "starter/distilbert", "a [MASK]", folder=tmp_path)
    assert finished.stderr.endswith("note: starter/bert and starter/distilbert are small starters, not the originals\n")
