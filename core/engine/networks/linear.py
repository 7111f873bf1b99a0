"""Linear layers as the decode loop needs them: one to a few rows at a time, where reading the weights is the cost.

Every kind takes (M, in) float rows and returns (M, out) rows of the same dtype, M = B·T. The lossy kinds round the
weights (and the rows they multiply), never the result. What each costs and how wrong it is, is measured on the model
at hand (`core.engine.networks.precision`), not assumed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from core.precision import Precision

Activation = Literal["none", "gelu_tanh", "gelu"]

PACKED_ROWS = 8
"""The row count oneDNN packs for: as quick for one row as for eight, so a batch costs little more than one sequence."""

_FEW_ROWS = 4
"""oneDNN is quicker with four rows than with one (measured on AVX-512), so fewer are filled up to this many."""

_HALF_ROWS = 24
"""Above this many rows, float16 weights are widened once instead of multiplied row by row."""

_TRIAL_TOLERANCE = 0.1
"""How far a kind may be from the plain product on a small trial; the coarsest rounding comes to a third of it."""


class Linear(Protocol):
    """A linear layer, y = activation(x·W + b)."""

    parameters: int

    def __call__(self, rows: Tensor) -> Tensor:
        """(M, in) to (M, out)."""


Factory = Callable[[Tensor, Tensor | None, Activation], Linear]
"""Makes a layer from an [in, out] weight (the layout of GPT-2's checkpoints), a bias, and what follows it."""


def activate(rows: Tensor, activation: Activation) -> Tensor:
    """Apply what follows a linear layer."""
    match activation:
        case "none":
            return rows
        case "gelu_tanh":
            return F.gelu(rows, approximate="tanh")
        case "gelu":
            return F.gelu(rows)


class PlainLinear:
    """The weights as they lie in the checkpoint: any device, any float dtype, no copy."""

    def __init__(self, weight: Tensor, bias: Tensor | None, activation: Activation) -> None:
        self.parameters = _size(weight, bias)
        self._weight, self._bias, self._activation = weight, bias, activation

    def __call__(self, rows: Tensor) -> Tensor:
        """(M, in) to (M, out)."""
        rows = rows @ self._weight if self._bias is None else torch.addmm(self._bias, rows, self._weight)
        return activate(rows, self._activation)


class PackedLinear:
    """oneDNN's blocked layout, float32 or bfloat16, the activation fused (CPU)."""

    def __init__(self, weight: Tensor, bias: Tensor | None, activation: Activation, dtype: torch.dtype) -> None:
        self.parameters = _size(weight, bias)
        self._dtype, self._columns = dtype, weight.shape[1]
        self._packed = torch.ops.mkldnn._reorder_linear_weight(weight.t().to(dtype), PACKED_ROWS)
        self._bias = None if bias is None else bias.to(dtype)
        self._fused = (
            ("none", "") if activation == "none" else ("gelu", "tanh" if activation == "gelu_tanh" else "none")
        )

    def __call__(self, rows: Tensor) -> Tensor:
        """(M, in) to (M, out)."""
        count, name = rows.shape[0], self._fused
        filled = rows.expand(_FEW_ROWS, -1) if count == 1 else rows
        result = torch.ops.mkldnn._linear_pointwise(
            filled.to(self._dtype).contiguous(), self._packed, self._bias, name[0], [], name[1]
        )
        wanted: Tensor = result[:count].to(rows.dtype)
        return wanted


class HalfLinear:
    """float16 weights by rows; torch multiplies a few rows as quickly as memory allows (CPU)."""

    def __init__(self, weight: Tensor, bias: Tensor | None, activation: Activation) -> None:
        self.parameters = _size(weight, bias)
        self._weight = weight.t().to(torch.float16).contiguous()
        self._bias, self._activation = bias, activation

    def __call__(self, rows: Tensor) -> Tensor:
        """(M, in) to (M, out)."""
        if rows.shape[0] > _HALF_ROWS:
            result = F.linear(rows, self._weight.to(rows.dtype), self._bias)
        else:
            result = F.linear(rows.half(), self._weight).to(rows.dtype)
            result = result if self._bias is None else result + self._bias
        return activate(result, self._activation)


class Int8Linear:
    """int8 weights with one scale a column, rows quantised as they come (CPU)."""

    def __init__(self, weight: Tensor, bias: Tensor | None, activation: Activation, engine: str) -> None:
        self.parameters = _size(weight, bias)
        self._engine, self._activation = engine, activation
        by_column = weight.t().float().contiguous()
        scales = torch.maximum(by_column.amax(1), -by_column.amin(1)).clamp_min(1e-8) / 127
        zeros = torch.zeros(len(scales), dtype=torch.long)
        quantized = torch.quantize_per_channel(by_column, scales, zeros, 0, torch.qint8)
        torch.backends.quantized.engine = engine
        self._packed = torch.ops.quantized.linear_prepack(quantized, bias)

    def __call__(self, rows: Tensor) -> Tensor:
        """(M, in) to (M, out)."""
        return activate(torch.ops.quantized.linear_dynamic(rows, self._packed, True), self._activation)


def factories(precision: str) -> list[Factory]:
    """Every way this machine has to compute in a precision on the CPU, the one expected to be quickest first.

    Args:
        precision: float32, float16, bfloat16 or int8.
    """
    match precision:
        case Precision.FLOAT32:
            return [_packed(torch.float32), PlainLinear]
        case Precision.BFLOAT16:
            return [_packed(torch.bfloat16)]
        case Precision.FLOAT16:
            return [HalfLinear, _packed(torch.float16)]
        case Precision.INT8:
            engines = torch.backends.quantized.supported_engines
            return [_int8(engine) for engine in ("x86", "fbgemm", "onednn", "qnnpack") if engine in engines]
        case _:
            return []


def usable(factory: Factory) -> bool:
    """Whether a kind works here and is right to within its rounding."""
    error = _trial_error(factory)
    return error is not None and error < _TRIAL_TOLERANCE


def is_missing(precision: str) -> bool:
    """Whether this processor has no operators for a precision, which is not a fault; operators that err are one."""
    return all(_trial_error(factory) is None for factory in factories(precision))


def _trial_error(factory: Factory) -> float | None:
    """The largest error of a kind on a small product; None where its private operators are missing or refuse."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(64, 32, generator=generator) / 8
    bias, rows = torch.randn(32, generator=generator), torch.randn(3, 64, generator=generator)
    try:
        return float((factory(weight, bias, "none")(rows) - torch.addmm(bias, rows, weight)).abs().max())
    except (RuntimeError, NotImplementedError, AttributeError):
        return None


def _packed(dtype: torch.dtype) -> Factory:
    return lambda weight, bias, activation: PackedLinear(weight, bias, activation, dtype)


def _int8(engine: str) -> Factory:
    return lambda weight, bias, activation: Int8Linear(weight, bias, activation, engine)


def _size(weight: Tensor, bias: Tensor | None) -> int:
    return weight.numel() + (0 if bias is None else bias.numel())
