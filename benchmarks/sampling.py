"""What sampling and a full record cost a token, without a model: random logits of GPT-2's vocabulary.

`python -m benchmarks.sampling`: the median of many calls of `token_choice.choose`, ten candidates in each record.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from statistics import median

from benchmarks import machine, report
from core.messages.sampling_params import SamplingParams

SETTINGS: dict[str, SamplingParams] = {
    "greedy": SamplingParams(do_sample=False),
    "top_k 50, top_p 0.95 (the defaults)": SamplingParams(),
    "top_k 50, repetition_penalty 1.2": SamplingParams(repetition_penalty=1.2),
    "top_k off, top_p 0.98": SamplingParams(top_k=0, top_p=0.98),
    "top_k off, typical_p 0.9": SamplingParams(top_k=0, typical_p=0.9),
}
HEADER = ("setting", "sampling and record, ms a token", "note")
_CALLS = 200
_VOCABULARY = 50257


def call_times_s(params: SamplingParams) -> list[float]:
    """Seconds of each call on logits spread as a trained model's are."""
    import torch  # the parent of a benchmark does without

    from core.engine.generation.token_choice import choose
    from core.engine.threads import Threads
    from core.models.registry import STARTER_FOLDER
    from core.text.tokenization import TextTokenizer

    Threads()
    tokenizer = TextTokenizer.from_folder("gpt2", STARTER_FOLDER / "gpt2")
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(8, 1, _VOCABULARY, generator=generator) * 3
    seen = [list(range(1000, 1144))]
    times = []
    with torch.inference_mode():
        for call in range(_CALLS):
            began = time.perf_counter()
            choose(logits[call % len(logits)], seen, params, [generator], tokenizer)
            times.append(time.perf_counter() - began)
    return times


def measured_apart() -> list[list[str]]:
    """The table's rows, measured in a process of their own."""

    def measure() -> list[list[str]]:
        command = [sys.executable, "-m", "benchmarks.sampling", "--json"]
        rows: list[list[str]] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        return rows

    rows, calm = machine.undisturbed(measure)
    return [[*row, "" if calm else "disturbed"] for row in rows]


def main() -> None:
    """Measure and print the table, or its rows as JSON."""
    rows = [[name, f"{median(call_times_s(params)) * 1000:.2f}"] for name, params in SETTINGS.items()]
    if "--json" in sys.argv[1:]:
        print(json.dumps(rows))
        return
    print(report.heading("benchmarks.sampling", sys.argv[1:], ("torch",)))
    print()
    print(report.table(HEADER, rows))


if __name__ == "__main__":
    main()
