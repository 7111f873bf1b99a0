"""`sentiment`: a classifier's labels for texts, on the command line."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from core.errors import InputError
from core.lab.records import Answer
from core.lab.sentiment import ReadSentiment, Sentiment
from core.models.registry import DEFAULT_SENTIMENT
from core.text.visible import visible
from tui.commands import running
from tui.commands.lines import read_text_lines
from tui.commands.options import add_model_options, check_text
from tui.commands.parser import Parser


def add_arguments(parser: Parser) -> None:
    """Add the texts, and what reads them."""
    parser.add_argument("texts", nargs="*", metavar="TEXT", help="the texts; a single - reads standard input")
    parser.add_argument("--file", metavar="F", help="one text a line, UTF-8; - reads standard input")
    parser.add_argument("--words", action="store_true", help="leave out each word in turn and read again")
    add_model_options(parser, DEFAULT_SENTIMENT)


def run(options: argparse.Namespace) -> int:
    """Print each text's label as it comes."""
    texts = _texts(options)
    target = running.target_of(options)

    def take(answer: Answer) -> None:
        assert isinstance(answer, Sentiment)
        if options.json:
            running.print_json(_as_json(answer, options.words))
            return
        _print_sentiment(answer)
        if answer.pair_note and answer.index == 0:
            running.say(f"note: {answer.pair_note}")

    return running.ask(ReadSentiment(target.model, texts, options.words), target, take, as_json=options.json)


def _texts(options: argparse.Namespace) -> tuple[str, ...]:
    """The texts of the command line, a file or a pipe.

    Raises:
        InputError: none, several sources, a blank one, or not UTF-8.
        EngineError: the file cannot be read.
    """
    if bool(options.texts) == (options.file is not None):
        raise InputError("the texts are given twice" if options.texts else "the text is missing", "give it once")
    if options.file is not None or options.texts == ["-"]:
        return read_text_lines("-" if options.file is None else options.file, "the list of texts")
    return tuple(check_text(text, f"text {number}") for number, text in enumerate(options.texts, start=1))


def _as_json(answer: Sentiment, with_words: bool) -> dict[str, object]:
    row: dict[str, object] = {
        "text": answer.text,
        "label": answer.label,
        "scores": {score.label: score.prob for score in answer.scores},
        "model": answer.model,
        "truncated": answer.truncated,
    }
    if with_words:
        row["words"] = [asdict(word) for word in answer.words]
    if answer.pair_note:
        row["note"] = answer.pair_note
    return row


def _print_sentiment(answer: Sentiment) -> None:
    best = max(score.prob for score in answer.scores)
    others = "  ".join(f"{score.label} {score.prob:.2%}" for score in answer.scores if score.label != answer.label)
    cut = running.cut_note(answer.truncated)
    print(visible(f"{answer.label:<10} {best:>7.2%}  {'█' * round(best * 20):<20}  {answer.text}{cut}"))
    if len(answer.scores) > 1:
        print(visible(f"{'':<10} {others}"))
    for word in answer.words:
        sign = "for" if word.contribution > 0 else "against" if word.contribution < 0 else ""
        print(visible(f"{'':<10} {word.contribution:>+8.4f}  {sign:<7}  {word.word}"))
