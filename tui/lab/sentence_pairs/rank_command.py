"""`rank`: one sentence against many, on the command line."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from core.lab.records import Answer
from core.lab.sentence_pairs import RankedSentences, RankSentences
from core.models.registry import DEFAULT_PARAPHRASER
from core.text.visible import visible
from tui.commands import running
from tui.commands.lines import read_text_lines
from tui.commands.options import add_model_options, check_text
from tui.commands.parser import Parser


def add_arguments(parser: Parser) -> None:
    """Add the sentence, the others, and the model."""
    parser.add_argument("sentence", metavar="SENTENCE")
    parser.add_argument("--file", required=True, metavar="F", help="one sentence a line, UTF-8; - reads standard input")
    add_model_options(parser, DEFAULT_PARAPHRASER)


def run(options: argparse.Namespace) -> int:
    """Print the others, the most similar one first."""
    sentence = check_text(options.sentence, "the sentence")
    others = read_text_lines(options.file, "the list of sentences")
    target = running.target_of(options)

    def take(answer: Answer) -> None:
        assert isinstance(answer, RankedSentences)
        if options.json:
            for ranked in answer.ranked:
                unknown = dict.fromkeys(("mean", "a_to_b", "b_to_a", "spread")) if answer.by_cosine else {}
                running.print_json(asdict(ranked) | unknown)
            return
        _print_ranking(answer)
        swapped = "" if answer.by_cosine else "mean of both orders of "
        running.say(f"{answer.model}: {swapped}{answer.method}")

    return running.ask(RankSentences(target.model, sentence, others), target, take, as_json=options.json)


def _print_ranking(answer: RankedSentences) -> None:
    names = () if answer.by_cosine else ("mean", "A→B", "B→A", "spread")
    print(" ".join([f"{'rank':>4}", *(f"{name:>7}" for name in (*names, "cosine"))]))
    for one in answer.ranked:
        values = (one.mean, one.a_to_b, one.b_to_a, one.spread)[: len(names)]
        shares = "".join(f"{share:>7.2%} " for share in values)
        print(visible(f"{one.rank:>4} {shares}{one.cosine:>7.3f}  {one.text}{running.cut_note(one.truncated)}"))
