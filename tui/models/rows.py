"""The models of this machine as rows of a list: what each is, what it can be used for, or why it cannot.

Reads small files only and paints nothing; all of it may run in a thread.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from core.errors import EngineError
from core.models.checks import check_model
from core.models.conversions import converted_models
from core.models.facts import ModelFacts, model_facts, task_of
from core.models.gguf_header import read_gguf
from core.models.hub.cache import ORGANISATIONS, split_revision
from core.models.registry import COURSE_MODELS, STARTERS, ResolvedModel, Task, cached_models, read_config, resolve

MOMENT_S = 0.1
"""How long rows are read before those that are there are shown."""

_FEELINGS = {"positive", "negative", "pos", "neg"}
"""Labels of sentiment, in small letters."""


class Use(StrEnum):
    """What the Models screen can do with a model."""

    WRITE = "writes"
    COMPARE = "compares"
    LAB = "lab"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a model is good for here."""

    use: Use
    where: str
    """The panes that take it; of `NOTHING`, why none does."""


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A model of the list; only its name and its place are known at first."""

    model: ResolvedModel
    facts: ModelFacts | None = None
    """None until they are read."""
    purpose: Purpose | None = None
    """None until it is known, and of a model that cannot be used."""
    problem: str = ""
    """Why it cannot be used, with the way out; empty when it can."""

    @property
    def name(self) -> str:
        """What it is called, and by what it is used."""
        return self.model.name

    def matches(self, wanted: str) -> bool:
        """Whether every word typed stands somewhere in the row."""
        facts = self.facts
        more = (facts.task, facts.architecture, facts.license, facts.revision) if facts is not None else ()
        row = " ".join((self.name, self.model.source.value, *more)).casefold()
        return all(word in row for word in wanted.casefold().split())


def known_models(opened: Iterable[str]) -> list[ModelRow]:
    """Every model there is, once each, with its name and place alone.

    Args:
        opened: folders and files that were used in this session.

    Raises:
        EngineError: the Hugging Face cache cannot be read.
    """
    found = [*map(resolve, STARTERS), *cached_models(), *converted_models()]
    for name in opened:
        try:
            model = resolve(name)
        except EngineError:
            continue  # it is gone
        if all(model.folder != one.folder for one in found):  # else it is there, if under another name
            found.append(model)
    return [ModelRow(model) for model in found]


def read_row(row: ModelRow) -> ModelRow:
    """The same row with everything about its model; what is wrong with it is said, not raised."""
    facts = model_facts(row.model)
    try:
        config: dict[str, Any] = {}
        if row.model.file is None or row.model.folder.is_dir():
            config = read_config(row.model)
            check_model(row.model)
        else:
            read_gguf(row.model.file)
    except EngineError as error:
        return ModelRow(row.model, facts, None, f"{error.message}; {error.hint}" if error.hint else error.message)
    except OSError as error:
        return ModelRow(row.model, facts, None, f"it cannot be read: {error.strerror or error}")
    return ModelRow(row.model, facts, purpose(row.name, facts.architecture, config))


def read_some(rows: Sequence[ModelRow]) -> list[ModelRow]:
    """The first of the rows, read: as many as can be within a moment, at least one."""
    until_s = time.monotonic() + MOMENT_S
    read: list[ModelRow] = []
    for row in rows:
        read.append(read_row(row))
        if time.monotonic() > until_s:
            break
    return read


def purpose(name: str, architecture: str, config: dict[str, Any] | None = None) -> Purpose:
    """What a model is good for.

    Args:
        name: of a starter or on the hub; the course's are known by it.
        architecture: as its config names the class.
        config: where it is at hand: it has the labels of a classifier.
    """
    known = STARTERS.get(COURSE_MODELS.get(_short_name(name), name))
    task = known.task.value if known is not None else task_of(name, architecture)
    match task:
        case Task.CAUSAL_LM.value:
            return Purpose(Use.WRITE, "the conversation")
        case Task.PARAPHRASE.value:
            return Purpose(Use.COMPARE, "Similarity (F5)")
        case Task.SENTIMENT.value:
            return Purpose(Use.LAB, "Sentiment")
        case Task.MASKED_LM.value:
            more = ", Next sentence" if architecture.endswith("ForPreTraining") else ""
            return Purpose(Use.LAB, f"Fill masks, Masking game{more}")
        case "question answering":
            return Purpose(Use.LAB, "Question answering")
        case "text classification":
            return _of_classifier(config)
        case "hidden states" if not (config or {}).get("is_encoder_decoder") and architecture != "GPT2Model":
            return Purpose(Use.COMPARE, "Similarity (F5), by the cosine alone")
        case _:
            return Purpose(Use.NOTHING, f"no pane takes a model of this kind ({architecture or 'unknown'})")


def _short_name(name: str) -> str:
    """A model of the course as the course calls it; other names as they are, without their revision."""
    repository, _ = split_revision(name)
    return next((short for short, owner in ORGANISATIONS.items() if repository == f"{owner}/{short}"), repository)


def _of_classifier(config: dict[str, Any] | None) -> Purpose:
    """Pairs are compared by two labels; sentences have any number, or labels of sentiment."""
    labels = (config or {}).get("id2label")
    names = {str(label).lower() for label in labels.values()} if isinstance(labels, dict) else set()
    count = len(names) or 2  # transformers' own default
    if count == 1:
        return Purpose(Use.NOTHING, "no pane takes a model with a single label")
    if count > 2 or names & _FEELINGS:
        return Purpose(Use.LAB, "Sentiment")
    return Purpose(Use.COMPARE, "Similarity (F5)")
