"""An encoder without a classification head compares sentences by their cosine alone, and says so."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from core.engine.engine import Engine
from core.engine.lab.sentence_pairs import compare_all, rank_sentences
from core.engine.networks.head import Head
from core.errors import ModelFormatError
from core.lab.sentence_pairs import CompareAll, RankSentences
from core.messages.protocol import Compare, Compared, Event
from core.messages.records import Similarity, Target
from tests.builders import EncoderBuilder
from tests.loaded import desk, evaluated

SENTENCES = ("The cat is on the mat", "I love pizza", "한국어 [bold]", "word " * 100)


@pytest.fixture(scope="module", params=["bert", "distilbert", "roberta"])
def folder(request: pytest.FixtureRequest, build_encoder: EncoderBuilder) -> Path:
    return build_encoder(request.param, Head.STATES)


@pytest.fixture(scope="module")
def cosines(folder: Path) -> torch.Tensor:
    """(N, N) of plain transformers' mean-pooled states."""
    from transformers import AutoModel, AutoTokenizer  # seconds, for the tests that need it

    model, tokenizer = evaluated(AutoModel.from_pretrained(folder)), AutoTokenizer.from_pretrained(folder)
    pooled = []
    for sentence in SENTENCES:
        inputs = tokenizer(sentence, return_tensors="pt", truncation=True, max_length=64)
        with torch.inference_mode():
            pooled.append(model(**inputs).last_hidden_state[0].mean(0))
    states = torch.nn.functional.normalize(torch.stack(pooled), dim=-1)
    return states @ states.T


def compared(model: str, first: str, second: str) -> Similarity:
    events: list[Event] = []
    Engine(events.append).handle(Compare(Target(model, "cpu", "float32"), first, second), lambda: False, lambda: None)
    answer = events[-1]
    assert isinstance(answer, Compared)
    return answer.similarity


def test_two_sentences_have_the_cosine_of_plain_transformers(folder: Path, cosines: torch.Tensor) -> None:
    similarity = compared(str(folder), SENTENCES[0], SENTENCES[1])
    assert similarity.cosine == pytest.approx(float(cosines[0, 1]), abs=1e-5)
    assert (similarity.by_cosine, similarity.similar) == (True, similarity.cosine)
    assert "no head" in similarity.method
    assert not similarity.truncated
    assert compared(str(folder), SENTENCES[0], SENTENCES[3]).truncated


def test_a_ranking_goes_by_the_cosine(folder: Path, cosines: torch.Tensor) -> None:
    answer = next(rank_sentences(desk(), RankSentences(str(folder), SENTENCES[0], SENTENCES[1:])))
    assert answer.by_cosine
    expected = sorted(range(1, len(SENTENCES)), key=lambda place: -float(cosines[0, place]))
    assert [ranked.index + 1 for ranked in answer.ranked] == expected
    for ranked in answer.ranked:
        assert ranked.cosine == ranked.mean == pytest.approx(float(cosines[0, ranked.index + 1]), abs=1e-5)
        assert ranked.truncated is (ranked.index == 2)


def test_a_matrix_holds_the_cosines(folder: Path, cosines: torch.Tensor) -> None:
    answer = next(compare_all(desk(), CompareAll(str(folder), SENTENCES)))
    assert answer.by_cosine
    torch.testing.assert_close(torch.tensor(answer.cosine), cosines, atol=1e-5, rtol=0)
    assert torch.equal(torch.tensor(answer.similar), torch.tensor(answer.cosine).clamp_min(0))
    assert answer.truncated == 7  # every pair with the long sentence, itself included


def test_a_masked_language_model_is_an_encoder_too(build_encoder: EncoderBuilder) -> None:
    assert compared(str(build_encoder("bert", Head.MASKED_LM)), "One", "Two").by_cosine


def test_a_classifier_still_says_similar(classifier_folder: Path) -> None:
    similarity = compared(str(classifier_folder), "One", "Two")
    assert not similarity.by_cosine
    assert similarity.similar + similarity.not_similar == pytest.approx(1)


def test_a_model_that_continues_text_is_refused(gpt2_folder: Path) -> None:
    with pytest.raises(ModelFormatError, match="without a classification head"):
        compared(str(gpt2_folder), "One", "Two")
