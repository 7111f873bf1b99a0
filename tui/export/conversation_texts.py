"""A whole conversation as text to take away: Markdown to read, and JSON lines that `replay` and the app take.

Markdown stands in reading order: under each run what leaves it, a heading deeper, then what writes on after it. JSON
lines keep the order in which the runs were made, because each names its parent by number; they are what the file of
a saved conversation holds, with every candidate that was recorded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from core.history.conversation_file import Header, Place, header_line, run_line, title_of
from core.history.run_lines import event_line
from core.messages.protocol import RunStarted
from core.text.visible import to_json, token_label
from tui.conversations.branch_tree import parent_of, reading_order, taken_token, writes_on
from tui.export.run_texts import block, code, events, model_line, numbers_list, output_text, settings_list
from tui.transcript.kept_run import KeptRun, ShownTurn

_DEEPEST_HEADING = 6


def conversation_markdown(kept: Sequence[KeptRun]) -> str:
    """A conversation as a Markdown document: every run with its prompt or where it leaves, settings and outputs.

    Args:
        kept: all runs, with what was recorded of them; at least one.
    """
    order = reading_order(kept)
    branches = sum(depth > 0 and not writes_on(kept, place) for place, depth in order)
    turns = len({id(run.turn) for run in kept})
    counts = ", ".join((_counted(turns, "turn"), _counted(len(kept), "run"), _counted(branches, "branch", "branches")))
    parts = [
        f"# nlp-tui, {code(title_of(kept[0].turn.prompt))}",
        f"{counts}. A branch stands under the run that it leaves, one heading deeper.",
    ]
    model = ""
    for place, depth in order:
        run = kept[place]
        parts += [f"{'#' * min(2 + depth, _DEEPEST_HEADING)} {_heading(kept, place)}"]
        if model != (model := model_line(run.info)):
            parts.append(model)
        parts += [*_beginning(kept, place), settings_list(run.params), *_changes(run), *_outputs(kept, place)]
    return "\n\n".join(parts) + "\n"


def conversation_json_lines(kept: Sequence[KeptRun]) -> str:
    """A conversation as the file that a saved one is: a line that heads it, then each run's lines.

    Args:
        kept: all runs, with what was recorded of them; at least one.
    """
    now = datetime.now().astimezone()
    header = Header(f"{now:%Y%m%d-%H%M%S}-export", title_of(kept[0].turn.prompt), now.isoformat(timespec="seconds"))
    lines = [header_line(header)]
    turns: dict[ShownTurn, int] = {}
    for run in kept:
        place = _place(run, turns)
        for event in events(run):
            line = run_line(event, place) if isinstance(event, RunStarted) else event_line(event)
            lines += [line] if line is not None else []
    return "".join(f"{to_json(line)}\n" for line in lines)


def _place(run: KeptRun, turns: dict[ShownTurn, int]) -> Place:
    """Where a run stands; a turn that is new gets its number."""
    continues = run.turn in turns
    number = turns.setdefault(run.turn, len(turns))
    shown = "" if continues or run.turn.prompt == run.prompt else run.turn.prompt
    return Place(number, continues, shown, run.parent, run.parent_sequence, run.branch_at, run.taken)


def _heading(kept: Sequence[KeptRun], place: int) -> str:
    parent = parent_of(kept, place)
    if parent < 0:
        return f"Run {place + 1}"
    way = "writes on after" if writes_on(kept, place) else "a branch of"
    return f"Run {place + 1}, {way} {_name(kept, parent, kept[place].parent_sequence)}"


def _name(kept: Sequence[KeptRun], place: int, sequence: int) -> str:
    """What a sequence of a run is called."""
    return f"run {place + 1}" + (f", output {sequence + 1}" if len(kept[place].steps) > 1 else "")


def _beginning(kept: Sequence[KeptRun], place: int) -> Iterator[str]:
    """The prompt of a run, or where it leaves its parent; nothing where it writes on."""
    run, parent = kept[place], parent_of(kept, place)
    if parent < 0:
        yield from ("Prompt:", block(run.prompt))
    elif not writes_on(kept, place):
        new, name = code(token_label(taken_token(kept, place).text)), _name(kept, parent, run.parent_sequence)
        if run.branch_at < 0:
            yield f"Leaves {name} inside its prompt, {_counted(-run.branch_at, 'token')} before the end, with {new}."
        else:
            old = kept[parent].steps[run.parent_sequence][run.branch_at].text
            yield f"Leaves {name} at new token {run.branch_at + 1}: {code(token_label(old))} → {new}."


def _changes(run: KeptRun) -> Iterator[str]:
    changes = [f"- from new token {index + 1} on: {code(change)}" for index, change in run.changes().items()]
    if changes:
        yield "\n".join(changes)


def _outputs(kept: Sequence[KeptRun], place: int) -> Iterator[str]:
    """What each sequence of a run wrote; a branch begins with the token that it took."""
    run = kept[place]
    is_branch = parent_of(kept, place) >= 0 and not writes_on(kept, place)
    taken = taken_token(kept, place).text if is_branch else ""
    for sequence in range(len(run.steps)):
        name = f"Output {sequence + 1}" if len(run.steps) > 1 else "Output"
        yield f"{name}, from the token it took on:" if is_branch else f"{name}:"
        yield block(taken + output_text(run, sequence))
        if numbers := numbers_list(run, sequence):
            yield numbers


def _counted(count: int, one: str, several: str = "") -> str:
    return f"{count:,} {one if count == 1 else several or one + 's'}"
