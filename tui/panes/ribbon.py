"""The X-ray: a run in numbers, its ribbon of tokens, and the numbers of the token under the cursor."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.getters import query_one
from textual.widgets import Static

from core.records import RunStats
from core.text import visible
from tui.ribbon import RibbonToken, RibbonView, surprisal_line

LOOP_SHARE = 0.5
"""From this share of repeated 4-grams on, a text counts as caught in a loop."""


def loop_share(ids: Sequence[int]) -> float:
    """Share of a text's 4-grams that it held before, 0–1."""
    grams = [tuple(ids[start : start + 4]) for start in range(len(ids) - 3)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


class RibbonPane(Vertical):
    """The ribbon between the run's numbers and those of the token under the cursor."""

    HELP = """\
# X-ray

Every token of the run stands where it stands in the text, coloured by how the model felt about it: the higher the bar \
below, the more surprising it was (or the less likely, the lower in rank, the wider open the choice: **l** changes the \
lens). The prompt's own tokens are scored too, from everything before each of them. Surprisal is −log2 of the model's \
probability, in bits; perplexity is e to the mean −ln p.

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

    def compose(self) -> ComposeResult:
        """Numbers, ribbon, the token's numbers."""
        yield Static("run a prompt first", id="ribbon-numbers")
        yield RibbonView()
        yield Static("", id="ribbon-token")

    def show_run(self, title: str, tokens: Sequence[RibbonToken], stats: RunStats | None, *, cursor: int) -> None:
        """Show a run.

        Args:
            title: which run it is.
            tokens: the prompt's and its own.
            stats: of a run that has ended.
            cursor: the token to stand on.
        """
        self.border_title = f"X-ray · F9 · {visible(title)}"
        new = [token for token in tokens if token.index >= 0]
        parts: list[str] = []
        if stats is not None:
            gaps = f"ITL p50 {stats.itl_p50_s * 1e3:.1f} p99 {stats.itl_p99_s * 1e3:.1f} ms"
            speed = f"{stats.tokens_per_s:.1f} tok/s · perplexity {stats.perplexity:.1f}"
            parts.append(f"TTFT {stats.ttft_s * 1e3:.0f} ms · {gaps} · {speed}")
        if new:
            mass = fmean(token.kept_mass for token in new)
            parts.append(f"mean entropy {fmean(token.entropy for token in new):.2f} bits · mean kept mass {mass:.1%}")
        share = loop_share([token.id for token in new])
        if share > LOOP_SHARE:
            parts.append(
                f"⟳ {share:.0%} of its 4-grams are repeats: try repetition_penalty 1.2, no_repeat_ngram_size 3, or a "
                "higher temperature"
            )
        width = max(10, self.size.width - 16)
        parts.append(f"surprisal {surprisal_line(new, width)}")
        self.query_one("#ribbon-numbers", Static).update(Content("\n".join(parts)))
        self.view.show(tokens, cursor=cursor)

    def show_token(self, token: RibbonToken) -> None:
        """Say everything about one token."""
        name = visible(token.text.replace(" ", "·").replace("\n", "↵")) or "∅"
        if not token.rank:
            told = "the first token: nothing predicts it"
        else:
            told = f"p {token.prob:.4f} · {token.surprisal:.2f} bits · rank {token.rank:,}"
            told += f" · entropy {token.entropy:.2f} bits"
        if token.index >= 0:
            told += f" · drawn with {token.final_prob:.4f} of {token.kept:,} ({token.kept_mass:.1%} of the mass)"
        where = f"new token {token.index + 1}" if token.index >= 0 else "prompt"
        content = Content.assemble((name, "bold"), f" id {token.id} · {where} · {told} · lens {self.view.lens}")
        self.query_one("#ribbon-token", Static).update(content)
