"""`answer`: the piece of a text that answers a question, on the command line."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from core.lab.question_answering import AnsweredQuestion, AnswerQuestion, no_answerer
from core.lab.records import Answer
from core.text.visible import check_not_empty, visible
from tui.commands import running
from tui.commands.options import add_model_options, check_text, count, read_text
from tui.commands.parser import Parser


def add_arguments(parser: Parser) -> None:
    """Add the question, the text, and the model."""
    parser.add_argument("question", metavar="QUESTION", help="the question")
    parser.add_argument("--context", metavar="F", help="a UTF-8 file that holds the answer; - reads standard input")
    parser.add_argument("--text", metavar="T", help="the text that holds the answer, instead of --context")
    parser.add_argument("--top", type=count, default=3, metavar="N", help="how many spans (3)")
    add_model_options(parser, "")


def run(options: argparse.Namespace) -> int:
    """Print a row a span."""
    if not options.model:
        raise no_answerer()
    asked = check_text(options.question, "the question")
    context = read_text(_source(options), "context")
    target = running.target_of(options)

    def take(answer: Answer) -> None:
        assert isinstance(answer, AnsweredQuestion)
        for span in answer.spans:
            if options.json:
                running.print_json(asdict(span))
                continue
            edges = f"start {span.start_prob:>4.0%}, end {span.end_prob:>4.0%}, characters {span.start}-{span.end}"
            print(visible(f"{span.rank:>3} {span.score:>7.2%}  {span.text}  ({edges})"))
        if not options.json:
            windows = f"{answer.windows} windows" if answer.windows > 1 else "1 window"
            running.say(f"{answer.model}, {windows} of {answer.window_tokens} tokens at most")
            running.say(f"no answer here: {answer.no_answer:.2%}")

    return running.ask(AnswerQuestion(target.model, asked, context, options.top), target, take, as_json=options.json)


def _source(options: argparse.Namespace) -> argparse.Namespace:
    """Where the context comes from, as `read_text` wants it."""
    piped = options.context == "-"
    if options.text is not None:  # a lone - would mean standard input
        check_not_empty(options.text.strip("-"), "the context")
    return argparse.Namespace(text="-" if piped else options.text, file=None if piped else options.context)
