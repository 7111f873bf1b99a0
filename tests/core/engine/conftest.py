"""Tiny models in memory: ours, and the reference's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.engine.networks.encoder_models import LoadedEncoder
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
