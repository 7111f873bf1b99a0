"""The command line: what each command takes, and the exit codes (0 ok, 1 failed, 2 wrong use, 130 interrupted).

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
from core.messages.sampling_params import RANGES
from core.models.registry import DEFAULT_GENERATOR, DEFAULT_PARAPHRASER
from core.text.visible import check_encodable, check_not_empty, visible
from tui.commands.doctor import options as doctor_options
from tui.commands.model_options import add_model_actions
from tui.commands.options import (
    EXIT_USAGE,
    Parser,
    add_chat,
    add_command,
    add_model_options,
    add_sampling,
    add_text,
    chat_mode,
    count,
    read_text,
    sampling_params,
    setting,
)
from tui.lab.command_catalogue import add_commands

EXIT_FAILED, EXIT_INTERRUPTED, EXIT_PIPE_CLOSED = 1, 130, 141


class _Version(argparse.Action):
    """Prints the version; looks it up only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version  # costs more than the rest of the parser

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
    commands = parser.add_subparsers(metavar="COMMAND", parser_class=Parser)

    generate = add_command(commands, "generate", "continue a prompt, token by token", _run_generate)
    add_text(generate, "prompt")
    add_sampling(generate, tuple(RANGES))
    next_ = add_command(commands, "next", "the most likely next tokens of a prompt", _run_next)
    add_text(next_, "prompt")
    next_.add_argument("--top", type=count, default=10, metavar="N", help="how many; 0 is the whole vocabulary (10)")
    shaping = tuple(name for name in RANGES if not name.startswith(("max_", "num_", "cand")))
    add_sampling(next_, shaping)
    for command in (generate, next_):
        add_model_options(command, DEFAULT_GENERATOR)
        command.add_argument("--truncate", action="store_true", help="keep the end of a prompt that is too long")
        add_chat(command)

    tokens = add_command(commands, "tokens", "how a text splits into tokens", _run_tokens)
    add_text(tokens, "text")
    tokens.add_argument(
        "--tokenizer", default="gpt2", metavar="NAME", help="gpt2, bert-base-uncased, a model or folder"
    )

    similar = add_command(commands, "similar", "how similar two sentences are", _run_similar)
    similar.add_argument("first", metavar="A")
    similar.add_argument("second", metavar="B")
    add_model_options(similar, DEFAULT_PARAPHRASER)

    models = add_command(commands, "models", "the models on this machine", _run_models)
    add_model_actions(models)
    replay = add_command(commands, "replay", "run a record again: does it come out the same?", _run_replay)
    replay.add_argument("file", metavar="FILE", help="what generate --json printed, or a conversation's file")
    bench = add_command(commands, "bench", "how fast a model runs on this machine in each precision", _run_bench)
    bench.add_argument("--model", default=DEFAULT_GENERATOR, metavar="NAME", help=f"({DEFAULT_GENERATOR})")
    bench.add_argument("--device", default="auto", help="auto, cuda, mps, xpu or cpu")
    bench.add_argument("--max-new-tokens", type=setting("max_new_tokens"), default=128, metavar="N", help="(128)")
    doctor_options.add_commands(commands)
    add_commands(commands)
    return parser


def _run_app(options: argparse.Namespace) -> int:
    gc.disable()  # until the first frame: everything made so far lives as long as the app
    from tui.app import NlpTui  # Textual is not needed by the headless commands

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InputError("the app needs a terminal", "in a pipe use a command: nlp-tui generate, next, tokens, similar")
    check_encodable(options.prompt, "the prompt")
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


def _run_generate(options: argparse.Namespace) -> int:
    from tui.commands import running  # asyncio and the engine client are not needed by --version and --help

    prompt = read_text(options, "prompt")
    target = running.Target.of(options)
    return running.generate(prompt, sampling_params(options), target, options.truncate, chat_mode(options))


def _run_next(options: argparse.Namespace) -> int:
    from tui.commands import running  # see _run_generate

    prompt = read_text(options, "prompt")
    target = running.Target.of(options)
    how = (options.top, options.truncate, chat_mode(options))
    return running.next_tokens(prompt, sampling_params(options), target, *how)


def _run_tokens(options: argparse.Namespace) -> int:
    from tui.commands import running  # see _run_generate

    return running.tokens(read_text(options, "text"), options.tokenizer, options.json)


def _run_similar(options: argparse.Namespace) -> int:
    from tui.commands import running  # see _run_generate

    first, second = (
        check_not_empty(check_encodable(text, f"sentence {name}"), f"sentence {name}")
        for name, text in (("A", options.first), ("B", options.second))
    )
    return running.similar(first, second, running.Target.of(options))


def _run_replay(options: argparse.Namespace) -> int:
    from tui.commands.replay import replay  # see _run_generate

    return replay(options.file, options.json)


def _run_bench(options: argparse.Namespace) -> int:
    from tui.commands import running  # see _run_generate

    return running.bench(options.model, options.device, options.max_new_tokens, options.json)


def _run_models(options: argparse.Namespace) -> int:
    from tui.commands import models as model_commands  # see _run_generate

    return model_commands.run(options)


if __name__ == "__main__":
    sys.exit(main())
