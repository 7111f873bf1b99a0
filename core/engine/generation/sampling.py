"""Sampling strategies: pure functions from logits to logits, and the draw. Nothing here knows a model or a text.

Every warper takes (..., N) float32 logits of N entries and returns them with the removed ones at −inf. N is the
whole vocabulary or any part of it that holds every entry a previous warper left: the entries at −inf weigh nothing,
so the result is the same. The order, the ties and the minimum of one kept entry are those of transformers 5.23
(`generation/logits_process.py`), where each function names its class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from core.messages.records import CutRule
from core.messages.sampling_params import SamplingParams

CUT_RULES = tuple(CutRule)
"""A cut code is an index into this tuple; 0 is `CutRule.NOT_CUT`."""

_CUT_CODE = {rule: code for code, rule in enumerate(CUT_RULES)}
_SPLITMIX_STEP = 0x9E3779B97F4A7C15 - 2**64
_SPLITMIX_FACTORS = (0xBF58476D1CE4E5B9 - 2**64, 0x94D049BB133111EB - 2**64)
"""As signed 64-bit numbers."""

_LOWEST = torch.finfo(torch.float32).min
_SMALLEST = torch.finfo(torch.float32).tiny
"""A divisor below it is 0 to the kernels, and 0 / 0 is no logit."""


def penalize_repetition(logits: Tensor, seen_ids: Sequence[int], penalty: float) -> Tensor:
    """Make tokens that occurred less likely (RepetitionPenaltyLogitsProcessor; CTRL, Keskar et al. 2019).

    Args:
        logits: (V,) of one sequence.
        seen_ids: prompt and generated ids.
        penalty: above 0; positive logits are divided by it, negative ones multiplied.
    """
    ids = torch.tensor(sorted(set(seen_ids)), dtype=torch.long, device=logits.device)
    seen = logits[ids]
    penalized = torch.where(seen < 0, seen * penalty, seen / max(penalty, _SMALLEST)).clamp(_LOWEST, -_LOWEST)
    return logits.index_copy(0, ids, torch.where(torch.isneginf(seen), seen, penalized))


def ban_repeated_ngrams(logits: Tensor, seen_ids: Sequence[int], size: int) -> Tensor:
    """Remove every token that would repeat an n-gram (NoRepeatNGramLogitsProcessor); none when that would be all.

    Args:
        logits: (V,) of one sequence.
        seen_ids: prompt and generated ids.
        size: the n of the n-gram, at least 1.
    """
    prefix = tuple(seen_ids[len(seen_ids) - size + 1 :])
    banned = {
        seen_ids[start + size - 1]
        for start in range(len(seen_ids) - size + 1)
        if tuple(seen_ids[start : start + size - 1]) == prefix
    }
    if not banned or len(seen_ids) < size - 1:
        return logits
    ids = torch.tensor(sorted(banned), dtype=torch.long, device=logits.device)
    left = logits.index_fill(0, ids, float("-inf"))
    return left if torch.isfinite(left).any() else logits


def scale_temperature(logits: Tensor, temperature: float) -> Tensor:
    """Divide by the temperature (TemperatureLogitsWarper), maximum subtracted first so that nothing overflows."""
    scaled = (logits - logits.amax(-1, keepdim=True)) / max(temperature, _SMALLEST)
    return torch.where(torch.isneginf(logits), logits, scaled.clamp_min(_LOWEST))


def keep_top_k(logits: Tensor, top_k: int) -> Tensor:
    """Keep the k largest logits and whatever ties with the k-th (TopKLogitsWarper)."""
    kth = logits.topk(min(top_k, logits.shape[-1]), dim=-1).values[..., -1:]
    return logits.masked_fill(logits < kth, float("-inf"))


def keep_top_p(logits: Tensor, top_p: float) -> Tensor:
    """Keep the smallest set of entries with probability `top_p` together (TopPLogitsWarper; Holtzman et al. 2020)."""
    ascending, order = torch.sort(logits, dim=-1)
    removed = ascending.softmax(-1).cumsum(-1) <= 1 - top_p
    removed[..., -1] = False
    return logits.masked_fill(removed.scatter(-1, order, removed), float("-inf"))


def keep_min_p(logits: Tensor, min_p: float) -> Tensor:
    """Keep entries at least `min_p` times as likely as the likeliest (MinPLogitsWarper; Nguyen et al. 2024)."""
    probabilities = logits.softmax(-1)
    return logits.masked_fill(probabilities < min_p * probabilities.amax(-1, keepdim=True), float("-inf"))


def keep_typical(logits: Tensor, mass: float) -> Tensor:
    """Keep the entries whose surprise is nearest the entropy (TypicalLogitsWarper; Meister et al. 2022)."""
    logprobs = logits.log_softmax(-1)
    entropy = -(logprobs.exp() * logprobs).nansum(-1, keepdim=True)
    distance, order = torch.sort((-logprobs - entropy).abs(), dim=-1)
    cumulative = logits.gather(-1, order).softmax(-1).cumsum(-1)
    last = (cumulative < mass).sum(-1, keepdim=True).clamp_max(logits.shape[-1] - 1)
    removed = distance > distance.gather(-1, last)
    removed[..., 0] = False
    return logits.masked_fill(removed.scatter(-1, order, removed), float("-inf"))


def penalize(logits: Tensor, seen_ids: Sequence[int], params: SamplingParams) -> Tensor:
    """The samplers that look at the text so far, in transformers' order; (V,) to (V,)."""
    if params.repetition_penalty != 1:
        logits = penalize_repetition(logits, seen_ids, params.repetition_penalty)
    if params.no_repeat_ngram_size:
        logits = ban_repeated_ngrams(logits, seen_ids, params.no_repeat_ngram_size)
    return logits


def warp(logits: Tensor, params: SamplingParams) -> tuple[Tensor, Tensor]:
    """The samplers that look at the distribution alone, in transformers' order, and who cut what.

    Args:
        logits: (..., N) float32, after `penalize`.
        params: the settings.

    Returns:
        (..., N) final probabilities, renormalised, and (..., N) int8 cut codes (see `CUT_RULES`).
    """
    cut = torch.isneginf(logits).to(torch.int8) * _CUT_CODE[CutRule.NO_REPEAT_NGRAM]
    for rule, warper in _active_warpers(params):
        warped = warper(logits)
        if rule is not CutRule.NOT_CUT:
            cut = cut.masked_fill(torch.isneginf(warped) & (cut == 0), _CUT_CODE[rule])
        logits = warped
    return logits.softmax(-1), cut


def _active_warpers(params: SamplingParams) -> list[tuple[CutRule, Callable[[Tensor], Tensor]]]:
    if params.greedy:
        return [(CutRule.GREEDY, _keep_best)]
    warpers: list[tuple[CutRule, Callable[[Tensor], Tensor]]] = []
    if params.temperature != 1:
        warpers.append((CutRule.NOT_CUT, lambda logits: scale_temperature(logits, params.temperature)))
    if params.top_k:
        warpers.append((CutRule.TOP_K, lambda logits: keep_top_k(logits, params.top_k)))
    if params.top_p < 1:
        warpers.append((CutRule.TOP_P, lambda logits: keep_top_p(logits, params.top_p)))
    if params.min_p:
        warpers.append((CutRule.MIN_P, lambda logits: keep_min_p(logits, params.min_p)))
    if params.typical_p < 1:
        warpers.append((CutRule.TYPICAL_P, lambda logits: keep_typical(logits, params.typical_p)))
    return warpers


def _keep_best(logits: Tensor) -> Tensor:
    best = logits.argmax(-1, keepdim=True)
    return torch.full_like(logits, float("-inf")).scatter(-1, best, logits.gather(-1, best))


def draw(probabilities: Tensor, ids: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
    """Draw one entry a row: the largest sum of log-probability and noise (the Gumbel-max trick; Gumbel 1954).

    Each entry's noise depends on its id and the row's generator alone, so the draw does not depend on the order of the
    entries, on how much of the tail is there, or on a last bit of a probability: a run can be repeated after another
    prefill, in another batch, with another number of threads.

    Args:
        probabilities: (B, N).
        ids: (B, N) their ids in the vocabulary.
        generators: B CPU generators; each is advanced by one number.

    Returns:
        (B, 1) positions in N.
    """
    keys = [torch.randint(-(2**63), 2**63 - 1, (1,), generator=generator) for generator in generators]
    noise = _gumbel_noise(torch.stack(keys), ids.cpu())  # (B, N)
    return (probabilities.cpu().double().log() + noise).argmax(-1, keepdim=True).to(ids.device)


def _gumbel_noise(keys: Tensor, ids: Tensor) -> Tensor:
    """(B, N) float64 noise from (B, 1) keys and (B, N) ids: SplitMix64 (Steele et al. 2014) as a hash of both."""
    mixed = keys + ids * _SPLITMIX_STEP  # int64 wraps around, which is meant
    mixed = (mixed ^ _shifted(mixed, 30)) * _SPLITMIX_FACTORS[0]
    mixed = (mixed ^ _shifted(mixed, 27)) * _SPLITMIX_FACTORS[1]
    mixed = mixed ^ _shifted(mixed, 31)
    uniform = (_shifted(mixed, 11).double() + 0.5) / 2**53
    return -(-uniform.log()).log()


def _shifted(values: Tensor, bits: int) -> Tensor:
    """A logical shift to the right."""
    return (values >> bits) & ((1 << (64 - bits)) - 1)
