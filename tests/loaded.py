"""Models in memory, for the tests that have torch anyway."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from core.engine.lab.desk import Desk
from core.engine.networks.encoder_models import LoadedEncoder, load_encoder, two_labelled
from core.engine.networks.head import Head
from core.engine.networks.loading import LoadedCausal, load_causal
from core.engine.shelf import Shelf
from core.messages.records import Target
from core.models.registry import resolve

torch.set_num_threads(1)  # tiny models gain nothing from a second core and lose much where it is busy

_SHELF = Shelf()
"""That of every desk, as of every question in the program, so that a model is loaded once for several."""


def evaluated(model: Any) -> Any:
    """A transformers model without its dropout."""
    return model.eval()


def ignore_progress(stage: str, fraction: float) -> None:
    """A progress callback for those who do not care."""


def load_causal_folder(folder: Path) -> LoadedCausal:
    """A causal model on the cpu, in float32."""
    return load_causal(resolve(str(folder)), torch.device("cpu"), "float32", ignore_progress)


def load_classifier_folder(folder: Path) -> LoadedEncoder:
    """A sentence-pair classifier on the cpu, in float32."""
    return two_labelled(
        load_encoder(Head.CLASSIFIER, resolve(str(folder)), torch.device("cpu"), "float32", ignore_progress)
    )


def desk(**changes: Any) -> Desk:
    """A task's place in the engine, on the cpu, where nobody cancels or waits."""
    given: dict[str, Any] = {"shelf": _SHELF, "target": Target("", "cpu", "float32"), "progress": ignore_progress}
    return Desk(**(given | {"should_stop": lambda: False, "between": lambda: None} | changes))
