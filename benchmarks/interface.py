"""Does the interface stay alive? Gaps of a 60 Hz timer, the way of a key to the screen, and very long token lists.

`python -m benchmarks.interface`: the real app with its real engine in a pseudo-terminal, with the starter and with a
full-size GPT-2, while it loads, while it generates, and while somebody types into it; and how long it takes to append
to 10,000 tokens in a `TokenView`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import string
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median

from textual.app import App, ComposeResult

from benchmarks import machine, report
from benchmarks.models import add_work_option, built
from benchmarks.streams import percentile
from benchmarks.terminal import Terminal
from core.models.registry import STARTER_FOLDER
from core.text.tokenization import TextTokenizer
from tui.widgets.token_view import TokenView

WATCHED_S = 6.0
"""How long the timer is watched while tokens come and nobody types."""

_MARK = "zq"
"""Typed first, so that what is looked for on the screen is unmistakable."""

MOST_KEYS = 60
"""More would wrap the line."""

_LONG_LIST = 10_000
_APPENDS = 20


@dataclass(frozen=True, slots=True)
class Liveliness:
    """How alive the interface was; gaps by what went on, sorted."""

    loading_s: list[float]
    generating_s: list[float]
    key_to_paint_s: list[float]


def measure(model: str, keys: int) -> Liveliness:
    """Load a model, watch it generate, then type beside it.

    Args:
        model: a model's name or folder.
        keys: how many keys are timed.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ticks.json"
        terminal = Terminal(["-m", "benchmarks.probe", model, str(path)])
        try:
            terminal.until(lambda text: "generating" in text)
            terminal.drain(WATCHED_S)
            typing_began = time.perf_counter()
            painted_s = _type(terminal, keys)
            terminal.press("\x11")
            while terminal.read(1.0):
                pass
        finally:
            terminal.close()
        ticks = [(float(at), str(state)) for at, state in json.loads(path.read_text(encoding="utf-8"))]
    quiet = [tick for tick in ticks if tick[0] < typing_began]
    return Liveliness(_gaps(quiet, "loading"), _gaps(quiet, "generating"), sorted(painted_s))


def _gaps(ticks: list[tuple[float, str]], state: str) -> list[float]:
    pairs = pairwise(ticks)
    return sorted(later - earlier for (earlier, was), (later, is_) in pairs if state in (was, is_))


def _type(terminal: Terminal, keys: int) -> list[float]:
    """Type letters at uneven moments into the line of the prompt; how long each took to be painted."""
    draw, painted_s, line = random.Random(0), list[float](), _MARK
    terminal.press(_MARK)
    terminal.drain(0.5)
    for _ in range(keys):
        line += draw.choice(string.ascii_lowercase)
        painted_s.append(_paint_s(terminal, line))
        terminal.drain(draw.uniform(0.05, 0.15))
    return painted_s


def _paint_s(terminal: Terminal, line: str) -> float:
    """Seconds from pressing the last letter of a line to seeing the line with it."""
    since = terminal.mark()
    pressed = terminal.press(line[-1])
    return terminal.until(lambda text: line in text, since, limit_s=5) - pressed


class _ListApp(App[None]):
    """One token list."""

    def compose(self) -> ComposeResult:
        """The list alone."""
        yield TokenView()


async def append_s() -> list[float]:
    """Seconds from handing a long list one token more to the end of the refresh that shows it."""
    tokenizer = TextTokenizer.from_folder("gpt2", STARTER_FOLDER / "gpt2")
    text = " ".join(random.Random(0).choices(["sun", "moon", "한글", "tokenization", "a", "river"], k=_LONG_LIST))
    pieces = tokenizer.pieces(text)[: _LONG_LIST + _APPENDS]
    app, times = _ListApp(), list[float]()
    async with app.run_test(size=(120, 40)) as pilot:
        view = app.query_one(TokenView)
        view.focus()
        view.show(pieces[:_LONG_LIST], text)
        await pilot.pause()
        for count in range(_LONG_LIST + 1, _LONG_LIST + _APPENDS + 1):
            refreshed = asyncio.Event()
            began = time.perf_counter()
            view.show(pieces[:count], text)
            view.call_after_refresh(refreshed.set)
            await refreshed.wait()
            times.append(time.perf_counter() - began)
    return sorted(times)


def main(arguments: Sequence[str]) -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.interface", description=__doc__)
    add_work_option(parser)
    parser.add_argument("--keys", type=int, default=40, choices=range(1, MOST_KEYS + 1), metavar="N")
    options = parser.parse_args(arguments)
    rows = []
    for name, model in {"starter/gpt2": "starter/gpt2", "GPT-2 124 M": str(built(options.work, "gpt2"))}.items():
        report.progress(f"running the app with {name}")
        alive, calm = machine.undisturbed(partial(measure, model, options.keys))
        loading, generating, keys = (_summary(times) for times in _parts(alive))
        rows.append([name, *loading, *generating, *keys, "" if calm else "disturbed"])
    report.progress("appending to a long list")
    appends, calm = machine.undisturbed(lambda: asyncio.run(append_s()))
    print(report.heading("benchmarks.interface", arguments, ("textual", "torch")))
    print()
    columns = [f"{what} {figure}" for what, figures in _COLUMNS.items() for figure in figures]
    print(report.table(("model", *columns, "note"), rows))
    print(
        f"\nAppend to refresh, {_LONG_LIST:,} tokens in a TokenView: median {report.milliseconds(median(appends))} ms, "
        f"longest {report.milliseconds(appends[-1])} ms{'' if calm else ' (disturbed)'}"
    )


_COLUMNS = {"gaps loading": ("p99", "max"), "gaps generating": ("p99", "max"), "key to paint": ("p50", "p95")}


def _parts(alive: Liveliness) -> list[tuple[list[float], tuple[float, float]]]:
    return [(alive.loading_s, (0.99, 1)), (alive.generating_s, (0.99, 1)), (alive.key_to_paint_s, (0.5, 0.95))]


def _summary(part: tuple[list[float], tuple[float, float]]) -> list[str]:
    ordered, shares = part
    return [report.milliseconds(percentile(ordered, share)) if ordered else "none" for share in shares]


if __name__ == "__main__":
    main(sys.argv[1:])
