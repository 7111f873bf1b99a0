"""`attention`: what each token looks at, on the command line."""

from __future__ import annotations

import argparse

from core.lab.attention import Attend, Attention
from core.lab.records import Answer
from core.models.registry import DEFAULT_MASKED_LM
from tui.commands import running
from tui.commands.options import add_model_options, add_text, count, read_text
from tui.commands.parser import Parser
from tui.widgets.pictures import shading


def add_arguments(parser: Parser) -> None:
    """Add the text, and which attention of which model is shown."""
    add_text(parser, "text")
    parser.add_argument("--layer", type=count, default=1, metavar="N", help="from 1 (1)")
    parser.add_argument("--head", type=count, default=0, metavar="N", help="from 1; 0 is the mean of the heads (0)")
    parser.add_argument("--max-tokens", type=count, default=48, metavar="N", help="cut a longer text (48)")
    add_model_options(parser, DEFAULT_MASKED_LM)


def run(options: argparse.Namespace) -> int:
    """Print a row a token."""
    target = running.target_of(options)
    question = Attend(target.model, read_text(options, "text"), options.layer, options.head, options.max_tokens)

    def take(answer: Answer) -> None:
        assert isinstance(answer, Attention)
        if options.json:
            for index, (token, weights) in enumerate(zip(answer.tokens, answer.weights, strict=True)):
                running.print_json({"index": index, "token": token.token, "text": token.text, "weights": weights})
        else:
            shown = shading.names(answer)
            cells = shading.label_cells(shown)
            print(f"{'':{cells + 5}}{shading.ruler(answer, 2)}")
            for index, name in enumerate(shown):
                (column, weight), *_ = shading.strongest(answer, index, 1)
                grid = shading.row(answer, index, 2)
                print(f"{index + 1:>3} {shading.fitted(name, cells)} {grid}  {weight:>4.0%} {shown[column]}")
            running.say(f"{shading.title(answer)}, {shading.place(answer)}; {shading.LEGEND}")
        if note := shading.attention_cut_note(answer):
            running.say(f"note: {note}")

    return running.ask(question, target, take, as_json=options.json)
