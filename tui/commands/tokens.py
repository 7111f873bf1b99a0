"""`nlp-tui tokens`: how a text splits into tokens; needs no engine."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from core.models.registry import tokenizer_folder
from core.text.tokenization import TextTokenizer
from core.text.visible import visible
from tui.commands.options import add_text, read_text
from tui.commands.parser import Parser
from tui.commands.running import print_json, say


def add_arguments(parser: Parser) -> None:
    """Add the text, and what splits it."""
    add_text(parser, "text")
    parser.add_argument(
        "--tokenizer", default="gpt2", metavar="NAME", help="gpt2, bert-base-uncased, a model or folder"
    )


def run(options: argparse.Namespace) -> int:
    """Print a row a token, then what they are together."""
    text = read_text(options, "text")
    tokenizer = TextTokenizer.from_folder(options.tokenizer, tokenizer_folder(options.tokenizer))
    pieces = tokenizer.pieces(text)
    ids, notes = [piece.id for piece in pieces], tokenizer.notes(text)
    if options.json:
        for piece in pieces:
            print_json(asdict(piece))
        told = {"notes": notes} if notes else {}
        print_json({"ids": ids, "decoded": tokenizer.decode(ids), "count": len(ids), **told})
        return 0
    print(f"{'index':>5} {'id':>6}  {'token':<20} {'text':<20} {'bytes':<16} span")
    for piece in pieces:
        note = " special" if piece.special else " unknown" if piece.unknown else ""
        note += f" {text[piece.start : piece.end]} {piece.part}/{piece.parts}" if piece.parts > 1 else ""
        row = f"{piece.token:<20} {piece.text!r:<20} {piece.bytes:<16} {piece.start}-{piece.end}{note}"
        print(visible(f"{piece.index:>5} {piece.id:>6}  {row}"))
    count = f"{len(ids)} token{'' if len(ids) == 1 else 's'}"
    print(visible(f"{count} ({tokenizer.scheme}), decoded: {tokenizer.decode(ids)}"))
    for note in notes:
        say(f"note: {tokenizer.name}: {note}")
    return 0
