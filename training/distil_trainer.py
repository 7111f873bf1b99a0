"""One distillation run as a state that steps, saves and comes back.

Knows student, teachers, losses and batches; reads no command line and writes no model folder.
Losses as in Sanh et al. 2019: soft labels at a temperature, masked LM, cosine of the last hidden
states. Invariant: the teachers are never changed, and a trainer restored from `state()` takes the
same steps as the one that was saved.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import AdamW
from transformers import BertForPreTraining, PreTrainedModel, PreTrainedTokenizerBase

from core.engine.lab.distillation.model import soft_label_loss
from training.distil_model import Student
from training.glue import Example, class_labels, draw_examples, encode_examples, length_buckets
from training.progress import learning_rate_factor, step_generator
from training.sentence_pairs import MaskedPairs, draw_pairs, mask_pairs


@dataclass(frozen=True, slots=True)
class DistilSettings:
    """How the student is trained."""

    pairs_per_step: int = 24
    """Sentence pairs of one masked-LM batch."""
    task_rows: int = 64
    """Sentences of one SST-2 batch."""
    masked_share: float = 0.15
    """Share of tokens hidden, 0-1."""
    temperature: float = 2.0
    """Temperature of the soft labels."""
    soft_weight: float = 5.0
    """Weight of the soft labels' loss."""
    masked_lm_weight: float = 2.0
    """Weight of the masked-LM loss."""
    cosine_weight: float = 1.0
    """Weight of the hidden states' loss."""
    rate: float = 5e-4
    """Peak learning rate."""
    warmup_steps: int = 50
    """Steps until the peak."""
    seed: int = 0
    """Seed of the weights and of every draw."""


@dataclass(frozen=True, slots=True)
class Teachers:
    """The models that the student learns from, frozen."""

    masked_lm: BertForPreTraining
    """The starter BERT."""
    sentiment: PreTrainedModel
    """The SST-2 classifier."""


class DistilTrainer:
    """A student in training."""

    def __init__(
        self,
        student: Student,
        teachers: Teachers,
        documents: Sequence[tuple[Tensor, ...]],
        rows: Sequence[Example],
        tokenizer: PreTrainedTokenizerBase,
        settings: DistilSettings,
    ) -> None:
        """Set up a run at its first step.

        Args:
            student: The student.
            teachers: Its teachers.
            documents: Pieces by document.
            rows: SST-2 rows to learn from.
            tokenizer: The tokenizer.
            settings: How to train.
        """
        self.student = student
        self.step = 0
        self._teachers = teachers
        self._documents = documents
        self._buckets = length_buckets(rows)
        self._tokenizer = tokenizer
        self._settings = settings
        self._module = student.module()
        self._learning = [parameter for parameter in self._module.parameters() if parameter.requires_grad]
        self._optimizer = AdamW(self._learning, betas=(0.9, 0.98), fused=True)

    def take_step(self, fraction_done: float) -> float:
        """Learn from a batch of pairs and a batch of sentences; return the masked-LM part."""
        settings = self._settings
        generator = step_generator(settings.seed, self.step)
        torch.manual_seed(int(torch.randint(2**31, (1,), generator=generator)))  # for dropout
        self._module.train()
        pairs = draw_pairs(self._documents, settings.pairs_per_step, generator)
        batch = mask_pairs(pairs, self._tokenizer, settings.masked_share, generator)
        examples = draw_examples(self._buckets, settings.task_rows, generator)
        device = self.student.masked_lm.device
        with torch.autocast(device.type, torch.bfloat16):
            masked_lm = self._masked_lm_loss(batch)
            sentiment = self._sentiment_loss(examples)
        (masked_lm + sentiment).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._learning, 5.0)
        factor = learning_rate_factor(fraction_done, self.step, warmup_steps=settings.warmup_steps, decay_from=0.1)
        for group in self._optimizer.param_groups:
            group["lr"] = factor * settings.rate
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self.step += 1
        return float(masked_lm.detach())

    def state(self) -> dict[str, Any]:
        """Return everything a later process needs to go on."""
        return {
            "model": self._module.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "step": self.step,
            "settings": asdict(self._settings),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state.

        Raises:
            ValueError: The state belongs to a run with other settings.
        """
        if state["settings"] != asdict(self._settings):
            raise ValueError(f"settings must be the saved run's, got {self._settings}")
        self._module.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]

    def _masked_lm_loss(self, batch: MaskedPairs) -> Tensor:
        """Return the weighted sum of soft-label, masked-LM and cosine losses."""
        settings, teacher = self._settings, self._teachers.masked_lm
        ids, mask = (t.to(teacher.device) for t in (batch.input_ids, batch.attention_mask))
        is_text, is_masked = mask == 1, batch.is_masked.to(teacher.device)
        with torch.no_grad():
            taught = teacher.bert(input_ids=ids, attention_mask=mask).last_hidden_state
            taught_logits = teacher.cls.predictions(taught[is_masked])  # (N, V)
        model = self.student.masked_lm
        own = model.distilbert(input_ids=ids, attention_mask=mask).last_hidden_state
        transformed = functional.gelu(model.vocab_transform(own[is_masked]))
        own_logits = model.vocab_projector(model.vocab_layer_norm(transformed))  # (N, V)
        soft = soft_label_loss(own_logits, taught_logits, settings.temperature)
        hard = functional.cross_entropy(own_logits.float(), batch.targets.to(ids.device))
        cosines = functional.cosine_similarity(own[is_text].float(), taught[is_text].float(), dim=-1)
        return (
            settings.soft_weight * soft
            + settings.masked_lm_weight * hard
            + settings.cosine_weight * (1 - cosines).mean()
        )

    def _sentiment_loss(self, examples: Sequence[Example]) -> Tensor:
        """Return the sum of soft-label and hard losses on SST-2."""
        device = self.student.sentiment.device
        inputs = encode_examples(examples, self._tokenizer).to(device)
        with torch.no_grad():
            taught = self._teachers.sentiment(**inputs).logits
        own = self.student.sentiment(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits
        soft = soft_label_loss(own, taught, self._settings.temperature)
        return soft + functional.cross_entropy(own.float(), class_labels(examples).to(device))
