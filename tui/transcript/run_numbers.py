"""The numbers of a run in labelled lines: how fast it was, how likely its text, whether that goes in circles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Protocol

from core.messages.records import RunStats
from core.messages.sampling_params import SamplingParams

LOOP_SHARE = 0.5
"""From this share of repeated 4-grams on, a text counts as caught in a loop."""

LOOP_TOKENS = 16
"""A shorter text counts as none: few words repeat by chance."""

MILD_PENALTY, USUAL_NGRAM = 1.2, 3
"""What is advised against a loop where less is set."""

_SMALLEST = 5e-324
"""No number above 0 is smaller; a probability of 0 stands for one that was rounded."""


class Chosen(Protocol):
    """A token and how it was chosen, as far as the numbers need it."""

    @property
    def id(self) -> int:
        """In the vocabulary."""

    @property
    def prob(self) -> float:
        """The model's own probability of it, 0–1."""

    @property
    def entropy(self) -> float:
        """Of the model's own distribution, bits."""

    @property
    def kept_mass(self) -> float:
        """The model's own probability of all tokens that could be drawn, 0–1."""


def logprob_of(tokens: Sequence[Chosen]) -> float:
    """Sum of ln p of the tokens, under the model's own distribution."""
    return math.fsum(math.log(max(token.prob, _SMALLEST)) for token in tokens)


def speed_line(stats: RunStats) -> str:
    """Times and speed of a sequence that has ended, and its perplexity."""
    gaps = f"ITL p50 {stats.itl_p50_s * 1e3:.1f} p99 {stats.itl_p99_s * 1e3:.1f} ms"
    speed = f"{stats.tokens_per_s:.1f} tok/s · perplexity {stats.perplexity:.1f}"
    return f"TTFT {stats.ttft_s * 1e3:.0f} ms · {gaps} · {speed}"


def choice_line(tokens: Sequence[Chosen], params: SamplingParams) -> str:
    """How likely the new tokens were together, how open the choices were, and how much the samplers left of them.

    Args:
        tokens: at least one.
        params: the settings that chose the last of them; a beam search leaves nothing to draw from.
    """
    entropy, mass = fmean(token.entropy for token in tokens), fmean(token.kept_mass for token in tokens)
    told = f"log p {signed(logprob_of(tokens))} · mean entropy {entropy:.2f} bits"
    return told if params.num_beams > 1 else f"{told} · mean kept mass {mass:.1%}"


def loop_share(ids: Sequence[int]) -> float:
    """Share of a text's 4-grams that it held before, 0–1."""
    grams = [tuple(ids[start : start + 4]) for start in range(len(ids) - 3)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def in_a_loop(ids: Sequence[int]) -> bool:
    """Whether a text goes in circles."""
    return len(ids) >= LOOP_TOKENS and loop_share(ids) > LOOP_SHARE


def loop_line(ids: Sequence[int], params: SamplingParams) -> str:
    """That a text goes in circles, and the settings that help where they are not set yet; empty when it does not.

    Args:
        ids: its new tokens.
        params: the settings that chose the last of them.
    """
    if not in_a_loop(ids):
        return ""
    knobs = []
    if params.repetition_penalty < MILD_PENALTY:
        knobs.append(f"repetition_penalty {MILD_PENALTY:g}")
    if not 0 < params.no_repeat_ngram_size <= USUAL_NGRAM:
        knobs.append(f"no_repeat_ngram_size {USUAL_NGRAM}")
    if params.num_beams > 1:
        knobs.append("num_beams 1")
    elif params.greedy:
        knobs.append("sampling instead of greedy")
    else:
        knobs.append("a higher temperature")
    advice = " or ".join(filter(None, (", ".join(knobs[:-1]), knobs[-1])))
    return f"⟳ {loop_share(ids):.0%} of its 4-grams are repeats: try {advice}"


def signed(value: float) -> str:
    """A number to one decimal, with a proper minus and no minus before 0."""
    shown = f"{abs(value):,.1f}" if math.isfinite(value) else "∞"
    return f"−{shown}" if value < 0 and shown != "0.0" else shown
