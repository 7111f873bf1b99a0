"""`doctor` and `locate` on the command line."""

from __future__ import annotations

import argparse

from tui.commands.options import Commands, add_command


def add_commands(commands: Commands) -> None:
    """Add `doctor` and `locate`."""
    doctor = add_command(commands, "doctor", "what works on this machine, and why the rest does not", _run_doctor)
    doctor.add_argument("--network", action="store_true", help="try the hub or its mirror, too; opens a connection")
    add_command(commands, "locate", "every path that is used", _run_locate)


def _run_doctor(options: argparse.Namespace) -> int:
    from tui.commands.doctor.report import doctor  # only this command needs it

    return doctor(options.network, options.json)


def _run_locate(options: argparse.Namespace) -> int:
    from tui.commands.locate import locate  # only this command needs it

    return locate(options.json)
