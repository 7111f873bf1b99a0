"""Endless training text: documents in a new order each epoch, cut into rows of equal length.

Invariant: what is read depends on the seed and the cursor alone, so a resumed run reads exactly
what an uninterrupted one would have read.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


class TokenStream:
    """Documents joined into one stream that never ends."""

    def __init__(self, documents: Sequence[Tensor], seed: int) -> None:
        """Hold the documents.

        Args:
            documents: Token ids of each, its end-of-text entry included, 1-D.
            seed: The seed of every epoch's order.
        """
        self._documents = documents
        self._seed = seed
        self._epoch = -1
        self._tokens = torch.empty(0, dtype=torch.long)
        self.length = sum(len(document) for document in documents)
        """Tokens in one epoch."""

    def read(self, cursor: int, count: int) -> Tensor:
        """Return `count` tokens from position `cursor` of the stream, (count,)."""
        parts: list[Tensor] = []
        while count > 0:
            epoch, offset = divmod(cursor, self.length)
            part = self._epoch_tokens(epoch)[offset : offset + count]
            parts.append(part)
            cursor += len(part)
            count -= len(part)
        return torch.cat(parts)

    def read_rows(self, cursor: int, rows: int, length: int) -> tuple[Tensor, Tensor]:
        """Return inputs and the next tokens they are to predict, both (rows, length)."""
        tokens = self.read(cursor, rows * length + 1)
        return tokens[:-1].view(rows, length), tokens[1:].view(rows, length)

    def _epoch_tokens(self, epoch: int) -> Tensor:
        """Return one epoch's tokens, kept until another epoch is asked for."""
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed(self._seed * 10_007 + epoch)
            order = torch.randperm(len(self._documents), generator=generator).tolist()
            self._tokens = torch.cat([self._documents[index] for index in order])
            self._epoch = epoch
        return self._tokens
