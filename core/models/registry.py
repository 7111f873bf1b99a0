"""Which models there are and where a name leads: a bundled starter, a folder, a gguf file, or the Hugging Face cache.

Looks only at files that are there; it neither loads a model nor opens a connection.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from core.errors import ModelFormatError, ModelNotFoundError
from core.models.hub.cache import cached_snapshot, cached_snapshots, hub_cache, split_revision


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
    GGUF = "gguf"


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
    """Of a gguf file, the folder it is converted into; not there before it is loaded for the first time."""
    file: Path | None = None
    """The gguf file, where there is one."""


STARTER_FOLDER = Path(__file__).parents[1] / "starter"

STARTERS: dict[str, ModelSpec] = {
    spec.name: spec
    for spec in (
        ModelSpec("starter/gpt2", Task.CAUSAL_LM, "small GPT-2 trained on stories and children's books"),
        ModelSpec("starter/bert", Task.MASKED_LM, "small BERT with masked-LM and next-sentence heads"),
        ModelSpec("starter/mrpc", Task.PARAPHRASE, "the starter BERT fine-tuned on MRPC"),
        ModelSpec("starter/sst2", Task.SENTIMENT, "the starter BERT fine-tuned on SST-2"),
        ModelSpec(
            "starter/distilbert", Task.MASKED_LM, "a DistilBERT of half the layers, distilled from the starter BERT"
        ),
        ModelSpec("starter/distilbert-sst2", Task.SENTIMENT, "the starter DistilBERT, distilled from starter/sst2"),
    )
}

DEFAULT_GENERATOR = "starter/gpt2"
DEFAULT_PARAPHRASER = "starter/mrpc"
DEFAULT_MASKED_LM = "starter/bert"
DEFAULT_SENTIMENT = "starter/distilbert-sst2"

COURSE_MODELS = {
    "gpt2": DEFAULT_GENERATOR,
    "bert-base-uncased": DEFAULT_MASKED_LM,
    "bert-base-cased-finetuned-mrpc": DEFAULT_PARAPHRASER,
    "distilbert-base-uncased": "starter/distilbert",
    "distilbert-base-uncased-finetuned-sst-2-english": DEFAULT_SENTIMENT,
}
"""The hub models that the course names, with the starter that does the same task."""

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
"""How the names of files end that can run code when they are opened."""

_TOKENIZER_TWINS = {"gpt2": "starter/gpt2", "bert-base-uncased": "starter/bert"}
"""Tokenizers of the originals that ship, unchanged, with a starter."""


def resolve(name: str, instead: str = "") -> ResolvedModel:
    """Find the folder a model name leads to.

    Args:
        name: `starter/…`, a folder, or a hub name such as `gpt2`, `org/name` or `org/name@revision`.
        instead: the starter of the task at hand, for the hint; empty when the task is not known.

    Raises:
        ModelNotFoundError: it leads nowhere on this machine.
        ModelFormatError: it leads to something that is no model folder.
    """
    if name in STARTERS:
        return ResolvedModel(name, Source.STARTER, STARTER_FOLDER / name.removeprefix("starter/"))
    try:
        return _resolve_outside(name, instead)
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: `~name` of a user there is not
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ModelNotFoundError(
            f"model {name!r} cannot be read: {reason}", "check the path and its permissions"
        ) from None


def _resolve_outside(name: str, instead: str) -> ResolvedModel:
    folder = Path(name).expanduser()
    is_gguf = folder.suffix.lower() == ".gguf"
    looks_like_path = is_gguf or name.startswith((".", "~", "/")) or (os.sep != "/" and os.sep in name)
    if folder.is_dir() and (looks_like_path or (folder / "config.json").exists()):
        return ResolvedModel(name, Source.FOLDER, folder.resolve())
    if folder.is_file() and is_gguf:
        file = _absolute(folder)
        return ResolvedModel(name, Source.GGUF, _conversion_folder(file), file)
    if folder.is_file():
        raise ModelFormatError(f"model {name!r} is a file, not a model folder", f"give its folder: {folder.parent}")
    if looks_like_path:
        what = "file" if is_gguf else "folder"
        raise ModelNotFoundError(f"no {what} {name!r}", f"check the path{_or_bundled(instead)}")
    cached = cached_snapshot(name)
    if cached is not None:
        return ResolvedModel(name, Source.CACHE, cached)
    if name.startswith("starter/"):
        raise ModelNotFoundError(f"no starter named {name!r}", f"there are {', '.join(STARTERS)}")
    raise ModelNotFoundError(
        f"model {name!r} is neither a folder here nor in the Hugging Face cache", _way_out(name, instead)
    )


def _absolute(file: Path) -> Path:
    """The path as it was given: a link keeps its own name, which says more than that of what it leads to."""
    return file.parent.resolve() / file.name if ".." in file.parts else file.absolute()


def _way_out(name: str, instead: str) -> str:
    """What to do for a hub model that is not here: fetch it, or use what is bundled for the same task."""
    repository, revision = split_revision(name)
    pull = f"nlp-tui models pull {repository or 'NAME'}{f' --revision {revision}' if revision else ''}"
    return f"fetch it with: {pull}{_or_bundled(COURSE_MODELS.get(repository, instead))}"


def _or_bundled(starter: str) -> str:
    return f", or use the bundled {starter}" if starter else ""


def starters_note(names: Iterable[str]) -> str:
    """Which of these models are not what they are named after; empty when none of them is bundled."""
    found = [name for name in dict.fromkeys(names) if name in STARTERS]
    if len(found) > 1:
        return f"{' and '.join(found)} are small starters, not the originals"
    return f"{found[0]} is a small starter, not the original" if found else ""


def _conversion_folder(file: Path) -> Path:
    """Where a gguf file's conversion is kept; another one as soon as the file changes."""
    from core.locations import conversions_folder  # platformdirs, for those who have such a file

    state = file.stat()
    mark = hashlib.sha256(f"{file.resolve()}\0{state.st_size}\0{state.st_mtime_ns}".encode()).hexdigest()
    return conversions_folder() / f"{file.stem}-{mark[:16]}"


def cached_models() -> list[ResolvedModel]:
    """Every model in the Hugging Face cache that has a config, once for each revision, by name.

    Those that cannot be read are left out.

    Raises:
        ModelNotFoundError: the cache itself cannot be read.
    """
    try:
        return [ResolvedModel(name, Source.CACHE, folder) for name, folder in cached_snapshots()]
    except OSError as error:
        reason = f"the Hugging Face cache {hub_cache()} cannot be read: {error.strerror}"
        raise ModelNotFoundError(reason, "check its permissions") from None


def read_config(model: ResolvedModel) -> dict[str, Any]:
    """The model's `config.json`.

    Raises:
        ModelFormatError: it is missing, unreadable or no JSON object.
    """
    path = model.folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelFormatError(f"{model.name} has no config.json", _what_instead(model)) from None
    except OSError as error:
        raise ModelFormatError(f"{path} cannot be read: {error.strerror}", "check its permissions") from None
    except ValueError as error:
        raise ModelFormatError(f"{path} is not JSON: {error}", "download the model again") from None
    if not isinstance(config, dict):
        raise ModelFormatError(f"{path} is not a JSON object", "download the model again")
    return config


def _what_instead(model: ResolvedModel) -> str:
    if model.file is not None:
        return "it is converted when it is loaded for the first time"
    file = next(iter(sorted(model.folder.glob("*.gguf"))), None)
    return f"give the file: {file}" if file is not None else "give a folder made by save_pretrained"


def weight_files(model: ResolvedModel) -> list[Path]:
    """The safetensors files that hold the model's weights; the gguf file itself where it is not converted yet.

    Raises:
        ModelFormatError: there are none but pickles, or an index names a missing one or one outside the model.
    """
    if model.file is not None and not model.folder.is_dir():
        return [model.file]
    index, single = model.folder / "model.safetensors.index.json", model.folder / "model.safetensors"
    try:
        if index.exists():
            return _indexed_files(model, json.loads(index.read_text(encoding="utf-8"))["weight_map"])
        if single.exists():
            return [single]
        pickled = sorted(path.name for path in model.folder.glob("*") if path.suffix in PICKLES)
    except OSError as error:
        raise ModelFormatError(f"{model.folder} cannot be read: {error.strerror}", "check its permissions") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ModelFormatError(f"{index} is not a safetensors index", "download the model again") from None
    if pickled:
        raise ModelFormatError(
            f"{model.name} has only {pickled[0]}, a pickle, which can run code when opened",
            "convert it with save_pretrained(…), which writes model.safetensors",
        )
    raise ModelFormatError(f"{model.name} has no weights (model.safetensors)", _what_instead(model))


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
    own, starters = model.folder.resolve(), STARTER_FOLDER.resolve()
    allowed = [own]
    if model.source is Source.CACHE:
        allowed.append((own.parent.parent / "blobs").resolve())
    if own.is_relative_to(starters):
        allowed.append(starters)
    for path in files:
        if not any(path.is_relative_to(folder) for folder in allowed):
            raise ModelFormatError(f"the index of {model.name} points outside it, to {path}", "use a folder of its own")
        if not path.is_file():
            raise ModelFormatError(f"{model.name} lacks {path.name}", "download the model again")
    return files


def is_converted(name: str) -> bool:
    """Whether a model's folder is there; that of a gguf file comes when it is loaded for the first time.

    Raises:
        ModelNotFoundError, ModelFormatError: as `resolve`.
    """
    model = resolve(name)
    return model.file is None or model.folder.is_dir()


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
