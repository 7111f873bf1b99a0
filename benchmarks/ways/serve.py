"""What every way of running GPT-2 has in common: it says when it is ready, then answers requests one token a line.

In: `{"text": …, "ids": […], "new_tokens": …}` a line. Out: one `Hello` as JSON, then for each request a line a token
and an empty line. The parent stamps the lines as they arrive, so no clock of the way itself is used.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Request:
    """One run: the prompt, as text and as ids, and how many tokens to add greedily."""

    text: str
    ids: list[int]
    new_tokens: int


@dataclass(frozen=True, slots=True)
class Hello:
    """A way's first line."""

    missing: str = ""
    """Why this way cannot be had here; empty when it is ready."""
    note: str = ""
    """What the reader of the table should know."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a way is started with."""

    model: Path
    """A folder with the safetensors of a GPT-2."""
    precision: str
    threads: int
    work: Path
    """Where converted models are kept."""


Write = Callable[[int], None]
Run = Callable[[Request, Write], None]
"""Runs a request and writes each token's id as soon as it is known."""


def serve(make: Callable[[Options], tuple[Run, str]]) -> None:
    """Make a way and answer requests until stdin ends.

    Args:
        make: loads the model; returns how to run it and a note. An ImportError becomes `missing`.
    """
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print must not be taken for tokens

    def say(line: str) -> None:
        channel.write(f"{line}\n")
        channel.flush()

    try:
        run, note = make(_options())
    except ImportError as error:
        say(json.dumps(asdict(Hello(missing=f"not installed ({error.name or error})"))))
        return
    say(json.dumps(asdict(Hello(note=note))))
    for line in sys.stdin:
        run(Request(**json.loads(line)), lambda token_id: say(str(token_id)))
        say("")


def _options() -> Options:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--precision", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--work", type=Path, required=True)
    return Options(**vars(parser.parse_args()))
