"""`fill` and `masking`: masked language models on the command line."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from core.models.registry import DEFAULT_MASKED_LM
from core.text.visible import visible
from tui.commands.options import Commands, add_command, add_model_options, add_text, count, read_text, share

if TYPE_CHECKING:
    from core.lab.catalogue import Answer


def add_commands(commands: Commands) -> None:
    """Add `fill` and `masking`."""
    fill = add_command(commands, "fill", "what stands behind each [MASK] of a text", _run_fill)
    add_text(fill, "text")
    fill.add_argument("--top", type=count, default=5, metavar="N", help="candidates a mask (5)")
    fill.add_argument("--target", action="append", default=[], metavar="WORD", help="compare this word; repeatable")
    fill.add_argument("--one-by-one", action="store_true", help="fill the surest mask first and read again")
    add_model_options(fill, DEFAULT_MASKED_LM)

    masking = add_command(commands, "masking", "hide tokens as in BERT's training and let it guess", _run_masking)
    add_text(masking, "text")
    masking.add_argument("--rate", type=share, default=0.15, metavar="X", help="share of the tokens chosen (0.15)")
    masking.add_argument("--seed", type=count, default=0, metavar="N", help="another draw (0)")
    add_model_options(masking, DEFAULT_MASKED_LM)


def _run_fill(options: argparse.Namespace) -> int:
    from core.lab.masked_lm import FilledMasks, FillMasks  # records that other commands do without
    from tui.commands import running  # asyncio and the engine client are not needed by --version and --help

    target = running.Target.of(options)
    text = read_text(options, "text")
    question = FillMasks(target.model, text, options.top, tuple(options.target), options.one_by_one)

    def take(answer: Answer) -> None:
        assert isinstance(answer, FilledMasks)
        if target.json:
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

    return running.ask(question, target, take)


def _run_masking(options: argparse.Namespace) -> int:
    from core.lab.masked_lm import MaskingGame, PlayMasking  # see _run_fill
    from tui.commands import running  # see _run_fill

    target = running.Target.of(options)
    question = PlayMasking(target.model, read_text(options, "text"), options.rate, options.seed)

    def take(answer: Answer) -> None:
        assert isinstance(answer, MaskingGame)
        if target.json:
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

    return running.ask(question, target, take)
