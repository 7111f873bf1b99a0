"""Sentences in pairs: how similar two are, one to many, or all to all; and whether one follows the other.

A BERT fine-tuned on MRPC tells paraphrases, and a mean-pooled cosine stands beside it; an encoder without such a head,
as those trained for sentence embeddings are, gives the cosine alone. Next sentences as in Devlin et al. 2019, "BERT",
section 3.1 (task 2). Probabilities are those of transformers' own models.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from core.engine.lab.desk import Desk, LabTask, Tasks
from core.engine.lab.many_texts import TextResult, carry_on, classify, mean_pool
from core.engine.networks.encoder_models import LoadedEncoder
from core.engine.networks.head import Head
from core.lab.sentence_pairs import (
    CompareAll,
    Follows,
    NextSentence,
    RankedSentence,
    RankedSentences,
    RankSentences,
    SimilarityMatrix,
)
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


def predict_next_sentence(desk: Desk, question: Follows) -> Iterator[NextSentence]:
    """Judge whether one sentence follows the other, in both orders.

    Raises:
        EngineError: the model cannot be had, or has no such head.
    """
    loaded = desk.encoder(Head.NEXT_SENTENCE, question.model)
    both = ([question.first, question.second], [question.second, question.first])
    rows = sorted((row for batch in classify(loaded, *both) for row in batch), key=lambda row: row.index)
    (is_next, not_next), (swapped_is_next, swapped_not_next) = (row.values.tolist() for row in rows)
    truncated = any(row.truncated for row in rows)
    yield NextSentence(loaded.info.name, is_next, not_next, swapped_is_next, swapped_not_next, truncated)


def compare_all(desk: Desk, question: CompareAll) -> Iterator[SimilarityMatrix]:
    """Compare each sentence with each, itself included, in both orders; nothing when cancelled.

    Raises:
        EngineError: the model cannot be had, or is no classifier of two labels.
    """
    loaded = desk.comparer(question.model)
    sentences = question.sentences
    count = len(sentences)
    pairs = [(row, column) for row in range(count) for column in range(count)]
    if (compared := _compare(desk, loaded, sentences, pairs, count)) is None:
        return
    probabilities, truncated, cosines = compared
    yield SimilarityMatrix(
        model=loaded.info.name,
        method=describe_method(loaded),
        sentences=sentences,
        similar=tuple(tuple(max(0.0, one) for one in probabilities[row * count :][:count]) for row in range(count)),
        cosine=tuple(tuple(row) for row in cosines),
        truncated=sum(truncated),
        by_cosine=not loaded.labels,
    )


def rank_sentences(desk: Desk, question: RankSentences) -> Iterator[RankedSentences]:
    """Rank sentences by how alike they are to one, the mean of both orders; nothing when cancelled.

    Raises:
        EngineError: the model cannot be had, or is no classifier of two labels.
    """
    loaded = desk.comparer(question.model)
    sentences = (question.sentence, *question.others)
    places = range(1, len(sentences))
    pairs = [(0, place) for place in places] + [(place, 0) for place in places]
    if (compared := _compare(desk, loaded, sentences, pairs, 1)) is None:
        return
    probabilities, truncated, cosines = compared
    others = len(places)
    means = [(probabilities[index] + probabilities[others + index]) / 2 for index in range(others)]
    order = sorted(range(others), key=lambda index: -means[index])
    ranked = [
        RankedSentence(
            rank=rank,
            index=index,
            text=question.others[index],
            mean=means[index],
            a_to_b=probabilities[index],
            b_to_a=probabilities[others + index],
            spread=abs(probabilities[index] - probabilities[others + index]),
            cosine=cosines[0][1 + index],
            truncated=truncated[index] or truncated[others + index],
        )
        for rank, index in enumerate(order, start=1)
    ]
    by_cosine = not loaded.labels
    yield RankedSentences(loaded.info.name, describe_method(loaded), question.sentence, tuple(ranked), by_cosine)


def _compare(
    desk: Desk, loaded: LoadedEncoder, sentences: Sequence[str], pairs: Sequence[tuple[int, int]], rows: int
) -> tuple[list[float], list[bool], list[list[float]]] | None:
    """P(similar) of pairs of sentences, given by their places; which were cut; cosines. None when cancelled.

    The (rows, N) cosines are the first sentences' with all; of a model without labels they stand for P(similar).
    """
    found = _similar(desk, loaded, sentences, pairs) if loaded.labels else ([], [])
    pooled = None if found is None else _collect(desk, "pooling", mean_pool(loaded, sentences), len(sentences))
    if found is None or pooled is None:
        return None
    states = torch.nn.functional.normalize(torch.stack([row.values for row in pooled]), dim=-1)  # (N, D)
    cosines: list[list[float]] = (states[:rows] @ states.T).tolist()
    if loaded.labels:
        return *found, cosines
    alike = [cosines[min(pair)][max(pair)] for pair in pairs]
    return alike, [pooled[one].truncated or pooled[other].truncated for one, other in pairs], cosines


def _similar(
    desk: Desk, loaded: LoadedEncoder, sentences: Sequence[str], pairs: Sequence[tuple[int, int]]
) -> tuple[list[float], list[bool]] | None:
    """P(similar) of pairs of sentences, given by their places, and which were cut; None when cancelled."""
    firsts, seconds = ([sentences[pair[side]] for pair in pairs] for side in (0, 1))
    rows = _collect(desk, "comparing", classify(loaded, firsts, seconds), len(pairs))
    if rows is None:
        return None
    label = similar_label(loaded.labels)
    return ([float(row.values[label]) for row in rows], [row.truncated for row in rows])


def _collect(desk: Desk, stage: str, batches: Iterator[list[TextResult]], total: int) -> list[TextResult] | None:
    """Every row, in the order of what was given; None when cancelled."""
    found: list[TextResult] = []
    for batch in batches:
        found += batch
        if not carry_on(desk, stage, len(found), total):
            return None
    return sorted(found, key=lambda row: row.index)


TASKS: Tasks = {
    Follows: LabTask(predict_next_sentence, Head.NEXT_SENTENCE),
    CompareAll: LabTask(compare_all),
    RankSentences: LabTask(rank_sentences),
}
