"""A lean GPT-2 forward, any size of the family, from `config.json` and safetensors without importing transformers.

Weights stay in the checkpoint's own [in, out] layout, so `addmm` uses them as they lie in the mapped file. Equal to
transformers 5.23 `GPT2LMHeadModel` in evaluation mode to 1e-4 in float32 (modeling_gpt2.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from core.errors import ModelFormatError
from core.kv_cache import KVCache


@dataclass(frozen=True, slots=True)
class GPT2Config:
    """The part of `config.json` that shapes the forward pass."""

    vocab_size: int
    n_positions: int
    n_embd: int
    n_layer: int
    n_head: int
    layer_norm_epsilon: float
    scale_attn_weights: bool
    scale_attn_by_inverse_layer_idx: bool
    exact_gelu: bool
    """The error-function gelu instead of GPT-2's tanh approximation."""

    @classmethod
    def from_json(cls, config: Mapping[str, Any]) -> GPT2Config:
        """Read `config.json`, with transformers' defaults for what it leaves out.

        Raises:
            ModelFormatError: a value is missing, impossible, or of a variant this forward does not cover.
        """
        activation = config.get("activation_function", "gelu_new")
        if activation not in _ACTIVATIONS:
            raise ModelFormatError(f"activation {activation!r} is not one GPT-2 uses", "use another model")
        try:
            sizes = {name: int(config[name]) for name in ("vocab_size", "n_positions", "n_embd", "n_layer", "n_head")}
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFormatError(f"config.json lacks a usable {error}", "download the model again") from None
        if min(sizes.values()) < 1 or sizes["n_embd"] % sizes["n_head"]:
            raise ModelFormatError("config.json has impossible sizes", "download the model again")
        return cls(
            **sizes,
            layer_norm_epsilon=float(config.get("layer_norm_epsilon", 1e-5)),
            scale_attn_weights=bool(config.get("scale_attn_weights", True)),
            scale_attn_by_inverse_layer_idx=bool(config.get("scale_attn_by_inverse_layer_idx", False)),
            exact_gelu=_ACTIVATIONS[activation] == "none",
        )


_ACTIVATIONS = {"gelu_new": "tanh", "gelu_pytorch_tanh": "tanh", "gelu_fast": "tanh", "gelu": "none"}

_BLOCK_WEIGHTS = (
    *("ln_1.weight", "ln_1.bias", "attn.c_attn.weight", "attn.c_attn.bias", "attn.c_proj.weight", "attn.c_proj.bias"),
    *("ln_2.weight", "ln_2.bias", "mlp.c_fc.weight", "mlp.c_fc.bias", "mlp.c_proj.weight", "mlp.c_proj.bias"),
)


class GPT2:
    """GPT-2's weights and forward pass."""

    def __init__(self, config: GPT2Config, weights: Mapping[str, Tensor]) -> None:
        """Take the weights by their checkpoint names, with or without the `transformer.` prefix.

        Raises:
            ModelFormatError: one is missing or has another shape than the config says.
        """
        self.config = config
        named = {name.removeprefix("transformer."): tensor for name, tensor in weights.items()}
        self._token_embedding = _weight(named, "wte.weight", (config.vocab_size, config.n_embd))
        self._position_embedding = _weight(named, "wpe.weight", (config.n_positions, config.n_embd))
        self._norm_weight = _weight(named, "ln_f.weight", (config.n_embd,))
        self._norm_bias = _weight(named, "ln_f.bias", (config.n_embd,))
        self._head = named.get("lm_head.weight", self._token_embedding)
        if self._head.shape != self._token_embedding.shape:
            raise ModelFormatError("lm_head.weight does not match the vocabulary", "download the model again")
        self._blocks = [self._block(named, layer) for layer in range(config.n_layer)]
        self.parameters = sum(tensor.numel() for tensor in self._distinct_weights())

    @property
    def n_positions(self) -> int:
        """How many positions the model has."""
        return self.config.n_positions

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self._token_embedding.device

    def new_cache(self) -> KVCache:
        """An empty cache for one sequence."""
        config = self.config
        head_width = config.n_embd // config.n_head
        return KVCache(config.n_layer, config.n_head, head_width, config.n_positions, self._token_embedding)

    def forward(self, ids: Tensor, cache: KVCache) -> Tensor:
        """Read tokens after those in the cache.

        Args:
            ids: (B, T) token ids; B is the cache's batch.
            cache: gains T positions.

        Returns:
            (B, V) logits of the token after the last one.
        """
        length = ids.shape[1]
        cache.reserve(length)
        positions = self._position_embedding[cache.length : cache.length + length]
        hidden = F.embedding(ids, self._token_embedding) + positions  # (B, T, D)
        mask = _causal_mask(length, cache.length, hidden.device)
        for layer, block in enumerate(self._blocks):
            hidden = block.forward(hidden, cache, layer, mask)
        cache.advance(length)
        width, epsilon = self.config.n_embd, self.config.layer_norm_epsilon
        last = F.layer_norm(hidden[:, -1], (width,), self._norm_weight, self._norm_bias, epsilon)
        return F.linear(last, self._head)

    def _block(self, named: Mapping[str, Tensor], layer: int) -> _Block:
        width = self.config.n_embd
        inner = named.get(f"h.{layer}.mlp.c_fc.bias", torch.empty(4 * width)).shape[0]
        shapes: list[tuple[int, ...]] = [(width,), (width,), (width, 3 * width), (3 * width,), (width, width), (width,)]
        shapes += [(width,), (width,), (width, inner), (inner,), (inner, width), (width,)]
        tensors = [
            _weight(named, f"h.{layer}.{name}", shape) for name, shape in zip(_BLOCK_WEIGHTS, shapes, strict=True)
        ]
        return _Block(self.config, layer, tensors)

    def _distinct_weights(self) -> list[Tensor]:
        tensors = [self._token_embedding, self._position_embedding, self._norm_weight, self._norm_bias]
        tensors += [] if self._head is self._token_embedding else [self._head]
        return tensors + [tensor for block in self._blocks for tensor in block.weights]


class _Block:
    """One transformer layer: attention and MLP, each behind its layer norm, each added to the stream."""

    def __init__(self, config: GPT2Config, layer: int, weights: list[Tensor]) -> None:
        self.weights = weights
        self._heads = config.n_head
        self._epsilon = config.layer_norm_epsilon
        self._gelu = "none" if config.exact_gelu else "tanh"
        head_width = config.n_embd // config.n_head
        self._scale = 1 / math.sqrt(head_width) if config.scale_attn_weights else 1.0
        if config.scale_attn_by_inverse_layer_idx:
            self._scale /= layer + 1

    def forward(self, hidden: Tensor, cache: KVCache, layer: int, mask: Tensor | None) -> Tensor:
        """(B, T, D) to (B, T, D)."""
        norm_1, bias_1, qkv_weight, qkv_bias, out_weight, out_bias = self.weights[:6]
        norm_2, bias_2, fc_weight, fc_bias, proj_weight, proj_bias = self.weights[6:]
        batch, length, width = hidden.shape
        flat = hidden.view(batch * length, width)  # (B·T, D)
        normed = F.layer_norm(flat, (width,), norm_1, bias_1, self._epsilon)
        qkv = torch.addmm(qkv_bias, normed, qkv_weight).view(batch, length, 3, self._heads, width // self._heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # 3 × (B, H, T, D/H)
        keys, values = cache.append(layer, key, value)
        # One new token, or a prompt from the start, need no mask tensor.
        causal = mask is None and length > 1
        attended = F.scaled_dot_product_attention(
            query, keys, values, attn_mask=mask, is_causal=causal, scale=self._scale
        )
        attended = attended.transpose(1, 2).reshape(batch * length, width)
        flat = flat + torch.addmm(out_bias, attended, out_weight)
        normed = F.layer_norm(flat, (width,), norm_2, bias_2, self._epsilon)
        inner = F.gelu(torch.addmm(fc_bias, normed, fc_weight), approximate=self._gelu)
        return (flat + torch.addmm(proj_bias, inner, proj_weight)).view(batch, length, width)


def _causal_mask(length: int, past: int, device: torch.device) -> Tensor | None:
    """(T, past + T) mask for several tokens after a cached prefix; None where the kernel needs none."""
    if length == 1 or past == 0:
        return None
    return torch.ones(length, past + length, dtype=torch.bool, device=device).tril(past)


def _weight(named: Mapping[str, Tensor], name: str, shape: tuple[int, ...]) -> Tensor:
    if name not in named:
        raise ModelFormatError(f"the weights lack {name}", "download the model again")
    if tuple(named[name].shape) != shape:
        found = "×".join(map(str, named[name].shape))
        raise ModelFormatError(
            f"{name} is {found}, the config says {'×'.join(map(str, shape))}",
            "config.json and weights do not belong together",
        )
    return named[name]
