"""BERT-type models for many texts: packed layers, encoders shared between tasks, batches of like lengths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor, nn

from core.linear import Factory, Linear

BATCH = 32
"""How many texts go through an encoder at once."""

_shared: WeakValueDictionary[tuple[Path, str], nn.Module] = WeakValueDictionary()
"""Encoders in memory, by the file their weights come from and their precision; they go with their last model."""


class _Layer(nn.Module):
    """One of our linear layers in the place of an `nn.Linear`."""

    def __init__(self, layer: Linear) -> None:
        super().__init__()
        self._layer = layer

    def forward(self, states: Tensor) -> Tensor:
        """(…, in) to (…, out)."""
        rows = self._layer(states.reshape(-1, states.shape[-1]))
        return rows.view(*states.shape[:-1], rows.shape[-1])


def pack_linears(model: nn.Module, factory: Factory) -> None:
    """Replace the linear layers of a model's encoder blocks by ones made by `factory` (CPU)."""
    for module in model.modules():
        if type(module).__name__.endswith("Encoder"):
            for parent in list(module.modules()):
                for name, child in list(parent.named_children()):
                    if isinstance(child, nn.Linear):
                        bias = None if child.bias is None else child.bias.detach()
                        setattr(parent, name, _Layer(factory(child.weight.detach().t(), bias, "none")))


def share_encoder(model: Any, weights_file: Path, precision: str) -> None:
    """Use the encoder that is already in memory for a model whose encoder comes from the same file.

    Args:
        model: a transformers model with a base model (its encoder) and a head.
        weights_file: the safetensors file that holds the encoder's weights and nothing else.
        precision: how they are stored in memory.
    """
    key = (weights_file.resolve(), precision)
    twin = _shared.get(key)
    if twin is None:
        _shared[key] = model.base_model
    else:
        setattr(model, model.base_model_prefix, twin)


def batches_by_length(lengths: Sequence[int], size: int = BATCH) -> Iterator[list[int]]:
    """Indices of texts in batches of like lengths, longest first, so that little is padded and memory peaks at once.

    Args:
        lengths: the texts' lengths in tokens.
        size: texts in a batch.
    """
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    for start in range(0, len(order), size):
        yield order[start : start + size]


def pad(rows: Sequence[Sequence[int]], fill: int) -> Tensor:
    """(B, T) ids of rows of different lengths, filled up on the right."""
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[fill] * (longest - len(row))] for row in rows])
