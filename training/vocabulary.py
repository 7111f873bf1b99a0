"""The part of a tokenizer's vocabulary that occurs in a text, ordered by how often it does.

Training works on these compact ids, so that no time goes into rows that no text ever asks for; a
finished model gets all its rows back. Invariant: compact id 0 is the most frequent entry, and
every compact id stands for exactly one vocabulary entry.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

RARE_COUNT = 3


@dataclass(frozen=True, slots=True)
class CompactVocabulary:
    """The entries that occur, most frequent first."""

    entries: Tensor
    """Vocabulary ids by compact id, (C,)."""
    counts: Tensor
    """How often each occurs, (C,), never rising."""
    full_size: int
    """Entries of the whole vocabulary, V."""

    @classmethod
    def count(cls, streams: Sequence[Tensor], full_size: int) -> "CompactVocabulary":
        """Count the entries of token streams.

        Args:
            streams: Vocabulary ids, any number of 1-D tensors.
            full_size: Entries of the whole vocabulary, V.

        Returns:
            The entries that occur at least once.
        """
        counts = torch.bincount(torch.cat([s.long() for s in streams]), minlength=full_size)
        order = counts.argsort(descending=True, stable=True)
        entries = order[: int((counts > 0).sum())]
        return cls(entries, counts[entries], full_size)

    def compact(self, ids: Tensor) -> Tensor:
        """Turn vocabulary ids that all occur into compact ids."""
        table = torch.full((self.full_size,), -1)
        table[self.entries] = torch.arange(len(self.entries))
        compact_ids = table[ids.long()]
        if bool((compact_ids < 0).any()):
            raise ValueError("ids must be in the compact vocabulary, got an entry outside it")
        return compact_ids

    def expand_rows(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Return rows for the whole vocabulary: the mean of the rarest where nothing was learned.

        Args:
            rows: One row for each compact id, (C, D).
            generator: The noise that keeps the new rows apart.

        Returns:
            One row for each vocabulary entry, (V, D).
        """
        rare = rows[self.counts <= RARE_COUNT]
        harmless = (rare if len(rare) else rows).mean(0)
        noise = torch.randn(self.full_size, rows.shape[1], generator=generator)
        full = harmless + 0.01 * rows.std() * noise  # (V, D)
        full[self.entries] = rows
        return full
