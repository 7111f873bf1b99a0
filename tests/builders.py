"""Tiny models with random weights: built once with transformers' own `save_pretrained`, then kept between runs.

Their tokenizers are the genuine ones that ship with the starters. Weights are drawn wide enough that the next token is
rarely a tie. What is kept lies in pytest's cache folder under the versions it was made with; each test gets a copy.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from core.engine.networks.head import Head
from core.models.registry import STARTER_FOLDER

Builder = Callable[..., Path]
"""Builds a model folder from a name and whatever the model's config should differ in."""

SEED = 20

FAMILIES = ("bert", "distilbert", "roberta", "albert")
"""The kinds of encoder that every task of the lab is tested with."""

KEPT = Path(__file__).parents[1] / ".pytest_cache" / "tiny-models"

_HEAD_CLASSES = {
    Head.MASKED_LM: "ForMaskedLM",
    Head.NEXT_SENTENCE: "ForNextSentencePrediction",
    Head.CLASSIFIER: "ForSequenceClassification",
    Head.ANSWERS: "ForQuestionAnswering",
    Head.STATES: "Model",
}

_NO_SENTENCE_NUMBERS = ("distilbert", "roberta")
"""The families that do not read which of two sentences a token belongs to."""


class EncoderBuilder(Protocol):
    """Builds a folder with a tiny random encoder under a head."""

    def __call__(self, family: str, head: Head, **changes: Any) -> Path:
        """`family` is one of `FAMILIES`; keyword arguments go to its config."""


def build_model(folder: Path, config: str, model: str, shape: dict[str, Any]) -> None:
    """Put a model with random weights into an empty folder.

    Args:
        folder: is there.
        config: transformers' class of the configuration.
        model: transformers' class of the model.
        shape: arguments of the configuration.
    """
    key = json.dumps([config, model, shape, SEED, version("torch"), version("transformers")], sort_keys=True)
    kept = KEPT / hashlib.sha256(key.encode()).hexdigest()[:16]
    if not kept.exists():
        _keep(kept, config, model, shape)
    shutil.copytree(kept, folder, dirs_exist_ok=True)


def _keep(kept: Path, config: str, model: str, shape: dict[str, Any]) -> None:
    import torch  # seconds, which a run that finds everything kept does without
    import transformers

    KEPT.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=KEPT))
    torch.manual_seed(SEED)
    getattr(transformers, model)(getattr(transformers, config)(**shape)).save_pretrained(made)
    try:
        os.rename(made, kept)  # at once, so that another process never finds half a model
    except OSError:  # another process was quicker
        shutil.rmtree(made)


def copy_tokenizer(starter: str, folder: Path) -> None:
    """Give a model folder the tokenizer of a starter."""
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(STARTER_FOLDER / starter / name, folder / name)


def build_gpt2(folder: Path, **changes: Any) -> Path:
    """Build a tiny random GPT-2; keyword arguments go to `GPT2Config`."""
    shape = {"n_positions": 64, "n_embd": 32, "n_layer": 2, "n_head": 4, "initializer_range": 0.3}
    build_model(folder, "GPT2Config", "GPT2LMHeadModel", shape | changes)
    copy_tokenizer("gpt2", folder)
    return folder


def build_llama(folder: Path) -> Path:
    """Build a tiny random Llama, which goes through transformers."""
    shape = {
        "vocab_size": 50257,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 64,
        "initializer_range": 0.3,
        "bos_token_id": 50256,
        "eos_token_id": 50256,
    }
    build_model(folder, "LlamaConfig", "LlamaForCausalLM", shape)
    copy_tokenizer("gpt2", folder)
    return folder


def build_encoder(folder: Path, family: str, head: Head, **changes: Any) -> Path:
    """Build a tiny random encoder, which speaks BERT's uncased WordPiece; keyword arguments go to its config."""
    name = {"bert": "Bert", "distilbert": "DistilBert", "roberta": "Roberta", "albert": "Albert"}[family]
    shape: dict[str, Any] = {"initializer_range": 0.3, "pad_token_id": 0, "max_position_embeddings": 64}
    if family == "distilbert":
        shape |= {"dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 4}
    else:
        shape |= {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    if family == "albert":
        shape |= {"embedding_size": 16}
    if family in ("albert", "roberta"):
        shape |= {"vocab_size": 30522}
    if family == "roberta":
        shape |= {"max_position_embeddings": 65}  # positions are counted from after the padding id
    build_model(folder, f"{name}Config", f"{name}{_HEAD_CLASSES[head]}", shape | changes)
    copy_tokenizer("bert", folder)
    if family in _NO_SENTENCE_NUMBERS:
        settings_file = folder / "tokenizer_config.json"
        written = json.loads(settings_file.read_text()) | {"model_input_names": ["input_ids", "attention_mask"]}
        settings_file.write_text(json.dumps(written))
    return folder
