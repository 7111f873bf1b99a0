"""`pairs`: all sentences against all, on the command line."""

from __future__ import annotations

import argparse

from core.lab.records import Answer
from core.lab.sentence_pairs import CompareAll, SimilarityMatrix
from core.models.registry import DEFAULT_PARAPHRASER
from core.text.visible import visible
from tui.commands import running
from tui.commands.lines import read_text_lines
from tui.commands.options import add_model_options
from tui.commands.parser import Parser


def add_arguments(parser: Parser) -> None:
    """Add the sentences, and the model."""
    parser.add_argument("--file", required=True, metavar="F", help="one sentence a line, UTF-8; - reads standard input")
    add_model_options(parser, DEFAULT_PARAPHRASER)


def run(options: argparse.Namespace) -> int:
    """Print a matrix."""
    sentences = read_text_lines(options.file, "the list of sentences")
    target = running.target_of(options)

    def take(answer: Answer) -> None:
        assert isinstance(answer, SimilarityMatrix)
        if options.json:
            for pair in _each_pair(answer):
                running.print_json(pair)
            return
        if not answer.by_cosine:
            _print_matrix("P(similar) in per cent, the row's sentence first", answer.similar)
        _print_matrix("cosine in hundredths", answer.cosine)
        for number, sentence in enumerate(answer.sentences, start=1):
            print(visible(f"{number:>4}  {sentence}"))
        cut = f", {answer.truncated} pairs cut to the model's positions" if answer.truncated else ""
        running.say(f"{answer.model}: {answer.method}{cut}")

    return running.ask(CompareAll(target.model, sentences), target, take, as_json=options.json)


def _print_matrix(heading: str, matrix: tuple[tuple[float, ...], ...]) -> None:
    print(heading)
    print("     " + "".join(f"{number:>5}" for number in range(1, len(matrix) + 1)))
    for number, row in enumerate(matrix, start=1):
        print(f"{number:>4} " + "".join(f"{round(100 * value):>5}" for value in row))


def _each_pair(answer: SimilarityMatrix) -> list[dict[str, object]]:
    """Each two sentences once, the earlier one first."""
    count = len(answer.sentences)
    return [
        {
            "first": answer.sentences[row],
            "second": answer.sentences[column],
            "a_to_b": None if answer.by_cosine else answer.similar[row][column],
            "b_to_a": None if answer.by_cosine else answer.similar[column][row],
            "cosine": answer.cosine[row][column],
        }
        for row in range(count)
        for column in range(row + 1, count)
    ]
