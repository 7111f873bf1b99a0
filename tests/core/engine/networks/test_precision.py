"""Precisions: which is chosen, and how its error is measured."""

from __future__ import annotations

import weakref
from typing import Any

import pytest
import torch

from core.engine.networks import gpt2
from core.engine.networks.gpt2 import GPT2, GPT2Config, exact_logits
from core.engine.networks.linear import Activation, Factory, HalfLinear, PlainLinear
from core.engine.networks.loading import load_causal
from core.engine.networks.precision import choose_layers, measure_error
from core.errors import DeviceError
from core.models.registry import resolve

IDS = [5, 9, 2, 7, 7, 1]

SQUARE = (torch.zeros(4, 4), torch.zeros(4))
"""A weight and its bias, to time layers on."""

CONFIG = GPT2Config.from_json({"vocab_size": 96, "n_positions": 16, "n_embd": 32, "n_layer": 2, "n_head": 4})


def random_weights() -> dict[str, torch.Tensor]:
    """Of a tiny GPT-2; the same ones every time."""
    generator = torch.Generator().manual_seed(3)
    shapes = {"wte.weight": (96, 32), "wpe.weight": (16, 32), "ln_f.weight": (32,), "ln_f.bias": (32,)}
    for layer in range(2):
        for name, into, out in (("attn.c_attn", 32, 96), ("attn.c_proj", 32, 32), ("mlp.c_fc", 32, 128)):
            shapes[f"h.{layer}.{name}.weight"], shapes[f"h.{layer}.{name}.bias"] = (into, out), (out,)
        shapes[f"h.{layer}.mlp.c_proj.weight"], shapes[f"h.{layer}.mlp.c_proj.bias"] = (128, 32), (32,)
        for norm in ("ln_1", "ln_2"):
            shapes[f"h.{layer}.{norm}.weight"] = shapes[f"h.{layer}.{norm}.bias"] = (32,)
    return {name: torch.randn(shape, generator=generator) / 3 for name, shape in shapes.items()}


def random_gpt2(factory: Factory = PlainLinear) -> GPT2:
    """A tiny GPT-2."""
    return GPT2(CONFIG, random_weights(), factory)


class CoarseLinear(PlainLinear):
    """Weights in steps of an eighth: the error is large and the same on every processor, whatever is read at once."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None, activation: Activation) -> None:
        super().__init__((weight * 8).round() / 8, bias, activation)


def logits_of(model: GPT2) -> torch.Tensor:
    """(T, V) after each token of the text."""
    with torch.inference_mode():
        return model.forward(torch.tensor([IDS]), model.new_cache(), every_position=True)[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("own_head", [False, True])
def test_the_exact_logits_are_those_of_the_model_in_float32(dtype: torch.dtype, own_head: bool) -> None:
    weights = {name: weight.to(dtype) for name, weight in random_weights().items()}
    if own_head:
        weights["lm_head.weight"] = weights["wte.weight"].flip(0)
    assert exact_logits(CONFIG, weights, IDS).sub(logits_of(GPT2(CONFIG, weights))).abs().max() < 1e-5


def test_the_exact_logits_need_no_more_than_a_block_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks: list[weakref.ref[object]] = []

    class Counted(gpt2._Block):
        def __init__(self, *arguments: Any) -> None:
            assert not any(block() for block in blocks)
            super().__init__(*arguments)
            blocks.append(weakref.ref(self))

    monkeypatch.setattr(gpt2, "_Block", Counted)
    exact_logits(CONFIG, random_weights(), IDS)
    assert len(blocks) == CONFIG.n_layer


def test_a_model_compared_with_itself_has_no_error() -> None:
    error = measure_error(logits_of(random_gpt2()), random_gpt2(), IDS)
    assert error.kl < 1e-6
    assert error.top1_agreement == 1.0
    assert error.positions == len(IDS)


def test_the_error_is_the_mean_divergence_of_the_two_distributions() -> None:
    exact, rounded = random_gpt2(), random_gpt2(CoarseLinear)
    ids = torch.tensor([IDS])
    with torch.inference_mode():
        first = exact.forward(ids, exact.new_cache(), every_position=True)[0].log_softmax(-1)
        rows = [rounded.forward(ids[:, : end + 1], rounded.new_cache())[0] for end in range(len(IDS))]
    second = torch.stack(rows).log_softmax(-1)
    expected = torch.nn.functional.kl_div(second, first, log_target=True, reduction="batchmean")
    error = measure_error(logits_of(exact), rounded, IDS)
    assert 0 < error.kl < 1
    assert error.kl == pytest.approx(float(expected), rel=1e-4)


@pytest.mark.parametrize(("rounded_s", "used"), [(1.0, "int8"), (3.0, "float32")])
def test_a_precision_that_is_slower_than_float32_is_not_used(
    monkeypatch: pytest.MonkeyPatch, rounded_s: float, used: str
) -> None:
    exact, rounded = PlainLinear, HalfLinear
    monkeypatch.setattr(
        "core.engine.networks.precision.factories", lambda name: [exact] if name == "float32" else [rounded, exact]
    )
    monkeypatch.setattr(
        "core.engine.networks.precision._row_time_s", lambda factory, *_: 2.0 if factory is exact else rounded_s
    )
    precision, factory, note = choose_layers("int8", *SQUARE)
    assert (precision, factory) == (used, exact if used == "float32" else rounded)
    assert note == ("int8 is no quicker than float32 here, so float32 is used" if used == "float32" else "")


def test_a_precision_that_must_be_used_is_used_however_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.engine.networks.precision._row_time_s", lambda *_: pytest.fail("nothing is timed"))
    assert choose_layers("float16", *SQUARE, fall_back=False)[::2] == ("float16", "")


@pytest.mark.usefixtures("without_bfloat16")
def test_a_precision_without_operators_falls_back_to_float32_or_is_refused() -> None:
    precision, _, note = choose_layers("bfloat16", *SQUARE)
    assert precision == "float32"
    assert note == "this processor cannot compute in bfloat16, so float32 is used"
    with pytest.raises(DeviceError, match="this processor cannot compute in bfloat16"):
        choose_layers("bfloat16", *SQUARE, fall_back=False)


@pytest.mark.usefixtures("without_bfloat16")
def test_a_precision_that_is_computed_wrongly_is_not_used_and_said_to_be_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HalfLinear, "__call__", lambda layer, rows: rows.new_zeros(len(rows), 32))
    assert choose_layers("float16", *SQUARE)[::2] == (
        "float32",
        "this processor computes wrongly in float16, so float32 is used",
    )
    with pytest.raises(DeviceError, match="this processor computes wrongly in float16"):
        choose_layers("float16", *SQUARE, fall_back=False)


def test_int8_is_refused_for_models_that_go_through_transformers(llama_folder: object) -> None:
    with pytest.raises(DeviceError, match="int8 is available for GPT-2 models only"):
        load_causal(resolve(str(llama_folder)), torch.device("cpu"), "int8", lambda *_: None)
