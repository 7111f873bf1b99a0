"""What every training shares, on a model of one number: steps, measurements, stops, the checkpoint and the folder."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.engine.lab.training import course as course_module
from core.engine.lab.training.checkpoint import Checkpoint
from core.engine.lab.training.course import Course, seed_at
from core.engine.lab.training.folder import ModelFolder
from core.errors import EngineError
from tests.loaded import desk


@dataclass(frozen=True, slots=True)
class Took:
    """One step."""

    step: int
    seconds_left: float


@dataclass(frozen=True, slots=True)
class Found:
    """One measurement."""

    step: int
    weight: float


@dataclass(slots=True, kw_only=True)
class Walk(Course[Took, Found]):
    """A random walk: each step depends on the weight and the step's seed."""

    file: Checkpoint
    patience: int = 1000
    weight: float = 1.0
    saves: int = 0

    def take_step(self) -> Took | None:
        draw = torch.rand((), generator=torch.Generator().manual_seed(seed_at(3, self.step)))
        if not self.may_go_on():
            return None
        self.weight = self.weight * 0.9 + float(draw)
        self.step += 1
        return Took(self.step, self.seconds_left())

    def measure(self) -> Found | None:
        return Found(self.step, self.weight) if self.may_go_on() else None

    def ends_early(self) -> bool:
        return len(self.measured) > self.patience

    def save(self) -> None:
        self.saves += 1
        measured = [(one.step, one.weight) for one in self.measured]
        self.file.write({**self.state(), "measured": measured, "weight": self.weight})

    def go_on(self) -> None:
        saved = self.file.read("settings", "step", "seconds", "measured", "weight")
        assert saved is not None
        self.restore(saved)
        self.weight, self.measured = saved["weight"], [Found(*one) for one in saved["measured"]]


def walk(file: Path, steps: int = 7, every: int = 3, looks: int = 10**9, **changes: Any) -> Walk:
    """A walk that is stopped at some look."""
    looked = count()
    at = desk(should_stop=lambda: next(looked) >= looks)
    return Walk(desk=at, settings={"a": 1}, steps=steps, measure_every=every, file=Checkpoint(file), **changes)


def places(parts: list[Took | Found]) -> list[str]:
    return [f"{'step' if isinstance(part, Took) else 'measured'} {part.step}" for part in parts]


def test_the_first_state_the_last_one_and_some_between_are_measured(tmp_path: Path) -> None:
    whole = walk(tmp_path / "walk.pt", steps=4)
    assert places(list(whole.train())) == [
        *("measured 0", "step 1", "step 2", "step 3", "measured 3", "step 4", "measured 4")
    ]
    assert not whole.is_stopped
    assert not whole.file.path.exists()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9), st.integers(1, 4), st.lists(st.integers(0, 24), max_size=4))
def test_stops_and_restarts_end_as_an_uninterrupted_run_to_the_bit(
    tmp_path_factory: pytest.TempPathFactory, steps: int, every: int, stops: list[int]
) -> None:
    file = tmp_path_factory.mktemp("walk") / "walk.pt"
    whole = walk(file, steps, every)
    expected = list(whole.train())
    run = walk(file, steps, every)
    steps_taken: list[int] = []
    for looks in [*stops, 10**9]:
        run = walk(file, steps, every, looks)
        if file.exists():
            run.go_on()
        said = list(run.train())
        steps_taken += [part.step for part in said if isinstance(part, Took)]
        if not run.is_stopped:
            break
        assert file.exists()
    assert not run.is_stopped
    assert run.weight == whole.weight
    assert run.measured == whole.measured
    assert steps_taken == [part.step for part in expected if isinstance(part, Took)]


def test_a_run_that_goes_on_with_fewer_steps_is_measured_where_it_is(tmp_path: Path) -> None:
    list(walk(tmp_path / "walk.pt", looks=12).train())
    shorter = walk(tmp_path / "walk.pt", steps=2)
    shorter.go_on()
    assert shorter.step == 5
    assert places(list(shorter.train())) == ["measured 0", "measured 3", "measured 5"]


def test_a_course_may_end_early(tmp_path: Path) -> None:
    early = walk(tmp_path / "walk.pt", steps=90, patience=2)
    assert places(list(early.train()))[-1] == "measured 6"
    assert not early.is_stopped


def test_settings_that_differ_are_named(tmp_path: Path) -> None:
    saved = {"settings": {"a": 2, "b": 1}}
    assert walk(tmp_path / "walk.pt").differing(saved) == ["a"]


def test_checkpoints_take_a_small_share_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = count()
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(clock)))
    monkeypatch.setattr(course_module, "CHECKPOINT_EVERY_S", 10.0)
    often = walk(tmp_path / "walk.pt", steps=100, every=100)
    list(often.train())
    monkeypatch.setattr(course_module, "CHECKPOINT_SHARE", 0.005)  # a save takes a second of this clock
    seldom = walk(tmp_path / "walk.pt", steps=100, every=100)
    list(seldom.train())
    assert often.saves > seldom.saves == 1


class Killed(BaseException):
    """Ends everything, as a signal would."""


WRITES = [
    (Path, "write_text"),
    (torch, "save"),
    *((os, name) for name in ("replace", "unlink", "rmdir", "mkdir", "chmod")),
]
"""What reaches the disk."""


def killed_at_each_write(monkeypatch: pytest.MonkeyPatch, work: Callable[[], None]) -> Iterator[int]:
    """Do work again and again, killed before its first write, its second, and so on; last, it is finished."""
    for moment in count():
        calls = count()

        def dying(kind: Callable[..., Any], calls: Iterator[int] = calls, moment: int = moment) -> Callable[..., Any]:
            def call(*given: Any, **named: Any) -> Any:
                if next(calls) == moment:
                    raise Killed
                return kind(*given, **named)

            return call

        with monkeypatch.context() as patch:
            for owner, name in WRITES:
                patch.setattr(owner, name, dying(getattr(owner, name)))
            try:
                work()
            except Killed:
                yield moment
                continue
        yield moment
        return


def test_a_checkpoint_killed_between_any_two_writes_is_the_old_one_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = Checkpoint(tmp_path / "deep" / "walk.pt")
    file.write({"step": 1})
    steps = []
    for _ in killed_at_each_write(monkeypatch, lambda: file.write({"step": 2, "weights": torch.ones(5)})):
        saved = file.read("step")
        assert saved is not None
        steps.append(saved["step"])
        if saved["step"] == 1:
            continue
        assert torch.equal(saved["weights"], torch.ones(5))
    assert steps == sorted(steps)
    assert (steps[0], steps[-1]) == (1, 2)


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = Checkpoint(tmp_path / "walk.pt")
    file.write({"step": 1})

    def full(state: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise RuntimeError("no space")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(RuntimeError):
        file.write({"step": 2})
    assert file.read("step") == {"step": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["walk.pt"]


@pytest.mark.parametrize("content", [b"", b"no", b"PK\x03\x04", b"\x80\x02."])
def test_what_is_not_a_checkpoint_reads_as_none(tmp_path: Path, content: bytes) -> None:
    file = Checkpoint(tmp_path / "walk.pt")
    assert file.read("step") is None
    file.path.write_bytes(content)
    assert file.read("step") is None
    for state in ({"other": 1}, {"step": Walk}):  # a class is not a plain value
        torch.save(state, file.path)
        assert file.read("step") is None


class Saved:
    """Stands for a model or a tokenizer: writes its files into a folder."""

    def __init__(self, **files: str) -> None:
        self.files = files

    def save_pretrained(self, folder: Path) -> None:
        for name, text in self.files.items():
            (folder / name.replace("_", ".")).write_text(text)


MODELS = {
    age: (Saved(config_json=age, model_safetensors=age), Saved(tokenizer_json=age), age) for age in ("old", "new")
}


def test_a_model_killed_between_any_two_writes_is_whole_or_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, kept = ModelFolder(tmp_path / "model"), tmp_path / "kept"
    folder.prepare(resume=False)
    folder.save_model(*MODELS["old"])
    folder.save_checkpoint({"step": 9})
    (folder.path / "diary.txt").write_text("mine")
    shutil.copytree(folder.path, kept)

    def save() -> None:
        folder.save_model(*MODELS["new"])

    names = {"config.json", "model.safetensors", "tokenizer.json", "README.md"}
    left: list[str] = []
    for _ in killed_at_each_write(monkeypatch, save):
        assert (folder.path / "diary.txt").read_text() == "mine"
        if folder.has_model:
            (age,) = {(folder.path / name).read_text() for name in names}
            left.append(age)
        else:
            left.append("none")
        if left[-1] != "new":
            assert folder.checkpoint.read("step") == {"step": 9}  # so that the run can go on
        listing = {path.name for path in folder.path.iterdir()}
        shutil.rmtree(folder.path)
        shutil.copytree(kept, folder.path)
    assert left == sorted(left, key=["old", "none", "new"].index)
    assert set(left) == {"old", "none", "new"}
    assert listing == {*names, "diary.txt"}


def test_files_of_a_model_are_readable_as_its_card_is(tmp_path: Path) -> None:
    class Private(Saved):
        def save_pretrained(self, folder: Path) -> None:
            super().save_pretrained(folder)
            (folder / "model.safetensors").chmod(0o600)

    folder = ModelFolder(tmp_path)
    folder.save_model(Private(config_json="x", model_safetensors="x"), Saved(), "card")
    assert len({path.stat().st_mode for path in tmp_path.iterdir()}) == 1


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = ModelFolder(tmp_path / "model")
    folder.prepare(resume=False)
    folder.save_checkpoint({"step": 1})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(EngineError, match=r"checkpoint cannot be written to .*No space left") as raised:
        folder.save_checkpoint({"step": 2})
    assert "--resume" in raised.value.hint
    assert folder.checkpoint.read("step") == {"step": 1}
