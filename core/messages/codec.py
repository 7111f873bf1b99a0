"""Messages as JSON lines, and back: what one process writes, the other reads as it was.

A message's class name travels as `"type"`, its fields under their names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import Enum
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

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
    payload = _named(message)
    match message:  # where a field may hold one of several records, it says which
        case Ask():
            payload["question"] = _named(message.question)
        case Answered():
            payload["answer"] = _named(message.answer)
    return json.dumps(payload, separators=(",", ":"), default=_values).encode() + b"\n"


def _named(record: Any) -> dict[str, Any]:
    """A record's type and values."""
    return {"type": type(record).__name__, **_values(record)}


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
        if name not in _readers:
            _readers[name] = _record_reader(_MESSAGES[name])
        message: Request | Event = _readers[name](payload)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"not a message: {line[:200]!r}") from error
    return message


_readers: dict[str, Callable[[Any], Any]] = {}
"""What `_record_reader` made, by message name."""


def _reader_of(kind: Any) -> Callable[[Any], Any] | None:
    """A function that turns a JSON value into a value of type `kind`; None where it is one already."""
    if get_origin(kind) is tuple:
        item_reader = _reader_of(get_args(kind)[0])
        return tuple if item_reader is None else lambda value: tuple(map(item_reader, value))
    if isinstance(kind, UnionType):
        by_name = {one.__name__: _record_reader(one) for one in get_args(kind)}
        return lambda value: by_name[value.pop("type")](value)
    if not isinstance(kind, type):
        raise TypeError(f"no message holds a {kind!r}")
    if is_dataclass(kind):
        return _record_reader(kind)
    return kind if issubclass(kind, Enum) else None


def _record_reader(kind: type[Any]) -> Callable[[Any], Any]:
    hints = get_type_hints(kind, localns=_lab_names() if kind in (Ask, Answered) else None)
    readers = [(field.name, reader) for field in fields(kind) if (reader := _reader_of(hints[field.name])) is not None]

    def read(values: dict[str, Any]) -> Any:
        for name, reader in readers:
            if name in values:
                values[name] = reader(values[name])
        return kind(**values)

    return read


def _lab_names() -> dict[str, Any]:
    from core.lab import catalogue  # see the top

    return vars(catalogue)
