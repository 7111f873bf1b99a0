"""The one checkpoint of live distillation: what a stopped run needs. Only tensors and plain values are read."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from core.errors import EngineError, InputError, ModelFormatError
from core.locations import state_folder

_PARTS = {"settings", "measured", "seconds", "step", "student", "optimizer"}


def checkpoint_path() -> Path:
    """Where a stopped run waits."""
    return state_folder() / "distillation.pt"


def save_checkpoint(state: Mapping[str, Any]) -> Path:
    """Write a checkpoint beside the old one, then put it in its place.

    Raises:
        EngineError: it cannot be written; the old one is still there.
    """
    path = checkpoint_path()
    partial = path.with_suffix(".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(dict(state), partial)
        os.replace(partial, path)
    except (OSError, RuntimeError) as error:  # torch's zip writer reports a full disk as a RuntimeError
        partial.unlink(missing_ok=True)
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error).partition("\n")[0]
        raise EngineError(f"the checkpoint {path} cannot be written: {reason}", "make room for it") from None
    return path


def read_checkpoint() -> dict[str, Any]:
    """What `save_checkpoint` wrote.

    Raises:
        InputError: there is none.
        ModelFormatError: it cannot be read.
    """
    path = checkpoint_path()
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        is_whole = state.keys() >= _PARTS
    except FileNotFoundError:
        raise InputError("there is no stopped run to go on with", "start one first") from None
    except (OSError, RuntimeError, EOFError, ValueError, AttributeError, pickle.UnpicklingError):
        is_whole = False
    if not is_whole:
        raise ModelFormatError(f"{path} is no checkpoint that can be read", "start a new run")
    return state


def drop_checkpoint() -> None:
    """Take the checkpoint away."""
    checkpoint_path().unlink(missing_ok=True)
