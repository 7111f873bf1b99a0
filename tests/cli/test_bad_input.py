"""Bad input: one `error:` line, the right exit code, no traceback, and nothing that steers the terminal."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.inside import use
from tests.cli.process import UNDECODABLE, assert_refused

WRONG_USE: dict[str, tuple[tuple[str, ...], bytes, str]] = {
    "empty prompt": (("generate", ""), b"", "the prompt is empty"),
    "blank prompt": (("next", " \n "), b"", "the prompt is empty"),
    "empty stdin": (("generate", "-"), b"", "standard input is empty"),
    "no prompt": (("generate",), b"", "the prompt is missing"),
    "two prompts": (("generate", "a", "--file", "b"), b"", "the prompt is given twice"),
    "empty sentence": (("similar", "A cat", ""), b"", "sentence B is empty"),
    "top-p 1.7": (("generate", "a", "--top-p", "1.7"), b"", "top_p must be in (0, 1], got 1.7"),
    "temperature hot": (("generate", "a", "--temperature", "hot"), b"", "temperature must be a number, got 'hot'"),
    "temperature -1": (("generate", "a", "--temperature", "-1"), b"", "temperature must be in [0, 100], got -1"),
    "seed -1": (("generate", "a", "--seed", "-1"), b"", "expected a whole number from 0 up, got '-1'"),
    "seed too large": (("generate", "a", "--seed", "9" * 30), b"", "seed must be in [0, 2^63)"),
    "empty stop string": (("generate", "a", "--stop-string", ""), b"", "a stop string is empty"),
    "undecodable stop string": (("generate", "a", "--stop-string", UNDECODABLE), b"", "is not valid UTF-8"),
    "greedy and sampling": (("generate", "a", "--greedy", "--do-sample"), b"", "not allowed with"),
    "unknown dtype": (("generate", "a", "--dtype", "float13"), b"", "invalid choice: 'float13'"),
    "unknown option": (("tokens", "a", "--colour"), b"", "unrecognized arguments: --colour"),
    "option with an escape": (("tokens", "a", "--\x1b[31m"), b"", "unrecognized arguments: --␛[31m"),
    "abbreviated option": (("generate", "a", "--temp", "1"), b"", "unrecognized arguments"),
    "unknown command": (("translate", "a"), b"", "invalid choice"),
    "no action": (("models",), b"", "required"),
    "path without a name": (("models", "path"), b"", "models path needs a NAME"),
    "list with a name": (("models", "list", "gpt2"), b"", "models list takes no NAME"),
    "undecodable prompt": (("generate", UNDECODABLE), b"", "the prompt is not valid UTF-8 at character 4"),
    "undecodable text": (("tokens", UNDECODABLE), b"", "the text is not valid UTF-8 at character 4"),
    "undecodable sentence": (("similar", UNDECODABLE, "a"), b"", "sentence A is not valid UTF-8"),
    "lone surrogate in stdin": (("generate", "-"), b"ab\xed\xa0\x80", "is not valid UTF-8 (byte 3)"),
    "lone surrogate in a file": (("tokens", "--file", "surrogate"), b"", "surrogate is not valid UTF-8 (byte 3)"),
    "two dashes for a number": (("generate", "a", "--temperature=--"), b"", "temperature must be a number, got '--'"),
    "two dashes for a choice": (("generate", "a", "--dtype=--"), b"", "invalid choice: '--'"),
    "a value like an option": (("generate", "a", "--stop-string", "-x"), b"", "needs a =, as in --option=-value"),
    "a text like an option": (("generate", "-x"), b"", "a text that begins with - comes after --"),
    "a file without a name": (("tokens", "--file", ""), b"", "the name of the file is empty"),
    "a record without a name": (("replay", ""), b"", "the name of the file is empty"),
    "the app in a pipe": ((), b"", "the app needs a terminal"),
}

FAILED: dict[str, tuple[tuple[str, ...], str]] = {
    "model nowhere": (("generate", "a", "--model", "nowhere"), "model 'nowhere' is neither a folder here nor"),
    "model path nowhere": (("generate", "a", "--model", "./nowhere"), "no folder './nowhere'"),
    "no such user": (("generate", "a", "--model", "~nosuchuser/x"), "cannot be read"),
    "model with NUL-like name": (("next", "a", "--model", "a\x1b[31m\nb"), "neither a folder here nor"),
    "undecodable model": (("generate", "a", "--model", UNDECODABLE), "neither a folder here nor"),
    "model of no weights": (("generate", "a", "--model", "./bare"), "has no weights (model.safetensors)"),
    "model is a file": (("generate", "a", "--model", "./surrogate"), "is a file, not a model folder"),
    "model is a pickle": (("generate", "a", "--model", "./pickle"), "a pickle, which can run code"),
    "unknown starter": (("generate", "a", "--model", "starter/gpt9"), "no starter named 'starter/gpt9'"),
    "similar nowhere": (("similar", "a", "b", "--model", "nowhere"), "neither a folder here nor"),
    "tokenizer nowhere": (("tokens", "a", "--tokenizer", "nowhere"), "neither a folder here nor"),
    "no tokenizer there": (("tokens", "a", "--tokenizer", "./bare"), "has no tokenizer.json"),
    "path nowhere": (("models", "path", "nowhere"), "neither a folder here nor"),
    "missing file": (("tokens", "--file", "missing"), "missing cannot be read: No such file or directory"),
    "missing file with an escape": (("tokens", "--file", "a\x1b[31m"), "a␛[31m cannot be read"),
    "undecodable file name": (("tokens", "--file", UNDECODABLE), "cannot be read: No such file"),
    "two dashes for a file": (("tokens", "--file=--"), "-- cannot be read: No such file"),
    "two dashes for a model": (("generate", "a", "--model=--"), "model '--' is neither a folder here nor"),
    "a folder as file": (("tokens", "--file", "bare"), "bare cannot be read: Is a directory"),
    "a closed file": (("tokens", "--file", "closed"), "closed cannot be read: Permission denied"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bare model, a pickled one, a file with a lone surrogate, and one nobody may read."""
    root = tmp_path_factory.mktemp("bad")
    for name in ("bare", "pickle"):
        (root / name).mkdir()
        (root / name / "config.json").write_text('{"model_type": "gpt2"}')
    (root / "pickle" / "pytorch_model.bin").write_bytes(b"\x80\x02.")
    (root / "surrogate").write_bytes(b"ab\xed\xa0\x80")
    (root / "closed").write_text("closed")
    (root / "closed").chmod(0)
    return root


@pytest.mark.parametrize(("arguments", "stdin", "message"), WRONG_USE.values(), ids=WRONG_USE.keys())
def test_wrong_use_is_one_line_and_exit_code_2(
    arguments: tuple[str, ...], stdin: bytes, message: str, folder: Path
) -> None:
    assert_refused(use(*arguments, folder=folder, stdin=stdin), 2, message)


@pytest.mark.parametrize(("arguments", "message"), FAILED.values(), ids=FAILED.keys())
def test_what_cannot_be_done_is_one_line_and_exit_code_1(
    arguments: tuple[str, ...], message: str, folder: Path
) -> None:
    if "closed" in arguments and os.access(folder / "closed", os.R_OK):
        pytest.skip("root may read everything")
    assert_refused(use(*arguments, folder=folder), 1, message)


def test_an_unavailable_device_is_refused_with_what_there_is(gpt2_folder: Path, tmp_path: Path) -> None:
    from core.engine.networks.device import DEVICES, available_devices  # torch, which refusals do without

    absent = next(device for device in DEVICES if device not in available_devices())
    finished = use("generate", "a", "--device", absent, "--model", str(gpt2_folder), folder=tmp_path)
    assert_refused(finished, 1, f"device '{absent}' is not available; this machine has")


def test_a_200_kb_prompt_is_too_long_and_truncate_uses_its_end(gpt2_folder: Path, tmp_path: Path) -> None:
    prompt = b"the quick brown fox " * 10_000
    options = ("--max-new-tokens", "4", "--greedy", "--json", "--model", str(gpt2_folder))
    assert_refused(use("generate", "-", *options, folder=tmp_path, stdin=prompt), 1, "the prompt has 40,001 tokens")
    finished = use("generate", "-", *options, "--truncate", folder=tmp_path, stdin=prompt)
    first, *tokens, done = finished.lines
    assert (finished.code, finished.stderr) == (0, "")
    assert len(first["prompt_ids"]) == 60
    assert prompt.decode().endswith(first["prompt"])
    assert len(tokens) == len(done["ids"]) == 4


HOSTILE = "NUL \x00 ESC \x1b[31m C1 \x9b bell \x07 [/bold] [link=x] \u202e \r\n end"


def test_control_bytes_in_a_prompt_are_read_as_they_are_and_shown_as_glyphs(gpt2_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "hostile").write_text(HOSTILE, encoding="utf-8", newline="")
    options = ("--max-new-tokens", "3", "--greedy", "--model", str(gpt2_folder))
    readable = use("generate", "--file", "hostile", *options, folder=tmp_path)
    assert readable.code == 0
    assert readable.stdout.startswith("NUL ␀ ESC ␛[31m C1 <009B> bell ␇ [/bold] [link=x] <202E> ␍\n end")
    machine = use("generate", "--file", "hostile", *options, "--json", folder=tmp_path)
    assert machine.lines[0]["prompt"] == HOSTILE
    for output in (readable.stdout, readable.stderr, machine.stdout):
        assert not set(output) & set("\x00\x1b\x9b\x07\r")


@pytest.mark.parametrize("tokenizer", ["gpt2", "bert-base-uncased"])
def test_control_bytes_in_a_text_reach_neither_output_of_tokens(tokenizer: str, tmp_path: Path) -> None:
    (tmp_path / "hostile").write_text(HOSTILE, encoding="utf-8", newline="")
    for options in ((), ("--json",)):
        finished = use("tokens", "--file", "hostile", "--tokenizer", tokenizer, *options, folder=tmp_path)
        assert finished.code == 0
        assert not set(finished.stdout) & set("\x00\x1b\x9b\x07\r")


def test_debug_shows_the_traceback_before_the_line(tmp_path: Path) -> None:
    finished = use("tokens", "a", "--tokenizer", "nowhere", "--debug", folder=tmp_path)
    assert finished.code == 1
    assert "Traceback" in finished.stderr
    assert finished.stderr.splitlines()[-1].startswith("error: ")


def corrupt_vocabulary(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{")


def corrupt_config(folder: Path) -> None:
    (folder / "config.json").write_bytes(b"\xff\xfe")


def wrong_sizes(folder: Path) -> None:
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text.replace('"n_layer": 2', '"n_layer": 7'))


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (corrupt_vocabulary, "the tokenizer of ./broken cannot be read"),
        (corrupt_config, "config.json is not JSON"),
        (wrong_sizes, "the weights lack h.2.ln_1.weight"),
    ],
)
def test_a_broken_model_is_one_line_from_the_engine(
    break_it: Callable[[Path], None], message: str, gpt2_folder: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in gpt2_folder.iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    break_it(broken)
    assert_refused(use("generate", "a", "--model", "./broken", folder=tmp_path), 1, message)
