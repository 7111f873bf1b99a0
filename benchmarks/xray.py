"""How soon does looking at a run answer? A knob to the re-ranked candidates, a key in the ribbon, a long conversation.

`python -m benchmarks.xray`: the real app with its real engine and the starter in a pseudo-terminal. Each time runs from
the key to the moment when what it asks for is painted: the candidate table over the whole vocabulary with the new
setting, the numbers of the next of 1,000 tokens, the last turn of a conversation of 500 turns chosen in the list.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import machine, processes, report
from benchmarks.streams import percentile
from benchmarks.terminal import Terminal
from core.history.conversation_file import ConversationFile, Place, run_line, saved_line
from core.locations import conversations_folder
from core.messages.protocol import Event, RunStarted, SequenceDone, TokenGenerated
from core.messages.records import Candidate, FinishReason, ModelInfo, RunStats, StepRecord
from core.messages.sampling_params import SamplingParams

TURNS, TURN_TOKENS = 500, 50
RIBBON_TOKENS = 1_000
WALKED_FROM = 100
"""The cursor's place in the ribbon before its keys are timed; the contexts there fit the starter's positions."""

EARLY_KEYS = 12
"""Presses of the knob that are told apart: in the first idle seconds the engine imports ahead of need, in pieces."""

OPENINGS = 5
_UP, _DOWN, _RIGHT, _F4, _F7, _F9, _LIST = "\x1b[A", "\x1b[B", "\x1b[C", "\x1bOS", "\x1b[18~", "\x1b[20~", "\x0c"
_INFO = ModelInfo("starter/gpt2", "starter", "", "GPT2LMHeadModel", 10, 512, 50257, "cpu", "float32", 0.1)
_STATS = RunStats(0.02, 0.01, 0.02, 90.0, 300.0, 5.0, 2, 1, 3, 512)
_PROMPT_IDS = (7454, 2402, 257, 640)


@dataclass(frozen=True, slots=True)
class Cost:
    """From a key to the screen."""

    elapsed_s: float
    work_s: float
    """Processor time of the main threads of interface and engine."""


@dataclass(frozen=True, slots=True)
class Times:
    """What each key cost until what it asks for was painted."""

    early_knob: list[Cost]
    """While the engine still imports ahead of need."""
    knob: list[Cost]
    ribbon: list[Cost]
    opening: list[Cost]


def measure(keys: int) -> Times:
    """Time everything once in apps of their own.

    Args:
        keys: how many presses of the knob, and how many steps in the ribbon.
    """
    knob = knob_costs(EARLY_KEYS + keys)
    return Times(knob[:EARLY_KEYS], knob[EARLY_KEYS:], ribbon_costs(keys), [opening_cost() for _ in range(OPENINGS)])


def knob_costs(keys: int) -> list[Cost]:
    """From each press on the temperature to the table with it."""
    costs = list[Cost]()
    with running(["-p", "Once upon a time"]) as terminal:
        terminal.press(_F7)
        terminal.until(lambda text: "kept with" in text)
        terminal.press(_F4)
        terminal.drain(1.0)
        for number in range(keys):
            setting = "0.8" if number % 2 else "0.9"
            costs.append(_cost(terminal, _DOWN if number % 2 else _UP, f"temperature {setting}"))
            terminal.drain(0.3)
    return costs


def ribbon_costs(keys: int) -> list[Cost]:
    """From each step in a ribbon of 1,000 tokens to the numbers of the token that it leads to."""
    costs = list[Cost]()
    with running([], [("ribbon", 1, RIBBON_TOKENS)]) as terminal:
        terminal.until(lambda text: "end of ribbon 0" in text)
        terminal.press(_F9)
        terminal.until(lambda text: "new token 1 " in text)
        terminal.press(_RIGHT * WALKED_FROM)
        terminal.until(lambda text: f"new token {WALKED_FROM + 1} " in text)
        terminal.drain(1.0)
        for number in range(keys):
            costs.append(_cost(terminal, _RIGHT, f"new token {WALKED_FROM + 2 + number} "))
            terminal.drain(0.2)
    return costs


def opening_cost() -> Cost:
    """From Enter in the list of conversations to the last turn of the one of 500 turns."""
    with running([], [("long", TURNS, TURN_TOKENS), ("short", 1, 3)]) as terminal:
        terminal.until(lambda text: "end of short 0" in text)
        terminal.press(_LIST)
        terminal.until(lambda text: "500 turns" in text)
        terminal.press(_DOWN)
        terminal.drain(0.3)
        terminal.press(_DOWN)
        terminal.drain(0.5)
        return _cost(terminal, "\r", f"end of long {TURNS - 1}")


def _cost(terminal: Terminal, key: str, wanted: str) -> Cost:
    """What it costs from a key to seeing a text."""
    since, work_s = terminal.mark(), processes.work_s(terminal.pid)
    pressed = terminal.press(key)
    seen = terminal.until(lambda text: wanted in text, since, limit_s=20)
    return Cost(seen - pressed, processes.work_s(terminal.pid) - work_s)


@contextmanager
def running(arguments: Sequence[str], saved: Sequence[tuple[str, int, int]] = ()) -> Iterator[Terminal]:
    """The app with its model loaded, over conversations of their own.

    Args:
        arguments: of the command line.
        saved: a name, turns and tokens a turn of each conversation; the last one is restored.
    """
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / "nlp-tui" / conversations_folder().name
        for name, turns, tokens in saved:
            _write(own, name, turns, tokens)
        terminal = Terminal(["-m", "tui.cli", *arguments], {"XDG_DATA_HOME": folder})
        try:
            terminal.until(lambda text: "ready" in text)
            yield terminal
            terminal.press("\x11")
            while terminal.read(1.0):
                pass
        finally:
            terminal.close()


def _write(folder: Path, name: str, turns: int, tokens: int) -> None:
    """A conversation as the app saves it, ten candidates a token."""
    file, draw = ConversationFile.create(folder, name), random.Random(0)
    for turn in range(turns):
        params = SamplingParams(seed=turn + 1, max_new_tokens=tokens)
        file.append(run_line(RunStarted(1, _INFO, f"Once upon a time {turn}", _PROMPT_IDS, params), Place(turn)))
        records = [
            _record(index, draw, f"end of {name} {turn}" if index == tokens - 1 else "") for index in range(tokens)
        ]
        text = "".join(record.text for record in records)
        ids = tuple(record.id for record in records)
        events: list[Event] = [*(TokenGenerated(1, one) for one in records), _end(text, ids)]
        for event in events:
            line = saved_line(event)
            if line is not None:
                file.append(line)
    file.close()


def _end(text: str, ids: tuple[int, ...]) -> SequenceDone:
    return SequenceDone(1, 0, FinishReason.LENGTH, text, ids, _STATS)


def _record(index: int, draw: random.Random, last: str) -> StepRecord:
    """A token with numbers of its own."""
    text, prob = last or draw.choice((" there", " was", " a", " little", " girl", ".")), draw.uniform(0.001, 1)
    listed = tuple(
        Candidate(rank, rank + 100, f" word{rank}", 9.0 / rank, 0.3 / rank, 0.4 / rank, 0.5, True, "")
        for rank in range(1, 11)
    )
    numbers = (9.0, -1.0, prob, 1 + index % 9, draw.uniform(0, 9), prob, 42, 0.9, 0.01 * index)
    return StepRecord(0, index, draw.randrange(200, 5000), text, text.encode().hex(), *numbers, listed)


def main(arguments: Sequence[str]) -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.xray", description=__doc__)
    parser.add_argument("--keys", type=int, default=40, help="presses of the knob, and steps in the ribbon")
    options = parser.parse_args(arguments)
    times, calm = machine.undisturbed(partial(measure, options.keys))
    print(report.heading("benchmarks.xray", arguments, ("textual", "torch")))
    print()
    named = {
        f"knob to candidates, first {EARLY_KEYS} presses": times.early_knob,
        "knob to candidates": times.knob,
        f"key in a ribbon of {RIBBON_TOKENS:,} tokens": times.ribbon,
        f"opening a conversation of {TURNS} turns": times.opening,
    }
    note = "" if calm else "disturbed"
    rows = []
    for what, costs in named.items():
        elapsed, work = sorted(cost.elapsed_s for cost in costs), sorted(cost.work_s for cost in costs)
        figures = [percentile(elapsed, 0.5), percentile(elapsed, 0.95), percentile(work, 0.5), percentile(work, 0.95)]
        rows.append([what, *map(report.milliseconds, figures), note])
    print(report.table(("key to paint, ms", "p50", "p95", "work p50", "work p95", "note"), rows))


if __name__ == "__main__":
    main(sys.argv[1:])
