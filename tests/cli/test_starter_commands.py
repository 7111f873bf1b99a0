"""The README's commands on the bundled models."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.process import run

pytestmark = pytest.mark.starter


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
def test_max_length_is_accepted_as_the_course_uses_it(prompt: str, tmp_path: Path) -> None:
    finished = run("generate", prompt, "--max-length", "30", "--seed", "1", folder=tmp_path)
    assert finished.code == 0
    assert finished.stdout.startswith(prompt)


def test_similar_answers_from_the_starter(tmp_path: Path) -> None:
    finished = run("similar", "The cat is on the mat", "A feline is sitting on a rug", folder=tmp_path)
    assert finished.code == 0
    assert finished.stderr == ""
    assert "starter/mrpc" in finished.stdout
