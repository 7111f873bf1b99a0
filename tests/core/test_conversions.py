"""Which gguf files were converted, as the list of models shows them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.model_files.conversions import ORIGIN_FILE, converted_models
from core.registry import Source, resolve
from tests.core.gguf_files import GgufFile


@pytest.fixture(autouse=True)
def own_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A place for conversions, of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


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
