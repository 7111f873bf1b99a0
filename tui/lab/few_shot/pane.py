"""Zero- and few-shot: a task in a prompt, and how likely a causal model finds each of the answers on offer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.getters import query_one
from textual.widgets import Checkbox, Input, Label, Static, TextArea

from core.errors import InputError
from core.lab.few_shot import TEMPLATE, ScoreAnswers, ScoredAnswer, ScoredAnswers, build_prompt, parse_example
from core.lab.records import Answer, Question
from core.models.registry import DEFAULT_GENERATOR
from core.text.visible import visible
from tui.lab.pane import LabPane
from tui.widgets.bars import bar, fit
from tui.widgets.check import Check
from tui.widgets.fields import Area, Field
from tui.widgets.pictures import shading

FIELDS = {
    "task": "Is the child happy or sad?",
    "query": "The boy fell and cried.",
    "answers": "happy | sad",
    "template": TEMPLATE,
}
EXAMPLES = """\
Tim got a big cake for his birthday. => happy
The dog was lost in the dark. => sad"""

SEPARATOR = "|"
"""Between the answers."""

ANSWER_CELLS, _BAR_CELLS, COLUMN_CELLS = 11, 6, 21


class FewShotPane(LabPane):
    """A prompt made of a task, examples and a query; the answers' scores as a whole and per token."""

    MODELS: ClassVar[dict[str, str]] = {"model": DEFAULT_GENERATOR}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+t", "toggle_examples", "Zero/few", tooltip="With the examples or without", priority=True),
    ]
    HELP = """\
# Zero- and few-shot

A causal model is trained for nothing but the next token, yet a prompt can set it a task: a line that says what to do, \
a few solved examples (few-shot) or none (zero-shot), and the case to be solved. Instead of letting it write, each \
answer on offer is read after the prompt and scored by its log-probability, the sum of the logprobs of its tokens. \
Since a sum only falls with every token, long answers lose; the mean per token makes up for that, and the two can \
disagree.

Examples stand one a line, `input => output`; answers are separated by `|`; the template says how a case is written, \
`\\n` in it is a line end. **ctrl+t** takes the examples away and brings them back. `▸` marks the winner of each \
column; the bars are shares among the answers on offer. An answer is read with a space before it, as GPT-2's tokens \
want it. Below stands the prompt exactly as the model reads it.
"""

    examples = query_one("#few-shot-examples", TextArea)
    with_examples = query_one("#few-shot-with-examples", Checkbox)
    scores = query_one("#few-shot-scores", Static)

    def compose_body(self) -> ComposeResult:
        """The parts of the prompt, the answers, the scores."""
        for name, value in FIELDS.items():
            with Horizontal(classes="lab-field"):
                yield Label(name)
                yield Field(value, id=f"few-shot-{name}", classes="few-shot-field", compact=True)
        yield Area(EXAMPLES, id="few-shot-examples")
        yield Check("with the examples (few-shot)", value=True, id="few-shot-with-examples", compact=True)
        with VerticalScroll():
            yield Static("", id="few-shot-scores")

    def question(self) -> Question | None:
        """Ask about the prompt that the fields make."""
        lines = [line for line in self.examples.text.split("\n") if line.strip()]
        examples = [parse_example(line) for line in lines] if self.with_examples.value else []
        template = self._field("template").replace("\\n", "\n")
        prompt = build_prompt(self._field("task"), examples, self._field("query"), template)
        answers = tuple(filter(None, map(str.strip, self._field("answers").split(SEPARATOR))))
        if not answers:
            raise InputError("there is no answer on offer", f"write two or more with {SEPARATOR} between them")
        return ScoreAnswers(self.model(), prompt, answers)

    def show_answer(self, answer: Answer) -> None:
        """Two columns of bars, the tokens of each answer, the prompt."""
        assert isinstance(answer, ScoredAnswers)
        rows = [_row(scored) for scored in answer.answers]
        self.scores.update(
            Content.assemble(
                (
                    f"{'answer':<{ANSWER_CELLS + 1}}{'whole: share, sum':<{COLUMN_CELLS}}per token: share, mean\n",
                    "bold",
                ),
                *rows,
                *(_token_line(scored) for scored in answer.answers if len(scored.tokens) > 1),
                ("prompt\n", "bold"),
                *((f"│ {visible(line)}\n", "$text-muted") for line in answer.prompt.split("\n")),
            )
        )
        whole, per_token = (_winner(answer.answers, is_best) for is_best in (_best, _best_per_token))
        verdict = f"{whole} wins both ways" if whole == per_token else f"whole: {whole} wins; per token: {per_token}"
        self.show_note(f"{verdict}; {answer.model}, {answer.prompt_tokens} prompt tokens")

    def action_toggle_examples(self) -> None:
        """With the examples, or without."""
        self.with_examples.toggle()

    @on(Input.Changed, ".few-shot-field")
    @on(TextArea.Changed)
    @on(Checkbox.Changed)
    def _follow(self, event: Input.Changed | TextArea.Changed | Checkbox.Changed) -> None:
        event.stop()
        self.ask_soon()

    @on(Input.Submitted, ".few-shot-field")
    def _ask(self, event: Input.Submitted) -> None:
        event.stop()
        self.ask()

    def _field(self, name: str) -> str:
        return self.query_one(f"#few-shot-{name}", Input).value


def _best(scored: ScoredAnswer) -> bool:
    return scored.best


def _best_per_token(scored: ScoredAnswer) -> bool:
    return scored.best_per_token


def _winner(answers: Sequence[ScoredAnswer], is_best: Callable[[ScoredAnswer], bool]) -> str:
    return next(scored.answer for scored in answers if is_best(scored))


def _row(scored: ScoredAnswer) -> Content:
    """One answer: its name, and a column for each way to count."""
    columns = (
        (scored.best, scored.prob, scored.sum),
        (scored.best_per_token, scored.prob_per_token, scored.mean),
    )
    parts: list[str | tuple[str, str]] = [f"{fit(scored.answer, ANSWER_CELLS)} "]
    for wins, share, logprob in columns:
        parts += [
            "▸" if wins else " ",
            (bar(share, _BAR_CELLS), "$success"),
            f" {share:>4.0%} {logprob:>7.2f} ",
        ]
    return Content.assemble(*parts, "\n")


def _token_line(scored: ScoredAnswer) -> Content:
    """The logprob of each token of an answer that has several."""
    tokens = " ".join(f"{shading.name(token.text)} {token.logprob:.2f}" for token in scored.tokens)
    return Content.assemble((f"{tokens}\n", "$text-muted"))
