"""Sentiment: every label's probability equals the text-classification pipeline, whole and with each word left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.engine.lab import many_texts
from core.engine.lab.sentiment import leave_out, read_sentiment
from core.engine.networks.head import Head
from core.errors import InputError, ModelFormatError
from core.lab.sentiment import ReadSentiment, Sentiment
from core.models.registry import resolve
from tests.builders import FAMILIES, EncoderBuilder
from tests.loaded import desk

TEXTS = ("A warm, funny film.", "dull", "정말 좋은 영화 😀 [/b]", "It goes on and on and on without any end in sight")


def read(folder: Path | str, *texts: str, contributions: bool = False) -> list[Sentiment]:
    """The answers to one question."""
    return list(read_sentiment(desk(), ReadSentiment(str(folder), texts, contributions)))


def pipeline_scores(folder: Path, texts: list[str]) -> list[dict[str, float]]:
    """Every label's score by transformers' own pipeline."""
    from transformers import pipeline

    classify: Any = pipeline("text-classification", model=str(folder), top_k=None, dtype=torch.float32)
    return [{entry["label"]: entry["score"] for entry in classify(text)[0]} for text in texts]


def scores(answer: Sentiment) -> dict[str, float]:
    return {score.label: score.prob for score in answer.scores}


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_equal_the_pipeline(build_encoder: EncoderBuilder, family: str) -> None:
    folder = build_encoder(family, Head.CLASSIFIER, id2label={0: "bad", 1: "so so", 2: "good"})
    expected = pipeline_scores(folder, list(TEXTS))
    answers = read(folder, *TEXTS)
    assert [(answer.index, answer.text) for answer in answers] == list(enumerate(TEXTS))
    for answer, wanted in zip(answers, expected, strict=True):
        assert scores(answer) == pytest.approx(wanted, abs=1e-5)
        assert answer.label == max(wanted, key=lambda label: wanted[label])
        assert answer.words == ()
        assert not answer.truncated


@pytest.mark.parametrize(
    "changes",
    [{"id2label": {0: "toxic"}}, {"id2label": {0: "a", 1: "b", 2: "c"}, "problem_type": "multi_label_classification"}],
    ids=["one label", "several labels at once"],
)
def test_labels_that_do_not_exclude_each_other_have_a_sigmoid_each(
    build_encoder: EncoderBuilder, changes: dict[str, Any]
) -> None:
    folder = build_encoder("bert", Head.CLASSIFIER, **changes)
    expected = pipeline_scores(folder, list(TEXTS))
    assert [scores(answer) for answer in read(folder, *TEXTS)] == [pytest.approx(row, abs=1e-5) for row in expected]


def test_the_starter_equals_the_pipeline_with_every_word_left_out() -> None:
    text = "not  good at all"
    without = ["good at all", "not  at all", "not  good all", "not  good at"]
    whole, *rest = pipeline_scores(resolve("starter/sst2").folder, [text, *without])
    (answer,) = read("starter/sst2", text, contributions=True)
    assert scores(answer) == pytest.approx(whole, abs=1e-5)
    assert [(word.word, text[word.start : word.end]) for word in answer.words] == [(w, w) for w in text.split()]
    assert [word.without for word in answer.words] == pytest.approx([row[answer.label] for row in rest], abs=1e-5)
    for word in answer.words:
        assert word.contribution == pytest.approx(whole[answer.label] - word.without, abs=1e-5)
    assert answer.words[0].contribution > 0.1, "without its not the text is praise"


def test_more_words_than_a_batch_are_all_left_out(classifier_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "the cat sat on the mat and slept"
    (at_once,) = read(classifier_folder, text, contributions=True)
    monkeypatch.setattr(many_texts, "BATCH", 3)
    (in_chunks,) = read(classifier_folder, text, contributions=True)
    assert [word.without for word in in_chunks.words] == pytest.approx(
        [word.without for word in at_once.words], abs=1e-5
    )
    assert len({round(word.without, 6) for word in at_once.words}) > 4, (
        "words must differ for this test to mean anything"
    )


def test_a_text_too_long_is_cut_says_so_and_only_its_read_words_count(classifier_folder: Path) -> None:
    text = " ".join(["cat", "dog"] * 100)
    (answer,) = read(classifier_folder, text, contributions=True)
    assert answer.truncated
    assert len(answer.words) == 62  # 64 positions, [CLS] and [SEP]
    head = " ".join(text.split()[:62])
    (same,) = read(classifier_folder, head)
    assert not same.truncated
    assert scores(same) == pytest.approx(scores(answer), abs=1e-5)


def test_blank_text_is_read_and_has_no_words(classifier_folder: Path) -> None:
    (answer,) = read(classifier_folder, " ", contributions=True)
    assert answer.words == ()
    assert sum(scores(answer).values()) == pytest.approx(1)


def test_cancelling_between_two_texts_keeps_what_is_done(classifier_folder: Path) -> None:
    seen: list[str] = []
    place = desk(
        progress=lambda stage, fraction: seen.append(stage), should_stop=lambda: seen.count("leaving words out") > 1
    )
    question = ReadSentiment(str(classifier_folder), ("one two", "three four", "five six"), contributions=True)
    assert [answer.text for answer in read_sentiment(place, question)] == ["one two"]


def test_what_cannot_be_read_is_refused(build_encoder: EncoderBuilder) -> None:
    with pytest.raises(InputError, match="no text"):
        ReadSentiment("starter/sst2", ())
    folder = build_encoder("bert", Head.CLASSIFIER, id2label={0: "stars"}, problem_type="regression")
    with pytest.raises(ModelFormatError, match="gives a number, not labels"):
        read(folder, "five stars")


@given(st.lists(st.text("ab한", min_size=1), min_size=1, max_size=6), st.data())
def test_leaving_a_word_out_leaves_the_others(words: list[str], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(words) - 1))
    starts = [sum(len(word) + 1 for word in words[:index]) for index in range(len(words))]
    spans = [(start, start + len(word)) for start, word in zip(starts, words, strict=True)]
    assert leave_out(" ".join(words), spans, place) == " ".join(words[:place] + words[place + 1 :])
