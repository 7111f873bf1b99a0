"""The command line: what each command takes, and the exit codes (0 ok, 1 failed, 2 wrong use, 130 interrupted).

Every error is one line, `error: what. hint: what to do`; `--debug` adds the traceback. Imports nothing heavy: the app
and the commands are imported when they are called for.
"""

from __future__ import annotations

import argparse
import gc
import os
import secrets
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from core.errors import EngineError, InputError, SettingError
from core.records import INTEGERS, RANGES, SamplingParams, check_setting
from core.registry import DEFAULT_GENERATOR, DEFAULT_PARAPHRASER
from core.text import check_encodable, check_not_empty, visible

EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED, EXIT_PIPE_CLOSED = 1, 2, 130, 141

_HELP = {
    "max_new_tokens": "tokens to add at most",
    "max_length": "prompt and new tokens together, instead of --max-new-tokens",
    "temperature": "divides the logits; 0 is greedy",
    "top_k": "keep the k most likely tokens; 0 is off",
    "top_p": "keep the likeliest tokens up to this mass; 1 is off",
    "min_p": "keep tokens this likely relative to the best; 0 is off",
    "typical_p": "keep the most typical tokens up to this mass; 1 is off",
    "repetition_penalty": "above 1 makes seen tokens less likely; 1 is off",
    "no_repeat_ngram_size": "no n-gram of this size twice; 0 is off",
    "num_beams": "search with this many beams instead of drawing; 1 is off",
    "num_return_sequences": "continuations written side by side",
    "candidates": "most likely tokens listed in each record",
}


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Print the error and exit with 2."""
        hint = "" if "hint: " in message else f". hint: see {self.prog} --help"
        print(visible(f"error: {message}{hint}"), file=sys.stderr)
        sys.exit(EXIT_USAGE)


class _Version(argparse.Action):
    """Prints the version; looks it up only then."""

    def __call__(self, *_: object) -> NoReturn:
        from importlib.metadata import version  # costs more than the rest of the parser

        print(f"nlp-tui {version('nlp-tui')}")
        sys.exit(0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, or the app when none is named; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    options = build_parser().parse_args(arguments)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
        return status
    except EngineError as error:
        if options.debug:
            traceback.print_exc()
        print(visible(f"error: {error}"), file=sys.stderr)
        return EXIT_USAGE if isinstance(error, SettingError | InputError) else EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
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


def _drop_output() -> None:
    """Let go of what stdout still holds: nobody can take it, and the flush at exit must not fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def build_parser() -> Parser:
    """The parser of the whole command line."""
    parser = Parser(prog="nlp-tui", description="See transformer language models work.", allow_abbrev=False)
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    parser.add_argument("-p", "--prompt", default="", help="open the app with this prompt")
    _add_model_options(parser, DEFAULT_GENERATOR)
    parser.set_defaults(run=_run_app, command="nlp-tui")
    commands = parser.add_subparsers(metavar="COMMAND", parser_class=Parser)

    generate = _command(commands, "generate", "continue a prompt, token by token", _run_generate)
    _add_text(generate, "prompt")
    _add_sampling(generate, tuple(RANGES))
    next_ = _command(commands, "next", "the most likely next tokens of a prompt", _run_next)
    _add_text(next_, "prompt")
    next_.add_argument("--top", type=_count, default=10, metavar="N", help="how many; 0 is the whole vocabulary (10)")
    shaping = tuple(name for name in RANGES if not name.startswith(("max_", "num_", "cand")))
    _add_sampling(next_, shaping)
    for command in (generate, next_):
        _add_model_options(command, DEFAULT_GENERATOR)
        command.add_argument("--truncate", action="store_true", help="keep the end of a prompt that is too long")

    tokens = _command(commands, "tokens", "how a text splits into tokens", _run_tokens)
    _add_text(tokens, "text")
    tokens.add_argument(
        "--tokenizer", default="gpt2", metavar="NAME", help="gpt2, bert-base-uncased, a model or folder"
    )

    similar = _command(commands, "similar", "how similar two sentences are", _run_similar)
    similar.add_argument("first", metavar="A")
    similar.add_argument("second", metavar="B")
    _add_model_options(similar, DEFAULT_PARAPHRASER)

    models = _command(commands, "models", "the models on this machine", _run_models)
    models.add_argument("action", choices=("list", "path"))
    models.add_argument("name", nargs="?", default="", help="for path: the model whose folder to print")
    bench = _command(commands, "bench", "how fast a model runs on this machine in each precision", _run_bench)
    bench.add_argument("--model", default=DEFAULT_GENERATOR, metavar="NAME", help=f"({DEFAULT_GENERATOR})")
    bench.add_argument("--device", default="auto", help="auto, cuda, mps, xpu or cpu")
    bench.add_argument("--max-new-tokens", type=_setting("max_new_tokens"), default=128, metavar="N", help="(128)")
    return parser


def _command(commands: argparse._SubParsersAction[Parser], name: str, summary: str, run: Callable[..., int]) -> Parser:
    command: Parser = commands.add_parser(name, help=summary, description=summary.capitalize(), allow_abbrev=False)
    command.add_argument("--json", action="store_true", help="one JSON object a line")
    command.add_argument("--debug", action="store_true", help="show tracebacks")
    command.set_defaults(run=run, command=name)
    return command


def _add_text(command: Parser, what: str) -> None:
    command.add_argument("text", nargs="?", metavar=what.upper(), help=f"the {what}; - reads standard input")
    command.add_argument("--file", metavar="F", help=f"read the {what} from a UTF-8 file")


def _add_model_options(parser: Parser, default: str) -> None:
    parser.add_argument("--model", default=default, metavar="NAME", help=f"starter, folder or hub name ({default})")
    parser.add_argument("--device", default="auto", help="auto, cuda, mps, xpu or cpu")
    parser.add_argument("--dtype", default="auto", choices=("auto", "float32", "float16", "bfloat16", "int8"))
    parser.add_argument("--offline", action="store_true", help="open no connection; nothing does, so far")
    if parser.prog == "nlp-tui":
        parser.add_argument("--debug", action="store_true", help="show tracebacks")


def _add_sampling(command: Parser, names: Sequence[str]) -> None:
    defaults = SamplingParams()
    for name in names:
        default = getattr(defaults, name)
        command.add_argument(
            f"--{name.replace('_', '-')}",
            type=_setting(name),
            default=default,
            metavar="N" if name in INTEGERS else "X",
            help=f"{_HELP[name]} ({default:g})",
        )
    way = command.add_mutually_exclusive_group()
    way.add_argument("--do-sample", dest="do_sample", action="store_true", default=True, help="draw tokens (default)")
    way.add_argument("--greedy", dest="do_sample", action="store_false", help="take the most likely token each time")
    if "max_new_tokens" in names:
        command.add_argument("--stop-string", action="append", default=[], metavar="S", help="end here; repeatable")
        command.add_argument("--seed", type=_count, default=None, metavar="N", help="repeat a run (default: a new one)")


def _setting(name: str) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{name} must be a number, got {text!r}") from None
        try:
            check_setting(name, value)
        except SettingError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        return int(value) if name in INTEGERS else value

    return parse


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 up, got {text!r}")
    return int(text)


def _sampling_params(options: argparse.Namespace) -> SamplingParams:
    values = {name: getattr(options, name) for name in RANGES if hasattr(options, name)}
    seed = getattr(options, "seed", None)
    return SamplingParams(
        **values,
        do_sample=options.do_sample,
        seed=secrets.randbelow(2**31) if seed is None else seed,
        stop_strings=tuple(check_encodable(stop, "a stop string") for stop in getattr(options, "stop_string", ())),
    )


def _read_text(options: argparse.Namespace, what: str) -> str:
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
        return check_not_empty(check_encodable(options.text, f"the {what}"), f"the {what}")
    source = "standard input" if options.file is None else options.file
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


def _run_app(options: argparse.Namespace) -> int:
    gc.disable()  # until the first frame: everything made so far lives as long as the app
    from tui.app import NlpTui  # Textual is not needed by the headless commands

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InputError("the app needs a terminal", "in a pipe use a command: nlp-tui generate, next, tokens, similar")
    check_encodable(options.prompt, "the prompt")
    app = NlpTui(prompt=options.prompt, model=options.model, device=options.device, dtype=options.dtype)
    app.run()
    return app.return_code or 0


def _run_generate(options: argparse.Namespace) -> int:
    from tui import headless  # asyncio and the engine client are not needed by --version and --help

    prompt = _read_text(options, "prompt")
    return headless.generate(prompt, _sampling_params(options), headless.Target.of(options), options.truncate)


def _run_next(options: argparse.Namespace) -> int:
    from tui import headless  # see _run_generate

    prompt = _read_text(options, "prompt")
    target = headless.Target.of(options)
    return headless.next_tokens(prompt, _sampling_params(options), target, options.top, options.truncate)


def _run_tokens(options: argparse.Namespace) -> int:
    from tui import headless  # see _run_generate

    return headless.tokens(_read_text(options, "text"), options.tokenizer, options.json)


def _run_similar(options: argparse.Namespace) -> int:
    from tui import headless  # see _run_generate

    first, second = (
        check_not_empty(check_encodable(text, f"sentence {name}"), f"sentence {name}")
        for name, text in (("A", options.first), ("B", options.second))
    )
    return headless.similar(first, second, headless.Target.of(options))


def _run_bench(options: argparse.Namespace) -> int:
    from tui import headless  # see _run_generate

    return headless.bench(options.model, options.device, options.max_new_tokens, options.json)


def _run_models(options: argparse.Namespace) -> int:
    from tui import headless  # see _run_generate

    if (options.action == "path") != bool(options.name):
        what = "models path needs a NAME" if options.action == "path" else "models list takes no NAME"
        raise InputError(what, "nlp-tui models list shows the names")
    return headless.models_path(options.name) if options.action == "path" else headless.models_list(options.json)


if __name__ == "__main__":
    sys.exit(main())
