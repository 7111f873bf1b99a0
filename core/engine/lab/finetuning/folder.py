"""The folder of a fine-tuned model: what may be written there, its checkpoint, and the finished model in one piece.

Invariant: a folder with a `config.json` holds a whole model. Whatever interrupts a save, what is left is the old
model, no model, or the new one; a checkpoint is the old one or the new one. Only tensors and plain values are read.
"""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from core.errors import EngineError, InputError, ModelFormatError
from core.models.registry import STARTER_FOLDER

CHECKPOINT = ".checkpoint"
_STATE = "state.pt"
_SAVING = ".saving"
_MODEL_FILES = (
    *("config.json", "*.safetensors", "*.safetensors.index.json", "tokenizer.json", "tokenizer_config.json"),
    *("special_tokens_map.json", "added_tokens.json", "vocab.txt", "vocab.json", "merges.txt", "README.md"),
)
"""What a model folder is made of, as patterns; the config first."""

_INDEX = "model.safetensors.index.json"
"""Where it stands, `model.safetensors` is not read."""

_UNREADABLE = (pickle.UnpicklingError, EOFError, LookupError, ValueError, TypeError, AttributeError)
"""What a file that is no checkpoint makes `torch.load` raise."""


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """Where a model is being made."""

    path: Path

    @classmethod
    def of(cls, out: str, *, resume: bool, overwrite: bool) -> ModelFolder:
        """The folder of this name, which need not be there yet.

        Raises:
            InputError: it holds something that was not agreed to be replaced, or nothing to go on from.
        """
        if not out.strip():
            raise InputError("the folder for the model is missing", "name one, for example with --out my-model")
        folder = cls(_resolved(out))
        if folder.path.is_relative_to(STARTER_FOLDER.resolve()):
            raise InputError(f"{out} belongs to the bundled starters", "choose another folder")
        if folder.path.exists() and not folder.path.is_dir():
            raise InputError(f"{out} is a file, not a folder", "choose another folder")
        if resume and not folder.has_checkpoint:
            done = "holds a finished model" if folder.has_model else "holds no checkpoint"
            raise InputError(f"{out} {done}, so there is nothing to go on with", "leave out --resume")
        if not (resume or overwrite) and folder.has_checkpoint:
            raise InputError(f"{out} holds an unfinished run", "go on with --resume, or start again with --overwrite")
        if not (resume or overwrite) and folder.path.exists() and any(folder.path.iterdir()):
            held = "a model" if folder.has_model else "other files"
            raise InputError(f"{out} already holds {held}", "choose another folder, or replace it with --overwrite")
        return folder

    @property
    def has_model(self) -> bool:
        """Whether there is a finished model."""
        return (self.path / "config.json").exists()

    @property
    def has_checkpoint(self) -> bool:
        """Whether there is a run to go on with."""
        return (self.path / CHECKPOINT / _STATE).exists()

    def prepare(self, *, resume: bool) -> None:
        """Make the folder, see that it can be written, and drop the checkpoint of an earlier run unless it is needed.

        Raises:
            EngineError: it cannot be written.
        """
        checkpoint = self.path / CHECKPOINT
        try:
            if not resume:
                shutil.rmtree(checkpoint, ignore_errors=True)
            checkpoint.mkdir(parents=True, exist_ok=True)
            (checkpoint / "probe").write_bytes(b"")
            (checkpoint / "probe").unlink()
        except OSError as error:
            raise EngineError(
                f"{self.path} cannot be written: {error.strerror}", "choose a folder that is yours"
            ) from None

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        """Write a checkpoint beside the old one, then put it in its place.

        Raises:
            EngineError: it cannot be written; the old one is still there.
        """
        path = self.path / CHECKPOINT / _STATE
        partial = path.with_suffix(".partial")
        try:
            torch.save(dict(state), partial)
            os.replace(partial, path)
        except (OSError, RuntimeError) as error:  # torch's zip writer reports a full disk as a RuntimeError
            partial.unlink(missing_ok=True)
            raise self._cannot_save("the checkpoint", error) from None

    def read_checkpoint(self) -> dict[str, Any]:
        """What `save_checkpoint` wrote.

        Raises:
            ModelFormatError: it cannot be read.
        """
        path = self.path / CHECKPOINT / _STATE
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            whole = {"settings", "rows", "step"} <= state.keys()
        except (OSError, RuntimeError, *_UNREADABLE):
            whole = False
        if not whole:
            raise ModelFormatError(f"{path} cannot be read", "start again with --overwrite")
        return state

    def save_model(self, write: Callable[[Path], None]) -> None:
        """Put a model into the folder, in the place of the one that may be there, and drop the checkpoint.

        Args:
            write: writes every file of the model, flat, into the folder it is given.

        Raises:
            EngineError: it cannot be written; what was there is still there.
        """
        staging = self.path / _SAVING
        try:
            shutil.rmtree(staging, ignore_errors=True)
            staging.mkdir()
            write(staging)
            self._remove_model()
            for file in sorted(staging.iterdir(), key=lambda file: file.name == "config.json"):
                os.replace(file, self.path / file.name)
            staging.rmdir()
        except (OSError, SafetensorError) as error:
            shutil.rmtree(staging, ignore_errors=True)
            raise self._cannot_save("the model", error) from None
        shutil.rmtree(self.path / CHECKPOINT, ignore_errors=True)

    def discard_if_empty(self) -> None:
        """Take back the folders that a run made and left nothing in."""
        for folder in (self.path / CHECKPOINT, self.path):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def _remove_model(self) -> None:
        """Take the old model away, its `config.json` first: from then on there is none."""
        for pattern in _MODEL_FILES if self.has_model else (_INDEX,):
            for file in self.path.glob(pattern):
                file.unlink()

    def _cannot_save(self, what: str, error: Exception) -> EngineError:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error).partition("\n")[0]
        hint = "make room or mend the permissions, then go on with --resume"
        if not self.has_checkpoint:
            hint = "make room or mend the permissions, then run it again"
        return EngineError(f"{what} cannot be written to {self.path}: {reason}", hint)


def _resolved(out: str) -> Path:
    try:
        return Path(out).expanduser().resolve()
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: `~name` of a user there is not
        raise InputError(f"{out!r} is no folder's name: {error}", "choose another folder") from None
