"""What the Models screen looks like."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot

from core.models.hub.records import DownloadPlan, HubFile
from core.precision import Precision
from core.text.tokenization import TextTokenizer
from tests.tui.conftest import read_tokenizer
from tests.tui.fake_engine import FakeEngine
from tests.tui.models.opening import put_into_cache
from tests.tui.pictures import SnapCompare
from tests.tui.test_snapshots import until
from tui.app import NlpTui
from tui.main.screen import MainScreen
from tui.models import rows as model_rows
from tui.models.plan_dialog import PlanDialog
from tui.models.rows import ModelRow, read_row
from tui.models.screen import ModelsScreen
from tui.models.texts import Room, plan_lines


def read_elsewhere(row: ModelRow) -> ModelRow:
    """A row whose paths are the same on every machine, and whose sizes outlive a starter's next training."""
    read = read_row(row)
    assert read.facts is not None
    facts = replace(read.facts, path=f"/models/{row.name}")
    if facts.source == "starter":
        memory = {name: Precision(name).weight_bytes * 20_000_000 for name in facts.memory_bytes}
        facts = replace(facts, parameters=20_000_000, size_bytes=40_000_000, memory_bytes=memory)
    return replace(read, facts=facts, problem=read.problem.replace(str(row.model.folder), facts.path))


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch, own_cache: Path, gpt2_folder: Path, tmp_path: Path) -> NlpTui:
    """With a model in the cache, and one there that cannot be used."""
    put_into_cache(own_cache, "한국/어-gpt2-[bold]", gpt2_folder)
    pickle = tmp_path / "pickle"
    pickle.mkdir()
    (pickle / "config.json").write_text('{"architectures": ["BertForMaskedLM"]}')
    (pickle / "pytorch_model.bin").write_bytes(b"x")
    put_into_cache(own_cache, "org/old-checkpoint", pickle)
    monkeypatch.setattr(TextTokenizer, "from_folder", read_tokenizer)
    monkeypatch.setattr(model_rows, "read_row", read_elsewhere)
    monkeypatch.setattr("tui.models.choice.free_bytes", lambda: 260_000_000)
    return NlpTui(engine=FakeEngine())


async def open_by_key(pilot: Pilot[None]) -> ModelsScreen:
    main = pilot.app.screen
    assert isinstance(main, MainScreen)
    await until(pilot, lambda: main.query("#prompt") and main.status.state == "ready")
    await pilot.press("f8")
    await until(pilot, lambda: isinstance(pilot.app.screen, ModelsScreen) and pilot.app.screen.query("#models-table"))
    screen = pilot.app.screen
    assert isinstance(screen, ModelsScreen)
    screen.field.cursor_blink = False
    await until(pilot, lambda: screen.table.models and all(row.facts for row in screen.table.models.values()))
    return screen


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
def test_the_list_with_its_details(snap_compare: SnapCompare, app: NlpTui, size: tuple[int, int]) -> None:
    """You should see six models, ▸ and ≈ before two, ✗ before the last; below, which precisions of BERT do not fit."""

    async def show(pilot: Pilot[None]) -> None:
        await open_by_key(pilot)
        await pilot.press("down", "down")

    assert snap_compare(app, terminal_size=size, run_before=show)


def test_a_download_and_a_verification_at_80_by_24(snap_compare: SnapCompare, app: NlpTui) -> None:
    """You should see a bar for each over the note, the footer below, and why the last model cannot be used."""

    async def show(pilot: Pilot[None]) -> None:
        screen = await open_by_key(pilot)
        screen.show_download("gpt2 45%", "gpt2  █████████░░░░░░░░░░░ 45%, 246.6 MB of 548.1 MB · Esc stops it")
        screen.show_verifying("verifying starter/gpt2  ██████░░░░ 61%, 21.6 MB of 35.5 MB read · Esc stops it")
        await pilot.press("down", "ctrl+end")

    assert snap_compare(app, terminal_size=(80, 24), run_before=show)


def test_the_plan_of_a_download(snap_compare: SnapCompare, app: NlpTui) -> None:
    """You should see a framed plan in lines, ✗ before what does not fit, and two buttons, the first one focused."""
    plan = DownloadPlan(
        *("gpt2", "main", "607a30d783dfa663caf39e06633721c8d4cfcd7e", "https://huggingface.co", "mit"),
        *("text-generation", "GPT2LMHeadModel", 137_022_720, (HubFile("model.safetensors", 548_105_171, "", ""),)),
        *(548_105_171, 30_000_000_000, "/cache"),
    )

    async def show(pilot: Pilot[None]) -> None:
        await open_by_key(pilot)
        pilot.app.push_screen(PlanDialog(plan_lines(plan, Room(60_000_000, "cpu")), "548.1 MB"))
        await until(pilot, lambda: pilot.app.screen.query("#yes"))
        await pilot.pause()

    assert snap_compare(app, terminal_size=(80, 24), run_before=show)
