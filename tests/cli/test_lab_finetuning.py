"""`nlp-tui finetune` as other programs call it."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from core.engine.networks.head import Head
from tests.builders import EncoderBuilder
from tests.cli.inside import use
from tests.cli.process import PATIENCE_S, start


@pytest.fixture(scope="module")
def encoder(build_encoder: EncoderBuilder) -> str:
    """A tiny BERT without a classifier's head."""
    return str(build_encoder("bert", Head.MASKED_LM, initializer_range=0.1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with forty labelled texts and one broken row."""
    rows = [f"the film {n} is {('bad', 'good')[n % 2]}\t{n % 2}" for n in range(40)]
    (tmp_path / "rows.tsv").write_text("\n".join(["sentence\tlabel", *rows, "broken"]) + "\n")
    return tmp_path


def test_json_has_a_line_a_part_and_the_model_answers_by_its_folder(encoder: str, folder: Path) -> None:
    options = ("--task", "sentiment", "--out", "my-model", "--model", encoder, "--epochs", "1", "--json")
    finished = use("finetune", "rows.tsv", *options, "--batch-size", "10", folder=folder)
    assert (finished.code, finished.stderr) == (0, "")
    kinds = [line["type"] for line in finished.lines]
    assert kinds == ["started", "measured", "step", "step", "measured", "step", "step", "measured", "done"]
    assert finished.lines[0]["skipped"] == [{"line": 42, "reason": "1 column instead of 2"}]
    assert finished.lines[-1]["folder"] == "my-model"
    read = use("sentiment", "the film is good", "--model", "./my-model", "--json", folder=folder)
    assert read.lines[0]["scores"].keys() == {"NEGATIVE", "POSITIVE"}


def test_a_person_reads_talk_on_stderr_and_a_table_on_stdout(encoder: str, folder: Path) -> None:
    options = ("--task", "sentiment", "--out", "my-model", "--model", encoder, "--epochs", "1")
    finished = use("finetune", "rows.tsv", *options, folder=folder)
    assert finished.code == 0
    assert "line 42 is passed over: 1 column instead of 2" in finished.stderr
    assert "before training" in finished.stderr
    assert "\r" not in finished.stderr  # the line that moves is for terminals
    assert [line.split()[0] for line in finished.stdout.splitlines()] == [
        *("model", "labels", "rows", "steps", "accuracy", "F1", "loss", "time", "use")
    ]


@pytest.mark.slow
def test_ctrl_c_keeps_a_checkpoint_and_resume_goes_on(encoder: str, folder: Path) -> None:
    options = ("--task", "sentiment", "--out", "my-model", "--model", encoder, "--epochs", "1000", "--patience", "1000")
    command = ("finetune", "rows.tsv", *options, "--batch-size", "40", "--json")
    with start(*command, folder=folder) as process:
        assert process.stdout is not None
        lines = (json.loads(line) for line in process.stdout)
        next(line for line in lines if line["type"] == "step")
        process.send_signal(signal.SIGINT)
        *_, paused = lines
        assert process.wait(PATIENCE_S) == 130
    assert paused["type"] == "paused"
    assert not (folder / "my-model" / "config.json").exists()
    with start(*command, "--resume", folder=folder) as process:
        assert process.stdout is not None
        started = json.loads(process.stdout.readline())
        process.kill()
    assert started["step"] == paused["step"] > 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--epochs", "0"), "epochs must be in"),
        (("--label", "Wertung"), "there is no column 'Wertung'"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(encoder: str, folder: Path, options: tuple[str, ...], said: str) -> None:
    given = ("--task", "sentiment", "--out", "my-model", "--model", encoder, *options)
    finished = use("finetune", "rows.tsv", *given, folder=folder)
    assert (finished.code, finished.stdout) == (2, "")
    assert said in finished.stderr
    assert finished.stderr.count("\n") == 1
    assert not (folder / "my-model").exists()
