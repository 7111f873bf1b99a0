"""How a download stands, in words: for the command line and the app alike."""

from __future__ import annotations

from core.models.hub.download import Transferring
from core.models.hub.refusals import size_text


def transfer_text(event: Transferring) -> str:
    """Share, bytes, speed and what is left, as far as they are known; of one that stands still, since when."""
    size = f"{size_text(event.done_bytes)} of {size_text(event.total_bytes)}"
    if event.silent_s >= 1:
        return f"{share_of(event):.0%}, {size}, nothing for {duration_text(event.silent_s)}"
    left = "" if event.eta_s is None else f", {duration_text(event.eta_s)} left"
    speed = f", {size_text(round(event.bytes_per_s))}/s" if event.bytes_per_s else ""
    return f"{share_of(event):.0%}, {size}{speed}{left}"


def share_of(event: Transferring) -> float:
    """How much of a download is there, 0-1."""
    return event.done_bytes / event.total_bytes if event.total_bytes else 1.0


def duration_text(seconds: float) -> str:
    """A time to wait, for people."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
