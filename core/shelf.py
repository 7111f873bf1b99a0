"""The models in memory: one causal model, and the last few encoders.

A model is kept by name, device and precision; asking for one more than fits drops the one unused for longest, before
the new one is loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

import torch

from core.device import pick_device, pick_precision
from core.encoder_models import Head, LoadedEncoder, load_encoder
from core.halving import load_halved
from core.loading import LoadedCausal, ProgressCallback, load_causal
from core.registry import ResolvedModel, resolve

ENCODERS_KEPT = 4
"""Enough for each task of the starters, which share most of their weights."""

Key = tuple[str, str, str, str]
"""Kind, name, device and precision, as asked for."""

Model = TypeVar("Model")
Loader = Callable[[ResolvedModel, torch.device, str, ProgressCallback], Model]


class _Row(Generic[Model]):
    """Models of one kind, the last used one last."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._models: dict[Key, Model] = {}

    def __len__(self) -> int:
        return len(self._models)

    def __contains__(self, key: object) -> bool:
        return key in self._models

    def get(self, key: Key, loader: Loader[Model], progress: ProgressCallback) -> tuple[Model, bool]:
        """A model, and whether it had to be loaded."""
        if key in self._models:
            self._models[key] = self._models.pop(key)
            return self._models[key], False
        _, name, device_name, precision_name = key
        resolved = resolve(name)
        device = pick_device(device_name)
        precision = pick_precision(precision_name, device)
        while len(self._models) >= self._capacity:  # the old weights go before the new ones come
            del self._models[next(iter(self._models))]
        model = loader(resolved, device, precision, progress)
        self._models[key] = model
        return model, True

    def forget(self, folder: Path) -> None:
        """Let go of every model that was named by this folder."""
        for key in [key for key in self._models if Path(key[1]).expanduser().resolve() == folder]:
            del self._models[key]


class Shelf:
    """Every model in memory."""

    def __init__(self) -> None:
        self._causal: _Row[LoadedCausal] = _Row(1)
        self._encoders: _Row[LoadedEncoder] = _Row(ENCODERS_KEPT)

    @property
    def has_causal(self) -> bool:
        """Whether a causal model is there."""
        return len(self._causal) > 0

    def holds_causal(self, name: str, device: str, dtype: str) -> bool:
        """Whether this causal model is there."""
        return ("causal", name, device, dtype) in self._causal

    def holds_encoder(self, head: Head, name: str, device: str, dtype: str) -> bool:
        """Whether this encoder is there."""
        return (head.value, name, device, dtype) in self._encoders

    def causal(self, name: str, device: str, dtype: str, progress: ProgressCallback) -> tuple[LoadedCausal, bool]:
        """A causal model, and whether it had to be loaded.

        Raises:
            EngineError: as `registry.resolve`, `device.pick_device` and `loading.load_causal`.
        """
        return self._causal.get(("causal", name, device, dtype), load_causal, progress)

    def encoder(self, head: Head, name: str, device: str, dtype: str, progress: ProgressCallback) -> LoadedEncoder:
        """An encoder with a head.

        Raises:
            EngineError: as `registry.resolve`, `device.pick_device` and `encoder_models.load_encoder`.
        """
        return self._encoders.get((head.value, name, device, dtype), partial(load_encoder, head), progress)[0]

    def halved(self, head: Head, name: str, device: str, dtype: str, progress: ProgressCallback) -> LoadedEncoder:
        """The untrained student that `halving.load_halved` makes of a BERT with a head.

        Raises:
            EngineError: as `registry.resolve`, `device.pick_device` and `halving.load_halved`.
        """
        key = (f"half of {head.value}", name, device, dtype)
        return self._encoders.get(key, partial(load_halved, head), progress)[0]

    def forget(self, folder: Path) -> None:
        """Let go of the encoders of a folder whose files have changed.

        Args:
            folder: resolved.
        """
        self._encoders.forget(folder)
