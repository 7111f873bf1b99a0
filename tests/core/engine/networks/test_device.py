"""Devices and number formats: the best there is, and a refusal that says what there is."""

from __future__ import annotations

import pytest
import torch

from core.engine.networks import device as device_module
from core.engine.networks.device import DEVICES, available_devices, pick_device, pick_precision
from core.errors import DeviceError


def pretend(monkeypatch: pytest.MonkeyPatch, *available: str) -> None:
    """Pretend that the machine has these devices."""
    monkeypatch.setattr(device_module, "available_devices", lambda: available)


def test_the_cpu_is_always_there_and_comes_last() -> None:
    assert available_devices()[-1] == "cpu"
    assert set(available_devices()) <= set(DEVICES)


@pytest.mark.parametrize(
    "available", [("cuda", "cpu"), ("mps", "cpu"), ("xpu", "cpu"), ("cuda", "xpu", "cpu"), ("cpu",)]
)
def test_auto_takes_the_best(available: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, *available)
    assert pick_device("auto") == torch.device(available[0])


def test_a_device_that_is_there_is_taken_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, "cuda", "cpu")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(DeviceError, match="'cuda:2' is not available"):
        pick_device("cuda:2")


@pytest.mark.parametrize("wanted", ["cuda", "cuda:0", "mps", "xpu"])
def test_an_unavailable_device_is_refused_with_what_is_available(wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, "cpu")
    with pytest.raises(DeviceError, match=f"device '{wanted}' is not available; this machine has cpu"):
        pick_device(wanted)


@pytest.mark.parametrize("wanted", ["", "gpu", "CPU", "cuda:x", "cuda:²", "cpu:", "cpu:-1", "cpu:0:0", "cpu\n"])
def test_what_is_no_device_is_refused_with_what_there_could_be(wanted: str) -> None:
    with pytest.raises(DeviceError, match="is not one of auto, cuda, mps, xpu, cpu"):
        pick_device(wanted)


def test_auto_precision_is_float32_on_the_cpu_and_mps() -> None:
    assert pick_precision("auto", torch.device("cpu")) == "float32"
    assert pick_precision("auto", torch.device("mps")) == "float32"


@pytest.mark.parametrize(("has_bfloat16", "expected"), [(True, "bfloat16"), (False, "float16")])
def test_auto_precision_on_cuda_is_the_half_precision_it_can_do(
    has_bfloat16: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: has_bfloat16)
    assert pick_precision("auto", torch.device("cuda")) == expected


def test_a_named_precision_is_taken_and_an_unknown_one_refused() -> None:
    assert pick_precision("float16", torch.device("cpu")) == "float16"
    assert pick_precision("int8", torch.device("cpu")) == "int8"
    with pytest.raises(DeviceError, match="dtype 'int8' is not available on cuda"):
        pick_precision("int8", torch.device("cuda"))
    with pytest.raises(DeviceError, match="dtype 'int4' is not available on cpu"):
        pick_precision("int4", torch.device("cpu"))
