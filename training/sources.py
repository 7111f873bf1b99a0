"""What the classifier of paraphrases learns from, and how much of each.

Reads the data folder and labels pairs; trains nothing. Invariant: no pair is a row of a dev set.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.corpora import read_all
from training.glue import Example, Task, TaskRows, measured_pairs
from training.measures import load_classifier, load_tokenizer
from training.paraphrases import from_scores, judged_pairs, neighbour_pairs, short_sentences
from training.word_swaps import reworded, swapped_pairs, swaps_of, words_in
from training.wordnet import WordNet

MRPC_SHARE, SCORES_SHARE, NEIGHBOURS_SHARE, SWAPS_SHARE = 0.4, 0.1, 0.3, 0.2
"""Shares of the batches where MRPC is not learnt alone."""

TAUGHT_SHARE = 0.4
"""Of the batches, where there are teachers."""

PAIRS_TO_JUDGE = 4_000


@dataclass(frozen=True, slots=True)
class Source:
    """Rows to learn from, and how often."""

    share: float
    """Of the batches, 0-1."""
    rows: Sequence[Example]
    """The rows."""


def mrpc_sources(data: Path, encoder: Path, wordnet: Path, rows: Mapping[Task, TaskRows], seed: int) -> list[Source]:
    """Return MRPC, STS-B, neighbouring sentences and swapped words, so that more than news is learnt.

    Args:
        data: The data folder.
        encoder: Folder of the encoder that compares sentences and words.
        wordnet: WordNet's `dict` folder.
        rows: All tasks' rows.
        seed: Seed of the draws.
    """
    tokenizer = load_tokenizer(data / "tokenizers" / "bert-base-uncased")
    scored = rows[Task.STSB].train
    sentences = sorted({*short_sentences(read_all(data), seed), *(text for row in scored for text in row.texts)})
    news = rows[Task.MRPC].train
    words = words_in([*sentences, *(row.texts[1] for row in news)])
    swaps = swaps_of(words, WordNet(wordnet), encoder, tokenizer)
    measured_on = measured_pairs(rows)
    return [
        Source(MRPC_SHARE, [*news, *(row for row in reworded(news, swaps, seed) if row.key not in measured_on)]),
        Source(SCORES_SHARE, from_scores(scored)),
        Source(NEIGHBOURS_SHARE, neighbour_pairs(sentences, encoder, tokenizer, measured_on, seed)),
        Source(SWAPS_SHARE, swapped_pairs(sentences, swaps, measured_on, seed)),
    ]


def taught_sources(
    data: Path,
    encoder: Path,
    teachers: Sequence[Path],
    rows: Mapping[Task, TaskRows],
    sources: Sequence[Source],
    seed: int,
) -> list[Source]:
    """Let classifiers that know the news better judge new pairs of its sentences, beside the sources there are.

    Args:
        data: The data folder.
        encoder: Folder of the encoder that finds neighbours.
        teachers: Folders of the classifiers.
        rows: All tasks' rows.
        sources: What is learnt besides.
        seed: Seed of the draws.
    """
    tokenizer = load_tokenizer(data / "tokenizers" / "bert-base-uncased")
    sentences = sorted({text for row in rows[Task.MRPC].train for text in row.texts})
    pairs = neighbour_pairs(sentences, encoder, tokenizer, measured_pairs(rows), seed)
    pairs = random.Random(seed).sample(pairs, min(PAIRS_TO_JUDGE, len(pairs)))
    judged = judged_pairs(pairs, [load_classifier(folder) for folder in teachers], tokenizer)
    rest = [Source((1 - TAUGHT_SHARE) * source.share, source.rows) for source in sources]
    return [*rest, Source(TAUGHT_SHARE, judged)]
