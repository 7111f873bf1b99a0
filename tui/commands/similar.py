"""`nlp-tui similar`: how similar two sentences are."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from core.messages.protocol import Compare, Compared
from core.messages.records import Similarity
from core.models.registry import DEFAULT_PARAPHRASER
from core.text.visible import visible
from tui.commands.options import add_model_options, check_text
from tui.commands.parser import Parser
from tui.commands.running import converse, cut_note, print_json, target_of


def add_arguments(parser: Parser) -> None:
    """Add the sentences, and what compares them."""
    parser.add_argument("first", metavar="A")
    parser.add_argument("second", metavar="B")
    add_model_options(parser, DEFAULT_PARAPHRASER)


def run(options: argparse.Namespace) -> int:
    """Print how similar they are."""
    first, second = check_text(options.first, "sentence A"), check_text(options.second, "sentence B")
    target = target_of(options)

    def take(event: object) -> None:
        if isinstance(event, Compared):
            answer = event.similarity
            unknown = dict.fromkeys(("similar", "not_similar", "a_to_b", "b_to_a")) if answer.by_cosine else {}
            print_json(asdict(answer) | unknown) if options.json else print(_text(answer))

    return converse(Compare(target, first, second), take)


def _text(similarity: Similarity) -> str:
    bar = "█" * round(max(0.0, similarity.similar) * 40)
    note = cut_note(similarity.truncated)
    if similarity.by_cosine:
        numbers = f"cosine  {similarity.cosine:>7.4f}  {bar}{note}"
        return visible(f"{numbers}\n{similarity.model}: {similarity.method}", layout=True)
    return visible(
        f"similar      {similarity.similar:>7.2%}  {bar}{note}\n"
        f"not similar  {similarity.not_similar:>7.2%}\n"
        f"A→B {similarity.a_to_b:.4f}   B→A {similarity.b_to_a:.4f}   cosine {similarity.cosine:.4f}\n"
        f"{similarity.model}: {similarity.method}",
        layout=True,
    )
