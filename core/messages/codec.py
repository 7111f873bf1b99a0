"""Records as JSON, and back: what one process writes, another reads as it was; files of runs are read with it, too.

A record's class name travels as `"type"`, its fields under their names; a record of the lab has its topic before it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from core.lab.catalogue import kind_of, name_of
from core.lab.records import Answer, Question
from core.messages.protocol import Answered, Ask, Event, Request

Record = TypeVar("Record")

_MESSAGES: dict[str, type[Any]] = {kind.__name__: kind for kind in (*get_args(Request), *get_args(Event))}


def to_line(payload: Mapping[str, Any]) -> bytes:
    """One line of plain ASCII for another program, newline included; it may hold records."""
    return json.dumps(payload, separators=(",", ":"), default=_values).encode() + b"\n"


def encode(message: Request | Event) -> bytes:
    """A message as one JSON line, newline included."""
    match message:  # where a field may hold one of several records, it says which
        case Ask():
            return to_line(_typed(message) | {"question": _typed(message.question, name_of(message.question))})
        case Answered():
            return to_line(_typed(message) | {"answer": _typed(message.answer, name_of(message.answer))})
    return encode_record(message)


def encode_record(record: Any) -> bytes:
    """A record whose fields each hold one kind of value, as one JSON line, newline included."""
    return to_line(_typed(record))


def _typed(record: Any, name: str = "") -> dict[str, Any]:
    return {"type": name or type(record).__name__, **_values(record)}


def _values(record: Any) -> dict[str, Any]:
    """A record's values as they are: what else they hold is turned into JSON in its turn, and copied never."""
    return {field.name: getattr(record, field.name) for field in fields(record)}


def decode(line: bytes) -> Request | Event:
    """The message of one JSON line.

    Raises:
        ValueError: the line is not a message.
    """
    message: Request | Event = decode_record(line, _MESSAGES)
    return message


def decode_record(line: bytes, kinds: Mapping[str, type[Any]]) -> Any:
    """The record of one JSON line.

    Args:
        line: as `encode_record` gives it.
        kinds: those that it may be, by the names of their classes.

    Raises:
        ValueError: the line is not one of them.
    """
    try:
        payload = json.loads(line)
        return _reader(kinds[payload.pop("type")], False)(payload)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"not a message: {line[:200]!r}") from error


def read_known(kind: type[Record], values: Mapping[str, Any]) -> Record:
    """A record from an object that may have more entries than it has fields: those are left out, at any depth.

    Raises:
        TypeError, ValueError: something is missing or not what it should be.
    """
    record: Record = _reader(kind, True)(values)
    return record


def _record_reader(kind: type[Any], only_known: bool) -> Callable[[Mapping[str, Any]], Any]:
    """A function that makes a record of its values; what they are is looked up when the first one comes."""
    hints = get_type_hints(kind)
    names = [field.name for field in fields(kind)]
    readers = {name: reader for name in names if (reader := _value_reader(hints[name], only_known)) is not None}

    def read(values: Mapping[str, Any]) -> Any:
        given = {name: values[name] for name in names if name in values} if only_known else dict(values)
        for name, reader in readers.items():
            if name in given:
                given[name] = reader(given[name])
        return kind(**given)

    return read


_reader: Callable[[Any, bool], Callable[[Mapping[str, Any]], Any]] = cache(_record_reader)


def _value_reader(kind: Any, only_known: bool) -> Callable[[Any], Any] | None:
    """A function that turns a JSON value into a value of type `kind`; None where it is one already."""
    if get_origin(kind) is tuple:
        item_reader = _value_reader(get_args(kind)[0], only_known)
        return tuple if item_reader is None else lambda value: tuple(map(item_reader, value))
    if kind in (Question, Answer):
        return lambda value: _reader(kind_of(value.pop("type")), False)(value)
    if not isinstance(kind, type):
        raise TypeError(f"no message holds a {kind!r}")
    if is_dataclass(kind):
        return _reader(kind, only_known)
    return kind if issubclass(kind, Enum) else None
