"""The folder of a trained model: what may be written there, its checkpoint, and the finished model in one piece.

Invariant: a folder with a `config.json` holds a whole model. Whatever interrupts a save, what is left is the old
model, no model, or the new one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from core.engine.lab.training.checkpoint import NOT_WRITTEN, Checkpoint, reason
from core.errors import EngineError, InputError
from core.models.registry import STARTER_FOLDER

CHECKPOINT = ".checkpoint"
_SAVING = ".saving"
_MODEL_FILES = (
    *("config.json", "*.safetensors", "*.safetensors.index.json", "tokenizer.json", "tokenizer_config.json"),
    *("special_tokens_map.json", "added_tokens.json", "vocab.txt", "vocab.json", "merges.txt", "README.md"),
)
"""What a model folder is made of, as patterns; the config first."""

_INDEX = "model.safetensors.index.json"
"""Where it stands, `model.safetensors` is not read."""


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
        return self.checkpoint.path.exists()

    @property
    def checkpoint(self) -> Checkpoint:
        """The run to go on with."""
        return Checkpoint(self.path / CHECKPOINT / "state.pt")

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
        """Write a checkpoint in the place of the old one.

        Raises:
            EngineError: it cannot be written; the old one is still there.
        """
        try:
            self.checkpoint.write(state)
        except NOT_WRITTEN as error:
            raise self._cannot_save("the checkpoint", error) from None

    def save_model(self, model: Any, tokenizer: Any, card: str) -> None:
        """Put a model into the folder, in the place of the one that may be there, and drop the checkpoint.

        Args:
            model: of transformers.
            tokenizer: its own.
            card: the text of its README.md.

        Raises:
            EngineError: it cannot be written; what was there is still there.
        """
        staging = self.path / _SAVING
        try:
            shutil.rmtree(staging, ignore_errors=True)
            staging.mkdir()
            model.save_pretrained(staging)
            tokenizer.save_pretrained(staging)
            readme = staging / "README.md"
            readme.write_text(card, encoding="utf-8")
            for file in staging.iterdir():  # safetensors makes files that only their owner can read
                file.chmod(readme.stat().st_mode)
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
        hint = "make room or mend the permissions, then go on with --resume"
        if not self.has_checkpoint:
            hint = "make room or mend the permissions, then run it again"
        return EngineError(f"{what} cannot be written to {self.path}: {reason(error)}", hint)


def _resolved(out: str) -> Path:
    try:
        return Path(out).expanduser().resolve()
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: `~name` of a user there is not
        raise InputError(f"{out!r} is no folder's name: {error}", "choose another folder") from None
