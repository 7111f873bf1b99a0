"""Whether a model's folder can be trusted and fits together, found out before anything of it is loaded.

Reads config.json and the headers of the weights, nothing else, and runs no code of the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.errors import ModelFormatError
from core.models.registry import PICKLES, ResolvedModel, read_config, weight_files, weight_map
from core.models.safetensors_header import TensorEntry, check_weights, read_header

_EMBEDDINGS = (
    *("wte.weight", "word_embeddings.weight", "embed_tokens.weight", "tok_embeddings.weight"),
    *("embed_in.weight", "tokens_embed.weight", "word_embedding.weight", "shared.weight"),
)
"""How the name of the table of token embeddings ends, in one model type or another."""


def check_model(model: ResolvedModel) -> tuple[TensorEntry, ...]:
    """Check a model and list its weights.

    Returns:
        The tensors that the model uses, of all its files.

    Raises:
        ModelFormatError: code of its own, pickles, broken or foreign files, or parts that do not belong together.
    """
    config = read_config(model)
    check_no_code(model.name, config)
    for path in weight_files(model):
        if path.suffix in PICKLES:
            raise ModelFormatError(
                f"the index of {model.name} names {path.name}, a pickle, which can run code when opened",
                "convert the model with save_pretrained(…), which writes safetensors",
            )
    entries = tensors_of(model)
    check_weights(model.name, entries)
    _check_embedding(model.name, config, entries)
    return entries


def tensors_of(model: ResolvedModel) -> tuple[TensorEntry, ...]:
    """List the tensors of the model's files; of a file that others use too, those that the index names.

    Raises:
        ModelFormatError: a file is broken, or lacks what the index says of it.
    """
    headers = {path: {entry.name: entry for entry in read_header(path)} for path in weight_files(model)}
    named = weight_map(model)
    if not named:
        return tuple(entry for header in headers.values() for entry in header.values())
    for name, path in named.items():
        if name not in headers[path]:
            raise ModelFormatError(
                f"the index of {model.name} says that {name} is in {path.name}, which lacks it", "download it again"
            )
    return tuple(headers[path][name] for name, path in named.items())


def check_no_code(name: str, config: Mapping[str, Any]) -> None:
    """Refuse a model that brings Python files of its own to be loaded with.

    Raises:
        ModelFormatError: its config names such code.
    """
    code = config.get("auto_map")
    if not code:
        return
    named = sorted(str(value) for value in code.values()) if isinstance(code, dict) else [str(code)]
    raise ModelFormatError(
        f"{name} wants to run code of its own ({', '.join(named)[:80]}, trust_remote_code), which is never done here",
        "use a model whose type transformers knows; if this one's is, take auto_map out of a copy's config.json",
    )


def check_vocabulary(name: str, entries: int, vocab_size: int) -> None:
    """Refuse a tokenizer that has ids the model knows nothing of.

    Args:
        name: the model's.
        entries: of the tokenizer.
        vocab_size: rows of the model's embedding.

    Raises:
        ModelFormatError: it has.
    """
    if entries > vocab_size:
        raise ModelFormatError(
            f"the tokenizer of {name} has {entries} entries, the model {vocab_size}",
            "tokenizer and weights do not belong together",
        )


def _check_embedding(name: str, config: Mapping[str, Any], entries: tuple[TensorEntry, ...]) -> None:
    vocab_size = config.get("vocab_size")
    table = next((entry for entry in entries if entry.name.endswith(_EMBEDDINGS) and len(entry.shape) == 2), None)
    if table is not None and type(vocab_size) is int and table.shape[0] != vocab_size:
        raise ModelFormatError(
            f"the config of {name} says {vocab_size:,} tokens, its embedding {table.name} has {table.shape[0]:,}",
            "config.json and weights do not belong together: download the model again",
        )
