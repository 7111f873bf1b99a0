"""How many sentence pairs a second: nlp-tui's batches beside transformers' text-classification pipeline at batch 32.

`python -m benchmarks.encoders`: the bundled starter and a BERT base with random weights, pairs of 10 to 50 words, both
ways in turns, each in a process of its own that is paused while it has no turn.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks import machine, report
from benchmarks.models import add_work_option, built, sentence_pairs
from benchmarks.processes import end, exit_on_sigterm, send

WAYS = ("pipeline", "ours")
LABELS = {"ours": "nlp-tui `compare_many`", "pipeline": "transformers pipeline, batch 32, float32"}
PAIRS = 128


class Scorer:
    """One way, loaded, paused between its turns."""

    def __init__(self, way: str, model: str, log: Path) -> None:
        """Start it and wait until it is ready.

        Raises:
            RuntimeError: it cannot be had; the message is the reason.
        """
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.ways.pairs", way, model, str(machine.cores())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                bufsize=0,
            )
        if self._line() != b"ready\n":
            raise RuntimeError(log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2][:160])

    def run(self, pairs: Sequence[tuple[str, str]]) -> tuple[float, list[float]]:
        """Seconds for all pairs, and their scores."""
        send(self._process.pid, signal.SIGCONT)
        assert self._process.stdin is not None
        request = json.dumps({"pairs": pairs}).encode() + b"\n"
        began = time.perf_counter()
        self._process.stdin.write(request)
        answer = self._line()
        elapsed_s = time.perf_counter() - began
        send(self._process.pid, signal.SIGSTOP)
        return elapsed_s, json.loads(answer)

    def close(self) -> None:
        """End it."""
        end(self._process.pid)
        self._process.wait()

    def _line(self) -> bytes:
        assert self._process.stdout is not None
        parts = [b""]
        while not parts[-1].endswith(b"\n") and (chunk := self._process.stdout.readline()):
            parts.append(chunk)
        return b"".join(parts)


@dataclass(slots=True)
class Comparison:
    """What was measured on one model, by way."""

    rates: dict[str, list[float]] = field(default_factory=dict)
    """Pairs a second."""
    scores: dict[str, list[float]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    """Why a way could not be had."""
    shaken: set[str] = field(default_factory=set)
    """Ways with a run that was disturbed every time."""


def measure(model: str, work: Path, repeats: int) -> Comparison:
    """Let both ways score the same pairs in turns; the first run warms up and is not timed."""
    pairs, scorers, found = sentence_pairs(PAIRS, seed=0), dict[str, Scorer](), Comparison()
    try:
        for way in WAYS:
            report.progress(f"loading {model}: {way}")
            try:
                scorers[way] = Scorer(way, model, work / f"pairs-{way}.log")
            except RuntimeError as error:
                found.missing[way] = str(error)
                continue
            found.scores[way] = scorers[way].run(pairs)[1]
        for _ in range(repeats):
            for way, scorer in scorers.items():
                (elapsed_s, _), calm = machine.undisturbed(partial(scorer.run, pairs))
                found.rates.setdefault(way, []).append(PAIRS / elapsed_s)
                found.shaken |= set() if calm else {way}
    finally:
        for scorer in scorers.values():
            scorer.close()
    return found


def rows(name: str, found: Comparison) -> list[list[str]]:
    """The rows of one model."""
    lines = []
    for way in WAYS:
        if way in found.missing:
            lines.append([name, LABELS[way], "could not be had", "", found.missing[way]])
            continue
        rate = median(found.rates[way])
        ratio = f"{rate / median(found.rates['pipeline']):.2f}" if "pipeline" in found.rates else ""
        notes = [_agreement(found.scores) if way == "ours" else "", "disturbed" if way in found.shaken else ""]
        lines.append([name, LABELS[way], f"{rate:.0f}", ratio, "; ".join(filter(None, notes))])
    return lines


def _agreement(scores: dict[str, list[float]]) -> str:
    if len(scores) < len(WAYS):
        return ""
    apart = max(abs(one - other) for one, other in zip(scores["ours"], scores["pipeline"], strict=True))
    return f"scores at most {apart:.1e} apart"


def main(arguments: Sequence[str]) -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.encoders", description=__doc__)
    add_work_option(parser)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args(arguments)
    exit_on_sigterm()
    models = {"starter/mrpc": "starter/mrpc", "BERT base, random weights": str(built(options.work, "bert"))}
    lines = [row for name, model in models.items() for row in rows(name, measure(model, options.work, options.repeats))]
    print(report.heading("benchmarks.encoders", arguments, ("torch", "transformers")))
    print(f"\n{PAIRS} pairs, {options.repeats} repeats, medians.\n")
    print(report.table(("model", "way", "pairs/s", "÷ pipeline", "note"), lines))


if __name__ == "__main__":
    main(sys.argv[1:])
