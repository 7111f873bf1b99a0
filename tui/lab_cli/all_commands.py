"""Every command of the lab."""

from __future__ import annotations

from tui.lab_cli import masked_lm
from tui.options import Commands

_TOPICS = (masked_lm,)


def add_commands(commands: Commands) -> None:
    """Add the lab's commands to the command line."""
    for topic in _TOPICS:
        topic.add_commands(commands)
