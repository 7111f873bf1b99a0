"""Messages as JSON lines, and back: what one process writes, the other reads as it was.

A message's class name travels as `"type"`, its fields under their names; a record of the lab has its topic before it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, get_args, get_origin, get_type_hints

from core.lab.catalogue import kind_of, name_of
from core.lab.records import Answer, Question
from core.messages.protocol import Answered, Ask, Event, Request

_MESSAGES: dict[str, type[Any]] = {kind.__name__: kind for kind in (*get_args(Request), *get_args(Event))}

_TERMINAL_CONTROLS = re.compile("[\x7f-\x9f\u2028\u2029]")


def to_json(value: Any) -> str:
    """One line of JSON that is safe to print: readable Unicode, every control character escaped.

    Args:
        value: plain JSON values, dicts and lists of them.
    """
    line = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _TERMINAL_CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", line)


def encode(message: Request | Event) -> bytes:
    """A message as one JSON line, newline included."""
    payload = {"type": type(message).__name__, **_values(message)}
    match message:  # where a field may hold one of several records, it says which
        case Ask():
            payload["question"] = {"type": name_of(message.question), **_values(message.question)}
        case Answered():
            payload["answer"] = {"type": name_of(message.answer), **_values(message.answer)}
    return json.dumps(payload, separators=(",", ":"), default=_values).encode() + b"\n"


def _values(record: Any) -> dict[str, Any]:
    """A record's values as they are: what else they hold is turned into JSON in its turn, and copied never."""
    return {field.name: getattr(record, field.name) for field in fields(record)}


def decode(line: bytes) -> Request | Event:
    """The message of one JSON line.

    Raises:
        ValueError: the line is no message.
    """
    try:
        payload = json.loads(line)
        name = payload.pop("type")
        message: Request | Event = _read(name, payload, _MESSAGES.__getitem__)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"not a message: {line[:200]!r}") from error
    return message


_readers: dict[str, Callable[[Any], Any]] = {}
"""What `_record_reader` made, by the name of a message or of a record of the lab."""


def _read(name: str, values: dict[str, Any], kind_of_name: Callable[[str], type[Any]]) -> Any:
    """The message or record of this name; its class is looked for when the first one comes."""
    if name not in _readers:
        _readers[name] = _record_reader(kind_of_name(name))
    return _readers[name](values)


def _reader_of(kind: Any) -> Callable[[Any], Any] | None:
    """A function that turns a JSON value into a value of type `kind`; None where it is one already."""
    if get_origin(kind) is tuple:
        item_reader = _reader_of(get_args(kind)[0])
        return tuple if item_reader is None else lambda value: tuple(map(item_reader, value))
    if kind in (Question, Answer):
        return lambda value: _read(value.pop("type"), value, kind_of)
    if not isinstance(kind, type):
        raise TypeError(f"no message holds a {kind!r}")
    if is_dataclass(kind):
        return _record_reader(kind)
    return kind if issubclass(kind, Enum) else None


def _record_reader(kind: type[Any]) -> Callable[[Any], Any]:
    hints = get_type_hints(kind)
    readers = [(field.name, reader) for field in fields(kind) if (reader := _reader_of(hints[field.name])) is not None]

    def read(values: dict[str, Any]) -> Any:
        for name, reader in readers:
            if name in values:
                values[name] = reader(values[name])
        return kind(**values)

    return read
