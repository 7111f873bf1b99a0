"""How far the sequences of a run came, and why they ended, in a few words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.messages.records import FinishReason, RunStats


@dataclass(frozen=True, slots=True)
class Tally:
    """What is known of one of several sequences, beside its text."""

    logprob: float = 0.0
    """Sum of ln p of its new tokens, under the model's own distribution."""
    tokens: int = 0
    """How many those are."""
    score: float | None = None
    """Of a beam that is still followed: the sum of its log-probabilities after the penalties; None for any other."""
    ending: str = ""
    """Why it ended; empty while it goes on."""

    def with_token(self, logprob: float) -> Tally:
        """The same after one more token, whose ln p is given."""
        return replace(self, logprob=self.logprob + logprob, tokens=self.tokens + 1)


def why_ended(reason: FinishReason, stats: RunStats) -> str:
    """Why a sequence ended, in a few words."""
    match reason:
        case FinishReason.CONTEXT:
            return f"context full ({stats.n_positions:,} positions)"
        case FinishReason.CANCELLED:
            return "stopped by you"
        case _:
            return f"ended by {reason}"


def describe_endings(ends: Sequence[tuple[FinishReason, RunStats]]) -> str:
    """Why a run ended, and what can be done then.

    Args:
        ends: of each of its sequences.
    """
    count = sum(stats.new_tokens for _, stats in ends)
    tokens = f"{count:,} token{'' if count == 1 else 's'}"
    reason, stats = ends[0]
    hint = {
        FinishReason.CONTEXT: ", ctrl+n goes on with its end",
        FinishReason.CANCELLED: ", ctrl+n writes on",
    }.get(reason, "")
    if len(ends) == 1:
        return f"{tokens} · {why_ended(reason, stats)}{hint}"
    return f"{len(ends)} sequences · {tokens}{hint}{' after #1' * bool(hint)}"
