"""Causal models from folders: the lean GPT-2 from its safetensors, everything else through transformers.

Only safetensors are read and no code of a model is run. Each loader reports its progress as (stage, fraction).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from core.engine.networks.causal import CausalModel, TransformersModel
from core.engine.networks.chat_template import ChatTemplate, read_template
from core.engine.networks.end_tokens import end_ids
from core.engine.networks.fit import WeightCount, fits, is_out_of_memory
from core.engine.networks.gpt2 import GPT2, GPT2Config, exact_logits
from core.engine.networks.precision import CALIBRATION_TEXT, choose_layers, measure_error
from core.errors import DeviceError, EngineError, ModelFormatError
from core.messages.records import ModelInfo, PrecisionError
from core.models.checks import check_vocabulary
from core.models.registry import ResolvedModel, read_config, weight_files
from core.precision import DTYPES, Precision
from core.text.tokenization import TextTokenizer

PROBE_ENTRIES = 2**22
"""How many weights the speed of a precision is judged on."""

_WITHOUT_CACHE = ("openai-gpt", "xlnet", "reformer")
"""Model types that would have to read everything anew for each token."""

ProgressCallback = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class LoadedCausal:
    """A causal model, its tokenizer and what is known of it."""

    model: CausalModel
    tokenizer: TextTokenizer
    info: ModelInfo
    eos_ids: frozenset[int]
    template: ChatTemplate | None = None
    """Of a chat model."""


def load_causal(
    resolved: ResolvedModel,
    device: torch.device,
    precision: str,
    progress: ProgressCallback,
    *,
    fall_back: bool = True,
) -> LoadedCausal:
    """Load a causal language model.

    Args:
        resolved: where it is.
        device: where it goes.
        precision: as `device.pick_precision` gives it.
        progress: told of every step.
        fall_back: take float32 where it is quicker here than the precision, if it fits.

    Raises:
        ModelFormatError: the folder holds no usable causal model.
        DeviceError: the precision cannot be had for this kind of model.
    """
    began = time.perf_counter()
    config = read_config(resolved)
    progress("reading the tokenizer", 0.0)
    tokenizer = TextTokenizer.from_folder(resolved.name, resolved.folder)
    error, note = PrecisionError(), ""
    if config.get("model_type") == "gpt2":
        wanted = _Wanted(device, precision, fall_back)
        model, actual, error, note = _gpt2(resolved, config, wanted, tokenizer, progress)
        vocab_size = model.config.vocab_size
        causal: CausalModel = model
    else:
        progress("importing transformers", 0.2)
        actual, causal = precision, _transformers_causal(resolved, config, device, precision)
        vocab_size = int(config.get("vocab_size", tokenizer.vocab_size))
    check_vocabulary(resolved.name, tokenizer.vocab_size, vocab_size)
    template = read_template(resolved.name, resolved.folder)
    progress("ready", 1.0)
    sizes = (causal.parameters, causal.n_positions, vocab_size)
    info = model_info(resolved, config, *sizes, device, actual, began, note)
    info = replace(info, error=error, chat=template is not None)
    return LoadedCausal(causal, tokenizer, info, end_ids(config, resolved.folder, tokenizer, template), template)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """How a model shall be loaded."""

    device: torch.device
    precision: str
    fall_back: bool
    """Whether float32 may be taken instead."""


def _gpt2(
    resolved: ResolvedModel,
    config: dict[str, Any],
    wanted: _Wanted,
    tokenizer: TextTokenizer,
    progress: ProgressCallback,
) -> tuple[GPT2, str, PrecisionError, str]:
    """The lean GPT-2, the precision it got, how far that is from float32, and what the user should know of it."""
    gpt2_config, precision = GPT2Config.from_json(config), wanted.precision
    weights = _read_weights(resolved, wanted.device, None if wanted.device.type == "cpu" else precision, progress)
    progress("preparing the layers", 0.9)
    if wanted.device.type != "cpu":
        return GPT2(gpt2_config, weights, dtype=getattr(torch, precision)), precision, PrecisionError(), ""
    widened = any(weight.dtype != torch.float32 for weight in weights.values())
    count = WeightCount.of(map(Tensor.numel, weights.values()), widened=widened)
    exact_fits = fits(count, wanted.device, "float32")
    probe = _probe_weights(gpt2_config)
    actual, factory, note = choose_layers(precision, *probe, fall_back=wanted.fall_back and exact_fits)
    model = GPT2(gpt2_config, weights, factory)
    if actual == "float32":
        return model, actual, PrecisionError(), note
    if not exact_fits:
        return model, actual, PrecisionError(), "error not measured: float32 does not fit"
    progress("measuring the error of the precision", 0.95)
    ids = tokenizer.ids(CALIBRATION_TEXT)[: gpt2_config.n_positions]
    with torch.inference_mode():
        exact = exact_logits(gpt2_config, weights, ids)
    return model, actual, measure_error(exact, model, ids), ""


def _probe_weights(config: GPT2Config) -> tuple[Tensor, Tensor]:
    """An [in, out] weight and a bias of the model's width, to time kinds of linear layers on: too large for a cache."""
    width = config.n_embd
    columns = max(4 * width, PROBE_ENTRIES // width)
    generator = torch.Generator().manual_seed(0)
    return torch.randn(width, columns, generator=generator) / width**0.5, torch.zeros(columns)


def _read_weights(
    resolved: ResolvedModel, device: torch.device, precision: str | None, progress: ProgressCallback
) -> dict[str, Tensor]:
    """Every tensor of the model's safetensors on the device, in a precision or as in the file.

    On the CPU and as in the file they are mapped, not read.
    """
    weights: dict[str, Tensor] = {}
    files = weight_files(resolved)
    try:
        for number, path in enumerate(files):
            with safe_open(path, framework="pt") as file:
                names = list(file.keys())
                for index, name in enumerate(names):
                    if index % 16 == 0:
                        progress("reading the weights", (number + index / len(names)) / len(files))
                    if not name.endswith((".attn.bias", ".attn.masked_bias")):  # mask buffers of old checkpoints
                        weight = file.get_tensor(name).to(device)
                        check_finite(resolved.name, name, weight)
                        weights[name] = weight if precision is None else weight.to(getattr(torch, precision))
    except (SafetensorError, OSError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        raise ModelFormatError(
            f"the weights of {resolved.name} cannot be read: {error}", "download them again"
        ) from None
    return weights


def _transformers_causal(
    resolved: ResolvedModel, config: dict[str, Any], device: torch.device, precision: str
) -> TransformersModel:
    architectures = config.get("architectures") or ["none"]
    if not str(architectures[0]).endswith(("ForCausalLM", "LMHeadModel")):
        raise ModelFormatError(
            f"{resolved.name} is a {architectures[0]}, which does not continue text",
            "use starter/gpt2 or another causal model",
        )
    if config.get("model_type") in _WITHOUT_CACHE:
        raise ModelFormatError(
            f"{resolved.name} is a {architectures[0]}, which keeps no keys and values between tokens",
            "use GPT-2 or a later model",
        )
    weight_files(resolved)
    from transformers import AutoModelForCausalLM  # costs seconds; GPT-2 does without it

    model = from_pretrained(AutoModelForCausalLM, resolved, device, precision)
    positions = int(config.get("max_position_embeddings") or config.get("n_positions") or 2048)
    return TransformersModel(model, positions)


def from_pretrained(
    auto_class: Any, resolved: ResolvedModel, device: torch.device, precision: str, *, eager: bool = False, **more: Any
) -> Any:
    """A transformers model from a folder, ready to infer.

    Args:
        auto_class: which of transformers' Auto classes.
        resolved: where it is.
        device: where it goes.
        precision: float32, float16 or bfloat16.
        eager: with attention that can be looked at.
        more: whatever else transformers' own `from_pretrained` takes.

    Raises:
        ModelFormatError: transformers cannot load it.
        DeviceError: another precision was asked for.
    """
    if precision == Precision.INT8:
        raise gpt2_only(precision)
    dtype = getattr(torch, precision)
    try:
        model, found = auto_class.from_pretrained(
            resolved.folder,
            dtype=dtype,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
            **({"attn_implementation": "eager"} if eager else {}),
            **more,
        )
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
        if is_out_of_memory(error):
            raise
        raise load_failure(resolved.name, resolved.folder, error) from error
    if not more.get("ignore_mismatched_sizes"):  # with it, what is missing is meant to start afresh
        _check_complete(resolved.name, found["missing_keys"])
    for name, weight in model.named_parameters():
        check_finite(resolved.name, name, weight.detach())
    return model.to(device).eval()


def _check_complete(name: str, missing: Iterable[str]) -> None:
    """Refuse weights that transformers had to make up, but for poolers, which no task here reads without its head."""
    lacking = sorted(key for key in missing if "pooler." not in key)
    if lacking:
        raise ModelFormatError(f"the weights of {name} lack {lacking[0]}", "download the model again")


def gpt2_only(precision: str) -> DeviceError:
    """The error for a precision that only the lean GPT-2 has."""
    return DeviceError(f"{precision} is available for GPT-2 models only", f"use one of {', '.join(DTYPES)}")


def load_failure(name: str, folder: Path, error: Exception) -> EngineError:
    """The error for files that transformers cannot load."""
    reason = str(error).strip().partition("\n")[0][:200] or type(error).__name__
    return ModelFormatError(f"{name} cannot be loaded: {reason}", f"check the files in {folder}")


def model_info(
    resolved: ResolvedModel,
    config: dict[str, Any],
    parameters: int,
    n_positions: int,
    vocab_size: int,
    device: torch.device,
    precision: str,
    began: float,
    note: str,
) -> ModelInfo:
    """What is known of a model that was loaded since `began` (`time.perf_counter`); `note` is that of `ModelInfo`."""
    return ModelInfo(
        name=resolved.name,
        source=resolved.source.value,
        path=str(resolved.folder),
        architecture=str((config.get("architectures") or [config.get("model_type", "unknown")])[0]),
        parameters=parameters,
        n_positions=n_positions,
        vocab_size=vocab_size,
        device=str(device),
        dtype=precision,
        load_s=time.perf_counter() - began,
        note=note,
    )


def check_finite(model_name: str, name: str, weight: Tensor) -> None:
    """Refuse a weight that holds NaN or infinity: its extremes tell, at the speed of memory.

    Raises:
        ModelFormatError: it does.
    """
    if weight.is_floating_point() and weight.numel() and not all(map(math.isfinite, weight.aminmax())):
        raise ModelFormatError(
            f"{name} of {model_name} holds numbers that are none (NaN or infinity)",
            "its weights are broken: download it again, or use another",
        )
