"""Looking closely: the full candidate table after any context, and how likely each token of a given text is.

Logits that were looked at are kept, so that another setting, another window or a search needs no forward pass.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cached_property

import torch
from torch import Tensor

from core.engine.generation.decoding import PrefixCache, read_prompt
from core.engine.generation.sampling import sample
from core.engine.generation.token_choice import Partition, entropy_bits, spell
from core.engine.networks.loading import LoadedCausal
from core.errors import InputError
from core.messages.records import CandidateTable, TokenScore
from core.messages.sampling_params import SamplingParams
from core.text.tokenization import TextTokenizer

CONTEXTS_KEPT = 32
"""How many contexts' logits are kept; of GPT-2's vocabulary, 0.2 MB each."""

SCORED_AT_ONCE = 32
"""Positions whose full distributions are in memory at once."""


class Context:
    """What a model thinks may come after some tokens, before any sampler."""

    def __init__(self, logits: Tensor, ids: Sequence[int]) -> None:
        """Take (V,) float32 logits and the ids that were read."""
        self.logits = logits
        self.ids = tuple(ids)

    @cached_property
    def partition(self) -> Partition:
        """The softmax's denominator, of one row."""
        return Partition.of(self.logits.unsqueeze(0))

    def logprob(self, logits: Tensor) -> Tensor:
        """(N,) natural logs of the model's own probabilities of entries with these logits."""
        return self.partition.logprob(logits)[0]

    @cached_property
    def order(self) -> Tensor:
        """(V,) ids, most likely first, ties in the vocabulary's order."""
        return self.logits.sort(descending=True, stable=True).indices

    @cached_property
    def ranks(self) -> Tensor:
        """(V,) place of each id in `order`, from 0."""
        return torch.empty_like(self.order).scatter(0, self.order, torch.arange(len(self.order)))

    @cached_property
    def cumulative(self) -> Tensor:
        """(V,) probability of this place in `order` and all better ones, float64."""
        return self.logprob(self.logits[self.order]).double().exp().cumsum(0)

    @cached_property
    def entropy(self) -> float:
        """Of the model's own distribution, in bits."""
        return max(0.0, float(entropy_bits(self.logits.unsqueeze(0), self.partition)))

    def sampled(self, params: SamplingParams) -> tuple[Tensor, Tensor]:
        """(V,) final probabilities and cut codes of every entry."""
        sampled = sample(self.logits.unsqueeze(0), [self.ids], params.acting, self.order.unsqueeze(0))
        final, cut = sampled.look_up(torch.arange(len(self.logits)).unsqueeze(0))
        return final[0], cut[0]

    def table(
        self, params: SamplingParams, tokenizer: TextTokenizer, places: Tensor, offset: int, limit: int
    ) -> CandidateTable:
        """A window of the table.

        Args:
            params: the settings.
            tokenizer: spells the entries.
            places: (N,) places in `order` to choose from, ascending.
            offset: how many of these to leave out at the start.
            limit: how many rows at most.
        """
        final, cut = self.sampled(params)
        kept = cut == 0
        window = places[offset : offset + limit]
        ids = self.order[window]
        logits = self.logits[ids]
        probabilities = self.logprob(logits).exp()
        columns = (ids, logits, probabilities, final[ids], self.cumulative[window], cut[ids])
        rows = spell((window + 1).tolist(), [column.unsqueeze(0) for column in columns], tokenizer)[0]
        kept_mass = float((self.logprob(self.logits).exp() * kept).sum())
        return CandidateTable(rows, offset, len(places), int(kept.sum()), kept_mass, self.entropy, len(self.ids))


class Inspector:
    """The contexts that were looked at with one model."""

    def __init__(self, loaded: LoadedCausal) -> None:
        self._loaded = loaded
        self._contexts: dict[tuple[int, ...], Context] = {}

    @cached_property
    def _texts(self) -> list[str]:
        """Every entry's text, folded for a search; padding rows of the model included."""
        tokenizer = self._loaded.tokenizer
        return [tokenizer.token_text(id_).casefold() for id_ in range(self._loaded.info.vocab_size)]

    def holds(self, ids: Sequence[int]) -> bool:
        """Whether a context's logits are kept."""
        return tuple(ids) in self._contexts

    def context(self, ids: Sequence[int], prefix: PrefixCache) -> Context:
        """What may come after `ids`; read with one forward pass unless it is kept.

        Args:
            ids: at least one token, fewer than the model has positions.
            prefix: what was read before; afterwards it holds `ids`.
        """
        key = tuple(ids)
        found = self._contexts.pop(key, None)
        if found is None:
            logits = read_prompt(self._loaded, ids, prefix)[0].float().cpu()
            found = Context(logits.clone(), key)
        self._contexts[key] = found
        while len(self._contexts) > CONTEXTS_KEPT:
            del self._contexts[next(iter(self._contexts))]
        return found

    def table(self, context: Context, params: SamplingParams, search: str, offset: int, limit: int) -> CandidateTable:
        """A window of a context's table, of all entries or of those a search finds."""
        return context.table(params, self._loaded.tokenizer, self._places(context, search), offset, limit)

    def _places(self, context: Context, search: str) -> Tensor:
        if not search:
            return torch.arange(len(context.order))
        if search.startswith("#") and search[1:].isdecimal():
            wanted = int(search[1:])
            return context.ranks[[wanted]] if wanted < len(context.order) else torch.arange(0)
        folded = search.casefold()
        found = [id_ for id_, text in enumerate(self._texts) if folded in text]
        return context.ranks[found].sort().values


def score_tokens(loaded: LoadedCausal, ids: Sequence[int]) -> Iterator[tuple[TokenScore, ...]]:
    """How likely each token of a sequence is after those before it, some at a time.

    Args:
        loaded: the model.
        ids: at most as many as the model has positions.

    Raises:
        InputError: there are more.
    """
    if len(ids) > loaded.info.n_positions:
        raise InputError(f"{len(ids):,} tokens are more than {loaded.info.name} can read", "score its end only")
    tokenizer, cache = loaded.tokenizer, loaded.model.new_cache()
    if ids:
        yield (_score(tokenizer, ids[0], 0.0, 0, 0.0),)
    for start in range(0, len(ids) - 1, SCORED_AT_ONCE):
        read = ids[start : min(start + SCORED_AT_ONCE, len(ids) - 1)]
        following = torch.tensor(ids[start + 1 : start + 1 + len(read)]).unsqueeze(-1)  # (T, 1)
        with torch.inference_mode():
            tensor = torch.tensor([read], device=loaded.model.device)
            rows = loaded.model.forward(tensor, cache, every_position=True)[0].float().cpu()  # (T, V)
            partition = Partition.of(rows)
            chosen = rows.gather(-1, following)
            columns = (
                partition.logprob(chosen),
                (rows > chosen).sum(-1, keepdim=True) + 1,
                entropy_bits(rows, partition),
            )
            table = torch.cat([column.double() for column in columns], dim=-1).tolist()
        yield tuple(
            _score(tokenizer, id_, logprob, int(rank), max(entropy, 0.0))
            for id_, (logprob, rank, entropy) in zip(following[:, 0].tolist(), table, strict=True)
        )


def _score(tokenizer: TextTokenizer, id_: int, logprob: float, rank: int, entropy: float) -> TokenScore:
    return TokenScore(
        id_, tokenizer.token_text(id_), tokenizer.token_bytes(id_).hex(), min(logprob, 0.0), rank, entropy
    )


def perplexity(scores: Sequence[TokenScore]) -> float:
    """exp(mean −ln p) of scored tokens, those that something predicts."""
    predicted = [score.logprob for score in scores if score.rank]
    return math.exp(-sum(predicted) / len(predicted)) if predicted else 0.0
