"""nlp-tui itself: the engine process behind its client, a full record with ten candidates for every token."""

from __future__ import annotations

import asyncio

from benchmarks.ways.serve import Options, Request, Run, Write, serve
from core.backends.process import EngineProcess
from core.messages.protocol import Generate, Load, Loaded, TokenGenerated
from core.messages.records import ModelInfo, Target
from core.messages.sampling_params import SamplingParams


def make(options: Options) -> tuple[Run, str]:
    """Start the engine and load the model."""
    runner = asyncio.Runner()
    client = EngineProcess()
    model = str(options.model)

    async def load() -> ModelInfo:
        loaded = await (await client.send(Load(Target(model, "cpu", options.precision)))).last()
        assert isinstance(loaded, Loaded)
        return loaded.info

    async def answer(request: Request, write: Write) -> None:
        params = SamplingParams(max_new_tokens=request.new_tokens, do_sample=False, candidates=10)
        async for event in await client.send(Generate(Target(model, "cpu", options.precision), request.text, params)):
            if isinstance(event, TokenGenerated):
                write(event.step.id)

    info = runner.run(load())
    return lambda request, write: runner.run(answer(request, write)), _note(info, options.precision)


def _note(info: ModelInfo, wanted: str) -> str:
    if info.dtype != wanted:
        return info.note
    if not info.error.positions:
        return ""
    return f"KL {info.error.kl:.0e}, top-1 agreement {info.error.top1_agreement:.0%}"


if __name__ == "__main__":
    serve(make)
