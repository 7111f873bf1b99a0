"""Pairs of sentences that differ in a word or three, and whether they still mean the same.

What neither a classifier's news nor an encoder's cosine teaches: that a cat is a feline, that "he" is not "she" and
that fast is not slow. WordNet says which words are the same, opposite or merely side by side; the encoder's cosine of
the two words settles what it leaves open. Invariant: a pair's label is that of the swap that changes most.
"""

import random
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import BertModel, PreTrainedTokenizerBase

from training.glue import Example
from training.paraphrases import logistic, sentence_vectors
from training.wordnet import WordNet

CLOSED_CLASSES = (
    frozenset({"he", "she", "they", "we", "it"}),
    frozenset({"him", "her", "them", "us"}),
    frozenset({"his", "her", "their", "our", "my", "your"}),
    frozenset({"one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"}),
    frozenset({"always", "never", "sometimes"}),
    frozenset({"all", "some", "no"}),
    frozenset({"in", "on", "under", "behind", "above"}),
    frozenset({"before", "after"}),
)
"""Words that take each other's place and change what is meant; WordNet has few of them."""

DETERMINERS = frozenset({"a", "an", "the", "this", "that"})
PAST_FORMS = frozenset({"bit", "bore", "cut", "fell", "felt", "found", "ground", "lay", "left", "rose", "saw", "wound"})
"""Forms of a verb that WordNet knows as another word."""

SHORTEST_WORD = 3
MOST_PIECES = 2
SAME, OPPOSITE = 0.95, 0.05
"""How likely a sentence still means the same after a swap that WordNet, or a closed class, decides."""

LEAST_COSINE_OF_SAME = 0.5
"""WordNet's word is left out below: it belongs to another sense."""

BESIDE_AT, BESIDE_SLOPE = 0.65, 14.0
"""Cosine at which a word beside another is as likely to mean the same as not, and how fast that changes."""

MOST_SWAPS = 3
PER_SENTENCE = 2
_TOKEN = re.compile(r"[A-Za-z]+|[^A-Za-z]+")


@dataclass(frozen=True, slots=True)
class Swap:
    """A word that may stand in another's place."""

    word: str
    """The word to put there, in lower case."""
    same: float
    """How likely the sentence still means the same, 0-1."""


def swaps_of(
    words: Collection[str], wordnet: WordNet, encoder: Path, tokenizer: PreTrainedTokenizerBase
) -> dict[str, list[Swap]]:
    """Return what may stand in each word's place; words that nothing replaces are left out.

    Args:
        words: In lower case.
        wordnet: What means the same, the opposite, or something beside it.
        encoder: Folder of a BERT whose mean-pooled states compare words.
        tokenizer: Its tokenizer; words of many pieces are left out.
    """
    related = {word: found for word in words if (found := _related(word, wordnet))}
    model: BertModel = BertModel.from_pretrained(encoder, dtype=torch.float32)
    model.train(False)
    everything = sorted(
        word
        for word in {*related, *(other for others in related.values() for other in others)}
        if len(tokenizer.tokenize(word)) <= MOST_PIECES
    )
    vectors = dict(zip(everything, sentence_vectors(everything, model, tokenizer), strict=True)) if everything else {}
    swaps = dict[str, list[Swap]]()
    for word, others in related.items():
        for other, same in sorted(others.items()):
            if word not in vectors or other not in vectors:
                continue
            cosine = float(vectors[word] @ vectors[other])
            if same is None:
                swaps.setdefault(word, []).append(Swap(other, logistic(BESIDE_SLOPE * (cosine - BESIDE_AT))))
            elif same < SAME or cosine > LEAST_COSINE_OF_SAME:
                swaps.setdefault(word, []).append(Swap(other, same))
    return swaps


def swapped_pairs(
    sentences: Sequence[str],
    swaps: Mapping[str, Sequence[Swap]],
    measured_on: Collection[frozenset[str]],
    seed: int,
) -> list[Example]:
    """Pair sentences with themselves, some words swapped: half of them with words that mean the same.

    Args:
        sentences: What to change.
        swaps: What may stand in a word's place.
        measured_on: Keys of the pairs to leave out.
        seed: Of the draws.
    """
    generator = random.Random(seed)
    pairs = []
    for sentence in sentences:
        for number in range(PER_SENTENCE):
            pair = _swapped(sentence, swaps, generator, keeps_meaning=number % 2 == 0)
            if pair is not None and pair.key not in measured_on:
                pairs.append(pair)
    return pairs


def reworded(rows: Sequence[Example], swaps: Mapping[str, Sequence[Swap]], seed: int) -> list[Example]:
    """Return pairs with words of their second sentence swapped for ones that mean the same, the label kept.

    Args:
        rows: Pairs.
        swaps: What may stand in a word's place.
        seed: Of the draws.
    """
    generator = random.Random(seed)
    found = ((row, _swapped(row.texts[1], swaps, generator, keeps_meaning=True)) for row in rows)
    return [Example((row.texts[0], pair.texts[1]), row.label) for row, pair in found if pair is not None]


def words_in(sentences: Sequence[str]) -> set[str]:
    """Return the sentences' words in lower case."""
    return {token.lower() for sentence in sentences for token in _TOKEN.findall(sentence) if token.isalpha()}


def _related(word: str, wordnet: WordNet) -> dict[str, float | None]:
    """What may stand in a word's place, with how likely it means the same; None where the cosine decides."""
    closed = {other for members in CLOSED_CLASSES if word in members for other in members}
    if closed or word in DETERMINERS or word in PAST_FORMS or len(word) < SHORTEST_WORD:
        return dict.fromkeys(closed - {word}, OPPOSITE)
    found = dict[str, float | None]()
    for stem, ending in _stems(word):
        related = wordnet.related(stem)
        found |= {_inflected(other, ending): None for other in related.beside}
        found |= {_inflected(other, ending): SAME for other in related.same}
        found |= {_inflected(other, ending): OPPOSITE for other in related.opposite}
        if found:
            break
    found.pop(word, None)
    return found


def _stems(word: str) -> Iterator[tuple[str, str]]:
    """The word itself, then without the ending that a plural or a third person has."""
    yield word, ""
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        if word.endswith("ies"):
            yield word[:-3] + "y", "s"
        if word.endswith(("ches", "shes", "sses", "xes")):
            yield word[:-2], "s"
        yield word[:-1], "s"


def _inflected(word: str, ending: str) -> str:
    if not ending:
        return word
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("s", "x", "ch", "sh")) else "s")


def _swapped(
    sentence: str, swaps: Mapping[str, Sequence[Swap]], generator: random.Random, *, keeps_meaning: bool
) -> Example | None:
    """Change one to three words; at least one of them what is meant, unless it is to be kept."""
    tokens = _TOKEN.findall(sentence)
    kept = {place: _choices(token, swaps, first=place == 0, keeps=True) for place, token in enumerate(tokens)}
    changed = {place: _choices(token, swaps, first=place == 0, keeps=False) for place, token in enumerate(tokens)}
    chosen = dict[int, Swap]()
    if not keeps_meaning:
        places = [place for place, found in changed.items() if found]
        if not places:
            return None
        place = generator.choice(places)
        chosen[place] = generator.choice(changed[place])
    places = [place for place, found in kept.items() if found and place not in chosen]
    count = min(len(places), generator.randint(0 if chosen else 1, MOST_SWAPS - len(chosen)))
    chosen |= {place: generator.choice(kept[place]) for place in generator.sample(places, count)}
    if not chosen:
        return None
    new = [_as_written(tokens[p], chosen[p].word) if p in chosen else token for p, token in enumerate(tokens)]
    if generator.random() < 0.5:
        new = _other_determiners(new, generator)
    return Example((sentence, "".join(new)), min(swap.same for swap in chosen.values()))


def _choices(token: str, swaps: Mapping[str, Sequence[Swap]], *, first: bool, keeps: bool) -> list[Swap]:
    """The swaps of a token that is no name: it is lower-case, or the sentence's first."""
    if not (first or token.islower()):
        return []
    return [swap for swap in swaps.get(token.lower(), ()) if (swap.same > 0.5) == keeps]


def _as_written(old: str, new: str) -> str:
    return new.capitalize() if old[:1].isupper() else new


def _other_determiners(tokens: Sequence[str], generator: random.Random) -> list[str]:
    """Turn "the" into "a" and back here and there, which changes little."""
    other = {"the": "a", "a": "the", "an": "the"}
    return [
        _as_written(token, other[token.lower()]) if token.lower() in other and generator.random() < 0.5 else token
        for token in tokens
    ]
