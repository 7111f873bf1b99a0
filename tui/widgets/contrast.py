"""Colours that can be read on a light ground: text in an accent colour is darkened until it stands out enough.

Dark themes stay as they are: there the same colours are light enough.
"""

from __future__ import annotations

from textual.color import Color

TEXT_RATIO, FOCUS_RATIO, FRAME_RATIO = 5.5, 3.0, 2.0
"""How much a text, the frame that has the focus, and the other frames differ from the ground at least.

WCAG 2.2 asks 4.5 of text and 3 of what tells a state.
"""

_TEXTS = (
    *("text-accent", "text-primary", "text-secondary", "text-success", "text-warning", "text-error"),
    "footer-key-foreground",
)
_HINT = "auto 60%"


def ratio(one: Color, other: Color) -> float:
    """The contrast ratio of two opaque colours, 1 to 21."""
    lights = sorted(map(_luminance, (one, other)))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def readable(variables: dict[str, str]) -> dict[str, str]:
    """The variables of a light theme with darker texts and frames, and hints that are less pale.

    Args:
        variables: colours by name, as a theme makes them.
    """
    ground = Color.parse(variables["background"])
    changed = {name: _darkened(variables[name], ground, TEXT_RATIO) for name in _TEXTS}
    changed["focus-frame"] = _darkened(variables["focus-frame"], ground, FOCUS_RATIO)
    changed["panel-lighten-2"] = _darkened(variables["panel-lighten-2"], ground, FRAME_RATIO)
    return {**variables, **changed, "text-disabled": _HINT}


def _darkened(shade: str, ground: Color, wanted: float) -> str:
    color = Color.parse(shade)
    for _ in range(100):
        if ratio(color, ground) >= wanted:
            break
        color = color.darken(0.02)
    return color.hex


def _luminance(color: Color) -> float:
    parts = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in color.normalized)
    red, green, blue = parts
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
