"""A run as a command: a shell and our own parser read back exactly what was run."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from argparse import Namespace
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError, SettingError
from core.history.as_command import as_command
from core.messages.sampling_params import SETTINGS, SamplingParams
from tui.cli import build_parser
from tui.commands.options import read_text, sampling_params

SHIM = r"""
nlp-tui() { printf '%s\0' "$@"; printf '\1\0'; [ "${@: -1}" = - ] && { cat; printf '\0'; }; printf '\2\0'; }
"""
"""Prints the words it is given, then what it reads where the last is a dash."""

HARD = (
    "Once upon a time",
    'it\'s "quoted" $HOME `date` $(date) \\n !! *',
    "two\nlines\n\n",
    "한국어 🙂 [bold] [/",
    "-",
    "--",
    "--seed 3",
    "-p",
    "tab\there",
    "\x1b[31mred\x1b[0m \\ \\0101 %s %b",
    "nul\0inside\r\n",
    "\ufeffmark\x07",
    "\u202eright to left\u2028 \x9b",
    "`'\"'`",
    "a\\",
)


def run_by_bash(commands: list[str], tmp_path: Path) -> list[tuple[list[str], bytes]]:
    """Let bash run commands with a stand-in for nlp-tui; what each was given."""
    script = tmp_path / "commands.sh"
    script.write_bytes((SHIM + "\n".join(commands) + "\n").encode())
    finished = subprocess.run(["bash", str(script)], capture_output=True, check=True, cwd=tmp_path)
    assert finished.stderr == b""
    given_: list[tuple[list[str], bytes]] = []
    for call in finished.stdout.split(b"\2\0")[:-1]:
        words, read = call.split(b"\1\0", maxsplit=1)
        given_.append(([word.decode() for word in words.split(b"\0")[:-1]], read[:-1]))
    return given_


def parsed(words: list[str], read: bytes = b"") -> tuple[str, SamplingParams, Namespace]:
    """What our own command line makes of words and standard input."""
    options = build_parser().parse_args(words)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdin", TextIOWrapper(BytesIO(read)))
        return read_text(options, "prompt"), sampling_params(options), options


def numbers(name: str) -> st.SearchStrategy[float]:
    """Values of a setting."""
    span = SETTINGS[name]
    if SETTINGS[name].whole:
        return st.integers(int(span.low), int(min(span.high, 10**6)))
    return st.floats(span.low, min(span.high, 1e6), exclude_min=span.low_open, allow_nan=False)


@st.composite
def settings(draw: st.DrawFn) -> SamplingParams:
    """Any settings that hold together."""
    names = draw(st.sets(st.sampled_from(sorted(SETTINGS))))
    values = {name: draw(numbers(name)) for name in names}
    stops = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1), max_size=2)
    try:
        return SamplingParams(
            **values,  # type: ignore[arg-type]
            do_sample=draw(st.booleans()),
            seed=draw(st.integers(0, 2**63 - 1)),
            stop_strings=tuple(draw(stops)),
        )
    except SettingError:
        return SamplingParams(seed=draw(st.integers(0, 2**63 - 1)))


@given(settings())
def test_the_parser_reads_any_settings_back(params: SamplingParams) -> None:
    plain = params.changed(
        stop_strings=tuple(stop for stop in params.stop_strings if stop.isprintable() and stop != "--")
    )
    command = as_command("starter/gpt2", "Once", plain)
    assert parsed(shlex.split(command)[1:])[1] == plain


@given(st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip))
def test_the_parser_reads_any_plain_prompt_back(prompt: str) -> None:
    command = as_command("starter/gpt2", prompt, SamplingParams(seed=3))
    if not command.startswith("printf"):
        assert parsed(shlex.split(command)[1:])[0] == prompt


def test_bash_hands_over_hard_prompts_unchanged(tmp_path: Path) -> None:
    params = SamplingParams(seed=5, temperature=0.333, do_sample=False)
    calls = run_by_bash([as_command("my model's", prompt, params) for prompt in HARD], tmp_path)
    assert len(calls) == len(HARD)
    for prompt, call in zip(HARD, calls, strict=True):
        text, read_params, options = parsed(*call)
        assert text == prompt
        assert read_params == params
        assert options.model == "my model's"


def test_bash_hands_over_hard_stop_strings_unchanged(tmp_path: Path) -> None:
    stops = (*(stop for stop in HARD if "\0" not in stop and stop != "--"), "\n", "\t\n\n", "\x1b\n")
    [call] = run_by_bash([as_command("starter/gpt2", "Once", SamplingParams(seed=1, stop_strings=stops))], tmp_path)
    assert parsed(*call)[1].stop_strings == stops


@pytest.mark.slow
def test_a_real_shell_runs_the_real_command(gpt2_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "nlp-tui").write_text(f'#!/bin/sh\nexec {sys.executable} -P -m tui.cli "$@"\n')
    (tmp_path / "nlp-tui").chmod(0o755)
    repository = Path(__file__).parents[3]
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(repository)}
    params = SamplingParams(max_new_tokens=3, do_sample=False, seed=0)
    for prompt in ('- it\'s\n"here"', "tab\there"):
        command = as_command(str(gpt2_folder), prompt, params)
        finished = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment, check=True)
        assert finished.stdout.startswith(prompt), command


def test_only_what_differs_stands_in_the_line_and_the_seed_always() -> None:
    assert as_command("starter/gpt2", "Once upon", SamplingParams(seed=7)) == "nlp-tui generate --seed 7 'Once upon'"
    params = SamplingParams(max_new_tokens=20, top_k=0, do_sample=False)
    command = as_command("gpt2", "a", params, device="cpu", dtype="int8", truncate=True)
    assert command == (
        "nlp-tui generate --model gpt2 --device cpu --dtype int8 --max-new-tokens 20 --top-k 0 --greedy --seed 0 "
        "--truncate a"
    )


@pytest.mark.parametrize("prompt", HARD)
def test_no_byte_of_the_line_steers_a_terminal(prompt: str) -> None:
    hidden = set("\x00\x07\t\r\x1b\x9b\u202e\u2028\ufeff")
    assert not hidden & set(as_command("starter/gpt2", prompt, SamplingParams()))


def test_what_no_command_line_carries_is_said() -> None:
    with pytest.raises(InputError, match="is --"):
        as_command("starter/gpt2", "a", SamplingParams(stop_strings=("--",)))
    with pytest.raises(InputError, match="NUL"):
        as_command("starter/gpt2", "a", SamplingParams(stop_strings=("\0",)))
    with pytest.raises(InputError, match="UTF-8"):
        as_command("starter/gpt2", "\ud800", SamplingParams())
