"""`nlp-tui eval` as other programs call it: one JSON object, broken rows on stderr, and a kill that costs little."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.builders import Builder
from tests.cli.inside import use
from tests.cli.process import PATIENCE_S, Finished, run, start

CONTRACT = ["task", "n", "accuracy", "f1", "seconds"]
ADDED = {
    *("model", "path", "columns", "skipped", "resumed", "truncated", "precision", "recall", "loss", "classes"),
    *("calibration_error", "confusion", "bins", "mistakes", "skipped_rows", "positive", "average", "note"),
}


@pytest.fixture(autouse=True)
def state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Journals go to a folder of the test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "nlp-tui" / "eval"


def write_rows(folder: Path, count: int = 12) -> None:
    """A file of labelled texts with the same name always."""
    rows = [f"text number {n} {'is longer ' * (n % 5)}\t{n % 2}" for n in range(count)]
    (folder / "dev.tsv").write_text("sentence\tlabel\n" + "\n".join(rows) + "\n")


def evaluate(model: Path, folder: Path, *options: str, task: str = "sentiment") -> Finished:
    """Evaluate on the file."""
    return use("eval", task, "dev.tsv", "--model", str(model), *options, folder=folder)


def test_the_result_is_one_object_that_begins_with_the_contract(classifier_folder: Path, tmp_path: Path) -> None:
    write_rows(tmp_path)
    with (tmp_path / "dev.tsv").open("ab") as file:
        file.write(b"\xff\t1\n")
    finished = evaluate(classifier_folder, tmp_path, "--json", "--csv", "out.csv")
    assert (finished.code, finished.stderr) == (0, "line 14: not valid UTF-8 (byte 1 of the line); skipped\n")
    (line,) = finished.lines
    assert list(line)[:5] == CONTRACT
    assert line.keys() >= ADDED
    assert (line["task"], line["n"], line["skipped"]) == ("sentiment", 12, 1)
    assert line["skipped_rows"] == [{"line": 14, "reason": "not valid UTF-8 (byte 1 of the line)"}]
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert line["accuracy"] == pytest.approx(sum(row["right"] == "1" for row in rows) / 12)


def test_the_table_shows_everything_and_broken_rows_are_said_on_stderr(classifier_folder: Path, tmp_path: Path) -> None:
    write_rows(tmp_path)
    with (tmp_path / "dev.tsv").open("ab") as file:
        file.write(b"odd\tx\n" * 22 + b"\xff\t1\n[/b] \x1b[31m\t0\n")
    finished = evaluate(classifier_folder, tmp_path, "--mistakes", "99")
    assert finished.code == 0
    for word in ("accuracy", "F1 (equivalent)", "right↓ said→", "confidence", "█", "line ", "text number"):
        assert word in finished.stdout
    assert finished.stderr.count("; skipped\n") == 20
    assert "3 more" in finished.stderr
    assert "\x1b" not in finished.stdout + finished.stderr


def test_two_models_are_judged_alike_and_compared(
    classifier_folder: Path, build_classifier: Builder, tmp_path: Path
) -> None:
    write_rows(tmp_path)
    student = build_classifier("student", num_hidden_layers=1)
    first, second, both = evaluate(student, tmp_path, "--against", str(classifier_folder), "--json").lines
    assert (
        (first["model"], second["model"]) == (both["model"], both["against"]) == (str(student), str(classifier_folder))
    )
    assert (both["accuracy"], both["seconds"]) == tuple([first[key], second[key]] for key in ("accuracy", "seconds"))
    assert both["disk_bytes"][0] < both["disk_bytes"][1]
    assert both["ratios"]["seconds"] == pytest.approx(first["seconds"] / second["seconds"])
    readable = evaluate(student, tmp_path, "--against", str(classifier_folder)).stdout
    name, *figures, ratio = readable.splitlines()[-1].split()
    assert (name, figures[-1], ratio[-1]) == ("on", "MB", "×")
    refused = evaluate(student, tmp_path, "--against", "org/nowhere")
    assert (refused.code, refused.stdout) == (1, "")


def test_fill_and_lm_have_the_same_first_fields(gpt2_folder: Path, tmp_path: Path) -> None:
    write_rows(tmp_path)
    (line,) = evaluate(gpt2_folder, tmp_path, "--json", "--window", "16", "--stride", "5", task="lm").lines
    assert list(line)[:5] == CONTRACT
    assert (line["f1"], line["window"], line["stride"]) == (None, 16, 5)
    assert line["perplexity"] > 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sentiment", "-"), "not standard input"),
        (("sentiment", "none.tsv"), "cannot be read"),
        (("sentiment", "dev.tsv", "--text", "foo"), "no column 'foo'"),
        (("sentiment", "dev.tsv", "--batch-size", "0"), "batch_size must be in"),
        (("guess", "dev.tsv"), "invalid choice"),
    ],
)
def test_wrong_use_is_one_line(
    arguments: tuple[str, ...], message: str, classifier_folder: Path, tmp_path: Path
) -> None:
    write_rows(tmp_path)
    finished = use("eval", *arguments, "--model", str(classifier_folder), folder=tmp_path)
    assert finished.code in (1, 2)
    assert finished.stdout == ""
    assert finished.stderr.startswith("error: ")
    assert finished.stderr.count("\n") == 1
    assert message in finished.stderr


def lines_in(folder: Path) -> int:
    """How many batches the journals hold."""
    return sum(path.read_bytes().count(b"\n") for path in folder.glob("*.jsonl"))


def wait_for_lines(process: subprocess.Popen[str], folder: Path, count: int) -> None:
    """Let a command run until its journal has so many lines."""
    for _ in range(PATIENCE_S * 100):
        try:
            process.wait(0.01)
        except subprocess.TimeoutExpired:
            if lines_in(folder) >= count:
                return
        else:
            raise AssertionError("it ended before it could be stopped")


def without_times(finished: Finished) -> dict[str, Any]:
    """A result, but for how it came about."""
    (line,) = finished.lines
    return {name: rounded(value) for name, value in line.items() if name not in ("seconds", "resumed")}


def rounded(value: Any) -> Any:
    """A JSON value without the digits that hang on how many cores computed it."""
    match value:
        case float():
            return round(value, 6)
        case list():
            return [rounded(one) for one in value]
        case dict():
            return {name: rounded(one) for name, one in value.items()}
    return value


def stop(options: tuple[str, ...], folder: Path, journals: Path, how: signal.Signals) -> tuple[int, str, str]:
    """Start an evaluation and stop it a few batches on: how it ended, and what it had printed."""
    with start(*options, folder=folder) as process:
        wait_for_lines(process, journals, lines_in(journals) + 3)
        process.send_signal(how)
        assert process.stdout is not None
        assert process.stderr is not None
        return process.wait(PATIENCE_S), process.stdout.read(), process.stderr.read()


@pytest.mark.slow
def test_a_stopped_and_a_killed_evaluation_go_on_where_they_were(
    classifier_folder: Path, tmp_path: Path, state_folder: Path
) -> None:
    rows = 300
    write_rows(tmp_path, rows)
    options = ("eval", "sentiment", "dev.tsv", "--model", str(classifier_folder), "--batch-size", "1", "--json")
    code, printed, said = stop(options, tmp_path, state_folder, signal.SIGINT)
    assert (code, printed) == (130, "")
    assert "the same command goes on from there" in said
    assert stop(options, tmp_path, state_folder, signal.SIGKILL)[:2] == (-signal.SIGKILL, "")
    again = run(*options, folder=tmp_path)
    assert 6 <= again.lines[0]["resumed"] < rows
    assert not list(state_folder.iterdir())
    whole = run(*options, "--fresh", folder=tmp_path)
    assert whole.lines[0]["resumed"] == 0
    assert without_times(again) == without_times(whole)


@pytest.mark.starter
@pytest.mark.slow
def test_the_starters_answer_for_every_task(tmp_path: Path) -> None:
    (tmp_path / "pairs.jsonl").write_text(
        "\n".join(
            json.dumps({"sentence1": "The cat sat.", "sentence2": other, "label": label})
            for other, label in (("A cat was sitting.", "equivalent"), ("Prices rose by 3 %.", "not_equivalent"))
        )
    )
    (tmp_path / "text.csv").write_text('text,label\n"a great, warm film",POSITIVE\na dull mess,0\n')
    (tmp_path / "gap.tsv").write_text("text\tword\nI went to the [MASK] to buy some milk.\tstore\n")
    (tmp_path / "story.txt").write_text("Once upon a time there was a little girl who lived near the sea.\n")
    files = {"similar": "pairs.jsonl", "sentiment": "text.csv", "fill": "gap.tsv", "lm": "story.txt"}
    found = {task: run("eval", task, file, "--json", folder=tmp_path).lines[0] for task, file in files.items()}
    assert all(list(line)[:5] == CONTRACT for line in found.values())
    assert {task: line["model"] for task, line in found.items()} == {
        "similar": "starter/mrpc",
        "sentiment": "starter/distilbert-sst2",
        "fill": "starter/bert",
        "lm": "starter/gpt2",
    }
    assert found["sentiment"]["accuracy"] == 1
    assert found["lm"]["perplexity"] < 60  # a story, which is what it was trained on
