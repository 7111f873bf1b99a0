"""The columns of a table of candidates, in the room there is: numbers are abridged before any of them goes."""

from __future__ import annotations

from dataclasses import dataclass

from core.messages.records import Candidate
from core.messages.sampling_params import SETTINGS
from core.text.visible import token_label
from tui.widgets.bars import change_bar, fit, percent

FULL_CELLS, _NARROW_CELLS = 74, 56
"""A row of the first width shows everything in full, four cells of bar among it; below it is abridged, down to the
second."""

MOST_BAR_CELLS, LEAST_BAR_CELLS = 10, 4


@dataclass(frozen=True, slots=True)
class CandidateColumns:
    """How wide the columns are that give way, in cells."""

    token: int
    bar: int
    """0 leaves it out."""
    fate: int
    cumulative: str
    """How a share is written, a format."""
    logit: str

    @classmethod
    def within(cls, width: int) -> CandidateColumns:
        """The columns of a row of so many cells."""
        if width >= FULL_CELLS:
            bar = min(MOST_BAR_CELLS, width - FULL_CELLS + LEAST_BAR_CELLS)
            return cls(token=14, bar=bar, fate=10, cumulative=">6.1%", logit=">8.3f")
        bar = width - _NARROW_CELLS - 1
        return cls(8, min(bar, MOST_BAR_CELLS) if bar >= LEAST_BAR_CELLS else 0, 8, ">4.0%", ">5.1f")

    @property
    def heading(self) -> str:
        """Their names, each where its column stands."""
        bar = " " * (self.bar + 1) if self.bar else ""
        total, logit = (len(f"{0:{form}}") for form in (self.cumulative, self.logit))
        names = f"{'cumul.'[:total]:>{total}} {'logit':>{logit}} {'id':>6}"
        return f"  rank {'token':<{self.token}}  model  final {bar}{'fate':<{self.fate}} {names}"

    def row(self, candidate: Candidate, *, mark: str, before: float) -> str:
        """One entry.

        Args:
            candidate: what to tell of.
            mark: a sign of one cell in front of it.
            before: its final probability under the settings before.
        """
        setting = SETTINGS.get(candidate.cut_by)
        fate = "kept" if candidate.kept else f"✗{(setting and setting.cuts) or candidate.cut_by}"
        text = fit(token_label(candidate.text), self.token)
        shares = f"{percent(candidate.prob)} {percent(candidate.final_prob)}"
        bar = f"{change_bar(before, candidate.final_prob, self.bar)} " if self.bar else ""
        numbers = f"{candidate.cumulative:{self.cumulative}} {candidate.logit:{self.logit}} {candidate.id:>6}"
        return f"{mark}{candidate.rank:>5} {text} {shares} {bar}{fate:<{self.fate}} {numbers}"
