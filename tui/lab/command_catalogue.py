"""Every command of the lab."""

from __future__ import annotations

from tui.commands.options import Commands
from tui.lab.attention import command as attention
from tui.lab.evaluation import command as evaluation
from tui.lab.families import command as families
from tui.lab.few_shot import command as few_shot
from tui.lab.finetuning import command as finetuning
from tui.lab.masked_lm import command as masked_lm
from tui.lab.question_answering import command as question_answering
from tui.lab.sentence_pairs import command as sentence_pairs
from tui.lab.sentiment import command as sentiment
from tui.lab.softmax import command as softmax
from tui.lab.students import command as students
from tui.lab.wordpiece import command as wordpiece

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
