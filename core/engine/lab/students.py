"""Teacher and student on the same input: both distributions, how far they are apart, how big and how quick each is.

Source: Hinton et al. 2015, "Distilling the knowledge in a neural network", for soft labels at a temperature.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from statistics import median

import torch
from torch import Tensor

from core.engine.lab.desk import Desk, LabTask, Tasks
from core.engine.lab.masked_lm import MASK, check_mask, no_mask
from core.engine.networks.encoder_models import LoadedEncoder
from core.engine.networks.head import Head
from core.errors import InputError, ModelFormatError
from core.lab.students import HALF, CompareStudents, StudentEntry, StudentsCompared, StudentSize, StudentTask
from core.models.registry import read_config, resolve, weight_files
from core.text.visible import check_not_empty

FORWARDS = 7
"""How often each model is timed; one forward more goes before."""

_HEADS = {StudentTask.MASKED_LM: Head.MASKED_LM, StudentTask.CLASSIFICATION: Head.CLASSIFIER}


@dataclass(frozen=True, slots=True)
class _Reading:
    """One model and the input as it reads it."""

    loaded: LoadedEncoder
    name: str
    disk_bytes: int
    inputs: dict[str, Tensor]
    """(1, T) each."""

    def logits(self) -> Tensor:
        """(1, T, V) or (1, classes)."""
        logits: Tensor = self.loaded.model(**self.inputs).logits
        return logits

    def encode(self) -> object:
        """Embeddings and layers alone."""
        return self.loaded.model.base_model(**self.inputs)


def compare_students(desk: Desk, question: CompareStudents) -> Iterator[StudentsCompared]:
    """Let two models of one task read the same input.

    Raises:
        InputError: a text that one of them cannot read, no mask, or models that do not speak of the same things.
        ModelFormatError: a model of another task.
        EngineError: a model cannot be had.
    """
    check_not_empty(question.text, "the text")
    task = _common_task(question)
    if task is StudentTask.MASKED_LM:
        check_mask(question.teacher, f"{question.text}\n{question.second_text}")
    teacher = _reading(desk, task, question, question.teacher)
    student = _reading(desk, task, question, question.student)
    with torch.inference_mode():
        align = _vocabularies if task is StudentTask.MASKED_LM else _classes
        labels, by_name, taught, own = align(teacher, student)
        latencies = _latencies(desk, (teacher, student))
    taught, own = ((logits / question.temperature).log_softmax(-1) for logits in (taught, own))  # (M, C)
    yield StudentsCompared(
        task=task,
        temperature=question.temperature,
        entries=tuple(_entries(labels, taught, own, question.top)),
        by_name=by_name,
        kl=max(0.0, float((taught.exp() * (taught - own)).sum(-1).mean())),
        agreement=float((taught.argmax(-1) == own.argmax(-1)).float().mean()),
        teacher=_size(teacher, latencies[0]),
        student=_size(student, latencies[1]),
        tokens=teacher.inputs["input_ids"].shape[1],
        forwards=FORWARDS,
        dtype=teacher.loaded.info.dtype,
    )


def student_task_of(model: str) -> StudentTask:
    """What a model is for, by its architecture.

    Raises:
        ModelFormatError: neither of the tasks.
        EngineError: there is no such model.
    """
    architecture = str((read_config(resolve(model)).get("architectures") or ["none"])[0])
    if architecture.endswith(("ForMaskedLM", "ForPreTraining")):
        return StudentTask.MASKED_LM
    if architecture.endswith("ForSequenceClassification"):
        return StudentTask.CLASSIFICATION
    raise ModelFormatError(
        f"{model} is a {architecture}, neither a masked language model nor a classifier",
        "use starter/bert or starter/sst2 as the teacher",
    )


def _common_task(question: CompareStudents) -> StudentTask:
    task = student_task_of(question.teacher)
    students = task if question.student == HALF else student_task_of(question.student)
    if students is not task:
        raise ModelFormatError(
            f"{question.teacher} is for {task}, {question.student} for {students}", "give two models of one task"
        )
    return task


def _reading(desk: Desk, task: StudentTask, question: CompareStudents, model: str) -> _Reading:
    """A model, loaded, and the input in its tokens."""
    if model == HALF:
        loaded = desk.shelf.halved(_HEADS[task], replace(desk.target, model=question.teacher), desk.progress)
        name, disk_bytes = f"half of {question.teacher}", 0
    else:
        loaded, name = desk.encoder(_HEADS[task], model), model
        disk_bytes = sum(path.stat().st_size for path in weight_files(resolve(model)))
    texts = [question.text, question.second_text] if question.second_text else [question.text]
    if task is StudentTask.MASKED_LM:
        texts = [text.replace(MASK, loaded.tokenizer.mask_token) for text in texts]
    encoded = loaded.tokenizer(*texts, return_tensors="pt", verbose=False)
    length = encoded["input_ids"].shape[1]
    if length > loaded.info.n_positions:
        raise InputError(f"the text has {length} tokens, {name} reads {loaded.info.n_positions}", "shorten it")
    readable = inspect.signature(loaded.model.forward).parameters
    inputs = {key: ids.to(loaded.model.device) for key, ids in encoded.items() if key in readable}
    return _Reading(loaded, name, disk_bytes, inputs)


_Aligned = tuple[list[str], bool, Tensor, Tensor]
"""The labels' names, whether they are paired by them, and both models' logits, (M, C), in the teacher's order."""


def _vocabularies(teacher: _Reading, student: _Reading) -> _Aligned:
    """What stands behind each mask."""
    vocabulary = teacher.loaded.tokenizer.get_vocab()
    if vocabulary != student.loaded.tokenizer.get_vocab():
        raise InputError(
            f"{teacher.name} and {student.name} have different vocabularies",
            "give two models with the same tokenizer",
        )
    labels = [str(token) for token in teacher.loaded.tokenizer.convert_ids_to_tokens(range(len(vocabulary)))]
    rows = []
    for reading in (teacher, student):
        is_mask = reading.inputs["input_ids"][0] == reading.loaded.tokenizer.mask_token_id  # (T,)
        if not bool(is_mask.any()):
            raise no_mask()
        rows.append(reading.logits()[0, is_mask, : len(labels)].float().cpu())
    return labels, True, rows[0], rows[1]


def _classes(teacher: _Reading, student: _Reading) -> _Aligned:
    """What class the input is of."""
    names, others = teacher.loaded.labels, student.loaded.labels
    if len(names) != len(others):
        raise InputError(
            f"{teacher.name} has {len(names)} labels, {student.name} {len(others)}", "give two models of one task"
        )
    places = {name.casefold(): place for place, name in enumerate(others)}
    by_name = set(places) == {name.casefold() for name in names}
    order = [places[name.casefold()] for name in names] if by_name else list(range(len(names)))
    return list(names), by_name, teacher.logits().float().cpu(), student.logits()[:, order].float().cpu()


def _entries(labels: list[str], taught: Tensor, own: Tensor, top: int) -> Iterator[StudentEntry]:
    """What either model has among its top, by mask, then by the teacher's probability."""
    count = min(top, taught.shape[-1])
    for mask, (teacher, student) in enumerate(zip(taught, own, strict=True)):
        wanted = {*teacher.topk(count).indices.tolist(), *student.topk(count).indices.tolist()}
        for place in sorted(wanted, key=lambda place: -float(teacher[place])):
            yield StudentEntry(
                mask=mask,
                label=labels[place],
                teacher_prob=float(teacher[place].exp()),
                student_prob=float(student[place].exp()),
                teacher_rank=1 + int((teacher > teacher[place]).sum()),
                student_rank=1 + int((student > student[place]).sum()),
            )


def _latencies(desk: Desk, readings: tuple[_Reading, ...]) -> list[tuple[float, float]]:
    """Seconds for the encoder alone and for the whole of each model; in turn, so that all see the same machine."""
    times: list[tuple[list[float], list[float]]] = [([], []) for _ in readings]
    for repeat in range(FORWARDS + 1):
        if repeat > 1 and desk.should_stop():
            break
        for reading, (encoder, whole) in zip(readings, times, strict=True):
            encoder.append(_time_s(reading, reading.encode))
            whole.append(_time_s(reading, reading.logits))
    return [(median(encoder[1:]), median(whole[1:])) for encoder, whole in times]


def _time_s(reading: _Reading, forward: Callable[[], object]) -> float:
    began = time.perf_counter()
    forward()
    device = reading.loaded.model.device
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
    return time.perf_counter() - began


def _size(reading: _Reading, latency: tuple[float, float]) -> StudentSize:
    config = reading.loaded.model.config
    return StudentSize(
        name=reading.name,
        architecture=type(reading.loaded.model).__name__,
        layers=int(config.num_hidden_layers),
        parameters=reading.loaded.info.parameters,
        disk_bytes=reading.disk_bytes,
        encoder_s=latency[0],
        forward_s=latency[1],
    )


TASKS: Tasks = {CompareStudents: LabTask(compare_students)}
