"""Next-sentence prediction and similarity of many sentences against plain transformers, for every family of encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from core.engine.lab import many_texts
from core.engine.lab.sentence_pairs import compare_all, predict_next_sentence, rank_sentences
from core.engine.networks.head import Head
from core.errors import InputError, ModelFormatError
from core.lab.sentence_pairs import (
    CompareAll,
    Follows,
    NextSentence,
    RankedSentences,
    RankSentences,
    SimilarityMatrix,
)
from tests.builders import FAMILIES, EncoderBuilder
from tests.loaded import desk, evaluated

SENTENCES = ("The cat is on the mat", "A feline is sitting on a rug, quite still", "I love pizza", "고양이 🐈 [bold]")
LONG = "word " * 100


def follows(folder: Path | str, first: str, second: str) -> NextSentence:
    """The answer to one question."""
    (answer,) = predict_next_sentence(desk(), Follows(str(folder), first, second))
    return answer


def matrix(folder: Path | str, sentences: tuple[str, ...] = SENTENCES) -> SimilarityMatrix:
    """The answer to one question."""
    (answer,) = compare_all(desk(), CompareAll(str(folder), sentences))
    return answer


def ranking(folder: Path | str, sentence: str, others: tuple[str, ...]) -> RankedSentences:
    """The answer to one question."""
    (answer,) = rank_sentences(desk(), RankSentences(str(folder), sentence, others))
    return answer


@pytest.fixture(scope="module")
def nsp_folder(build_encoder: EncoderBuilder) -> Path:
    """A tiny BERT with a next-sentence head."""
    return build_encoder("bert", Head.NEXT_SENTENCE)


def reference(auto_class: str, folder: Path | str) -> tuple[Any, Any]:
    """The tokenizer and the model as transformers loads them."""
    import transformers  # seconds, for the tests that need it

    model = getattr(transformers, auto_class).from_pretrained(folder, dtype=torch.float32)
    return transformers.AutoTokenizer.from_pretrained(folder), evaluated(model)


def softmax_of_pair(tokenizer: Any, model: Any, first: str, second: str) -> list[float]:
    """What plain transformers makes of one pair."""
    with torch.inference_mode():
        probabilities: list[float] = (
            model(**tokenizer(first, second, return_tensors="pt")).logits.softmax(-1)[0].tolist()
        )
    return probabilities


def starter(name: str) -> Path:
    """The folder of a starter."""
    from core.models.registry import resolve

    return resolve(name).folder


@pytest.mark.parametrize("which", ["tiny", "starter"])
def test_next_sentence_equals_transformers_in_both_orders(nsp_folder: Path, which: str) -> None:
    folder, name = (nsp_folder, str(nsp_folder)) if which == "tiny" else (starter("starter/bert"), "starter/bert")
    first, second = "He went to the shop.", "There he bought a bottle of milk and some bread."
    reader = reference("AutoModelForNextSentencePrediction", folder)
    answer = follows(name, first, second)
    assert [answer.is_next, answer.not_next] == pytest.approx(softmax_of_pair(*reader, first, second), abs=1e-5)
    swapped = [answer.swapped_is_next, answer.swapped_not_next]
    assert swapped == pytest.approx(softmax_of_pair(*reader, second, first), abs=1e-5)
    assert abs(answer.is_next - answer.swapped_is_next) > 1e-4, "the orders must differ for this test to mean anything"
    assert not answer.truncated


def test_a_pair_too_long_for_next_sentence_is_cut_and_says_so(nsp_folder: Path) -> None:
    answer = follows(nsp_folder, LONG, "short")
    assert answer.truncated
    assert answer.is_next + answer.not_next == pytest.approx(1)


@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "bert"])
def test_a_family_without_a_next_sentence_head_is_refused(build_encoder: EncoderBuilder, family: str) -> None:
    with pytest.raises(ModelFormatError, match="without a next-sentence head"):
        follows(build_encoder(family, Head.MASKED_LM), "a", "b")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_matrix_equals_transformers_pair_by_pair(build_encoder: EncoderBuilder, family: str) -> None:
    folder = build_encoder(family, Head.CLASSIFIER)
    tokenizer, model = reference("AutoModelForSequenceClassification", folder)
    answer = matrix(folder)
    for row, first in enumerate(SENTENCES):
        for column, second in enumerate(SENTENCES):
            expected = softmax_of_pair(tokenizer, model, first, second)[1]
            assert answer.similar[row][column] == pytest.approx(expected, abs=1e-5), (first, second)
    with torch.inference_mode():
        pooled = [
            model.base_model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(0) for text in SENTENCES
        ]
    for row, one in enumerate(pooled):
        for column, other in enumerate(pooled):
            cosine = torch.nn.functional.cosine_similarity(one, other, dim=0).item()
            assert answer.cosine[row][column] == pytest.approx(cosine, abs=1e-5)
    assert answer.truncated == 0


def test_blocks_and_batches_do_not_change_a_matrix(classifier_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = matrix(classifier_folder)
    monkeypatch.setattr(many_texts, "BLOCK", 3)
    monkeypatch.setattr(many_texts, "BATCH", 2)
    for pieces, at_once in zip(matrix(classifier_folder).similar, whole.similar, strict=True):
        assert pieces == pytest.approx(at_once, abs=1e-5)


def test_a_ranking_holds_the_numbers_of_the_matrix_by_their_mean(classifier_folder: Path) -> None:
    everything = matrix(classifier_folder)
    answer = ranking(classifier_folder, SENTENCES[0], SENTENCES[1:])
    assert [one.rank for one in answer.ranked] == [1, 2, 3]
    assert {one.index for one in answer.ranked} == {0, 1, 2}
    means = [one.mean for one in answer.ranked]
    assert means == sorted(means, reverse=True)
    for one in answer.ranked:
        place = one.index + 1
        assert one.text == SENTENCES[place]
        assert one.a_to_b == pytest.approx(everything.similar[0][place], abs=1e-5)
        assert one.b_to_a == pytest.approx(everything.similar[place][0], abs=1e-5)
        assert one.mean == pytest.approx((one.a_to_b + one.b_to_a) / 2)
        assert one.spread == pytest.approx(abs(one.a_to_b - one.b_to_a))
        assert one.cosine == pytest.approx(everything.cosine[0][place], abs=1e-5)
        assert not one.truncated


def test_only_what_is_too_long_is_said_to_be_cut(classifier_folder: Path) -> None:
    answer = ranking(classifier_folder, "a cat", (LONG, "a dog"))
    assert {one.text: one.truncated for one in answer.ranked} == {LONG: True, "a dog": False}
    assert matrix(classifier_folder, ("a cat", LONG)).truncated == 3


def test_a_pair_that_just_fits_is_not_said_to_be_cut(classifier_folder: Path) -> None:
    fits = ("cat " * 30).strip()
    answer = ranking(classifier_folder, fits, (f"{fits} cat", f"{fits} cat cat"))  # 64 positions, 3 special tokens
    assert {len(one.text.split()): one.truncated for one in answer.ranked} == {31: False, 32: True}


def test_impossible_lists_are_refused() -> None:
    with pytest.raises(InputError, match="2 to 200 sentences, got 1"):
        CompareAll("starter/mrpc", ("one",))
    with pytest.raises(InputError, match="2 to 200 sentences, got 201"):
        CompareAll("starter/mrpc", ("again",) * 201)
    with pytest.raises(InputError, match="no sentence to compare with"):
        RankSentences("starter/mrpc", "one", ())


def test_three_labels_are_refused(build_encoder: EncoderBuilder) -> None:
    folder = build_encoder("bert", Head.CLASSIFIER, id2label={0: "a", 1: "b", 2: "c"})
    with pytest.raises(ModelFormatError, match="has 3 labels, not two"):
        matrix(folder)


def test_a_cancelled_matrix_ends_after_one_batch_without_an_answer(
    classifier_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(many_texts, "BATCH", 2)
    stages: list[str] = []
    between: list[None] = []
    place = desk(
        progress=lambda stage, fraction: stages.append(stage),
        should_stop=lambda: True,
        between=lambda: between.append(None),
    )
    assert list(compare_all(place, CompareAll(str(classifier_folder), SENTENCES))) == []
    assert stages.count("comparing") == len(between) == 1
    assert "pooling" not in stages
