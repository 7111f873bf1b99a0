"""A preallocated key/value cache that grows by doubling, can be cut back to a prefix and spread over a batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class KVCache:
    """Keys and values of every layer, each (B, H, C, D/H), of which the first `length` positions are valid."""

    def __init__(self, layers: int, heads: int, head_width: int, limit: int, like: Tensor) -> None:
        """Start empty.

        Args:
            layers: L.
            heads: H.
            head_width: D/H.
            limit: positions the model has; capacity never exceeds it.
            like: a tensor whose device and dtype the cache takes.
        """
        self.limit = limit
        self.length = 0
        self._keys = [like.new_empty((1, heads, 0, head_width)) for _ in range(layers)]
        self._values = [like.new_empty((1, heads, 0, head_width)) for _ in range(layers)]

    @property
    def batch(self) -> int:
        """B."""
        return self._keys[0].shape[0]

    def reserve(self, positions: int) -> None:
        """Make room for `positions` more positions."""
        needed, capacity = self.length + positions, self._keys[0].shape[2]
        if needed <= capacity:
            return
        target = min(max(needed, 2 * capacity, 64), max(self.limit, needed))
        self._keys = [self._grown(stored, target) for stored in self._keys]
        self._values = [self._grown(stored, target) for stored in self._values]

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Write (B, H, T, D/H) after the valid positions; return views of all keys and values up to there.

        `advance` makes the positions valid once every layer has written.
        """
        end = self.length + keys.shape[2]
        self._keys[layer][:, :, self.length : end] = keys
        self._values[layer][:, :, self.length : end] = values
        return self._keys[layer][:, :, :end], self._values[layer][:, :, :end]

    def advance(self, positions: int) -> None:
        """Count `positions` appended positions as valid."""
        self.length += positions

    def truncate(self, length: int) -> None:
        """Forget everything from position `length` on."""
        self.length = min(self.length, length)

    def keep_rows(self, rows: Sequence[int]) -> None:
        """Keep these batch rows, in this order; a row may be named twice."""
        index = torch.tensor(rows, dtype=torch.long, device=self._keys[0].device)
        self._keys = [stored.index_select(0, index) for stored in self._keys]
        self._values = [stored.index_select(0, index) for stored in self._values]

    def _grown(self, stored: Tensor, capacity: int) -> Tensor:
        batch, heads, _, width = stored.shape
        grown = stored.new_empty((batch, heads, capacity, width))
        grown[:, :, : self.length] = stored[:, :, : self.length]
        return grown
