"""Half of a BERT as a DistilBERT: the student that distillation starts from.

Copies weights and trains nothing: embeddings, every other layer and the head stay, token types and pooler go. The same
teacher always gives the same student. Source: Sanh et al. 2019, "DistilBERT", section 2, and its published code
(`scripts/extract.py`) for which layers are taken.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from core.engine.networks.encoder_models import LoadedEncoder, auto_class, load_tokenizer
from core.engine.networks.encoders import pack_linears
from core.engine.networks.head import Head
from core.engine.networks.loading import ProgressCallback, from_pretrained, gpt2_only, model_info
from core.engine.networks.precision import choose_layers
from core.errors import ModelFormatError
from core.models.checks import check_vocabulary
from core.models.registry import ResolvedModel, read_config
from core.precision import Precision

_BLOCK_NAMES = {
    "attention.self.query": "attention.q_lin",
    "attention.self.key": "attention.k_lin",
    "attention.self.value": "attention.v_lin",
    "attention.output.dense": "attention.out_lin",
    "attention.output.LayerNorm": "sa_layer_norm",
    "intermediate.dense": "ffn.lin1",
    "output.dense": "ffn.lin2",
    "output.LayerNorm": "output_layer_norm",
}
"""A layer's modules: BERT's names and DistilBERT's."""

_HEAD_NAMES = {
    "cls.predictions.transform.dense": "vocab_transform",
    "cls.predictions.transform.LayerNorm": "vocab_layer_norm",
}


def kept_layers(layers: int) -> tuple[int, ...]:
    """Which of a teacher's layers make the student: 0, 2, 5 of six and 0, 2, 4, 7, 9, 11 of twelve, as in the paper's
    code.

    Args:
        layers: how many the teacher has.
    """
    half = layers // 2
    return tuple(2 * layer + (2 * layer >= half) for layer in range(half))


def translate_weights(teacher: Mapping[str, Tensor], layers: int) -> dict[str, Tensor]:
    """A BERT masked language model's weights under the names of a DistilBERT of half its layers.

    Args:
        teacher: state of a BertForMaskedLM or BertForPreTraining of at least 2 × `layers` layers.
        layers: the student's layers.

    Returns:
        State of a DistilBertForMaskedLM. The embedding of token type 0 goes into the positions'.
    """
    words = teacher["bert.embeddings.word_embeddings.weight"].clone()
    return _encoder_weights(teacher, layers, _HEAD_NAMES) | {
        "distilbert.embeddings.word_embeddings.weight": words,
        "vocab_projector.weight": words,
        "vocab_projector.bias": teacher["cls.predictions.bias"].clone(),
    }


def halve(teacher: Any) -> Any:
    """A student of half the teacher's layers, with its head, untrained, without dropout.

    A classifier's pooler becomes the student's `pre_classifier`, whose ReLU stands where BERT has tanh.

    Args:
        teacher: a BertForMaskedLM, BertForPreTraining or BertForSequenceClassification with plain linear layers.

    Returns:
        A DistilBertForMaskedLM or DistilBertForSequenceClassification, in evaluation mode.

    Raises:
        ModelFormatError: the teacher is no such model, or has a single layer.
    """
    import transformers  # costs seconds, so nothing imports it before a model needs it

    kind, config = type(teacher).__name__, teacher.config
    if kind not in ("BertForMaskedLM", "BertForPreTraining", "BertForSequenceClassification"):
        raise ModelFormatError(f"a {kind} cannot be halved", "give a BERT as the teacher, such as starter/bert")
    if config.num_hidden_layers < 2:
        raise ModelFormatError("the teacher has a single layer, so half of it is none", "give a deeper BERT")
    is_classifier = kind == "BertForSequenceClassification"
    student_class = (
        transformers.DistilBertForSequenceClassification if is_classifier else transformers.DistilBertForMaskedLM
    )
    state, half = teacher.state_dict(), config.num_hidden_layers // 2
    if is_classifier:
        names = {"bert.pooler.dense": "pre_classifier", "classifier": "classifier"}
        words = "embeddings.word_embeddings.weight"
        weights = _encoder_weights(state, half, names) | {f"distilbert.{words}": state[f"bert.{words}"].clone()}
    else:
        weights = translate_weights(state, half)
    with torch.random.fork_rng(devices=[]):  # the first random weights are drawn from the global generator
        student = student_class(_student_config(config, student_class))
    student.load_state_dict(weights)
    return student.to(next(teacher.parameters()).device).eval()


def load_halved(
    head: Head, resolved: ResolvedModel, device: torch.device, precision: str, progress: ProgressCallback
) -> LoadedEncoder:
    """Half of a BERT, made from its folder on the fly and ready to infer.

    Args:
        head: `MASKED_LM` or `CLASSIFIER`.
        resolved: the teacher.
        device: where the student goes.
        precision: as `device.pick_precision` gives it.
        progress: told of every step.

    Raises:
        ModelFormatError: there is no BERT with this head, or it cannot be halved.
        DeviceError: the precision cannot be had.
    """
    began = time.perf_counter()
    if precision == Precision.INT8:
        raise gpt2_only(precision)
    progress("halving the teacher", 0.8)
    stored, note = "float32" if device.type == "cpu" else precision, ""
    student = halve(from_pretrained(auto_class(head), resolved, device, stored)).to(getattr(torch, stored))
    parameters = sum(weight.numel() for weight in student.parameters())
    if device.type == "cpu":
        first = next(module for module in student.base_model.modules() if isinstance(module, nn.Linear))
        stored, factory, note = choose_layers(precision, first.weight.detach().t(), first.bias.detach())
        pack_linears(student, factory)
    labels = tuple(student.config.id2label[index] for index in range(student.config.num_labels))
    tokenizer = load_tokenizer(resolved)
    check_vocabulary(resolved.name, len(tokenizer), student.config.vocab_size)
    progress("ready", 1.0)
    sizes = (parameters, student.config.max_position_embeddings, student.config.vocab_size)
    info = model_info(resolved, read_config(resolved), *sizes, device, stored, began, note)
    return LoadedEncoder(student, tokenizer, info, labels if head is Head.CLASSIFIER else ())


def _encoder_weights(teacher: Mapping[str, Tensor], layers: int, head_names: Mapping[str, str]) -> dict[str, Tensor]:
    """Embeddings but the words', every other layer, and a head, under DistilBERT's names."""
    source, target = "bert.embeddings.", "distilbert.embeddings."
    names = {f"{source}LayerNorm": f"{target}LayerNorm", **head_names}
    for layer, taken in enumerate(kept_layers(2 * layers)):
        for old, new in _BLOCK_NAMES.items():
            names[f"bert.encoder.layer.{taken}.{old}"] = f"distilbert.transformer.layer.{layer}.{new}"
    weights = {
        f"{new}.{part}": teacher[f"{old}.{part}"].clone() for old, new in names.items() for part in ("weight", "bias")
    }
    token_type = teacher[f"{source}token_type_embeddings.weight"][0]
    return weights | {
        f"{target}position_embeddings.weight": teacher[f"{source}position_embeddings.weight"] + token_type,
    }


def _student_config(teacher: Any, student_class: Any) -> Any:
    return student_class.config_class(
        vocab_size=teacher.vocab_size,
        max_position_embeddings=teacher.max_position_embeddings,
        dim=teacher.hidden_size,
        hidden_dim=teacher.intermediate_size,
        n_layers=teacher.num_hidden_layers // 2,
        n_heads=teacher.num_attention_heads,
        activation=teacher.hidden_act,
        pad_token_id=teacher.pad_token_id,
        dropout=0.0,
        attention_dropout=0.0,
        seq_classif_dropout=0.0,
        id2label=teacher.id2label,
        label2id=teacher.label2id,
        architectures=[student_class.__name__],
    )
