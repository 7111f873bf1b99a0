"""BERT for pre-training and its task models, with the layers they share held once.

The lower layers are one trunk; each task has its own last layers, pooler and classifier on it.
Invariant: every member is a complete transformers model, and what is shared is the same module in
all of them, so that training one moves all.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import (
    BertConfig,
    BertForPreTraining,
    BertForSequenceClassification,
    BertModel,
)

from training.glue import Task
from training.vocabulary import CompactVocabulary

LABELS = {Task.MRPC: ("not_equivalent", "equivalent"), Task.SST2: ("NEGATIVE", "POSITIVE")}
START_NOISE = 0.02


@dataclass(frozen=True, slots=True)
class BertFamily:
    """The models that grow on one trunk."""

    pretraining: BertForPreTraining
    """Masked LM and next sentence."""
    tasks: dict[Task, BertForSequenceClassification]
    """A classifier for each task."""

    def module(self) -> nn.ModuleDict:
        """Return all members as one module."""
        members: dict[str, nn.Module] = {"pretraining": self.pretraining}
        members |= {str(task): model for task, model in self.tasks.items()}
        return nn.ModuleDict(members)


def task_config(config: BertConfig, task: Task) -> BertConfig:
    """Return the configuration of a task's classifier."""
    labels = LABELS[task]
    return BertConfig.from_dict(
        {
            **config.to_dict(),
            "architectures": ["BertForSequenceClassification"],
            "id2label": dict(enumerate(labels)),
            "label2id": {label: index for index, label in enumerate(labels)},
        }
    )


def has_heads(encoder: Path) -> bool:
    """Tell whether a BERT's folder holds pre-training heads beside the encoder."""
    architectures = BertConfig.from_pretrained(encoder).architectures
    return "BertForPreTraining" in (architectures or [])


def build_family(encoder: Path, own_layers: int, seed: int) -> BertFamily:
    """Grow pre-training heads and task branches on a trained encoder.

    Args:
        encoder: Folder of a BERT; heads found in it are kept.
        own_layers: Last layers that each member has for itself.
        seed: The seed of the new weights.

    Returns:
        The models, without dropout in the encoder.
    """
    torch.manual_seed(seed)
    config = BertConfig.from_pretrained(encoder)
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
    config.classifier_dropout = 0.1
    config.architectures = ["BertForPreTraining"]
    pretraining: BertForPreTraining = BertForPreTraining.from_pretrained(encoder, config=config, dtype=torch.float32)
    if not has_heads(encoder):
        start_near_identity(pretraining)
    tasks = {task: build_branch(pretraining.bert, task, own_layers) for task in LABELS}
    for model in (pretraining, *tasks.values()):
        model.set_attn_implementation("eager")  # a quarter faster than fused attention on short rows
    return BertFamily(pretraining, tasks)


def freeze_bottom(trunk: BertModel, layers: int) -> None:
    """Leave the first layers as they are, at no cost: nothing flows back below them.

    The word embeddings still learn from the masked-LM head that they are tied to.

    Args:
        trunk: The encoder; its parameters are marked and a hook is added.
        layers: How many layers to leave.
    """
    for layer in trunk.encoder.layer[:layers]:
        layer.requires_grad_(False)
    for name, parameter in trunk.embeddings.named_parameters():
        parameter.requires_grad_(name.startswith("word_embeddings"))
    trunk.embeddings.register_forward_hook(lambda _module, _inputs, output: output.detach())


def start_near_identity(model: BertForPreTraining) -> None:
    """Let the masked-LM head pass hidden states on almost unchanged at first."""
    weight = model.cls.predictions.transform.dense.weight
    with torch.no_grad():
        nn.init.eye_(weight)
        weight.add_(START_NOISE * torch.randn_like(weight))


def start_from_frequencies(model: BertForPreTraining, vocabulary: CompactVocabulary) -> None:
    """Let the masked-LM head guess by frequency at first."""
    counts = torch.full((vocabulary.full_size,), 0.5)
    counts[vocabulary.entries] += vocabulary.counts
    with torch.no_grad():
        model.cls.predictions.bias.copy_((counts / counts.sum()).log())


def build_branch(trunk: BertModel, task: Task, own_layers: int) -> BertForSequenceClassification:
    """Return a classifier that shares all but the last layers and the pooler with `trunk`."""
    branch = BertForSequenceClassification(task_config(trunk.config, task))
    branch.bert.load_state_dict(trunk.state_dict())
    branch.bert.embeddings = trunk.embeddings
    for index in range(trunk.config.num_hidden_layers - own_layers):
        branch.bert.encoder.layer[index] = trunk.encoder.layer[index]
    return branch


def shared_names(config: BertConfig, names: Sequence[str], own_layers: int) -> Iterator[str]:
    """Yield the weights that belong to the trunk."""
    first_own = config.num_hidden_layers - own_layers
    prefixes = ("bert.embeddings.", *(f"bert.encoder.layer.{i}." for i in range(first_own)))
    return (name for name in names if name.startswith(prefixes))


def mean_pooled(model: BertModel, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
    """Return one unit vector for each text: the mean of its tokens' last states, (B, D)."""
    hidden = model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
    weights = attention_mask[..., None].to(hidden.dtype)  # (B, T, 1)
    means = (hidden * weights).sum(1) / weights.sum(1)
    return nn.functional.normalize(means.float(), dim=-1)
