"""A student in training: it takes a step at a time, is measured, and can be saved and brought back.

Knows models and pieces of text; reads no folder and no question. Losses as in Sanh et al. 2019, "DistilBERT": soft
labels at a temperature, masked LM, cosine of the last hidden states. Invariant: the teacher is never changed, no global
generator is used, and a distiller restored from `state()` takes the same steps as the one that was saved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.engine.lab.masked_lm import MASKED_SHARE, RANDOM_SHARE
from core.engine.lab.training.course import seed_at

SOFT_WEIGHT, HARD_WEIGHT, COSINE_WEIGHT = 0.625, 0.25, 0.125
"""5 : 2 : 1, as published."""

HIDDEN_SHARE = 0.15
"""Of the tokens that may be hidden."""

WARM_UP_STEPS = 10

CLIP_NORM = 1.0


@dataclass(frozen=True, slots=True)
class Pieces:
    """Text in pieces of one length."""

    ids: Tensor
    """(N, T), special tokens included."""
    may_hide: Tensor
    """(N, T), false for special tokens."""
    mask_id: int
    vocabulary: int
    """How many ids there are to replace tokens by."""

    def rows(self, indices: Tensor) -> Pieces:
        """Some of the pieces."""
        return Pieces(self.ids[indices], self.may_hide[indices], self.mask_id, self.vocabulary)


@dataclass(frozen=True, slots=True)
class Losses:
    """Of one batch, before the step that lowers them."""

    total: float
    soft: float
    hard: float
    cosine: float


class Distiller:
    """A DistilBertForMaskedLM that learns from a BertForMaskedLM."""

    def __init__(
        self,
        teacher: Any,
        student: Any,
        learn: Pieces,
        held_out: Pieces,
        *,
        learning_rate: float,
        temperature: float,
        seed: int,
        batch_size: int,
    ) -> None:
        """Set up a run at its first step.

        Args:
            teacher: in evaluation mode.
            student: without dropout; it is changed in place.
            learn: what batches are drawn from.
            held_out: what is measured on.
            learning_rate: reached after `WARM_UP_STEPS`.
            temperature: of the soft labels.
            seed: of every draw.
            batch_size: pieces a step.
        """
        self.student = student
        self._teacher, self._learn = teacher, learn
        self._learning_rate, self._temperature = learning_rate, temperature
        self._seed, self._batch_size = seed, batch_size
        self._held_ids, self._held_hidden = hide(held_out, torch.Generator().manual_seed(0))
        self._held_taught: Tensor | None = None
        self._optimizer = torch.optim.AdamW(
            student.parameters(), lr=learning_rate, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.0, fused=True
        )

    def take_step(self, step: int) -> Losses:
        """Learn from one batch.

        Args:
            step: from 0.
        """
        generator = torch.Generator().manual_seed(seed_at(self._seed, step))
        order = torch.randperm(len(self._learn.ids), generator=generator)
        batch = self._learn.rows(order[: self._batch_size])
        shown, hidden = hide(batch, generator)
        with torch.no_grad():
            taught_states = self._teacher_states(shown)
            taught = self._teacher.cls(taught_states[hidden.to(taught_states.device)])  # (N, V)
        with torch.enable_grad():
            own_states = self.student.distilbert(input_ids=shown.to(self.student.device)).last_hidden_state
            own = self._student_logits(own_states[hidden.to(own_states.device)])  # (N, V)
            soft = soft_label_loss(own, taught, self._temperature)
            hard = functional.cross_entropy(own.float(), batch.ids[hidden].to(own.device))
            cosine = 1 - functional.cosine_similarity(own_states.float(), taught_states.float(), dim=-1).mean()
            total = SOFT_WEIGHT * soft + HARD_WEIGHT * hard + COSINE_WEIGHT * cosine
            total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.student.parameters(), CLIP_NORM)
        for group in self._optimizer.param_groups:
            group["lr"] = self._learning_rate * min(1.0, (step + 1) / WARM_UP_STEPS)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return Losses(float(total.detach()), float(soft.detach()), float(hard.detach()), float(cosine.detach()))

    def measure(self) -> tuple[float, float]:
        """KL(teacher ‖ student) on the held-out pieces, in nats, and how often both put the same entry first, 0-1."""
        with torch.no_grad():
            hidden = self._held_hidden
            if self._held_taught is None:
                states = self._teacher_states(self._held_ids)
                self._held_taught = self._teacher.cls(states[hidden.to(states.device)]).float().log_softmax(-1)
            taught = self._held_taught
            states = self.student.distilbert(input_ids=self._held_ids.to(self.student.device)).last_hidden_state
            own = self._student_logits(states[hidden.to(states.device)]).float().log_softmax(-1)
            divergence = functional.kl_div(own, taught, reduction="batchmean", log_target=True)
            agreement = (own.argmax(-1) == taught.argmax(-1)).float().mean()
        return max(0.0, float(divergence)), float(agreement)

    def state(self) -> dict[str, Any]:
        """Everything a later distiller needs to go on."""
        return {"student": self.student.state_dict(), "optimizer": self._optimizer.state_dict()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state of the same run."""
        self.student.load_state_dict(state["student"])
        self._optimizer.load_state_dict(state["optimizer"])

    def _teacher_states(self, ids: Tensor) -> Tensor:
        """(B, T, D) last hidden states."""
        states: Tensor = self._teacher.bert(input_ids=ids.to(self._teacher.device)).last_hidden_state
        return states

    def _student_logits(self, states: Tensor) -> Tensor:
        """(N, D) to (N, V): the head at the hidden tokens alone, since it costs more than the layers."""
        student = self.student
        logits: Tensor = student.vocab_projector(
            student.vocab_layer_norm(student.activation(student.vocab_transform(states)))
        )
        return logits


def soft_label_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """KL(teacher ‖ student) at a temperature, in nats, times its square, as Hinton et al. 2015 do.

    Args:
        student: logits, (N, C).
        teacher: logits, (N, C).
        temperature: above 0.

    Returns:
        A scalar.
    """
    own = functional.log_softmax(student.float() / temperature, -1)
    taught = functional.log_softmax(teacher.float() / temperature, -1)
    return temperature**2 * functional.kl_div(own, taught, reduction="batchmean", log_target=True)


def hide(pieces: Pieces, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Choose 15 % of each piece's tokens: 80 % of them masked, 10 % replaced, 10 % left (Devlin et al. 2019).

    Args:
        pieces: at least one token of each may be hidden.
        generator: of the draw.

    Returns:
        What the models see and which tokens are to be told, both (B, T).
    """
    shape = pieces.ids.shape
    places = torch.rand(shape, generator=generator).masked_fill(~pieces.may_hide, 2.0).argsort(-1).argsort(-1)
    counts = (HIDDEN_SHARE * pieces.may_hide.sum(-1, keepdim=True)).round().clamp(min=1)  # (B, 1)
    hidden = (places < counts) & pieces.may_hide
    how = torch.rand(shape, generator=generator)
    randoms = torch.randint(pieces.vocabulary, shape, generator=generator)
    shown = pieces.ids.masked_fill(hidden & (how < MASKED_SHARE), pieces.mask_id)
    is_replaced = hidden & (how >= MASKED_SHARE) & (how < MASKED_SHARE + RANDOM_SHARE)
    return torch.where(is_replaced, randoms, shown), hidden


def cut(ids: list[int], tokenizer: Any, length: int, least: int) -> Pieces:
    """A text's tokens in pieces of one length, each between the special tokens; the rest is left out.

    Args:
        ids: of the text, without special tokens.
        tokenizer: transformers' own, of a BERT.
        length: of a piece, special tokens included.
        least: how many tokens of a piece must be such that they may be hidden.
    """
    body = length - 2
    rows = torch.tensor(ids[: len(ids) // body * body], dtype=torch.long).view(-1, body)
    ends = torch.ones(len(rows), 1, dtype=torch.long)
    rows = torch.cat([ends * tokenizer.cls_token_id, rows, ends * tokenizer.sep_token_id], 1)
    may_hide = ~torch.isin(rows, torch.tensor(tokenizer.all_special_ids))
    known = may_hide.sum(-1) >= least
    return Pieces(rows[known], may_hide[known], tokenizer.mask_token_id, len(tokenizer))
