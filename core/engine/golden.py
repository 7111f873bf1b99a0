"""What the bundled GPT-2 is known to say: a few log-probabilities, worked out in float64 by transformers' own model.

They lie beside the weights they belong to. `python -m training.golden` writes them anew whenever these change.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from core.errors import ModelFormatError
from core.models.registry import STARTER_FOLDER

GOLDEN_FILE = STARTER_FOLDER / "gpt2" / "golden.json"
PROMPT = "Once upon a time there was a little girl"
TOP = 5


@dataclass(frozen=True, slots=True)
class Golden:
    """The tokens most likely to follow a prompt."""

    prompt_ids: tuple[int, ...]
    ids: tuple[int, ...]
    """The most likely tokens, best first."""
    logprobs: tuple[float, ...]
    """Theirs, natural logarithm."""
    weights: str
    """SHA-256 of the weights that say so."""


def read_golden(path: Path = GOLDEN_FILE) -> Golden:
    """Read the values.

    Raises:
        ModelFormatError: they are missing or broken.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        return Golden(
            tuple(map(int, value["prompt_ids"])),
            tuple(map(int, value["ids"])),
            tuple(map(float, value["logprobs"])),
            str(value["weights"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ModelFormatError(f"{path} cannot be read: {reason}", "install the program again") from None


def write_golden(golden: Golden, path: Path = GOLDEN_FILE) -> None:
    """Write the values."""
    path.write_text(json.dumps(asdict(golden), indent=1) + "\n", encoding="utf-8")
