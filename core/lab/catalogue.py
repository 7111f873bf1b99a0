"""Every question the lab can ask, and every answer: what may travel in `Ask` and `Answered`."""

from __future__ import annotations

from typing import TypeAlias

from core.lab.masked_lm import FilledMasks, FillMasks, MaskingGame, PlayMasking

Question: TypeAlias = FillMasks | PlayMasking

Answer: TypeAlias = FilledMasks | MaskingGame
