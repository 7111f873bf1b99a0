"""Taking things away: to the clipboards there are, and into files that replace nothing without a question."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.widgets import Button, Input, Static

from core.engine.engine import Engine
from core.errors import EngineError
from core.history.run_lines import read_runs
from core.messages.protocol import Event, Generate, RunStarted, SequenceDone
from core.messages.records import FinishReason, StepRecord, Target
from core.messages.sampling_params import SamplingParams, ScheduledParams
from tests.cli.process import run as run_command
from tests.tui.branching import PROMPT, TEXTS, kept_run, script
from tests.tui.conftest import Launch, Running
from tests.tui.fake_engine import FakeEngine, stats
from tui.export.actions import Thing, current_run, export, take
from tui.export.clipboard import PROGRAMS, copy, programs_here
from tui.export.export_dialog import ExportDialog, Format, write_file
from tui.export.run_texts import json_lines, markdown, output_text, token_table
from tui.palette import MainCommands
from tui.transcript.kept_run import KeptRun
from tui.transcript.turn import Turn
from tui.widgets.dialogs import ChoiceDialog

OUTPUT = "".join(TEXTS)


@pytest.fixture(autouse=True)
def no_clipboard_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test writes into this machine's own clipboard."""
    monkeypatch.setattr("tui.export.clipboard.PROGRAMS", ())


def install(folder: Path, name: str, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a clipboard program on the path, and let it be tried."""
    program = folder / name
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DISPLAY", ":9")
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-9")
    monkeypatch.setattr(
        "tui.export.clipboard.PROGRAMS", tuple(one for one in PROGRAMS if (folder / one.command[0]).exists())
    )


@asynccontextmanager
async def ran(launch: Launch, size: tuple[int, int] = (120, 40)) -> AsyncIterator[Running]:
    """The app with one finished run."""
    engine = FakeEngine()
    engine.script = script
    async with launch(size=size, engine=engine) as running:
        running.screen.prompt.text = PROMPT
        running.screen.prompt.focus()
        await running.pilot.press("enter")
        await running.until(lambda: running.screen.runs.kept and running.screen.runs.kept[0].ends)
        await running.until(lambda: not running.screen.runs.is_busy)
        yield running


def files(folder: Path) -> list[str]:
    """The names of a folder's files."""
    return [path.name for path in folder.iterdir() if path.is_file()]


def notices(running: Running) -> str:
    """Everything that was told."""
    return "\n".join(notice.message for notice in running.app._notifications)


# -- copying ----------------------------------------------------------------------------------------------------------


@pytest.mark.smoke
async def test_y_in_the_conversation_copies_the_last_output_and_says_where(launch: Launch) -> None:
    async with ran(launch) as running:
        await running.pilot.press("f2", "y")
        await running.until(lambda: "OSC 52" in notices(running))
        assert running.app.clipboard == OUTPUT
        assert f"Last output: {len(OUTPUT)} characters to the terminal's clipboard (OSC 52)." in notices(running)


async def test_y_and_shift_y_in_the_x_ray_copy_the_token_and_the_output(launch: Launch) -> None:
    async with ran(launch) as running:
        await running.pilot.press("f9", "right", "y")
        await running.until(lambda: running.app.clipboard == " time")
        await running.pilot.press("Y")
        await running.until(lambda: running.app.clipboard == OUTPUT)


async def test_y_in_the_candidates_copies_the_entry_and_the_palette_its_id_and_row(launch: Launch) -> None:
    async with ran(launch) as running:
        await running.pilot.press("f7")
        await running.until(lambda: running.screen.candidates.rows.at_cursor)
        await running.pilot.press("down", "y")
        await running.until(lambda: running.app.clipboard == " the")
        take(running.screen, Thing.CANDIDATE_ID)
        await running.until(lambda: running.app.clipboard == "7")
        await running.pilot.press("down")
        take(running.screen, Thing.CANDIDATE_ROW)
        await running.until(lambda: running.app.clipboard.startswith("1\t9\t␛[31m\t"))


async def test_nothing_to_copy_is_one_line(launch: Launch) -> None:
    async with launch() as running:
        for count, thing in enumerate(Thing, start=1):
            take(running.screen, thing)
            await running.until(lambda count=count: len(running.app._notifications) == count)  # type: ignore[misc]
        assert "there is no run yet. hint: run a prompt first" in notices(running)
        assert "no candidate is looked at. hint: F7 shows what may come next" in notices(running)
        assert running.app.clipboard == ""


async def test_the_table_of_tokens_opens_in_a_spreadsheet(launch: Launch) -> None:
    async with ran(launch) as running:
        take(running.screen, Thing.TABLE)
        await running.until(lambda: running.app.clipboard)
        rows = [line.split("\t") for line in running.app.clipboard.splitlines()]
        assert len(rows) == 1 + len(TEXTS)
        assert {len(row) for row in rows} == {8}
        assert rows[1][:5] == ["1", str(sum(b" a")), " a", "0.37", "1"]
        assert rows[7][2] == "␊"


async def test_the_clipboard_program_gets_the_text_and_is_named(
    launch: Launch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "xclip", f'cat > {tmp_path}/got; echo "$@" > {tmp_path}/words', monkeypatch)
    async with ran(launch) as running:
        await running.pilot.press("f2", "y")
        await running.until(lambda: "and xclip" in notices(running))
    assert (tmp_path / "got").read_text(encoding="utf-8") == OUTPUT
    assert (tmp_path / "words").read_text() == "-selection clipboard\n"


@pytest.mark.parametrize("body", ["exit 3", "exec 0<&-; exit 1", "sleep 60"])
async def test_a_program_that_fails_or_hangs_is_told_and_the_terminal_has_the_text(
    launch: Launch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    install(tmp_path, "wl-copy", body, monkeypatch)
    monkeypatch.setattr("tui.export.clipboard.CLIPBOARD_PATIENCE_S", 0.2)
    async with launch() as running:
        assert (await copy(running.app, "long " * 30_000)).endswith("at this length; wl-copy failed")
        assert running.app.clipboard == "long " * 30_000


async def test_the_next_program_is_tried_and_text_without_a_utf8_form_is_no_crash(
    launch: Launch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "wl-copy", "exit 1", monkeypatch)
    install(tmp_path, "clip.exe", f"cat > {tmp_path}/got", monkeypatch)
    async with launch() as running:
        told = await copy(running.app, "한\ud800")
        assert told == "7 characters to the terminal's clipboard (OSC 52) and clip.exe"
    assert (tmp_path / "got").read_bytes().decode("utf-16") == "한\\ud800"


def test_a_program_without_its_display_is_not_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "xsel", "exit 0", monkeypatch)
    assert [program.command[0] for program in programs_here()] == ["xsel"]
    assert programs_here({}) == []


async def test_copy_as_command_and_as_python_carry_the_run(launch: Launch) -> None:
    async with ran(launch) as running:
        take(running.screen, Thing.COMMAND)
        await running.until(lambda: running.app.clipboard.startswith("nlp-tui generate"))
        assert shlex.split(running.app.clipboard)[-3:] == ["--seed", "1", PROMPT]
        await running.until(lambda: "splits the text anew" in notices(running))  # its tokens are made up
        take(running.screen, Thing.PYTHON)
        await running.until(lambda: running.app.clipboard.startswith("import torch"))
        assert "prompt_ids = [\n    1, 2,\n]" in running.app.clipboard
        run, _ = current_run(running.screen)
        run.prompt_ids = (7454, 2402)  # what GPT-2's tokenizer makes of the prompt
        take(running.screen, Thing.PYTHON)
        await running.until(lambda: f"prompt = {PROMPT!r}" in running.app.clipboard)


async def test_the_palette_has_it_all(launch: Launch) -> None:
    async with ran(launch) as running:
        names = {name for name, _, _ in MainCommands(running.screen)._commands()}
        assert {"Export…", "Branches…", "Copy as Python", "Copy as command", "Copy: table of tokens"} <= names


# -- exports ----------------------------------------------------------------------------------------------------------


def hard_run() -> KeptRun:
    """A run whose texts could break a document."""
    run = kept_run((" a|b", "``` ", "\n", "\x1b[31m", " 한", "`"), prompt="```\n# not a heading\n| [x](y)")
    run.retunes.append((2, SamplingParams(temperature=2.0)))
    return run


def test_markdown_holds_prompt_settings_output_and_the_numbers_of_each_token() -> None:
    text = markdown(hard_run(), 3)
    lines = text.split("\n")
    assert lines[0] == "# nlp-tui, run 3"
    assert "````text\n```\n# not a heading\n| [x](y)\n````" in text
    assert "- seed: `3`" in lines
    assert "From new token 3 on:\n\n- temperature: `2.0`" in text
    assert "\x1b" not in text
    rows = [line for line in lines if line.startswith("| ") and line[2].isdigit()]
    assert len(rows) == 6
    assert all(row.replace("\\|", "").count("|") == 7 for row in rows)
    assert rows[0] == f"| 1 | `·a\\|b` | {sum(b' a|b')} | 0.37 | 1 | 2.00 |"
    assert "````text\n a|b``` \n␛[31m 한`\n````" in text


def test_every_sequence_has_its_part() -> None:
    text = markdown(kept_run(TEXTS, (" x",)), 1)
    assert text.index("## Output 1") < text.index("## Tokens 1") < text.index("## Output 2") < text.index("## Tokens 2")
    assert output_text(kept_run(TEXTS, (" x",)), 1) == " x"
    assert token_table(kept_run(TEXTS, (" x",)), 1).count("\n") == 2


def engine_runs(model: str) -> list[KeptRun]:
    """A plain run, a batch, a beam search, and a run with settings changed on the way, from the real engine."""
    short = SamplingParams(max_new_tokens=6, seed=1)
    schedule = (ScheduledParams(2, short.changed(temperature=2.5, top_k=0)), ScheduledParams(4, short))
    requests = [
        Generate(Target(model), PROMPT, short),
        Generate(Target(model), PROMPT, short.changed(num_return_sequences=3)),
        Generate(Target(model), PROMPT, short.changed(num_beams=2, num_return_sequences=2)),
        Generate(Target(model), PROMPT, short, schedule=schedule),
        Generate(Target(model), "", short, prompt_ids=(7454, 2402, 257, 11)),
    ]
    runs: list[KeptRun] = []

    def keep(event: Event) -> None:
        if isinstance(event, RunStarted):
            steps: list[list[StepRecord]] = [[] for _ in range(event.params.num_return_sequences)]
            runs.append(KeptRun(Turn("", ""), event.prompt, event.prompt_ids, event.params, event.info, steps))
        elif runs:
            runs[-1].take(event)

    engine = Engine(keep)
    for request in requests:
        engine.handle(request, lambda: False, lambda: None)
    return runs


@pytest.mark.slow
def test_replay_takes_what_was_exported_as_json_lines(gpt2_folder: Path, tmp_path: Path) -> None:
    runs = engine_runs(str(gpt2_folder))
    runs[0].ends.clear()
    runs[0].steps[0].pop()  # a run that still goes on
    (tmp_path / "runs.jsonl").write_text("".join(map(json_lines, runs)), encoding="utf-8")
    finished = run_command("replay", "runs.jsonl", "--json", folder=tmp_path)
    assert [line["difference"] for line in finished.lines] == [""] * len(runs)
    assert [line["tokens"] for line in finished.lines] == [5, 18, 12, 6, 6]
    assert finished.code == 0


def test_json_lines_say_when_settings_changed() -> None:
    [read] = read_runs(json_lines(hard_run()).split("\n"), "a run")
    assert [(index, params.temperature) for index, params in read.retunes] == [(2, 2.0)]
    assert len(read.tokens) == 6


# -- the dialog -------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def exporting(
    launch: Launch, folder: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int] = (120, 40)
) -> AsyncIterator[tuple[Running, ExportDialog]]:
    """The app with the dialog open, in a folder of its own."""
    monkeypatch.chdir(folder)
    async with ran(launch, size) as running:
        await running.pilot.press("ctrl+p")
        await running.type("export")
        await running.pilot.pause()
        await running.until(
            lambda: running.app.screen.query("CommandList > *") or running.app.screen.query("CommandList")
        )
        await running.pilot.press("down", "enter")
        await running.until(lambda: isinstance(running.app.screen, ExportDialog))
        dialog = running.app.screen
        assert isinstance(dialog, ExportDialog)
        yield running, dialog


@pytest.mark.smoke
async def test_export_writes_the_run_under_the_name_given(
    launch: Launch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with exporting(launch, tmp_path, monkeypatch, (80, 24)) as (running, dialog):
        assert dialog.query_one(Input).value == "nlp-tui-run-1.md"
        await running.pilot.press("enter")
        await running.until(lambda: "Markdown written to" in notices(running))
        assert (tmp_path / "nlp-tui-run-1.md").read_text(encoding="utf-8").startswith("# nlp-tui, run 1\n")


async def test_the_suffix_and_the_format_follow_each_other(
    launch: Launch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with exporting(launch, tmp_path, monkeypatch) as (running, dialog):
        assert str(dialog.query_one("#export-formats", Static).content) == "[Markdown]   JSON Lines    SVG picture   "
        await running.pilot.press("down")
        assert dialog.query_one(Input).value == "nlp-tui-run-1.jsonl"
        assert str(dialog.query_one("#export-formats", Static).content) == " Markdown   [JSON Lines]   SVG picture   "
        await running.pilot.press("up", "up", "down", "down")
        assert dialog.query_one(Input).value == "nlp-tui-run-1.jsonl"
        dialog.query_one(Input).value = "picture.svg"
        await running.until(lambda: dialog.chosen is Format.SVG)
        await running.pilot.press("enter")
        await running.until(lambda: "SVG picture written" in notices(running))
        picture = (tmp_path / "picture.svg").read_text(encoding="utf-8")
        assert picture.startswith("<svg")
        assert "Sampling" in picture.replace("&#160;", " ")
        assert "Search for" not in picture.replace("&#160;", " ")  # the palette is gone by then


async def test_an_existing_file_is_replaced_only_after_a_question(
    launch: Launch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "nlp-tui-run-1.md"
    target.write_text("mine")
    async with exporting(launch, tmp_path, monkeypatch) as (running, dialog):
        await running.pilot.press("enter")
        await running.until(lambda: isinstance(running.app.screen, ChoiceDialog))
        await running.pilot.press("escape")
        await running.until(lambda: running.app.screen is dialog)
        assert target.read_text() == "mine"
        await running.pilot.press("enter")
        await running.until(lambda: isinstance(running.app.screen, ChoiceDialog))
        running.app.screen.query_one("#yes", Button).press()
        await running.until(lambda: "written to" in notices(running))
    assert target.read_text(encoding="utf-8").startswith("# nlp-tui")
    assert files(tmp_path) == [target.name]


async def test_what_cannot_be_written_is_one_line_in_the_dialog(
    launch: Launch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with exporting(launch, tmp_path, monkeypatch) as (running, dialog):
        problem = dialog.query_one("#export-problem", Static)
        for name, message in (("none/[bold]/x.md", "there is no folder"), (str(tmp_path) + "/.", "is a folder")):
            dialog.query_one(Input).value = name
            await running.pilot.press("enter")
            await running.until(lambda message=message: message in str(problem.content))  # type: ignore[misc]
        assert running.app.screen is dialog


async def test_without_a_run_only_the_picture_can_be_written(launch: Launch) -> None:
    async with launch() as running:
        running.screen.call_later(export, running.screen)
        await running.until(lambda: isinstance(running.app.screen, ExportDialog))
        dialog = running.app.screen
        assert isinstance(dialog, ExportDialog)
        assert dialog.chosen is Format.SVG
        assert dialog.query_one(Input).value == "nlp-tui.svg"
        await running.pilot.press("escape")
        await running.until(lambda: running.app.screen is running.screen)


@pytest.mark.parametrize(
    ("name", "message"),
    [("no/such/x", "no folder"), ("\0", "cannot be written"), ("~nobody-here/x", "cannot be written")],
)
def test_a_bad_name_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EngineError, match=message) as caught:
        write_file(name, "text", overwrite=False)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_full_disk_leaves_what_was_there_and_no_half_file(
    tmp_path: Path, overwrite: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "run.md"
    if overwrite:
        target.write_text("mine")

    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tui.export.export_dialog._write_new", full)
    with pytest.raises(EngineError, match="No space left on device"):
        write_file(str(target), "text", overwrite=overwrite)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"] * overwrite


def test_a_file_that_is_there_is_not_touched_and_a_link_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real.md", tmp_path / "link.md"
    real.write_text("mine")
    link.symlink_to(real)
    with pytest.raises(FileExistsError):
        write_file(str(link), "text", overwrite=False)
    assert real.read_text() == "mine"
    assert write_file(str(link), "\ud800", overwrite=True) == real
    assert link.is_symlink()
    assert json.loads(f'"{real.read_text()}"') == "\ud800"


async def test_the_run_under_the_x_ray_is_the_one_taken(launch: Launch) -> None:
    async with ran(launch) as running:
        await running.pilot.press("ctrl+r")
        await running.until(lambda: len(running.screen.runs.kept) == 2 and not running.screen.runs.is_busy)
        await running.pilot.press("f9", "left_square_bracket")
        await running.until(lambda: current_run(running.screen)[0] is running.screen.runs.kept[0])
        await running.pilot.press("escape")
        assert current_run(running.screen)[0] is running.screen.runs.kept[1]


def test_a_sequence_that_ended_says_why() -> None:
    run = kept_run(TEXTS)
    run.ends.append(SequenceDone(1, 0, FinishReason.EOS, OUTPUT + "�", (1,), stats()))
    assert output_text(run, 0) == OUTPUT + "�"
    assert "- Ended by eos\n- TTFT 20 ms" in markdown(run, 1)
    assert "perplexity 5.0\n- log p −" in markdown(run, 1)
