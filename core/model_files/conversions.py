"""The gguf files that were converted: which they are, by the folders that keep them as ordinary models.

Only reads; `core.model_files.gguf_conversion` writes them.
"""

from __future__ import annotations

import os

from core.errors import EngineError
from core.locations import conversions_folder
from core.registry import ResolvedModel, Source, resolve

ORIGIN_FILE = "converted-from"
"""The file in a conversion's folder that holds the path of the gguf file."""


def converted_models() -> list[ResolvedModel]:
    """Every converted gguf file, by its path; when that file is gone or has changed, the folder of its conversion."""
    found: list[ResolvedModel] = []
    for note in sorted(conversions_folder().glob(f"*/{ORIGIN_FILE}")):
        try:
            model = resolve(os.fsdecode(note.read_bytes()))
        except (EngineError, OSError):
            model = None
        if model is None or model.folder != note.parent:
            model = ResolvedModel(str(note.parent), Source.FOLDER, note.parent)
        found.append(model)
    return sorted(found, key=lambda one: one.name)
