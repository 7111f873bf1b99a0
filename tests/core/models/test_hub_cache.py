"""Where a hub name at a revision leads in the cache; everything here is made by hand, nothing is downloaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.models.hub.cache import cached_snapshot, cached_snapshots, hub_cache

OLD, NEW = "0123456789abcdef" + "0" * 24, "fedcba9876543210" + "0" * 24


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Hugging Face cache of this test's own."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def cache_model(cache: Path, name: str, commit: str, *references: str) -> Path:
    """A snapshot, with references that stand at it."""
    entry = cache / f"models--{name.replace('/', '--')}"
    snapshot = entry / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}", encoding="utf-8")
    for reference in references:
        path = entry / "refs" / reference
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(commit, encoding="utf-8")
    return snapshot


@pytest.mark.parametrize("revision", ["v2", "refs/pr/1", NEW, NEW[:7]])
def test_a_revision_is_a_branch_a_tag_or_a_commit(revision: str, cache: Path) -> None:
    cache_model(cache, "org/name", OLD, "main")
    snapshot = cache_model(cache, "org/name", NEW, "v2", "refs/pr/1")
    assert cached_snapshot(f"org/name@{revision}") == snapshot


def test_a_bare_name_is_main(cache: Path) -> None:
    main = cache_model(cache, "org/name", OLD, "main")
    cache_model(cache, "org/name", NEW, "v2")
    assert cached_snapshot("org/name") == cached_snapshot("org/name@main") == main


@pytest.mark.parametrize("revision", ["v3", "f", "fedcba", "../../x", "refs", "a//b", ".", "..", "/etc", ""])
def test_any_other_revision_leads_nowhere(revision: str, cache: Path) -> None:
    cache_model(cache, "org/name", NEW, "refs/pr/1")
    assert cached_snapshot(f"org/name@{revision}") is None


def test_a_short_commit_that_two_begin_with_leads_nowhere(cache: Path) -> None:
    cache_model(cache, "org/name", "a" * 40)
    cache_model(cache, "org/name", "a" * 39 + "b")
    assert cached_snapshot("org/name@aaaaaaa") is None


@pytest.mark.parametrize("content", ["../../../elsewhere", "..", ""])
def test_a_reference_cannot_lead_out_of_its_entry(content: str, cache: Path, tmp_path: Path) -> None:
    cache_model(cache, "org/name", NEW, "main")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "config.json").write_text("{}")
    (cache / "models--org--name" / "refs" / "main").write_text(content)
    assert cached_snapshot("org/name") is None


def test_every_revision_is_listed_once_by_a_name_that_leads_to_it(cache: Path) -> None:
    cache_model(cache, "org/name", OLD, "main")
    cache_model(cache, "org/name", NEW, "v2", "refs/pr/1")
    cache_model(cache, "org/name", "c" * 40)
    cache_model(cache, "org/other", OLD)
    (cache / ".locks").mkdir()
    found = dict(cached_snapshots())
    names = ["org/name", "org/name@refs/pr/1", "org/name@v2", f"org/name@{'c' * 12}", f"org/other@{OLD[:12]}"]
    assert list(found) == names
    assert all(cached_snapshot(name) == snapshot for name, snapshot in found.items())


def test_the_short_name_of_a_course_model_finds_its_full_one_and_prefers_its_own(cache: Path) -> None:
    full = cache_model(cache, "openai-community/gpt2", OLD, "main")
    assert cached_snapshot("gpt2") == full
    (cache / "models--gpt2" / "blobs").mkdir(parents=True)  # a download that is not finished
    assert cached_snapshot("gpt2") == full
    own = cache_model(cache, "gpt2", NEW, "main")
    assert cached_snapshot("gpt2") == own
    assert cached_snapshot("org/gpt2") is None


def test_the_environment_may_hold_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIG_DISK", "/big")
    monkeypatch.setenv("HF_HUB_CACHE", "$BIG_DISK/hub")
    assert hub_cache() == Path("/big/hub")


def test_the_cache_is_where_the_library_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for variables in ({"HUGGINGFACE_HUB_CACHE": "/a"}, {"HF_HOME": "/b"}, {"XDG_CACHE_HOME": "/c"}, {"HOME": "/d"}):
        for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        code = "from huggingface_hub import constants; print(constants.HF_HUB_CACHE)"
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=True)
        assert str(hub_cache()) == said.stdout.strip()
