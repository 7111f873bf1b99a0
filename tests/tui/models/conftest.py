"""The Models screen under test: opened, with a cache of its own, and with the hub of the download's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hub.conftest import cache, gpt2_files, hub, sharded_files  # noqa: F401  fixtures

Files = dict[str, bytes]


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Hugging Face cache, and a folder of conversions, for one test."""
    folder = tmp_path / "own-cache"
    folder.mkdir()
    monkeypatch.setenv("HF_HUB_CACHE", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg-cache"))
    return folder


@pytest.fixture
def gpt2_in_cache(own_cache: Path, gpt2_folder: Path) -> Path:
    """The tiny GPT-2 as `org/tiny` in the cache; returns its snapshot."""
    from tests.tui.models.opening import put_into_cache

    return put_into_cache(own_cache, "org/tiny", gpt2_folder)
