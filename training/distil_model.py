"""A DistilBERT of half the teacher's layers, started from every other one of them.

Builds the student and its joint state of masked LM and classifier; trains nothing. Source: Sanh et
al. 2019, "DistilBERT, a distilled version of BERT". Invariant: the two heads share one encoder
module, and the word embeddings stay the teacher's, so that they are stored once.
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

from core.engine.networks.halving import translate_weights
from training.bert_model import LABELS
from training.bert_pack import CLASSIFIER_FILE, ENCODER_FILE, HEADS_FILE, WORDS, WORDS_FILE
from training.glue import Task
from training.packing import empty_folder, save_index, save_surroundings, save_weights

MASKED_LM, SENTIMENT = "distilbert", "distilbert-sst2"
"""The folders of the student with one head and the other."""
TIED_HEAD = "vocab_projector.weight"


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
    return DistilBertConfig(
        vocab_size=teacher.vocab_size,
        max_position_embeddings=teacher.max_position_embeddings,
        dim=teacher.hidden_size,
        hidden_dim=teacher.intermediate_size,
        n_layers=teacher.num_hidden_layers // 2,
        n_heads=teacher.num_attention_heads,
        dropout=0.0,
        attention_dropout=0.0,
        architectures=["DistilBertForMaskedLM"],
    )


def sentiment_config(encoder: DistilBertConfig) -> DistilBertConfig:
    """Return the configuration of the student's classifier."""
    labels = LABELS[Task.SST2]
    return DistilBertConfig.from_dict(
        {
            **encoder.to_dict(),
            "architectures": ["DistilBertForSequenceClassification"],
            "id2label": dict(enumerate(labels)),
            "label2id": {label: index for index, label in enumerate(labels)},
        }
    )


def build_student(teacher: BertForPreTraining, seed: int) -> Student:
    """Return a student started from its teacher, its classifier untrained."""
    torch.manual_seed(seed)
    config = student_config(teacher.config)
    masked_lm = DistilBertForMaskedLM(config)
    masked_lm.load_state_dict(translate_weights(teacher.state_dict(), config.n_layers))
    masked_lm.distilbert.embeddings.word_embeddings.requires_grad_(False)
    sentiment = DistilBertForSequenceClassification(sentiment_config(config))
    sentiment.distilbert = masked_lm.distilbert
    return Student(masked_lm, sentiment)


def pack_student(student: Student, tokenizer: PreTrainedTokenizerBase, out: Path) -> None:
    """Write the folders of the masked LM and of the classifier; the words are those of the teacher's folder."""
    encoder = {f"distilbert.{name}": weight for name, weight in student.masked_lm.distilbert.state_dict().items()}
    words = {WORDS: encoder.pop(f"distilbert.{WORDS}")}
    common = {f"../bert/{WORDS_FILE}": words, f"../{MASKED_LM}/{ENCODER_FILE}": encoder}
    members = ((MASKED_LM, HEADS_FILE, student.masked_lm), (SENTIMENT, CLASSIFIER_FILE, student.sentiment))
    for name, file, model in members:
        head = {n: t for n, t in model.state_dict().items() if not n.startswith("distilbert.") and n != TIED_HEAD}
        empty_folder(out / name)
        save_weights(out / name / file, head)
        files = {path.removeprefix(f"../{name}/"): weights for path, weights in common.items()}
        save_index(out / name, {**files, file: head})
        save_surroundings(out / name, model.config, tokenizer, model.config.max_position_embeddings)
    save_weights(out / MASKED_LM / ENCODER_FILE, encoder)
