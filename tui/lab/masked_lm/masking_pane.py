"""The masking game: tokens of a text are hidden as in BERT's training, and the model guesses them back."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.getters import query_one
from textual.reactive import reactive
from textual.widgets import Input, Label, Static, TextArea

from core.lab.masked_lm import Disguise, MaskingGame, PlayedToken, PlayMasking
from core.lab.records import Answer, Question
from core.models.registry import DEFAULT_MASKED_LM
from core.text.visible import check_not_empty, visible, visible_alone
from tui.lab.catalogue import Lab
from tui.lab.pane import LabPane
from tui.widgets.bars import fit
from tui.widgets.fields import Area
from tui.widgets.number_field import NumberField

MASKING_EXAMPLE = (
    "Once upon a time there was a little girl who lived near the forest. "
    "Every morning she went to the river to fetch water. One day she met an old man."
)
GUESSES = 6

_SIGNS = {Disguise.MASK: "▒", Disguise.RANDOM: "≠", Disguise.KEEP: "="}
_STYLES = {Disguise.MASK: "$text-accent", Disguise.RANDOM: "$text-error", Disguise.KEEP: "$text-success"}
_CELLS = 9
"""Of a token in a row."""

_HEADING = f"{'truth':<{_CELLS}} {'shown':<{_CELLS}}{'p':>7}{'loss':>6}{'rank':>6}  guesses, %\n"


class MaskingPane(LabPane):
    """A text with tokens in disguise, what the model makes of each, and the loss training would lower."""

    MODELS: ClassVar[dict[str, str]] = {"model": DEFAULT_MASKED_LM}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+d", "draw_again", "Draw again", tooltip="Hide other tokens: the next seed", priority=True),
    ]
    HELP = """\
# Masking game

BERT learned from plain text by a game: 15 % of the tokens are chosen, of which 80 % are hidden behind a mask, 10 % \
replaced by a random token and 10 % left as they are, and the model must name the true token of each. Because it \
cannot know which words are false, it has to understand every word from both sides. The loss is −ln of the \
probability it gives the truth, in the mean over the chosen tokens, and training does nothing but lower it.

Type or paste any text; **ctrl+d** draws again with the next seed, and in *rate* the up and down keys change the share \
that is chosen. `▒mask▒` is a hidden token, `≠word≠` a random one, `=word=` one that was kept; guesses are in per \
cent, and rank 1 means that the truth was the first guess.
"""

    seed: reactive[int] = reactive(0, init=False)
    """Of the draw."""

    text = query_one("#masking-text", TextArea)
    rate = query_one("#masking-rate", NumberField)
    answer = query_one("#masking-answer", Static)

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab)
        self._game: MaskingGame | None = None

    def compose_body(self) -> ComposeResult:
        """The text, the rate and the draw, the answer."""
        yield Area(MASKING_EXAMPLE, id="masking-text")
        with Horizontal(id="masking-settings"):
            yield Label("rate")
            yield NumberField(0.15, name="rate", id="masking-rate", step=0.05, low=0.01, high=1.0)
            yield Static(_legend(0), id="masking-seed")
        with VerticalScroll(id="masking-scroll"):
            yield Static("", id="masking-answer")

    def question(self) -> Question | None:
        """Ask about the text as it is, with this draw."""
        text = check_not_empty(self.text.text, "the text")
        return PlayMasking(self.model(), text, self.rate.number(), self.seed, GUESSES)

    def show_answer(self, answer: Answer) -> None:
        """The text in disguise, then a line for each chosen token."""
        assert isinstance(answer, MaskingGame)
        self._game = answer
        self._paint(answer)
        cut = "; the text was cut to the model's positions" if answer.truncated else ""
        self.show_note(f"{answer.model}, {len(answer.tokens)} tokens{cut}")

    def watch_seed(self, seed: int) -> None:
        """Name the draw, and play it."""
        self.query_one("#masking-seed", Static).update(_legend(seed))
        self.ask()

    def action_draw_again(self) -> None:
        """Choose other tokens."""
        self.seed += 1

    def on_resize(self, event: events.Resize) -> None:
        """Show as many guesses as there is room for."""
        if self._game is not None:
            self._paint(self._game)

    @on(TextArea.Changed)
    @on(Input.Changed)
    def _follow(self, event: TextArea.Changed | Input.Changed) -> None:
        event.stop()
        self.ask_soon()

    @on(Input.Submitted)
    def _ask(self, event: Input.Submitted) -> None:
        event.stop()
        self.ask()

    def _paint(self, game: MaskingGame) -> None:
        width = self.query_one("#masking-scroll", VerticalScroll).scrollable_content_region.width
        chosen = [token for token in game.tokens if token.disguise is not Disguise.NONE]
        mean = f"loss {game.loss:.3f} in the mean, {game.right} of {game.chosen} guessed first"
        parts: list[Content] = [_disguised_text(game.tokens), Content.assemble("\n", (mean, "bold"), "\n")]
        parts.append(Content.styled(_HEADING, "$text-muted"))
        parts += [_row(token, width) for token in chosen]
        self.answer.update(Content("").join(parts))


def _legend(seed: int) -> Content:
    """The number of the draw, and which sign stands for what."""
    named = {Disguise.MASK: "  ▒hidden▒", Disguise.RANDOM: "  ≠random≠", Disguise.KEEP: "  =kept="}
    return Content.assemble(f"draw {seed}", *((text, _STYLES[disguise]) for disguise, text in named.items()))


def _disguised_text(tokens: tuple[PlayedToken, ...]) -> Content:
    """The text as the model sees it, every chosen token between its signs."""
    spaced = any(token.token.startswith(("Ġ", "▁")) for token in tokens)
    parts: list[str | tuple[str, str]] = []
    for token in tokens:
        glued = not token.token.startswith(("Ġ", "▁")) if spaced else token.token.startswith("##")
        parts.append("" if glued or not parts else " ")
        if token.disguise is Disguise.NONE:
            parts.append(visible(_bare(token.token)))
        else:
            parts.append((_signed(token), f"{_STYLES[token.disguise]} bold"))
    return Content.assemble(*parts)


def _signed(token: PlayedToken) -> str:
    sign = _SIGNS[token.disguise]
    return f"{sign}{'mask' if token.disguise is Disguise.MASK else visible_alone(_bare(token.shown))}{sign}"


def _bare(token: str) -> str:
    """A token without the mark that says whether a space stands before it."""
    return token.removeprefix("##").removeprefix("Ġ").removeprefix("▁") or token


def _row(token: PlayedToken, width: int) -> Content:
    """One chosen token: as many guesses as fit into `width` cells."""
    sign = "✓" if token.rank == 1 else " "
    prob = f"{token.prob:.1%}" if token.prob >= 0.0005 else "<0.1%"
    numbers = f"{prob:>7}{token.loss:>6.2f}{token.rank:>6}{sign}"
    line = f"{fit(token.token, _CELLS)} "
    room = width - cell_len(line) - _CELLS - len(numbers)
    guesses = ""
    for guess in token.guesses:
        more = f" {visible_alone(guess.token)} {guess.prob * 100:.0f}"
        if guesses and cell_len(guesses + more) > room:
            break
        guesses += more
    shown = (fit(_signed(token), _CELLS), _STYLES[token.disguise])
    return Content.assemble(line, shown, numbers, guesses, "\n")
