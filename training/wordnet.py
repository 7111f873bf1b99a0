"""Which words mean the same, which the opposite and which stand side by side: WordNet's files, read.

Reads the `dict` folder of WordNet 3 (Fellbaum 1998; its licence allows any use): `index.sense` for the senses of a
word and how often each occurs, `data.*` for what a sense is tied to. Invariant: only a word's most frequent sense
counts, and only single lower-case words come out.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HYPERNYM, HYPONYM, ANTONYM = "@", "~", "!"
_PARTS = {"1": "n", "2": "v", "3": "a", "4": "r", "5": "a"}
_FILES = {"n": "data.noun", "v": "data.verb", "a": "data.adj", "r": "data.adv"}
_PLAIN = re.compile(r"[a-z]{2,}")

Sense = tuple[str, int]
"""Part of speech (n, v, a or r) and the synset's offset in its file."""


@dataclass(frozen=True, slots=True)
class Synset:
    """Words of one meaning."""

    words: tuple[str, ...]
    """Its words, as they are written."""
    pointers: tuple[tuple[str, Sense, int, int], ...]
    """Kind, the synset pointed to, and from which word to which, counted from 1 (0: from all to all)."""


@dataclass(frozen=True, slots=True)
class Related:
    """What may stand in a word's place."""

    same: frozenset[str]
    """Words of the same meaning and of the next wider one."""
    opposite: frozenset[str]
    """Words of the opposite meaning."""
    beside: frozenset[str]
    """Words beside it under the next wider meaning."""


class WordNet:
    """The files in memory; about a second to read."""

    def __init__(self, folder: Path) -> None:
        """Read a `dict` folder.

        Raises:
            OSError: A file is missing.
        """
        self._senses: dict[str, dict[Sense, int]] = defaultdict(dict)
        for line in (folder / "index.sense").read_text(encoding="utf-8").splitlines():
            key, offset, _number, count = line.split()
            word, _, rest = key.partition("%")
            self._senses[word][_PARTS[rest[0]], int(offset)] = int(count)
        self._synsets = {
            (part, int(line[:8])): _read_synset(line)
            for part, name in _FILES.items()
            for line in (folder / name).read_text(encoding="utf-8").splitlines()
            if not line.startswith(" ")
        }

    def related(self, word: str) -> Related:
        """Return what may stand in a word's place; empty sets where WordNet does not know it."""
        senses = self._senses.get(word)
        if not senses:
            return Related(frozenset(), frozenset(), frozenset())
        sense = max(senses, key=lambda each: senses[each])
        wider = list(self._targets(sense, HYPERNYM))
        beside = {other for above in wider for other in self._targets(above, HYPONYM)} - {sense}
        same = {w for each in (sense, *wider) for w in self._words(each)}
        return Related(
            frozenset(same - {word}),
            frozenset(self._opposites(word, sense)),
            frozenset({w for each in beside for w in self._words(each)} - same - {word}),
        )

    def _targets(self, sense: Sense, kind: str) -> Iterator[Sense]:
        return (target for name, target, _, _ in self._synsets[sense].pointers if name == kind)

    def _words(self, sense: Sense) -> Iterator[str]:
        """Yield a synset's words that mean it more often than anything else of their part of speech."""
        for word in self._synsets[sense].words:
            counts = {s: n for s, n in self._senses[word].items() if s[0] == sense[0]}
            if _PLAIN.fullmatch(word) and counts.get(sense, -1) == max(counts.values(), default=0):
                yield word

    def _opposites(self, word: str, sense: Sense) -> Iterator[str]:
        synset = self._synsets[sense]
        for kind, target, source_place, target_place in synset.pointers:
            if kind == ANTONYM and source_place and synset.words[source_place - 1] == word:
                other = self._synsets[target].words[target_place - 1]
                if _PLAIN.fullmatch(other):
                    yield other


def _read_synset(line: str) -> Synset:
    """Read a line of a data file: offset, file, type, words, pointers, and a gloss that is left out."""
    fields = line.partition(" | ")[0].split()
    count = int(fields[3], 16)
    words = tuple(re.sub(r"\(\w+\)$", "", fields[4 + 2 * index]) for index in range(count))
    rest = fields[4 + 2 * count :]
    pointers = tuple(
        (kind, ("a" if part == "s" else part, int(offset)), int(places[:2], 16), int(places[2:], 16))
        for kind, offset, part, places in (rest[1 + 4 * i : 5 + 4 * i] for i in range(int(rest[0])))
    )
    return Synset(words, pointers)
