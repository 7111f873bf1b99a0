"""Extractive question answering: spans and scores equal transformers' documented scoring, window by window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from core.engine.lab.question_answering import LONGEST_ANSWER, answer_question
from core.engine.networks.head import Head
from core.errors import InputError, ModelFormatError, SettingError
from core.lab.question_answering import AnsweredQuestion, AnswerQuestion
from tests.builders import FAMILIES, EncoderBuilder
from tests.loaded import desk, evaluated

QUESTION = "Who slept?"
CONTEXT = "The cat sat on the mat. 고양이 slept 🙂 all day long because untranslatable [bold] things happened."
LONG = " ".join(f"{CONTEXT} {number}." for number in range(12))


def answers(folder: Path | str, context: str = CONTEXT, question: str = QUESTION, **options: Any) -> AnsweredQuestion:
    """The answer to one question."""
    (answer,) = answer_question(desk(), AnswerQuestion(str(folder), question, context, **options))
    return answer


def reference(folder: Path, context: str, size: int, overlap: int) -> list[tuple[float, int, int]]:
    """Every possible span as (score, first character, last character + 1) of its tokens, best first, by plain loops."""
    from transformers import AutoModelForQuestionAnswering, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model = evaluated(AutoModelForQuestionAnswering.from_pretrained(folder))
    names = tokenizer.model_input_names
    encoded = tokenizer(QUESTION, add_special_tokens=False)["input_ids"]
    whole = tokenizer(context, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    room, spans = size - len(encoded) - 3, []
    for begin in range(0, len(whole["input_ids"]), room - overlap):
        pieces = whole["input_ids"][begin : begin + room]
        cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
        ids = [cls, *encoded, sep, *pieces, sep]
        inputs = {"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids), dtype=torch.long)}
        if "token_type_ids" in names:
            kinds = [0] * (len(encoded) + 2) + [1] * (len(pieces) + 1)
            inputs["token_type_ids"] = torch.tensor([kinds])
        with torch.no_grad():
            output = model(**inputs)
        first = len(encoded) + 2
        places = [0, *range(first, first + len(pieces))]  # [CLS] and the context
        start, end = (logits[0][places].softmax(-1).tolist() for logits in (output.start_logits, output.end_logits))
        for low in range(len(pieces)):
            for high in range(low, min(low + LONGEST_ANSWER, len(pieces))):
                left, right = whole["offset_mapping"][begin + low][0], whole["offset_mapping"][begin + high][1]
                spans.append((start[low + 1] * end[high + 1], left, right))
        if begin + room >= len(whole["input_ids"]):
            break
    return sorted(spans, reverse=True)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("context", [CONTEXT, LONG], ids=["one window", "many windows"])
def test_scores_equal_the_documented_scoring(build_encoder: EncoderBuilder, family: str, context: str) -> None:
    folder = build_encoder(family, Head.ANSWERS)
    answer = answers(folder, context, top=1)
    best_score, low, high = reference(folder, context, size=64, overlap=32)[0]
    (span,) = answer.spans
    assert span.score == pytest.approx(best_score, abs=1e-5)
    assert span.score == pytest.approx(span.start_prob * span.end_prob, abs=1e-6)
    assert span.start <= low < high <= span.end
    assert (answer.windows > 1) == (context is LONG)


def test_spans_are_whole_words_of_the_context_in_code_points(build_encoder: EncoderBuilder) -> None:
    spans = answers(build_encoder("bert", Head.ANSWERS), top=20).spans
    assert [span.rank for span in spans] == list(range(1, 21))
    assert [span.score for span in spans] == sorted((span.score for span in spans), reverse=True)
    assert len({(span.start, span.end) for span in spans}) == 20
    for span in spans:
        assert CONTEXT[span.start : span.end] == span.text
        before, after = CONTEXT[span.start - 1 : span.start], CONTEXT[span.end : span.end + 1]
        assert not (before.isalpha() and span.text[0].isalpha())
        assert not (after.isalpha() and span.text[-1].isalpha())


def test_a_span_of_overlapping_windows_is_named_once(build_encoder: EncoderBuilder) -> None:
    spans = answers(build_encoder("bert", Head.ANSWERS), LONG, top=30).spans
    assert len({(span.start, span.end) for span in spans}) == len(spans) == 30
    assert len({span.window for span in spans}) > 1


def test_no_span_is_longer_than_fifteen_tokens(build_encoder: EncoderBuilder) -> None:
    spans = answers(build_encoder("bert", Head.ANSWERS), "word " * 40, top=1000).spans
    lengths = [len(span.text.split()) for span in spans]
    assert max(lengths) == LONGEST_ANSWER
    assert len(spans) == sum(40 - length for length in range(LONGEST_ANSWER))  # every one there is


def test_start_and_end_probabilities_leave_room_for_no_answer(build_encoder: EncoderBuilder) -> None:
    answer = answers(build_encoder("bert", Head.ANSWERS), "Paris", top=5)
    (span,) = answer.spans
    assert span.text == "Paris"
    assert span.start_prob < 1
    left = (1 - span.start_prob) * (1 - span.end_prob)  # what [CLS] has of both
    assert answer.no_answer == pytest.approx(left, abs=1e-6)


def test_what_cannot_be_answered_is_refused(build_encoder: EncoderBuilder, classifier_folder: Path) -> None:
    folder = build_encoder("bert", Head.ANSWERS)
    with pytest.raises(SettingError, match="SQuAD"):
        AnswerQuestion("", QUESTION, CONTEXT)
    with pytest.raises(InputError, match="context is empty"):
        answers(folder, " \n")
    with pytest.raises(InputError, match="question is empty"):
        answers(folder, question="")
    with pytest.raises(InputError, match="shorter"):
        answers(folder, question="why " * 40)
    with pytest.raises(ModelFormatError, match="SQuAD"):
        answers(classifier_folder)


def test_a_cancelled_question_gives_no_answer(build_encoder: EncoderBuilder) -> None:
    question = AnswerQuestion(str(build_encoder("bert", Head.ANSWERS)), QUESTION, CONTEXT)
    assert list(answer_question(desk(should_stop=lambda: True), question)) == []
