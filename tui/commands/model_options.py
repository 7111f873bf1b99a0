"""What `nlp-tui models` takes: its actions, each with its own options. Imports nothing heavy, and does nothing."""

from __future__ import annotations

import argparse

from tui.commands.options import Parser

NEED_NAME = ("path", "pull", "rm", "verify")
"""The actions that are about one model."""

_ACTIONS = {
    "list": "what is bundled and what is in the Hugging Face cache",
    "path": "print the folder of a model",
    "pull": "download a model; asks first, with the size",
    "rm": "remove a model of the cache, so that it can be brought back",
    "verify": "compare the files of a model with their hashes",
}


def add_model_actions(command: Parser) -> None:
    """Give the command its actions."""
    actions = command.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=Parser)
    parsers = {name: _action(actions, name, summary) for name, summary in _ACTIONS.items()}
    pull, remove = parsers["pull"], parsers["rm"]
    pull.add_argument("--revision", default="", metavar="R", help="a branch, a tag or a commit (main)")
    pull.add_argument("--yes", action="store_true", help="do not ask")
    remove.add_argument("--undo", action="store_true", help="bring a removed model back")
    remove.add_argument("--empty", action="store_true", help="delete for good what was removed")
    remove.add_argument("--yes", action="store_true", help="with --empty: do not ask")


def _action(actions: argparse._SubParsersAction[Parser], name: str, summary: str) -> Parser:
    parser: Parser = actions.add_parser(name, help=summary, description=summary.capitalize(), allow_abbrev=False)
    parser.add_argument("name", nargs="?", default="", metavar="NAME", help="a model" if name in NEED_NAME else "none")
    # What was said before the action must not be forgotten here.
    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="one JSON object a line")
    parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show tracebacks")
    parser.add_argument("--offline", action="store_true", help="open no connection; only pull ever does")
    return parser
