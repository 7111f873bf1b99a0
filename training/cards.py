"""Model cards: one README.md in each model's folder.

Formats what it is given and measures nothing. Invariant: a card is Markdown with the front matter
that model hubs read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from training.progress import Budget, RunningClock

FILE_NAME = "README.md"


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a model's folder says about itself."""

    title: str
    """The model's name."""
    licence: str
    """Identifier of the licence that its weights follow."""
    summary: str
    """A paragraph about what it is and what it is not."""
    sections: Mapping[str, str]
    """Further sections: heading and Markdown."""

    def write(self, folder: Path) -> None:
        """Write the card into the model's folder."""
        parts = [
            f"---\nlicense: {self.licence}\nlanguage: en\n---",
            f"# {self.title}",
            self.summary,
        ]
        parts += [f"## {heading}\n\n{text}" for heading, text in self.sections.items()]
        (folder / FILE_NAME).write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def table(key: str, value: str, rows: Mapping[str, str]) -> str:
    """Return a Markdown table of two columns."""
    lines = [f"| {key} | {value} |", "|---|---|", *(f"| {k} | {v} |" for k, v in rows.items())]
    return "\n".join(lines)


def quote(text: str) -> str:
    """Return one item of a numbered list, its line breaks shown as slashes."""
    return "1. " + " / ".join(line for line in text.splitlines() if line.strip())


def run_facts(command: str, budget: Budget, steps: int, clock: RunningClock, device: str) -> dict[str, str]:
    """Return what every card tells about its run."""
    return {
        "command": f"`{command} --minutes {budget.minutes:g}`",
        "steps": f"{steps:,}",
        "wall time, pauses left out": f"{clock.elapsed_s / 60:.0f} minutes",
        "processor": f"{device}, {torch.get_num_threads()} threads, bf16 autocast",
    }
