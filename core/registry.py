"""Which models there are and where a name leads: a bundled starter, a folder, or the Hugging Face cache.

Looks only at files that are there; it neither loads a model nor opens a connection.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from core.errors import ModelFormatError, ModelNotFoundError


class Task(StrEnum):
    """What a model is for."""

    CAUSAL_LM = "text generation"
    MASKED_LM = "masked language model"
    PARAPHRASE = "paraphrase (MRPC)"
    SENTIMENT = "sentiment (SST-2)"


class Source(StrEnum):
    """Where a model lies."""

    STARTER = "starter"
    FOLDER = "folder"
    CACHE = "cache"


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model that comes with the program."""

    name: str
    task: Task
    summary: str


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A name and the folder it leads to."""

    name: str
    source: Source
    folder: Path


STARTER_FOLDER = Path(__file__).parent / "starter"

STARTERS: dict[str, ModelSpec] = {
    spec.name: spec
    for spec in (
        ModelSpec("starter/gpt2", Task.CAUSAL_LM, "small GPT-2 trained on stories and children's books"),
        ModelSpec("starter/bert", Task.MASKED_LM, "small BERT with masked-LM and next-sentence heads"),
        ModelSpec("starter/mrpc", Task.PARAPHRASE, "the starter BERT fine-tuned on MRPC"),
        ModelSpec("starter/sst2", Task.SENTIMENT, "the starter BERT fine-tuned on SST-2"),
    )
}

DEFAULT_GENERATOR = "starter/gpt2"
DEFAULT_PARAPHRASER = "starter/mrpc"
DEFAULT_MASKED_LM = "starter/bert"
DEFAULT_SENTIMENT = "starter/sst2"

_TOKENIZER_TWINS = {"gpt2": "starter/gpt2", "bert-base-uncased": "starter/bert"}
"""Tokenizers of the originals that ship, unchanged, with a starter."""


def resolve(name: str) -> ResolvedModel:
    """Find the folder a model name leads to.

    Args:
        name: `starter/…`, a folder, or a hub name such as `gpt2` or `org/name`.

    Raises:
        ModelNotFoundError: it leads nowhere on this machine.
        ModelFormatError: it leads to something that is no model folder.
    """
    if name in STARTERS:
        return ResolvedModel(name, Source.STARTER, STARTER_FOLDER / name.removeprefix("starter/"))
    try:
        return _resolve_outside(name)
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: `~name` of a user there is not
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ModelNotFoundError(
            f"model {name!r} cannot be read: {reason}", "check the path and its permissions"
        ) from None


def _resolve_outside(name: str) -> ResolvedModel:
    folder = Path(name).expanduser()
    looks_like_path = name.startswith((".", "~", "/")) or (os.sep != "/" and os.sep in name)
    if folder.is_dir() and (looks_like_path or (folder / "config.json").exists()):
        return ResolvedModel(name, Source.FOLDER, folder.resolve())
    if folder.is_file():
        raise ModelFormatError(f"model {name!r} is a file, not a model folder", f"give its folder: {folder.parent}")
    if looks_like_path:
        raise ModelNotFoundError(f"no folder {name!r}", "check the path, or use the bundled starter/gpt2")
    cached = cached_snapshot(name)
    if cached is not None:
        return ResolvedModel(name, Source.CACHE, cached)
    if name.startswith("starter/"):
        raise ModelNotFoundError(f"no starter named {name!r}", f"there are {', '.join(STARTERS)}")
    raise ModelNotFoundError(
        f"model {name!r} is neither a folder here nor in the Hugging Face cache",
        f"use the bundled {DEFAULT_GENERATOR}, a folder, or fetch it once with: hf download {name}",
    )


def hub_cache() -> Path:
    """The folder in which huggingface_hub keeps its models, from the environment it reads itself."""
    if os.environ.get("HF_HUB_CACHE"):
        return Path(os.environ["HF_HUB_CACHE"]).expanduser()
    if os.environ.get("HF_HOME"):
        return Path(os.environ["HF_HOME"]).expanduser() / "hub"
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "huggingface" / "hub"


def cached_snapshot(name: str) -> Path | None:
    """The cached files of a hub model's main revision, or None when it was never downloaded."""
    repository = hub_cache() / f"models--{name.replace('/', '--')}"
    reference = repository / "refs" / "main"
    if not reference.is_file():
        return None
    snapshot = repository / "snapshots" / reference.read_text(encoding="utf-8").strip()
    return snapshot if (snapshot / "config.json").exists() else None


def cached_models() -> list[ResolvedModel]:
    """Every model in the Hugging Face cache that has a config, by name; those that cannot be read are left out.

    Raises:
        ModelNotFoundError: the cache itself cannot be read.
    """
    try:
        entries = [entry.name for entry in hub_cache().iterdir() if entry.name.startswith("models--")]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        reason = f"the Hugging Face cache {hub_cache()} cannot be read: {error.strerror}"
        raise ModelNotFoundError(reason, "check its permissions") from None
    names = sorted(entry.removeprefix("models--").replace("--", "/") for entry in entries)
    found = ((name, _readable_snapshot(name)) for name in names)
    return [ResolvedModel(name, Source.CACHE, folder) for name, folder in found if folder is not None]


def _readable_snapshot(name: str) -> Path | None:
    try:
        return cached_snapshot(name)
    except (OSError, ValueError):
        return None


def read_config(model: ResolvedModel) -> dict[str, Any]:
    """The model's `config.json`.

    Raises:
        ModelFormatError: it is missing, unreadable or no JSON object.
    """
    path = model.folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelFormatError(f"{model.name} has no config.json", "give a folder made by save_pretrained") from None
    except OSError as error:
        raise ModelFormatError(f"{path} cannot be read: {error.strerror}", "check its permissions") from None
    except ValueError as error:
        raise ModelFormatError(f"{path} is not JSON: {error}", "download the model again") from None
    if not isinstance(config, dict):
        raise ModelFormatError(f"{path} is not a JSON object", "download the model again")
    return config


def weight_files(model: ResolvedModel) -> list[Path]:
    """The safetensors files that hold the model's weights.

    Raises:
        ModelFormatError: there are none but pickles, or an index names a missing one or one outside the model.
    """
    index, single = model.folder / "model.safetensors.index.json", model.folder / "model.safetensors"
    try:
        if index.exists():
            return _indexed_files(model, json.loads(index.read_text(encoding="utf-8"))["weight_map"])
        if single.exists():
            return [single]
        pickled = sorted(path.name for path in model.folder.glob("pytorch_model*.bin"))
    except OSError as error:
        raise ModelFormatError(f"{model.folder} cannot be read: {error.strerror}", "check its permissions") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ModelFormatError(f"{index} is not a safetensors index", "download the model again") from None
    if pickled:
        raise ModelFormatError(
            f"{model.name} has only {pickled[0]}, a pickle, which can run code when opened",
            "convert it with save_pretrained(…), which writes model.safetensors",
        )
    raise ModelFormatError(f"{model.name} has no weights (model.safetensors)", "give a folder made by save_pretrained")


def weight_map(model: ResolvedModel) -> dict[str, Path]:
    """The file of each weight, by its name, where an index says so; else empty.

    Raises:
        ModelFormatError: as `weight_files`.
    """
    weight_files(model)
    index = model.folder / "model.safetensors.index.json"
    if not index.exists():
        return {}
    named: dict[str, str] = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
    return {name: (model.folder / file).resolve() for name, file in named.items()}


def _indexed_files(model: ResolvedModel, weight_map: dict[str, str]) -> list[Path]:
    files = sorted({(model.folder / name).resolve() for name in weight_map.values()})
    allowed = (model.folder.resolve(), STARTER_FOLDER.resolve())
    for path in files:
        blob = model.source is Source.CACHE and path.is_relative_to(hub_cache().resolve())
        if not blob and not any(path.is_relative_to(folder) for folder in allowed):
            raise ModelFormatError(f"the index of {model.name} points outside it, to {path}", "use a folder of its own")
        if not path.is_file():
            raise ModelFormatError(f"{model.name} lacks {path.name}", "download the model again")
    return files


def tokenizer_folder(name: str) -> Path:
    """The folder that holds a tokenizer; the genuine `gpt2` and `bert-base-uncased` are always at hand.

    Raises:
        ModelNotFoundError, ModelFormatError: as `resolve`.
    """
    try:
        return resolve(name).folder
    except ModelNotFoundError:
        if name in _TOKENIZER_TWINS:
            return resolve(_TOKENIZER_TWINS[name]).folder
        raise
