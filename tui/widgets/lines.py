"""Texts that stand one a line."""

from __future__ import annotations


def split_lines(text: str) -> tuple[str, ...]:
    """The lines of a text, trimmed, without those that are blank; nothing but a line feed ends a line."""
    return tuple(line.strip() for line in text.split("\n") if line.strip())
