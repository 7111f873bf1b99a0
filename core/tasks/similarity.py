"""Are two sentences paraphrases? A BERT fine-tuned on MRPC answers; a mean-pooled cosine stands beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from core.encoder_models import LoadedEncoder
from core.encoders import batches_by_length, pad
from core.records import Similarity

_SIMILAR_LABELS = ("equivalent", "similar", "paraphrase", "is_paraphrase", "duplicate")


def similar_label(labels: tuple[str, ...]) -> int:
    """Which label means "similar": by its name, else label 1, as MRPC numbers them."""
    normalised = [label.lower().replace(" ", "_").replace("-", "_") for label in labels]
    return next((index for index, label in enumerate(normalised) if label in _SIMILAR_LABELS), 1)


def compare(loaded: LoadedEncoder, first: str, second: str) -> Similarity:
    """Compare two sentences.

    Args:
        loaded: a classifier with two labels.
        first: sentence A.
        second: sentence B.

    Returns:
        Probabilities of the "similar" label for A before B and for B before A, and the cosine of the two sentences'
        mean-pooled last hidden states (each read alone; [CLS] and [SEP] counted, as in Sentence-BERT, 2019).
    """
    label = similar_label(loaded.labels)
    limit = loaded.info.n_positions
    with torch.inference_mode():
        pairs = _encode(loaded, [first, second], [second, first], limit)
        probabilities = loaded.model(**pairs).logits.float().softmax(-1)[:, label].tolist()
        cosine = _cosine(loaded, first, second, limit)
    length = len(loaded.tokenizer(first, second)["input_ids"])
    a_to_b, b_to_a = probabilities
    return Similarity(
        model=loaded.info.name,
        method=f"P({loaded.labels[label]} | A, B)",
        similar=a_to_b,
        not_similar=1 - a_to_b,
        cosine=cosine,
        a_to_b=a_to_b,
        b_to_a=b_to_a,
        truncated=length > limit,
    )


def compare_many(loaded: LoadedEncoder, pairs: Sequence[tuple[str, str]]) -> list[float]:
    """The probability of "similar" for many pairs, A before B, in batches of like lengths.

    Args:
        loaded: a classifier with two labels.
        pairs: the sentences.

    Returns:
        One probability a pair, in the order given; equal to those of `compare` but for rounding.
    """
    label, limit = similar_label(loaded.labels), loaded.info.n_positions
    if not pairs:
        return []
    firsts, seconds = (list(column) for column in zip(*pairs, strict=True))
    encoded = loaded.tokenizer(firsts, seconds, truncation=True, max_length=limit)
    ids = encoded["input_ids"]
    fills = {"input_ids": loaded.tokenizer.pad_token_id}  # whatever else the model reads is padded with 0
    probabilities = [0.0] * len(pairs)
    with torch.inference_mode():
        for batch in batches_by_length([len(row) for row in ids]):
            on_device = {
                name: pad([rows[index] for index in batch], fills.get(name, 0)).to(loaded.model.device)
                for name, rows in encoded.items()
            }
            found = loaded.model(**on_device).logits.float().softmax(-1)[:, label].tolist()
            for index, probability in zip(batch, found, strict=True):
                probabilities[index] = probability
    return probabilities


def _encode(loaded: LoadedEncoder, first: list[str], second: list[str] | None, limit: int) -> Any:
    encoded = loaded.tokenizer(first, second, padding=True, truncation=True, max_length=limit, return_tensors="pt")
    return encoded.to(loaded.model.device)


def _cosine(loaded: LoadedEncoder, first: str, second: str, limit: int) -> float:
    encoded = _encode(loaded, [first, second], None, limit)
    hidden: Tensor = loaded.model.base_model(**encoded).last_hidden_state.float()  # (2, T, D)
    mask = encoded["attention_mask"].unsqueeze(-1)  # (2, T, 1)
    pooled = (hidden * mask).sum(1) / mask.sum(1)
    return float(torch.nn.functional.cosine_similarity(pooled[0], pooled[1], dim=0))
