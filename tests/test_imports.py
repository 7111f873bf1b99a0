"""What each process imports: the interface never loads the engine's libraries, and nothing imports transformers early.

Each deferred import of the code has its line here, with the module that must be able to do without it.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from core import errors

HEAVY = ("torch", "transformers", "safetensors", "numpy")

MAY_NOT_LOAD: list[tuple[str, tuple[str, ...]]] = [
    ("tui.cli", (*HEAVY, "textual", "tokenizers", "asyncio", "core.client")),
    ("tui.headless", (*HEAVY, "textual", "core.worker", "core.engine")),
    ("core.client", (*HEAVY, "textual", "tui", "core.worker", "core.engine")),
    ("core.hub.download", (*HEAVY, "textual", "tui", "huggingface_hub", "core.hub.process")),
    ("core.hub.process", ("torch", "transformers", "safetensors", "textual", "tui")),
    ("tui.model_commands", (*HEAVY, "textual", "huggingface_hub", "core.hub.process")),
    ("core.tokenization", (*HEAVY, "textual", "tui")),
    ("core.protocol", (*HEAVY, "textual", "tui", "tokenizers", "core.lab.catalogue")),
    ("core.lab.catalogue", (*HEAVY, "textual", "tui", "tokenizers", "core.protocol")),
    ("tui.app", (*HEAVY, "core.worker", "core.engine", "core.lab.catalogue", "tui.lab_screen", "core.sessions")),
    ("tui.app", ("tui.models.screen", "core.hub.download", "core.model_files.facts")),
    (
        "tui.models.screen",
        (*HEAVY, "huggingface_hub", "core.hub.process", "core.worker", "core.engine", "core.model_files.fit"),
    ),
    ("tui.lab_screen", ("torch", "transformers", "safetensors", "core.worker", "core.engine")),
    ("tui.lab_cli.all_commands", (*HEAVY, "textual", "asyncio", "core.client", "core.lab.catalogue")),
    ("tui.screen", (*HEAVY, "core.worker", "core.engine")),
    ("tui.doctor.report", (*HEAVY, "textual", "core.engine", "core.self_test")),
    ("core.registry", (*HEAVY, "textual", "tui", "tokenizers", "platformdirs")),
    ("core.model_files.checks", (*HEAVY, "textual", "tui", "tokenizers")),
    ("core.model_files.gguf_header", (*HEAVY, "textual", "tui", "tokenizers")),
    ("core.self_test", ("transformers", "textual", "tui")),
    ("core.worker", (*HEAVY, "core.engine", "tui", "textual")),
    ("core.tasks.evaluation", ("sklearn", "transformers", "tui", "textual")),
    ("core.engine", ("transformers", "tui", "textual", "rich")),
]


@pytest.mark.parametrize(("module", "forbidden"), MAY_NOT_LOAD, ids=[row[0] for row in MAY_NOT_LOAD])
def test_importing_a_module_leaves_these_alone(module: str, forbidden: tuple[str, ...]) -> None:
    code = f"import sys, {module}; print(*(name for name in {forbidden!r} if name in sys.modules))"
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(errors.__file__))}
    finished = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.split() == []
