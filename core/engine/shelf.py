"""The models in memory: one causal model, and the last few encoders.

A model is kept by name, device and precision; asking for one more than there is room for drops the one unused for
longest, before the new one is loaded. Nothing is dropped for a model that turns out broken, or too large for memory.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

import torch
from safetensors import SafetensorError

from core.engine.networks.device import pick_device, pick_precision
from core.engine.networks.encoder_models import LoadedEncoder, load_encoder
from core.engine.networks.fit import check_fit, count_weights, is_out_of_memory, refused_by_system
from core.engine.networks.gguf_conversion import ready
from core.engine.networks.halving import load_halved
from core.engine.networks.head import Head
from core.engine.networks.loading import LoadedCausal, ProgressCallback, load_causal
from core.memory import give_back
from core.messages.records import Target
from core.models.checks import check_model
from core.models.registry import ResolvedModel, read_config
from core.precision import DTYPES, Precision

ENCODERS_KEPT = 4
"""Enough for each task of the starters, which share most of their weights."""

CAUSAL = "causal"
"""The kind of causal models."""

Key = tuple[str, Target]
"""Kind and model, as asked for."""

Model = TypeVar("Model", LoadedCausal, LoadedEncoder)
Loader = Callable[[ResolvedModel, torch.device, str, ProgressCallback], Model]


class _Row(Generic[Model]):
    """Models of one kind, the last used one last."""

    def __init__(self, capacity: int, on_drop: Callable[[], None]) -> None:
        """Take how many models are kept, and what to do when one is dropped."""
        self._capacity = capacity
        self._on_drop = on_drop
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
        kind, target = key
        device = pick_device(target.device)
        precision = pick_precision(target.dtype, device)
        resolved = ready(target.model, progress)
        leaving = list(self._models)[: max(0, len(self._models) - self._capacity + 1)]
        choices = _precisions(kind, resolved, device)
        count = count_weights(check_model(resolved))
        wanted = precision if precision in choices else choices[0]
        check_fit(target.model, count, device, wanted, choices, sum(self._held(key, device) for key in leaving))
        self._drop(leaving)  # the old weights go before the new ones come
        try:
            model = loader(resolved, device, precision, progress)
        except (MemoryError, OSError, RuntimeError, SafetensorError) as error:
            if not is_out_of_memory(error):
                raise
            raise refused_by_system(target.model, count, device, wanted, choices) from error
        finally:
            give_back()
        self._models[key] = model
        return model, True

    def forget(self, folder: Path) -> None:
        """Let go of every model that was named by this folder."""
        self._drop([key for key in self._models if Path(key[1].model).expanduser().resolve() == folder])

    def _held(self, key: Key, device: torch.device) -> int:
        """Bytes that a model's weights take on a device."""
        info = self._models[key].info
        if torch.device(info.device).type != device.type:
            return 0
        return info.parameters * Precision(info.dtype).weight_bytes

    def _drop(self, keys: list[Key]) -> None:
        for key in keys:
            del self._models[key]
        if keys:
            self._on_drop()
            give_back()
            torch.cuda.empty_cache()  # does nothing where CUDA was never used


def _precisions(kind: str, resolved: ResolvedModel, device: torch.device) -> tuple[Precision, ...]:
    """Those that a model can be loaded in; encoders on the CPU are read in float32 before they are rounded."""
    if device.type != "cpu":
        return DTYPES
    if kind != CAUSAL:
        return (Precision.FLOAT32,)
    return tuple(Precision) if read_config(resolved).get("model_type") == "gpt2" else DTYPES


class Shelf:
    """Every model in memory."""

    def __init__(self, on_causal_dropped: Callable[[], None] = lambda: None) -> None:
        """Take what to do when the causal model goes: what refers to it must go, too, or its memory stays."""
        self._causal: _Row[LoadedCausal] = _Row(1, on_causal_dropped)
        self._encoders: _Row[LoadedEncoder] = _Row(ENCODERS_KEPT, lambda: None)

    @property
    def has_causal(self) -> bool:
        """Whether a causal model is there."""
        return len(self._causal) > 0

    def holds_causal(self, target: Target) -> bool:
        """Whether this causal model is there."""
        return (CAUSAL, target) in self._causal

    def holds_encoder(self, head: Head, target: Target) -> bool:
        """Whether this encoder is there."""
        return (head.value, target) in self._encoders

    def causal(self, target: Target, progress: ProgressCallback) -> tuple[LoadedCausal, bool]:
        """A causal model, and whether it had to be loaded.

        Raises:
            EngineError: as `registry.resolve`, `device.pick_device` and `loading.load_causal`.
        """
        return self._causal.get((CAUSAL, target), load_causal, progress)

    def encoder(self, head: Head, target: Target, progress: ProgressCallback) -> LoadedEncoder:
        """An encoder with a head.

        Raises:
            EngineError: as `registry.resolve`, `device.pick_device` and `encoder_models.load_encoder`.
        """
        return self._encoders.get((head.value, target), partial(load_encoder, head), progress)[0]

    def halved(self, head: Head, target: Target, progress: ProgressCallback) -> LoadedEncoder:
        """The untrained student that `halving.load_halved` makes of a BERT with a head.

        Raises:
            EngineError: as `registry.resolve`, `device.pick_device` and `halving.load_halved`.
        """
        return self._encoders.get((f"half of {head.value}", target), partial(load_halved, head), progress)[0]

    def forget(self, folder: Path) -> None:
        """Let go of the encoders of a folder whose files have changed.

        Args:
            folder: resolved.
        """
        self._encoders.forget(folder)
