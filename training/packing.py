"""Finished models as ordinary Hugging Face folders in half precision.

Writes weights, index files and tokenizers; trains nothing. Invariant: every folder loads with
plain `from_pretrained(folder)`, given the folders that its index points to.
"""

import copy
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedTokenizerBase

INDEX_NAME = "model.safetensors.index.json"


def empty_folder(folder: Path) -> Path:
    """Return the folder, emptied or made."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def half_precision(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return copies of the weights in float16."""
    return {name: tensor.detach().half().cpu().contiguous() for name, tensor in weights.items()}


def save_weights(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Write weights in float16 as transformers writes them."""
    save_file(half_precision(weights), path, metadata={"format": "pt"})
    path.chmod(0o644)  # the library makes it readable to its owner alone


def save_index(folder: Path, files: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Write the index that tells which file holds which weight.

    Args:
        folder: The model's folder.
        files: Weights by file, the file as seen from the folder.
    """
    weight_map = {name: file for file, weights in files.items() for name in weights}
    parameters = sum(t.numel() for weights in files.values() for t in weights.values())
    index = {"metadata": {"total_size": 2 * parameters}, "weight_map": weight_map}
    (folder / INDEX_NAME).write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")


def save_surroundings(folder: Path, config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase, longest: int) -> None:
    """Write copies of the configuration, saying float16, and of the tokenizer.

    Args:
        folder: The model's folder.
        config: The model's configuration.
        tokenizer: The tokenizer.
        longest: The longest input in tokens.
    """
    packed_config = copy.deepcopy(config)
    packed_config.dtype = torch.float16
    packed_config.save_pretrained(str(folder))
    packed_tokenizer = copy.deepcopy(tokenizer)
    packed_tokenizer.model_max_length = longest
    backend = getattr(packed_tokenizer, "backend_tokenizer", None)
    if backend is not None:  # what the last training batch asked for is no property of the tokenizer
        backend.no_truncation()
        backend.no_padding()
    packed_tokenizer.save_pretrained(str(folder))
    written = folder / "tokenizer.json"
    if written.exists():  # the library indents it, which makes it half as long again
        compact = json.dumps(json.loads(written.read_text(encoding="utf-8")), ensure_ascii=False, separators=(",", ":"))
        written.write_text(compact, encoding="utf-8")
