"""Which devices and number formats this machine has, and which to use."""

from __future__ import annotations

import torch

from core.errors import DeviceError
from core.precision import DTYPES, Precision

DEVICES = ("cuda", "mps", "xpu", "cpu")
"""Best first."""


def available_devices() -> tuple[str, ...]:
    """The device types that work here, best first; `cpu` is always among them."""
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    present["xpu"] = torch.xpu.is_available()
    return tuple(device for device in DEVICES if present[device])


def pick_device(wanted: str = "auto") -> torch.device:
    """The device to use.

    Args:
        wanted: `auto` for the best there is, or a device with an optional index (`cuda:1`).

    Raises:
        DeviceError: it is not available; the message lists what is.
    """
    available = available_devices()
    if wanted == "auto":
        return torch.device(available[0])
    kind, colon, index = wanted.partition(":")
    if kind not in DEVICES or (colon and not (index.isascii() and index.isdigit())):
        raise DeviceError(f"device {wanted!r} is not one of auto, {', '.join(DEVICES)}", f"use --device {available[0]}")
    count = torch.cuda.device_count() if kind == "cuda" else 1
    if kind not in available or (index and int(index) >= count):
        raise DeviceError(
            f"device {wanted!r} is not available; this machine has {', '.join(available)}", "leave it out"
        )
    return torch.device(wanted)


def pick_precision(wanted: str, device: torch.device) -> Precision:
    """The precision to compute in.

    Args:
        wanted: `auto` for float32 on cpu and mps and half precision on cuda and xpu, or a `Precision`.
        device: where it will be used.

    Raises:
        DeviceError: unknown, or not usable on that device.
    """
    if wanted == "auto":
        if device.type in ("cpu", "mps"):
            return Precision.FLOAT32
        has_bfloat16 = device.type == "xpu" or torch.cuda.is_bf16_supported()
        return Precision.BFLOAT16 if has_bfloat16 else Precision.FLOAT16
    if wanted not in DTYPES and not (wanted == Precision.INT8 and device.type == "cpu"):
        raise DeviceError(f"dtype {wanted!r} is not available on {device.type}", f"use one of {', '.join(DTYPES)}")
    return Precision(wanted)
