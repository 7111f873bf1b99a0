"""Removing a model of the cache so that it can be brought back: it moves to a folder inside the cache, on its disk.

Of a gguf file the conversion goes, to a folder beside the other conversions; the file itself is the user's and is left
alone. One removed copy is kept of each model. Only `empty_trash` gives space back.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from core.errors import EngineError, InputError, ModelNotFoundError
from core.locations import conversions_folder
from core.models.conversions import conversions_in, find_conversion, origin_of
from core.models.hub.cache import cached_entries, entry_name, full_names, hub_cache, repository_name, split_revision
from core.models.registry import STARTERS

_TRASH = ".nlp-tui-trash"


def trash_folder() -> Path:
    """Where removed models of the Hugging Face cache lie; it may not be there."""
    return hub_cache() / _TRASH


def conversions_trash() -> Path:
    """Where removed conversions of gguf files lie; it may not be there."""
    return conversions_folder() / _TRASH


def move_to_trash(name: str) -> Path:
    """Remove a model, all its revisions, from the cache; of a gguf file, its conversion alone.

    Returns:
        Where it lies now.

    Raises:
        InputError: it is no whole model of the cache: a starter, a folder, one revision.
        ModelNotFoundError: it is not in the cache, or not converted.
        EngineError: it cannot be moved.
    """
    conversion = find_conversion(name, conversions_folder()) if _is_path(name) else None
    removed = conversion or _entry_to_remove(name)
    target = (conversions_trash() if conversion else trash_folder()) / removed.name
    try:
        target.parent.mkdir(exist_ok=True)
        if target.exists():  # an older copy
            shutil.rmtree(target)
        removed.rename(target)
    except OSError as error:
        raise _cannot_move(name, error) from None
    return target


def bring_back(name: str) -> Path:
    """Put back a removed model, by the name that removed it or the one it has in the trash.

    Returns:
        Where it lies now.

    Raises:
        ModelNotFoundError: it is not in the trash.
        InputError: the cache has one of this name again.
        EngineError: it cannot be moved.
    """
    conversion = find_conversion(name, conversions_trash()) if _is_path(name) else None
    removed = conversion or _removed_entry(name)
    if removed is None:
        names = ", ".join(trashed_names()) or "nothing"
        raise ModelNotFoundError(f"{name!r} is not in the trash", f"in it: {names}")
    target = removed.parent.parent / removed.name
    if target.exists():
        place = "converted" if conversion else "in the cache"
        raise InputError(f"{name} is {place} again", f"remove that one first: nlp-tui models rm {name}")
    try:
        removed.rename(target)
    except OSError as error:
        raise _cannot_move(name, error) from None
    return target


def trashed_names() -> list[str]:
    """The models in the trash: names of the hub, and files whose conversions they are."""
    files = [origin_of(folder) for folder in conversions_in(conversions_trash())]
    if not trash_folder().is_dir():
        return files
    return sorted(repository_name(path.name) for path in trash_folder().iterdir()) + files


def undo_name(folder: Path) -> str:
    """The name that brings back what lies in a folder of the trash."""
    return origin_of(folder) if folder.parent == conversions_trash() else repository_name(folder.name)


def trash_bytes() -> int:
    """What emptying the trash would free."""
    return folder_bytes(trash_folder()) + folder_bytes(conversions_trash())


def empty_trash() -> int:
    """Delete what is in the trash for good; returns the bytes freed.

    Raises:
        EngineError: something cannot be deleted.
    """
    freed = trash_bytes()
    for place in (trash_folder(), conversions_trash()):
        if not place.is_dir():
            continue
        try:
            shutil.rmtree(place)
        except OSError as error:
            reason = error.strerror or str(error)
            raise EngineError(f"the trash {place} cannot be emptied: {reason}", "check its permissions") from None
    return freed


def folder_bytes(folder: Path) -> int:
    """What the files of a folder take on disk; links to them count once."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            status = os.lstat(os.path.join(root, name))
            total += status.st_size // (status.st_nlink if status.st_nlink > 1 else 1)
    return total


def _is_path(name: str) -> bool:
    """Whether a name can only be that of a file or a folder."""
    return name.lower().endswith(".gguf") or name.startswith((".", "/", "~"))


def _removed_entry(name: str) -> Path | None:
    candidates = [trash_folder() / entry_name(one) for one in full_names(split_revision(name)[0])]
    return next((folder for folder in candidates if folder.is_dir()), None)


def _entry_to_remove(name: str) -> Path:
    repository, revision = split_revision(name)
    if name in STARTERS:
        raise InputError(f"{name} is bundled and stays", "only models of the Hugging Face cache can be removed")
    if name.lower().endswith(".gguf"):
        raise ModelNotFoundError(
            f"{name} is not converted, so there is nothing to remove", "the file is yours to delete"
        )
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
    return EngineError(
        f"{name} cannot be moved: {error.strerror or error}",
        f"check the permissions of {hub_cache() if not _is_path(name) else conversions_folder()}",
    )
