"""The parsers of the command line: one line for an error, and a command's arguments only once it is named.

Imports nothing heavy, and no command.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NoReturn

from core.text.visible import visible

EXIT_USAGE = 2


@dataclass(frozen=True, slots=True)
class Command:
    """A row of a catalogue of commands."""

    name: str
    summary: str
    """One line in the list of commands."""
    module: str
    """Has `add_arguments(parser)` and `run(options)`, which returns the exit code."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Print the error and exit with 2."""
        advice = f"see {self.prog} --help"
        if message.endswith("expected one argument"):
            advice += "; a value that begins with - needs a =, as in --option=-value"
        elif message.startswith("unrecognized arguments: -"):
            advice += "; a text that begins with - comes after --"
        hint = "" if "hint: " in message else f". hint: {advice}"
        print(visible(f"error: {message}{hint}"), file=sys.stderr)
        sys.exit(EXIT_USAGE)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """Leave once what was printed has gone where it should."""
        sys.stdout.flush()
        super().exit(status, message)

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        """Take `--` for a value after an option's `=`; argparse would drop it and hand on an empty list."""
        if action.option_strings and action.nargs is None and arg_strings == ["--"]:
            value = self._get_value(action, "--")
            self._check_value(action, value)
            return value
        return super()._get_values(action, arg_strings)


class CommandParser(Parser):
    """The parser of one command, whose module is imported when there is something to parse: when it was named."""

    def __init__(self, *, command: Command, **settings: Any) -> None:
        super().__init__(description=command.summary.capitalize(), allow_abbrev=False, **settings)
        self._command = command
        self._is_complete = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parse as argparse does, with the arguments that the command takes."""
        if not self._is_complete:
            self._complete()
        return super().parse_known_args(args, namespace)

    def _complete(self) -> None:
        self._is_complete = True
        module = import_module(self._command.module)
        self.add_argument("--json", action="store_true", help="one JSON object a line")
        self.add_argument("--debug", action="store_true", help="show tracebacks")
        self.set_defaults(run=module.run, command=self._command.name)
        module.add_arguments(self)
