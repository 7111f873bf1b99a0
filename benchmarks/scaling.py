"""What more costs: a longer prompt, several sequences at once, and the record of every token.

`python -m benchmarks.scaling`: a full-size GPT-2 through the engine. Prompts of 16 to 1,008 tokens (with their 16 new
ones all 1,024 positions); batches of 1 to 8 sequences; and, apart from any model, the milliseconds a token that
sampling and its record take (`benchmarks.sampling`).
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from statistics import median

from benchmarks import machine, report, sampling
from benchmarks.models import add_work_option, built, prompt
from core.backends.process import EngineProcess
from core.messages.protocol import Generate, Load, TokenGenerated
from core.messages.records import Target
from core.messages.sampling_params import SamplingParams

PROMPT_TOKENS = (16, 64, 256, 512, 1008)
NEW_AFTER_PROMPT = 16
BATCHES = (1, 2, 4, 8)
NEW_IN_BATCH = 64


@dataclass(frozen=True, slots=True)
class Timing:
    """One run."""

    ttft_s: float
    tokens_per_s: float
    """All sequences together, after the first step."""


class Runner:
    """An engine with one model, and runs in it, each with a prompt that no cache holds."""

    def __init__(self, model: str, dtype: str) -> None:
        self._model, self._dtype = model, dtype
        self._client = EngineProcess()
        self._loop = asyncio.Runner()
        self._seeds = count(1)

    def load(self) -> None:
        """Have the model ready and warm."""
        self._loop.run(self._load())
        self.run(16, 1, 8)

    def run(self, prompt_tokens: int, sequences: int, new_tokens: int) -> Timing:
        """One run, timed at the arrival of its tokens."""
        return self._loop.run(self._run(prompt(prompt_tokens, next(self._seeds))[0], sequences, new_tokens))

    def close(self) -> None:
        """End the engine."""
        self._loop.run(self._client.close())
        self._loop.close()

    async def _load(self) -> None:
        await (await self._client.send(Load(Target(self._model, "cpu", self._dtype)))).last()

    async def _run(self, text: str, sequences: int, new_tokens: int) -> Timing:
        params = SamplingParams(max_new_tokens=new_tokens, num_return_sequences=sequences, candidates=10)
        began = time.perf_counter()
        reply = await self._client.send(Generate(Target(self._model, "cpu", self._dtype), text, params))
        arrivals = [time.perf_counter() - began async for event in reply if isinstance(event, TokenGenerated)]
        if len(arrivals) != sequences * new_tokens:
            raise RuntimeError(f"gave {len(arrivals)} of {sequences * new_tokens} tokens")
        first_step = arrivals[:sequences]
        return Timing(arrivals[0], (len(arrivals) - sequences) / (arrivals[-1] - first_step[-1]))


def prompt_rows(runner: Runner, repeats: int) -> list[list[str]]:
    """TTFT and decode speed by the prompt's length."""
    rows = []
    for tokens in PROMPT_TOKENS:
        timings, notes = _repeat(runner, (tokens, 1, NEW_AFTER_PROMPT), repeats)
        ttft_s = median(timing.ttft_s for timing in timings)
        rate = median(timing.tokens_per_s for timing in timings)
        rows.append([f"{tokens:,}", report.milliseconds(ttft_s), f"{tokens / ttft_s:.0f}", f"{rate:.1f}", notes])
    return rows


def batch_rows(runner: Runner, repeats: int) -> list[list[str]]:
    """Decode speed by the number of sequences."""
    rows, single = [], 0.0
    for sequences in BATCHES:
        timings, notes = _repeat(runner, (16, sequences, NEW_IN_BATCH), repeats)
        rate = median(timing.tokens_per_s for timing in timings)
        single = single or rate
        rows.append([str(sequences), f"{rate:.1f}", f"{rate / single:.2f}", notes])
    return rows


def _repeat(runner: Runner, sizes: tuple[int, int, int], repeats: int) -> tuple[list[Timing], str]:
    measured = [machine.undisturbed(partial(runner.run, *sizes)) for _ in range(repeats)]
    report.progress(f"prompt {sizes[0]}, {sizes[1]} sequences: done")
    return [timing for timing, _ in measured], "" if all(calm for _, calm in measured) else "disturbed"


def main(arguments: Sequence[str]) -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    add_work_option(parser)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--dtype", default="float32")
    options = parser.parse_args(arguments)
    runner = Runner(str(built(options.work, "gpt2")), options.dtype)
    try:
        runner.load()
        by_batch = batch_rows(runner, options.repeats)
        by_prompt = prompt_rows(runner, options.repeats)
    finally:
        runner.close()
    by_setting = sampling.measured_apart()
    print(report.heading("benchmarks.scaling", arguments, ("torch",)))
    print(f"\n{options.dtype}, {options.repeats} repeats, medians.\n")
    print(report.table(("prompt tokens", "TTFT ms", "prompt tok/s", "decode tok/s", "note"), by_prompt), end="\n\n")
    print(report.table(("sequences", "tok/s, all together", "÷ one", "note"), by_batch), end="\n\n")
    print(report.table(sampling.HEADER, by_setting))


if __name__ == "__main__":
    main(sys.argv[1:])
