"""`follows`, `rank` and `pairs` as other programs call them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.engine.networks.head import Head
from core.lab.records import Answer, Question
from core.lab.sentence_pairs import NextSentence, RankedSentence, RankedSentences, SimilarityMatrix
from core.messages.records import Target
from tests.builders import EncoderBuilder
from tests.cli.inside import use
from tui.cli import main
from tui.commands import running

LIST = "The cat is on the mat\n\n  고양이 🐈 [/b] \x1b[31m\r\nI love pizza\n"
TRIMMED = ["The cat is on the mat", "고양이 🐈 [/b] \x1b[31m", "I love pizza"]


def test_follows_prints_both_orders(build_encoder: EncoderBuilder, tmp_path: Path) -> None:
    model = str(build_encoder("bert", Head.NEXT_SENTENCE))
    finished = use("follows", "He went out.", "It rained.", "--json", "--model", model, folder=tmp_path)
    assert (finished.code, finished.stderr) == (0, "")
    (line,) = finished.lines
    assert line.keys() >= {"is_next", "not_next", "model", "swapped_is_next", "truncated"}
    assert line["is_next"] + line["not_next"] == pytest.approx(1)


def test_rank_reads_a_file_and_pairs_a_pipe_and_they_agree(classifier_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_text("\n".join(TRIMMED[1:]) + "\n", encoding="utf-8")
    model = ("--model", str(classifier_folder), "--json")
    ranked = use("rank", TRIMMED[0], "--file", "list.txt", *model, folder=tmp_path)
    pairs = use("pairs", "--file", "-", *model, folder=tmp_path, stdin=LIST.encode())
    assert (ranked.code, ranked.stderr, pairs.code, pairs.stderr) == (0, "", 0, "")
    assert [(pair["first"], pair["second"]) for pair in pairs.lines] == [
        (TRIMMED[0], TRIMMED[1]),
        (TRIMMED[0], TRIMMED[2]),
        (TRIMMED[1], TRIMMED[2]),
    ]
    assert [one["rank"] for one in ranked.lines] == [1, 2]
    by_text = {pair["second"]: pair for pair in pairs.lines[:2]}
    for one in ranked.lines:
        for name in ("a_to_b", "b_to_a", "cosine"):
            assert one[name] == pytest.approx(by_text[one["text"]][name], abs=1e-5)


@pytest.fixture
def answer_with(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], None]:
    """Has every question of this process answered alike, without an engine."""

    def use(answer: Answer) -> None:
        def ask(question: Question, target: Target, take: Callable[[Answer], None], *, as_json: bool) -> int:
            take(answer)
            return 0

        monkeypatch.setattr(running, "ask", ask)

    return use


def test_the_table_of_follows_has_a_row_an_order(
    answer_with: Callable[[Answer], None], capsys: pytest.CaptureFixture[str]
) -> None:
    answer_with(NextSentence("m\x1b[31m", 0.75, 0.25, 0.125, 0.875, truncated=True))
    assert main(["follows", "a", "b"]) == 0
    printed = capsys.readouterr()
    first, second = printed.out.splitlines()
    assert "A→B" in first
    assert "75.00%" in first
    assert "B→A" in second
    assert "12.50%" in second
    assert printed.err == "m␛[31m  (cut to the model's positions)\n"


def test_the_tables_of_rank_and_pairs_show_every_number_and_steer_no_terminal(
    answer_with: Callable[[Answer], None], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "list.txt"
    file.write_text(LIST, encoding="utf-8")
    one = RankedSentence(1, 0, TRIMMED[1], 0.6, 0.7, 0.5, 0.2, -0.25, truncated=True)
    answer_with(RankedSentences("m", "P(equivalent | A, B)", "a cat", (one,)))
    assert main(["rank", "a cat", "--file", str(file)]) == 0
    row = capsys.readouterr().out.splitlines()[1]
    assert row.split()[:6] == ["1", "60.00%", "70.00%", "50.00%", "20.00%", "-0.250"]
    assert row.endswith("고양이 🐈 [/b] ␛[31m  (cut to the model's positions)")
    similar, cosine = ((0.99, 0.12), (0.34, 0.98)), ((1.0, -0.56), (-0.56, 1.0))
    answer_with(SimilarityMatrix("m", "P(equivalent | A, B)", tuple(TRIMMED[:2]), similar, cosine, truncated=0))
    assert main(["pairs", "--file", str(file)]) == 0
    table = capsys.readouterr().out
    assert [row.split() for row in table.splitlines()[2:4]] == [["1", "99", "12"], ["2", "34", "98"]]
    assert [row.split() for row in table.splitlines()[6:8]] == [["1", "100", "-56"], ["2", "-56", "100"]]
    assert table.endswith("   2  고양이 🐈 [/b] ␛[31m\n")


@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        (("follows", "a", " "), b"", "sentence B is empty"),
        (("rank", "", "--file", "-"), b"a", "the sentence is empty"),
        (("rank", "a", "--file", "-"), b" \n", "standard input is empty"),
        (("rank", "a"), b"", "--file"),
        (("pairs", "--file", "-"), b"alone\n", "2 to 200 sentences, got 1"),
        (("pairs", "--file", "-"), b"again\n" * 201, "2 to 200 sentences, got 201"),
        (("pairs", "--file", "-"), b"caf\xe9\n", "is not valid UTF-8"),
    ],
)
def test_wrong_use_is_one_line(arguments: tuple[str, ...], stdin: bytes, message: str, tmp_path: Path) -> None:
    finished = use(*arguments, folder=tmp_path, stdin=stdin)
    assert finished.code == 2
    assert finished.stdout == ""
    assert finished.stderr.startswith("error: ")
    assert finished.stderr.count("\n") == 1
    assert message in finished.stderr


def test_a_model_without_the_head_fails_in_one_line(classifier_folder: Path, tmp_path: Path) -> None:
    finished = use("follows", "a", "b", "--model", str(classifier_folder), folder=tmp_path)
    assert (finished.code, finished.stdout, finished.stderr.count("\n")) == (1, "", 1)
    assert "without a next-sentence head" in finished.stderr


def test_a_missing_file_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pairs", "--file", "nowhere.txt"]) == 1
    assert "nowhere.txt cannot be read" in capsys.readouterr().err
