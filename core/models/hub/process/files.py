"""Which files of a hub model are needed here: configuration, tokenizer, card, and weights as safetensors, no others.

Pickles and code are never among them. Every name and hash is checked before it becomes a path.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from core.errors import ModelFormatError
from core.models.hub.hashes import is_hash
from core.models.hub.records import HubFile
from core.models.registry import PICKLES

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"

_SURROUNDINGS = frozenset(
    {
        "README.md",
        "added_tokens.json",
        "chat_template.jinja",
        "chat_template.json",
        "config.json",
        "generation_config.json",
        "merges.txt",
        "sentencepiece.bpe.model",
        "special_tokens_map.json",
        "spiece.model",
        "tokenizer.json",
        "tokenizer.model",
        "tokenizer_config.json",
        "vocab.json",
        "vocab.txt",
    }
)
"""What belongs to a model beside its weights; the card says the licence."""

_SHARD = re.compile(r"model-\d+-of-\d+\.safetensors")


def choose_files(name: str, endpoint: str, files: Sequence[HubFile]) -> tuple[HubFile, ...]:
    """The files to fetch, the small ones first.

    Args:
        name: of the model, for the error.
        endpoint: the hub, for the error.
        files: every file of the repository at one commit.

    Raises:
        ModelFormatError: it has no safetensors, no config.json, or a file without a usable hash.
    """
    by_name = {file.name: file for file in files}
    weights = _weights(by_name)
    if not weights:
        raise _no_safetensors(name, endpoint, sorted(by_name))
    if "config.json" not in by_name:
        raise _no_config(name)
    chosen = [file for file in files if file.name in _SURROUNDINGS] + weights
    for file in chosen:
        if file.size_bytes < 0 or not is_hash(file.blob):
            raise ModelFormatError(f"the hub gives no usable hash of {file.name} of {name}", "try another mirror")
    return tuple(sorted(chosen, key=lambda file: (file.size_bytes, file.name)))


def _weights(by_name: dict[str, HubFile]) -> list[HubFile]:
    if SINGLE in by_name:
        return [by_name[SINGLE]]
    shards = [file for name, file in by_name.items() if _SHARD.fullmatch(name)]
    return [by_name[INDEX], *shards] if INDEX in by_name and shards else []


def _no_safetensors(name: str, endpoint: str, names: list[str]) -> ModelFormatError:
    """The refusal, with the way out."""
    pickle = next((one for one in names if one.endswith(PICKLES)), None)
    if pickle is not None:
        return ModelFormatError(
            f"{name} has only {pickle}, a pickle, which can run code when opened; only safetensors are fetched",
            f"look for a conversion at {endpoint}/{name}/discussions and pull it with --revision refs/pr/N, or convert "
            "it where you trust it with from_pretrained(…).save_pretrained(FOLDER) and give the folder",
        )
    gguf = next((one for one in names if one.endswith(".gguf")), None)
    if gguf is not None:
        return ModelFormatError(
            f"{name} has gguf files and no safetensors", f"choose one: hf download {name} {gguf}, then give its path"
        )
    if "config.json" not in names:
        return _no_config(name)
    return ModelFormatError(f"{name} has no safetensors on the hub", "pull a model that has model.safetensors")


def _no_config(name: str) -> ModelFormatError:
    return ModelFormatError(
        f"{name} has no config.json on the hub, so it is no transformers model", "pull a model that has one"
    )
