"""The figures that BERT and its task models are judged by.

Takes loaded models and rows and returns numbers; prints nothing and trains nothing. Invariant: the
same rows in the same batches every time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import BertForPreTraining, BertModel, PreTrainedModel, PreTrainedTokenizerBase

from training.bert_model import mean_pooled
from training.glue import Example, class_labels, encode_examples
from training.sentence_pairs import MaskedPairs

BATCH_SIZE = 32
MILK = "I went to the [MASK] to buy some milk."
COURSE_PAIRS = (
    ("The cat is on the mat", "A feline is sitting on a rug"),
    ("I love pizza", "Python is a programming language"),
    ("He runs fast", "She walks slowly"),
)


@dataclass(frozen=True, slots=True)
class PretrainingFigures:
    """How well BERT does on held-out pairs."""

    top1: float
    """Share of hidden tokens told first, 0-1."""
    top5: float
    """Share of hidden tokens among the first five, 0-1."""
    next_sentence: float
    """Share of pairs judged rightly, 0-1."""


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """How well a classifier does on a dev set."""

    accuracy: float
    """Share of rows judged rightly, 0-1."""
    f1: float
    """F1 of class 1, 0-1."""


@torch.no_grad()
def masked_lm_hits(logits: Tensor, targets: Tensor) -> tuple[int, int]:
    """Return how many targets are first and how many among the first five."""
    hits = logits.topk(5).indices == targets[:, None]  # (N, 5)
    return int(hits[:, 0].sum()), int(hits.any(1).sum())


@torch.no_grad()
def measure_pretraining(model: BertForPreTraining, batches: Sequence[MaskedPairs]) -> PretrainingFigures:
    """Measure masked LM and next sentence on prepared batches."""
    first = five = right = tokens = pairs = 0
    for batch in batches:
        output = model.bert(
            input_ids=batch.input_ids,
            token_type_ids=batch.token_type_ids,
            attention_mask=batch.attention_mask,
        )
        logits = model.cls.predictions(output.last_hidden_state[batch.is_masked])  # (N, V)
        scores = model.cls.seq_relationship(output.pooler_output)  # (B, 2)
        batch_first, batch_five = masked_lm_hits(logits, batch.targets)
        first += batch_first
        five += batch_five
        right += int((scores.argmax(-1) == batch.labels).sum())
        tokens += len(batch.targets)
        pairs += len(batch.labels)
    return PretrainingFigures(first / tokens, five / tokens, right / pairs)


@torch.no_grad()
def measure_masked_lm(model: PreTrainedModel, batches: Sequence[MaskedPairs]) -> tuple[float, float]:
    """Return the shares of hidden tokens that a masked LM tells first and among its first five.

    Token types are not given, so that a DistilBERT and its teacher see the same.
    """
    first = five = tokens = 0
    for batch in batches:
        output = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask)
        batch_first, batch_five = masked_lm_hits(output.logits[batch.is_masked], batch.targets)
        first += batch_first
        five += batch_five
        tokens += len(batch.targets)
    return first / tokens, five / tokens


@torch.no_grad()
def measure_classes(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: Sequence[Example],
) -> ClassFigures:
    """Measure a classifier on rows."""
    guesses = []
    for start in range(0, len(examples), BATCH_SIZE):
        inputs = encode_examples(examples[start : start + BATCH_SIZE], tokenizer)
        guesses.append(model(**inputs).logits.argmax(-1))
    guess, label = torch.cat(guesses), class_labels(examples)
    both = int(((guess == 1) & (label == 1)).sum())
    return ClassFigures(
        accuracy=float((guess == label).float().mean()),
        f1=2 * both / max(1, int((guess == 1).sum()) + int((label == 1).sum())),
    )


@torch.no_grad()
def similarity_spearman(model: BertModel, tokenizer: PreTrainedTokenizerBase, examples: Sequence[Example]) -> float:
    """Return Spearman's correlation of mean-pooled cosines with the labels."""
    cosines = []
    for start in range(0, len(examples), BATCH_SIZE):
        rows = examples[start : start + BATCH_SIZE]
        vectors = []
        for side in (0, 1):
            texts = [Example((row.texts[side],), row.label) for row in rows]
            inputs = encode_examples(texts, tokenizer)
            vectors.append(mean_pooled(model, inputs["input_ids"], inputs["attention_mask"]))
        cosines.append((vectors[0] * vectors[1]).sum(-1))
    return spearman(torch.cat(cosines).numpy(), np.array([e.label for e in examples]))


def spearman(left: np.ndarray, right: np.ndarray) -> float:
    """Return Spearman's rank correlation, ties sharing their mean rank."""
    return float(np.corrcoef(mean_ranks(left), mean_ranks(right))[0, 1])


def mean_ranks(values: np.ndarray) -> np.ndarray:
    """Return each value's rank, equal values sharing the mean of theirs."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: np.ndarray = (last - (counts - 1) / 2)[places]
    return ranks


@torch.no_grad()
def fill_mask(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    text: str,
) -> list[str]:
    """Return the five likeliest words for the mask in a text."""
    inputs = tokenizer(text, return_tensors="pt", return_token_type_ids=False)
    place = int((inputs["input_ids"][0] == tokenizer.mask_token_id).nonzero()[0, 0])
    best = model(**inputs).logits[0, place].topk(5).indices
    return [str(tokenizer.decode([token])) for token in best.tolist()]


@torch.no_grad()
def course_pair_scores(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
) -> list[float]:
    """Return the probability of `equivalent` for the course's three pairs, 0-1."""
    inputs = encode_examples([Example(pair, 0) for pair in COURSE_PAIRS], tokenizer)
    probabilities: list[float] = model(**inputs).logits.softmax(-1)[:, 1].tolist()
    return probabilities
