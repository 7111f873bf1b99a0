"""A classifier in training: its weights, one step of it, and what it makes of the held-out rows.

Invariant: a step's result depends on the weights, the batch and the step's seed alone, so a run that went on from a
checkpoint takes the same steps as one that was never interrupted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from core.engine.lab.evaluation.metrics import score_classes
from core.engine.lab.finetuning.rows import EncodedRows
from core.engine.networks.encoder_models import auto_class, load_tokenizer
from core.engine.networks.encoders import batches_by_length, pad
from core.engine.networks.head import Head
from core.engine.networks.loading import from_pretrained
from core.errors import DeviceError, EngineError, ModelFormatError
from core.models.registry import ResolvedModel, read_config, weight_files

HEAD_FACTOR = 10
"""How much faster than the encoder the head learns: it starts from nothing."""

_PRECISIONS = ("float32", "bfloat16")
"""What a classifier can be trained in."""

WARM_UP_SHARE = 0.1
"""Share of the steps in which the rates rise; then they fall in a line to 0, as in BERT's own fine-tuning."""

WEIGHT_DECAY = 0.01
MAX_NORM = 1.0
TOKENS_AT_ONCE = 4096
"""How many tokens go through the model at once; a batch of longer texts goes in parts, its gradients added up."""

MAX_PARTS = 1024
"""A batch has fewer parts than this; each has a seed of its own."""

_MEASURE_ROWS = 64
_DECODERS = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")


@dataclass(frozen=True, slots=True)
class Figures:
    """How well a classifier does on some rows."""

    loss: float
    """Mean cross-entropy, nats."""
    accuracy: float
    f1: float
    """Of the second label when there are two, else the mean over the labels."""

    def is_better_than(self, other: Figures | None) -> bool:
        """By accuracy, then by loss."""
        return other is None or (self.accuracy, -self.loss) > (other.accuracy, -other.loss)


def load_trainable(
    resolved: ResolvedModel, labels: Sequence[str], seed: int, device: torch.device
) -> tuple[nn.Module, Any]:
    """A classifier in float32 with fresh weights where the folder has none, and its tokenizer.

    Args:
        resolved: an encoder under any head.
        labels: names by class.
        seed: of the fresh weights.
        device: where it goes.

    Raises:
        ModelFormatError: the folder holds no encoder that reads texts as [CLS] … does.
    """
    architecture = str((read_config(resolved).get("architectures") or ["none"])[0])
    if architecture.endswith(_DECODERS):
        raise _no_encoder(resolved, f"is a {architecture}")
    weight_files(resolved)
    tokenizer = load_tokenizer(resolved)
    if tokenizer.cls_token_id is None or tokenizer.pad_token_id is None:
        raise _no_encoder(resolved, "has no [CLS] or no padding token")
    names: dict[str, Any] = {
        "id2label": dict(enumerate(labels)),
        "label2id": {label: place for place, label in enumerate(labels)},
    }
    with seeded(seed, torch.device("cpu")):
        model = from_pretrained(
            auto_class(Head.CLASSIFIER),
            resolved,
            torch.device("cpu"),
            "float32",
            **names,
            problem_type="single_label_classification",
            ignore_mismatched_sizes=True,  # of a head with another number of labels, which starts afresh
        )
    if len(tokenizer) > model.config.vocab_size:
        raise ModelFormatError(
            f"the tokenizer of {resolved.name} has {len(tokenizer)} entries, the model {model.config.vocab_size}",
            "tokenizer and weights do not belong together",
        )
    return model.to(device), tokenizer


class Classifier:
    """A model, its optimizer, and the rows it learns from."""

    def __init__(self, model: Any, rows: EncodedRows, precision: str, learning_rate: float, steps: int) -> None:
        """Set up a run at its first step.

        Args:
            model: a transformers classifier in float32.
            rows: every row, held-out ones included.
            precision: float32, or bfloat16 for autocast.
            learning_rate: peak of the encoder's.
            steps: of the whole run.
        """
        self.model = model
        self.precision = precision
        self._rows = rows
        self._steps = steps
        self._device: torch.device = next(model.parameters()).device
        self._optimizer = torch.optim.AdamW(_groups(model, learning_rate), betas=(0.9, 0.999), fused=True)

    def take_step(self, step: int, batch: Sequence[int], seed: int, may_go_on: Callable[[], bool]) -> float | None:
        """Learn from a batch.

        Args:
            step: from 0.
            batch: indices of rows.
            seed: of this step's dropout.
            may_go_on: asked between two parts of a batch of long texts.

        Returns:
            The mean cross-entropy of the batch in nats; None when it was not finished, and nothing was learnt.

        Raises:
            EngineError: the loss or its gradient is no number any more.
        """
        self.model.train()
        loss = 0.0
        for number, part in enumerate(self._parts(batch)):
            if number and not may_go_on():
                self._optimizer.zero_grad()
                return None
            loss += self._learn(part, len(batch), seed * MAX_PARTS + number)
        norm = float(nn.utils.clip_grad_norm_(self.model.parameters(), MAX_NORM))
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise EngineError(
                f"training broke at step {step + 1}: the loss or its gradient is no number any more",
                "use a lower --learning-rate, such as 2e-5, or --dtype float32",
            )
        factor = rate_factor(step, self._steps)
        for group in self._optimizer.param_groups:
            group["lr"] = factor * group["peak"]
        self._optimizer.step()
        self._optimizer.zero_grad()
        return loss

    def measure(self, indices: Sequence[int], may_go_on: Callable[[], bool]) -> Figures | None:
        """How well the model does on some rows; None when it was not finished."""
        self.model.eval()
        lengths = [len(self._rows.ids[index]) for index in indices]
        expected: list[int] = []
        found: list[int] = []
        loss = 0.0
        for batch in batches_by_length(lengths, _MEASURE_ROWS):
            for part in self._parts([indices[place] for place in batch]):
                classes = torch.tensor([self._rows.classes[index] for index in part])
                with torch.inference_mode():
                    logits = self._logits(part).cpu()
                loss += float(functional.cross_entropy(logits, classes, reduction="sum"))
                expected += classes.tolist()
                found += logits.argmax(-1).tolist()
                if not may_go_on():
                    return None
        labels = tuple(self.model.config.id2label.values())
        scores = score_classes(np.array(expected), np.array(found), labels, positive=1)
        return Figures(loss / len(expected), scores.accuracy, scores.f1)

    def weights(self) -> dict[str, Tensor]:
        """A copy of the weights, on the CPU."""
        return {name: weight.detach().to("cpu", copy=True) for name, weight in self.model.state_dict().items()}

    def state(self) -> dict[str, Any]:
        """Everything a later process needs to go on."""
        return {"model": self.model.state_dict(), "optimizer": self._optimizer.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])

    def step_seconds(self, batch: Sequence[int], precision: str) -> float:
        """How long a step's forward and backward take in a precision; nothing is learnt."""
        chosen, self.precision = self.precision, precision
        self.model.train()
        began = time.perf_counter()
        for part in self._parts(batch)[:1]:
            self._learn(part, len(batch), 0)
        elapsed_s = time.perf_counter() - began
        self._optimizer.zero_grad()
        self.precision = chosen
        return elapsed_s

    def _learn(self, part: Sequence[int], rows: int, seed: int) -> float:
        """Add a part's gradients to those of its batch of so many rows; its share of the mean loss."""
        classes = torch.tensor([self._rows.classes[index] for index in part], device=self._device)
        with seeded(seed, self._device):
            loss = functional.cross_entropy(self._logits(part), classes, reduction="sum") / rows
            loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    def _logits(self, indices: Sequence[int]) -> Tensor:
        """(B, labels) of some rows, float32."""
        inputs = {
            name: pad([column[index] for index in indices], self._rows.fills.get(name, 0)).to(self._device)
            for name, column in self._rows.columns.items()
        }
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            logits: Tensor = self.model(**inputs).logits
        return logits.float()

    def _parts(self, batch: Sequence[int]) -> list[Sequence[int]]:
        """A batch in parts of at most `TOKENS_AT_ONCE` tokens, padding counted."""
        longest = max(len(self._rows.ids[index]) for index in batch)
        rows = max(1, TOKENS_AT_ONCE // longest)
        return [batch[start : start + rows] for start in range(0, len(batch), rows)]


def choose_precision(classifier: Classifier, wanted: str, batch: Sequence[int]) -> str:
    """What to compute in: on the CPU whatever is quicker for a batch, else bfloat16 where the device has it.

    Args:
        classifier: not trained yet.
        wanted: auto, float32 or bfloat16.
        batch: indices of rows.

    Raises:
        DeviceError: another precision was asked for.
    """
    if wanted != "auto":
        if wanted not in _PRECISIONS:
            raise DeviceError(f"training in {wanted} is not possible", "use --dtype float32 or bfloat16")
        return wanted
    device = next(classifier.model.parameters()).device
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    if device.type != "cpu":
        return "float32"
    seconds = {kind: classifier.step_seconds(batch, kind) for kind in _PRECISIONS}  # the first ones warm up
    seconds = {kind: classifier.step_seconds(batch, kind) for kind in _PRECISIONS}
    return min(_PRECISIONS, key=lambda kind: seconds[kind])


def rate_factor(step: int, steps: int) -> float:
    """The factor on the peak rates: a line up, a line down to 0 (Devlin et al. 2019, appendix A).

    Args:
        step: from 0.
        steps: of the whole run.
    """
    warm_up = max(1, round(WARM_UP_SHARE * steps))
    return min((step + 1) / warm_up, (steps - step) / max(1, steps - warm_up + 1))


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Draw from a seed of one's own in here; torch's shared generators are as before afterwards."""
    kind = "cuda" if device.type == "cpu" else device.type
    with torch.random.fork_rng([] if device.type == "cpu" else [device.index or 0], device_type=kind):
        torch.manual_seed(seed)
        yield


def _groups(model: Any, learning_rate: float) -> list[dict[str, Any]]:
    """The parameters in four groups: of the encoder and the head, matrices and the rest."""
    encoder = {id(parameter) for parameter in model.base_model.parameters()}
    return [
        {
            "params": [p for p in model.parameters() if (id(p) in encoder) == is_encoder and (p.ndim > 1) == is_matrix],
            "peak": learning_rate * (1 if is_encoder else HEAD_FACTOR),
            "weight_decay": WEIGHT_DECAY if is_matrix else 0.0,
        }
        for is_encoder in (True, False)
        for is_matrix in (True, False)
    ]


def _no_encoder(resolved: ResolvedModel, why: str) -> ModelFormatError:
    return ModelFormatError(
        f"{resolved.name} {why}, so there is no encoder to put a head on", "use starter/bert or another encoder"
    )
