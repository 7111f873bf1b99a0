"""A DistilBERT of half the teacher's layers, started from every other one of them.

Builds the student and its joint state of masked LM and classifier; trains nothing. Source: Sanh et
al. 2019, "DistilBERT, a distilled version of BERT". Invariant: the two heads share one encoder
module, and the packed folder loads as either model.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from transformers import (
    BertConfig,
    BertForPreTraining,
    DistilBertConfig,
    DistilBertForMaskedLM,
    DistilBertForSequenceClassification,
    PreTrainedTokenizerBase,
)

from core.halving import translate_weights
from training.bert_model import LABELS
from training.glue import Task
from training.packing import empty_folder, save_surroundings, save_weights


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
