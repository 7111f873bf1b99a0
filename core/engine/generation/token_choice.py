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

from core.engine.generation.sampling import HEAD_SIZE, Sampled, draw, penalize, sample, warp
from core.errors import EngineError
from core.messages.records import Candidate, StepRecord
from core.messages.sampling_params import CUT_RULES, SamplingParams
from core.text.tokenization import TextTokenizer


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
    sampled = sample(raw, seen_ids, params)
    drawn = sampled.final.argmax(-1, keepdim=True) if params.greedy else draw(sampled.final, sampled.ids, generators)
    return _describe(raw, partition, sampled, drawn, params, tokenizer)


def describe_choices(logits: Tensor, ids: Tensor, params: SamplingParams, tokenizer: TextTokenizer) -> list[Choice]:
    """What there is to say of tokens chosen in another way than by drawing, as beam search does.

    Args:
        logits: (B, V) of any float dtype.
        ids: (B, 1) chosen ids.
        params: for the number of candidates.
        tokenizer: spells the candidates.
    """
    raw = logits.float()
    partition = Partition.of(raw)
    certain, kept = torch.ones_like(partition.peak), torch.zeros_like(ids, dtype=torch.int8)
    only = Sampled(ids, certain, kept, [("num_beams", raw)], "num_beams")
    return _describe(raw, partition, only, torch.zeros_like(ids), params, tokenizer)


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
    penalized = penalize(row, [seen_ids], params)
    everything = torch.arange(row.shape[-1], device=row.device).unsqueeze(0)
    final, cut = warp(penalized[-1][1], params, penalized)
    sampled = Sampled(everything, final, cut, penalized, "")
    return _tables(row, partition, sampled, min(top, row.shape[-1]), tokenizer)[0]


def _describe(
    raw: Tensor,
    partition: Partition,
    sampled: Sampled,
    drawn: Tensor,
    params: SamplingParams,
    tokenizer: TextTokenizer,
) -> list[Choice]:
    """What there is to say of the (B, 1) drawn places among what was sampled."""
    kept = sampled.cut == 0
    kept_mass = (partition.logprob(raw.gather(-1, sampled.ids)).exp() * kept).sum(-1, keepdim=True)
    chosen = sampled.ids.gather(-1, drawn)
    logit = raw.gather(-1, chosen)
    rank = (raw > logit).sum(-1, keepdim=True) + 1
    final_prob, kept_count = sampled.final.gather(-1, drawn), kept.sum(-1, keepdim=True)
    entropy = entropy_bits(raw, partition)
    columns = (logit, partition.logprob(logit), rank, entropy, final_prob, kept_count, kept_mass)
    rows = torch.cat([column.double() for column in columns], dim=-1).tolist()
    tables = _tables(raw, partition, sampled, min(params.candidates, raw.shape[-1]), tokenizer)
    return [
        Choice(token_id, row[0], row[1], int(row[2]), max(row[3], 0.0), row[4], int(row[5]), row[6], table)
        for token_id, row, table in zip(chosen.squeeze(-1).tolist(), rows, tables, strict=True)
    ]


def entropy_bits(raw: Tensor, partition: Partition) -> Tensor:
    """(B, 1) entropy of the model's own distribution: H = log Z − Σ p·logit, both counted from the largest logit."""
    expected = torch.linalg.vecdot(partition.logprob(raw).exp(), (raw - partition.peak).clamp_min(-1e30)).unsqueeze(-1)
    bits: Tensor = (partition.log_rest - expected) / math.log(2)
    return bits


def _tables(
    raw: Tensor, partition: Partition, sampled: Sampled, count: int, tokenizer: TextTokenizer
) -> list[tuple[Candidate, ...]]:
    """The `count` most likely tokens of each row by the model's own logits, and what the samplers made of them."""
    if not count:
        return [()] * raw.shape[0]
    if sampled.leads:
        ids, final, cut = sampled.ids[:, :count], sampled.final[:, :count], sampled.cut[:, :count]
    else:  # as many as the head has, so that ties stand in the same order whichever way was taken
        ids = raw.topk(min(max(HEAD_SIZE, count), raw.shape[-1]), dim=-1).indices[:, :count]
        final, cut = sampled.look_up(ids)
    logits = raw.gather(-1, ids)
    probs = partition.logprob(logits).exp()
    return spell(range(1, count + 1), (ids, logits, probs, final, probs.double().cumsum(-1), cut), tokenizer)


def spell(ranks: Sequence[int], columns: Sequence[Tensor], tokenizer: TextTokenizer) -> list[tuple[Candidate, ...]]:
    """Entries as candidates.

    Args:
        ranks: of the K entries of each row.
        columns: (B, K) ids, logits, probabilities, final ones, cumulative ones and cut codes.
        tokenizer: spells them.
    """
    tables = []
    for rows in zip(*(column.tolist() for column in columns), strict=True):
        table = []
        for rank, id_, logit, prob, final_prob, total, code in zip(ranks, *rows, strict=True):
            text, fate = tokenizer.token_text(id_), CUT_RULES[code]
            table.append(Candidate(rank, id_, text, logit, prob, final_prob, min(total, 1.0), code == 0, fate))
        tables.append(tuple(table))
    return tables
