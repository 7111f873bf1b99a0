"""WordPiece step by step: every piece the tokenizer tries for a word, until the word is cut or given up."""

from __future__ import annotations

import asyncio
from collections.abc import Container
from itertools import groupby

from rich.cells import cell_len
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.getters import query_one
from textual.widgets import Checkbox, Input, Label, Static

from core.errors import EngineError, InputError
from core.lab.wordpiece import CONTINUES, UNKNOWN, Try, Walk, walk
from core.models.registry import tokenizer_folder
from core.text.tokenization import TextTokenizer
from core.text.visible import check_not_empty, visible, visible_alone
from tui.lab.catalogue import Lab
from tui.lab.local_pane import LocalPane
from tui.widgets.check import Check
from tui.widgets.fields import Field

_BERT = "bert-base-uncased"
_EXAMPLE = "playing unplayable"
VOCABULARY = "play ##play ##ing ##ed ##er ##s un ##able"
WORDS = 60
"""How many words are walked and shown."""

ALIGNED_CELLS = 24
"""A piece further right in its word is not put under its letters."""

MISSES = 4
"""A longer run of misses is shown by its first two and its last."""


class WordPiecePane(LocalPane):
    """A text and a vocabulary in, the greedy walk out."""

    HELP = """\
# WordPiece

BERT's vocabulary of 30,522 pieces cannot hold every word, so a word that is missing is cut into pieces that are \
there, and a piece that continues a word starts with `##`. The walk is greedy: it tries the whole rest of the word, \
drops one character from the end until the vocabulary has the piece, and goes on behind it. When not even one \
character is found, the whole word becomes `[UNK]`, whatever was found before.

Type a word or a sentence, and change the pieces of the small vocabulary; the switch takes BERT's own. Text is \
lower-cased and split at spaces and punctuation first, as bert-base-uncased does it; Tab goes to the answer, where the \
arrow keys scroll.
"""

    text = query_one("#wordpiece-text", Input)
    pieces = query_one("#wordpiece-pieces", Input)
    use_berts = query_one("#wordpiece-berts", Checkbox)
    answer = query_one("#wordpiece-answer", Static)

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab)
        self._tokenizer: TextTokenizer | None = None

    def compose_body(self) -> ComposeResult:
        """The text, the vocabulary, the switch, the answer."""
        with Horizontal(classes="lab-field"):
            yield Label("text")
            yield Field(_EXAMPLE, id="wordpiece-text", compact=True)
        with Horizontal(classes="lab-field"):
            yield Label("vocabulary")
            yield Field(VOCABULARY, id="wordpiece-pieces", compact=True)
        yield Check("BERT's own vocabulary (30,522)", id="wordpiece-berts", compact=True)
        with VerticalScroll():
            yield Static("", id="wordpiece-answer")

    def on_mount(self) -> None:
        """Read BERT's tokenizer in the background."""
        self.run_worker(self._read_tokenizer(), exit_on_error=False)

    def refresh_answer(self) -> None:
        """Walk the words of the text."""
        if self._tokenizer is None:
            self.show_note("reading BERT's tokenizer…")
            return
        words = self._tokenizer.words(check_not_empty(self.text.value, "the text"))
        if not words:
            raise InputError("the tokenizer drops every character of this text", "write a word")
        vocabulary, size = self._vocabulary(self._tokenizer)
        walks = [walk(word, vocabulary) for word in words[:WORDS]]
        tokens = [token for walked in walks for token in walked.tokens]
        heading = Content.styled(f"tokens: {' '.join(map(visible_alone, tokens))}\n", "bold")
        self.answer.update(Content("").join([heading, *map(_walk_rows, walks)]))
        tries = sum(len(walked.tries) for walked in walks)
        more = f"; the first {WORDS} of {len(words):,} words" if len(words) > WORDS else ""
        self.show_note(f"{tries:,} pieces tried, {len(tokens)} tokens, vocabulary of {size:,}{more}")

    def _vocabulary(self, tokenizer: TextTokenizer) -> tuple[Container[str], int]:
        """The pieces that count now, and how many they are; the special tokens are always among them."""
        if self.use_berts.value:
            return tokenizer.entries, len(tokenizer.entries)
        own = set(self.pieces.value.split())
        if not own:
            raise InputError("the vocabulary is empty", "write pieces with spaces between them, such as play ##ing")
        return own.union(special.token for special in tokenizer.special_tokens), len(own)

    async def _read_tokenizer(self) -> None:
        try:
            tokenizer = await asyncio.to_thread(TextTokenizer.from_folder, _BERT, tokenizer_folder(_BERT))
            await asyncio.to_thread(getattr, tokenizer, "entries")
        except EngineError as error:
            self.show_note(str(error), failed=True)
            return
        self._tokenizer = tokenizer
        self.ask()

    @on(Input.Changed)
    @on(Checkbox.Changed)
    def _follow(self, event: Input.Changed | Checkbox.Changed) -> None:
        event.stop()
        self.pieces.disabled = self.use_berts.value
        self.ask()

    @on(Input.Submitted)
    def _ask(self, event: Input.Submitted) -> None:
        event.stop()
        self.ask()


def _walk_rows(walked: Walk) -> Content:
    """The pieces tried for a word, each under the letters it covers."""
    word = visible_alone(walked.word)
    if walked.too_long:
        return Content.styled(f"  {word[:20]}… ✗ {len(walked.word):,} characters, over 100: {UNKNOWN}\n", "$text-error")
    if walked.tokens == (walked.word,):
        return Content.assemble((f"  {word}", "bold"), ("  ✓ found whole\n", "$text-success"))
    parts: list[str | tuple[str, str]] = []
    for _, group in groupby(walked.tries, key=lambda tried: tried.start):
        tries = list(group)
        misses = [tried for tried in tries if not tried.found]
        left_out = len(misses) - 3 if len(misses) > MISSES else 0
        for index, tried in enumerate(tries):
            if not left_out or not 2 <= index < 2 + left_out:
                parts.append(_try_row(tried))
            elif index == 2:
                parts.append((f"{' ' * _indent(tried)}… {left_out} shorter ones ✗\n", "$text-muted"))
    if walked.tokens == (UNKNOWN,):
        rest = visible_alone(walked.word[walked.tries[-1].start :])
        parts.append((f"  nothing fits at {rest}: the whole word is {UNKNOWN}\n", "$text-error"))
    return Content.assemble(*parts)


def _try_row(tried: Try) -> tuple[str, str]:
    """One look into the vocabulary."""
    shown = f"{' ' * _indent(tried)}{visible_alone(tried.piece)}"
    cells = len(CONTINUES) + min(cell_len(visible(tried.word)), ALIGNED_CELLS) + 2
    shown += " " * max(1, cells - cell_len(shown))
    if tried.found:
        return f"{shown}✓ found\n", "$text-success"
    is_whole = tried.start == 0 and tried.end == len(tried.word)
    return f"{shown}✗{' not in the vocabulary' if is_whole else ''}\n", "bold" if is_whole else "$text-muted"


def _indent(tried: Try) -> int:
    """The cells before a piece, so that its letters stand under those of its word where the word is short."""
    before = cell_len(visible(tried.word[: tried.start])) if tried.start else len(CONTINUES)
    return before if before <= ALIGNED_CELLS else len(CONTINUES)
