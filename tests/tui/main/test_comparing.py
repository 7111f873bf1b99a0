"""Comparing two sentences: the pane's model is asked, the newest comparison alone is shown."""

from __future__ import annotations

from dataclasses import replace

from core.errors import EngineError
from core.messages.protocol import Compare, Progress
from core.messages.records import Similarity, Target
from tests.tui.fake_engine import FakeEngine, answer_comparison
from tests.tui.fake_host import FakeHost, settle
from tui.main.comparing import Comparing
from tui.main.panes.similarity import SimilarityPane


class FakeSimilarity(SimilarityPane):
    """Notes what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.notes, self.failures, self.answers = list[str](), list[str](), list[Similarity]()

    def show_note(self, text: str, *, failed: bool = False) -> None:
        (self.failures if failed else self.notes).append(text)

    def show_answer(self, answer: Similarity) -> None:
        self.answers.append(answer)


async def test_the_panes_model_is_asked_on_the_device_in_use_and_the_answer_shown() -> None:
    engine, host, pane = FakeEngine(), FakeHost(), FakeSimilarity()
    host.target, pane.model = replace(host.target, device="cpu"), "starter/minilm"
    Comparing(host, engine, pane).start("A cat", "A dog")
    await settle()
    (request,) = engine.of(Compare)
    assert request == Compare(Target("starter/minilm", "cpu"), "A cat", "A dog", id=1)
    reply = engine.replies[1]
    reply.put(Progress(1, "weights", 0.5))
    for event in answer_comparison(request):
        reply.put(event)
    await host.done("compare")
    assert pane.notes == ["comparing…", "starter/minilm: weights, 50%"]
    assert [answer.model for answer in pane.answers] == ["starter/minilm"]


async def test_what_went_wrong_stands_in_the_pane() -> None:
    engine, host, pane = FakeEngine(), FakeHost(), FakeSimilarity()
    Comparing(host, engine, pane).start("A cat", "A dog")
    await settle()
    engine.replies[1].fail(EngineError("out of memory", "use a smaller model"))
    await host.done("compare")
    assert pane.failures == ["out of memory. hint: use a smaller model"]


async def test_a_newer_comparison_takes_the_older_ones_place() -> None:
    engine, host, pane = FakeEngine(), FakeHost(), FakeSimilarity()
    comparing = Comparing(host, engine, pane)
    comparing.start("One", "Two")
    await settle()
    engine.script = answer_comparison
    comparing.start("Three", "Four")
    await settle()
    for event in answer_comparison(engine.requests[0]):
        engine.replies[1].put(event)
    await settle()
    assert len(pane.answers) == 1
