"""gguf files become model folders once: whole or not at all, and anew when the file changes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from core.engine.networks import gguf_conversion
from core.engine.networks.gguf_conversion import PACKAGES, ready
from core.errors import EngineError, ModelFormatError, ModelTooLargeError
from core.locations import conversions_folder
from core.models.gguf_header import GgufHeader
from core.models.registry import ResolvedModel, Source, is_converted, resolve, weight_files
from tests.core.gguf_files import GgufFile
from tests.loaded import ignore_progress

needs_packages = pytest.mark.skipif(not all(map(find_spec, PACKAGES)), reason="needs pip install nlp-tui[gguf]")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A gguf file that is whole but means nothing."""
    return GgufFile().write(tmp_path / "tiny.gguf")


class Writer:
    """Stands in for transformers: writes a folder, and counts how often."""

    def __init__(self) -> None:
        self.times = 0
        self.fail: Exception | None = None

    def __call__(self, model: ResolvedModel, header: GgufHeader, folder: Path, progress: Callable[..., None]) -> None:
        self.times += 1
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        if self.fail is not None:
            raise self.fail
        (folder / "model.safetensors").write_bytes(header.architecture.encode())


@pytest.fixture
def writer(monkeypatch: pytest.MonkeyPatch) -> Writer:
    found = Writer()
    monkeypatch.setattr(gguf_conversion, "_write", found)
    monkeypatch.setattr(gguf_conversion, "find_spec", lambda name: object())
    return found


def test_a_gguf_file_is_a_model(file: Path) -> None:
    model = resolve(str(file))
    assert (model.source, model.file) == (Source.GGUF, file)
    assert weight_files(model) == [file]
    assert not is_converted(str(file))


def test_it_is_converted_once(file: Path, writer: Writer) -> None:
    model = ready(str(file), ignore_progress)
    assert ready(str(file), ignore_progress) == model
    assert writer.times == 1
    assert is_converted(str(file))
    assert weight_files(model) == [model.folder / "model.safetensors"]
    assert os.listdir(model.folder.parent) == [model.folder.name]


def test_a_changed_file_is_converted_anew_and_the_old_conversion_goes(file: Path, writer: Writer) -> None:
    old = ready(str(file), ignore_progress).folder
    GgufFile(architecture="qwen2").write(file)
    new = ready(str(file), ignore_progress).folder
    assert (new / "model.safetensors").read_bytes() == b"qwen2"
    assert new != old
    assert not old.exists()


def test_files_of_the_same_name_do_not_share_a_conversion(file: Path, writer: Writer) -> None:
    other = file.parent / "other" / file.name
    other.parent.mkdir()
    GgufFile().write(other)
    assert ready(str(file), ignore_progress).folder != ready(str(other), ignore_progress).folder
    assert len(list(conversions_folder().iterdir())) == 2


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), RuntimeError("bug")])
def test_a_conversion_that_fails_leaves_nothing(file: Path, writer: Writer, error: Exception) -> None:
    writer.fail = error
    with pytest.raises((EngineError, KeyboardInterrupt, RuntimeError)) as caught:
        ready(str(file), ignore_progress)
    assert list(conversions_folder().iterdir()) == []
    if isinstance(error, OSError):
        assert "cannot be kept in" in str(caught.value)
        assert "No space left on device" in str(caught.value)
    writer.fail = None
    assert ready(str(file), ignore_progress).folder.is_dir()


def test_what_a_killed_conversion_left_goes_after_a_day(file: Path, writer: Writer) -> None:
    old, fresh = (conversions_folder() / f".unfinished-{name}" for name in ("old", "fresh"))
    for folder in (old, fresh):
        folder.mkdir(parents=True)
    os.utime(old, (0, time.time() - 25 * 3600))
    ready(str(file), ignore_progress)
    assert not old.exists()
    assert fresh.exists()


def test_missing_packages_are_one_line_with_the_command(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf_conversion, "find_spec", lambda name: None)
    with pytest.raises(
        ModelFormatError, match=r'takes gguf and accelerate to read. hint: .*pip install "nlp-tui\[gguf\]"'
    ):
        ready(str(file), ignore_progress)


def test_a_broken_file_is_refused_before_anything_is_made(file: Path, writer: Writer) -> None:
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ModelFormatError, match="cut short"):
        ready(str(file), ignore_progress)
    assert writer.times == 0
    assert not conversions_folder().exists()


def test_a_file_too_large_for_memory_is_refused_before_it_is_unpacked(
    file: Path, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.engine.networks.fit.free_bytes", lambda: 200_000_100)
    with pytest.raises(ModelTooLargeError, match="needs 0 MB of memory in float32"):
        ready(str(file), ignore_progress)
    assert writer.times == 0


def test_a_full_disk_is_told_before_it_is_unpacked(file: Path, writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr("core.engine.networks.gguf_conversion.shutil.disk_usage", lambda path: usage)
    with pytest.raises(EngineError, match="takes 0 MB, 0 MB are free in"):
        ready(str(file), ignore_progress)
    assert writer.times == 0


def test_transformers_counts_what_it_unpacks_with_its_module_s_own_tqdm() -> None:
    from transformers import modeling_gguf_pytorch_utils as unpacking
    from transformers.utils import logging

    names = vars(unpacking)
    bar = names["tqdm"]
    assert bar is not logging.tqdm  # which takes a hook
    assert "tqdm" in unpacking.load_gguf_checkpoint.__code__.co_names
    shares: list[float] = []
    with gguf_conversion._counting(shares.append):
        assert list(names["tqdm"](iter("ab"), desc="unpacking")) == ["a", "b"]
    assert shares == [0, 0.5]
    assert names["tqdm"] is bar


@needs_packages
def test_a_file_that_transformers_does_not_know_is_one_line(tmp_path: Path) -> None:
    file = GgufFile(architecture="nosuchthing").write(tmp_path / "odd.gguf")
    with pytest.raises(ModelFormatError, match=r"odd\.gguf cannot be loaded") as caught:
        ready(str(file), ignore_progress)
    assert "\n" not in str(caught.value)
    assert list(conversions_folder().iterdir()) == []


def test_memory_is_given_back_when_a_conversion_ends(
    file: Path, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    monkeypatch.setattr(gguf_conversion, "give_back", lambda: calls.append("given back"))
    ready(str(file), ignore_progress)
    assert calls == ["given back"]
