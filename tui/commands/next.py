"""`nlp-tui next`: the most likely next tokens of a prompt."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from core.messages.protocol import Candidates, Next
from core.messages.records import Candidate
from core.messages.sampling_params import SETTINGS
from core.text.visible import visible
from tui.commands.options import add_reader, add_sampling, add_text, chat_mode, count, read_text, sampling_params
from tui.commands.parser import Parser
from tui.commands.running import converse, print_json, target_of


def add_arguments(parser: Parser) -> None:
    """Add the prompt, how many, the settings that shape a distribution, and what reads it."""
    add_text(parser, "prompt")
    parser.add_argument("--top", type=count, default=10, metavar="N", help="how many; 0 is the whole vocabulary (10)")
    add_sampling(parser, tuple(name for name in SETTINGS if SETTINGS[name].label))
    add_reader(parser)


def run(options: argparse.Namespace) -> int:
    """Print a row a candidate."""
    prompt = read_text(options, "prompt")
    target = target_of(options)
    how = chat_mode(options)
    request = Next(target, prompt, sampling_params(options), options.top, truncate=options.truncate, chat=how)

    def take(event: object) -> None:
        if isinstance(event, Candidates):
            for candidate in event.candidates:
                print_json(asdict(candidate)) if options.json else print(_row(candidate))

    if not options.json:
        print(
            f"{'rank':>5} {'id':>6}  {'token':<18} {'logit':>8} {'model':>7} {'final':>7} {'cumul.':>7}  kept or cut by"
        )
    return converse(request, take)


def _row(candidate: Candidate) -> str:
    fate = "kept" if candidate.kept else f"cut by {candidate.cut_by}"
    bar = "█" * round(candidate.prob * 20)
    return visible(
        f"{candidate.rank:>5} {candidate.id:>6}  {candidate.text!r:<18} {candidate.logit:>8.3f} {candidate.prob:>7.2%} "
        f"{candidate.final_prob:>7.2%} {candidate.cumulative:>7.2%}  {fate:<22} {bar}".rstrip()
    )
