"""`locate`: every path that the program uses, and what it is for."""

from __future__ import annotations

import argparse
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from core import locations
from core.models.hub.cache import hub_cache
from core.models.registry import STARTER_FOLDER
from core.models.trash import trash_folder
from core.text.visible import visible
from tui.commands.parser import Parser
from tui.commands.running import print_json


@dataclass(frozen=True, slots=True)
class KnownFolder:
    """One folder."""

    name: str
    path: str
    exists: bool
    purpose: str


def places() -> list[KnownFolder]:
    """Every folder that is read or written."""
    found: tuple[tuple[str, Path, str], ...] = (
        ("starters", STARTER_FOLDER, "the bundled models; only read"),
        ("hub cache", hub_cache(), "models from the Hugging Face hub (HF_HUB_CACHE, HF_HOME)"),
        ("trash", trash_folder(), "models that were removed from the hub cache"),
        ("cache", locations.cache_folder(), "what can be made again; may be deleted"),
        ("converted", locations.conversions_folder(), "gguf files as model folders, and the trash of those"),
        ("data", locations.data_folder(), "conversations"),
        ("state", locations.state_folder(), "journals of unfinished work"),
        ("config", locations.config_folder(), "settings; none are kept so far"),
        ("log", locations.log_folder(), "logs; none are written so far"),
    )
    return [KnownFolder(name, str(path), path.is_dir(), purpose) for name, path, purpose in found]


def add_arguments(parser: Parser) -> None:
    """Add none."""


def run(options: argparse.Namespace) -> int:
    """Print each folder."""
    for place in places():
        if options.json:
            print_json(asdict(place))
        else:
            there = "" if place.exists else " (not there yet)"
            print(visible(f"{place.name:<10} {place.path}{there}\n{'':<10} {place.purpose}", layout=True))
    return 0


def nearest_folder(path: str) -> Path:
    """The folder itself, or the nearest one above it that is there."""
    folder = Path(path)
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return folder


def is_writable(path: str) -> bool:
    """Whether something can be written there, or the folder be made."""
    return os.access(nearest_folder(path), os.W_OK | os.X_OK)
