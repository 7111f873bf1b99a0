"""Hashes of weights: taken ahead of need a piece at a time, and once."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from core.engine.engine import Engine
from core.messages.protocol import Event, Generate, SequenceDone
from core.messages.records import Target
from core.messages.sampling_params import SamplingParams
from core.models import provenance
from core.models.registry import resolve
from tests.builders import Builder


def test_weights_hashed_ahead_are_not_read_again(build_gpt2: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = build_gpt2("hashed")
    weights = folder / "model.safetensors"
    monkeypatch.setattr(provenance, "_PIECE_BYTES", weights.stat().st_size // 3)
    assert len(list(provenance.hash_ahead(resolve(str(folder))))) >= 3
    assert list(provenance.hash_ahead(resolve(str(folder)))) == []
    expected = hashlib.sha256(weights.read_bytes()).hexdigest()
    monkeypatch.setattr(Path, "open", None)  # nothing is read any more
    assert provenance.sha256([weights]) == expected


def test_weights_that_are_gone_are_left_to_be_reported_by_who_needs_them(build_gpt2: Builder) -> None:
    folder = build_gpt2("gone")
    resolved = resolve(str(folder))
    (folder / "model.safetensors").unlink()
    assert list(provenance.hash_ahead(resolved)) == []


def test_an_idle_engine_hashes_before_it_imports(build_gpt2: Builder) -> None:
    folder = build_gpt2("idle")
    events: list[Event] = []
    engine = Engine(events.append)
    assert not engine.warm_up()
    request = Generate(Target(str(folder)), "Once", SamplingParams(max_new_tokens=1))
    engine.handle(request, lambda: False, lambda: None)
    assert engine.warm_up()  # a piece of the weights, all there is of them
    assert engine.warm_up()
    (end,) = (event for event in events if isinstance(event, SequenceDone))
    assert end.provenance.weights == ""  # not asked for
    assert list(provenance.hash_ahead(resolve(str(folder)))) == []
