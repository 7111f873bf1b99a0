"""Many texts or pairs through an encoder: tokenised, cut to its positions, in batches of like lengths.

Whoever iterates decides between two batches whether to go on; what a row holds does not depend on its batch but for
rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from core.engine.lab.desk import Desk
from core.engine.networks.encoder_models import LoadedEncoder
from core.engine.networks.encoders import BATCH, batches_by_length, pad

BLOCK = 2048
"""How many texts are tokenised and sorted by length at once."""


@dataclass(frozen=True, slots=True)
class TextResult:
    """What a model says of one text or pair."""

    index: int
    """Its place in what was given."""
    values: Tensor
    """(labels,) probabilities, or a (D,) state; float32 on the CPU."""
    truncated: bool
    """Whether it was cut to the model's positions."""


def classify(
    loaded: LoadedEncoder, firsts: Sequence[str], seconds: Sequence[str] | None = None
) -> Iterator[list[TextResult]]:
    """The probabilities of a classifier's labels for many texts, or pairs, a batch at a time.

    Softmax, as transformers' text-classification pipeline has it; each label's sigmoid for a model of one label, or
    one trained for several labels at once.

    Args:
        loaded: has logits of (B, labels).
        firsts: the texts, or what stands first in each pair.
        seconds: what stands second.
    """
    config = loaded.model.config
    several = config.num_labels == 1 or config.problem_type == "multi_label_classification"
    for batch, truncated, inputs in _batches(loaded, firsts, seconds):
        with torch.inference_mode():
            logits = loaded.model(**inputs).logits.float()  # (B, labels)
            probabilities = (logits.sigmoid() if several else logits.softmax(-1)).cpu()
        yield [TextResult(*row) for row in zip(batch, probabilities, truncated, strict=True)]


def mean_pool(loaded: LoadedEncoder, texts: Sequence[str]) -> Iterator[list[TextResult]]:
    """The mean of each text's last hidden states, special tokens counted (Sentence-BERT, 2019), a batch at a time."""
    for batch, truncated, inputs in _batches(loaded, texts, None):
        with torch.inference_mode():
            hidden = loaded.model.base_model(**inputs).last_hidden_state.float()  # (B, T, D)
            mask = inputs["attention_mask"].unsqueeze(-1)  # (B, T, 1)
            pooled = ((hidden * mask).sum(1) / mask.sum(1)).cpu()  # (B, D)
        yield [TextResult(*row) for row in zip(batch, pooled, truncated, strict=True)]


def carry_on(desk: Desk, stage: str, done: int, total: int) -> bool:
    """Between two batches: report, let short requests in, and look whether to go on."""
    desk.progress(stage, done / total)
    desk.between()
    return not desk.should_stop()


def _batches(
    loaded: LoadedEncoder, firsts: Sequence[str], seconds: Sequence[str] | None
) -> Iterator[tuple[list[int], list[bool], dict[str, Tensor]]]:
    """Indices, whether each was cut, and (B, T) inputs on the model's device."""
    tokenizer = loaded.tokenizer
    # Whatever else than ids a model reads is padded with 0; a model without a padding token reads texts one by one.
    pads = tokenizer.pad_token_id is not None and loaded.model.config.pad_token_id is not None
    for start in range(0, len(firsts), BLOCK):
        block = slice(start, start + BLOCK)
        encoded, truncated = _encode(loaded, list(firsts[block]), None if seconds is None else list(seconds[block]))
        for batch in batches_by_length([len(row) for row in encoded["input_ids"]], BATCH if pads else 1):
            inputs = {
                name: pad([rows[place] for place in batch], tokenizer.pad_token_id if name == "input_ids" else 0)
                for name, rows in encoded.items()
            }
            on_device = {name: rows.to(loaded.model.device) for name, rows in inputs.items()}
            yield [start + place for place in batch], [truncated[place] for place in batch], on_device


def _encode(loaded: LoadedEncoder, firsts: list[str], seconds: list[str] | None) -> tuple[Any, list[bool]]:
    """Rows of ids and what goes with them, cut to the model's positions, and which of them were cut."""
    limit = loaded.info.n_positions
    encoded = loaded.tokenizer(firsts, seconds, truncation=True, max_length=limit)
    truncated = [len(row) == limit for row in encoded["input_ids"]]
    for place in (place for place, is_full in enumerate(truncated) if is_full):
        second = None if seconds is None else seconds[place]
        whole = loaded.tokenizer(firsts[place], second, verbose=False)["input_ids"]
        truncated[place] = len(whole) > limit
    return encoded, truncated
