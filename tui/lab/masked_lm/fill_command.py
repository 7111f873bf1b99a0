"""`fill`: what stands behind each mask, on the command line."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from core.lab.masked_lm import FilledMasks, FillMasks
from core.lab.records import Answer
from core.models.registry import DEFAULT_MASKED_LM
from core.text.visible import visible
from tui.commands import running
from tui.commands.options import add_model_options, add_text, count, read_text
from tui.commands.parser import Parser


def add_arguments(parser: Parser) -> None:
    """Add the text, what is wanted of each mask, and the model."""
    add_text(parser, "text")
    parser.add_argument("--top", type=count, default=5, metavar="N", help="candidates a mask (5)")
    parser.add_argument("--target", action="append", default=[], metavar="WORD", help="compare this word; repeatable")
    parser.add_argument("--one-by-one", action="store_true", help="fill the surest mask first and read again")
    add_model_options(parser, DEFAULT_MASKED_LM)


def run(options: argparse.Namespace) -> int:
    """Print a row a candidate, mask by mask."""
    target = running.target_of(options)
    text = read_text(options, "text")
    question = FillMasks(target.model, text, options.top, tuple(options.target), options.one_by_one)

    def take(answer: Answer) -> None:
        assert isinstance(answer, FilledMasks)
        if options.json:
            for candidate in answer.candidates:
                running.print_json(asdict(candidate))
            for candidate in answer.targets:
                running.print_json({**asdict(candidate), "target": True})
            return
        for candidate in (*answer.candidates, *answer.targets):
            if candidate.rank == 1:
                print(f"mask {candidate.mask + 1}")
            bar = "█" * round(candidate.prob * 30)
            print(visible(f"{candidate.rank:>6}  {candidate.token:<16} {candidate.prob:>7.2%}  {bar}".rstrip()))
        print(visible(f"best: {answer.best}"))
        running.say(f"{answer.model}, {answer.method}")
        for word in answer.unknown_targets:
            running.say(f"note: {word!r} is no single entry of the vocabulary, so it has no probability here")

    return running.ask(question, target, take, as_json=options.json)
