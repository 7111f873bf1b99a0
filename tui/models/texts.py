"""What the Models screen says of a model: the details of a row, and what a download would bring."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from textual.content import Content

from core.models.facts import ModelFacts
from core.models.hub.cache import MAIN
from core.models.hub.records import DownloadPlan
from core.models.hub.refusals import size_text
from core.models.registry import Task
from core.precision import Precision
from core.text.visible import visible
from tui.models.rows import ModelRow, Use, purpose

_Part = str | tuple[str, str]


@dataclass(frozen=True, slots=True)
class Room:
    """Where weights shall go."""

    free_bytes: int
    """What they may take, the reserve taken off; 0 when it is not known."""
    device: str
    """As chosen: `auto`, `cpu`, `cuda`…"""


def precision_in_use(facts: ModelFacts, chosen: str) -> str:
    """The precision a model would be loaded in; the chosen one is for models that write, others are read exactly."""
    exact = chosen == "auto" or facts.task != Task.CAUSAL_LM.value
    return "float32" if exact else chosen


def detail_text(row: ModelRow, room: Room, chosen: str) -> Content:
    """Everything about a model.

    Args:
        row: of the list.
        room: what is free now.
        chosen: the precision in use, or `auto`.
    """
    facts = row.facts
    if facts is None:
        return Content.styled("reading…", "$text-muted")
    lines: list[list[_Part]] = []
    if row.problem:
        lines.append([("cannot be used: ", "bold $text-error"), visible(row.problem)])
    elif facts.summary:
        lines.append([visible(facts.summary)])
    kind = [facts.architecture, f"{facts.parameters / 1e6:,.1f} M parameters" if facts.parameters else ""]
    stored = f"{size_text(facts.size_bytes)} on disk" + (f" ({facts.dtype})" if facts.dtype else "")
    lines.append([visible(" · ".join(filter(None, (*kind, stored if facts.size_bytes else ""))))])
    if row.purpose is not None:
        lines.append([_use_text(row)])
    if facts.memory_bytes:
        lines.append(_memory_parts(facts, room, chosen))
    revision = f" · revision {facts.revision}" if facts.revision else ""
    lines.append([visible(f"licence: {facts.license or 'not stated'}{revision}")])
    if facts.file:
        lines.append(["file: ", visible(facts.file)])
    if facts.path != facts.file:
        lines.append(["folder: ", visible(facts.path)])
    return Content.assemble(*_joined(lines))


def _use_text(row: ModelRow) -> str:
    assert row.purpose is not None
    match row.purpose.use:
        case Use.WRITE:
            return "Enter uses it in the conversation"
        case Use.COMPARE:
            return f"Enter uses it in {row.purpose.where}"
        case Use.LAB:
            return f"for the lab (F6): {row.purpose.where}"
        case Use.NOTHING:
            return visible(row.purpose.where)


def _memory_parts(facts: ModelFacts, room: Room, chosen: str) -> list[_Part]:
    """The size in memory by precision, with a ✗ at what is too large now, and the one in use underlined."""
    used = precision_in_use(facts, chosen)
    by_size: dict[int, list[str]] = {}
    for precision, size in facts.memory_bytes.items():
        by_size.setdefault(size, []).append(precision)
    parts: list[_Part] = ["in memory: "]
    for number, (size, precisions) in enumerate(by_size.items()):
        names = f"{'/'.join(precisions)} {size_text(size)}"
        parts += [" · " if number else "", (names, "underline") if used in precisions else names]
        parts.append(" ✗" if 0 < room.free_bytes < size else "")
    if not room.free_bytes:
        return [*parts, f" · what is free on {room.device} shows when it is loaded"]
    too_large = max(by_size) > room.free_bytes
    return [*parts, f" · {size_text(room.free_bytes)} free now{'; ✗ is too large' if too_large else ': all fit'}"]


def _joined(lines: list[list[_Part]]) -> Iterator[_Part]:
    for number, line in enumerate(lines):
        if number:
            yield "\n"
        yield from line


def plan_lines(plan: DownloadPlan, room: Room) -> list[str]:
    """What a download would bring: the model, its size, whether it can be used here, its licence, the disk."""
    revision = plan.commit[:7] if plan.revision == MAIN else f"{plan.revision}, {plan.commit[:7]}"
    what = ", ".join(filter(None, (plan.task, plan.architecture))) or "not stated"
    here = plan.total_bytes - plan.missing_bytes
    already = f", {size_text(here)} of it here" if here else ""
    files = f"{len(plan.files)} file{'s' * (len(plan.files) != 1)}"
    return [
        f"{plan.name} ({revision})",
        f"from     {plan.endpoint}",
        f"task     {what}",
        f"use      {_purpose_text(plan)}",
        f"licence  {plan.license or 'not stated'}",
        f"size     {size_text(plan.total_bytes)} in {files}{already}",
        f"memory   {_fit_text(plan, room)}",
        f"disk     {size_text(plan.free_bytes)} free",
    ]


def _purpose_text(plan: DownloadPlan) -> str:
    found = purpose(plan.name, plan.architecture)
    match found.use:
        case Use.WRITE | Use.COMPARE:
            return found.where
        case Use.LAB:
            return f"the lab: {found.where}"
        case Use.NOTHING:
            return f"✗ {found.where}"


def _fit_text(plan: DownloadPlan, room: Room) -> str:
    """Whether its weights fit; where the hub does not say how many there are, by what they take on disk."""
    if plan.parameters:
        needed, way = plan.parameters * Precision.FLOAT32.weight_bytes, "in float32"
        least, least_way = plan.parameters * Precision.FLOAT16.weight_bytes, "in float16"
    else:
        needed = sum(file.size_bytes for file in plan.files if file.name.endswith(".safetensors"))
        way, least, least_way = "as they are stored", needed, "as they are stored"
    size = f"{size_text(needed)} {way}"
    if not room.free_bytes:
        return f"{size}; what is free on {room.device} shows when it is loaded"
    free = f"{size_text(room.free_bytes)} free"
    if needed <= room.free_bytes:
        return f"fits: {size}, {free}"
    if least <= room.free_bytes:
        return f"fits {least_way} ({size_text(least)}), not {way}; {free}"
    return f"✗ too large: {size}, {free}"
