"""Copy, export and branches: what is taken from the main screen, and from which run.

The run is the one under the X-ray while that is open, else the newest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, assert_never

from core.backends.backend import Backend
from core.errors import EngineError, InputError
from core.history.as_command import as_command
from core.history.as_python import as_python
from core.messages.records import Candidate
from core.text.visible import visible
from tui.conversations.branch_tree import Node, branch_tree, tree_members
from tui.conversations.branches_dialog import BranchesDialog
from tui.export.clipboard import copy
from tui.export.conversation_texts import conversation_json_lines, conversation_markdown
from tui.export.export_dialog import ExportDialog, Format, Scope
from tui.export.run_texts import json_lines, markdown, output_text, token_table
from tui.transcript.kept_run import KeptRun
from tui.transcript.turn import Turn

if TYPE_CHECKING:
    from tui.main.screen import MainScreen


class Thing(StrEnum):
    """What can be copied; the value is how it is called."""

    OUTPUT = "output"
    CONVERSATION = "last output"
    TOKEN = "token"
    TABLE = "table of tokens"
    CANDIDATE = "candidate's text"
    CANDIDATE_ID = "candidate's id"
    CANDIDATE_ROW = "candidate's row"
    PYTHON = "run as Python"
    COMMAND = "run as a command"


_NO_RUN = ("there is no run yet", "run a prompt first")


def take(screen: MainScreen, thing: Thing) -> None:
    """Copy something, and say what went where."""
    screen.run_worker(_take(screen, thing), group="copy", exit_on_error=False)


def export(screen: MainScreen) -> None:
    """Ask for a file, and write a run, the whole conversation or a picture of the screen into it."""
    picture = screen.app.export_screenshot(title="nlp-tui")  # before the dialog lies over it
    svg: dict[Format, Callable[[], str]] = {Format.SVG: lambda: picture}
    kept = screen.runs.kept
    if kept:
        runs = [_scope_of(screen, run, number, svg) for number, run in enumerate(kept, start=1)]
        dialog = ExportDialog(runs, kept.index(current_run(screen)[0]), _whole(screen))
    else:
        dialog = ExportDialog([Scope("the screen", "nlp-tui", svg)])

    def tell(written: str | None) -> None:
        if written:
            screen.notify(written, markup=False)

    screen.app.push_screen(dialog, tell)


def _scope_of(screen: MainScreen, run: KeptRun, number: int, svg: Mapping[Format, Callable[[], str]]) -> Scope:
    """One run as what can be written of it."""
    contents: dict[Format, Callable[[], str]] = {
        Format.MARKDOWN: lambda: markdown(run, number),
        Format.JSON_LINES: lambda: json_lines(run),
    }
    count = len(screen.runs.kept)
    name = "this run" if count == 1 else f"run {number} of {count:,}"
    return Scope(name, f"nlp-tui-run-{number}", {**contents, **svg}, lambda: screen.conversations.fill(run))


def _whole(screen: MainScreen) -> Scope:
    """The conversation as what can be written of it."""
    kept = tuple(screen.runs.kept)

    def fill() -> None:
        for run in kept:
            screen.conversations.fill(run)

    contents: dict[Format, Callable[[], str]] = {
        Format.MARKDOWN: lambda: conversation_markdown(kept),
        Format.JSON_LINES: lambda: conversation_json_lines(kept),
    }
    return Scope("whole conversation", "nlp-tui-conversation", contents, fill)


def show_branches(screen: MainScreen) -> None:
    """Open the tree of the run's prompt; the text that is chosen there goes under the X-ray."""
    kept = screen.runs.kept
    if not kept:
        screen.notify(str(EngineError(*_NO_RUN)), markup=False)
        return
    run, sequence = current_run(screen)
    place = kept.index(run)
    for member in tree_members(kept, place):
        screen.conversations.fill(kept[member])
    nodes = branch_tree(kept, place)
    at = next(number for number, node in enumerate(nodes) if (node.run, node.sequence) == (place, sequence))
    prompt = kept[nodes[0].run].prompt

    def look(node: Node | None) -> None:
        if node is not None:
            chosen = kept[node.run]
            screen.xray.show(chosen, node.sequence, 0)
            screen.show_xray()

    screen.app.push_screen(BranchesDialog(prompt, nodes, at), look)


def commands(screen: MainScreen) -> Iterator[tuple[str, str, Callable[[], object]]]:
    """The palette's commands: name, help text, and what each does."""
    notes = {
        Thing.OUTPUT: "Of the run under the X-ray, else the newest (Y in the X-ray)",
        Thing.CONVERSATION: "Every continuation of the last turn (y in the conversation)",
        Thing.TOKEN: "The one under the X-ray's cursor (y there)",
        Thing.TABLE: "Tab-separated: token, probability, rank, entropy",
        Thing.CANDIDATE: "The one under the cursor (y there)",
        Thing.CANDIDATE_ID: "The one under the cursor",
        Thing.CANDIDATE_ROW: "Tab-separated: rank, id, text, logit, probabilities",
    }
    for thing, note in notes.items():
        yield f"Copy: {thing}", note, partial(take, screen, thing)
    yield "Copy as Python", "The run as a short transformers script", partial(take, screen, Thing.PYTHON)
    yield "Copy as command", "The run as nlp-tui generate …", partial(take, screen, Thing.COMMAND)
    yield "Export…", "A run or the whole conversation: Markdown, JSON Lines for replay, SVG", partial(export, screen)
    yield (
        "Branches…",
        "The runs of this prompt as a tree, two side by side (b in the X-ray)",
        partial(show_branches, screen),
    )


def current_run(screen: MainScreen) -> tuple[KeptRun, int]:
    """The run that is meant, and which of its sequences.

    Raises:
        InputError: there is none.
    """
    shown, kept = screen.xray.shown, screen.runs.kept
    if screen.has_class("-ribbon") and shown is not None and shown[0] in kept:
        return shown
    if not kept:
        raise InputError(*_NO_RUN)
    screen.conversations.fill(kept[-1])
    return kept[-1], 0


async def _take(screen: MainScreen, thing: Thing) -> None:
    try:
        text, note = await _find(screen, thing)
    except EngineError as error:
        screen.notify(str(error), severity="warning", markup=False)
        return
    if not text:
        screen.notify(f"The {thing} is empty: nothing was copied.", severity="warning", markup=False)
        return
    told = await copy(screen.app, text)
    screen.notify(f"{thing.capitalize()}: {told}.{note}", markup=False)


async def _find(screen: MainScreen, thing: Thing) -> tuple[str, str]:
    """The text of a thing, and what must be said of it.

    Raises:
        EngineError: it is not there.
    """
    match thing:
        case Thing.OUTPUT:
            return output_text(*current_run(screen)), ""
        case Thing.CONVERSATION:
            turns = list(screen.query(Turn))
            if not turns:
                raise InputError(*_NO_RUN)
            return "\n\n".join(turns[-1].outputs), ""
        case Thing.TOKEN:
            token = screen.ribbon.view.at_cursor
            if token is None:
                raise InputError("no token is looked at", "F9 shows a run token by token")
            return token.text, ""
        case Thing.TABLE:
            return token_table(*current_run(screen)), ""
        case Thing.CANDIDATE:
            return _candidate(screen).text, ""
        case Thing.CANDIDATE_ID:
            return str(_candidate(screen).id), ""
        case Thing.CANDIDATE_ROW:
            row = _candidate(screen)
            columns = (
                row.rank,
                row.id,
                visible(row.text),
                row.logit,
                row.prob,
                row.final_prob,
                row.cumulative,
                row.cut_by,
            )
            return "\t".join(map(str, columns)), ""
        case Thing.PYTHON | Thing.COMMAND:
            run, _ = current_run(screen)
            same_ids = await asyncio.to_thread(_splits_the_same, run, screen.backend)
            if thing is Thing.PYTHON:
                ids = () if same_ids else run.prompt_ids
                return as_python(run.info, run.prompt, run.params, ids, run.retunes), ""
            note = " Settings changed on the way are left out." if run.retunes else ""
            if not same_ids:
                note += " The run read exact tokens; the command splits the text anew."
            return _command(screen, run), note
        case _:
            assert_never(thing)


def _candidate(screen: MainScreen) -> Candidate:
    row = screen.candidates.rows.at_cursor
    if row is None:
        raise InputError("no candidate is looked at", "F7 shows what may come next")
    return row


def _command(screen: MainScreen, run: KeptRun) -> str:
    usual = run.info.dtype == "float32" and screen.target.dtype == "auto"
    dtype = "auto" if usual else run.info.dtype
    return as_command(run.info.name, run.prompt, run.params, device=screen.target.device, dtype=dtype)


def _splits_the_same(run: KeptRun, backend: Backend) -> bool:
    """Whether the tokenizer makes of a run's prompt the tokens that it read; a branch may have read others."""
    from core.text.tokenization import TextTokenizer  # comes after the first frame

    try:
        folder = backend.tokenizer_folder(run.info.name)
        tokenizer = None if folder is None else TextTokenizer.from_folder(run.info.name, folder)
    except EngineError:
        return False
    return tokenizer is not None and tuple(tokenizer.ids(run.prompt)) == run.prompt_ids
