"""What the commands' options have in common: models, sampling, texts from arguments, files and pipes.

Imports nothing heavy, and knows no command.
"""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from core.errors import EngineError, InputError, SettingError
from core.messages.records import ChatMode
from core.messages.sampling_params import SETTINGS, SamplingParams, check_setting
from core.models.registry import DEFAULT_GENERATOR
from core.precision import Precision
from core.text.visible import check_encodable, check_not_empty
from tui.commands.parser import Parser


def add_text(command: Parser, what: str) -> None:
    """Let a command take a text as an argument, from a file, or from standard input."""
    command.add_argument("text", nargs="?", metavar=what.upper(), help=f"the {what}; - reads standard input")
    command.add_argument("--file", metavar="F", help=f"read the {what} from a UTF-8 file")


def add_model_options(parser: Parser, default: str) -> None:
    """Let a command name its model, device and precision; an empty default is for tasks that no starter does."""
    shown = f" ({default})" if default else ""
    parser.add_argument(
        "--model", default=default, metavar="NAME", help=f"starter, folder, gguf file or hub name{shown}"
    )
    parser.add_argument("--device", default="auto", help="auto, cuda, mps, xpu or cpu")
    parser.add_argument("--dtype", default="auto", choices=("auto", *map(str, Precision)))
    parser.add_argument("--offline", action="store_true", help="open no connection; only models pull ever does")
    if parser.prog == "nlp-tui":
        parser.add_argument("--debug", action="store_true", help="show tracebacks")
    else:
        parser.set_defaults(starter=default)


def add_sampling(command: Parser, names: Sequence[str]) -> None:
    """Give a command the sampling settings of these names."""
    defaults = SamplingParams()
    for name in names:
        default = getattr(defaults, name)
        command.add_argument(
            f"--{name.replace('_', '-')}",
            type=setting(name),
            default=default,
            metavar="N" if SETTINGS[name].whole else "X",
            help=f"{SETTINGS[name].help} ({default:g})",
        )
    way = command.add_mutually_exclusive_group()
    way.add_argument("--do-sample", dest="do_sample", action="store_true", default=True, help="draw tokens (default)")
    way.add_argument("--greedy", dest="do_sample", action="store_false", help="take the most likely token each time")
    if "max_new_tokens" in names:
        command.add_argument("--stop-string", action="append", default=[], metavar="S", help="end here; repeatable")
        command.add_argument("--seed", type=count, default=None, metavar="N", help="repeat a run (default: a new one)")


def add_reader(command: Parser) -> None:
    """Let a command say which causal model reads its prompt, and how."""
    add_model_options(command, DEFAULT_GENERATOR)
    command.add_argument("--truncate", action="store_true", help="keep the end of a prompt that is too long")
    command.add_argument(
        "--chat",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="use the model's chat template (default: where it has one), or continue the text as it is",
    )


def chat_mode(options: argparse.Namespace) -> ChatMode:
    """What was chosen."""
    return ChatMode.AUTO if options.chat is None else ChatMode.ON if options.chat else ChatMode.OFF


def setting(name: str) -> Callable[[str], float]:
    """A parser of one sampling setting."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{name} must be a number, got {text!r}") from None
        try:
            return check_setting(name, value)
        except SettingError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse


def count(text: str) -> int:
    """A whole number from 0 up."""
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 up, got {text!r}")
    return int(text)


def number(text: str) -> float:
    """Any number."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number, got {text!r}") from None


def share(text: str) -> float:
    """A number in (0, 1]."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"expected a number in (0, 1], got {text!r}")
    return value


def sampling_params(options: argparse.Namespace) -> SamplingParams:
    """The sampling settings of a parsed command line."""
    values = {name: getattr(options, name) for name in SETTINGS if hasattr(options, name)}
    seed = getattr(options, "seed", None)
    return SamplingParams(
        **values,
        do_sample=options.do_sample,
        seed=secrets.randbelow(2**31) if seed is None else seed,
        stop_strings=tuple(check_encodable(stop, "a stop string") for stop in getattr(options, "stop_string", ())),
    )


def read_text(options: argparse.Namespace, what: str) -> str:
    """The text of a command: the argument, a file, or standard input.

    Raises:
        InputError: none, several, empty, or not UTF-8.
        EngineError: the file cannot be read.
    """
    if (options.text is None) == (options.file is None):
        raise InputError(
            f"the {what} is missing" if options.text is None else f"the {what} is given twice", "give it once"
        )
    if options.file is None and options.text != "-":
        return check_text(options.text, f"the {what}")
    source = "standard input" if options.file is None else options.file
    if not source:
        raise InputError("the name of the file is empty", "give its path")
    try:
        raw = sys.stdin.buffer.read() if options.file is None else Path(options.file).read_bytes()
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{source} is not valid UTF-8 (byte {error.start + 1})", "re-encode it, for example with iconv -t UTF-8"
        ) from None
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise EngineError(f"{source} cannot be read: {reason}", "check the path and its permissions") from None
    return check_not_empty(text, source)


def check_text(text: str, what: str) -> str:
    """A text of the command line that can be read.

    Args:
        text: the argument.
        what: how a message names it, such as "the prompt".

    Raises:
        InputError: it is empty, or not UTF-8.
    """
    return check_not_empty(check_encodable(text, what), what)
