"""Fill masks: what a masked language model would put in the place of [MASK]."""

from __future__ import annotations

import re
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.getters import query_one
from textual.widgets import Checkbox, Input, Label, Static

from core.lab.masked_lm import FilledMasks, FillMasks
from core.lab.records import Answer, Question
from core.models.registry import DEFAULT_MASKED_LM
from core.text.visible import visible
from tui.lab.pane import LabPane
from tui.widgets.bars import bar_rows
from tui.widgets.check import Check
from tui.widgets.fields import Field
from tui.widgets.number_field import NumberField

_MASK = "[MASK]"
_SPAN = re.compile(r"\[MASK\]|\w+(?:['’]\w+)*|[^\w\s]")
"""A mask, a word, or any other sign that is not blank."""

_EXAMPLE = "I went to the [MASK] to buy some milk."
_TOP, MOST = 5, 100
"""Candidates shown at first, and at most; the command line shows any number."""


class FillPane(LabPane):
    """A text with masks in, the likeliest words out, as one types."""

    MODELS: ClassVar[dict[str, str]] = {"model": DEFAULT_MASKED_LM}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+t", "mask_word", "Mask word", tooltip="Hide the word under the cursor", priority=True),
    ]
    HELP = """\
# Fill masks

BERT reads a whole sentence at once, to the left and to the right of a gap, and says for every entry of its vocabulary \
how likely it stands there. The numbers are the softmax over all 30,522 WordPieces, so they add up to 1 and most are \
tiny. With several masks it judges each as if the others stayed empty; *one by one* fills the surest first and reads \
again, which lets the words agree.

Type a sentence with `[MASK]`; **ctrl+t** hides the word or sign under the cursor. *Compare* takes words whose \
probabilities you want to see wherever they rank, separated by spaces. The up and down keys change the number of \
candidates.
"""

    text = query_one("#fill-text", Input)
    targets = query_one("#fill-targets", Input)
    top = query_one("#fill-top", NumberField)
    one_by_one = query_one("#fill-one-by-one", Checkbox)
    answer = query_one("#fill-answer", Static)

    def compose_body(self) -> ComposeResult:
        """The sentence, the words to compare, how many candidates and how to find them, the answer."""
        yield Field(_EXAMPLE, id="fill-text", compact=True)
        yield Field("", placeholder="Compare: store market school", id="fill-targets", compact=True)
        with Horizontal(classes="lab-field"):
            yield Label("candidates")
            yield NumberField(_TOP, name="candidates", id="fill-top", step=1, low=1, high=MOST)
            yield Check("one by one", id="fill-one-by-one", compact=True)
        with VerticalScroll(can_focus=False):
            yield Static("", id="fill-answer")

    def question(self) -> Question | None:
        """Ask about the sentence once it has a mask.

        Raises:
            SettingError: the number of candidates is none, or out of range.
        """
        if _MASK not in self.text.value:
            self.show_note(f"write {_MASK} where a word is to be found, or press ctrl+t on a word")
            return None
        targets = tuple(self.targets.value.split())
        return FillMasks(self.model(), self.text.value, int(self.top.number()), targets, self.one_by_one.value)

    def show_answer(self, answer: Answer) -> None:
        """A block of bars for each mask, and the best whole sentence."""
        assert isinstance(answer, FilledMasks)
        masks = 1 + max(candidate.mask for candidate in answer.candidates)
        parts: list[Content] = []
        for mask in range(masks):
            if masks > 1:
                parts.append(Content.styled(f"mask {mask + 1}, filled {answer.order.index(mask) + 1}.\n", "bold"))
            rows = [(c.token, c.prob, "") for c in answer.candidates if c.mask == mask]
            wanted = [(c.token, c.prob, f"rank {c.rank}") for c in answer.targets if c.mask == mask]
            parts += [bar_rows(rows), bar_rows(wanted, style="$warning")]
        parts.append(Content.assemble("best: ", (visible(answer.best), "bold")))
        self.answer.update(Content("").join(parts))
        unknown = "".join(f"; {word} is no single vocabulary entry" for word in answer.unknown_targets)
        self.show_note(f"{answer.model}, {answer.method}{unknown}")

    def action_mask_word(self) -> None:
        """Put a mask in the place of the word under the cursor."""
        value = self.text.value
        span = span_at(value, self.text.cursor_position)
        if span is None:
            self.show_note("there is no word to mask")
            return
        start, end = span
        self.text.value = f"{value[:start]}{_MASK}{value[end:]}"
        self.text.cursor_position = start + len(_MASK)

    @on(Input.Changed)
    @on(Checkbox.Changed)
    def _follow(self, event: Input.Changed | Checkbox.Changed) -> None:
        event.stop()
        self.ask_soon()

    @on(Input.Submitted)
    def _ask(self, event: Input.Submitted) -> None:
        event.stop()
        self.ask()


def span_at(text: str, cursor: int) -> tuple[int, int] | None:
    """Start and end of the word or sign under the cursor; between words and at the end, of the last word before it."""
    spans = list(_SPAN.finditer(text))
    under = next((match for match in spans if match.start() <= cursor < match.end()), None)
    before = (match for match in reversed(spans) if match.end() <= cursor and match[0][-1].isalnum())
    found = under or next(before, None)
    return found.span() if found is not None else None
