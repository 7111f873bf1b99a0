"""Causal models for tests of the decode loop: one that says what it is told to, one that counts its forwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from core.engine.networks.causal import CausalModel
from core.engine.networks.loading import LoadedCausal
from core.messages.records import ModelInfo
from core.text.tokenization import TextTokenizer

CERTAIN = 50.0
"""A logit that makes a token all but certain among zeros."""


class ScriptedCache:
    """Counts positions; there is nothing else to keep."""

    def __init__(self) -> None:
        self.length = 0

    def truncate(self, length: int) -> None:
        self.length = min(length, self.length)

    def keep_rows(self, rows: Sequence[int]) -> None:
        pass


class ScriptedModel:
    """After a prompt of `prompt_length` tokens it wants `script[0]`, then `script[1]`, and so on, in every row."""

    parameters = 0
    device = torch.device("cpu")

    def __init__(self, script: Sequence[int], prompt_length: int = 1, n_positions: int = 1000) -> None:
        self._script = script
        self._prompt_length = prompt_length
        self.n_positions = n_positions

    def new_cache(self) -> ScriptedCache:
        return ScriptedCache()

    def forward(self, ids: Tensor, cache: ScriptedCache, *, every_position: bool = False) -> Tensor:
        cache.length += ids.shape[1]
        logits = torch.zeros(ids.shape[0], 50257)
        logits[:, self._script[cache.length - self._prompt_length]] = CERTAIN
        return logits[:, None].expand(-1, ids.shape[1], -1) if every_position else logits


class CountingModel:
    """A causal model that notes the (B, T) shape of every forward."""

    def __init__(self, model: CausalModel) -> None:
        self._model = model
        self.parameters = model.parameters
        self.shapes: list[tuple[int, int]] = []

    @property
    def n_positions(self) -> int:
        return self._model.n_positions

    @property
    def device(self) -> torch.device:
        return self._model.device

    def new_cache(self) -> Any:
        return self._model.new_cache()

    def forward(self, ids: Tensor, cache: Any, *, every_position: bool = False) -> Tensor:
        batch, length = ids.shape
        self.shapes.append((batch, length))
        return self._model.forward(ids, cache, every_position=every_position)


def counting(loaded: LoadedCausal) -> tuple[LoadedCausal, CountingModel]:
    """The same model with its forwards counted."""
    model = CountingModel(loaded.model)
    return replace(loaded, model=model), model


def scripted(
    tokenizer: TextTokenizer, script: Sequence[int], *, eos_ids: Sequence[int] = (), n_positions: int = 1000
) -> LoadedCausal:
    """A model that writes `script` after a one-token prompt."""
    info = ModelInfo("scripted", "folder", "/", "Scripted", 0, n_positions, 50257, "cpu", "float32", 0.0)
    return LoadedCausal(ScriptedModel(script, 1, n_positions), tokenizer, info, frozenset(eos_ids))
