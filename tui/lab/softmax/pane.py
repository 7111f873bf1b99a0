"""Softmax step by step: logits and a temperature in, probabilities out, and why the maximum is subtracted."""

from __future__ import annotations

import math
from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.getters import query_one
from textual.widgets import Input, Label, Static

from core.lab.softmax import SoftmaxStep, parse_logits, softmax_steps
from tui.lab.local_pane import LocalPane
from tui.widgets.bars import EMPTY, bar
from tui.widgets.fields import Field
from tui.widgets.number_field import NumberField

_EXAMPLE = "2.5, 1.0, 0.5"
ROWS = 200
"""How many logits are shown; all of them count."""

SAME = 1e-3
"""Probabilities nearer than this to each other pass for equal."""

_BAR_CELLS = 10
GREEDY = (
    "Temperature 0 is a limit: ÷ 0 has no value, but the nearer to 0, the more the largest logit takes, until it has \
everything. That is greedy decoding; equal largest logits share.\n"
)


class SoftmaxPane(LocalPane):
    """Every step from logits to probabilities, beside the formula as it is written, which overflows."""

    HELP = """\
# Softmax

A model's last layer gives every entry of its vocabulary a number, the logit, and softmax turns logits into \
probabilities: e to the power of each, divided by the sum of them all. Dividing the logits by a temperature first \
makes the distribution sharper below 1 and flatter above 1, and at 0 only the largest is left. Subtracting the largest \
logit first changes no probability, as the factor cancels out, but keeps e^x from growing past what float32 can hold.

Type logits with commas or spaces between them (`-inf` is impossible); in *temperature* the up and down keys change it \
by 0.1. Try `1000 1001 1002`, and `-inf` among others: that is how top-k cuts a token.
"""

    logits = query_one("#softmax-logits", Input)
    temperature = query_one("#softmax-temperature", NumberField)
    answer = query_one("#softmax-answer", Static)

    def compose_body(self) -> ComposeResult:
        """The logits, the temperature, the answer."""
        with Horizontal(classes="lab-field"):
            yield Label("logits")
            yield Field(_EXAMPLE, id="softmax-logits", compact=True)
        with Horizontal(classes="lab-field"):
            yield Label("temperature")
            yield NumberField(1.0, name="temperature", id="softmax-temperature", step=0.1, low=0.0, high=100.0)
        with VerticalScroll():
            yield Static("", id="softmax-answer")

    def refresh_answer(self) -> None:
        """Every step, then the same without subtracting the maximum."""
        temperature = self.temperature.number()
        steps = softmax_steps(parse_logits(self.logits.value), temperature)
        parts = [_steps(steps), Content("\n"), _naive(steps, temperature)]
        if temperature == 0:
            parts.insert(0, Content.styled(GREEDY, "$text-warning"))
        self.answer.update(Content("").join(parts))
        entropy = -sum(step.prob * math.log2(step.prob) for step in steps if step.prob)
        more = f"; the first {ROWS} are shown" if len(steps) > ROWS else ""
        self.show_note(f"{len(steps)} logits, entropy {max(entropy, 0):.3f} of {math.log2(len(steps)):.3f} bits{more}")

    @on(Input.Changed)
    def _follow(self, event: Input.Changed) -> None:
        event.stop()
        self.ask()

    @on(Input.Submitted)
    def _ask(self, event: Input.Submitted) -> None:
        event.stop()
        self.ask()


def _steps(steps: Sequence[SoftmaxStep]) -> Content:
    """A row a logit: the logit, its steps, its probability."""
    parts: list[str | tuple[str, str]] = [
        (f"{'logit':>9}{'÷ T':>9}{'− max':>9}{'exp':>9}  probability\n", "$text-muted")
    ]
    for step in steps[:ROWS]:
        numbers = "".join(_cell(value) for value in (step.logit, step.scaled, step.shifted, step.exp))
        whole = bar(step.prob, _BAR_CELLS)
        filled = whole.rstrip(EMPTY)
        parts += [f"{numbers}{step.prob:>8.4f} ", (filled, "$success"), (whole[len(filled) :] + "\n", "$text-muted")]
    total = sum(step.exp for step in steps)
    parts.append((f"{'sum':>27}{_cell(total)}{sum(step.prob for step in steps):>8.4f}\n", "bold"))
    return Content.assemble(*parts)


def _naive(steps: Sequence[SoftmaxStep], temperature: float) -> Content:
    """The formula as it is written, in float32, and whether it holds."""
    parts: list[str | tuple[str, str]] = [("without − max, in float32:\n", "bold")]
    parts.append((f"{'logit':>9}{'exp(÷ T)':>9}{'prob':>9}\n", "$text-muted"))
    broken = any(math.isnan(step.naive_prob) for step in steps)
    for step in steps[:ROWS]:
        row = _cell(step.logit) + _cell(step.naive_exp) + _cell(step.naive_prob)
        parts.append((f"{row}\n", "$text-error" if math.isnan(step.naive_prob) else ""))
    if not broken and max(abs(step.naive_prob - step.prob) for step in steps) < SAME:
        parts.append("the same here: no exponential overflows (float32 ends at e^88.7)")
    elif temperature == 0:
        parts.append("÷ 0 leaves nothing to compute with: greedy is a rule of its own")
    elif any(math.isinf(step.naive_exp) for step in steps):
        parts.append("overflow: e^88.8 is beyond float32, and inf ÷ inf is no number")
    elif broken:
        parts.append("underflow: every exponential is 0, and 0 ÷ 0 is no number")
    else:
        parts.append("underflow: the exponentials are too small for float32's digits")
    return Content.assemble(*parts)


def _cell(value: float) -> str:
    """A number in nine cells."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:>9.3f}"
    return f"{value:>9.1e}"
