"""What may enter as a prompt, and what a terminal may be shown."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError
from core.text.visible import check_encodable, check_not_empty, token_label, visible, visible_bytes

ANYTHING = st.text(st.characters(codec=None, categories=None) | st.sampled_from("\x1b\x00\x9b\u202e\ufffd\ud800\n\t"))


@given(text=ANYTHING, layout=st.booleans())
def test_nothing_that_a_terminal_obeys_is_shown(text: str, layout: bool) -> None:
    shown = visible(text, layout=layout)
    allowed = {"\n", "\t"} if layout else set()
    assert all(character in allowed or unicodedata.category(character) not in ("Cc", "Cs") for character in shown)
    assert "\N{REPLACEMENT CHARACTER}" not in shown
    shown.encode("utf-8")


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"])))
def test_ordinary_text_is_shown_as_it_is(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31m", "␛[31m"),
        ("\x00", "␀"),
        ("\x7f", "␡"),
        ("a\nb\tc", "a␊b␉c"),
        ("\x9b", "<009B>"),
        ("\u202e", "<202E>"),
        ("\ufeff", "<FEFF>"),
        ("\ufffd", "<FFFD>"),
        ("\ud800", "<D800>"),
        ("\u200b", "<200B>"),
        ("\xad", "<00AD>"),
        ("\u3164", "<3164>"),
        ("a\u200db", "a<200D>b"),
        ("👨\u200d👩", "👨\u200d👩"),
        ("❤\ufe0f", "❤\ufe0f"),
        ("[/bold]", "[/bold]"),
        ("안녕 🦊", "안녕 🦊"),
    ],
)
def test_hidden_characters_become_glyphs(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_layout_keeps_lines_and_tabs_but_no_carriage_return() -> None:
    assert visible("a\nb\tc\rd", layout=True) == "a\nb\tc␍d"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (" a", "·a"),
        ("\n\t", "↵⇥"),
        ("\xa0\u3000", "⍽⍽"),
        ("", "∅"),
        ("\u0336", "◌\u0336"),
        ("\u1161", "◌\u1161"),
        ("##\u093e", "##◌\u093e"),
        ("e\u0301", "e\u0301"),
        ("\ufe0f", "<FE0F>"),
        ("👨\u200d", "👨<200D>"),
        ("[/\x1b", "[/␛"),
    ],
)
def test_a_token_alone_shows_all_that_it_is(text: str, shown: str) -> None:
    assert token_label(text) == shown


@given(st.binary())
def test_any_bytes_have_a_visible_form(raw: bytes) -> None:
    assert visible_bytes(raw) == raw.decode("utf-8", "backslashreplace")


def test_bytes_that_are_no_character_are_shown_as_bytes() -> None:
    assert visible_bytes(b"a\xed\xa0\x80") == "a\\xed\\xa0\\x80"


@pytest.mark.parametrize("text", ["", " ", "\n\t "])
def test_empty_text_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="the prompt is empty"):
        check_not_empty(text, "the prompt")


def test_lone_surrogates_are_refused_with_their_place() -> None:
    with pytest.raises(InputError, match="the prompt is not valid UTF-8 at character 3"):
        check_encodable("ab\ud800", "the prompt")


@given(st.text(min_size=1).filter(str.strip))
def test_every_other_text_passes_unchanged(text: str) -> None:
    assert check_not_empty(check_encodable(text, "the prompt"), "the prompt") == text
