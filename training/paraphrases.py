"""Pairs that say how alike two sentences are, for a classifier of paraphrases to learn beside MRPC.

MRPC is news alone, where two sentences always share most of their words. Two other sources teach what its few
thousand rows cannot: STS-B's scores, and the similarity that a sentence encoder sees between neighbours in a heap of
ordinary sentences (a soft label, as in distillation). Invariant: no pair is a row of a dev set.
"""

import random
import re
from collections.abc import Collection, Iterator, Sequence
from math import exp
from pathlib import Path

import torch
from torch import Tensor
from transformers import BertModel, PreTrainedModel, PreTrainedTokenizerBase

from training.bert_model import mean_pooled
from training.corpora import Corpus
from training.glue import HIGHEST_SCORE, Example, encode_examples

DOCUMENTS_PER_CORPUS = 1_500
SENTENCES_PER_CORPUS = 3_000
WORDS = range(3, 15)
START_CHARACTERS = 1_500
NEIGHBOURHOODS = ((1, 4), (4, 40), (40, 200))
"""Ranks from which a sentence's neighbours are drawn, one from each."""
BATCH_SIZE = 64

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


def from_scores(rows: Sequence[Example]) -> list[Example]:
    """Turn rows of STS-B into paraphrases, as likely as their score is high: one half at 2.4 of 5."""
    return [Example(row.texts, logistic(2.0 * (HIGHEST_SCORE * row.label - 2.4))) for row in rows]


def from_cosine(first: str, second: str, cosine: float) -> Example:
    """Turn a pair into a paraphrase, as likely as its cosine is high: one half at 0.42."""
    return Example((first, second), logistic(14.0 * (cosine - 0.42)))


def short_sentences(corpora: Sequence[Corpus], seed: int) -> list[str]:
    """Return short sentences of every corpus's training documents, sorted."""
    generator = random.Random(seed)
    found: set[str] = set()
    for corpus in corpora:
        documents = generator.sample(corpus.train, min(DOCUMENTS_PER_CORPUS, len(corpus.train)))
        starts = (" ".join(document[:START_CHARACTERS].split()) for document in documents)
        sentences = [s for start in starts for s in _SENTENCE_END.split(start) if len(s.split()) in WORDS]
        found |= set(generator.sample(sentences, min(SENTENCES_PER_CORPUS, len(sentences))))
    return sorted(found)


def neighbour_pairs(
    sentences: Sequence[str],
    encoder: Path,
    tokenizer: PreTrainedTokenizerBase,
    measured_on: Collection[frozenset[str]],
    seed: int,
) -> list[Example]:
    """Pair sentences with near, farther and random ones, labelled by an encoder's cosine.

    Args:
        sentences: what to pair.
        encoder: folder of a BERT whose mean-pooled states compare sentences.
        tokenizer: its tokenizer.
        measured_on: keys of the pairs to leave out.
        seed: of the draws.
    """
    model: BertModel = BertModel.from_pretrained(encoder, dtype=torch.float32)
    model.train(False)
    vectors = sentence_vectors(sentences, model, tokenizer)  # (N, D)
    generator = random.Random(seed)
    pairs = []
    for row, vector in enumerate(vectors):
        cosines = vectors @ vector  # (N,)
        others = _draw_neighbours(cosines, generator)
        pairs += [from_cosine(sentences[row], sentences[other], float(cosines[other])) for other in others]
    return [pair for pair in pairs if pair.key not in measured_on]


@torch.no_grad()
def judged_pairs(
    pairs: Sequence[Example], teachers: Sequence[PreTrainedModel], tokenizer: PreTrainedTokenizerBase
) -> list[Example]:
    """Label pairs with what classifiers make of them, on average and in both orders, as in distillation.

    Args:
        pairs: What to judge.
        teachers: Classifiers of two classes.
        tokenizer: Their tokenizer.
    """
    order = sorted(range(len(pairs)), key=lambda index: sum(map(len, pairs[index].texts)))
    labels = torch.zeros(len(pairs))
    for start in range(0, len(order), BATCH_SIZE):
        places = order[start : start + BATCH_SIZE]
        batch = [pairs[place] for place in places]
        inputs = [encode_examples(batch, tokenizer, swap=swap) for swap in (False, True)]
        with torch.autocast("cpu", torch.bfloat16):
            judged = [teacher(**each).logits.float().softmax(-1)[:, 1] for teacher in teachers for each in inputs]
        labels[places] = torch.stack(judged).mean(0)
    return [Example(pair.texts, label) for pair, label in zip(pairs, labels.tolist(), strict=True)]


@torch.no_grad()
def sentence_vectors(sentences: Sequence[str], model: BertModel, tokenizer: PreTrainedTokenizerBase) -> Tensor:
    """Return one unit vector for each sentence, (N, D)."""
    order = sorted(range(len(sentences)), key=lambda index: len(sentences[index]))
    vectors = torch.zeros(len(sentences), model.config.hidden_size)
    for start in range(0, len(order), BATCH_SIZE):
        places = order[start : start + BATCH_SIZE]
        inputs = tokenizer([sentences[place] for place in places], padding=True, truncation=True, return_tensors="pt")
        vectors[places] = mean_pooled(model, inputs["input_ids"], inputs["attention_mask"])
    return vectors


def _draw_neighbours(cosines: Tensor, generator: random.Random) -> Iterator[int]:
    nearest = cosines.topk(min(NEIGHBOURHOODS[-1][1], len(cosines))).indices.tolist()
    for first, last in NEIGHBOURHOODS:
        if first < len(nearest):
            yield nearest[generator.randrange(first, min(last, len(nearest)))]
    yield generator.randrange(len(cosines))


def logistic(value: float) -> float:
    """Return a probability from its log odds."""
    return 1.0 / (1.0 + exp(-value))
