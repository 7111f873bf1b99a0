"""What a user sees of models that are refused: one line, the reason and the way out, and no traceback."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.inside import use
from tests.core.gguf_files import GgufFile


def bring_code(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "own.Model"}}))


def pickle(folder: Path) -> None:
    shutil.move(folder / "model.safetensors", folder / "pytorch_model.bin")


def cut(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-10])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (bring_code, "wants to run code of its own"),
        (pickle, "has only pytorch_model.bin, a pickle, which can run code when opened"),
        (cut, "the file is cut short. hint: download it again"),
    ],
)
def test_a_model_that_cannot_be_trusted_is_one_line(
    gpt2_folder: Path, tmp_path: Path, spoil: Callable[[Path], None], message: str
) -> None:
    folder = Path(shutil.copytree(gpt2_folder, tmp_path / "model"))
    spoil(folder)
    finished = use("generate", "Once", "--model", str(folder), folder=tmp_path)
    assert (finished.code, finished.stdout) == (1, "")
    assert finished.stderr.count("\n") == 1
    assert finished.stderr.startswith("error: ")
    assert message in finished.stderr


@pytest.mark.parametrize(("content", "message"), [(b"GGUF", "ends in the middle"), (b"", "does not begin with GGUF")])
def test_a_broken_gguf_file_is_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "model.gguf").write_bytes(content)
    finished = use("generate", "Once", "--model", "model.gguf", folder=tmp_path)
    assert (finished.code, finished.stderr.count("\n")) == (1, 1)
    assert message in finished.stderr


def test_a_gguf_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    finished = use("generate", "Once", "--model", "./none.gguf", folder=tmp_path)
    assert (finished.code, finished.stderr) == (
        1,
        "error: no file './none.gguf'. hint: check the path, or use the bundled starter/gpt2\n",
    )


def test_a_folder_with_nothing_but_a_gguf_file_names_it(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    file = GgufFile().write(tmp_path / "model" / "q4.gguf")
    finished = use("generate", "Once", "--model", "./model", folder=tmp_path)
    assert finished.code == 1
    assert f"hint: give the file: {file}" in finished.stderr
