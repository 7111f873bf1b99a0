"""Every command of the lab."""

from __future__ import annotations

from tui.lab_cli import (
    attention,
    evaluation,
    families,
    few_shot,
    finetuning,
    masked_lm,
    question_answering,
    sentence_pairs,
    sentiment,
    softmax,
    students,
    wordpiece,
)
from tui.options import Commands

_TOPICS = (
    masked_lm,
    wordpiece,
    softmax,
    families,
    sentence_pairs,
    sentiment,
    attention,
    question_answering,
    few_shot,
    students,
    finetuning,
    evaluation,
)


def add_commands(commands: Commands) -> None:
    """Add the lab's commands to the command line."""
    for topic in _TOPICS:
        topic.add_commands(commands)
