"""Are two sentences paraphrases? A BERT fine-tuned on MRPC answers; a mean-pooled cosine stands beside it.

An encoder without such a head, as those trained for sentence embeddings are, gives the cosine alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from core.engine.lab.many_texts import classify, mean_pool
from core.engine.networks.encoder_models import LoadedEncoder
from core.messages.records import Similarity

_SIMILAR_LABELS = ("equivalent", "similar", "paraphrase", "is_paraphrase", "duplicate")


_COSINE = "cosine of mean-pooled states alone: the model has no head for paraphrases"


def similar_label(labels: tuple[str, ...]) -> int:
    """Which label means "similar": by its name, else label 1, as MRPC numbers them."""
    normalised = [label.lower().replace(" ", "_").replace("-", "_") for label in labels]
    return next((index for index, label in enumerate(normalised) if label in _SIMILAR_LABELS), 1)


def describe_method(loaded: LoadedEncoder) -> str:
    """What the probability of "similar" is, in the model's own words."""
    if not loaded.labels:
        return _COSINE
    return f"P({loaded.labels[similar_label(loaded.labels)]} | A, B)"


def compare(loaded: LoadedEncoder, first: str, second: str) -> Similarity:
    """Compare two sentences.

    Args:
        loaded: a classifier with two labels, or an encoder without labels.
        first: sentence A.
        second: sentence B.

    Returns:
        Probabilities of the "similar" label for A before B and for B before A, and the cosine of the two sentences'
        mean-pooled last hidden states (each read alone; [CLS] and [SEP] counted, as in Sentence-BERT, 2019).
    """
    pooled = [row for batch in mean_pool(loaded, [first, second]) for row in batch]
    one, other = (row.values for row in pooled)
    cosine = float(torch.nn.functional.cosine_similarity(one, other, dim=0))
    a_to_b = b_to_a = cosine
    pairs = pooled
    if loaded.labels:
        label = similar_label(loaded.labels)
        pairs = [row for batch in classify(loaded, [first, second], [second, first]) for row in batch]
        a_to_b, b_to_a = (float(row.values[label]) for row in sorted(pairs, key=lambda row: row.index))
    return Similarity(
        model=loaded.info.name,
        method=describe_method(loaded),
        similar=a_to_b,
        not_similar=1 - a_to_b,
        cosine=cosine,
        a_to_b=a_to_b,
        b_to_a=b_to_a,
        truncated=any(row.truncated for row in pairs),
        by_cosine=not loaded.labels,
    )


def compare_many(loaded: LoadedEncoder, pairs: Sequence[tuple[str, str]]) -> list[float]:
    """The probability of "similar" for many pairs, A before B, in batches of like lengths.

    Args:
        loaded: a classifier with two labels.
        pairs: the sentences.

    Returns:
        One probability a pair, in the order given; equal to those of `compare` but for rounding.
    """
    label = similar_label(loaded.labels)
    probabilities = [0.0] * len(pairs)
    for batch in classify(loaded, [first for first, _ in pairs], [second for _, second in pairs]):
        for row in batch:
            probabilities[row.index] = float(row.values[label])
    return probabilities
