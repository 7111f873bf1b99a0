"""Where a run's numbers come from: hashes of weights and tokenizer, versions of the programs."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from core.errors import EngineError
from core.messages.records import Provenance
from core.models.registry import ResolvedModel, weight_files

_PACKAGES = ("nlp-tui", "torch", "tokenizers", "transformers", "textual")
_TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "merges.txt", "vocab.txt")

_PIECE_BYTES = 2**26

_known: dict[tuple[Path, int, int], str] = {}
"""Hashes by path, size and time of change."""


def provenance(model: ResolvedModel) -> Provenance:
    """What a run with this model must be told apart by.

    Raises:
        ModelFormatError: as `registry.weight_files`.
        OSError: a file cannot be read.
    """
    tokenizer = [model.folder / name for name in _TOKENIZER_FILES if (model.folder / name).is_file()]
    return Provenance(
        weights=sha256(weight_files(model)),
        tokenizer=sha256(tokenizer),
        versions=(f"python {platform.python_version()}", *filter(None, map(_version, _PACKAGES))),
    )


def hash_ahead(model: ResolvedModel) -> Iterator[str]:
    """Hash a model's weights a piece at a time, so that the first run that asks need not wait; yields after each.

    What cannot be read is left to be reported by whoever needs it.
    """
    try:
        for path in weight_files(model):
            key = _key(path)
            if key in _known:
                continue
            running = hashlib.sha256()
            with path.open("rb") as file:
                while piece := file.read(_PIECE_BYTES):
                    running.update(piece)
                    yield path.name
            _known[key] = running.hexdigest()
    except (OSError, EngineError):
        return


def sha256(files: Sequence[Path]) -> str:
    """One SHA-256 over files' contents, in the order of their names; of a file hashed before, from memory."""
    parts = [_file_hash(path) for path in sorted(files)]
    return parts[0] if len(parts) == 1 else hashlib.sha256("".join(parts).encode()).hexdigest()


def _file_hash(path: Path) -> str:
    key = _key(path)
    if key not in _known:
        with path.open("rb") as file:
            _known[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return _known[key]


def _key(path: Path) -> tuple[Path, int, int]:
    state = path.stat()
    return path, state.st_size, state.st_mtime_ns


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return ""
