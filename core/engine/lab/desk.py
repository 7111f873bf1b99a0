"""A task of the lab, and what it has at hand while it answers: models, progress, and a look at who else is waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from core.engine.networks.encoder_models import LoadedEncoder, comparing_head, two_labelled
from core.engine.networks.gguf_conversion import ready
from core.engine.networks.head import Head
from core.engine.networks.loading import LoadedCausal, ProgressCallback
from core.engine.shelf import Shelf
from core.lab.records import Answer, Question
from core.messages.records import Target


@dataclass(frozen=True, slots=True)
class Desk:
    """One question's place in the engine."""

    shelf: Shelf
    target: Target
    """Where its models run; it names them itself."""
    progress: ProgressCallback
    """To be told of everything slow: (stage, fraction)."""
    should_stop: Callable[[], bool]
    """Whether the question was cancelled; long tasks ask between two steps and end with what they have."""
    between: Callable[[], None]
    """Lets short requests in; long tasks call it between two steps."""

    def encoder(self, head: Head, name: str) -> LoadedEncoder:
        """A model with a head, loaded when it is not there yet.

        Raises:
            EngineError: there is none by this name.
        """
        return self.shelf.encoder(head, replace(self.target, model=name), self.progress)

    def comparer(self, name: str) -> LoadedEncoder:
        """A model to compare sentences with: a classifier of two labels, or an encoder without labels.

        Raises:
            EngineError: there is none by this name.
        """
        head = comparing_head(ready(name, self.progress))
        loaded = self.encoder(head, name)
        return two_labelled(loaded) if head is Head.CLASSIFIER else loaded

    def causal(self, name: str) -> LoadedCausal:
        """A causal model, loaded when it is not there yet.

        Raises:
            EngineError: there is none by this name.
        """
        return self.shelf.causal(replace(self.target, model=name), self.progress)[0]


@dataclass(frozen=True, slots=True)
class LabTask:
    """How one kind of question is answered."""

    run: Callable[[Desk, Any], Iterator[Answer]]
    """Yields the answer, in one piece or as it comes."""
    short_with: Head | None = None
    """The head of the one model it needs, when it is short enough to be answered between two tokens of a run."""


Tasks: TypeAlias = dict[type[Question], LabTask]
"""Of a topic, by the question."""
