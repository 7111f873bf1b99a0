"""The light themes can be read: texts and frames stand out from the ground."""

from __future__ import annotations

import pytest
from textual.color import Color
from textual.theme import BUILTIN_THEMES

from tests.tui.conftest import Launch
from tui.contrast import FOCUS_RATIO, FRAME_RATIO, TEXT_RATIO, ratio, readable

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
