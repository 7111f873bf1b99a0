"""A GPT-2 as an ONNX file: float32 with its KV cache as inputs and outputs, and the same with int8 weights.

The graph is traced from a plain module below, so that no exporter of whole model classes is needed.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

OPSET = 17


class _TracedGPT2(nn.Module):
    """GPT-2 as the tracer likes it: (B, T) ids and 2·layers caches in, the last logits and the longer caches out."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.layers, self.heads = int(config["n_layer"]), int(config["n_head"])
        self.epsilon = float(config["layer_norm_epsilon"])
        for name, values in load_file(folder / "model.safetensors").items():
            # Only buffers become initializers of the graph, which is what gets quantised.
            self.register_buffer(_buffer_name(name.removeprefix("transformer.")), values)
        self.width = int(config["n_embd"]) // self.heads
        self.register_buffer("head", self._weight("wte.weight").t().contiguous())

    def forward(self, ids: Tensor, *caches: Tensor) -> tuple[Tensor, ...]:
        """(B, T) ids, then keys and values of every layer (B, H, past, D/H)."""
        past, length = caches[0].shape[2], ids.shape[1]
        positions = torch.arange(past, past + length)  # (T,)
        hidden = self._weight("wte.weight")[ids] + self._weight("wpe.weight")[positions]  # (B, T, D)
        allowed = torch.arange(past + length) <= positions.unsqueeze(1)  # (T, past + T)
        longer: list[Tensor] = []
        for layer in range(self.layers):
            name = f"h.{layer}"
            rows = self._linear(self._norm(hidden, f"{name}.ln_1"), f"{name}.attn.c_attn")
            query, key, value = (self._split(part) for part in rows.chunk(3, -1))
            key = torch.cat([caches[2 * layer], key], 2)
            value = torch.cat([caches[2 * layer + 1], value], 2)
            longer += [key, value]
            scores = query @ key.transpose(-1, -2) / self.width**0.5  # (B, H, T, past + T)
            mixed = scores.masked_fill(~allowed, -1e9).softmax(-1) @ value
            mixed = mixed.transpose(1, 2).reshape(1, -1, self.heads * self.width)
            hidden = hidden + self._linear(mixed, f"{name}.attn.c_proj")
            rows = self._linear(self._norm(hidden, f"{name}.ln_2"), f"{name}.mlp.c_fc")
            hidden = hidden + self._linear(F.gelu(rows, approximate="tanh"), f"{name}.mlp.c_proj")
        return self._norm(hidden[:, -1], "ln_f") @ self.get_buffer("head"), *longer

    def _weight(self, name: str) -> Tensor:
        return self.get_buffer(_buffer_name(name))

    def _linear(self, rows: Tensor, name: str) -> Tensor:
        return rows @ self._weight(f"{name}.weight") + self._weight(f"{name}.bias")

    def _norm(self, rows: Tensor, name: str) -> Tensor:
        weight, bias = self._weight(f"{name}.weight"), self._weight(f"{name}.bias")
        return F.layer_norm(rows, (self.heads * self.width,), weight, bias, self.epsilon)

    def _split(self, rows: Tensor) -> Tensor:
        return rows.reshape(rows.shape[0], -1, self.heads, self.width).transpose(1, 2)


def _buffer_name(name: str) -> str:
    return name.replace(".", "_")


def write_onnx(folder: Path, path: Path) -> None:
    """Write a GPT-2 folder as a float32 ONNX file."""
    model = _TracedGPT2(folder).eval()
    caches = [torch.zeros(1, model.heads, 3, model.width) for _ in range(2 * model.layers)]
    names = [f"{kind}_{layer}" for layer in range(model.layers) for kind in ("key", "value")]
    longer = [f"longer_{name}" for name in names]
    axes = {"ids": {1: "time"}, **{name: {2: "past"} for name in names}, **{name: {2: "all"} for name in longer}}
    with torch.inference_mode():
        torch.onnx.export(
            model,
            (torch.zeros(1, 2, dtype=torch.long), *caches),
            str(path),
            input_names=["ids", *names],
            output_names=["logits", *longer],
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )


def write_int8(source: Path, path: Path) -> None:
    """The same model with int8 weights, one scale a column, rows quantised as they come."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(source, path, weight_type=QuantType.QInt8, per_channel=True, op_types_to_quantize=["MatMul"])
