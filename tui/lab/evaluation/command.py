"""`eval`: how good a model is on a file."""

from __future__ import annotations

import argparse
import os
from dataclasses import asdict, replace
from typing import Any, TypeAlias

from core.errors import InputError
from core.lab.evaluation import (
    DEFAULT_MODELS,
    CausalEvaluation,
    ClassifierEvaluation,
    Evaluate,
    EvaluationProgress,
    EvaluationTask,
    FillEvaluation,
    RowsSkipped,
)
from core.lab.records import Answer
from core.messages.records import Target
from core.models.registry import resolve, weight_files
from core.tables.rows import BrokenRow
from core.text.visible import visible
from tui.commands import running
from tui.commands.options import add_model_options, count
from tui.commands.parser import Parser
from tui.lab.evaluation import tables

_Conclusion: TypeAlias = ClassifierEvaluation | FillEvaluation | CausalEvaluation

_NAMES = {"accuracy": "accuracy", "seconds": "seconds", "disk_bytes": "on disk"}

_SAID_ROWS = 20
"""How many of the rows that cannot be used are named on stderr."""


def add_arguments(parser: Parser) -> None:
    """Add the task, the file and how it is read, and the models."""
    tasks = [task.value for task in EvaluationTask]
    parser.add_argument("task", choices=tasks, help="what the model is asked about each row")
    parser.add_argument("file", metavar="FILE", help="TSV as GLUE has it, CSV, JSON Lines or plain text")
    parser.add_argument("--text", default="", metavar="COL", help="column of the text: a name, or a number from 1")
    parser.add_argument("--text-b", default="", metavar="COL", help="column of the second text of a pair")
    parser.add_argument("--label", default="", metavar="COL", help="column of the label; fill: of the masked words")
    parser.add_argument("--limit", type=count, default=0, metavar="N", help="read so many rows; 0 is all (0)")
    parser.add_argument("--batch-size", type=count, default=32, metavar="N", help="rows at once, at most (32)")
    parser.add_argument("--mistakes", type=count, default=5, metavar="N", help="show so many of the worst rows (5)")
    parser.add_argument("--against", default="", metavar="MODEL", help="judge this one too, and compare both")
    parser.add_argument("--csv", default="", metavar="OUT", help="write every prediction of --model to a file")
    parser.add_argument("--fresh", action="store_true", help="start over instead of going on after a kill")
    parser.add_argument("--seed", type=count, default=0, metavar="N", help="fill: draws the tokens to mask (0)")
    parser.add_argument("--window", type=count, default=0, metavar="N", help="lm: tokens seen at once; 0 is all (0)")
    parser.add_argument("--stride", type=count, default=0, metavar="N", help="lm: 0 is half the window (0)")
    add_model_options(parser, "the task's starter")
    parser.set_defaults(model="")


def run(options: argparse.Namespace) -> int:
    """Print how good the model is, and another one beside it."""
    task = EvaluationTask(options.task)
    options.starter = DEFAULT_MODELS[task]
    options.model = options.model or options.starter
    if "-" in (options.file, options.csv):
        raise InputError("eval reads and writes files, not standard input and output", "give the path of a file")
    target = running.target_of(options)
    if options.against:
        running.target_of(argparse.Namespace(**{**vars(options), "model": options.against}))
    question = Evaluate(
        task=task,
        model=target.model,
        path=_absolute(options.file),
        text=options.text,
        text_b=options.text_b,
        label=options.label,
        limit=options.limit,
        batch_size=options.batch_size,
        mistakes=options.mistakes,
        seed=options.seed,
        window=options.window,
        stride=options.stride,
        csv=_absolute(options.csv) if options.csv else "",
        fresh=options.fresh,
    )
    status, first = _judge(question, target, options.json)
    if not options.against or first is None:
        return status
    status, second = _judge(replace(question, model=options.against, csv=""), target, options.json)
    if second is not None:
        _compare(first, second, as_json=options.json)
    return status


def _judge(question: Evaluate, target: Target, as_json: bool) -> tuple[int, _Conclusion | None]:
    """Evaluate one model and print the result: the exit code, and the result unless it was stopped."""
    printer = _Printer(as_json)
    status = running.ask(question, target, printer.take, as_json=as_json)
    if printer.result is None:
        running.say(f"stopped after {printer.done:,} of {printer.total:,} rows; the same command goes on from there")
    return status, printer.result


def _compare(first: _Conclusion, second: _Conclusion, *, as_json: bool) -> None:
    """Print two models side by side, and the first one's figures over the second one's."""
    sizes = [sum(file.stat().st_size for file in weight_files(resolve(one.run.model))) for one in (first, second)]
    figures = {
        "accuracy": (first.accuracy, second.accuracy),
        "seconds": (first.run.seconds, second.run.seconds),
        "disk_bytes": (sizes[0], sizes[1]),
    }
    ratios = {name: one / other if other else None for name, (one, other) in figures.items()}
    if as_json:
        running.print_json({"model": first.run.model, "against": second.run.model, "ratios": ratios, **figures})
        return
    print(f"\n{visible(f'{first.run.model} against {second.run.model}')}")
    for name, (one, other) in figures.items():
        shown = [f"{value / 1e6:.1f} MB" if name == "disk_bytes" else f"{value:.4g}" for value in (one, other)]
        ratio = ratios[name]
        print(f"{_NAMES[name]:<9} {shown[0]:>10} {shown[1]:>10} {'–' if ratio is None else f'{ratio:.3f}×':>8}")
    if first.run.resumed or second.run.resumed:
        running.say("note: a part of the answers was in the journal, so the seconds do not compare; --fresh does")


def _absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))


class _Printer:
    """Prints what cannot be used as it is found, and the result."""

    def __init__(self, as_json: bool) -> None:
        self._json = as_json
        self._broken: list[BrokenRow] = []
        self.done = self.total = 0
        self.result: _Conclusion | None = None

    def take(self, answer: Answer) -> None:
        """Print an answer, or a part of it."""
        match answer:
            case RowsSkipped():
                self._name(answer.rows)
            case EvaluationProgress():
                self.done, self.total = answer.done, answer.total
            case ClassifierEvaluation() | FillEvaluation() | CausalEvaluation():
                self.result = answer
                self._conclude(answer)

    def _name(self, rows: tuple[BrokenRow, ...]) -> None:
        for row in rows[: max(0, _SAID_ROWS - len(self._broken))]:
            running.say(f"line {row.line}: {row.reason}; skipped")
        self._broken += rows

    def _conclude(self, answer: _Conclusion) -> None:
        if self._json:
            running.print_json(_json(answer, self._broken))
            return
        print("\n".join(_table(answer)))
        if len(self._broken) > _SAID_ROWS:
            running.say(f"note: the lines of {len(self._broken) - _SAID_ROWS:,} more are in the result of --json")
        for remark in tables.remarks(answer.run):
            running.say(f"note: {remark}")


def _json(answer: _Conclusion, broken: list[BrokenRow]) -> dict[str, Any]:
    """The result in one object; F1 is null where there are no labels."""
    scores = asdict(answer)
    run = scores.pop("run")
    first = {
        "task": run["task"],
        "n": run["n"],
        "accuracy": scores["accuracy"],
        "f1": scores.get("f1"),
        "seconds": run["seconds"],
    }
    rest = {"skipped_rows": [asdict(row) for row in broken]}
    return {**first, **{name: value for name, value in (run | scores).items() if name not in first}, **rest}


def _table(answer: _Conclusion) -> list[str]:
    """The result for people."""
    lines = [tables.headline(answer.run), ""]
    lines += [f"{tables.cell(name, 20)} {value}" for name, value in tables.score_rows(answer)]
    if isinstance(answer, ClassifierEvaluation):
        lines += ["", *tables.class_rows(answer)]
        lines += ["", *tables.confusion_rows(answer)]
        lines += ["", *tables.bin_rows(answer)]
    elif isinstance(answer, CausalEvaluation):
        lines += [f"{'':<20} {visible(answer.method)}"]
    rows = tables.worst(answer)
    if rows:
        lines += ["", "the hardest texts" if isinstance(answer, CausalEvaluation) else "the surest mistakes"]
    for head, texts in rows:
        lines += [head, *(f"    {text}" for text in texts)]
    return [line.rstrip() for line in lines]
