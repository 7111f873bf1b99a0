"""`answer` on the command line."""

from __future__ import annotations

from pathlib import Path

from core.engine.networks.head import Head
from tests.builders import EncoderBuilder
from tests.cli.inside import use

CONTEXT = "The cat slept all day. 고양이는 [bold] 잤다. 🙂"


def test_json_is_a_line_a_span_of_the_context(build_encoder: EncoderBuilder, tmp_path: Path) -> None:
    (tmp_path / "context.txt").write_text(CONTEXT, encoding="utf-8")
    where = ("--model", str(build_encoder("bert", Head.ANSWERS)), "--json", "--top", "2")
    from_file = use("answer", "Who slept?", "--context", "context.txt", *where, folder=tmp_path)
    piped = use("answer", "Who slept?", "--context", "-", *where, folder=tmp_path, stdin=CONTEXT.encode())
    assert (from_file.code, from_file.stderr) == (0, "")
    assert from_file.stdout == piped.stdout
    assert [line["rank"] for line in from_file.lines] == [1, 2]
    for line in from_file.lines:
        assert CONTEXT[line["start"] : line["end"]] == line["text"]
        assert 0 < line["score"] <= line["start_prob"]


def test_without_a_model_it_names_one_in_one_line(tmp_path: Path) -> None:
    finished = use("answer", "Who slept?", "--text", CONTEXT, folder=tmp_path)
    assert finished.code == 2
    assert finished.stdout == ""
    assert finished.stderr.count("\n") == 1
    assert "distilbert-base-cased-distilled-squad" in finished.stderr


def test_a_missing_or_doubled_context_is_wrong_use(tmp_path: Path) -> None:
    for context in ((), ("--text", "a", "--context", "b"), ("--text", ""), ("--text", "-")):
        finished = use("answer", "Who?", "--model", "starter/bert", *context, folder=tmp_path)
        assert finished.code == 2
        assert "context" in finished.stderr
        assert finished.stderr.count("\n") == 1
