"""`score`: answers on offer, scored by a causal model after a zero- or few-shot prompt, on the command line."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from core.errors import InputError
from core.lab.few_shot import TEMPLATE, ScoreAnswers, ScoredAnswers, build_prompt, parse_example
from core.lab.records import Answer
from core.models.registry import DEFAULT_GENERATOR
from core.text.visible import check_encodable, visible
from tui.commands import running
from tui.commands.options import add_model_options
from tui.commands.parser import Parser


def add_arguments(parser: Parser) -> None:
    """Add the prompt in its parts, the answers, and the model."""
    parser.add_argument("--task", default="", metavar="T", help="a first line that says what to do")
    parser.add_argument("--example", action="append", default=[], metavar="E", help='"input => output"; repeatable')
    parser.add_argument("--query", required=True, metavar="Q", help="the case to be answered")
    parser.add_argument("--answer", action="append", default=[], metavar="A", help="an answer on offer; repeatable")
    parser.add_argument(
        "--template", metavar="T", help=r'how a case is written ("{input} => {output}"); \n is a line end'
    )
    add_model_options(parser, DEFAULT_GENERATOR)


def run(options: argparse.Namespace) -> int:
    """Print a row an answer."""
    if not options.answer:
        raise InputError("there is no answer to score", "give each one with --answer, two or more to compare them")
    template = TEMPLATE if options.template is None else options.template.replace("\\n", "\n")
    prompt = build_prompt(options.task, [parse_example(line) for line in options.example], options.query, template)
    check_encodable("".join((prompt, *options.answer)), "the prompt or an answer")
    target = running.target_of(options)

    def take(answer: Answer) -> None:
        assert isinstance(answer, ScoredAnswers)
        if options.json:
            for scored in answer.answers:
                running.print_json(asdict(scored))
            return
        running.say(f"{answer.model}, {answer.prompt_tokens} prompt tokens:")
        for line in answer.prompt.split("\n"):
            running.say(f"  {line}")
        _print_scores(answer)

    return running.ask(ScoreAnswers(target.model, prompt, tuple(options.answer)), target, take, as_json=options.json)


def _print_scores(scored: ScoredAnswers) -> None:
    """A row an answer, and who wins under each way to count."""
    print(f"{'sum':>9} {'share':>6} {'per token':>10} {'share':>6}  answer, with the logprob of each token")
    for answer in scored.answers:
        tokens = " ".join(f"{token.text}({token.logprob:.2f})" for token in answer.tokens)
        whole = f"{answer.sum:>8.2f}{'*' if answer.best else ' '} {answer.prob:>6.1%}"
        per_token = f"{answer.mean:>9.2f}{'*' if answer.best_per_token else ' '} {answer.prob_per_token:>6.1%}"
        print(visible(f"{whole} {per_token}  {answer.answer}:{tokens}"))
    print(visible(winners(scored)))


def winners(scored: ScoredAnswers) -> str:
    """Which answer has the highest sum, and which the highest mean."""
    whole = next(answer.answer for answer in scored.answers if answer.best)
    per_token = next(answer.answer for answer in scored.answers if answer.best_per_token)
    if whole == per_token:
        return f"best (*): {whole}, as a whole and per token"
    return f"best (*): {whole} as a whole (sum), {per_token} per token (mean)"
