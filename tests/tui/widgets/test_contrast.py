"""The light themes can be read: texts and frames stand out from the ground."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from textual.color import Color
from textual.theme import BUILTIN_THEMES

from tests.tui.conftest import Launch
from tui.widgets.contrast import FOCUS_RATIO, FRAME_RATIO, TEXT_RATIO, ratio, readable

PICTURES = sorted(Path(__file__).parents[1].rglob("__snapshots__/*/*light].svg"))
DIMMED = ("over_the_screen", "help-light", "list_of_conversations", "plan_of_a_download")
"""Pictures of a dialog; what lies behind it is pale on purpose."""

LIGHT = [name for name, theme in BUILTIN_THEMES.items() if not theme.dark and not theme.ansi]


def test_the_ratio_is_that_of_the_guidelines() -> None:
    assert ratio(Color.parse("black"), Color.parse("white")) == pytest.approx(21)
    assert ratio(Color.parse("#777777"), Color.parse("white")) == pytest.approx(4.48, abs=0.01)
    assert ratio(Color.parse("red"), Color.parse("red")) == 1


@pytest.mark.parametrize("name", LIGHT)
def test_every_light_theme_can_be_read(name: str) -> None:
    before = BUILTIN_THEMES[name].to_color_system().generate()
    before |= {"focus-frame": before["accent"]}
    after = readable(before)
    ground = Color.parse(after["background"])
    for text in ("accent", "primary", "secondary", "success", "warning", "error"):
        assert ratio(Color.parse(after[f"text-{text}"]), ground) >= TEXT_RATIO
    assert ratio(Color.parse(after["focus-frame"]), ground) >= FOCUS_RATIO
    assert ratio(Color.parse(after["panel-lighten-2"]), ground) >= FRAME_RATIO
    assert after["background"] == before["background"]


async def test_a_light_theme_is_made_readable_and_a_dark_one_is_left_alone(launch: Launch) -> None:
    async with launch() as running:
        app = running.app
        plain = app.current_theme.to_color_system().generate()
        assert app.get_css_variables()["text-accent"] == plain["text-accent"]
        app.theme = "textual-light"
        await running.pilot.pause()
        color = running.screen.conversation.styles.border_title_color
        assert ratio(color, running.screen.conversation.styles.background) >= TEXT_RATIO
        for name in ("textual-ansi", "ansi-light", "textual-dark"):
            if name in app.available_themes:
                app.theme = name
                await running.pilot.pause()
        assert app.is_running


def faint_texts(picture: str) -> list[str]:
    """What can hardly be read in a picture: letters and digits whose colour is too near that of their ground."""
    fills = dict(re.findall(r"\.terminal-(r\d+) { fill: (#\w+)", picture))
    shapes = re.findall(r'<rect fill="(#\w+)" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"', picture)
    grounds = [(fill, *map(float, numbers)) for fill, *numbers in shapes]
    faint = []
    for kind, *place, text in re.findall(
        r'<text class="terminal-(r\d+)" x="([\d.]+)" y="([\d.]+)"[^>]*>(.*?)<', picture
    ):
        x, y = map(float, place)
        under = [
            fill for fill, left, top, wide, high in grounds if left <= x + 1 < left + wide and top < y < top + high
        ]
        is_word = re.search(r"\w", re.sub(r"&#\d+;", "", text))
        if is_word and under and ratio(Color.parse(fills[kind]), Color.parse(under[-1])) < 4.5:
            faint.append(f"{text} in {fills[kind]} on {under[-1]}")
    return faint


def test_every_text_of_the_light_pictures_can_be_read() -> None:
    pictures = [path for path in PICTURES if not any(name in path.name for name in DIMMED)]
    assert len(pictures) > 30
    faint = {path.name: texts for path in pictures if (texts := faint_texts(path.read_text(encoding="utf-8")))}
    assert faint == {}


def test_a_faint_text_is_found() -> None:
    ground = '<rect fill="#e0e0e0" x="0" y="1.5" width="24.4" height="24.65"/>'
    text = '<text class="terminal-r1" x="0" y="20" textLength="12.2">a</text>'
    styles = ".terminal-r1 { fill: %s }"
    assert faint_texts(styles % "#7f7f7f" + ground + text) == ["a in #7f7f7f on #e0e0e0"]
    assert faint_texts(styles % "#333333" + ground + text) == []
