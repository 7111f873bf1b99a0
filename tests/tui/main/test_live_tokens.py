"""Tokens that follow the typing: short texts at once, long ones after a pause, each tokenizer when it is there."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from core.messages.records import TokenPiece
from core.models.registry import STARTER_FOLDER, resolve
from core.text.tokenization import Scheme, SpecialToken, TextTokenizer
from tests.core.gguf_files import GgufFile
from tests.tui.conftest import read_tokenizer
from tests.tui.fake_engine import FakeEngine
from tests.tui.fake_host import FakeHost
from tui.main.live_tokens import LONG_TEXT, WORDPIECE, LiveTokens
from tui.main.panes.prompt import PromptPane
from tui.main.panes.tokens import Breakdown, TokensPane

GPT2 = "starter/gpt2"


class FakeTokens(TokensPane):
    """Notes what it shows."""

    def __init__(self) -> None:
        super().__init__()
        self.shown, self.special = list[tuple[Breakdown, str, str, int]](), list[list[str]]()
        self.missing: list[str] = []

    def show(
        self,
        view: Breakdown,
        name: str,
        scheme: Scheme,
        pieces: tuple[TokenPiece, ...],
        source: str,
        notes: Sequence[str] = (),
    ) -> None:
        self.shown.append((view, name, source, len(pieces)))

    def show_special(self, tokenizers: dict[str, tuple[SpecialToken, ...]]) -> None:
        self.special.append(list(tokenizers))

    def show_missing(self, name: str) -> None:
        self.missing.append(name)

    @property
    def sources(self) -> list[str]:
        """The texts that were broken down, each once."""
        return list(dict.fromkeys(source for _, _, source, _ in self.shown))


class Live:
    """The hand and what it works for, its tokenizers read."""

    def __init__(self) -> None:
        self.host, self.pane, self.prompt = FakeHost(), FakeTokens(), PromptPane()
        self.hand = LiveTokens(self.host, FakeEngine(), self.pane, self.prompt, pause_s=0)

    async def begin(self, model: str = GPT2) -> None:
        self.hand.begin(model)
        await self.host.done("tokenizers")


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> Live:
    """The hand; each tokenizer is read once for all tests."""
    monkeypatch.setattr(TextTokenizer, "from_folder", read_tokenizer)
    return Live()


async def test_both_tokenizers_are_read_then_the_prompt_is_shown_and_what_is_typed_at_once(live: Live) -> None:
    live.prompt.text = "Once upon"
    await live.begin()
    assert live.pane.special == [[GPT2, WORDPIECE]]
    live.hand.show("Once upon a")
    assert live.pane.shown == [
        (Breakdown.GENERATOR, GPT2, "Once upon", 2),
        (Breakdown.WORDPIECE, WORDPIECE, "Once upon", 4),
        (Breakdown.GENERATOR, GPT2, "Once upon a", 3),
        (Breakdown.WORDPIECE, WORDPIECE, "Once upon a", 5),
    ]


async def test_a_long_text_waits_for_a_pause_and_a_newer_one_replaces_it(live: Live) -> None:
    await live.begin()
    long = "word " * LONG_TEXT
    live.hand.show(f"{long}1")
    live.hand.show(f"{long}2")
    live.hand.show(f"{long}3")
    assert live.pane.sources == [""]
    await live.host.done("live-tokens")
    assert live.pane.sources == ["", f"{long}3"]
    live.hand.show(f"{long}4")
    live.hand.show("short")
    assert live.host.tasks["live-tokens"].cancelling()
    assert live.pane.sources == ["", f"{long}3", "short"]


async def test_a_tokenizer_that_is_missing_is_said_and_the_other_one_works(live: Live, tmp_path: Path) -> None:
    await live.begin(str(tmp_path / "nothing"))
    (told,) = live.host.told
    assert "nothing" in told
    assert [view for view, *_ in live.pane.shown] == [Breakdown.WORDPIECE]


async def test_the_tokens_of_a_gguf_file_come_with_its_conversion(
    live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = str(GgufFile().write(tmp_path / "tiny.gguf"))
    await live.begin()
    await live.begin(file)
    assert live.pane.special[-1] == [WORDPIECE]  # the one of the model before is gone
    assert live.pane.missing == [file]
    live.hand.model_came(GPT2)
    shutil.copytree(STARTER_FOLDER / "gpt2", resolve(file).folder)
    live.hand.model_came(file)
    await live.host.done("tokenizers")
    assert set(live.pane.special[-1]) == {WORDPIECE, file}
    assert live.host.told == []
