"""Does this machine compute rightly? `python -P -m core.engine.self_test` tries every device and precision.

A process of its own, so that a device that crashes takes nothing with it. One JSON object a line: first what will be
tried, then a result each. Errors are told, never raised.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict, dataclass

import torch

from core.engine.golden import Golden, read_golden
from core.engine.networks.device import available_devices, pick_device
from core.engine.networks.linear import is_missing
from core.engine.networks.loading import load_causal
from core.engine.threads import Threads
from core.errors import EngineError
from core.models.provenance import sha256
from core.models.registry import DEFAULT_GENERATOR, resolve, weight_files
from core.precision import DTYPES, Precision

TOLERANCE = {Precision.FLOAT32: 1e-3, Precision.FLOAT16: 0.02, Precision.BFLOAT16: 0.15, Precision.INT8: 0.3}
"""How far the log-probabilities of the likeliest tokens may be from the golden ones, nats."""


@dataclass(frozen=True, slots=True)
class SelfTest:
    """One device in one precision."""

    device: str
    dtype: str
    used: str = ""
    """The precision that was used; empty when nothing came out."""
    error: float = -1.0
    """Largest difference of the golden log-probabilities, nats; below 0 when nothing came out."""
    tolerance: float = 0.0
    same_best: bool = False
    """Whether the most likely token is the golden one."""
    seconds: float = 0.0
    problem: str = ""
    """Why nothing came out."""
    stale: bool = False
    """Whether the golden values belong to other weights, and nothing can be said."""
    missing: bool = False
    """Whether this processor has no operators for the precision, so that there is nothing to try."""


def combinations() -> list[tuple[str, str]]:
    """Every device with its precisions."""
    return [(device, dtype) for device in available_devices() for dtype in (Precision if device == "cpu" else DTYPES)]


def check(device: str, dtype: str, golden: Golden) -> SelfTest:
    """Compare one device in one precision with the golden values."""
    began = time.perf_counter()
    try:
        if device == "cpu" and is_missing(dtype):
            return SelfTest(device, dtype, missing=True)
        resolved = resolve(DEFAULT_GENERATOR)
        where = pick_device(device)
        loaded = load_causal(resolved, where, dtype, lambda stage, fraction: None, fall_back=False)
        with torch.inference_mode():
            ids = torch.tensor([golden.prompt_ids], device=loaded.model.device)
            logits = loaded.model.forward(ids, loaded.model.new_cache())[0].float().cpu()
        logprobs = logits.log_softmax(-1)
        error = float((logprobs[list(golden.ids)].double() - torch.tensor(golden.logprobs).double()).abs().max())
        return SelfTest(
            *(device, dtype, loaded.info.dtype, error, TOLERANCE[Precision(loaded.info.dtype)]),
            same_best=int(logprobs.argmax()) == golden.ids[0],
            seconds=time.perf_counter() - began,
            stale=sha256(weight_files(resolved)) != golden.weights,
        )
    except EngineError as error:
        return SelfTest(device, dtype, problem=error.message)
    except Exception as error:  # whatever a driver may do: it is what the test is for
        return SelfTest(device, dtype, problem=str(error).strip().partition("\n")[0][:200] or type(error).__name__)


def main() -> int:
    """Try everything; a line each."""
    results = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no result
    Threads()
    todo = combinations()
    print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads(), "todo": todo}), file=results)
    results.flush()
    try:
        golden = read_golden()
    except EngineError as error:
        for device, dtype in todo:
            print(json.dumps(asdict(SelfTest(device, dtype, problem=error.message))), file=results)
        return 0
    for device, dtype in todo:
        print(json.dumps(asdict(check(device, dtype, golden))), file=results, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
