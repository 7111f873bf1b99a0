"""`masking`: the game BERT was trained with, on the command line."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from core.lab.masked_lm import MaskingGame, PlayMasking
from core.lab.records import Answer
from core.models.registry import DEFAULT_MASKED_LM
from core.text.visible import visible
from tui.commands import running
from tui.commands.options import add_model_options, add_text, count, read_text, share
from tui.commands.parser import Parser


def add_arguments(parser: Parser) -> None:
    """Add the text, how it is masked, and the model."""
    add_text(parser, "text")
    parser.add_argument("--rate", type=share, default=0.15, metavar="X", help="share of the tokens chosen (0.15)")
    parser.add_argument("--seed", type=count, default=0, metavar="N", help="another draw (0)")
    add_model_options(parser, DEFAULT_MASKED_LM)


def run(options: argparse.Namespace) -> int:
    """Print a row a token, then how well the model guessed."""
    target = running.target_of(options)
    question = PlayMasking(target.model, read_text(options, "text"), options.rate, options.seed)

    def take(answer: Answer) -> None:
        assert isinstance(answer, MaskingGame)
        if options.json:
            for token in answer.tokens:
                running.print_json(asdict(token))
            running.print_json({"chosen": answer.chosen, "right": answer.right, "loss": answer.loss})
            return
        for token in answer.tokens:
            guesses = "  ".join(f"{guess.token} {guess.prob:.1%}" for guess in token.guesses)
            told = f"{token.disguise.value:<7} {token.prob:>7.2%} rank {token.rank:<6} {guesses}" if token.rank else ""
            print(visible(f"{token.token:<16} {token.shown:<16} {told}".rstrip()))
        print(f"{answer.right} of {answer.chosen} guessed first, loss {answer.loss:.3f} nats")
        if answer.truncated:
            running.say("note: the text was cut to the model's positions")

    return running.ask(question, target, take, as_json=options.json)
