"""`nlp-tui bench`: how fast a model runs on this machine in each precision, in about half a minute.

Measured by the engine itself through the same backend as everything else; the comparison with other programs is in
`benchmarks/`, which is not installed.
"""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import asdict, dataclass
from statistics import median

from core.backends.backend import Backend
from core.backends.catalogue import open_backend
from core.errors import EngineError
from core.messages.protocol import Generate, Load, Loaded, SequenceDone
from core.messages.records import ModelInfo, RunStats, Target
from core.messages.sampling_params import SamplingParams
from core.models.registry import DEFAULT_GENERATOR
from core.precision import Precision
from core.text.visible import visible
from tui.commands.options import setting
from tui.commands.parser import Parser
from tui.commands.running import print_json, say

_PROMPT = "Once upon a time there was a little house by the sea, and in it"
REPEATS = 3


@dataclass(frozen=True, slots=True)
class Speed:
    """One precision's medians."""

    model: str
    dtype: str
    tokens_per_s: float
    ratio: float
    """To float32."""
    ttft_s: float
    itl_p50_s: float
    itl_p99_s: float
    load_s: float
    kl: float
    top1_agreement: float
    note: str


def add_arguments(parser: Parser) -> None:
    """Add the model, where it runs, and for how many tokens."""
    parser.add_argument("--model", default=DEFAULT_GENERATOR, metavar="NAME", help=f"({DEFAULT_GENERATOR})")
    parser.add_argument("--device", default="auto", help="auto, cuda, mps, xpu or cpu")
    parser.add_argument("--max-new-tokens", type=setting("max_new_tokens"), default=128, metavar="N", help="(128)")


def run(options: argparse.Namespace) -> int:
    """Print a row a precision."""
    model, new_tokens = options.model, options.max_new_tokens
    backend = open_backend()
    backend.check(model)
    say(f"{model}: {new_tokens} tokens, a few times in each precision; about half a minute")
    speeds = asyncio.run(measure(backend, model, options.device, new_tokens))
    if not options.json:
        print(f"{'precision':<10} {'tokens/s':>9} {'÷ float32':>9} {'TTFT ms':>8} {'ITL p50':>8} {'p99 ms':>7}  error")
    for speed in speeds:
        if options.json:
            print_json(asdict(speed))
        elif not speed.tokens_per_s:
            print(visible(f"{speed.dtype:<10} not used: {speed.note}"))
        else:
            error = f"KL {speed.kl:.0e}, top-1 {speed.top1_agreement:.0%}" if speed.kl else "exact"
            times = f"{speed.ttft_s * 1e3:>8.0f} {speed.itl_p50_s * 1e3:>8.1f} {speed.itl_p99_s * 1e3:>7.1f}"
            print(f"{speed.dtype:<10} {speed.tokens_per_s:>9.1f} {speed.ratio:>9.2f} {times}  {error}")
    return 0


async def measure(backend: Backend, model: str, device: str, new_tokens: int) -> list[Speed]:
    """Run the model a few times in every precision it can be had in.

    Args:
        backend: where it runs; closed at the end.
        model: a causal model.
        device: as `--device`.
        new_tokens: tokens a run, unless the model ends it.

    Raises:
        EngineError: it cannot be loaded at all.
    """
    speeds: list[Speed] = []
    try:
        for precision in Precision:
            target = Target(model, device, precision)
            try:
                info = await _load(backend, Load(target))
            except EngineError:
                if precision is Precision.FLOAT32:
                    raise
                continue  # this device or model does not have it
            if info.dtype != precision and speeds:
                speeds.append(Speed(model, precision, 0.0, 0.0, 0.0, 0.0, 0.0, info.load_s, 0.0, 1.0, info.note))
                continue
            runs = [await _run(backend, Generate(target, _PROMPT, _params(new_tokens))) for _ in range(REPEATS + 1)]
            speeds.append(_summary(model, info, runs[1:], speeds[0].tokens_per_s if speeds else 0.0))
    finally:
        await backend.close()
    return speeds


def _params(new_tokens: int) -> SamplingParams:
    # Hot enough that the model seldom ends the text before the length asked for.
    return SamplingParams(max_new_tokens=new_tokens, seed=1, temperature=1.5)


async def _load(backend: Backend, request: Load) -> ModelInfo:
    event = await (await backend.send(request)).last()
    assert isinstance(event, Loaded)
    return event.info


async def _run(backend: Backend, request: Generate) -> RunStats:
    reply = await backend.send(request)
    ends = [event.stats async for event in reply if isinstance(event, SequenceDone)]
    return ends[0]


def _summary(model: str, info: ModelInfo, runs: list[RunStats], base: float) -> Speed:
    rate = median(run.tokens_per_s for run in runs)
    return Speed(
        model=model,
        dtype=info.dtype,
        tokens_per_s=rate,
        ratio=rate / base if base else 1.0,
        ttft_s=median(run.ttft_s for run in runs),
        itl_p50_s=median(run.itl_p50_s for run in runs),
        itl_p99_s=median(run.itl_p99_s for run in runs),
        load_s=info.load_s,
        kl=info.error.kl,
        top1_agreement=info.error.top1_agreement,
        note=info.note,
    )
