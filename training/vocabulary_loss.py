"""Cross-entropy over a large vocabulary at a fraction of its cost.

The frequent entries are always scored; of the rare ones only the targets and a random sample are,
each sampled entry standing for the ones left out (importance sampling of the partition function;
Bengio and Senecal 2003, "Quick training of probabilistic neural nets by importance sampling").
It knows no model. Invariant: with nothing left out the loss and its gradients are the exact ones.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

CHUNK_ROWS = 512


@dataclass(frozen=True, slots=True)
class Candidates:
    """The vocabulary entries that one step scores."""

    ids: Tensor
    """Compact ids, frequent ones first, (C,)."""
    log_weights: Tensor
    """Log of how many entries each stands for, (C,)."""
    targets: Tensor
    """Where each target lies among `ids`, (N,)."""

    def to(self, device: torch.device) -> "Candidates":
        """Return the same entries on another device."""
        return Candidates(self.ids.to(device), self.log_weights.to(device), self.targets.to(device))


def choose_candidates(
    targets: Tensor, vocabulary_size: int, head: int, samples: int, generator: torch.Generator
) -> Candidates:
    """Choose what to score: the head, the targets outside it, and a sample of the rest.

    Args:
        targets: Compact ids, frequency-ordered, (N,).
        vocabulary_size: Entries in all, V.
        head: The first entries, always scored.
        samples: Entries drawn from those left over.
        generator: The draw's randomness.

    Returns:
        The entries with their weights.
    """
    head = min(head, vocabulary_size)
    rare_targets = torch.unique(targets[targets >= head])  # sorted
    is_left = torch.ones(vocabulary_size - head, dtype=torch.bool)
    is_left[rare_targets - head] = False
    left = is_left.nonzero().flatten() + head
    drawn = left[torch.randperm(len(left), generator=generator)[:samples]]
    ids = torch.cat([torch.arange(head), rare_targets, drawn])
    log_weights = torch.zeros(len(ids))
    if len(drawn):
        log_weights[-len(drawn) :] = math.log(len(left) / len(drawn))
    rare_places = head + torch.searchsorted(rare_targets, targets)
    return Candidates(ids, log_weights, torch.where(targets < head, targets, rare_places))


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Mean cross-entropy whose logits exist for one chunk of rows at a time."""

    @staticmethod
    def forward(ctx: FunctionCtx, hidden: Tensor, weight: Tensor, offsets: Tensor, targets: Tensor) -> Tensor:
        """Compute the loss and, while the logits are at hand, its gradients."""
        total = torch.zeros((), device=hidden.device)
        hidden_grad = torch.empty_like(hidden)
        weight_grad = torch.zeros_like(weight, dtype=torch.float32)
        offset_grad = torch.zeros_like(offsets)
        for start in range(0, len(hidden), CHUNK_ROWS):
            rows = hidden[start : start + CHUNK_ROWS]
            places = targets[start : start + CHUNK_ROWS, None]
            logits = (rows @ weight.T).float() + offsets  # (CHUNK_ROWS, C)
            normalizers = logits.logsumexp(-1, keepdim=True)
            total += (normalizers - logits.gather(-1, places)).sum()
            errors = logits.sub_(normalizers).exp_()
            errors.scatter_add_(-1, places, torch.full_like(places, -1, dtype=errors.dtype))
            offset_grad += errors.sum(0)
            errors = errors.to(hidden.dtype)
            hidden_grad[start : start + CHUNK_ROWS] = errors @ weight
            weight_grad += errors.T @ rows
        count = len(hidden)
        ctx.save_for_backward(hidden_grad / count, weight_grad / count, offset_grad / count)
        return total / count

    @staticmethod
    def backward(ctx: FunctionCtx, *grad_outputs: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """Scale the gradients found in the forward pass."""
        scale = grad_outputs[0]
        hidden, weight, offsets = ctx.saved_tensors  # type: ignore[attr-defined]
        return hidden * scale, weight * scale, offsets * scale, None


def vocabulary_loss(hidden: Tensor, rows: Tensor, offsets: Tensor, targets: Tensor) -> Tensor:
    """Return the mean cross-entropy of the targets among the candidates.

    Args:
        hidden: Final hidden states, (N, D).
        rows: The candidates' output embeddings, (C, D).
        offsets: What is added to the candidates' logits: log weights and biases, (C,).
        targets: Where each target lies among the candidates, (N,).

    Returns:
        A scalar in nats.
    """
    loss: Tensor = _ChunkedCrossEntropy.apply(  # type: ignore[no-untyped-call]
        hidden, rows.to(hidden.dtype), offsets, targets
    )
    return loss
