"""`follows`: next-sentence prediction on the command line."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from core.lab.records import Answer
from core.lab.sentence_pairs import Follows, NextSentence
from core.models.registry import DEFAULT_MASKED_LM
from tui.commands import running
from tui.commands.options import add_model_options, check_text
from tui.commands.parser import Parser


def add_arguments(parser: Parser) -> None:
    """Add the sentences, and the model."""
    parser.add_argument("first", metavar="A")
    parser.add_argument("second", metavar="B")
    add_model_options(parser, DEFAULT_MASKED_LM)


def run(options: argparse.Namespace) -> int:
    """Print both orders."""
    first, second = check_text(options.first, "sentence A"), check_text(options.second, "sentence B")
    target = running.target_of(options)

    def take(answer: Answer) -> None:
        assert isinstance(answer, NextSentence)
        if options.json:
            running.print_json(asdict(answer))
            return
        for order, is_next, not_next in (
            ("A→B", answer.is_next, answer.not_next),
            ("B→A", answer.swapped_is_next, answer.swapped_not_next),
        ):
            bar = "█" * round(is_next * 30)
            print(f"{order}  is next {is_next:>7.2%}  not next {not_next:>7.2%}  {bar}".rstrip())
        running.say(f"{answer.model}{running.cut_note(answer.truncated)}")

    return running.ask(Follows(target.model, first, second), target, take, as_json=options.json)
