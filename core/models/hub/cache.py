"""The Hugging Face cache on disk: where it is, and which folder a hub name at a revision leads to.

Reads folders and references only, never a model, and opens no connection. The layout is huggingface_hub's: an entry
`models--org--name` with `blobs` named by their hashes, `snapshots` of links to them by commit, and `refs` that say
which commit a branch or tag stood at.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

MAIN = "main"
"""The revision that a bare name means."""

ORGANISATIONS = {
    "gpt2": "openai-community",
    "bert-base-uncased": "google-bert",
    "bert-base-cased-finetuned-mrpc": "google-bert",
    "distilbert-base-uncased-finetuned-sst-2-english": "distilbert",
}
"""Under whom the hub keeps the course's models today; their old short names lead there."""

_ENTRY = "models--"
_ABBREVIATED_COMMIT = re.compile("[0-9a-f]{7,40}")


def hub_cache() -> Path:
    """The folder in which huggingface_hub keeps its models, from the environment it reads itself."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if os.environ.get(variable):
            return Path(os.path.expandvars(os.environ[variable])).expanduser()
    if os.environ.get("HF_HOME"):
        return Path(os.path.expandvars(os.environ["HF_HOME"])).expanduser() / "hub"
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "huggingface" / "hub"


def split_revision(name: str) -> tuple[str, str]:
    """A name as it is given, `gpt2` or `gpt2@v1`, as the hub's name and the revision; "" where none is given."""
    repository, _, revision = name.partition("@")
    return repository, revision


def entry_name(repository: str) -> str:
    """What the cache calls the folder of a model."""
    return f"{_ENTRY}{repository.replace('/', '--')}"


def repository_name(entry: str) -> str:
    """The model that the cache calls so."""
    return entry.removeprefix(_ENTRY).replace("--", "/")


def full_names(repository: str) -> list[str]:
    """The names under which the hub has had a model: a short name of the course and its full one, else the name."""
    names = [repository]
    if repository in ORGANISATIONS:
        names.append(f"{ORGANISATIONS[repository]}/{repository}")
    return names


def cached_entries(repository: str) -> list[Path]:
    """The folders of a model in the cache, whatever of it is there.

    A short name of the course is found under the name that the hub has for it today, too.
    """
    folders = [hub_cache() / entry_name(name) for name in full_names(repository) if name]
    return [folder for folder in folders if folder.is_dir()]


def cached_snapshot(name: str) -> Path | None:
    """The cached files of a hub model, or None when it was never downloaded whole.

    Args:
        name: `org/name` for its main revision, `org/name@revision` for a branch, a tag or a commit (also a short one).
    """
    repository, revision = split_revision(name)
    for entry in cached_entries(repository):
        commit = _commit(entry, revision or MAIN)
        if commit is not None and (entry / "snapshots" / commit / "config.json").exists():
            return entry / "snapshots" / commit
    return None


def cached_snapshots() -> Iterator[tuple[str, Path]]:
    """Every model of the cache with its files, once for each revision, by name; broken entries are left out.

    Raises:
        OSError: the cache itself cannot be read.
    """
    try:
        entries = [path.name for path in hub_cache().iterdir() if path.name.startswith(_ENTRY)]
    except (FileNotFoundError, NotADirectoryError):
        return
    for repository in sorted(map(repository_name, entries)):
        for name in _names(repository):
            try:
                snapshot = cached_snapshot(name)
            except (OSError, ValueError):
                continue
            if snapshot is not None:
                yield name, snapshot


def _names(repository: str) -> list[str]:
    """The model's name for its main revision, and one with `@` for each other."""
    entry = hub_cache() / entry_name(repository)
    try:
        refs = sorted(path.relative_to(entry / "refs").as_posix() for path in (entry / "refs").rglob("*"))
        commits = {_commit(entry, ref) for ref in refs}
        unnamed = sorted(path.name[:12] for path in (entry / "snapshots").iterdir() if path.name not in commits)
    except (OSError, ValueError):
        return [repository]
    others = [ref for ref in refs if ref != MAIN and (entry / "refs" / ref).is_file()]
    return [*([repository] if MAIN in refs else []), *(f"{repository}@{name}" for name in (*others, *unnamed))]


def _commit(entry: Path, revision: str) -> str | None:
    """The commit that a revision stands at in the cache."""
    if any(part in ("", ".", "..") for part in revision.split("/")):
        return None
    reference = entry / "refs" / revision
    if reference.is_file():
        commit = reference.read_text(encoding="utf-8").strip()
        return None if "/" in commit or commit in ("", ".", "..") else commit
    if not _ABBREVIATED_COMMIT.fullmatch(revision) or not (entry / "snapshots").is_dir():
        return None
    found = [path.name for path in (entry / "snapshots").iterdir() if path.name.startswith(revision)]
    return found[0] if len(found) == 1 else None
