"""The command: would be `tui/lab/reversal/command.py`."""

from __future__ import annotations

import argparse

from core.lab.records import Answer
from core.messages.records import Target
from core.text.visible import visible
from tests.toy.topic.reversal import Reverse, Reversed
from tui.commands import running
from tui.commands.options import add_text, read_text
from tui.commands.parser import Parser


def add_arguments(parser: Parser) -> None:
    """Add the text."""
    add_text(parser, "text")


def run(options: argparse.Namespace) -> int:
    """Print the text backwards."""

    def take(answer: Answer) -> None:
        assert isinstance(answer, Reversed)
        print(visible(answer.text))

    return running.ask(Reverse(read_text(options, "text")), Target(), take, as_json=options.json)
