"""Which columns of a table hold the texts and the label: as asked for, else by their usual names, else by their place.

Knows the headers of GLUE's files (`Quality, #1 ID, #2 ID, #1 String, #2 String`; `sentence, label`; `sentence1, …`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from core.errors import InputError


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of a table's columns, or their numbers from 1; empty where they are to be guessed."""

    text: str = ""
    text_b: str = ""
    """The second sentence of a pair."""
    label: str = ""


class LabelUse(StrEnum):
    """What a reader of a table wants of its labels."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    """Taken where a column is found; a row's label is empty where there is none."""
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things stand in a table."""

    texts: tuple[int, ...]
    """One index, or two."""
    label: int
    """−1 where there is none."""
    names: tuple[str, ...]
    """Of all columns; numbers from 1 where there is no header."""
    has_header: bool

    second_text: str = ""
    """The second text's column of a pair of which only the first is read."""

    @property
    def columns(self) -> Columns:
        """The columns in use, by name."""
        first, *rest = (self.names[index] for index in self.texts)
        return Columns(first, rest[0] if rest else "", self.names[self.label] if self.label >= 0 else "")


_PAIRS = (
    ("#1 string", "#2 string"),
    ("sentence1", "sentence2"),
    ("sentence 1", "sentence 2"),
    ("sentence a", "sentence b"),
    ("text a", "text b"),
    ("text1", "text2"),
    ("question1", "question2"),
    ("premise", "hypothesis"),
    ("first", "second"),
)
_TEXTS = ("sentence", "text", "review", "content", "document", "question", *(first for first, _ in _PAIRS))
_SCORES = ("score", "similarity", "similarity score", "gold score")
"""Columns of degrees, such as STS-B's from 0 to 5."""

_LABELS = ("label", "labels", "quality", "gold label", "gold", "is duplicate", "class", "sentiment", "target", "word")


def find_columns(first: Sequence[str], wanted: Columns, *, texts: int, label: LabelUse, is_header: bool) -> Layout:
    """Find the columns of a table.

    Args:
        first: the cells of its first row.
        wanted: what was asked for.
        texts: how many texts a row has: 1, 2, or 0 for two where the table has a pair and else one.
        label: whether there must be a label.
        is_header: the first row is a header, whatever it looks like.

    Raises:
        InputError: a column asked for is not there, or one that is needed cannot be guessed.
    """
    plain = [_plain(cell) for cell in first]
    known = {*_TEXTS, *_LABELS, *(name for pair in _PAIRS for name in pair)}
    asked = [_plain(name) for name in (wanted.text, wanted.text_b, wanted.label) if name]
    has_header = is_header or any(cell in known or (cell in asked and not cell.isdigit()) for cell in plain)
    finder = _Finder(tuple(first) if has_header else tuple(str(n + 1) for n in range(len(first))), has_header)
    label_index = -1
    if label is not LabelUse.NONE:
        label_index = finder.label(wanted.label, first, min_texts=max(texts, 1))
    if label is LabelUse.REQUIRED and label_index < 0:
        raise finder.no_label()
    found = finder.texts(wanted, texts, label_index)
    return Layout(found, label_index, finder.names, has_header, finder.second_of(found))


@dataclass(frozen=True, slots=True)
class _Finder:
    """Finds columns in a row of names."""

    names: tuple[str, ...]
    has_header: bool

    def asked(self, name: str) -> int:
        """The column of a name or a number from 1."""
        if self.has_header:
            for names, key in ((self.names, name), (tuple(map(_plain, self.names)), _plain(name))):
                if key in names:
                    return names.index(key)
        if name.isascii() and name.isdigit() and 1 <= int(name) <= len(self.names):
            return int(name) - 1
        raise InputError(f"there is no column {name!r}; {self._listing()}", "name a column, or give its number from 1")

    def first_of(self, names: Sequence[str]) -> int:
        """The first column that has one of these names, −1 when there is none."""
        plain = [_plain(name) for name in self.names]
        return next((plain.index(name) for name in names if name in plain), -1)

    def label(self, wanted: str, first: Sequence[str], min_texts: int) -> int:
        if wanted:
            return self.asked(wanted)
        if self.has_header:
            return self.first_of(_LABELS)
        if len(first) <= min_texts:
            return -1
        return 0 if _is_number(first[0]) and not _is_number(first[-1]) else len(first) - 1

    def texts(self, wanted: Columns, count: int, label: int) -> tuple[int, ...]:
        """The text columns: one, or two."""
        others = [index for index in range(len(self.names)) if index != label]
        pair = self._pair() if self.has_header else tuple(others[-2:])
        second = self.asked(wanted.text_b) if wanted.text_b else -1
        if count == 1 or (count == 0 and second < 0 and (wanted.text or not (self.has_header and pair))):
            return (self._single(wanted, others),)
        if not wanted.text and len(pair) < 2:
            raise self.missing("first sentence", "--text and --text-b")
        first = self.asked(wanted.text) if wanted.text else pair[0]
        if second < 0:
            second = pair[1] if len(pair) == 2 and pair[1] != first else -1
        if second < 0 or first == second:
            raise self.missing("second sentence", "--text-b")
        return (first, second)

    def _single(self, wanted: Columns, others: Sequence[int]) -> int:
        if wanted.text:
            return self.asked(wanted.text)
        found = self.first_of(_TEXTS) if self.has_header else others[-1] if others else -1
        if found < 0 and len(others) == 1:
            found = others[0]
        if found < 0:
            raise self.missing("text", "--text")
        return found

    def _pair(self) -> tuple[int, ...]:
        found = ((self.first_of((one,)), self.first_of((other,))) for one, other in _PAIRS)
        return next((pair for pair in found if min(pair) >= 0), ())

    def second_of(self, texts: tuple[int, ...]) -> str:
        """The other text's column when one text is read and the header names a pair that begins with it."""
        pair = self._pair() if self.has_header else ()
        return self.names[pair[1]] if len(texts) == 1 and texts == pair[:1] else ""

    def no_label(self) -> InputError:
        """The error for a table without labels; one with degrees is told apart."""
        if not self.has_header or (score := self.first_of(_SCORES)) < 0:
            return self.missing("label", "--label")
        return InputError(
            f"{self.names[score]!r} holds scores, not labels", "give a file with a label a row, such as MRPC's 0 and 1"
        )

    def missing(self, what: str, option: str) -> InputError:
        return InputError(f"no column is known to hold the {what}; {self._listing()}", f"say which with {option}")

    def _listing(self) -> str:
        if not self.has_header:
            return f"the file has no header and {len(self.names)} column{'s' * (len(self.names) != 1)}"
        shown = ", ".join(name[:24] for name in self.names[:8])
        return f"there are {shown}{', …' if len(self.names) > 8 else ''}"


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name).strip().lower()


def _is_number(text: str) -> bool:
    return re.fullmatch(r"\s*[+-]?\d+(\.\d+)?\s*", text) is not None
