"""What is known of a model without loading it: from its config, the headers of its weights, and its card.

Reads a few kilobytes a model; needs neither torch nor safetensors.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from core.errors import EngineError
from core.models.checks import tensors_of
from core.models.gguf_header import read_gguf
from core.models.registry import COURSE_MODELS, STARTERS, ResolvedModel, Source, Task, read_config, weight_files
from core.models.safetensors_header import TensorEntry
from core.precision import DTYPES, Precision

_TASKS = {
    "ForCausalLM": Task.CAUSAL_LM.value,
    "LMHeadModel": Task.CAUSAL_LM.value,
    "ForMaskedLM": Task.MASKED_LM.value,
    "ForPreTraining": Task.MASKED_LM.value,
    "ForSequenceClassification": "text classification",
    "ForTokenClassification": "token classification",
    "ForQuestionAnswering": "question answering",
    "Model": "hidden states",
}
"""What an architecture whose name ends like this is for."""

_CARD_BYTES = 2**16
_FIELD = re.compile(r"^(license|license_name):[ \t]*(.*(?:\n[ \t]*- .*)*)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A model, from the outside."""

    name: str
    source: str
    task: str
    """Empty when nobody knows."""
    architecture: str
    parameters: int
    """Weights as the files hold them; 0 when they cannot be read."""
    dtype: str
    """What most of them are stored as, as safetensors calls it (`F16`)."""
    size_bytes: int
    """Of the weights on disk."""
    memory_bytes: dict[str, int]
    """Of the weights in memory, by the precision one can load it in."""
    license: str
    """As its card says, or the header of its gguf file; empty when they say nothing."""
    revision: str
    """The commit of a cached model; empty for others."""
    path: str
    summary: str
    """What a starter is; of others, what is wrong with the files, or still to be done with them."""
    file: str = ""
    """The gguf file it was converted from; empty for others."""
    shared_bytes: int = 0
    """Of `size_bytes`, what lies in the folder of another starter."""


def model_facts(model: ResolvedModel) -> ModelFacts:
    """Everything about a model that can be known without loading it; what is broken is said, not raised."""
    if model.file is not None and not model.folder.is_dir():
        return _facts_of_gguf(model, model.file)
    spec = STARTERS.get(model.name)
    entries: list[TensorEntry] = []
    architecture, model_type, size_bytes, shared_bytes = "unknown", "", 0, 0
    summary = spec.summary if spec else ""
    try:
        config = read_config(model)
        architecture, model_type = _architecture(config.get("architectures")), str(config.get("model_type", ""))
        sizes = {path: path.stat().st_size for path in weight_files(model)}
        size_bytes = sum(sizes.values())
        if model.source is Source.STARTER:
            own = model.folder.resolve()
            shared_bytes = sum(size for path, size in sizes.items() if not path.is_relative_to(own))
        entries = [entry for entry in tensors_of(model) if entry.is_weight]
    except EngineError as error:
        summary = error.message
    except OSError as error:
        summary = f"cannot be read: {error.strerror}"
    parameters = sum(entry.elements for entry in entries)
    return ModelFacts(
        name=model.name,
        source=model.source.value,
        task=task_of(model.name, architecture),
        architecture=architecture,
        parameters=parameters,
        dtype=_most_common_dtype(entries),
        size_bytes=size_bytes,
        memory_bytes=_memory_bytes(parameters, model_type) if parameters else {},
        license=_license_of_gguf(model.file) if model.file is not None else _license(model),
        revision=model.folder.name if model.source is Source.CACHE else "",
        path=str(model.folder),
        summary=summary,
        file=str(model.file or ""),
        shared_bytes=shared_bytes,
    )


def _facts_of_gguf(model: ResolvedModel, file: Path) -> ModelFacts:
    """A gguf file that is not converted yet; llama.cpp has such files for models that write text alone."""
    architecture, license_, parameters, size_bytes = "unknown", "", 0, 0
    summary = "converted into an ordinary folder when it is loaded for the first time"
    try:
        header = read_gguf(file)
        size_bytes = file.stat().st_size
        architecture, license_ = header.architecture, str(header.metadata.get("general.license", ""))
        parameters = sum(tensor.elements for tensor in header.tensors)
    except EngineError as error:
        summary = error.message
    except OSError as error:
        summary = f"cannot be read: {error.strerror}"
    return ModelFacts(
        name=model.name,
        source=model.source.value,
        task=Task.CAUSAL_LM.value,
        architecture=architecture,
        parameters=parameters,
        dtype="gguf" if parameters else "",
        size_bytes=size_bytes,
        memory_bytes=_memory_bytes(parameters, architecture) if parameters else {},
        license=license_,
        revision="",
        path=str(file),
        summary=summary,
        file=str(file),
    )


def _license_of_gguf(file: Path) -> str:
    try:
        return str(read_gguf(file).metadata.get("general.license", ""))
    except EngineError:
        return ""


def _architecture(value: object) -> str:
    return str(value[0]) if isinstance(value, list) and value else "unknown"


def task_of(name: str, architecture: str) -> str:
    """What a model is for, by its name or its architecture; empty when nobody knows."""
    starter = STARTERS.get(COURSE_MODELS.get(name, name))
    if starter is not None:
        return starter.task.value
    return next((task for end, task in _TASKS.items() if architecture.endswith(end)), "")


def _most_common_dtype(entries: list[TensorEntry]) -> str:
    sizes: dict[str, int] = {}
    for entry in entries:
        sizes[entry.dtype] = sizes.get(entry.dtype, 0) + entry.elements
    return max(sizes, key=lambda dtype: sizes[dtype], default="")


def _memory_bytes(parameters: int, model_type: str) -> dict[str, int]:
    """By precision; only GPT-2 can be had in int8."""
    chosen = Precision if model_type == "gpt2" else DTYPES
    return {str(one): parameters * one.weight_bytes for one in chosen}


def _license(model: ResolvedModel) -> str:
    """From the front matter of the model's card."""
    try:
        with (model.folder / "README.md").open("rb") as card:
            text = card.read(_CARD_BYTES).decode("utf-8", "replace").replace("\r\n", "\n")
    except OSError:
        return ""
    if not text.startswith("---\n"):
        return ""
    front = text[4:].partition("\n---")[0]
    fields = dict(_FIELD.findall(front))
    value = fields.get("license", "")
    if value.strip() == "other":
        value = fields.get("license_name", value)
    items = [item.strip().strip("-[]'\" ") for item in re.split(r"[\n,]", value)]
    return ", ".join(item for item in items if item)
