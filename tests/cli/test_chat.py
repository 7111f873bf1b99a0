"""`generate` and `next` with a model that has a chat template, and with one that has not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.inside import use
from tests.core.chats import make_chat

OPTIONS = ("--max-new-tokens", "3", "--seed", "1", "--candidates", "0")


@pytest.fixture(scope="module")
def chat_folder(gpt2_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_chat(gpt2_folder, tmp_path_factory.mktemp("chats") / "chat"))


def test_a_chat_model_answers_and_prints_the_answer_alone(chat_folder: str, tmp_path: Path) -> None:
    finished = use("generate", "Hello", "--model", chat_folder, *OPTIONS, folder=tmp_path)
    assert finished.code == 0
    assert not finished.stdout.startswith("Hello")
    assert "float32, chat, seed 1" in finished.stderr


def test_the_record_says_so_and_holds_every_token_that_was_read(chat_folder: str, tmp_path: Path) -> None:
    chatted = use("generate", "Hello", "--model", chat_folder, *OPTIONS, "--json", folder=tmp_path).lines[0]
    continued = use(
        "generate", "Hello", "--model", chat_folder, *OPTIONS, "--json", "--no-chat", folder=tmp_path
    ).lines[0]
    assert (chatted["chat"], continued["chat"]) == (True, False)
    assert continued["prompt_ids"] == [15496]
    assert len(chatted["prompt_ids"]) > 10
    assert (chatted["prompt"], continued["prompt"]) == ("Hello", "Hello")


def test_what_comes_next_is_the_answers_first_token(chat_folder: str, tmp_path: Path) -> None:
    ids = {}
    for option in ("--chat", "--no-chat"):
        finished = use("next", "Hello", "--model", chat_folder, "--top", "1", option, "--json", folder=tmp_path)
        ids[option] = finished.lines[0]["id"]
    assert ids["--chat"] != ids["--no-chat"]


def test_a_base_model_refuses_to_chat_in_one_line(gpt2_folder: Path, tmp_path: Path) -> None:
    finished = use("generate", "Hello", "--model", str(gpt2_folder), "--chat", folder=tmp_path)
    assert finished.code == 2
    assert finished.stderr.count("\n") == 1
    assert "has no chat template: it continues text. hint: leave out --chat" in finished.stderr


def test_a_chat_run_replays(chat_folder: str, tmp_path: Path) -> None:
    record = tmp_path / "run.jsonl"
    record.write_text(use("generate", "Hello", "--model", chat_folder, *OPTIONS, "--json", folder=tmp_path).stdout)
    finished = use("replay", str(record), folder=tmp_path)
    assert (finished.code, "identical (3 tokens)" in finished.stdout) == (0, True)
