"""Every topic of the lab that the engine is asked about, and how its questions and answers are named between processes.

Imports a topic when one of its records is looked for: the first frame and most commands do without.
"""

from __future__ import annotations

from importlib import import_module

from core.lab.records import Answer, Question

TOPICS = (
    "attention",
    "distillation",
    "evaluation",
    "few_shot",
    "finetuning",
    "masked_lm",
    "question_answering",
    "sentence_pairs",
    "sentiment",
    "students",
)
"""Each is the name of a module here."""


def name_of(record: Question | Answer) -> str:
    """Its topic and its class, such as `masked_lm.FillMasks`."""
    kind = type(record)
    return f"{kind.__module__.rpartition('.')[2]}.{kind.__name__}"


def kind_of(name: str) -> type[Question | Answer]:
    """The class that `name_of` names.

    Raises:
        ValueError, AttributeError: there is none.
    """
    topic, _, kind = name.partition(".")
    if topic not in TOPICS:
        raise ValueError(f"no topic of the lab: {topic!r}")
    found: type[Question | Answer] = getattr(import_module(f"core.lab.{topic}"), kind)
    return found
