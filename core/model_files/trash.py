"""Removing a model of the cache so that it can be brought back: it moves to a folder inside the cache, on its disk.

One removed copy is kept of each model. Only `empty_trash` gives space back.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from core.errors import EngineError, InputError, ModelNotFoundError
from core.hub.cache import cached_entries, entry_name, hub_cache, split_revision
from core.registry import STARTERS

_TRASH = ".nlp-tui-trash"


def trash_folder() -> Path:
    """Where removed models lie; it may not be there."""
    return hub_cache() / _TRASH


def move_to_trash(name: str) -> Path:
    """Remove a model, all its revisions, from the cache.

    Returns:
        Where it lies now.

    Raises:
        InputError: it is no whole model of the cache: a starter, a folder, one revision.
        ModelNotFoundError: it is not in the cache.
        EngineError: it cannot be moved.
    """
    entry = _entry_to_remove(name)
    target = trash_folder() / entry.name
    try:
        target.parent.mkdir(exist_ok=True)
        if target.exists():  # an older copy
            shutil.rmtree(target)
        entry.rename(target)
    except OSError as error:
        raise _cannot_move(name, error) from None
    return target


def bring_back(name: str) -> Path:
    """Put a removed model back into the cache.

    Returns:
        Where it lies now.

    Raises:
        ModelNotFoundError: it is not in the trash.
        InputError: the cache has one of this name again.
        EngineError: it cannot be moved.
    """
    removed = trash_folder() / entry_name(split_revision(name)[0])
    target = hub_cache() / removed.name
    if not removed.is_dir():
        names = ", ".join(trashed_names()) or "nothing"
        raise ModelNotFoundError(f"{name!r} is not in the trash", f"in it: {names}")
    if target.exists():
        raise InputError(f"{name} is in the cache again", f"remove that one first: nlp-tui models rm {name}")
    try:
        removed.rename(target)
    except OSError as error:
        raise _cannot_move(name, error) from None
    return target


def trashed_names() -> list[str]:
    """The models in the trash."""
    if not trash_folder().is_dir():
        return []
    return sorted(path.name.removeprefix("models--").replace("--", "/") for path in trash_folder().iterdir())


def trash_bytes() -> int:
    """What emptying the trash would free."""
    return folder_bytes(trash_folder())


def empty_trash() -> int:
    """Delete what is in the trash for good; returns the bytes freed.

    Raises:
        EngineError: something cannot be deleted.
    """
    freed = trash_bytes()
    if trash_folder().is_dir():
        try:
            shutil.rmtree(trash_folder())
        except OSError as error:
            reason = error.strerror or str(error)
            raise EngineError(
                f"the trash {trash_folder()} cannot be emptied: {reason}", "check its permissions"
            ) from None
    return freed


def folder_bytes(folder: Path) -> int:
    """What the files of a folder take on disk; links to them count once."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            status = os.lstat(os.path.join(root, name))
            total += status.st_size // (status.st_nlink if status.st_nlink > 1 else 1)
    return total


def _entry_to_remove(name: str) -> Path:
    repository, revision = split_revision(name)
    if name in STARTERS:
        raise InputError(f"{name} is bundled and stays", "only models of the Hugging Face cache can be removed")
    entries = cached_entries(repository)
    if not entries:
        raise ModelNotFoundError(
            f"{name!r} is not in the Hugging Face cache {hub_cache()}",
            "nlp-tui models list shows what is; folders of yours are yours to delete",
        )
    if revision:
        raise InputError(f"{name} is one revision", f"all of them go together: nlp-tui models rm {repository}")
    return entries[0]


def _cannot_move(name: str, error: OSError) -> EngineError:
    return EngineError(f"{name} cannot be moved: {error.strerror or error}", f"check the permissions of {hub_cache()}")
