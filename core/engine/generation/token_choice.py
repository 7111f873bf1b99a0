"""From logits to a chosen token and everything a record says of it: exact, over the full vocabulary.

The common settings (greedy, or a top-k that fits the head) never sort the vocabulary: one `topk` finds the head, and
every warper runs on it alone, which gives the same result (see `sampling`). Other settings sort it all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core.engine.generation.sampling import CUT_RULES, draw, penalize, warp
from core.errors import EngineError
from core.messages.records import Candidate, CutRule, StepRecord
from core.messages.sampling_params import SamplingParams
from core.text.tokenization import TextTokenizer

HEAD_SIZE = 64
"""How many of the largest logits the common path looks at."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One chosen token and its numbers; see `StepRecord` for their meaning."""

    id: int
    logit: float
    logprob: float
    rank: int
    entropy: float
    final_prob: float
    kept: int
    kept_mass: float
    candidates: tuple[Candidate, ...]

    def record(self, sequence: int, index: int, text: str, token_bytes: bytes, elapsed_s: float) -> StepRecord:
        """The record of this choice as the token `index` of a sequence."""
        return StepRecord(
            sequence=sequence,
            index=index,
            id=self.id,
            text=text,
            bytes=token_bytes.hex(),
            logit=self.logit,
            logprob=self.logprob,
            prob=math.exp(self.logprob),
            rank=self.rank,
            entropy=self.entropy,
            final_prob=self.final_prob,
            kept=self.kept,
            kept_mass=self.kept_mass,
            elapsed_s=elapsed_s,
            candidates=self.candidates,
        )


@dataclass(frozen=True, slots=True)
class Partition:
    """The denominators of some rows' softmax, in two parts: far from 0, where logits may lie, float32 is coarse."""

    peak: Tensor
    """(B, 1) largest logit."""
    log_rest: Tensor
    """(B, 1) log Σ exp(logit − peak), from 0 to log V."""

    @classmethod
    def of(cls, raw: Tensor) -> Partition:
        """The denominators of (B, V) float32 logits.

        Raises:
            EngineError: a row holds NaN, +∞, or nothing finite.
        """
        peak = raw.amax(-1, keepdim=True)
        log_rest = (raw - peak).exp().sum(-1, keepdim=True).log()
        if not torch.isfinite(log_rest).all():
            raise EngineError(
                "the model's logits are not numbers (NaN or infinite)", "its weights are broken: use another"
            )
        return cls(peak, log_rest)

    def logprob(self, logits: Tensor) -> Tensor:
        """(B, N) natural logs of the model's own probabilities of entries with these logits."""
        return (logits - self.peak) - self.log_rest


def choose(
    logits: Tensor,
    seen_ids: Sequence[Sequence[int]],
    params: SamplingParams,
    generators: Sequence[torch.Generator],
    tokenizer: TextTokenizer,
) -> list[Choice]:
    """Choose the next token of each sequence.

    Args:
        logits: (B, V) of any float dtype.
        seen_ids: B lists of prompt and generated ids.
        params: the settings.
        generators: B private CPU generators.
        tokenizer: spells the candidates.

    Raises:
        EngineError: the model gave NaN or nothing finite.
    """
    raw = logits.float()  # (B, V)
    partition = Partition.of(raw)
    penalized = _penalized(raw, seen_ids, params)
    ids, values = _largest(penalized, params)  # (B, N) each, best first
    final, cut = warp(values, params)
    position = final.argmax(-1, keepdim=True) if params.greedy else draw(final, ids, generators)  # (B, 1)
    kept = cut == 0
    kept_mass = (partition.logprob(raw.gather(-1, ids)).exp() * kept).sum(-1, keepdim=True)
    drawn = (final.gather(-1, position), kept.sum(-1, keepdim=True), kept_mass)
    if penalized is raw and ids.shape[-1] < raw.shape[-1]:  # the head's best are the model's most likely
        head = slice(params.candidates)
        tables = _spell(ids[:, head], values[:, head], partition, final[:, head], cut[:, head], tokenizer)
    else:
        tables = _top_candidates(raw, partition, penalized, ids, final, cut, params, tokenizer)
    return _describe(raw, partition, ids.gather(-1, position), drawn, tables)


def describe(logits: Tensor, ids: Tensor, params: SamplingParams, tokenizer: TextTokenizer) -> list[Choice]:
    """What there is to say of tokens chosen in another way than by drawing, as beam search does.

    Args:
        logits: (B, V) of any float dtype.
        ids: (B, 1) chosen ids.
        params: for the number of candidates.
        tokenizer: spells the candidates.
    """
    raw = logits.float()
    partition = Partition.of(raw)
    certain = torch.ones_like(partition.peak)
    chosen_prob = partition.logprob(raw.gather(-1, ids)).exp()
    everything = torch.arange(raw.shape[-1], device=raw.device).expand_as(raw)
    only = torch.zeros_like(raw).scatter(-1, ids, 1.0)
    cut = torch.full_like(raw, CUT_RULES.index(CutRule.BEAM_SEARCH), dtype=torch.int8).scatter(-1, ids, 0)
    tables = _top_candidates(raw, partition, raw, everything, only, cut, params, tokenizer)
    return _describe(raw, partition, ids, (certain, certain, chosen_prob), tables)


def rank_candidates(
    logits: Tensor, seen_ids: Sequence[int], params: SamplingParams, tokenizer: TextTokenizer, top: int
) -> tuple[Candidate, ...]:
    """The `top` most likely tokens of one distribution, each with what the samplers make of it.

    Args:
        logits: (V,) of any float dtype.
        seen_ids: prompt and generated ids.
        params: the settings.
        tokenizer: spells the candidates.
        top: how many; the whole vocabulary when larger.
    """
    row = logits.float().unsqueeze(0)  # (1, V)
    partition = Partition.of(row)
    penalized = _penalized(row, [seen_ids], params)
    final, cut = warp(penalized, params)
    everything = torch.arange(row.shape[-1], device=row.device).unsqueeze(0)
    wanted = params.changed(candidates=0)
    return _top_candidates(row, partition, penalized, everything, final, cut, wanted, tokenizer, top)[0]


def _describe(
    raw: Tensor,
    partition: Partition,
    chosen: Tensor,
    drawn: tuple[Tensor, Tensor, Tensor],
    tables: list[tuple[Candidate, ...]],
) -> list[Choice]:
    """Choices from (B, 1) chosen ids and, for each, its final probability, the kept count and the kept mass."""
    logit = raw.gather(-1, chosen)
    rank = (raw > logit).sum(-1, keepdim=True) + 1
    columns = (logit, partition.logprob(logit), rank, entropy_bits(raw, partition), *drawn)
    rows = torch.cat([column.double() for column in columns], dim=-1).tolist()
    return [
        Choice(token_id, row[0], row[1], int(row[2]), max(row[3], 0.0), row[4], int(row[5]), row[6], table)
        for token_id, row, table in zip(chosen.squeeze(-1).tolist(), rows, tables, strict=True)
    ]


def _penalized(raw: Tensor, seen_ids: Sequence[Sequence[int]], params: SamplingParams) -> Tensor:
    if params.repetition_penalty == 1 and not params.no_repeat_ngram_size:
        return raw
    return torch.stack([penalize(row, seen, params) for row, seen in zip(raw, seen_ids, strict=True)])


def _largest(penalized: Tensor, params: SamplingParams) -> tuple[Tensor, Tensor]:
    """(B, N) ids and logits, best first: the head where it decides everything, else the whole vocabulary."""
    vocabulary = penalized.shape[-1]
    head = min(max(HEAD_SIZE, params.candidates), vocabulary)
    if params.greedy or 0 < params.top_k < head:
        values, ids = penalized.topk(head, dim=-1)
        last_kept = 0 if params.greedy else params.top_k - 1
        # A tie that runs past the head would leave kept entries outside it.
        if bool((values[:, last_kept] > values[:, -1]).all()):
            return _lowest_id_first(ids, values)
    values, ids = penalized.sort(dim=-1, descending=True, stable=True)
    return ids, values


def _lowest_id_first(ids: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """The same entries, best first, with ties in the order of the vocabulary, which `topk` does not promise."""
    ids, order = ids.sort(dim=-1)
    values, order = values.gather(-1, order).sort(dim=-1, descending=True, stable=True)
    return ids.gather(-1, order), values


def entropy_bits(raw: Tensor, partition: Partition) -> Tensor:
    """(B, 1) entropy of the model's own distribution: H = log Z − Σ p·logit, both counted from the largest logit."""
    expected = torch.linalg.vecdot(partition.logprob(raw).exp(), (raw - partition.peak).clamp_min(-1e30)).unsqueeze(-1)
    bits: Tensor = (partition.log_rest - expected) / math.log(2)
    return bits


def _top_candidates(
    raw: Tensor,
    partition: Partition,
    penalized: Tensor,
    ids: Tensor,
    final: Tensor,
    cut: Tensor,
    params: SamplingParams,
    tokenizer: TextTokenizer,
    top: int = 0,
) -> list[tuple[Candidate, ...]]:
    """The model's most likely tokens of each row, looked up among the (B, N) entries the samplers saw."""
    count = min(top or params.candidates, raw.shape[-1])
    if not count:
        return [()] * raw.shape[0]
    # As many as the head has, so that ties stand in the same order whichever way was taken.
    values, best = (column[:, :count] for column in raw.topk(min(max(HEAD_SIZE, count), raw.shape[-1]), dim=-1))
    beyond = CUT_RULES.index(CutRule.GREEDY if params.greedy else CutRule.TOP_K)
    final_of = torch.zeros_like(raw).scatter(-1, ids, final).gather(-1, best)
    cut_of = torch.full_like(raw, beyond, dtype=torch.int8).scatter(-1, ids, cut).gather(-1, best)
    banned = torch.isneginf(penalized.gather(-1, best))  # they left before the head was taken
    cut_of = cut_of.masked_fill(banned, CUT_RULES.index(CutRule.NO_REPEAT_NGRAM))
    return _spell(best, values, partition, final_of, cut_of, tokenizer)


def _spell(
    ids: Tensor, logits: Tensor, partition: Partition, final: Tensor, cut: Tensor, tokenizer: TextTokenizer
) -> list[tuple[Candidate, ...]]:
    """(B, K) entries, most likely first, as candidates."""
    probs = partition.logprob(logits).exp()
    columns = (ids, logits, probs, final, probs.double().cumsum(-1), cut)
    tables = []
    for rows in zip(*(column.tolist() for column in columns), strict=True):
        table = []
        for rank, (token_id, logit, prob, final_prob, total, code) in enumerate(zip(*rows, strict=True), start=1):
            text, fate = tokenizer.token_text(token_id), CUT_RULES[code]
            table.append(Candidate(rank, token_id, text, logit, prob, final_prob, min(total, 1.0), code == 0, fate))
        tables.append(tuple(table))
    return tables
