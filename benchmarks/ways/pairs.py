"""Two ways of scoring sentence pairs, as programs: `python -m benchmarks.ways.pairs WAY MODEL THREADS`.

In: `{"pairs": …}` a line; out: `ready`, then for each request one line of scores as JSON. The parent times it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

Pairs = Sequence[tuple[str, str]]
Score = Callable[[Pairs], list[float]]

BATCH = 32


def ours(model: str, threads: int) -> Score:
    """nlp-tui's own batches, in the precision it picks for this machine."""
    import torch

    from core.engine.lab.sentence_pairs import compare_many
    from core.engine.networks.device import pick_device, pick_precision
    from core.engine.networks.encoder_models import load_encoder
    from core.engine.networks.head import Head
    from core.models.registry import resolve

    torch.set_num_threads(threads)
    device = pick_device("cpu")
    loaded = load_encoder(
        Head.CLASSIFIER, resolve(model), device, pick_precision("auto", device), lambda stage, fraction: None
    )
    return lambda pairs: compare_many(loaded, pairs)


def pipeline(model: str, threads: int) -> Score:
    """transformers' text-classification pipeline, batches of 32, in float32.

    Left alone it takes the checkpoint's dtype, and the starter's float16 is several times slower on a processor.
    """
    import torch
    from transformers import pipeline as make_pipeline

    from core.models.registry import resolve

    torch.set_num_threads(threads)
    folder = str(resolve(model).folder)
    classify: Any = make_pipeline(
        "text-classification", model=folder, batch_size=BATCH, top_k=None, dtype=torch.float32
    )

    def score(pairs: Pairs) -> list[float]:
        answers = classify([{"text": first, "text_pair": second} for first, second in pairs])
        return [next(float(one["score"]) for one in answer if one["label"] == "equivalent") for answer in answers]

    return score


def main(way: str, model: str, threads: str) -> None:
    """Answer requests until stdin ends."""
    score = {"ours": ours, "pipeline": pipeline}[way](model, int(threads))
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(score([(first, second) for first, second in json.loads(line)["pairs"]])), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
