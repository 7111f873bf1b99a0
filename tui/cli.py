"""The command line: the app or a command, and the exit codes (0 ok, 1 failed, 2 wrong use, 130 interrupted).

Every error is one line, `error: what. hint: what to do`; `--debug` adds the traceback. Imports nothing heavy: the app
and the commands are imported when they are called for.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import traceback
from collections.abc import Sequence

from core.errors import EngineError, InputError, SettingError
from core.models.registry import DEFAULT_GENERATOR
from core.text.visible import check_encodable, visible
from tui.commands.catalogue import COMMANDS
from tui.commands.options import add_model_options
from tui.commands.parser import EXIT_USAGE, CommandParser, Parser
from tui.lab.command_catalogue import COMMANDS as LAB_COMMANDS

EXIT_FAILED, _EXIT_INTERRUPTED, EXIT_PIPE_CLOSED = 1, 130, 141


class _Version(argparse.Action):
    """Prints the version; looks it up only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version  # costs more than all the rest of the parser

        print(f"nlp-tui {version('nlp-tui')}")
        parser.exit()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, or the app when none is named; returns the exit code."""
    is_heard = _open_streams()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    options = argparse.Namespace(command="nlp-tui", debug=False)
    try:
        options = build_parser().parse_args(arguments)
        if not is_heard:
            raise EngineError("standard output is closed", "let it go somewhere, for example > FILE")
        status: int = options.run(options)
        sys.stdout.flush()
        return status
    except EngineError as error:
        if options.debug:
            traceback.print_exc()
        print(visible(f"error: {error}"), file=sys.stderr)
        return EXIT_USAGE if isinstance(error, SettingError | InputError) else EXIT_FAILED
    except KeyboardInterrupt:
        return _EXIT_INTERRUPTED
    except BrokenPipeError:
        _drop_output()
        return EXIT_PIPE_CLOSED
    except Exception as error:  # the error boundary: a full disk, or a fault of ours, is one line too
        if options.debug:
            traceback.print_exc()
        what = error.strerror if isinstance(error, OSError) and error.strerror else repr(error)
        print(visible(f"error: {options.command} failed: {what}. hint: --debug shows where"), file=sys.stderr)
        _drop_output()
        return EXIT_FAILED


def _open_streams() -> bool:
    """Put nothing in the place of standard streams that are closed, lest a pipe to the engine takes their numbers.

    Returns:
        Whether standard output was open.
    """
    is_heard = sys.stdout is not None
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115  for as long as the process
    return is_heard


def _drop_output() -> None:
    """Let go of what stdout still holds: nobody can take it, and the flush at exit must not fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def build_parser() -> Parser:
    """The parser of the whole command line."""
    parser = Parser(prog="nlp-tui", description="See transformer language models work.", allow_abbrev=False)
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    parser.add_argument("-p", "--prompt", default="", help="open the app with this prompt, in a new conversation")
    parser.add_argument("--new", action="store_true", help="open the app with a new conversation, not with the last")
    add_model_options(parser, DEFAULT_GENERATOR)
    parser.set_defaults(run=_run_app, command="nlp-tui")
    commands = parser.add_subparsers(metavar="COMMAND", parser_class=CommandParser)
    for command in (*COMMANDS, *LAB_COMMANDS):
        commands.add_parser(command.name, help=command.summary, command=command)
    return parser


def _run_app(options: argparse.Namespace) -> int:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InputError("the app needs a terminal", "in a pipe use a command: nlp-tui generate, next, tokens, similar")
    check_encodable(options.prompt, "the prompt")
    gc.disable()  # until the first frame: everything made so far lives as long as the app
    from tui.app import NlpTui  # Textual, which the commands do without

    app = NlpTui(
        prompt=options.prompt,
        model=options.model,
        device=options.device,
        dtype=options.dtype,
        restore=not options.new,
        offline=options.offline,
    )
    app.run()
    return app.return_code or 0


if __name__ == "__main__":
    sys.exit(main())
