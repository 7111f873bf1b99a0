"""Linear layers: every kind this machine has is right to within its rounding, for one row and for many."""

from __future__ import annotations

import pytest
import torch

from core.engine.networks.linear import Activation, Factory, PlainLinear, activate, factories, is_missing, usable

PRECISIONS = {"float32": 1e-5, "float16": 5e-3, "bfloat16": 5e-2, "int8": 1e-1}
KINDS = [
    pytest.param(factory, tolerance, id=f"{name}-{number}")
    for name, tolerance in PRECISIONS.items()
    for number, factory in enumerate(factories(name))
    if usable(factory)
]


@pytest.mark.parametrize(("factory", "tolerance"), KINDS)
@pytest.mark.parametrize("activation", ["none", "gelu_tanh", "gelu"])
@pytest.mark.parametrize("rows", [1, 2, 4, 8, 25, 40])
def test_every_kind_equals_the_plain_product(
    factory: Factory, tolerance: float, activation: Activation, rows: int
) -> None:
    torch.manual_seed(rows)
    weight, bias, given = torch.randn(48, 80) / 7, torch.randn(80), torch.randn(rows, 48)
    before = given.clone()
    result = factory(weight, bias, activation)(given)
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, activate(given @ weight + bias, activation), atol=tolerance, rtol=tolerance)
    assert torch.equal(given, before)


@pytest.mark.parametrize(("factory", "tolerance"), KINDS)
def test_every_kind_does_without_a_bias_and_takes_a_transposed_weight(factory: Factory, tolerance: float) -> None:
    torch.manual_seed(0)
    by_column, given = torch.randn(80, 48) / 7, torch.randn(3, 48)
    layer = factory(by_column.t(), None, "none")
    torch.testing.assert_close(layer(given), given @ by_column.t(), atol=tolerance, rtol=tolerance)
    assert layer.parameters == 80 * 48


def test_float32_can_always_be_had() -> None:
    assert any(usable(factory) for factory in factories("float32"))
    assert PlainLinear in factories("float32")


def test_a_private_operator_that_torch_does_not_have_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise AttributeError("no such operator")

    monkeypatch.setattr("core.engine.networks.linear.PackedLinear.__init__", missing)
    assert not usable(factories("bfloat16")[0])
    assert is_missing("bfloat16")
    assert not is_missing("float32")
    assert usable(PlainLinear)


@pytest.mark.usefixtures("without_bfloat16")
def test_an_operator_that_refuses_is_missing_and_another_may_do() -> None:
    assert is_missing("bfloat16")
    assert not any(is_missing(precision) for precision in ("float32", "float16"))


@pytest.mark.parametrize("factor", [2.0, float("nan")])
def test_an_operator_that_gives_nonsense_is_not_usable_and_not_missing(
    factor: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Nonsense(PlainLinear):
        def __call__(self, rows: torch.Tensor) -> torch.Tensor:
            return super().__call__(rows) * factor

    monkeypatch.setattr("core.engine.networks.linear.factories", lambda precision: [Nonsense])
    assert not usable(Nonsense)
    assert not is_missing("bfloat16")
