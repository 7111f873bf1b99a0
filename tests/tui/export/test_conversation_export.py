"""A whole conversation taken away: in reading order, each branch marked by where it leaves, and to be read back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from textual.widgets import Input, Static

from core.history.conversation_file import ConversationFile
from core.history.conversation_reader import read_conversation
from core.history.run_lines import read_runs
from core.messages.sampling_params import SamplingParams
from tests.saved import write_conversation
from tests.tui.branching import OTHER, PROMPT, TEXTS, candidate, kept_run
from tests.tui.conftest import Launch, Running
from tests.tui.conversations.test_branches import branched
from tui.conversations.branch_tree import reading_order
from tui.conversations.restoring import Restored
from tui.export.actions import export
from tui.export.conversation_texts import conversation_json_lines, conversation_markdown
from tui.export.export_dialog import ExportDialog
from tui.transcript.kept_run import KeptRun


def conversation() -> list[KeptRun]:
    """Two prompts; the first was run on, left twice, and a branch of it was left in turn."""
    first = kept_run(TEXTS)
    other = kept_run(OTHER, (" x",), prompt="Something `else`")
    other.params = other.params.changed(num_return_sequences=2)
    onward = kept_run((" more",), parent=0, branch_at=len(TEXTS), turn=first.turn, prompt=PROMPT + "".join(TEXTS))
    branch = kept_run(OTHER, parent=0, branch_at=2, taken=candidate(" | c", 4))
    inside = kept_run((" deep",), parent=0, branch_at=-1, taken=candidate("\n", 8))
    grandchild = kept_run((" end",), parent=3, branch_at=1, taken=candidate(" young", 6))
    sampled = kept_run((" y",), parent=1, parent_sequence=1, branch_at=0, taken=candidate(" z", 9))
    first.retunes.append((2, first.params.changed(temperature=2.0)))
    return [first, other, onward, branch, inside, grandchild, sampled]


def headings(text: str) -> list[str]:
    """The headings of a document."""
    return [line for line in text.split("\n") if line.startswith("#")]


def test_runs_stand_where_a_reader_expects_them() -> None:
    assert reading_order(conversation()) == [(0, 0), (3, 1), (5, 2), (4, 1), (2, 0), (1, 0), (6, 1)]
    first = kept_run(TEXTS)
    long = [first] + [replace(first, parent=n, branch_at=len(TEXTS)) for n in range(1500)]
    assert reading_order(long)[-1] == (1500, 0)


def test_markdown_marks_where_each_branch_leaves() -> None:
    text = conversation_markdown(conversation())
    assert headings(text) == [
        f"# nlp-tui, `{PROMPT}`",
        "## Run 1",
        "### Run 4, a branch of run 1",
        "#### Run 6, a branch of run 4",
        "### Run 5, a branch of run 1",
        "## Run 3, writes on after run 1",
        "## Run 2",
        "### Run 7, a branch of run 2, output 2",
    ]
    assert "6 turns, 7 runs, 4 branches. A branch stands under" in text
    assert "Leaves run 1 at new token 3: `·there` → `·|·c`." in text
    assert "Leaves run 1 inside its prompt, 1 token before the end, with `↵`." in text
    assert "Leaves run 2, output 2 at new token 1: `·x` → `·z`." in text
    assert f"Output, from the token it took on:\n\n```text\n | c{''.join(OTHER)}\n```" in text
    assert "- from new token 3 on: `temperature 0.8 → 2`" in text
    assert text.count("Model: ") == 1
    assert text.count("Prompt:\n") == 2


def test_json_lines_are_a_conversation_that_the_app_reads_back(tmp_path: Path) -> None:
    kept = conversation()
    (tmp_path / "it.jsonl").write_text(conversation_json_lines(kept), encoding="utf-8")
    file = ConversationFile.open(tmp_path / "it.jsonl")
    saved = read_conversation(file)
    restored = Restored(saved)
    for run in restored.kept:
        restored.fill(run)
    file.close()
    assert saved.header.title == PROMPT
    for run, again in zip(kept, restored.kept, strict=True):
        assert (again.prompt, again.prompt_ids, again.params) == (run.prompt, run.prompt_ids, run.params)
        assert (again.parent, again.parent_sequence, again.branch_at) == (
            run.parent,
            run.parent_sequence,
            run.branch_at,
        )
        assert (again.steps, again.retunes, again.taken) == (run.steps, run.retunes, run.taken)
    assert [run.turn.prompt for run in restored.kept] == [run.turn.prompt for run in kept]
    assert restored.kept[0].turn is restored.kept[2].turn
    read = read_runs(conversation_json_lines(kept).split("\n"), "it")  # as replay does
    assert [len(run.tokens) for run in read] == [sum(map(len, run.steps)) for run in kept]


# -- the dialog -------------------------------------------------------------------------------------------------------


async def opened(running: Running) -> ExportDialog:
    """The dialog, opened as the palette does."""
    running.screen.call_later(export, running.screen)
    await running.until(lambda: isinstance(running.app.screen, ExportDialog) and running.app.screen.query(Input))
    dialog = running.app.screen
    assert isinstance(dialog, ExportDialog)
    await running.until(lambda: str(dialog.query_one("#export-formats", Static).content))
    return dialog


def told(dialog: ExportDialog) -> str:
    """What is written, how, and under which name."""
    rows = (str(dialog.query_one(f"#export-{row}", Static).content).strip() for row in ("scopes", "formats"))
    return " / ".join((*rows, dialog.name_field.value))


async def test_tab_takes_the_whole_conversation_and_page_up_another_run(
    launch: Launch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with branched(launch, (80, 24)) as running:
        await running.pilot.press("escape")
        dialog = await opened(running)
        formats = "[Markdown]   JSON Lines    SVG picture"
        assert told(dialog) == f"[run 2 of 2]   whole conversation / {formats} / nlp-tui-run-2.md"
        await running.pilot.press("pageup")
        assert told(dialog) == f"[run 1 of 2]   whole conversation / {formats} / nlp-tui-run-1.md"
        await running.pilot.press("pageup", "down", "down")
        assert dialog.name_field.value == "nlp-tui-run-1.svg"
        await running.pilot.press("tab")
        assert told(dialog) == "run 1 of 2   [whole conversation] / [Markdown]   JSON Lines / nlp-tui-conversation.md"
        dialog.name_field.value = "mine.md"
        await running.pilot.press("tab", "tab", "down")
        assert dialog.name_field.value == "mine.jsonl"
        await running.pilot.press("pagedown")
        assert told(dialog).startswith("[run 2 of 2]")
        await running.pilot.press("tab", "up", "enter")
        await running.until(lambda: running.app.screen is running.screen)
        text = (tmp_path / "mine.md").read_text(encoding="utf-8")
        assert headings(text)[1:] == ["## Run 1", "### Run 2, a branch of run 1"]


async def test_the_run_under_the_x_ray_is_proposed(launch: Launch) -> None:
    async with branched(launch) as running:
        await running.pilot.press("f9", "left_square_bracket")
        await running.until(lambda: running.screen.xray.shown == (running.screen.runs.kept[0], 0))
        dialog = await opened(running)
        assert told(dialog).startswith("[run 1 of 2]")


async def test_turns_that_are_not_shown_yet_are_exported_too(
    launch: Launch, conversations: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_conversation(conversations, [(f"Prompt {n}", [f"word{n}"]) for n in range(40)])
    async with launch() as running:
        await running.until(lambda: len(running.screen.runs.kept) == 40)
        await opened(running)
        await running.pilot.press("tab", "enter")
        await running.until(lambda: running.app.screen is running.screen)
    text = (tmp_path / "nlp-tui-conversation.md").read_text(encoding="utf-8")
    assert [f"word{n}" for n in range(40) if f"word{n}" not in text] == []
    assert "40 turns, 40 runs, 0 branches." in text


def test_a_run_of_one_prompt_says_this_run_s_settings() -> None:
    run = kept_run(TEXTS)
    run.params = SamplingParams(temperature=1.5, seed=3)
    assert "- temperature: `1.5`\n- seed: `3`" in conversation_markdown([run])
