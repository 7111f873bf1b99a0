"""One topic of the lab has one name: `core.lab` gives it, the engine and the interface keep it; catalogues list all."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from pathlib import Path
from typing import Any

import core.engine.lab
import core.lab
import tui.lab
from core.engine.lab.answering import TASKS
from core.lab.catalogue import TOPICS
from core.lab.records import Answer, Question
from tui.lab.catalogue import LABS
from tui.lab.command_catalogue import COMMANDS

NAMES = {module.name for module in pkgutil.iter_modules(core.lab.__path__)} - {"catalogue", "records"}
"""Every topic."""


def records_of(topic: str) -> set[type[Any]]:
    """The questions and answers that a topic's module holds."""
    kinds = {kind for kind in vars(import_module(f"core.lab.{topic}")).values() if isinstance(kind, type)}
    return {kind for kind in kinds if issubclass(kind, Question | Answer)} - {Question, Answer}


def modules_of_topics(ending: str) -> set[str]:
    """Modules in the interface's folders of topics whose names end so."""
    root = Path(tui.lab.__path__[0])
    return {f"tui.lab.{file.parent.name}.{file.stem}" for file in root.glob(f"*/*{ending}.py")}


def test_the_engine_names_its_topics_as_the_lab_does() -> None:
    modules = {module.name for module in pkgutil.iter_modules(core.engine.lab.__path__)}
    assert modules - {"answering", "desk", "many_texts", "training"} == set(TOPICS) <= NAMES


def test_the_interface_names_its_topics_as_the_lab_does() -> None:
    folders = {module.name for module in pkgutil.iter_modules(tui.lab.__path__) if module.ispkg}
    assert folders == NAMES


def test_the_catalogue_of_topics_lists_those_with_something_to_ask_or_answer() -> None:
    assert {topic for topic in NAMES if records_of(topic)} == set(TOPICS)


def test_every_question_has_a_task() -> None:
    asked = {kind for topic in TOPICS for kind in records_of(topic) if issubclass(kind, Question)}
    assert asked == set(TASKS)


def test_every_pane_stands_in_the_catalogue() -> None:
    assert {lab.pane.partition(":")[0] for lab in LABS} == modules_of_topics("pane")


def test_every_command_stands_in_the_catalogue() -> None:
    assert {command.module for command in COMMANDS} == modules_of_topics("command")
