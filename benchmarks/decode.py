"""How quickly tokens come: nlp-tui in every precision beside four other ways, on the same weights, in one run.

`python -m benchmarks.decode`: GPT-2 of full size, 16 prompt and 128 new tokens, greedy, one sequence, all cores. The
ways take turns, each repeat with a prompt of its own; a repeat that something disturbed is run again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import chain

from benchmarks import machine, report
from benchmarks.models import GPT2_READ_PER_TOKEN, add_work_option, built, prompt
from benchmarks.processes import exit_on_sigterm
from benchmarks.streams import Child, Figures, Stream, Way, WayError
from benchmarks.ways.serve import Request

PROMPT_TOKENS, NEW_TOKENS = 16, 128

BASE = "transformers float32"
"""What the ratios are to."""

_OURS = ("nlp-tui", "torch")
_LLAMA = ("llama-cpp-python", "gguf")
_ONNX = ("onnxruntime", "onnx")
_Q8_0_BYTES = 34 / 32
"""A block of 32 has a scale of two bytes."""

WAYS: tuple[Way, ...] = (
    Way(BASE, "streamer", "float32", 4, ("transformers", "torch")),
    Way("transformers bfloat16", "streamer", "bfloat16", 2, ("transformers", "torch")),
    Way("nlp-tui float32", "engine", "float32", 4, _OURS),
    Way("nlp-tui float16", "engine", "float16", 2, _OURS),
    Way("nlp-tui bfloat16", "engine", "bfloat16", 2, _OURS),
    Way("nlp-tui int8", "engine", "int8", 1, _OURS),
    Way("CTranslate2 float32", "ctranslate", "float32", 4, ("ctranslate2",)),
    Way("CTranslate2 int8", "ctranslate", "int8", 1, ("ctranslate2",)),
    Way("llama.cpp F32", "llama_cpp", "float32", 4, _LLAMA),
    Way("llama.cpp F16", "llama_cpp", "float16", 2, _LLAMA),
    Way("llama.cpp Q8_0", "llama_cpp", "int8", _Q8_0_BYTES, _LLAMA),
    Way("ONNX Runtime float32", "onnx_runtime", "float32", 4, _ONNX),
    Way("ONNX Runtime int8", "onnx_runtime", "int8", 1, _ONNX),
)

_WARM_UP = Request(*prompt(PROMPT_TOKENS, 99), 4)

HEADER = ("way", "tok/s", "TTFT ms", "ITL p50 ms", "ITL p99 ms", "÷ base", "share of bound", "version", "note")


class Race:
    """All ways, loaded, taking turns."""

    def __init__(self) -> None:
        self.missing: dict[str, str] = {}
        self.streams: dict[str, list[Stream]] = {}
        self.shaken: set[str] = set()
        """The ways with a run that was disturbed every time."""
        self.children: list[Child] = []

    def load(self, options: argparse.Namespace, ways: Sequence[Way]) -> None:
        """Start every way and warm it up, which leaves it paused."""
        model = built(options.work, "gpt2")
        # Ours come last: the engine times its precisions while it loads, and nothing should be starting beside it.
        for way in sorted(ways, key=lambda way: way.module == "engine"):
            report.progress(f"loading {way.name}")
            try:
                child = Child(way, model, options.work)
                self.children.append(child)
                child.run(_WARM_UP)
            except WayError as error:
                self._drop(way, str(error))

    def run(self, repeats: int) -> None:
        """Let every way run once a repeat, each repeat beginning with the next of them."""
        for repeat in range(repeats):
            request = Request(*prompt(PROMPT_TOKENS, repeat), NEW_TOKENS)
            first = repeat % max(1, len(self.children))
            turns = self.children[first:] + self.children[:first]
            for child in turns:
                self._take_turn(child, request)

    def note_of(self, way: Way) -> str:
        """What its child had to say, and whether it was disturbed."""
        child = next(child for child in self.children if child.way == way)
        notes = [child.note, "disturbed" if way.name in self.shaken else ""]
        return "; ".join(filter(None, notes))

    def close(self) -> None:
        """End every child."""
        for child in self.children:
            child.close()

    def _take_turn(self, child: Child, request: Request) -> None:
        way = child.way
        try:
            child.run(_WARM_UP)  # what it had in memory may have been dropped while it was paused
            stream, calm = machine.undisturbed(lambda: child.run(request))
        except WayError as error:
            self._drop(way, str(error))
            return
        self.streams.setdefault(way.name, []).append(stream)
        if not calm:
            self.shaken.add(way.name)
        report.progress(f"{way.name}: {stream.tokens_per_s:.1f} tok/s, first after {stream.ttft_s * 1000:.0f} ms")

    def _drop(self, way: Way, reason: str) -> None:
        report.progress(f"{way.name}: {reason}")
        self.missing[way.name] = reason
        for child in [child for child in self.children if child.way == way]:
            child.close()
            self.children.remove(child)


def rows(race: Race, ways: Sequence[Way], bandwidth: float) -> list[list[str]]:
    """The table's rows, in the order of the ways."""
    base = race.streams.get(BASE)
    base_rate = Figures.of(base, calm=True).tokens_per_s if base else None
    lines = []
    for way in ways:
        version = report.version(way.packages[0])
        if way.name not in race.streams or way.name in race.missing:
            reason = race.missing.get(way.name, "no run")
            lines.append([way.name, "could not be had", *[""] * 5, version, reason])
            continue
        figures = Figures.of(race.streams[way.name], calm=way.name not in race.shaken)
        share = figures.tokens_per_s * GPT2_READ_PER_TOKEN * way.weight_bytes / bandwidth
        lines.append(
            [
                way.name,
                f"{figures.tokens_per_s:.1f}",
                *map(report.milliseconds, (figures.ttft_s, figures.itl_p50_s, figures.itl_p99_s)),
                f"{figures.tokens_per_s / base_rate:.2f}" if base_rate else "",
                f"{share:.0%}",
                version,
                race.note_of(way),
            ]
        )
    return lines


def main(arguments: Sequence[str]) -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decode", description=__doc__)
    add_work_option(parser)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--ways", default="", help="only ways whose name contains one of these words, with commas")
    options = parser.parse_args(arguments)
    exit_on_sigterm()
    wanted = [word for word in options.ways.split(",") if word]
    ways = [way for way in WAYS if not wanted or any(word.lower() in way.name.lower() for word in wanted)]
    race = Race()
    try:
        race.load(options, ways)
        report.progress("measuring the memory")
        bandwidth = machine.read_bandwidth()
        race.run(options.repeats)
        bandwidth = max(bandwidth, machine.read_bandwidth())
    finally:
        race.close()
    packages = dict.fromkeys(chain.from_iterable(way.packages for way in ways))
    print(report.heading("benchmarks.decode", arguments, packages))
    print(f"\nMemory read bandwidth, all cores: {bandwidth / 1e9:.1f} GB/s; {options.repeats} repeats, medians.\n")
    print(report.table(HEADER, rows(race, ways, bandwidth)))


if __name__ == "__main__":
    main(sys.argv[1:])
