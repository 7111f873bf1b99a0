"""What the commands that train share: a line of JSON a part, or talk on stderr with one line that moves."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from core.lab.records import Answer, Question
from tui.commands import running


def ask_training(
    question: Question, options: argparse.Namespace, types: Mapping[type[Any], str], say: Callable[[Answer], None]
) -> int:
    """Ask for a training, print it as it goes, and return the exit code.

    Args:
        question: starts it, or goes on with it.
        options: parsed; they name the model.
        types: what JSON calls the parts of the answer.
        say: tells a person one part.
    """

    def take(answer: Answer) -> None:
        if options.json:
            running.print_json({"type": types[type(answer)], **asdict(answer)})
            return
        show_step("\r\x1b[K")
        say(answer)

    return running.ask(question, running.target_of(options), take, as_json=options.json)


def show_step(line: str) -> None:
    """Write the line that moves, where stderr is a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(line)
        sys.stderr.flush()


def say_going_on(step: int) -> None:
    """Say after which step a run goes on, if it does."""
    if step:
        running.say(f"going on after step {step}")


def say_stopped(step: int, steps: int, *, is_kept: bool = True) -> None:
    """Say where a run was stopped, and how it goes on."""
    kept = "the same command with --resume goes on from there" if is_kept else "nothing was kept"
    running.say(f"stopped at step {step} of {steps}; {kept}")
