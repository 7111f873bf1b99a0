"""Unicode normal forms: whether a text is NFC, and what a normalizer makes of its letters beside their case.

A letter may be one character or several: é is U+00E9 in NFC, U+0065 U+0301 in NFD, and 한 falls apart into the jamo
U+1112 U+1161 U+11AB. Both look the same; a tokenizer that leaves the text as it is sees two different texts.
Source: Unicode Standard Annex 15, "Unicode Normalization Forms".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable

WORD_SHOWN, JAMO_SHOWN = 16, 12
"""How many characters of a word, and how many jamo, a note shows at most."""

_WORD = re.compile(r"\S+")
_SYLLABLE = re.compile("[\uac00-\ud7a3]")
_JAMO = re.compile("[\u1100-\u11ff]")


def not_nfc(text: str) -> str:
    """The first letter of a text that is not NFC, as `é = U+0065 U+0301`; empty when all of them are."""
    if unicodedata.is_normalized("NFC", text):
        return ""
    for letter in _letters(text):
        composed = unicodedata.normalize("NFC", letter)
        if composed != letter:
            return f"{composed} = {' '.join(f'U+{ord(part):04X}' for part in letter)}"
    return ""


def nfc_note(text: str, ids: Callable[[str], list[int]]) -> str:
    """That a text is not NFC, and how many tokens it would be; empty when the tokenizer sees no difference.

    Args:
        text: the text.
        ids: the tokenizer.
    """
    found = not_nfc(text)
    if not found:
        return ""
    composed = ids(unicodedata.normalize("NFC", text))
    if composed == ids(text):
        return ""
    return f"not NFC: {found} (NFC: {len(composed):,} token{'' if len(composed) == 1 else 's'})"


def normalizer_note(text: str, normalize: Callable[[str], str]) -> str:
    """What a normalizer does to the first word that it changes beside its case; empty when it changes none.

    Args:
        text: the text.
        normalize: what the tokenizer does to a text before it splits it.
    """
    if text.isascii():
        return ""
    for match in _WORD.finditer(text):
        word = match[0]
        if word.isascii():
            continue
        normal = "".join(normalize(word).split())
        if normal in (word, word.lower()):
            continue
        shown = word if len(word) <= WORD_SHOWN else f"{word[:WORD_SHOWN]}…"
        jamo = _JAMO.findall(normal)
        if _SYLLABLE.search(word) and jamo:
            letters = "".join(map(_jamo_letter, jamo[:JAMO_SHOWN])) + "…" * (len(jamo) > JAMO_SHOWN)
            return f"{shown} is split into {len(jamo)} jamo: {letters}"
        return f"{shown} is read as {normal[:WORD_SHOWN]}{'…' * (len(normal) > WORD_SHOWN)}{_why(word, normal)}"
    return ""


def _letters(text: str) -> Iterable[str]:
    """A text cut before every character that begins a letter."""
    start = 0
    for index in range(1, len(text)):
        joins = unicodedata.combining(text[index]) or "\u1160" <= text[index] <= "\u11ff"
        if not joins:
            yield text[start:index]
            start = index
    yield text[start:]


def _why(word: str, normal: str) -> str:
    """The reason why a word is read otherwise, where it is the usual one."""
    apart = unicodedata.normalize("NFD", word.lower())
    bare = "".join(character for character in apart if unicodedata.category(character) != "Mn")
    return ": accents are dropped" if normal == bare and bare != apart else ""


def _jamo_letter(jamo: str) -> str:
    """The letter that stands by itself for a jamo, which would be drawn over its neighbours."""
    name = unicodedata.name(jamo, "")
    try:
        return unicodedata.lookup(re.sub("CHOSEONG|JUNGSEONG|JONGSEONG", "LETTER", name))
    except KeyError:
        return f"U+{ord(jamo):04X}"
