"""Documents to train on and documents held out, cut before anything else happens to them.

Reads stories, books and encyclopedia articles from plain text files and splits them by document.
It does not tokenise. Invariant: a document is in exactly one of the two parts, the cut depends on
the text and `SPLIT_SEED` alone, and every recipe and every measurement uses the same cut.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SPLIT_SEED = 0
HELD_OUT_EVERY = 50
PARAGRAPHS_PER_SECTION = 40
STORY_SEPARATOR = "\n<|endoftext|>\n"

_LONE_NEWLINE = re.compile(r"(?<!\n)\n(?!\n)")


@dataclass(frozen=True, slots=True)
class Corpus:
    """One source of text, cut into documents."""

    name: str
    """What it holds: stories, books or wiki."""
    train: tuple[str, ...]
    """Documents to learn from."""
    held_out: tuple[str, ...]
    """Documents that are only ever measured on."""


def split_documents(name: str, documents: Sequence[str]) -> Corpus:
    """Hold out every 50th document of a seeded shuffle.

    Repeated and empty documents are dropped first, so that none lies on both sides.

    Args:
        name: The corpus's name.
        documents: All its documents, in file order.

    Returns:
        The corpus, its two parts disjoint.
    """
    unique = list(dict.fromkeys(text for document in documents if (text := document.strip())))
    random.Random(SPLIT_SEED).shuffle(unique)
    held_out = unique[::HELD_OUT_EVERY]
    train = [text for index, text in enumerate(unique) if index % HELD_OUT_EVERY]
    return Corpus(name, tuple(train), tuple(held_out))


def read_stories(path: Path) -> Corpus:
    """Read short stories, one document each."""
    return split_documents("stories", path.read_text(encoding="utf-8").split(STORY_SEPARATOR))


def read_books(path: Path) -> Corpus:
    """Read books as sections of 40 paragraphs, hard-wrapped lines joined."""
    text = _LONE_NEWLINE.sub(" ", path.read_text(encoding="utf-8"))
    paragraphs = [paragraph.strip() for paragraph in text.split("\n\n") if paragraph.strip()]
    sections = [
        "\n\n".join(paragraphs[start : start + PARAGRAPHS_PER_SECTION])
        for start in range(0, len(paragraphs), PARAGRAPHS_PER_SECTION)
    ]
    return split_documents("books", sections)


def read_wiki(path: Path) -> Corpus:
    """Read encyclopedia articles, separated by blank lines."""
    return split_documents("wiki", path.read_text(encoding="utf-8").split("\n\n"))


def read_fiction(data: Path) -> tuple[Corpus, Corpus]:
    """Read what GPT-2 learns from: the stories and the books under `data`/corpora."""
    corpora = data / "corpora"
    return read_stories(corpora / "tinystories.txt"), read_books(corpora / "children_books.txt")


def read_all(data: Path) -> tuple[Corpus, Corpus, Corpus]:
    """Read what BERT learns from: the stories, the books and the articles under `data`/corpora."""
    return (*read_fiction(data), read_wiki(data / "corpora" / "wiki_en.txt"))
