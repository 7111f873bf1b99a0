"""Which gguf files were converted, as the list of models shows them."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from core.errors import ModelNotFoundError
from core.models.conversions import ORIGIN_FILE, converted_models
from core.models.facts import model_facts
from core.models.registry import Source, resolve
from core.models.trash import (
    bring_back,
    conversions_trash,
    empty_trash,
    move_to_trash,
    trashed_names,
    undo_name,
)
from tests.cli.process import run
from tests.core.gguf_files import GgufFile, text


@pytest.fixture(autouse=True)
def own_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A place for conversions, of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


def convert(file: Path) -> Path:
    """Leave what a conversion leaves, without weights."""
    folder = resolve(str(file)).folder
    folder.mkdir(parents=True)
    (folder / ORIGIN_FILE).write_bytes(os.fsencode(file))
    return folder


def test_where_nothing_was_converted_the_list_is_empty() -> None:
    assert converted_models() == []


def test_a_conversion_is_named_by_its_file(tmp_path: Path) -> None:
    file = GgufFile().write(tmp_path / "한국 [bold].gguf")
    folder = convert(file)
    (model,) = converted_models()
    assert (model.name, model.source, model.folder, model.file) == (str(file), Source.GGUF, folder, file)


def test_a_conversion_of_a_link_is_named_by_the_link(tmp_path: Path) -> None:
    link = tmp_path / "tiny.gguf"
    link.symlink_to(GgufFile().write(tmp_path / "0123abcd"))
    folder = convert(link)
    (model,) = converted_models()
    assert (model.name, model.source, model.folder, model.file) == (str(link), Source.GGUF, folder, link)


@pytest.mark.parametrize("changed", [True, False])
def test_a_conversion_whose_file_is_gone_or_has_changed_is_a_folder(changed: bool, tmp_path: Path) -> None:
    file = GgufFile().write(tmp_path / "a.gguf")
    folder = convert(file)
    if changed:
        GgufFile(data_bytes=512).write(file)
    else:
        file.unlink()
    (model,) = converted_models()
    assert (model.name, model.source, model.folder) == (str(folder), Source.FOLDER, folder)


@pytest.mark.parametrize("is_gone", [False, True])
def test_a_removed_conversion_comes_back_and_the_file_stays(is_gone: bool, tmp_path: Path) -> None:
    file = GgufFile().write(tmp_path / "a.gguf")
    folder = convert(file)
    if is_gone:
        file.unlink()
    removed = move_to_trash(str(file))
    assert (converted_models(), removed.parent) == ([], conversions_trash())
    assert trashed_names() == [undo_name(removed)] == [str(file)]
    assert file.exists() is not is_gone
    assert bring_back(str(file)) == folder
    assert len(converted_models()) == 1


def test_a_file_that_is_not_converted_has_nothing_to_remove(tmp_path: Path) -> None:
    file = GgufFile().write(tmp_path / "a.gguf")
    with pytest.raises(ModelNotFoundError, match="is not converted, so there is nothing to remove"):
        move_to_trash(str(file))
    assert file.exists()


def test_emptying_the_trash_deletes_removed_conversions(tmp_path: Path) -> None:
    convert(GgufFile().write(tmp_path / "a.gguf"))
    move_to_trash(str(tmp_path / "a.gguf"))
    assert empty_trash() > 0
    assert not conversions_trash().exists()


def test_the_commands_list_a_conversion_and_lead_to_it(tmp_path: Path) -> None:
    file = GgufFile().write(tmp_path / "a.gguf")
    missing = run("models", "path", str(file), folder=tmp_path)
    assert (missing.code, missing.stdout) == (1, "")
    assert f"nothing is converted yet of {file}" in missing.stderr
    folder = convert(file)
    assert run("models", "path", str(file), folder=tmp_path).stdout == f"{folder}\n"
    assert run("models", "list", "--json", folder=tmp_path).lines[-1]["name"] == str(file)
    said = run("models", "rm", str(file), folder=tmp_path).stderr
    assert said.startswith(f"the conversion of {file} (")
    assert f"nlp-tui models rm --undo {file} brings it back" in said


def test_a_converted_file_keeps_the_licence_of_its_header(tmp_path: Path) -> None:
    licence = text("general.license") + struct.pack("<I", 8) + text("apache-2.0")
    file = GgufFile(more=licence, more_count=1).write(tmp_path / "a.gguf")
    folder = convert(file)
    facts = model_facts(resolve(str(file)))
    assert (facts.license, facts.file, facts.path) == ("apache-2.0", str(file), str(folder))
