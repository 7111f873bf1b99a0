"""Whether a model's files are still what they were: their hashes beside those that the hub or this program gave them.

The cache names its blobs by the hub's hashes, so they can be checked without a network. Loads nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from core.errors import InputError, ModelFormatError
from core.models.hub.hashes import content_hash, is_hash
from core.models.registry import ResolvedModel, Source, weight_files

CHECKSUMS_FILE = "SHA256SUMS"
"""In each starter's folder, in the format of `sha256sum`."""


class FileState(StrEnum):
    """What a check says."""

    OK = "ok"
    DAMAGED = "damaged"
    MISSING = "missing"
    UNCHECKED = "unchecked"
    """Nobody has noted what its hash should be."""


@dataclass(frozen=True, slots=True)
class FileCheck:
    """One file of a model."""

    file: str
    state: FileState
    size_bytes: int
    expected: str
    """The hash it should have; empty when nobody knows."""
    found: str
    """The hash it has; empty when it is not there or not checked."""


OnRead = Callable[[int], None]


def ignore_read(count: int) -> None:
    """For those who need no progress."""


def check_files(model: ResolvedModel, on_read: OnRead = ignore_read) -> Iterator[FileCheck]:
    """Check the files of a starter (its weights) or of a cached model (all of them).

    Args:
        model: as `registry.resolve` gives it.
        on_read: told how many bytes were read just now; what it raises ends the check.

    Raises:
        InputError: the model is a folder or file of the user's, with nothing to compare with.
        ModelFormatError: the checksums or the weights themselves are not there.
    """
    match model.source:
        case Source.STARTER:
            yield from _check_starter(model, on_read)
        case Source.CACHE:
            yield from _check_snapshot(model, on_read)
            weight_files(model)
        case Source.FOLDER | Source.GGUF:
            raise InputError(
                f"{model.name} has no hashes to compare with", "only starters and models of the hub can be verified"
            )


def read_checksums(folder: Path) -> dict[str, str]:
    """The SHA-256 of files by name, as a folder's own list says.

    Raises:
        ModelFormatError: there is no list, or it is broken.
    """
    path = folder / CHECKSUMS_FILE
    try:
        rows = [line.split(maxsplit=1) for line in path.read_text(encoding="utf-8").splitlines()]
        return {name: digest for digest, name in rows}
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ModelFormatError(f"{path} cannot be used: {reason}", "install nlp-tui again") from None


def _check_starter(model: ResolvedModel, on_read: OnRead) -> Iterator[FileCheck]:
    for path in weight_files(model):
        expected = read_checksums(path.parent).get(path.name, "")
        yield _check(path, os.path.relpath(path, model.folder.resolve()), expected, on_read)


def _check_snapshot(model: ResolvedModel, on_read: OnRead) -> Iterator[FileCheck]:
    """Each file of a snapshot leads to a blob, by a symbolic link or, where there are none, a hard one."""
    by_inode = _blobs_by_inode(model.folder.parent.parent / "blobs")
    for path in sorted(model.folder.rglob("*")):
        if path.is_dir():
            continue
        blob = Path(os.readlink(path)).name if path.is_symlink() else by_inode.get(path.stat().st_ino, "")
        yield _check(path, path.relative_to(model.folder).as_posix(), blob if is_hash(blob) else "", on_read)


def _blobs_by_inode(folder: Path) -> dict[int, str]:
    return {path.stat().st_ino: path.name for path in folder.iterdir()} if folder.is_dir() else {}


def _check(path: Path, name: str, expected: str, on_read: OnRead) -> FileCheck:
    try:
        size_bytes = path.stat().st_size
        found = content_hash(path, expected, on_read) if expected else ""
    except OSError:
        return FileCheck(name, FileState.MISSING, 0, expected, "")
    state = FileState.UNCHECKED if not expected else FileState.OK if found == expected else FileState.DAMAGED
    return FileCheck(name, state, size_bytes, expected, found)
