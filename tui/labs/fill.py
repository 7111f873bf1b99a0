"""Fill masks: what a masked language model would put in the place of [MASK]."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.getters import query_one
from textual.widgets import Checkbox, Input, Static

from core.lab.masked_lm import FilledMasks, FillMasks
from core.registry import DEFAULT_MASKED_LM
from core.text import visible
from tui.bars import bar_rows
from tui.check import Check
from tui.fields import Field
from tui.lab_pane import LabPane

if TYPE_CHECKING:
    from core.lab.catalogue import Answer, Question

MASK = "[MASK]"
EXAMPLE = "I went to the [MASK] to buy some milk."


class FillPane(LabPane):
    """A text with masks in, the likeliest words out, as one types."""

    LAB = "fill"
    TITLE = "Fill masks"
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

Type a sentence with `[MASK]`; **ctrl+t** hides the word under the cursor. *Compare* takes words whose probabilities \
you want to see wherever they rank, separated by spaces.
"""

    text = query_one("#fill-text", Input)
    targets = query_one("#fill-targets", Input)
    one_by_one = query_one("#fill-one-by-one", Checkbox)
    answer = query_one("#fill-answer", Static)

    def compose_body(self) -> ComposeResult:
        """The sentence, the words to compare, the answer."""
        yield Field(EXAMPLE, id="fill-text", compact=True)
        yield Field("", placeholder="Compare: store market school", id="fill-targets", compact=True)
        yield Check("one by one", id="fill-one-by-one", compact=True)
        with VerticalScroll(can_focus=False):
            yield Static("", id="fill-answer")

    def question(self) -> Question | None:
        """Ask about the sentence once it has a mask."""
        if MASK not in self.text.value:
            self.show_note(f"write {MASK} where a word is to be found, or press ctrl+t on a word")
            return None
        targets = tuple(self.targets.value.split())
        return FillMasks(self.model(), self.text.value, 5, targets, self.one_by_one.value)

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
        value, cursor = self.text.value, self.text.cursor_position
        start = value.rfind(" ", 0, cursor) + 1
        end = value.find(" ", cursor)
        end = len(value) if end < 0 else end
        word = value[start:end]
        kept = word[len(word.rstrip(".,;:!?\"')")) :]
        self.text.value = f"{value[:start]}{MASK}{kept}{value[end:]}"
        self.text.cursor_position = start + len(MASK)

    @on(Input.Changed)
    @on(Checkbox.Changed)
    def _follow(self, event: Input.Changed | Checkbox.Changed) -> None:
        event.stop()
        self.ask_soon()

    @on(Input.Submitted)
    def _ask(self, event: Input.Submitted) -> None:
        event.stop()
        self.ask()
