"""Sampling strategies: pure functions from logits to logits, and the draw. Nothing here knows a model or a text.

Every warper takes (..., N) float32 logits of N entries and returns them with the removed ones at −inf. N is the
whole vocabulary or any part of it that holds every entry a previous warper left: the entries at −inf weigh nothing,
so the result is the same. The order, the ties and the minimum of one kept entry are those of transformers 5.23
(`generation/logits_process.py`), where each function names its class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from core.messages.sampling_params import CUT_RULES, SETTINGS, SamplingParams

HEAD_SIZE = 64
"""How many of the largest logits the common path looks at."""

CUT_CODES = {rule: code for code, rule in enumerate(CUT_RULES)}
"""What stands for a rule in a tensor; 0 is kept."""

_RULED_OUT = "no_repeat_ngram_size"
"""What the model itself rules out counts as banned by this."""

_SPLITMIX_STEP = 0x9E3779B97F4A7C15 - 2**64
_SPLITMIX_FACTORS = (0xBF58476D1CE4E5B9 - 2**64, 0x94D049BB133111EB - 2**64)
"""As signed 64-bit numbers."""

_LOWEST = torch.finfo(torch.float32).min
_SMALLEST = torch.finfo(torch.float32).tiny
"""A divisor below it is 0 to the kernels, and 0 / 0 is not a logit."""


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


PENALTIES: dict[str, Callable[[Tensor, Sequence[int], Any], Tensor]] = {
    "repetition_penalty": penalize_repetition,
    "no_repeat_ngram_size": ban_repeated_ngrams,
}
"""The samplers that look at the text so far, (V,) to (V,), by their settings and in transformers' order."""

WARPERS: dict[str, Callable[[Tensor, Any], Tensor]] = {
    "temperature": scale_temperature,
    "top_k": keep_top_k,
    "top_p": keep_top_p,
    "min_p": keep_min_p,
    "typical_p": keep_typical,
}
"""The samplers that look at the distribution alone, (..., N) to (..., N), likewise."""


Stage: TypeAlias = tuple[str, Tensor]
"""A rule, and the logits that were left by it."""


def penalize(logits: Tensor, seen_ids: Sequence[Sequence[int]], params: SamplingParams) -> list[Stage]:
    """The samplers that look at the text so far: (B, V) logits before them, and after each that is on."""
    stages = [(_RULED_OUT, logits)]
    for name, value in _acting(PENALTIES, params):
        rows = zip(stages[-1][1], seen_ids, strict=True)
        stages.append((name, torch.stack([PENALTIES[name](row, seen, value) for row, seen in rows])))
    return stages


def warp(logits: Tensor, params: SamplingParams, penalized: Sequence[Stage] = ()) -> tuple[Tensor, Tensor]:
    """The samplers that look at the distribution alone, in transformers' order, and who cut what.

    Args:
        logits: (..., N) float32, after `penalize`.
        params: the settings.
        penalized: what led to them, (..., N) each; the last are these logits.

    Returns:
        (..., N) final probabilities, renormalised, and (..., N) int8 cut codes (see `CUT_CODES`).
    """
    stages = list(penalized) or [(_RULED_OUT, logits)]
    if params.greedy:
        stages.append(("greedy", _keep_best(logits)))
    else:
        for name, value in _acting(WARPERS, params):
            stages.append((name, WARPERS[name](stages[-1][1], value)))
    return stages[-1][1].softmax(-1), _cut_codes(stages)


def _acting(samplers: Iterable[str], params: SamplingParams) -> list[tuple[str, Any]]:
    """The samplers that are on, each with its setting's value."""
    values = ((name, getattr(params, name)) for name in samplers)
    return [(name, value) for name, value in values if value != SETTINGS[name].idle]


def _cut_codes(stages: Sequence[Stage]) -> Tensor:
    """(..., N) int8: for each entry the first rule that left it at −inf."""
    cut = torch.zeros_like(stages[0][1], dtype=torch.int8)
    for rule, left in reversed(stages):
        cut.masked_fill_(torch.isneginf(left), CUT_CODES[rule])
    return cut


@dataclass(frozen=True, slots=True)
class Sampled:
    """What the samplers leave of B distributions. Entries that they surely cut need not be among `ids`."""

    ids: Tensor
    """(B, N) entries."""
    final: Tensor
    """(B, N) their final probabilities, renormalised."""
    cut: Tensor
    """(B, N) int8 their cut codes."""
    penalized: list[Stage]
    """(B, V) each, as `penalize` gives them."""
    others: str
    """The rule that cut every entry that is neither among `ids` nor cut by a penalty."""
    leads: bool = False
    """Whether the first of `ids` are the model's most likely, as many as a record lists."""

    def look_up(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """(B, K) final probabilities and cut codes of any entries."""
        raw = self.penalized[0][1]
        final = torch.zeros_like(raw).scatter(-1, self.ids, self.final).gather(-1, ids)
        cut = torch.full_like(raw, CUT_CODES[self.others], dtype=torch.int8).scatter(-1, self.ids, self.cut)
        early = _cut_codes([(rule, left.gather(-1, ids)) for rule, left in self.penalized])
        return final, torch.where(early > 0, early, cut.gather(-1, ids))


def sample(
    raw: Tensor, seen_ids: Sequence[Sequence[int]], params: SamplingParams, order: Tensor | None = None
) -> Sampled:
    """Run the samplers; what greedy or top_k surely cuts never meets the others, for sorting is what they cost.

    Args:
        raw: (B, V) float32 logits.
        seen_ids: B lists of prompt and generated ids.
        params: the settings.
        order: (B, V) ids by falling logit, ties in the vocabulary's order, where they are known.

    Returns:
        The entries that may be kept, best first, and what became of all.
    """
    penalized = penalize(raw, seen_ids, params)
    *before, (rule, logits) = penalized
    ids, values = _largest(logits, params, None if before else order)
    stages = [*((rule, left.gather(-1, ids)) for rule, left in before), (rule, values)]
    return Sampled(ids, *warp(values, params, stages), penalized, "greedy" if params.greedy else "top_k", not before)


def _largest(logits: Tensor, params: SamplingParams, order: Tensor | None) -> tuple[Tensor, Tensor]:
    """(B, N) ids and logits of the entries that may be kept, best first; without a sort where the head is enough."""
    vocabulary = logits.shape[-1]
    head = min(max(HEAD_SIZE, params.candidates), vocabulary)
    most = 1 if params.greedy else min(params.top_k, vocabulary)
    if order is None and 0 < most < head:
        values, ids = logits.topk(head, dim=-1)
        # A tie that runs past the head would leave kept entries outside it.
        if bool((values[:, most - 1] > values[:, -1]).all()):
            return _lowest_id_first(ids, values)
    if order is None:
        values, ids = logits.sort(dim=-1, descending=True, stable=True)
    else:
        values, ids = logits.gather(-1, order), order
    left = int((values >= values[:, most - 1 : most]).sum(-1).max()) if most else vocabulary
    return ids[:, :left], values[:, :left]


def _lowest_id_first(ids: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """The same entries, best first, with ties in the order of the vocabulary, which `topk` does not promise."""
    ids, order = ids.sort(dim=-1)
    values, order = values.gather(-1, order).sort(dim=-1, descending=True, stable=True)
    return ids.gather(-1, order), values


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
