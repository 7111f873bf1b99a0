"""A DistilBERT of half the teacher's layers, started from every other one of them.

Builds the student and its joint state of masked LM and classifier; trains nothing. Source: Sanh et
al. 2019, "DistilBERT, a distilled version of BERT". Invariant: the two heads share one encoder
module, and the packed folder loads as either model.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import (
    BertConfig,
    BertForPreTraining,
    DistilBertConfig,
    DistilBertForMaskedLM,
    DistilBertForSequenceClassification,
    PreTrainedTokenizerBase,
)

from training.bert_model import LABELS
from training.glue import Task
from training.packing import empty_folder, save_surroundings, save_weights

BLOCK_NAMES = {
    "attention.self.query": "attention.q_lin",
    "attention.self.key": "attention.k_lin",
    "attention.self.value": "attention.v_lin",
    "attention.output.dense": "attention.out_lin",
    "attention.output.LayerNorm": "sa_layer_norm",
    "intermediate.dense": "ffn.lin1",
    "output.dense": "ffn.lin2",
    "output.LayerNorm": "output_layer_norm",
}
HEAD_NAMES = {
    "cls.predictions.transform.dense": "vocab_transform",
    "cls.predictions.transform.LayerNorm": "vocab_layer_norm",
}


@dataclass(frozen=True, slots=True)
class Student:
    """The student with its two heads."""

    masked_lm: DistilBertForMaskedLM
    """The masked LM."""
    sentiment: DistilBertForSequenceClassification
    """The SST-2 classifier, on the masked LM's encoder."""

    def module(self) -> nn.ModuleDict:
        """Return both as one module."""
        return nn.ModuleDict({"masked_lm": self.masked_lm, "sentiment": self.sentiment})


def student_config(teacher: BertConfig) -> DistilBertConfig:
    """Return the configuration of a student of half the teacher's layers."""
    labels = LABELS[Task.SST2]
    return DistilBertConfig(
        vocab_size=teacher.vocab_size,
        max_position_embeddings=teacher.max_position_embeddings,
        dim=teacher.hidden_size,
        hidden_dim=teacher.intermediate_size,
        n_layers=teacher.num_hidden_layers // 2,
        n_heads=teacher.num_attention_heads,
        dropout=0.0,
        attention_dropout=0.0,
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
        architectures=["DistilBertForMaskedLM"],
    )


def translate_weights(teacher: Mapping[str, Tensor], layers: int) -> dict[str, Tensor]:
    """Return the teacher's weights under the student's names, every other layer left out, the last one kept.

    Args:
        teacher: State of a BertForPreTraining of at least 2 * `layers` layers.
        layers: The student's layers.

    Returns:
        State of a DistilBertForMaskedLM. The embedding of token type 0 goes into the positions'.
    """
    source, target = "bert.embeddings.", "distilbert.embeddings."
    token_type = teacher[f"{source}token_type_embeddings.weight"][0]
    names = {f"{source}LayerNorm": f"{target}LayerNorm", **HEAD_NAMES}
    for layer in range(layers):
        taken = 2 * layer + (2 * layer >= layers)  # 0, 2, 4, 7, 9, 11 of twelve, as in the paper's code
        for old, new in BLOCK_NAMES.items():
            block = f"distilbert.transformer.layer.{layer}.{new}"
            names[f"bert.encoder.layer.{taken}.{old}"] = block
    student = {
        f"{new}.{part}": teacher[f"{old}.{part}"].clone() for old, new in names.items() for part in ("weight", "bias")
    }
    words = teacher[f"{source}word_embeddings.weight"].clone()
    positions = teacher[f"{source}position_embeddings.weight"] + token_type
    return student | {
        f"{target}word_embeddings.weight": words,
        f"{target}position_embeddings.weight": positions,
        "vocab_projector.weight": words,
        "vocab_projector.bias": teacher["cls.predictions.bias"].clone(),
    }


def build_student(teacher: BertForPreTraining, seed: int) -> Student:
    """Return a student started from its teacher, its classifier untrained."""
    torch.manual_seed(seed)
    config = student_config(teacher.config)
    masked_lm = DistilBertForMaskedLM(config)
    masked_lm.load_state_dict(translate_weights(teacher.state_dict(), config.n_layers))
    sentiment = DistilBertForSequenceClassification(config)
    sentiment.distilbert = masked_lm.distilbert
    return Student(masked_lm, sentiment)


def pack_student(student: Student, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write the folder that loads as a masked LM or as a classifier."""
    weights = {**student.masked_lm.state_dict(), **student.sentiment.state_dict()}
    weights.pop("vocab_projector.weight")  # tied to the word embeddings
    config = student.masked_lm.config
    empty_folder(folder)
    save_weights(folder / "model.safetensors", weights)
    save_surroundings(folder, config, tokenizer, config.max_position_embeddings)
