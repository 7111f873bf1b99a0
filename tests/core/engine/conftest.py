"""Tiny models in memory, ours and the reference's; processors other than this one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from core.engine.networks.encoder_models import LoadedEncoder
from core.engine.networks.linear import Activation, PackedLinear
from core.engine.networks.loading import LoadedCausal
from tests.loaded import evaluated, load_causal_folder, load_classifier_folder


@pytest.fixture(scope="session")
def loaded_gpt2(gpt2_folder: Path) -> LoadedCausal:
    """The tiny GPT-2, through our own forward."""
    return load_causal_folder(gpt2_folder)


@pytest.fixture(scope="session")
def loaded_llama(llama_folder: Path) -> LoadedCausal:
    """The tiny Llama, through transformers."""
    return load_causal_folder(llama_folder)


@pytest.fixture(scope="session")
def loaded_classifier(classifier_folder: Path) -> LoadedEncoder:
    """The tiny classifier."""
    return load_classifier_folder(classifier_folder)


@pytest.fixture(scope="session")
def reference_gpt2(gpt2_folder: Path) -> Any:
    """The tiny GPT-2 as transformers loads it."""
    from transformers import GPT2LMHeadModel  # seconds, for the tests that need it

    return evaluated(GPT2LMHeadModel.from_pretrained(gpt2_folder))


@pytest.fixture
def without_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor whose only packed operators are those for float32, as one without AVX-512."""
    pack = PackedLinear.__init__

    def refuse(
        layer: PackedLinear, weight: Tensor, bias: Tensor | None, activation: Activation, dtype: torch.dtype
    ) -> None:
        if dtype is not torch.float32:
            raise RuntimeError("the path needs a processor that this one is not")
        pack(layer, weight, bias, activation, dtype)

    monkeypatch.setattr(PackedLinear, "__init__", refuse)
