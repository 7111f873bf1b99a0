"""Next-sentence prediction, and similarity of one sentence with many or of all with all.

Source: Devlin et al. 2019, "BERT", section 3.1 (task 2); probabilities are those of transformers' own models.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from core.engine.lab.desk import Desk
from core.engine.lab.many_texts import Row, carry_on, classify, mean_pool
from core.engine.lab.similarity import describe_method, similar_label
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


def _collect(desk: Desk, stage: str, batches: Iterator[list[Row]], total: int) -> list[Row] | None:
    """Every row, in the order of what was given; None when cancelled."""
    found: list[Row] = []
    for batch in batches:
        found += batch
        if not carry_on(desk, stage, len(found), total):
            return None
    return sorted(found, key=lambda row: row.index)
