"""`nlp-tui bench`: how fast a model runs on this machine in each precision, in about half a minute.

Measured by the engine itself through the same client as everything else; the comparison with other programs is in
`benchmarks/`, which is not installed.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from core.backends.process import EngineProcess
from core.errors import EngineError
from core.messages.protocol import Generate, Load, Loaded, SequenceDone
from core.messages.records import ModelInfo, RunStats
from core.messages.sampling_params import SamplingParams

PRECISIONS = ("float32", "float16", "bfloat16", "int8")
PROMPT = "Once upon a time there was a little house by the sea, and in it"
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


async def measure(model: str, device: str, new_tokens: int) -> list[Speed]:
    """Run the model a few times in every precision it can be had in.

    Args:
        model: a causal model.
        device: as `--device`.
        new_tokens: tokens a run, unless the model ends it.

    Raises:
        EngineError: it cannot be loaded at all.
    """
    speeds: list[Speed] = []
    client = EngineProcess()
    try:
        for precision in PRECISIONS:
            try:
                info = await _load(client, Load(0, model, device, precision))
            except EngineError:
                if precision == PRECISIONS[0]:
                    raise
                continue  # this device or model does not have it
            if info.dtype != precision and speeds:
                speeds.append(Speed(model, precision, 0.0, 0.0, 0.0, 0.0, 0.0, info.load_s, 0.0, 1.0, info.note))
                continue
            runs = [
                await _run(client, Generate(0, model, PROMPT, _params(new_tokens), device, precision))
                for _ in range(REPEATS + 1)
            ]
            speeds.append(_summary(model, info, runs[1:], speeds[0].tokens_per_s if speeds else 0.0))
    finally:
        await client.close()
    return speeds


def _params(new_tokens: int) -> SamplingParams:
    # Hot enough that the model seldom ends the text before the length asked for.
    return SamplingParams(max_new_tokens=new_tokens, seed=1, temperature=1.5)


async def _load(client: EngineProcess, request: Load) -> ModelInfo:
    event = await (await client.send(request)).last()
    assert isinstance(event, Loaded)
    return event.info


async def _run(client: EngineProcess, request: Generate) -> RunStats:
    reply = await client.send(request)
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
