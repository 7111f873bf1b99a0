"""Pairs of neighbouring text for BERT: is the second what follows, and what was masked?

Cuts documents into pieces, pairs them and masks tokens (Devlin et al. 2019, sections 3.1 and A.1).
Invariant: a pair that does not belong together comes from two different documents.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from training.corpora import Corpus

PIECE_TOKENS = 62
SHORTEST_PIECE = 8
IS_NEXT, IS_RANDOM = 0, 1
IS_SINGLE = -100  # the label that cross-entropy ignores
SHORTEST_SENTENCE = 5


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pieces of text."""

    first: Tensor
    """Token ids of the first piece, 1-D."""
    second: Tensor
    """Token ids of the second piece, 1-D; empty in a single sentence."""
    label: int
    """`IS_NEXT`, `IS_RANDOM` or `IS_SINGLE`."""


@dataclass(frozen=True, slots=True)
class MaskedPairs:
    """A batch of pairs with some tokens hidden."""

    input_ids: Tensor
    """What the model sees, (B, T)."""
    token_type_ids: Tensor
    """0 in the first piece, 1 in the second, (B, T)."""
    attention_mask: Tensor
    """1 where there is text, (B, T)."""
    is_masked: Tensor
    """True where a token is to be told, (B, T)."""
    targets: Tensor
    """The tokens to be told, in reading order, (N,)."""
    labels: Tensor
    """`IS_NEXT`, `IS_RANDOM` or `IS_SINGLE` for each pair, (B,)."""


def encode_pieces(documents: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> list[tuple[Tensor, ...]]:
    """Return the pieces of every document that has at least two."""
    encoded = tokenizer(list(documents), add_special_tokens=False, verbose=False)["input_ids"]
    cut = [torch.split(torch.tensor(ids, dtype=torch.int32), PIECE_TOKENS) for ids in encoded]
    kept = [tuple(p for p in pieces if len(p) >= SHORTEST_PIECE) for pieces in cut]
    return [pieces for pieces in kept if len(pieces) > 1]


def draw_pairs(
    documents: Sequence[tuple[Tensor, ...]],
    count: int,
    generator: torch.Generator,
    *,
    short_share: float = 0.0,
) -> list[Pair]:
    """Draw pairs, half of which belong together.

    Args:
        documents: Pieces by document, at least two documents.
        count: Pairs to draw.
        generator: The draw's randomness.
        short_share: Share of pairs cut down to a sentence's length, 0-1.

    Returns:
        The pairs, from documents drawn with replacement.
    """
    places = torch.randint(len(documents), (count,), generator=generator).tolist()
    return [draw_pair(documents, place, generator, short_share) for place in places]


def draw_pair(
    documents: Sequence[tuple[Tensor, ...]],
    place: int,
    generator: torch.Generator,
    short_share: float,
) -> Pair:
    """Draw one pair whose first piece is from the document at `place`."""
    pieces = documents[place]
    start = _draw(len(pieces) - 1, generator)
    first, second, label = pieces[start], pieces[start + 1], IS_NEXT
    if _draw(2, generator):
        step = 1 + _draw(len(documents) - 1, generator)
        others = documents[(place + step) % len(documents)]
        second, label = others[_draw(len(others), generator)], IS_RANDOM
    if torch.rand((), generator=generator) < short_share:
        keep = SHORTEST_PIECE + _draw(PIECE_TOKENS // 2, generator)
        first, second = first[-keep:], second[:keep]
    return Pair(first, second, label)


def draw_sentence(documents: Sequence[tuple[Tensor, ...]], ends: Tensor, generator: torch.Generator) -> Pair:
    """Draw a whole sentence that stands alone, or a piece where no sentence is whole.

    Args:
        documents: Pieces by document.
        ends: Token ids that end a sentence, 1-D.
        generator: The draw's randomness.

    Returns:
        A pair whose second piece is empty.
    """
    pieces = documents[_draw(len(documents), generator)]
    piece = pieces[_draw(len(pieces), generator)]
    bounds = (torch.isin(piece, ends).nonzero().flatten() + 1).tolist()
    whole = [(start, end) for start, end in pairwise(bounds) if end - start >= SHORTEST_SENTENCE]
    start, end = whole[_draw(len(whole), generator)] if whole else (0, len(piece))
    return Pair(piece[start:end], piece[:0], IS_SINGLE)


def mask_pairs(
    pairs: Sequence[Pair],
    tokenizer: PreTrainedTokenizerBase,
    masked_share: float,
    generator: torch.Generator,
) -> MaskedPairs:
    """Put pairs into one batch and hide tokens: 80 % masked, 10 % replaced, 10 % left.

    Args:
        pairs: The pairs.
        tokenizer: Knows the special tokens.
        masked_share: Share of the text's tokens to be told, 0-1.
        generator: The choice's randomness.

    Returns:
        The batch, as long as its longest pair.
    """
    start, end, mask = (
        torch.tensor([tokenizer.convert_tokens_to_ids(token)]) for token in ("[CLS]", "[SEP]", "[MASK]")
    )
    rows = [
        torch.cat([start, p.first, end, p.second, end] if len(p.second) else [start, p.first, end]).long()
        for p in pairs
    ]
    types = [torch.arange(len(r)) >= len(p.first) + 2 for p, r in zip(pairs, rows, strict=True)]
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)  # (B, T)
    filled = torch.nn.utils.rnn.pad_sequence([torch.ones_like(r) for r in rows], batch_first=True)
    is_text = (filled == 1) & (ids != start) & (ids != end)
    chance = torch.rand(ids.shape, generator=generator)
    is_masked = is_text & (chance < masked_share)
    if not bool(is_masked.any()):
        is_masked = is_text & (torch.cumsum(is_text, -1) == 1)
    how = torch.rand(ids.shape, generator=generator)
    randoms = torch.randint(len(tokenizer), ids.shape, generator=generator)
    seen = torch.where(is_masked & (how < 0.8), mask, ids)
    seen = torch.where(is_masked & (how >= 0.9), randoms, seen)
    return MaskedPairs(
        input_ids=seen,
        token_type_ids=torch.nn.utils.rnn.pad_sequence(types, batch_first=True).long(),
        attention_mask=filled,
        is_masked=is_masked,
        targets=ids[is_masked],
        labels=torch.tensor([pair.label for pair in pairs]),
    )


def held_out_batches(
    corpora: Sequence[Corpus],
    tokenizer: PreTrainedTokenizerBase,
    *,
    pairs_per_document: int = 4,
    batch_size: int = 32,
) -> list[MaskedPairs]:
    """Return the pairs that BERT is measured on: the same ones every time.

    Args:
        corpora: The corpora, whose held-out documents are taken.
        tokenizer: The tokenizer.
        pairs_per_document: Pairs drawn from each document.
        batch_size: Pairs in a batch.

    Returns:
        Batches with 15 % of the tokens to be told.
    """
    generator = torch.Generator().manual_seed(0)
    documents = [d for c in corpora for d in encode_pieces(c.held_out, tokenizer)]
    pairs = [
        draw_pair(documents, place, generator, 0.0)
        for place in range(len(documents))
        for _ in range(pairs_per_document)
    ]
    pairs = [pairs[place] for place in torch.randperm(len(pairs), generator=generator).tolist()]
    return [
        mask_pairs(pairs[start : start + batch_size], tokenizer, 0.15, generator)
        for start in range(0, len(pairs), batch_size)
    ]


def _draw(below: int, generator: torch.Generator) -> int:
    """Draw a number from 0 to `below` - 1."""
    return int(torch.randint(below, (1,), generator=generator))
