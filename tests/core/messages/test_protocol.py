"""Messages as JSON lines: each comes back as it went, and no line can steer a terminal."""

from __future__ import annotations

import importlib
import json
import pkgutil
import unicodedata
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from core import lab
from core.errors import EngineError
from core.lab.catalogue import TOPICS
from core.lab.records import Answer, Question
from core.messages import protocol
from core.messages.codec import decode, encode
from core.messages.protocol import Compared, Done, Event, Failed, Generate, Inspected, Loaded, Request
from core.messages.records import Candidate, Target
from core.messages.sampling_params import SamplingParams
from core.text.visible import to_json

KINDS: tuple[type[Any], ...] = (*get_args(Request), *get_args(Event))

FINITE = st.floats(allow_nan=False, allow_infinity=False)
ANY_STRING = st.text(st.characters(codec=None, categories=None) | st.sampled_from('\x1b\x00\x9b\ud800\u2028"\\\n'))

SETTINGS = st.builds(
    SamplingParams,
    max_new_tokens=st.integers(1, 10**9),
    max_length=st.integers(0, 10**6),
    temperature=st.floats(0, 100),
    top_k=st.integers(0, 10**6),
    top_p=st.floats(0.001, 1),
    min_p=st.floats(0, 1),
    typical_p=st.floats(0.001, 1),
    repetition_penalty=st.floats(0.001, 100),
    no_repeat_ngram_size=st.integers(0, 100),
    num_return_sequences=st.integers(1, 64),
    seed=st.integers(0, 2**63 - 1),
    stop_strings=st.lists(ANY_STRING.filter(bool), max_size=3).map(tuple),
    candidates=st.integers(0, 1000),
)

st.register_type_strategy(float, FINITE)
st.register_type_strategy(str, ANY_STRING)
st.register_type_strategy(SamplingParams, SETTINGS)


@st.composite
def records(draw: st.DrawFn, kind: type[Any]) -> Any:
    """Any record of one kind; where its values are refused, one with its defaults."""
    hints = get_type_hints(kind)
    values = {field.name: draw(st.from_type(hints[field.name])) for field in fields(kind)}
    needed = {field.name for field in fields(kind) if field.default is MISSING}
    for wanted in (values, {name: value for name, value in values.items() if name in needed}):
        try:
            return kind(**wanted)
        except EngineError:
            continue
    return reject()


def lab_records(base: Any) -> st.SearchStrategy[Any]:
    """Any question, or any answer, of the lab."""
    topics = [importlib.import_module(f"core.lab.{topic}") for topic in TOPICS]
    kinds = [kind for topic in topics for kind in vars(topic).values() if isinstance(kind, type) and kind is not base]
    return st.one_of(*(st.from_type(kind) for kind in kinds if issubclass(kind, base)))


for _module in pkgutil.iter_modules(lab.__path__):
    for _kind in vars(importlib.import_module(f"core.lab.{_module.name}")).values():
        if isinstance(_kind, type) and is_dataclass(_kind):
            st.register_type_strategy(_kind, records(_kind))

st.register_type_strategy(
    protocol.Ask, st.builds(protocol.Ask, records(Target), lab_records(Question), id=st.integers())
)
st.register_type_strategy(protocol.Answered, st.builds(protocol.Answered, st.integers(), lab_records(Answer)))


@given(st.data())
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_message_comes_back_as_it_went(kind: type[Any], data: st.DataObject) -> None:
    message = data.draw(st.from_type(kind))
    line = encode(message)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert json.loads(line)["type"] == kind.__name__
    assert decode(line) == message


def test_enums_and_tuples_come_back_as_themselves() -> None:
    candidate = Candidate(1, 2, " a", 0.5, 0.25, 0.0, 0.25, False, "top_p")
    arrived = decode(encode(protocol.Candidates(3, (candidate,))))
    assert isinstance(arrived, protocol.Candidates)
    assert isinstance(arrived.candidates, tuple)
    assert arrived.candidates[0].cut_by == "top_p"


def test_every_message_kind_carries_an_id_first() -> None:
    assert all(next(iter(kind.__dataclass_fields__)) == "id" for kind in KINDS)


@pytest.mark.parametrize(
    "line",
    [b"\n", b"{", b"[]\n", b"{}\n", b'{"type": "Nothing"}\n', b'{"type": ["Done"]}\n', b"plain words\n", b"\xff\xfe\n"],
)
def test_what_is_no_message_is_a_value_error(line: bytes) -> None:
    with pytest.raises(ValueError, match="not a message"):
        decode(line)


def test_a_message_with_fields_that_do_not_fit_is_a_value_error() -> None:
    for line in (b'{"type":"Done"}', b'{"type":"Done","id":1,"extra":2}', b'{"type":"SequenceDone","id":1,"ids":3}'):
        with pytest.raises(ValueError, match="not a message"):
            decode(line)


def test_defaults_need_not_travel() -> None:
    params = json.loads(encode(Generate(Target("m"), "p", SamplingParams())))["params"]
    line = json.dumps({"type": "Generate", "target": {"model": "m"}, "prompt": "p", "params": params}).encode()
    assert decode(line) == Generate(Target("m"), "p", SamplingParams())


def test_the_last_events_are_those_that_end_a_request() -> None:
    last: set[type[Any]] = set(protocol.LAST_EVENTS)
    assert last == {Loaded, Inspected, Compared, Done, Failed}
    assert last < set(get_args(Event))


@given(ANY_STRING)
def test_a_printed_json_line_holds_no_control_character(text: str) -> None:
    line = to_json({"text": text, "list": [text]})
    assert not any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in line)
    assert json.loads(line) == {"text": text, "list": [text]}


@pytest.mark.parametrize("control", ["\x1b", "\x7f", "\x9b", "\x85", "\u2028"])
def test_controls_are_escaped(control: str) -> None:
    assert to_json({"a": control}) == f'{{"a":"\\u{ord(control):04x}"}}'


def test_readable_text_stays_readable() -> None:
    assert to_json({"a": "안녕 é 🦊"}) == '{"a":"안녕 é 🦊"}'
