"""`softmax`: logits to probabilities, every step of it."""

from __future__ import annotations

import argparse
import math
import re
from dataclasses import asdict

from core.lab.softmax import parse_logits, softmax_steps
from tui.commands import running
from tui.commands.options import setting
from tui.commands.parser import Parser


def add_arguments(parser: Parser) -> None:
    """Add the logits, and what divides them."""
    parser.add_argument("logits", nargs="+", metavar="LOGIT", help="numbers; -inf is impossible")
    parser.add_argument(
        "--temperature",
        type=setting("temperature"),
        default=1.0,
        metavar="X",
        help="divides the logits; 0 is greedy (1)",
    )
    # argparse takes -1 for a number but -1e3 and -inf for options; this pattern decides.
    parser._negative_number_matcher = re.compile(r"-(\d|\.\d|inf)")


def run(options: argparse.Namespace) -> int:
    """Print a row a logit."""
    steps = softmax_steps(parse_logits(" ".join(options.logits)), options.temperature)
    if options.json:
        for step in steps:
            # JSON has no infinity and no NaN: they are null.
            running.print_json({k: v if math.isfinite(v) else None for k, v in asdict(step).items()})
        return 0
    print(f"{'logit':>10} {'÷ T':>10} {'− maximum':>10} {'exp':>10} {'prob':>8}")
    for step in steps:
        numbers = " ".join(f"{value:>10.4g}" for value in (step.logit, step.scaled, step.shifted, step.exp))
        print(f"{numbers} {step.prob:>8.2%}  {'█' * round(step.prob * 30)}".rstrip())
    print(f"{'sum':>32} {sum(step.exp for step in steps):>10.4g} {1:>8.2%}")
    if options.temperature == 0:
        running.say("temperature 0 is the limit: the largest logit gets everything (greedy), equal ones share it")
    elif any(math.isnan(step.naive_prob) for step in steps):
        running.say("without subtracting the maximum, float32 gives inf ÷ inf or 0 ÷ 0, which is no number")
    return 0
