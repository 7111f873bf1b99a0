"""`finetune`: an encoder learns one's own labels on the command line."""

from __future__ import annotations

import argparse

from core.lab.finetuning import (
    Finetune,
    Finetuned,
    FinetuneMeasured,
    FinetunePaused,
    FinetuneStarted,
    FinetuneStep,
    FinetuneTask,
)
from core.lab.records import Answer
from core.models.registry import DEFAULT_MASKED_LM
from core.text.visible import visible
from tui.commands import running
from tui.commands.options import add_model_options, count, share
from tui.commands.parser import Parser
from tui.lab import training_command
from tui.lab.training_text import duration

SKIPPED_SAID = 5
"""How many rows that cannot be used are named."""

_TYPES = {
    FinetuneStarted: "started",
    FinetuneStep: "step",
    FinetuneMeasured: "measured",
    FinetunePaused: "paused",
    Finetuned: "done",
}


def add_arguments(parser: Parser) -> None:
    """Add the rows and how they are read, the settings of the training, and the model."""
    parser.add_argument("file", metavar="FILE", help="rows of text and label: TSV, CSV or JSON Lines")
    parser.add_argument("--task", required=True, choices=("sentiment", "similar"), help="one text a row, or a pair")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="where the model goes")
    parser.add_argument("--text", default="", metavar="COLUMN", help="the text's column (found by itself)")
    parser.add_argument("--text-b", default="", metavar="COLUMN", help="the second text's, of a pair")
    parser.add_argument("--label", default="", metavar="COLUMN", help="the label's column")
    parser.add_argument("--epochs", type=count, default=3, metavar="N", help="how often each row is seen (3)")
    parser.add_argument("--learning-rate", type=share, default=1e-4, metavar="X", help="of the encoder (1e-4)")
    parser.add_argument("--batch-size", type=count, default=32, metavar="N", help="rows a step (32)")
    parser.add_argument("--held-out", type=share, default=0.1, metavar="X", help="share to measure on (0.1)")
    parser.add_argument(
        "--patience", type=count, default=4, metavar="N", help="end after so many measurements without a better one (4)"
    )
    parser.add_argument("--seed", type=count, default=0, metavar="N", help="another draw (0)")
    parser.add_argument("--limit", type=count, default=0, metavar="N", help="use N rows, drawn at random (all)")
    parser.add_argument("--resume", action="store_true", help="go on with the run that was stopped in FOLDER")
    parser.add_argument("--overwrite", action="store_true", help="replace what is in FOLDER")
    add_model_options(parser, DEFAULT_MASKED_LM)


def run(options: argparse.Namespace) -> int:
    """Print the training as it goes."""
    question = Finetune(
        model=options.model,
        path=options.file,
        task=FinetuneTask(options.task),
        out=options.out,
        text=options.text,
        text_b=options.text_b,
        label=options.label,
        epochs=options.epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        held_out=options.held_out,
        patience=options.patience,
        seed=options.seed,
        limit=options.limit,
        resume=options.resume,
        overwrite=options.overwrite,
    )
    return training_command.ask_training(question, options, _TYPES, _say)


def _say(answer: Answer) -> None:
    match answer:
        case FinetuneStarted():
            _say_start(answer)
        case FinetuneStep():
            left = duration(answer.seconds_left)
            training_command.show_step(
                f"step {answer.step}/{answer.steps}, epoch {answer.epoch}, loss {answer.loss:.3f}, {left} left"
            )
        case FinetuneMeasured():
            kept = ", the best so far" if answer.best else ", before training" if answer.step == 0 else ""
            running.say(
                f"step {answer.step}: held-out loss {answer.loss:.3f}, accuracy {answer.accuracy:.3f}, "
                f"F1 {answer.f1:.3f}{kept}"
            )
        case FinetunePaused():
            training_command.say_stopped(answer.step, answer.steps)
        case Finetuned():
            _print_end(answer)


def _say_start(started: FinetuneStarted) -> None:
    columns = " + ".join(started.columns[:-1])
    labels = ", ".join(f"{label.label} {label.rows:,}" for label in started.labels)
    running.say(f"{started.model} on {started.device}, {started.precision}: {columns} → {started.columns[-1]}")
    running.say(f"{started.rows:,} rows ({labels}), {started.held_out:,} held out; {started.steps:,} steps")
    for row in started.skipped[:SKIPPED_SAID]:
        running.say(f"note: line {row.line} is passed over: {row.reason}")
    if started.skipped_rows > SKIPPED_SAID:
        running.say(f"note: {started.skipped_rows - SKIPPED_SAID:,} more rows are passed over")
    if started.truncated:
        running.say(f"note: {started.truncated:,} rows are cut to their first tokens")
    training_command.say_going_on(started.step)


def _print_end(done: Finetuned) -> None:
    early = ", ended early" if done.stopped_early else ""
    for name, value in (
        ("model", done.folder),
        ("labels", ", ".join(done.labels)),
        ("rows", f"{done.rows:,}, {done.held_out:,} of them held out"),
        ("steps", f"{done.steps:,}{early}; the best after {done.best_step:,} is kept"),
        (
            "accuracy",
            f"{done.held_out_accuracy:.4f} held out (always the commonest label: {done.majority_accuracy:.4f})",
        ),
        ("F1", f"{done.held_out_f1:.4f}"),
        ("loss", f"{done.held_out_loss:.4f}"),
        ("time", f"{duration(done.seconds)}, {done.rows_per_s:.0f} rows/s"),
        ("use", f"nlp-tui {done.task.value} … --model FOLDER; nlp-tui eval {done.task.value} FILE --model FOLDER"),
    ):
        print(visible(f"{name:<9} {value}"))
