"""Text on its way in and out: what may enter as a prompt, and what a terminal may be shown.

Invariant: `visible` returns nothing that a terminal obeys, and never U+FFFD.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

from core.errors import InputError

_CONTROL_PICTURES = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "\u2421"}
_HIDDEN = re.compile(
    "[\x80-\x9f\xad\u034f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffd"
    "\ud800-\udfff\U000e0000-\U000e007f]"
    "|(?<=[\x00-\u02ff])\u200d|\u200d(?=[\x00-\u02ff])"  # it joins no letters; beside one, its width is uncertain
)
_TERMINAL_CONTROLS = re.compile("[\x7f-\x9f\u2028\u2029]")
_LAYOUT_CHARACTERS = {0x0A: "\n", 0x09: "\t"}
_LOOSE = re.compile("^[\u200c\u200d\ufe00-\ufe0f]|[\u200c\u200d]$")
"""Joiners and variation selectors without the character that they change."""
_MEDIAL_JAMO = re.compile("[\u1160-\u11ff\ud7b0-\ud7ff]")
"""Vowels and finals of Hangul, which terminals draw over the syllable's first letter."""
_BLANKS = str.maketrans(
    {"\n": "↵", "\t": "⇥"}
    | dict.fromkeys("\xa0\u1680\u2800\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B))), "⍽")
)


def visible(text: str, *, layout: bool = False) -> str:
    """Text with every character that a terminal would obey, or that cannot be seen, turned into a glyph.

    Args:
        text: anything, lone surrogates included.
        layout: keep newlines and tabs as they are.

    Returns:
        ESC as `␛`, U+FFFD as `<FFFD>`, a right-to-left override as `<202E>`, and so on.
    """
    glyphs = _CONTROL_PICTURES | _LAYOUT_CHARACTERS if layout else _CONTROL_PICTURES
    return _HIDDEN.sub(lambda match: f"<{ord(match[0]):04X}>", text.translate(glyphs))


def one_glyph_each(text: str) -> str:
    """The same with one glyph for each character, for fields with a cursor: `␦` where `visible` needs several.

    Tabs stay: a field makes room for them.
    """
    return _HIDDEN.sub("␦", text.translate(_CONTROL_PICTURES | {0x09: "\t"}))


def visible_alone(text: str) -> str:
    """The same for a text with nothing before it but the `##` of WordPiece: a combining mark there sits on `◌`."""
    shown = visible(_LOOSE.sub(lambda match: f"<{ord(match[0]):04X}>", text))
    start = 2 if shown.startswith("##") else 0
    first = shown[start : start + 1]
    if first and (unicodedata.category(first).startswith("M") or _MEDIAL_JAMO.match(first)):
        return f"{shown[:start]}◌{shown[start:]}"
    return shown


def token_label(text: str, *, space: str = "·") -> str:
    """A token's text as it stands by itself, at least one cell wide.

    Args:
        text: what the token stands for.
        space: the mark of an ordinary space.

    Returns:
        A line end as `↵`, a tab as `⇥`, any other blank, such as a no-break space, as `⍽`, no text at all as `∅`.
    """
    return visible_alone(text.replace(" ", space).translate(_BLANKS)) or "∅"


def visible_bytes(raw: bytes) -> str:
    """UTF-8 bytes as text; bytes that are no whole character appear as `\\xed`."""
    return raw.decode("utf-8", "backslashreplace")


def check_encodable(text: str, what: str) -> str:
    """Refuse text that has no UTF-8 form.

    Args:
        text: the text.
        what: how the message names it, such as "the prompt".

    Raises:
        InputError: it holds lone surrogates, as undecodable bytes on the command line do.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(
            f"{what} is not valid UTF-8 at character {error.start + 1}", "re-encode it, for example with iconv -t UTF-8"
        ) from None
    return text


def check_not_empty(text: str, what: str) -> str:
    """Refuse text with nothing in it.

    Raises:
        InputError: it is empty or white space alone.
    """
    if not text.strip():
        raise InputError(f"{what} is empty", "give at least one word")
    return text


def to_json(value: Any) -> str:
    """One line of JSON that is safe to print: readable Unicode, every control character escaped.

    Args:
        value: plain JSON values, dicts and lists of them.
    """
    line = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _TERMINAL_CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", line)
