"""What each process imports: the interface never loads the engine's libraries, and nothing imports transformers early.

Each deferred import of the code has its line here, with the module that must be able to do without it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

import pytest

from core import errors
from core.lab.catalogue import TOPICS
from tui.commands.catalogue import COMMANDS
from tui.lab.catalogue import LABS
from tui.lab.command_catalogue import COMMANDS as LAB_COMMANDS

HEAVY = ("torch", "transformers", "safetensors", "numpy")

TOPIC_MODULES = tuple(f"core.lab.{topic}" for topic in TOPICS)
PANE_MODULES = tuple(lab.pane.partition(":")[0] for lab in LABS)
COMMAND_MODULES = tuple(command.module for command in (*COMMANDS, *LAB_COMMANDS))

MAY_NOT_LOAD: list[tuple[str, tuple[str, ...]]] = [
    ("tui.cli", (*HEAVY, "textual", "tokenizers", "asyncio", "core.backends.process", *COMMAND_MODULES)),
    ("tui.commands.running", (*HEAVY, "textual", "core.engine.worker", "core.engine.engine")),
    ("core.backends.catalogue", (*HEAVY, "asyncio", "core.backends.process")),
    ("core.backends.process", (*HEAVY, "textual", "tui", "core.engine.worker", "core.engine.engine")),
    ("core.models.hub.download", (*HEAVY, "textual", "tui", "huggingface_hub", "core.models.hub.process.main")),
    ("core.models.hub.process.main", ("torch", "transformers", "safetensors", "textual", "tui")),
    ("tui.commands.models", (*HEAVY, "textual", "huggingface_hub", "core.models.hub.process.main")),
    ("core.text.tokenization", (*HEAVY, "textual", "tui")),
    ("core.messages.codec", (*HEAVY, "textual", "tui", "tokenizers", *TOPIC_MODULES)),
    ("core.lab.catalogue", (*HEAVY, "textual", "tui", "tokenizers", "core.messages.protocol", *TOPIC_MODULES)),
    (
        "tui.app",
        (
            *HEAVY,
            "core.engine.worker",
            "core.engine.engine",
            *TOPIC_MODULES,
            *PANE_MODULES,
            "tui.lab.screen",
            "core.history.conversation_file",
        ),
    ),
    ("tui.app", ("tui.models.screen", "core.models.hub.download", "core.models.facts")),
    (
        "tui.models.screen",
        (
            *HEAVY,
            "huggingface_hub",
            "core.models.hub.process.main",
            "core.engine.worker",
            "core.engine.engine",
            "core.engine.networks.fit",
        ),
    ),
    ("tui.lab.screen", (*HEAVY, "core.engine.worker", "core.engine.engine", *TOPIC_MODULES, *PANE_MODULES)),
    ("tui.main.screen", (*HEAVY, "core.engine.worker", "core.engine.engine")),
    ("tui.commands.doctor.report", (*HEAVY, "textual", "core.engine.engine", "core.engine.self_test")),
    ("core.models.registry", (*HEAVY, "textual", "tui", "tokenizers", "platformdirs")),
    ("core.models.checks", (*HEAVY, "textual", "tui", "tokenizers")),
    ("core.models.gguf_header", (*HEAVY, "textual", "tui", "tokenizers")),
    ("core.engine.self_test", ("transformers", "textual", "tui")),
    ("core.engine.worker", (*HEAVY, "core.engine.engine", "tui", "textual")),
    ("core.engine.lab.evaluation.task", ("transformers", "tui", "textual")),
    ("core.engine.engine", ("transformers", "tui", "textual", "rich")),
]


def loaded(code: str, names: Sequence[str]) -> list[str]:
    """Which of these modules a fresh process has loaded after some code."""
    script = f"{code}\nimport sys\nprint(*(name for name in {tuple(names)!r} if name in sys.modules))"
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(errors.__file__))}
    finished = subprocess.run(
        [sys.executable, "-P", "-c", script], capture_output=True, text=True, env=environment, check=False
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.split()


@pytest.mark.parametrize(("module", "forbidden"), MAY_NOT_LOAD, ids=[row[0] for row in MAY_NOT_LOAD])
def test_importing_a_module_leaves_these_alone(module: str, forbidden: tuple[str, ...]) -> None:
    assert loaded(f"import {module}", forbidden) == []


def test_naming_a_command_imports_its_own_module_alone() -> None:
    code = "from tui.cli import build_parser\nbuild_parser().parse_args(['fill', 'a [MASK]'])"
    assert loaded(code, COMMAND_MODULES) == ["tui.lab.masked_lm.fill_command"]
