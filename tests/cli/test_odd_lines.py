"""Odd command lines: values that look like options, streams that are closed or full, bytes that are not text."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cli.inside import use
from tests.cli.process import (
    PATIENCE_S,
    UNDECODABLE,
    Finished,
    assert_refused,
    command_line,
    environment,
    run,
)


def run_with(streams: str, *arguments: str, folder: Path) -> Finished:
    """Run a command with some of its streams redirected.

    Args:
        streams: as a shell takes them, such as `>&-`.
        arguments: of the command.
        folder: where it runs.
    """
    finished = subprocess.run(
        ["sh", "-c", f'exec "$@" {streams}', "sh", *command_line(*arguments)],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return Finished(finished.returncode, finished.stdout.decode(), finished.stderr.decode())


@pytest.mark.parametrize("stop", ["--", "-x", "--seed", "-", "-1"])
def test_a_stop_string_may_look_like_an_option(stop: str, gpt2_folder: Path, tmp_path: Path) -> None:
    options = ("--max-new-tokens", "1", "--json", "--model", str(gpt2_folder))
    finished = use("generate", "a", f"--stop-string={stop}", *options, folder=tmp_path)
    assert (finished.code, finished.stderr) == (0, "")
    assert finished.lines[0]["params"]["stop_strings"] == [stop]


def test_a_text_may_look_like_an_option_behind_two_dashes(tmp_path: Path) -> None:
    for text in ("-x", "--"):
        finished = use("tokens", "--json", "--", text, folder=tmp_path)
        assert finished.lines[-1]["decoded"] == text


@pytest.mark.parametrize("command", [("tokens", "a"), ("generate", "a", "--model", "nowhere")])
def test_a_closed_output_is_one_line(command: tuple[str, ...], tmp_path: Path) -> None:
    finished = run_with(">&-", *command, folder=tmp_path)
    assert finished.code == 1
    assert finished.stderr == "error: standard output is closed. hint: let it go somewhere, for example > FILE\n"


def test_a_closed_input_is_an_empty_one(tmp_path: Path) -> None:
    finished = run_with("<&-", "tokens", "-", folder=tmp_path)
    assert (finished.code, finished.stdout) == (2, "")
    assert finished.stderr.startswith("error: standard input is empty")


def test_without_a_place_for_talk_the_data_still_comes(gpt2_folder: Path, tmp_path: Path) -> None:
    options = ("--max-new-tokens", "2", "--seed", "1", "--json", "--model", str(gpt2_folder))
    finished = run_with("2>&- <&-", "generate", "a", *options, folder=tmp_path)
    assert finished.code == 0
    assert [line["type"] for line in finished.lines] == ["run", "token", "token", "done"]


def test_a_reader_of_the_version_that_goes_away_is_no_error(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command_line("--version"),
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()  # long before Python has started
    assert process.stderr is not None
    assert process.stderr.read() == b""
    assert process.wait(PATIENCE_S) == 141
    process.stderr.close()


@pytest.mark.parametrize(
    ("command", "stdin", "message"),
    [
        (("generate", UNDECODABLE), b"", "the prompt is not valid UTF-8 at character 4"),
        (("generate", "-"), b"ab\xed\xa0\x80", "standard input is not valid UTF-8 (byte 3)"),
        (("generate", "a", "--top-p", "1.7"), b"", "top_p must be in (0, 1], got 1.7"),
    ],
)
def test_a_process_is_refused_in_one_line_as_well(
    command: tuple[str, ...], stdin: bytes, message: str, tmp_path: Path
) -> None:
    assert_refused(run(*command, folder=tmp_path, stdin=stdin), 2, message)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
@pytest.mark.parametrize(("command", "name"), [(("tokens", "Hello"), "tokens"), (("--version",), "nlp-tui")])
def test_a_full_disk_is_one_line_too(command: tuple[str, ...], name: str, tmp_path: Path) -> None:
    finished = run_with("> /dev/full", *command, folder=tmp_path)
    assert finished.code == 1
    assert finished.stderr == f"error: {name} failed: No space left on device. hint: --debug shows where\n"


def test_a_folder_that_is_gone_is_named_as_the_reason(gpt2_folder: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    options = " ".join(command_line("generate", "a", "--max-new-tokens", "1", "--model", str(gpt2_folder)))
    finished = subprocess.run(
        ["sh", "-c", f"rmdir ../gone && exec {options}"],
        cwd=gone,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert finished.returncode == 1
    assert finished.stderr == "error: the engine cannot start: the current folder is gone. hint: go to another one\n"
