"""BERT-type models for many texts: packed layers, modules shared between tasks, batches of like lengths."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from weakref import WeakValueDictionary

import torch
from torch import Tensor, nn

from core.engine.networks.linear import Factory, Linear

BATCH = 32
"""How many texts go through an encoder at once."""

_SHARABLE = re.compile(r"(^|\.)(embeddings|word_embeddings|layer\.\d+)$")
"""The names of modules that models may have in common."""

_shared: WeakValueDictionary[tuple[frozenset[tuple[str, Path]], str], nn.Module] = WeakValueDictionary()
"""Modules in memory, by the file of each of their weights and by their precision; they go with their last model."""


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
        if type(module).__name__.endswith(("Encoder", "Transformer")):
            for parent in list(module.modules()):
                for name, child in list(parent.named_children()):
                    if isinstance(child, nn.Linear):
                        bias = None if child.bias is None else child.bias.detach()
                        setattr(parent, name, _Layer(factory(child.weight.detach().t(), bias, "none")))


def share_modules(model: nn.Module, files: Mapping[str, Path], precision: str) -> None:
    """Use the embeddings and layers that are already in memory for those that come from the same files.

    Args:
        model: a transformers model.
        files: the file of each weight, by the weight's name.
        precision: how the weights are stored in memory.
    """
    prefix = f"{getattr(model, 'base_model_prefix', '')}."  # files may leave it out, and two architectures share then
    own_files = {name.removeprefix(prefix): path for name, path in files.items()}
    for name in [name for name, _ in model.named_modules() if _SHARABLE.search(name)]:
        module, start = model.get_submodule(name), f"{name.removeprefix(prefix)}."
        sources = frozenset((weight, path) for weight, path in own_files.items() if weight.startswith(start))
        if not sources:
            continue
        twin = _shared.setdefault((sources, precision), module)
        if twin is not module:
            parent, _, own_name = name.rpartition(".")
            setattr(model.get_submodule(parent), own_name, twin)
    tie_weights = getattr(model, "tie_weights", None)
    if tie_weights is not None:
        tie_weights()  # a head that is the embeddings' matrix must be that of the shared ones


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
