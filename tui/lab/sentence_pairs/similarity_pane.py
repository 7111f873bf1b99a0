"""Similarity of many sentences: one against the others, ranked, or all against all as a heat map."""

from __future__ import annotations

from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.getters import query_one
from textual.reactive import reactive
from textual.widgets import Static, TextArea

from core.lab.records import Answer, Question
from core.lab.sentence_pairs import CompareAll, RankedSentence, RankedSentences, RankSentences, SimilarityMatrix
from core.models.registry import DEFAULT_PARAPHRASER
from tui.lab.catalogue import Lab
from tui.lab.pane import LabPane
from tui.widgets.bars import bar, fit
from tui.widgets.fields import Area
from tui.widgets.lines import split_lines
from tui.widgets.pictures.pair_map import PairMap

SIMILARITY_EXAMPLE = """\
The cat is on the mat
A feline is sitting on a rug
I love pizza
Python is a programming language
He runs fast
She walks slowly"""

_BAR_CELLS = 8
_NUMBER_CELLS = 30
"""What the numbers of a ranked row take, the bar aside."""
MOST_ROWS = 200
"""Of a ranking; the command line shows longer ones whole."""


class SimilarityLab(LabPane):
    """A list of sentences in; a ranking or a heat map out, as one types."""

    MODELS: ClassVar[dict[str, str]] = {"model": DEFAULT_PARAPHRASER}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+t", "switch", "Rank / map", tooltip="Rank the list, or compare all with all", priority=True),
    ]
    HELP = """\
# Similarity

A BERT fine-tuned on MRPC reads two sentences together and says how likely they mean the same, so a list of N \
sentences takes N × N readings. It need not say the same for A→B and B→A: the ranking goes by the mean of both and \
shows how far apart they are (±). The cosine compares the sentences' averaged hidden states, each read alone, which \
takes only N readings but was never trained for this.

Write or paste one sentence a line. **ctrl+t** switches: *rank* compares the first line with all others, *heat map* \
all with all. In the map each cell is P(similar) in per cent with the row's sentence first (99 stands for all from 99 \
on); **Tab** goes into it, the arrow keys walk the pairs, and below the map the sentences stand in full.
"""

    sentences = query_one("#similarity-sentences", TextArea)
    ranking = query_one("#similarity-ranking", Static)
    map = query_one("#similarity-map", PairMap)

    is_map: reactive[bool] = reactive(False)

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab)
        self._ranked: RankedSentences | None = None
        self._matrix: SimilarityMatrix | None = None

    def compose_body(self) -> ComposeResult:
        """The list; the ranking and the map, of which one is shown."""
        yield Area(SIMILARITY_EXAMPLE, id="similarity-sentences", soft_wrap=False)
        with VerticalScroll(id="similarity-ranked"):
            yield Static("", id="similarity-ranking")
        yield PairMap(id="similarity-map")

    def watch_is_map(self, is_map: bool) -> None:
        """Show the ranking or the map."""
        self.query_one("#similarity-ranked").display = not is_map
        self.map.display = is_map
        self.border_subtitle = "heat map · ctrl+t ranks" if is_map else "rank · ctrl+t heat map"

    def question(self) -> Question | None:
        """Ask for a ranking or a matrix once there are two sentences."""
        lines = split_lines(self.sentences.text)
        if len(lines) < 2:
            self.show_note("write at least two sentences, one a line")
            return None
        if self.is_map:
            return CompareAll(self.model(), lines)
        return RankSentences(self.model(), lines[0], lines[1:])

    def show_answer(self, answer: Answer) -> None:
        """Show a ranking or a map."""
        if isinstance(answer, RankedSentences):
            self._ranked = answer
            self._paint_ranking(answer)
            cut = sum(one.truncated for one in answer.ranked)
            order = "" if answer.by_cosine else ", mean of both orders"
            self.show_note(f"{answer.model}: {answer.method}{order}{_cut(cut)}")
        else:
            assert isinstance(answer, SimilarityMatrix)
            self._matrix = answer
            self.map.show(answer.sentences, answer.similar)

    def action_switch(self) -> None:
        """Rank instead of comparing all with all, or the other way round."""
        self.is_map = not self.is_map
        self.show_note("")
        self.ask()

    def on_resize(self, event: events.Resize) -> None:
        """Give the ranked sentences the room there is."""
        if self._ranked is not None:
            self._paint_ranking(self._ranked)

    @on(TextArea.Changed)
    def _follow(self, event: TextArea.Changed) -> None:
        event.stop()
        self.ask_soon()

    @on(PairMap.PairHighlighted)
    def _tell_pair(self, event: PairMap.PairHighlighted) -> None:
        event.stop()
        matrix, first, second = self._matrix, event.first, event.second
        if matrix is None or not self.is_map:
            return
        forth, back = matrix.similar[first][second], matrix.similar[second][first]
        self.show_note(
            ("" if matrix.by_cosine else f"{first + 1}→{second + 1} {forth:.1%}  {second + 1}→{first + 1} {back:.1%}  ")
            + f"cosine {matrix.cosine[first][second]:.2f}  {matrix.model}{_cut(matrix.truncated)}"
        )

    def _paint_ranking(self, answer: RankedSentences) -> None:
        cells = max(12, self.ranking.container_size.width - _BAR_CELLS - _NUMBER_CELLS - 2)
        shown = answer.ranked[:MOST_ROWS]
        more = len(answer.ranked) - len(shown)
        numbers = f"{'':19}" if answer.by_cosine else f"{'mean':>6}  A→B  B→A    ±"
        head = f"{fit(answer.sentence, cells)} {'':{_BAR_CELLS}}{numbers} cosine\n"
        parts: list[Content | str | tuple[str, str]] = [(head, "bold")]
        parts += [_ranked_row(one, cells, answer.by_cosine) for one in shown]
        if more:
            parts.append((f"… and {more:,} more; nlp-tui rank shows all", "$text-muted"))
        self.ranking.update(Content.assemble(*parts))


def _ranked_row(one: RankedSentence, cells: int, by_cosine: bool) -> Content:
    percents = f"{'':13}" if by_cosine else f"{one.a_to_b:>5.0%}{one.b_to_a:>5.0%}{one.spread:>5.0%}"
    return Content.assemble(
        f"{fit(one.text, cells)} ",
        (bar(max(0.0, one.mean), _BAR_CELLS), "$success"),
        ("" if by_cosine else f"{one.mean:>6.1%}", "bold"),
        (f"{percents} {one.cosine:>6.2f}\n", "$text-muted"),
    )


def _cut(pairs: int) -> str:
    return f", {pairs} cut to its positions" if pairs else ""
