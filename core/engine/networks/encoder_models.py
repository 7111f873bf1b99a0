"""BERT-type models from folders, for every task they are fine-tuned for, through transformers.

Any architecture that transformers' Auto classes know will do. On the CPU their layers are packed, and what two models
take from the same file is in memory once.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from core.engine.networks.encoders import pack_linears, share_modules
from core.engine.networks.head import Head
from core.engine.networks.loading import ProgressCallback, from_pretrained, gpt2_only, load_failure, model_info
from core.engine.networks.precision import choose_layers
from core.errors import ModelFormatError
from core.messages.records import ModelInfo
from core.models.checks import check_vocabulary
from core.models.registry import ResolvedModel, read_config, weight_files, weight_map
from core.precision import Precision

_FOUND_IN = {
    Head.MASKED_LM: ("ForMaskedLM", "ForPreTraining"),
    Head.NEXT_SENTENCE: ("ForNextSentencePrediction", "ForPreTraining"),
    Head.CLASSIFIER: ("ForSequenceClassification",),
    Head.ANSWERS: ("ForQuestionAnswering",),
    Head.STATES: ("",),
}
"""How the architecture of a checkpoint that has the head ends."""

_TRY_INSTEAD = {
    Head.MASKED_LM: "use starter/bert or another masked language model",
    Head.NEXT_SENTENCE: "use starter/bert or another BERT with its pre-training heads",
    Head.CLASSIFIER: "use starter/mrpc, starter/sst2 or another classifier",
    Head.ANSWERS: "give a model fine-tuned on SQuAD, such as distilbert-base-cased-distilled-squad",
    Head.STATES: "use starter/bert or starter/gpt2",
}

_OFFSET_POSITIONS = ("roberta", "camembert", "xlm-roberta", "longformer", "mpnet")
"""Model types whose positions are counted from after the padding id."""


@dataclass(frozen=True, slots=True)
class LoadedEncoder:
    """An encoder with a head, its tokenizer and its labels."""

    model: Any
    tokenizer: Any
    info: ModelInfo
    labels: tuple[str, ...]
    """Of a classifier, by class; else empty."""


def load_encoder(
    head: Head, resolved: ResolvedModel, device: torch.device, precision: str, progress: ProgressCallback
) -> LoadedEncoder:
    """Load a model for a task.

    Args:
        head: the task.
        resolved: where it is.
        device: where it goes.
        precision: as `device.pick_precision` gives it.
        progress: told of every step.

    Raises:
        ModelFormatError: the folder holds no model for this task.
        DeviceError: the precision cannot be had for this kind of model.
    """
    began = time.perf_counter()
    config = read_config(resolved)
    architecture = str((config.get("architectures") or ["none"])[0])
    if not architecture.endswith(_FOUND_IN[head]):
        raise ModelFormatError(
            f"{resolved.name} is a {architecture}, without a {head} head",
            _TRY_INSTEAD[head],
        )
    weight_files(resolved)
    progress("importing transformers", 0.1)
    auto_class(head)  # imports transformers
    progress("reading the weights", 0.7)
    model, parameters, actual, note = _model(head, resolved, device, precision)
    tokenizer = load_tokenizer(resolved)
    check_vocabulary(resolved.name, len(tokenizer), model.config.vocab_size)
    labels = tuple(model.config.id2label[index] for index in range(model.config.num_labels))
    progress("ready", 1.0)
    sizes = (parameters, positions(config), model.config.vocab_size)
    info = model_info(resolved, config, *sizes, device, actual, began, note)
    return LoadedEncoder(model, tokenizer, info, labels if head is Head.CLASSIFIER else ())


def comparing_head(model: ResolvedModel) -> Head:
    """What a model compares sentences with: its classification head, or the states of an encoder that has none.

    Raises:
        ModelFormatError: as `registry.read_config`.
    """
    config = read_config(model)
    architecture = str((config.get("architectures") or ["none"])[0])
    other = ("ForSequenceClassification", "ForCausalLM", "LMHeadModel", "GPT2Model", "none")
    is_encoder = not architecture.endswith(other) and not config.get("is_encoder_decoder")
    return Head.STATES if is_encoder else Head.CLASSIFIER


def two_labelled(loaded: LoadedEncoder) -> LoadedEncoder:
    """A classifier that has two labels, such as a BERT fine-tuned on MRPC.

    Raises:
        ModelFormatError: it has more or fewer.
    """
    if len(loaded.labels) != 2:
        raise ModelFormatError(
            f"{loaded.info.name} has {len(loaded.labels)} labels, not two", "use starter/mrpc or another MRPC model"
        )
    return loaded


def load_tokenizer(resolved: ResolvedModel) -> Any:
    """transformers' tokenizer of a model.

    Raises:
        ModelFormatError: it cannot be loaded.
    """
    tokenizers = _transformers().AutoTokenizer
    try:
        return tokenizers.from_pretrained(resolved.folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        raise load_failure(f"the tokenizer of {resolved.name}", resolved.folder, error) from error


def auto_class(head: Head) -> Any:
    """transformers' Auto class for a task."""
    transformers = _transformers()
    match head:
        case Head.MASKED_LM:
            return transformers.AutoModelForMaskedLM
        case Head.NEXT_SENTENCE:
            return transformers.AutoModelForNextSentencePrediction
        case Head.CLASSIFIER:
            return transformers.AutoModelForSequenceClassification
        case Head.ANSWERS:
            return transformers.AutoModelForQuestionAnswering
        case Head.STATES:
            return transformers.AutoModel


def _transformers() -> Any:
    import transformers  # costs seconds, so nothing imports it before a model needs it

    return transformers


def _model(head: Head, resolved: ResolvedModel, device: torch.device, precision: str) -> tuple[Any, int, str, str]:
    """A transformers model, packed on the CPU and shared where another has its modules; its size; its precision; why
    that is not the one wanted, if it is not.
    """
    if device.type != "cpu":
        model = from_pretrained(auto_class(head), resolved, device, precision, eager=head is Head.STATES)
        return model, _size(model), precision, ""
    if precision == Precision.INT8:
        raise gpt2_only(precision)
    model = from_pretrained(auto_class(head), resolved, device, "float32", eager=head is Head.STATES)
    first = next((module for module in model.base_model.modules() if isinstance(module, nn.Linear)), None)
    if first is None or head is Head.STATES:
        return model, _size(model), "float32", ""
    size = _size(model)
    actual, factory, note = choose_layers(precision, first.weight.detach().t(), first.bias.detach())
    share_modules(model, weight_map(resolved), actual)
    pack_linears(model, factory)
    return model, size, actual, note


def _size(model: nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())


def positions(config: dict[str, Any]) -> int:
    """How many tokens a model can read at once, by its config."""
    positions = int(config.get("max_position_embeddings") or config.get("n_positions") or 512)
    offset = int(config.get("pad_token_id") or 0) + 1 if config.get("model_type") in _OFFSET_POSITIONS else 0
    return positions - offset
