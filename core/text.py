"""Text on its way in and out: what may enter as a prompt, and what a terminal may be shown.

Invariant: `visible` returns nothing that a terminal obeys, and never U+FFFD.
"""

from __future__ import annotations

import re

from core.errors import InputError

_CONTROL_PICTURES = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "\u2421"}
_HIDDEN = re.compile("[\x80-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffd\ud800-\udfff]")
_LAYOUT_CHARACTERS = {0x0A: "\n", 0x09: "\t"}


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
