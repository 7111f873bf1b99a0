"""The sampling settings: every one editable in place, refused at the field when out of range, with presets."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid, Horizontal, VerticalScroll
from textual.content import Content
from textual.events import Resize
from textual.reactive import reactive
from textual.widgets import Button, Checkbox, Input, Label, Static

from core.errors import SettingError
from core.messages.sampling_params import PRESETS, SAMPLERS, SETTINGS, SamplingParams, check_setting, inert_reason
from core.text.visible import visible
from tui.widgets.check import Check
from tui.widgets.fields import Field

_NUMBERS = sorted((name for name in SETTINGS if SETTINGS[name].step), key=lambda name: not SETTINGS[name].label)
_HINTS = {**{name: SETTINGS[name].hint or f"{SETTINGS[name].off:g} off" for name in _NUMBERS}, "seed": "empty: new"}
"""The numbers with a field, those that shape the distribution first, and what stands beside each."""

_NOTES = {name: f" ({SETTINGS[name].note})" if SETTINGS[name].note else "" for name in SAMPLERS}
"""What the help says of each sampler."""

_PRESET = ("do_sample", *(name for name in SAMPLERS if name != "no_repeat_ngram_size"))
"""What must be as in a preset for it to be in force."""

_NARROW_CELLS, NARROW_HINT_CELLS = 44, 5
"""A pane of fewer cells than the first has no room for hints of more than the second."""


class SettingInput(Field):
    """A number that up and down change by a step."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "step(1)", "More", show=False),
        Binding("down", "step(-1)", "Less", show=False),
    ]

    def __init__(self, name: str, value: str) -> None:
        super().__init__(value, id=f"setting-{name}", name=name, compact=True)

    def action_step(self, direction: int) -> None:
        """Change the number by one step, staying in its range."""
        name = self.name or ""
        setting = SETTINGS[name]
        try:
            value = round(float(self.value) + direction * setting.step, 6)
        except ValueError:
            return
        if setting.low_open and value <= setting.low:
            return
        self.value = _written(min(max(value, setting.low), setting.high))


class SamplingPane(VerticalScroll, can_focus=False):
    """Owns the sampling settings of the next run."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+o", "next_preset", "Next preset", tooltip="greedy, balanced, creative", show=False),
    ]

    HELP = f"""\
# Sampling

The model gives every token of its vocabulary a probability; sampling decides which of them may be drawn. They act in \
this order: {", ".join(map("".join, _NOTES.items()))}. What does \
nothing beside the others is struck through, and says why: greedy and beam search draw nothing.

Type a number or press up and down; a value out of range is refused at the field and the last good one stays. The \
same seed with the same settings writes the same text; an empty seed takes a new one each run.
"""

    params: reactive[SamplingParams] = reactive(SamplingParams, init=False, repaint=False)
    """Always valid. Watched rather than told of: a message would reach the screen after the key's first frame."""
    fixed_seed: reactive[int | None] = reactive(None, repaint=False)
    """The seed typed in; None takes a new one each run."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  Textual's own name
        super().__init__(id=id)
        self.border_title = "Sampling · F4"
        self.border_subtitle = "↑↓ change · ctrl+o presets"
        self._errors: dict[str, str] = {}
        self._reasons: dict[str, str] = {}
        """Why settings do nothing, as it is shown."""
        self._told = Content("")

    def compose(self) -> ComposeResult:
        """Presets, one row a setting, and a line for what is wrong."""
        with Horizontal(id="presets"):
            for name in PRESETS:
                active = "-active" if name == self._active_preset() else ""
                yield Button(name, id=f"preset-{name}", compact=True, classes=active)
            yield Check("sample", self.params.do_sample, id="setting-do_sample", compact=True)
        yield Static("", id="sampling-error")
        with Grid(id="settings"):
            for name, hint in _HINTS.items():
                yield Label(name, id=f"label-{name}")
                if name == "seed":
                    yield Field(placeholder="new", id="setting-seed", compact=True)
                else:
                    yield SettingInput(name, _written(getattr(self.params, name)))
                yield Label(hint, id=f"hint-{name}", classes=_hint_classes(hint))
            yield Label("stop_strings")
            yield Field(placeholder="none", id="setting-stop_strings", compact=True)
            yield Label("a | b", classes="hint")

    def on_mount(self) -> None:
        """Take each field's text within the key press that changes it."""
        for field in self.query(Field):
            self.watch(field, "value", partial(self._take, field), init=False)

    def on_resize(self, event: Resize) -> None:
        """Leave out what does not fit."""
        self.set_class(event.size.width < _NARROW_CELLS, "-narrow")

    def use_preset(self, name: str) -> None:
        """Take a preset's samplers; lengths, seed and stop strings stay."""
        preset, now = PRESETS[name], self.params
        self.params = preset.changed(
            max_new_tokens=now.max_new_tokens,
            num_return_sequences=now.num_return_sequences,
            num_beams=now.num_beams,
            stop_strings=now.stop_strings,
        )
        with self.prevent(Checkbox.Changed):
            self.query_one("#setting-do_sample", Checkbox).value = self.params.do_sample
        for field in self.query(SettingInput):
            field.value = _written(getattr(self.params, field.name or ""))

    def turn(self, name: str, steps: int) -> None:
        """Change a setting by steps, as the keys in its field do; from its last good value where that holds none."""
        field = self.query_one(f"#setting-{name}", SettingInput)
        if field.has_class("-error"):
            field.value = _written(getattr(self.params, name))
        field.action_step(steps)

    def action_next_preset(self) -> None:
        """Go to the next preset."""
        names = list(PRESETS)
        active = self._active_preset()
        self.use_preset(names[(names.index(active) + 1) % len(names)] if active else names[0])

    def watch_params(self) -> None:
        """Mark the preset in force and the settings that do nothing, with the reason."""
        active = self._active_preset()
        for button in self.query(Button):
            button.set_class(button.id == f"preset-{active}", "-active")
        for name, hint in _HINTS.items():
            reason = inert_reason(name, self.params)
            if reason != self._reasons.get(name, ""):
                self._reasons[name] = reason
                self.query_one(f"#label-{name}").set_class(bool(reason), "-inert")
                label = self.query_one(f"#hint-{name}", Label)
                label.update(reason or hint)
                label.set_classes(_hint_classes(reason or hint))
        self._tell()

    @on(Button.Pressed)
    def _press_preset(self, event: Button.Pressed) -> None:
        event.stop()
        self.use_preset((event.button.id or "").removeprefix("preset-"))

    @on(Checkbox.Changed)
    def _change_sampling(self, event: Checkbox.Changed) -> None:
        event.stop()
        self._change(do_sample=event.value)

    def _take(self, field: Field) -> None:
        """Use what a field holds, or say why not."""
        name = (field.id or "").removeprefix("setting-")
        try:
            match name:
                case "seed":
                    self.fixed_seed = _parse_seed(field.value)
                case "stop_strings":
                    self._change(stop_strings=_parse_stop_strings(field.value))
                case _:
                    self._change(**{name: _parse_number(name, field.value)})
        except SettingError as error:
            self._set_error(field, error.message)
        else:
            self._set_error(field, "")

    def _change(self, **values: float | bool | tuple[str, ...]) -> None:
        self.params = self.params.changed(**values)

    def _active_preset(self) -> str | None:
        for name, preset in PRESETS.items():
            if all(getattr(preset, field) == getattr(self.params, field) for field in _PRESET):
                return name
        return None

    def _set_error(self, field: Input, message: str) -> None:
        field.set_class(bool(message), "-error")
        key = field.id or ""
        self._errors.pop(key, None)
        if message:
            self._errors[key] = message
        self._tell()

    def _tell(self) -> None:
        """The newest error, or why settings are struck through."""
        latest = next(reversed(self._errors.values()), "")
        content = Content.styled(visible(latest), "$text-error")
        if not latest and (way := self.params.way):
            content = Content.styled(f"{way}: nothing is drawn, so what is struck through has no effect", "$text-muted")
        if content != self._told:
            self._told = content
            self.query_one("#sampling-error", Static).update(content)


def _hint_classes(text: str) -> str:
    return "hint -long" if len(text) > NARROW_HINT_CELLS else "hint"


def _written(value: float) -> str:
    """A number as a field shows it; it reads as the same number."""
    return f"{value:.12g}"


def _parse_number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise SettingError(f"{name} must be a number in {SETTINGS[name].span}, got {text!r}") from None
    return check_setting(name, value)


def _parse_seed(text: str) -> int | None:
    if not text.strip():
        return None
    if not (text.strip().isascii() and text.strip().isdigit() and int(text) < 2**63):
        raise SettingError(f"seed must be a whole number from 0 up, got {text!r}")
    return int(text)


def _parse_stop_strings(text: str) -> tuple[str, ...]:
    parts = (part.strip(" ").replace("\\n", "\n") for part in text.split("|"))
    return tuple(part for part in parts if part)
