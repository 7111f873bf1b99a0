"""What decoding asks of a causal language model, and any transformers model in that shape.

GPT-2 has a forward of its own (`gpt2`); every other architecture goes through transformers, imported only when
such a model is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor


class Cache(Protocol):
    """Keys and values of the tokens read so far."""

    length: int

    def truncate(self, length: int) -> None:
        """Forget everything from position `length` on, or more, where a cache cannot be cut back that far."""

    def keep_rows(self, rows: Sequence[int]) -> None:
        """Keep these batch rows, in this order; a row may be named twice."""


class CausalModel(Protocol):
    """A model that reads tokens and says what comes next."""

    parameters: int

    @property
    def n_positions(self) -> int:
        """How many positions the model has."""

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""

    def new_cache(self) -> Any:
        """An empty cache for one sequence, of the kind `forward` takes."""

    def forward(self, ids: Tensor, cache: Any, *, every_position: bool = False) -> Tensor:
        """Read (B, T) ids after those in the cache; return the (B, V) logits of the next token, or all (B, T, V)."""


class TransformersCache:
    """A transformers `DynamicCache` with the methods of `Cache`."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self.cache = make()
        self.length = 0

    def truncate(self, length: int) -> None:
        """Forget everything from position `length` on, or all of it when a sliding window has already moved."""
        if length >= self.length:
            return
        try:
            self.cache.crop(length - self.length)
            self.length = length
        except RuntimeError:  # transformers' word for "what that would need is no longer kept"
            self.cache, self.length = self._make(), 0

    def keep_rows(self, rows: Sequence[int]) -> None:
        """Keep these batch rows, in this order; a row may be named twice."""
        self.cache.batch_select_indices(torch.tensor(rows, dtype=torch.long))


class TransformersModel:
    """A transformers causal model in evaluation mode."""

    def __init__(self, model: Any, n_positions: int) -> None:
        self._model = model.eval()
        self._n_positions = n_positions
        self.parameters = sum(weight.numel() for weight in model.parameters())

    @property
    def n_positions(self) -> int:
        """How many positions the model has."""
        return self._n_positions

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        device: torch.device = self._model.device
        return device

    def new_cache(self) -> TransformersCache:
        """An empty cache for one sequence."""
        from transformers import DynamicCache  # transformers costs seconds and only this class of model needs it

        return TransformersCache(lambda: DynamicCache(config=self._model.config))

    def forward(self, ids: Tensor, cache: TransformersCache, *, every_position: bool = False) -> Tensor:
        """Read (B, T) ids after those in the cache; return the (B, V) logits of the next token, or all (B, T, V)."""
        batch, length = ids.shape
        mask = torch.ones(batch, cache.length + length, dtype=torch.long, device=ids.device)
        output = self._model(
            input_ids=ids,
            attention_mask=mask,
            past_key_values=cache.cache,
            use_cache=True,
            logits_to_keep=0 if every_position else 1,  # 0 keeps them all
        )
        cache.length += length
        logits: Tensor = output.logits
        return logits if every_position else logits[:, -1]
