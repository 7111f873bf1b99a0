"""The X-ray: a run in numbers, its ribbon of tokens, and the numbers of the token under the cursor."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.getters import query_one
from textual.widgets import Static

from core.messages.records import RunStats
from core.messages.sampling_params import SamplingParams
from core.text.visible import token_label, visible
from tui.transcript.run_numbers import choice_line, loop_line, speed_line
from tui.transcript.sequence_columns import LiveText
from tui.widgets.ribbon_view import BITS_A_STEP, RibbonToken, RibbonView, surprisal_line


class RibbonPane(Vertical):
    """The ribbon between the run's numbers and those of the token under the cursor."""

    HELP = """\
# X-ray

Every token of the run stands where it stands in the text, coloured by how the model felt about it: the higher the bar \
below, the more surprising it was (or the less likely, the lower in rank, the wider open the choice: **l** changes the \
lens). The prompt's own tokens are scored too, from everything before each of them. Surprisal is −log2 of the model's \
probability, in bits; perplexity is e to the mean −ln p.

The lines on top are the run's numbers. **TTFT** is the time to the first token, **ITL** the time between two tokens \
(the median, and what 99 of 100 stay under). **log p** is the sum of ln p of the new tokens, **entropy** says how open \
a choice was, **kept mass** how much of the model's probability the samplers left. ⟳ says that the text goes in \
circles, and which settings help.

Arrow keys walk the tokens; the candidates below follow, with ▶ at the one that was drawn. **Enter** goes to them, and \
Enter there takes another road: the text goes on with that token instead. `[` and `]` show the run before and after, \
`,` and `.` the other sequences of a run; **b** shows all runs of the prompt as a tree, two of them side by side. \
**y** copies the token, **Y** the output; ctrl+p has more to copy, and an export. Esc goes back.
"""

    view = query_one(RibbonView)

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  Textual's own name
        super().__init__(id=id)
        self.border_title = "X-ray · F9"
        self.border_subtitle = "←→ walk · l lens · Enter candidates"

    _beams = 1

    def on_mount(self) -> None:
        """Tell of another token, or name another lens, in the frame that paints it."""
        self.watch(self.view, "cursor", self._show_token, init=False)
        self.watch(self.view, "lens", self._show_token, init=False)

    def compose(self) -> ComposeResult:
        """Numbers, ribbon, the token's numbers."""
        yield Static("run a prompt first", id="ribbon-numbers")
        yield RibbonView()
        yield LiveText("", id="ribbon-token")

    def show_run(
        self,
        title: str,
        tokens: Sequence[RibbonToken],
        stats: RunStats | None,
        params: SamplingParams,
        *,
        cursor: int,
    ) -> None:
        """Show a run.

        Args:
            title: which run it is.
            tokens: the prompt's and its own.
            stats: of a run that has ended.
            params: the settings that chose its last token.
            cursor: the token to stand on.
        """
        self.border_title = f"X-ray · F9 · {visible(title)}"
        self._beams = params.num_beams
        new = [token for token in tokens if token.index >= 0]
        curve = surprisal_line(new, max(10, self.size.width - 30))
        lines = (
            speed_line(stats) if stats is not None else "",
            choice_line(new, params) if new else "",
            loop_line([token.id for token in new], params),
            f"surprisal, {BITS_A_STEP} bits a step {curve}" if new else "",
        )
        self.query_one("#ribbon-numbers", Static).update(Content("\n".join(filter(None, lines))))
        self.view.show(tokens, cursor=cursor)
        self._show_token()

    def _show_token(self) -> None:
        """Say everything about the token under the cursor."""
        token = self.view.at_cursor
        if token is None:
            return
        name = token_label(token.text)
        if not token.rank:
            told = "the first token: nothing predicts it"
        else:
            told = f"p {_share(token.prob)} · {token.surprisal:.2f} bits · rank {token.rank:,}"
            told += f" · entropy {token.entropy:.2f} bits"
        if token.index >= 0 and self._beams > 1:
            told += f" · followed by one of {self._beams} beams"
        elif token.index >= 0:
            told += f" · drawn with {_share(token.final_prob)} of {token.kept:,} ({token.kept_mass:.1%} of the mass)"
        where = f"new token {token.index + 1}" if token.index >= 0 else "prompt"
        told += f" · ⟲ {token.retuned}" if token.retuned else ""
        content = Content.assemble((name, "bold"), f" id {token.id} · {where} · {told} · lens {self.view.lens}")
        self.query_one("#ribbon-token", LiveText).show(content)


def _share(probability: float) -> str:
    """A probability of 0–1 with four decimals, or as a power of ten where those would be zeros."""
    return f"{probability:.4f}" if probability >= 0.0005 or probability == 0 else f"{probability:.0e}"
