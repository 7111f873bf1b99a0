"""Pairs of a sentence and the same with other words in it, for a classifier of paraphrases to learn what words mean.

Neighbouring sentences rarely say the same with different words, so a classifier that learns from them alone takes
shared words for shared meaning. Here words give way to those that a sentence encoder sees close by, or not so close,
and the cosine of the two sentences is the label. Invariant: one word at least is swapped, and no pair is a row of a dev
set.
"""

import random
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from torch import Tensor
from transformers import PreTrainedTokenizerBase

from training.glue import Example
from training.paraphrases import from_cosine, load_encoder, sentence_vectors

KEPT_WORDS, KEPT_SHARE = 120, 0.1
"""The most frequent words, no more than this share of all, hold a sentence together and are left alone."""
SHORTEST_WORD = 3
NEAREST, NEARBY = 8, 60
"""Ranks up to which a word's neighbours are its like, and up to which they are only of its kind."""
NEAREST_SHARE = 0.75
"""How often a word gives way to one of its like."""
MOST_SWAPS = 3

_WORD = re.compile(r"[A-Za-z]+")


def whole_words(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """Return the vocabulary's entries that are words by themselves, sorted."""
    return sorted(word for word in tokenizer.get_vocab() if _is_long(word))


def swapped_pairs(
    sentences: Sequence[str],
    encoder: Path,
    tokenizer: PreTrainedTokenizerBase,
    measured_on: Collection[frozenset[str]],
    seed: int,
    *,
    for_each: int = 4,
) -> list[Example]:
    """Pair sentences with copies in which one to three words gave way to others, labelled by an encoder's cosine.

    Args:
        sentences: what to start from; those without a word to swap are left out.
        encoder: folder of a BERT whose mean-pooled states compare words and sentences.
        tokenizer: its tokenizer, whose whole words are swapped for each other.
        measured_on: keys of the pairs to leave out.
        seed: of the draws.
        for_each: copies of each sentence.
    """
    model = load_encoder(encoder)
    words = whole_words(tokenizer)
    vectors = sentence_vectors(words, model, tokenizer)
    place_of = {word: place for place, word in enumerate(words)}
    counts = Counter(word.lower() for sentence in sentences for word in _WORD.findall(sentence))
    kept = {word for word, _ in counts.most_common(min(KEPT_WORDS, int(KEPT_SHARE * len(counts))))}
    near = {
        word: _neighbours(place_of[word], words, vectors) for word in counts if word in place_of and word not in kept
    }
    generator = random.Random(seed)
    pairs = [
        (sentence, changed)
        for sentence in sentences
        for _ in range(for_each)
        if (changed := _swap(sentence, near, generator)) != sentence
    ]
    texts = sorted({text for pair in pairs for text in pair})
    vector_of = dict(zip(texts, sentence_vectors(texts, model, tokenizer), strict=True))
    cosines = [float(vector_of[before] @ vector_of[after]) for before, after in pairs]
    examples = [from_cosine(*pair, cosine) for pair, cosine in zip(pairs, cosines, strict=True)]
    return [example for example in examples if example.key not in measured_on]


def _is_long(word: str) -> bool:
    return len(word) >= SHORTEST_WORD and word.isascii() and word.isalpha()


def _neighbours(place: int, words: Sequence[str], vectors: Tensor) -> list[str]:
    """The nearest other words, nearest first."""
    cosines = vectors @ vectors[place]  # (N,)
    nearest = cosines.topk(min(NEARBY + 1, len(words))).indices.tolist()
    return [words[other] for other in nearest if other != place]


def _swap(sentence: str, near: Mapping[str, Sequence[str]], generator: random.Random) -> str:
    """The sentence with some of its words swapped."""
    places = [match for match in _WORD.finditer(sentence) if near.get(match[0].lower())]
    chosen = generator.sample(places, min(len(places), generator.randint(1, MOST_SWAPS)))
    for match in sorted(chosen, key=lambda match: -match.start()):
        neighbours = near[match[0].lower()]
        ranks = neighbours[:NEAREST] if generator.random() < NEAREST_SHARE else neighbours
        other = generator.choice(ranks)
        other = other.capitalize() if match[0][0].isupper() else other
        sentence = sentence[: match.start()] + other + sentence[match.end() :]
    return sentence
