"""A lean GPT-2 forward, any size of the family, from `config.json` and safetensors without importing transformers.

How a linear layer is stored and multiplied is the business of `core.engine.networks.linear`. Equal to transformers 5.23
`GPT2LMHeadModel` in evaluation mode to 1e-4 in float32 (modeling_gpt2.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from core.engine.networks.kv_cache import KVCache
from core.engine.networks.linear import Activation, Factory, Linear, PlainLinear
from core.errors import ModelFormatError

_HEAD_ROWS = 4096
"""How many entries of the vocabulary `exact_logits` holds in float32 at once."""


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
    activation: Activation

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
            activation=_ACTIVATIONS[activation],
        )


_ACTIVATIONS: dict[str, Activation] = {
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu": "gelu",
}


class GPT2:
    """GPT-2's weights and forward pass."""

    def __init__(
        self,
        config: GPT2Config,
        weights: Mapping[str, Tensor],
        linear: Factory = PlainLinear,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Take the weights by their checkpoint names, with or without the `transformer.` prefix.

        Args:
            config: the sizes.
            weights: tensors by name, of any float dtype; embeddings stay as they are, in the mapped file if they can.
            linear: makes the linear layers, the head included.
            dtype: of what is computed outside the linear layers.

        Raises:
            ModelFormatError: one is missing or has another shape than the config says.
        """
        self.config = config
        named = _unprefixed(weights)
        self._dtype = dtype
        self._token_embedding = _weight(named, "wte.weight", (config.vocab_size, config.n_embd))
        self._position_embedding = _weight(named, "wpe.weight", (config.n_positions, config.n_embd))
        self._final_norm = _norm(named, "ln_f", config, dtype)
        self._blocks = [_Block(named, layer, config, linear, dtype) for layer in range(config.n_layer)]
        self.parameters = self._token_embedding.numel() + self._position_embedding.numel() + 2 * config.n_embd
        self.parameters += sum(block.parameters for block in self._blocks)
        head = _head(named, config)
        if head is not self._token_embedding:
            tied = head.data_ptr() == self._token_embedding.data_ptr() or torch.equal(head, self._token_embedding)
            self.parameters += 0 if tied else head.numel()
        self._head = linear(head.to(dtype).t(), None, "none")

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
        return KVCache(config.n_layer, config.n_head, head_width, config.n_positions, self._final_norm[0])

    def forward(self, ids: Tensor, cache: KVCache, *, every_position: bool = False) -> Tensor:
        """Read tokens after those in the cache.

        Args:
            ids: (B, T) token ids; B is the cache's batch.
            cache: gains T positions.
            every_position: return (B, T, V), the logits after each of the tokens.

        Returns:
            (B, V) logits of the token after the last one.
        """
        batch, length = ids.shape
        cache.reserve(length)
        positions = self._position_embedding[cache.length : cache.length + length].to(self._dtype)
        hidden = F.embedding(ids, self._token_embedding).to(self._dtype) + positions  # (B, T, D)
        mask = _causal_mask(length, cache.length, hidden.device)
        for layer, block in enumerate(self._blocks):
            hidden = block.forward(hidden, cache, layer, mask)
        cache.advance(length)
        rows = hidden.reshape(batch * length, -1) if every_position else hidden[:, -1]
        logits = self._head(_normed(rows, self._final_norm, self.config))
        return logits.view(batch, length, -1) if every_position else logits


class _Block:
    """One transformer layer: attention and MLP, each behind its layer norm, each added to the stream."""

    def __init__(
        self, named: Mapping[str, Tensor], layer: int, config: GPT2Config, linear: Factory, dtype: torch.dtype
    ) -> None:
        width, prefix = config.n_embd, f"h.{layer}."
        inner = named[f"{prefix}mlp.c_fc.bias"].shape[0] if f"{prefix}mlp.c_fc.bias" in named else 4 * width
        self._config = config
        self._norm_1, self._norm_2 = (_norm(named, f"{prefix}{name}", config, dtype) for name in ("ln_1", "ln_2"))

        def layer_of(name: str, into: int, out: int, activation: Activation = "none") -> Linear:
            weight = _weight(named, f"{prefix}{name}.weight", (into, out)).to(dtype)
            return linear(weight, _weight(named, f"{prefix}{name}.bias", (out,)).to(dtype), activation)

        self._qkv = layer_of("attn.c_attn", width, 3 * width)
        self._attention_out = layer_of("attn.c_proj", width, width)
        self._mlp_in = layer_of("mlp.c_fc", width, inner, config.activation)
        self._mlp_out = layer_of("mlp.c_proj", inner, width)
        linears = (self._qkv, self._attention_out, self._mlp_in, self._mlp_out)
        self.parameters = 4 * width + sum(one.parameters for one in linears)
        self._scale = 1 / math.sqrt(width // config.n_head) if config.scale_attn_weights else 1.0
        if config.scale_attn_by_inverse_layer_idx:
            self._scale /= layer + 1

    def forward(self, hidden: Tensor, cache: KVCache, layer: int, mask: Tensor | None) -> Tensor:
        """(B, T, D) to (B, T, D)."""
        batch, length, width = hidden.shape
        heads = self._config.n_head
        rows = hidden.view(batch * length, width)  # (B·T, D)
        qkv = self._qkv(_normed(rows, self._norm_1, self._config)).view(batch, length, 3, heads, width // heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # 3 × (B, H, T, D/H)
        keys, values = cache.append(layer, key, value)
        # One new token, or a prompt from the start, need no mask tensor.
        causal = mask is None and length > 1
        attended = F.scaled_dot_product_attention(
            query, keys, values, attn_mask=mask, is_causal=causal, scale=self._scale
        )
        rows = rows + self._attention_out(attended.transpose(1, 2).reshape(batch * length, width))
        rows = rows + self._mlp_out(self._mlp_in(_normed(rows, self._norm_2, self._config)))
        return rows.view(batch, length, width)


def exact_logits(config: GPT2Config, weights: Mapping[str, Tensor], ids: Sequence[int]) -> Tensor:
    """(T, V) logits after each token of a text in float32, with no more than a block of the weights in float32 at once.

    Args:
        config: the sizes.
        weights: as `GPT2` takes them, on the CPU.
        ids: T token ids from the first position on.

    Raises:
        ModelFormatError: as `GPT2`.
    """
    named, width = _unprefixed(weights), config.n_embd
    tokens = _weight(named, "wte.weight", (config.vocab_size, width))[list(ids)]
    places = _weight(named, "wpe.weight", (config.n_positions, width))[: len(ids)]
    hidden = (tokens.float() + places.float()).unsqueeze(0)  # (1, T, D)
    cache = KVCache(config.n_layer, config.n_head, width // config.n_head, config.n_positions, hidden)
    cache.reserve(len(ids))
    for layer in range(config.n_layer):
        hidden = _Block(named, layer, config, PlainLinear, torch.float32).forward(hidden, cache, layer, None)
    rows = _normed(hidden[0], _norm(named, "ln_f", config, torch.float32), config)  # (T, D)
    return torch.cat([rows @ part.float().t() for part in torch.split(_head(named, config), _HEAD_ROWS)], 1)


def _unprefixed(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix("transformer."): tensor for name, tensor in weights.items()}


def _head(named: Mapping[str, Tensor], config: GPT2Config) -> Tensor:
    """(V, D): the embedding, unless the checkpoint has a head of its own."""
    name = "lm_head.weight" if "lm_head.weight" in named else "wte.weight"
    return _weight(named, name, (config.vocab_size, config.n_embd))


def _norm(named: Mapping[str, Tensor], name: str, config: GPT2Config, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    weight, bias = (_weight(named, f"{name}.{part}", (config.n_embd,)) for part in ("weight", "bias"))
    return weight.to(dtype), bias.to(dtype)


def _normed(rows: Tensor, norm: tuple[Tensor, Tensor], config: GPT2Config) -> Tensor:
    return F.layer_norm(rows, (config.n_embd,), norm[0], norm[1], config.layer_norm_epsilon)


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
