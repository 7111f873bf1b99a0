"""The sentiment pane: each line answered once, and the words of the line under the cursor."""

from __future__ import annotations

from core.lab.sentiment import LabelScore, LeftOutWord, ReadSentiment, Sentiment
from core.messages.protocol import Answered, Ask, Done, Event, Work
from tests.tui.lab.conftest import SnapPane
from tests.tui.lab.lab import last_question, opened, questions
from tui.lab.pane import LabPane
from tui.lab.sentiment.pane import SENTIMENT_EXAMPLE, SentimentPane

LINES = tuple(SENTIMENT_EXAMPLE.split("\n"))


def sentiment(text: str, index: int = 0, *, words: bool = False) -> Sentiment:
    """An answer: positive, and the first word speaks against it."""
    spans = [(text.index(word), word) for word in text.split()]
    left_out = tuple(
        LeftOutWord(word, start, start + len(word), 0.5, -0.4 if place == 0 else 0.1 * place)
        for place, (start, word) in enumerate(spans)
    )
    scores = (LabelScore("NEGATIVE", 0.125), LabelScore("POSITIVE", 0.875))
    return Sentiment(
        "starter/distilbert-sst2", index, text, "POSITIVE", scores, left_out if words else (), truncated=False
    )


def script(request: Work) -> list[Event]:
    """Answers what is asked."""
    if not isinstance(request, Ask):
        return []
    question = request.question
    assert isinstance(question, ReadSentiment)
    answers = [sentiment(text, place, words=question.contributions) for place, text in enumerate(question.texts)]
    return [*(Answered(request.id, answer) for answer in answers), Done(request.id)]


def note(pane: LabPane) -> str:
    """The line at the bottom."""
    return str(pane.query_one(".lab-note").render())


async def test_all_lines_are_asked_about_then_the_words_of_the_first() -> None:
    async with opened(SentimentPane, script=script) as (running, pane):
        await running.until(lambda: "−0.400" in str(pane.words.content))
        assert questions(running.engine) == [
            ReadSentiment("starter/distilbert-sst2", LINES),
            ReadSentiment("starter/distilbert-sst2", LINES[:1], contributions=True),
        ]
        shown = str(pane.lines.content).split("\n")
        assert [row[0] for row in shown] == ["▸", " ", " "]
        assert all("POSITIVE" in row and "87.5%" in row for row in shown)


async def test_moving_the_cursor_asks_for_that_line_s_words_only_once() -> None:
    async with opened(SentimentPane, script=script) as (running, pane):
        await running.until(lambda: len(questions(running.engine)) == 2)
        pane.texts.focus()
        await running.pilot.press("down")
        await running.until(lambda: "dull" in str(pane.words.content))
        assert questions(running.engine)[-1] == ReadSentiment("starter/distilbert-sst2", LINES[1:2], contributions=True)
        await running.pilot.press("up")
        await running.until(lambda: "clever" in str(pane.words.content))
        pane.ask()
        assert len(questions(running.engine)) == 3


async def test_a_changed_line_is_read_with_its_words_and_the_others_are_not_read_again() -> None:
    async with opened(SentimentPane, script=script) as (running, pane):
        await running.until(lambda: len(questions(running.engine)) == 2)
        pane.texts.focus()
        await running.type("[/b] ")
        await running.until(lambda: "[/b]" in str(pane.words.content))
        changed = f"[/b] {LINES[0]}"
        await running.until(
            lambda: (
                last_question(running.engine)
                == ReadSentiment("starter/distilbert-sst2", (changed,), contributions=True)
            )
        )
        assert all(LINES[1] not in question.texts for question in questions(running.engine)[2:])  # type: ignore[attr-defined]


async def test_another_model_reads_everything_again() -> None:
    async with opened(SentimentPane, script=script) as (running, pane):
        await running.until(lambda: len(questions(running.engine)) == 2)
        pane.query_one(".lab-model-name").value = "other"  # type: ignore[attr-defined]
        pane.ask()
        await running.until(lambda: len(questions(running.engine)) == 4)
        assert questions(running.engine)[2] == ReadSentiment("other", LINES)


async def test_no_text_says_what_to_do() -> None:
    async with opened(SentimentPane, script=script) as (running, pane):
        await running.until(lambda: len(questions(running.engine)) == 2)
        pane.texts.text = " \n"
        pane.ask()
        assert "write a text" in note(pane)
        assert str(pane.lines.content) == str(pane.words.content) == ""


async def test_a_stopped_question_is_not_asked_again() -> None:
    def stop(request: Work) -> list[Event]:
        return [Done(request.id)] if isinstance(request, Ask) else []

    async with opened(SentimentPane, script=stop) as (running, pane):
        await running.until(lambda: note(pane) == "stopped")
        assert len(questions(running.engine)) == 1


def test_the_pane_at_80_by_24(snap_pane: SnapPane) -> None:
    """You should see three lines with bars, ▸ before the first, and its words with bars to the left − and right +."""
    assert snap_pane(SentimentPane, *(sentiment(text, place, words=True) for place, text in enumerate(LINES)))
