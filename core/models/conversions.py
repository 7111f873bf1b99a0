"""The gguf files that were converted: which they are, by the folders that keep them as ordinary models.

Only reads; `core.engine.networks.gguf_conversion` writes them, and `core.models.trash` takes them away.
"""

from __future__ import annotations

import os
from pathlib import Path

from core.errors import EngineError
from core.locations import conversions_folder
from core.models.registry import ResolvedModel, Source, resolve

ORIGIN_FILE = "converted-from"
"""The file in a conversion's folder that holds the path of the gguf file."""


def converted_models() -> list[ResolvedModel]:
    """Every converted gguf file, by its path; when that file is gone or has changed, the folder of its conversion."""
    found: list[ResolvedModel] = []
    for folder in conversions_in(conversions_folder()):
        try:
            model = resolve(origin_of(folder))
        except (EngineError, OSError):
            model = None
        if model is None or model.folder != folder:
            model = ResolvedModel(str(folder), Source.FOLDER, folder)
        found.append(model)
    return sorted(found, key=lambda one: one.name)


def conversions_in(place: Path) -> list[Path]:
    """The folders of conversions that a place holds, by name."""
    return sorted(note.parent for note in place.glob(f"*/{ORIGIN_FILE}"))


def origin_of(folder: Path) -> str:
    """The path of the gguf file that a folder was made from."""
    return os.fsdecode((folder / ORIGIN_FILE).read_bytes())


def find_conversion(name: str, place: Path) -> Path | None:
    """The conversion of a gguf file in a place; None when there is none.

    Args:
        name: the path of the file, which may be gone, or of the conversion's own folder.
        place: `locations.conversions_folder()`, or its trash.
    """
    given = Path(name).expanduser()
    path = given.parent.resolve() / given.name
    known = conversions_in(place)
    try:
        current = resolve(name).folder.name
    except EngineError:
        current = ""
    for folder in known:
        if folder.name == current or path == folder:
            return folder
    return next((folder for folder in known if origin_of(folder) in (name, str(given.absolute()), str(path))), None)
