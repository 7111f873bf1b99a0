"""`families`: what is what among the models of the course."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from core.errors import InputError
from core.lab.families import FAMILIES, facts, parameters_text, span_text
from tui.commands import running
from tui.commands.parser import Parser


def add_arguments(parser: Parser) -> None:
    """Add the family."""
    parser.add_argument("name", nargs="?", default="", help="everything about this one, such as GPT-2")


def run(options: argparse.Namespace) -> int:
    """Print a table of the families, or everything about one."""
    wanted = options.name.casefold()
    families = [family for family in FAMILIES if wanted in ("", family.name.casefold())]
    if not families:
        raise InputError(f"no family {options.name!r}", f"there are {', '.join(one.name for one in FAMILIES)}")
    if options.json:
        for family in families:
            running.print_json(asdict(family))
        return 0
    if not wanted:
        print(f"{'model':<11} {'year':<5} {'attends':<12} {'layers':<7} {'parameters':<14} learned to")
    for family in families:
        if wanted:
            print(family.name, *facts(family), sep="\n")
        else:
            layers = span_text([str(size.layers) for size in family.sizes]) or "?"
            parameters = span_text([parameters_text(size.parameters) for size in family.sizes]) or "unpublished"
            row = f"{family.name:<11} {family.year:<5} {family.direction:<12} {layers:<7} {parameters:<14}"
            print(f"{row} {family.learns.split(';')[0]}")
    print("\nto try here:")
    for family in families:
        needs = f"   (once: {family.fetch})" if family.fetch else ""
        for index, line in enumerate(family.commands):
            print(f"{family.name:<11} {line}{needs if index == len(family.commands) - 1 else ''}")
        if not family.commands:
            print(f"{family.name:<11} cannot be tried here")
    return 0
