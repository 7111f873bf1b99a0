"""Choosing models: what each is used for, what is loaded then, and how much room there is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.memory import RESERVE_BYTES
from core.messages.records import Target
from core.models.registry import DEFAULT_GENERATOR, DEFAULT_PARAPHRASER, resolve
from tests.tui.branching import kept_run
from tests.tui.fake_engine import INFO
from tests.tui.fake_host import Sitting
from tests.tui.models.fake_board import FakeBoard, FakeWriting, row_of
from tests.tui.models.opening import COMMIT, put_into_cache
from tui.main.panes.similarity import SimilarityPane
from tui.models.choice import ModelChoice
from tui.models.rows import ModelRow, Purpose, Use
from tui.models.texts import Room


class Choosing:
    """The hand and what it changes."""

    def __init__(self) -> None:
        self.board, self.pane, self.writing = FakeBoard(), SimilarityPane(), FakeWriting(Target(DEFAULT_GENERATOR))
        self.runs = Sitting().runs
        self.hand = ModelChoice(self.board, self.writing, self.pane, self.runs)


@pytest.fixture
async def choosing(own_cache: Path) -> Choosing:
    return Choosing()


async def test_a_causal_model_writes_from_now_on(choosing: Choosing, gpt2_folder: Path) -> None:
    choosing.hand.use(row_of(str(gpt2_folder)))
    assert choosing.writing.target == Target(str(gpt2_folder))
    assert choosing.board.said == [f"{gpt2_folder} writes from now on; Esc goes to it"]
    choosing.hand.use(row_of(str(gpt2_folder)))
    assert choosing.board.said[-1] == f"{gpt2_folder} writes already; Esc goes to it"
    assert choosing.writing.loads == 0


async def test_one_that_could_not_be_loaded_is_loaded_again(choosing: Choosing) -> None:
    choosing.writing.model = None
    choosing.hand.use(row_of(DEFAULT_GENERATOR))
    assert choosing.writing.loads == 1
    assert choosing.writing.target == Target(DEFAULT_GENERATOR)


async def test_a_classifier_of_pairs_compares(choosing: Choosing, classifier_folder: Path) -> None:
    choosing.hand.use(row_of(str(classifier_folder)))
    assert choosing.pane.model == str(classifier_folder)
    assert "compares from now on" in choosing.board.said[-1]
    assert choosing.writing.target == Target(DEFAULT_GENERATOR)


async def test_others_are_for_the_lab_or_for_nothing(choosing: Choosing, tmp_path: Path) -> None:
    choosing.hand.use(row_of("starter/bert"))
    assert choosing.board.said[-1].startswith("starter/bert is for the lab (F6 on the main screen)")
    choosing.hand.use(ModelRow(resolve("starter/bert")))
    assert choosing.board.said[-1] == "starter/bert is being read; one moment"
    choosing.hand.use(ModelRow(resolve("starter/bert"), None, Purpose(Use.NOTHING, "no pane takes it")))
    assert choosing.board.failures == ["starter/bert: no pane takes it"]
    (tmp_path / "broken").mkdir()
    choosing.hand.use(row_of(str(tmp_path / "broken")))
    assert "has no config.json" in choosing.board.failures[-1]


async def test_device_and_precision_are_loaded_at_once(choosing: Choosing) -> None:
    choosing.hand.run_on("cpu", "int8")
    assert choosing.writing.target == Target(DEFAULT_GENERATOR, "cpu", "int8")
    assert choosing.hand.precision == "float32"  # as it was loaded
    choosing.writing.model = None
    assert choosing.hand.precision == "int8"


async def test_what_the_model_in_use_holds_counts_as_room(choosing: Choosing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.models.choice.free_bytes", lambda: RESERVE_BYTES + 100)
    assert choosing.hand.room == Room(140, "cpu")  # its 10 weights of four bytes are given back
    choosing.writing.model = replace(INFO, device="cuda:1")
    assert choosing.hand.room == Room(0, "cuda")
    choosing.writing.model = None
    assert choosing.hand.room == Room(100, "auto")


async def test_what_is_in_use_is_known_by_its_place_whatever_its_revision(
    choosing: Choosing, own_cache: Path, gpt2_folder: Path
) -> None:
    put_into_cache(own_cache, "org/tiny", gpt2_folder)
    choosing.writing.target = Target(f"org/tiny@{COMMIT}")
    assert choosing.hand.use_of(row_of("org/tiny")) == "writes now"
    assert choosing.hand.use_of(row_of(DEFAULT_PARAPHRASER)) == "compares now"
    assert choosing.hand.use_of(row_of("starter/bert")) == ""
    choosing.writing.target = Target("org/gone")
    assert choosing.hand.folders[0] is None


async def test_what_was_opened_in_this_session_is_known(choosing: Choosing) -> None:
    for name, source in (("/models/a", "folder"), ("/models/b.gguf", "gguf"), ("starter/gpt2", "starter")):
        choosing.runs.kept.append(kept_run((" a",), info=replace(INFO, name=name, source=source)))
    assert list(choosing.hand.opened()) == [DEFAULT_GENERATOR, DEFAULT_PARAPHRASER, "/models/a", "/models/b.gguf"]
