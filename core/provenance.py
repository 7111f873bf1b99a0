"""Where a run's numbers come from: hashes of weights and tokenizer, versions of the programs."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from core.records import Provenance
from core.registry import ResolvedModel, weight_files

_PACKAGES = ("nlp-tui", "torch", "tokenizers", "transformers", "textual")
_TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "merges.txt", "vocab.txt")

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


def sha256(files: Sequence[Path]) -> str:
    """One SHA-256 over files' contents, in the order of their names; of a file hashed before, from memory."""
    parts = [_file_hash(path) for path in sorted(files)]
    return parts[0] if len(parts) == 1 else hashlib.sha256("".join(parts).encode()).hexdigest()


def _file_hash(path: Path) -> str:
    state = path.stat()
    key = (path, state.st_size, state.st_mtime_ns)
    if key not in _known:
        with path.open("rb") as file:
            _known[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return _known[key]


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return ""
