"""The Models screen by keyboard: the list, its marks, its details, and using models for what they are good for."""

from __future__ import annotations

import json
import os
import shutil
import threading
from pathlib import Path

import pytest
from textual.widgets import Select

from core.engine.networks.head import Head
from core.errors import ModelTooLargeError
from core.locations import conversions_folder
from core.messages.protocol import Ask, Compare, Load
from core.messages.records import FinishReason, Target
from core.models.conversions import ORIGIN_FILE
from core.models.facts import model_facts
from core.models.hub.refusals import size_text
from core.models.registry import DEFAULT_GENERATOR, DEFAULT_PARAPHRASER, STARTERS, resolve
from tests.builders import EncoderBuilder
from tests.core.gguf_files import GgufFile
from tests.tui.conftest import Launch, Running
from tests.tui.fake_engine import FakeEngine, answer_comparison
from tests.tui.models.opening import details, enter_name, first_cell, go_to, note, open_models, state
from tui.models import rows as model_rows
from tui.models.rows import ModelRow
from tui.models.screen import ModelsScreen
from tui.widgets.dialogs import HelpDialog

pytestmark = pytest.mark.usefixtures("own_cache")


def loads(running: Running) -> list[Target]:
    return [request.target for request in running.engine.of(Load) if isinstance(request, Load)]


@pytest.mark.smoke
async def test_f8_lists_every_starter_with_its_facts_and_marks_what_is_in_use(launch: Launch) -> None:
    async with launch() as running:
        screen = await open_models(running)
        assert list(screen.table.models) == list(STARTERS)
        facts = model_facts(resolve("starter/gpt2"))
        cells = [cell.plain for cell in screen.table.get_row("starter/gpt2")]
        assert cells == [
            "▸ starter/gpt2",
            "text generation",
            f"{facts.parameters / 1e6:.1f} M",
            size_text(4 * facts.parameters),
            size_text(facts.size_bytes),
            "starter",
            facts.license,
            "",
        ]
        assert first_cell(screen, "starter/mrpc") == "≈ starter/mrpc"
        assert first_cell(screen, "starter/bert") == "  starter/bert"
        await running.pilot.press("escape")
        assert running.app.screen is running.screen


async def test_the_palette_opens_it_too(launch: Launch) -> None:
    async with launch() as running:
        await running.pilot.press("ctrl+p")
        await running.type("models")
        await running.until(lambda: running.app.screen.query("OptionList"))
        await running.until(lambda: running.app.screen.query_one("OptionList").option_count)  # type: ignore[attr-defined]
        await running.pilot.press("enter")
        await running.until(lambda: isinstance(running.app.screen, ModelsScreen))


async def test_names_stand_there_and_keys_work_before_the_facts_are_read(
    launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, read = threading.Event(), model_rows.read_row

    def read_slowly(row: ModelRow) -> ModelRow:
        assert gate.wait(60)
        return read(row)

    monkeypatch.setattr(model_rows, "read_row", read_slowly)
    async with launch() as running:
        await running.pilot.press("f8")
        screen = running.app.screen
        assert isinstance(screen, ModelsScreen)
        await running.until(lambda: len(screen.table.models) == len(STARTERS))
        await running.pilot.press("down", "down")
        assert [cell.plain for cell in screen.table.get_row("starter/bert")][1] == "…"
        assert "reading" in details(screen)
        gate.set()
        await running.until(lambda: " M parameters" in details(screen))


async def test_typing_filters_by_every_word_and_down_goes_to_the_rows(launch: Launch) -> None:
    async with launch() as running:
        screen = await open_models(running)
        await running.type("masked apache")
        assert [key.value for key in screen.table.rows] == ["starter/bert", "starter/distilbert"]
        await running.pilot.press("down")
        assert screen.focused is screen.table
        assert "BertForPreTraining" in details(screen)
        await running.pilot.press("slash")
        screen.field.value = "no such thing"
        await running.until(lambda: screen.table.row_count == 0)
        assert "nothing in the list has this" in note(screen)
        assert details(screen) == ""
        await running.pilot.press("v", "down", "v", "d", "enter")  # keys on an empty list do nothing


async def test_a_folder_typed_in_is_listed_and_enter_uses_it_to_write(launch: Launch, gpt2_folder: Path) -> None:
    async with launch() as running:
        screen = await open_models(running)
        await enter_name(running, screen, str(gpt2_folder))
        await running.until(lambda: screen.table.has_focus and screen.table.under_cursor)
        assert screen.table.under_cursor is not None
        assert screen.table.under_cursor.name == str(gpt2_folder)
        await running.until(lambda: "Enter uses it" in details(screen))
        await running.pilot.press("enter")
        await running.until(lambda: loads(running)[-1] == Target(str(gpt2_folder)))
        await running.until(lambda: first_cell(screen, str(gpt2_folder)).startswith("▸"))
        assert not first_cell(screen, DEFAULT_GENERATOR).startswith("▸")
        assert "ready" in state(screen)
        await running.pilot.press("enter")
        assert "writes already" in note(screen)
        await running.pilot.press("escape", "f8")
        await running.until(lambda: str(gpt2_folder) in screen.table.models)


async def test_a_name_of_the_list_typed_in_full_is_used_by_enter(launch: Launch, gpt2_folder: Path) -> None:
    async with launch() as running:
        screen = await open_models(running)
        running.screen.target = Target(str(gpt2_folder))
        await enter_name(running, screen, DEFAULT_GENERATOR)
        await running.until(lambda: loads(running)[-1].model == DEFAULT_GENERATOR)


async def test_a_classifier_of_pairs_is_used_to_compare_and_f5_names_it(
    launch: Launch, classifier_folder: Path
) -> None:
    engine = FakeEngine()
    engine.script = answer_comparison
    async with launch(engine=engine) as running:
        pane = running.screen.similarity
        assert DEFAULT_PARAPHRASER in str(pane.border_title)
        screen = await open_models(running)
        await enter_name(running, screen, str(classifier_folder))
        await running.until(lambda: "Similarity (F5)" in details(screen))
        await running.pilot.press("enter")
        assert "compares from now on" in note(screen)
        assert first_cell(screen, str(classifier_folder)).startswith("≈")
        assert not first_cell(screen, DEFAULT_PARAPHRASER).startswith("≈")
        await running.pilot.press("escape", "f5")
        pane.first.value, pane.second.value = "a cat", "a dog"
        await running.pilot.press("enter")
        await running.until(lambda: engine.of(Compare))
        request = engine.of(Compare)[0]
        assert isinstance(request, Compare)
        assert request.target.model == pane.model == str(classifier_folder)
        assert classifier_folder.name[-10:] in str(pane.border_title)
        assert loads(running)[-1].model == DEFAULT_GENERATOR


@pytest.mark.parametrize(
    ("head", "changes", "where"),
    [
        (Head.MASKED_LM, {}, "Fill masks"),
        (Head.ANSWERS, {}, "Question answering"),
        (Head.CLASSIFIER, {"id2label": {0: "NEGATIVE", 1: "POSITIVE"}}, "Sentiment"),
        (Head.CLASSIFIER, {"id2label": {0: "a", 1: "b", 2: "c"}}, "Sentiment"),
        (Head.STATES, {}, "by the cosine alone"),
    ],
)
async def test_other_models_say_which_pane_takes_them(
    head: Head, changes: dict[str, object], where: str, launch: Launch, build_encoder: EncoderBuilder
) -> None:
    folder = str(build_encoder("bert", head, **changes))
    async with launch() as running:
        screen = await open_models(running)
        await enter_name(running, screen, folder)
        await running.until(lambda: where in details(screen))
        await running.pilot.press("enter")
        assert where in note(screen)
        assert (running.screen.similarity.model == folder) == (head is Head.STATES)
        assert running.screen.target.model == DEFAULT_GENERATOR


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"config.json": b"{}", "pytorch_model.bin": b"x"}, "a pickle, which can run code"),
        ({"config.json": b"{}"}, "has no weights"),
        ({"config.json": b"{"}, "is not JSON"),
        ({}, "has no config.json"),
        ({"config.json": b"{}", "model.safetensors": b"\xff" * 64}, "no usable safetensors file"),
        ({"config.json": b'{"auto_map": {"AutoModel": "evil.Model"}}'}, "wants to run code of its own"),
    ],
)
async def test_an_unusable_model_is_marked_and_says_why(
    files: dict[str, bytes], reason: str, launch: Launch, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    async with launch() as running:
        screen = await open_models(running)
        await enter_name(running, screen, str(folder))
        await running.until(lambda: f"cannot be used: {reason}" in details(screen) or reason in details(screen))
        assert first_cell(screen, str(folder)).startswith("✗")
        await running.pilot.press("enter")
        assert reason in note(screen)
        assert running.screen.target.model == DEFAULT_GENERATOR


async def test_a_model_that_no_pane_takes_says_so(launch: Launch, gpt2_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "t5"
    shutil.copytree(gpt2_folder, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architectures": ["T5ForConditionalGeneration"]}))
    async with launch() as running:
        screen = await open_models(running)
        await enter_name(running, screen, str(folder))
        await running.until(lambda: "no pane takes" in details(screen))
        assert first_cell(screen, str(folder)).startswith("✗")


async def test_a_path_that_leads_nowhere_is_one_line_and_asks_no_hub(launch: Launch) -> None:
    async with launch() as running:
        screen = await open_models(running)
        for name in ("./nowhere", "/no/such.gguf", "~nobody-here/x", "starter/none"):
            await enter_name(running, screen, name)
            assert "hint" in note(screen), name
            assert not screen.download.name


@pytest.mark.parametrize("name", ["한국 모델", "[bold] [/ [/red]", "👩‍👩‍👧 \x1b[31m", "a\tb"])
async def test_any_name_is_shown_as_it_is(name: str, launch: Launch, gpt2_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / name
    shutil.copytree(gpt2_folder, folder)
    async with launch(size=(80, 24)) as running:
        screen = await open_models(running)
        await enter_name(running, screen, str(folder))
        await running.until(lambda: "Enter uses it" in details(screen))
        shown = name.replace("\x1b", "␛").replace("\t", "␉")
        assert shown in details(screen)
        assert shown in note(screen)
        await running.pilot.press("enter")
        await running.until(lambda: loads(running)[-1].model == str(folder))


async def test_device_and_precision_are_chosen_here_and_act_at_once(launch: Launch) -> None:
    async with launch() as running:
        screen = await open_models(running)
        await running.pilot.press("tab", "enter", "down", "enter")
        await running.until(lambda: loads(running)[-1] == Target(DEFAULT_GENERATOR, "cpu"))
        await running.pilot.press("tab", "enter", *["down"] * 4, "enter")
        await running.until(lambda: loads(running)[-1] == Target(DEFAULT_GENERATOR, "cpu", "int8"))
        running.screen.target = Target(DEFAULT_GENERATOR)  # as the palette changes it
        await running.until(
            lambda: (screen.settings.devices.value, screen.settings.precisions.value) == ("auto", "auto")
        )
        await running.until(lambda: loads(running)[3:] == [Target(DEFAULT_GENERATOR)])


async def test_the_lab_runs_on_the_device_that_was_chosen(launch: Launch) -> None:
    async with launch() as running:
        await running.pilot.press("f6")
        await running.until(lambda: running.engine.of(Ask))
        await running.pilot.press("escape")
        while running.app.screen is not running.screen:
            await running.pilot.press("escape")
        running.screen.target = Target(DEFAULT_GENERATOR, "cpu")
        await running.app.run_action("open_lab('sentiment')")
        await running.until(lambda: len(running.engine.of(Ask)) == 2)
        assert [one.target.device for one in running.engine.of(Ask) if isinstance(one, Ask)] == ["auto", "cpu"]


async def test_a_device_of_the_command_line_is_among_the_choices(launch: Launch) -> None:
    async with launch() as running:
        running.screen.target = Target(DEFAULT_GENERATOR, "cuda:1")
        screen = await open_models(running)
        assert screen.settings.devices.value == "cuda:1"


async def test_esc_closes_a_list_of_choices_before_it_leaves(launch: Launch) -> None:
    async with launch() as running:
        screen = await open_models(running)
        await running.pilot.press("tab", "enter")
        assert screen.query_one("#models-device", Select).expanded
        await running.pilot.press("escape")
        await running.until(lambda: isinstance(running.app.screen, ModelsScreen))
        await running.pilot.press("escape")
        await running.until(lambda: running.app.screen is running.screen)


async def test_what_goes_wrong_with_loading_stands_here_with_its_way_out(launch: Launch, gpt2_folder: Path) -> None:
    async with launch() as running:
        screen = await open_models(running)
        running.engine.load_error = ModelTooLargeError("it needs 9 GB, 1 GB is free", "use --dtype int8")
        await enter_name(running, screen, str(gpt2_folder))
        await running.until(lambda: "Enter uses it" in details(screen))
        await running.pilot.press("enter")
        await running.until(lambda: "it needs 9 GB, 1 GB is free. hint: use --dtype int8" in state(screen))
        running.engine.load_error = None
        await running.pilot.press("enter")  # the same one again
        await running.until(lambda: "ready" in state(screen))
        assert loads(running)[-1].model == loads(running)[-2].model == str(gpt2_folder)


async def test_what_does_not_fit_now_says_so_with_the_numbers(launch: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.models.choice.free_bytes", lambda: 250_000_000)
    async with launch() as running:
        screen = await open_models(running)
        await go_to(running, screen, "starter/bert")
        # 50 MB are free beside the reserve, and the 10 weights of the scripted model are given back.
        text = details(screen)
        size = size_text(screen.table.models["starter/bert"].facts.memory_bytes["float32"])  # type: ignore[union-attr]
        assert f"float32 {size} ✗ · float16/bfloat16 " in text
        assert "50.0 MB free now; ✗ is too large" in text


async def test_f1_explains_it_and_f8_goes_back(launch: Launch) -> None:
    async with launch() as running:
        await open_models(running)
        await running.pilot.press("f1")
        assert isinstance(running.app.screen, HelpDialog)
        await running.pilot.press("escape", "f8")
        await running.until(lambda: running.app.screen is running.screen)


async def test_a_converted_gguf_file_is_listed_by_its_path_and_one_that_is_new_is_not_read_as_broken(
    launch: Launch, gpt2_folder: Path, tmp_path: Path
) -> None:
    done, new = GgufFile().write(tmp_path / "done.gguf"), GgufFile().write(tmp_path / "new.gguf")
    conversion = resolve(str(done)).folder
    shutil.copytree(gpt2_folder, conversion)
    (conversion / ORIGIN_FILE).write_bytes(os.fsencode(done))
    orphan = conversions_folder() / "orphan"
    shutil.copytree(gpt2_folder, orphan)
    (orphan / ORIGIN_FILE).write_bytes(b"/gone.gguf")
    async with launch() as running:
        screen = await open_models(running)
        assert list(screen.table.models)[-2:] == sorted([str(done), str(orphan)])
        await go_to(running, screen, str(done))
        assert "GPT2LMHeadModel" in details(screen)
        await enter_name(running, screen, str(new))
        await running.until(lambda: "converted into an ordinary folder" in details(screen))
        assert "llama · 0.0 M parameters" in details(screen)


async def test_models_of_restored_runs_are_listed(launch: Launch, gpt2_folder: Path) -> None:
    async with launch() as running:
        running.screen.target = Target(str(gpt2_folder))
        await running.until(lambda: running.screen.status.state == "ready")
        running.screen.prompt.text = "Once"
        await running.pilot.press("f2", "escape", "enter")
        await running.until(lambda: running.screen.runs.is_busy)
        running.engine.begin()
        running.engine.finish(" more", FinishReason.LENGTH)
        await running.until(lambda: not running.screen.runs.is_busy)
        screen = await open_models(running)
        assert str(gpt2_folder) in screen.table.models
