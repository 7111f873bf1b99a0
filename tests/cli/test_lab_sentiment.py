"""`sentiment` as other programs call it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.lab.records import Answer, Question
from core.lab.sentiment import LabelScore, LeftOutWord, ReadSentiment, Sentiment
from core.messages.protocol import Answered, Work
from core.messages.records import Target
from tests.cli.inside import use
from tui.cli import main
from tui.commands import conversing, running

TEXTS = ("A warm, funny film.", "정말 좋은 영화 😀 [/b]")


def test_each_text_is_a_line_with_every_label_and_its_words(classifier_folder: Path, tmp_path: Path) -> None:
    finished = use("sentiment", *TEXTS, "--words", "--json", "--model", str(classifier_folder), folder=tmp_path)
    assert (finished.code, finished.stderr) == (0, "")
    assert [line["text"] for line in finished.lines] == list(TEXTS)
    for line in finished.lines:
        assert line["scores"].keys() == {"not_equivalent", "equivalent"}
        assert "judges pairs" in line["note"]
        assert line["label"] == max(line["scores"], key=line["scores"].__getitem__)
        assert sum(line["scores"].values()) == pytest.approx(1)
        assert [word["word"] for word in line["words"]] == line["text"].split()
        for word in line["words"]:
            assert line["text"][word["start"] : word["end"]] == word["word"]
            assert word["contribution"] == pytest.approx(line["scores"][line["label"]] - word["without"], abs=1e-6)


def test_a_pipe_is_read_a_text_a_line(classifier_folder: Path, tmp_path: Path) -> None:
    model = ("--json", "--model", str(classifier_folder))
    finished = use("sentiment", "-", *model, folder=tmp_path, stdin="\n \n".join(TEXTS).encode())
    assert [line["text"] for line in finished.lines] == list(TEXTS)
    assert all("words" not in line for line in finished.lines)


def test_the_table_has_signs_and_steers_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (LeftOutWord("not", 0, 3, 0.25, 0.5), LeftOutWord("\x1b[31m", 4, 9, 0.8, -0.05))
    scores = (LabelScore("NEGATIVE", 0.75), LabelScore("POSITIVE", 0.25))
    answer = Sentiment("m", 0, "not \x1b[31m", "NEGATIVE", scores, words, truncated=True)

    def ask(question: Question, target: Target, take: Callable[[Answer], None], *, as_json: bool) -> int:
        assert question == ReadSentiment("starter/distilbert-sst2", ("not bad",), contributions=True)
        take(answer)
        return 0

    monkeypatch.setattr(running, "ask", ask)
    assert main(["sentiment", "not bad", "--words"]) == 0
    first, others, for_it, against = capsys.readouterr().out.splitlines()
    assert first.startswith("NEGATIVE    75.00%")
    assert first.endswith("not ␛[31m  (cut to the model's positions)")
    assert others.strip() == "POSITIVE 25.00%"
    assert for_it.split() == ["+0.5000", "for", "not"]
    assert against.split() == ["-0.0500", "against", "␛[31m"]


def test_a_model_of_pairs_and_a_starter_are_named_once_for_all_texts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = (LabelScore("not_equivalent", 0.75), LabelScore("equivalent", 0.25))

    def converse(request: Work, take: conversing.Take) -> int:
        for index in range(2):
            answer = Sentiment("starter/mrpc", index, "good", "not_equivalent", scores, (), truncated=False)
            take(Answered(request.id, answer))
        return 0

    monkeypatch.setattr(running, "converse", converse)
    assert main(["sentiment", "good", "good", "--model", "starter/mrpc"]) == 0
    pairs, starter = capsys.readouterr().err.splitlines()
    assert pairs.startswith("note: starter/mrpc judges pairs of texts")
    assert starter == "note: starter/mrpc is a small starter, not the original"
    assert main(["sentiment", "good", "good", "--model", "starter/mrpc", "--json"]) == 0
    assert capsys.readouterr().err == ""


def test_a_model_that_is_not_here_gets_the_task_s_own_starter_as_a_hint(tmp_path: Path) -> None:
    for arguments, starter in (
        (("sentiment", "good"), "starter/distilbert-sst2"),
        (("fill", "a [MASK]"), "starter/bert"),
        (("eval", "similar", "dev.tsv"), "starter/mrpc"),
    ):
        finished = use(*arguments, "--model", "org/nowhere", folder=tmp_path)
        assert finished.stderr.endswith(f", or use the bundled {starter}\n")
    compared = use("compare", "org/nowhere", "half", "a [MASK]", folder=tmp_path)
    assert compared.stderr.count("bundled") == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sentiment",), "the text is missing"),
        (("sentiment", "good", ""), "text 2 is empty"),
        (("sentiment", "good", "--file", "-"), "the texts are given twice"),
        (("sentiment", "-"), "standard input is empty"),
    ],
)
def test_wrong_use_is_one_line(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    finished = use(*arguments, folder=tmp_path)
    assert (finished.code, finished.stdout, finished.stderr.count("\n")) == (2, "", 1)
    assert finished.stderr.startswith(f"error: {message}")
