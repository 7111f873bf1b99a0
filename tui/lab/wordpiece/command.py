"""`wordpiece`: the walk that cuts words into the pieces of a vocabulary, try by try."""

from __future__ import annotations

import argparse
from collections.abc import Container
from dataclasses import asdict
from pathlib import Path

from core.errors import EngineError, InputError
from core.lab.wordpiece import walk
from core.models.registry import tokenizer_folder
from core.text.tokenization import TextTokenizer
from core.text.visible import visible
from tui.commands import running
from tui.commands.options import add_text, read_text
from tui.commands.parser import Parser

_BERT = "bert-base-uncased"


def add_arguments(parser: Parser) -> None:
    """Add the text, and the pieces."""
    add_text(parser, "text")
    own = parser.add_mutually_exclusive_group()
    own.add_argument("--vocabulary", metavar='"play ##ing"', help="these pieces instead of BERT's own 30,522")
    own.add_argument("--vocabulary-file", metavar="F", help="pieces from a UTF-8 file, such as BERT's vocab.txt")


def run(options: argparse.Namespace) -> int:
    """Print a row a piece that is tried, then the tokens."""
    text = read_text(options, "text")
    tokenizer = TextTokenizer.from_folder(_BERT, tokenizer_folder(_BERT))
    vocabulary: Container[str] = tokenizer.entries
    if (own := _own_pieces(options)) is not None:
        vocabulary = {*own, *(special.token for special in tokenizer.special_tokens)}
    tokens: list[str] = []
    for word in tokenizer.words(text):
        walked = walk(word, vocabulary)
        tokens += walked.tokens
        for tried in walked.tries:
            if options.json:
                running.print_json(asdict(tried))
            else:
                span, sign = f"{tried.start}-{tried.end}", "✓ found" if tried.found else "✗"
                print(visible(f"{tried.word:<16} {span:<6} {tried.piece:<18} {sign}"))
        if walked.too_long:
            running.say(f"note: a word of {len(word)} characters is too long to be looked at, so it is [UNK]")
    running.print_json({"tokens": tokens}) if options.json else print(visible(f"tokens: {' '.join(tokens)}"))
    return 0


def _own_pieces(options: argparse.Namespace) -> list[str] | None:
    """The pieces given on the command line; None for BERT's own.

    Raises:
        InputError: there are none, or they are not UTF-8.
        EngineError: the file cannot be read.
    """
    if options.vocabulary_file is None:
        pieces = None if options.vocabulary is None else options.vocabulary.split()
    else:
        try:
            pieces = Path(options.vocabulary_file).read_bytes().decode("utf-8-sig").split()
        except UnicodeDecodeError:
            raise InputError(f"{options.vocabulary_file} is not valid UTF-8", "re-encode it with iconv") from None
        except (OSError, ValueError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            raise EngineError(f"{options.vocabulary_file} cannot be read: {reason}", "check the path") from None
    if pieces == []:
        raise InputError("the vocabulary is empty", 'give pieces with spaces between them, such as "play ##ing"')
    return pieces
