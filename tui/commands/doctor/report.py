"""`doctor`: what works on this machine, and why the rest does not. Opens no connection unless it is asked to.

Every check ends in a verdict in plain words; only a problem makes the exit code 1. Torch is imported by a process of
its own, which may crash without taking the report with it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict

from core.text.visible import visible
from tui.commands.doctor.checks import (
    Finding,
    Verdict,
    check_folders,
    check_memory,
    check_network,
    check_terminal,
    check_versions,
)
from tui.commands.doctor.devices import check_devices
from tui.commands.parser import Parser
from tui.commands.running import print_json, say

_MARKS = {Verdict.OK: "✓", Verdict.WARNING: "!", Verdict.PROBLEM: "✗", Verdict.UNKNOWN: "?"}


def add_arguments(parser: Parser) -> None:
    """Add the one check that opens a connection."""
    parser.add_argument("--network", action="store_true", help="try the hub or its mirror, too; opens a connection")


def run(options: argparse.Namespace) -> int:
    """Print a row a finding; 0 unless one is a problem."""
    counts = dict.fromkeys(Verdict, 0)
    area = ""
    for finding in _findings(options.network):
        counts[finding.verdict] += 1
        if options.json:
            print_json(asdict(finding))
            continue
        if finding.area != area:
            print(f"\n{finding.area}" if area else finding.area, flush=True)
            area = finding.area
        print(_row(finding), flush=True)
    if not options.json:
        say(_summary(counts, options.network))
    return 1 if counts[Verdict.PROBLEM] else 0


def _findings(network: bool) -> Iterator[Finding]:
    yield from check_versions()
    yield from check_terminal(os.environ)
    yield from check_folders()
    yield from check_memory()
    yield from check_devices()
    if network:
        yield from check_network(os.environ)


def _row(finding: Finding) -> str:
    mark = _MARKS[finding.verdict]
    try:
        mark.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        mark = " "  # the word beside it says the same
    row = f"  {mark} {finding.verdict.value:<8} {finding.name:<16} {finding.detail}"
    return visible(f"{row}\n{'':<30}{finding.hint}" if finding.hint else row, layout=True)


def _summary(counts: dict[Verdict, int], network: bool) -> str:
    problems, warnings = counts[Verdict.PROBLEM], counts[Verdict.WARNING]
    found = f"{problems} problem{'' if problems == 1 else 's'}, {warnings} warning{'' if warnings == 1 else 's'}"
    return f"{found}{'' if network else '; the network was not tried (--network)'}"
