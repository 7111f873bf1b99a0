"""`compare` and `distil` as processes."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from core.engine.networks.head import Head
from core.models.registry import STARTER_FOLDER
from tests.builders import EncoderBuilder
from tests.cli.inside import use
from tests.cli.process import PATIENCE_S, run, start


@pytest.fixture(scope="module")
def teacher(build_encoder: EncoderBuilder) -> str:
    """A tiny BERT."""
    return str(build_encoder("bert", Head.MASKED_LM))


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep checkpoints out of the user's folders."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def test_compare_prints_one_object(teacher: str, tmp_path: Path) -> None:
    text = "the [MASK] sat on 고양이"
    finished = use("compare", teacher, "half", text, "--temperature", "2", "--json", folder=tmp_path)
    assert (finished.code, finished.stderr) == (0, "")
    (answer,) = finished.lines
    assert answer["temperature"] == 2
    assert answer["kl"] > 0
    assert answer["student"]["parameters"] < answer["teacher"]["parameters"]
    assert {"label", "teacher_prob", "student_prob", "teacher_rank", "student_rank"} <= answer["entries"][0].keys()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("compare", "starter/bert", "starter/sst2", "a [MASK]"), 1, "one task"),
        (("compare", "starter/bert", "no-such-model", "a [MASK]"), 1, "no-such-model"),
        (("compare", "starter/bert", "half", "a [MASK]", "--temperature", "0"), 2, "temperature"),
        (("distil", "--steps", "0"), 2, "steps"),
        (("distil", "--temperature", "warm"), 2, "number"),
        (("distil", "--teacher", "starter/gpt2"), 1, "GPT2LMHeadModel"),
        (("distil", "--resume"), 2, "no stopped run"),
    ],
)
def test_wrong_use_is_one_line(arguments: tuple[str, ...], code: int, said: str, tmp_path: Path) -> None:
    finished = use(*arguments, folder=tmp_path)
    assert finished.code == code
    assert said in finished.stderr
    assert finished.stderr.startswith("error: ")
    assert finished.stderr.count("\n") == 1


@pytest.mark.starter
@pytest.mark.slow
def test_people_read_tables(tmp_path: Path) -> None:
    table = run("compare", "starter/sst2", "half", "a lovely film", "--second", "[/b]", folder=tmp_path)
    assert table.code == 0
    assert "KL(teacher ‖ student)" in table.stdout
    assert "POSITIVE" in table.stdout
    course = run("distil", "--steps", "1", folder=tmp_path)
    assert course.code == 0
    assert "held-out KL, nats" in course.stdout
    assert "step 0: held-out KL" in course.stderr


@pytest.mark.starter
@pytest.mark.slow
def test_an_interrupted_run_goes_on_and_ends_in_a_folder(teacher: str, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text((STARTER_FOLDER / "distillation.txt").read_text(encoding="utf-8")[:4000], encoding="utf-8")
    command = ("distil", "--teacher", teacher, "--file", str(text), "--json")
    process = start(*command, "--steps", "5000", folder=tmp_path)
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["type"] == "step":
            break
    process.send_signal(signal.SIGINT)
    rest = [json.loads(line) for line in process.communicate(timeout=PATIENCE_S)[0].splitlines()]
    assert process.returncode == 130
    assert rest[-1]["type"] == "paused"
    taken = rest[-1]["step"]
    finished = run(*command, "--steps", str(taken + 2), "--resume", "--out", "student", folder=tmp_path)
    assert finished.code == 0
    assert finished.lines[0]["step"] == taken
    assert [line["step"] for line in finished.lines if line["type"] == "step"] == [taken + 1, taken + 2]
    assert finished.lines[-1]["type"] == "done"
    filled = run("fill", "a [MASK]", "--model", "./student", "--json", folder=tmp_path)
    assert (filled.code, len(filled.lines)) == (0, 5)
