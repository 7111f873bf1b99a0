"""The similarity of two sentences against plain transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from core.engine.lab.sentence_pairs import compare, similar_label
from core.engine.networks.encoder_models import LoadedEncoder
from core.errors import ModelFormatError
from tests.builders import Builder
from tests.loaded import evaluated, load_classifier_folder

FIRST, SECOND = "The cat is on the mat", "A feline is sitting on a rug, quite still"


@pytest.fixture(scope="module")
def reference(classifier_folder: Path) -> tuple[Any, Any]:
    """The tokenizer and the model as transformers loads them."""
    from transformers import AutoTokenizer, BertForSequenceClassification  # seconds, for the tests that need it

    tokenizer = AutoTokenizer.from_pretrained(classifier_folder)
    return tokenizer, evaluated(BertForSequenceClassification.from_pretrained(classifier_folder))


def test_both_orders_equal_transformers(loaded_classifier: LoadedEncoder, reference: tuple[Any, Any]) -> None:
    tokenizer, model = reference
    similarity = compare(loaded_classifier, FIRST, SECOND)
    with torch.inference_mode():
        forth = model(**tokenizer(FIRST, SECOND, return_tensors="pt")).logits.softmax(-1)[0, 1].item()
        back = model(**tokenizer(SECOND, FIRST, return_tensors="pt")).logits.softmax(-1)[0, 1].item()
    assert abs(forth - back) > 1e-4, "the two orders must differ for this test to mean anything"
    assert similarity.a_to_b == pytest.approx(forth, abs=1e-5)
    assert similarity.b_to_a == pytest.approx(back, abs=1e-5)
    assert similarity.similar == similarity.a_to_b
    assert similarity.not_similar == pytest.approx(1 - similarity.similar)


def test_the_cosine_is_that_of_mean_pooled_states(loaded_classifier: LoadedEncoder, reference: tuple[Any, Any]) -> None:
    tokenizer, model = reference
    with torch.inference_mode():
        pooled = [
            model.bert(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(0) for text in (FIRST, SECOND)
        ]
    expected = torch.nn.functional.cosine_similarity(pooled[0], pooled[1], dim=0).item()
    assert compare(loaded_classifier, FIRST, SECOND).cosine == pytest.approx(expected, abs=1e-5)


def test_a_sentence_has_cosine_1_with_itself(loaded_classifier: LoadedEncoder) -> None:
    similarity = compare(loaded_classifier, FIRST, FIRST)
    assert similarity.cosine == pytest.approx(1, abs=1e-5)
    assert similarity.a_to_b == pytest.approx(similarity.b_to_a, abs=1e-5)


def test_the_record_names_the_model_and_the_label(loaded_classifier: LoadedEncoder) -> None:
    similarity = compare(loaded_classifier, FIRST, SECOND)
    assert similarity.model == loaded_classifier.info.name
    assert similarity.method == "P(equivalent | A, B)"
    assert not similarity.truncated


def test_a_pair_too_long_for_the_model_is_cut_and_says_so(loaded_classifier: LoadedEncoder) -> None:
    similarity = compare(loaded_classifier, "cat " * 500, "dog " * 500)
    assert similarity.truncated
    assert 0 <= similarity.similar <= 1
    assert -1.001 <= similarity.cosine <= 1.001


@pytest.mark.parametrize(
    ("labels", "index"),
    [
        (("not_equivalent", "equivalent"), 1),
        (("equivalent", "not_equivalent"), 0),
        (("Not Similar", "Similar"), 1),
        (("PARAPHRASE", "OTHER"), 0),
        (("not-duplicate", "is-paraphrase"), 1),
        (("LABEL_0", "LABEL_1"), 1),
    ],
)
def test_the_similar_label_is_found_by_its_name_else_it_is_label_1(labels: tuple[str, ...], index: int) -> None:
    assert similar_label(labels) == index


def test_labels_the_other_way_round_are_read_by_name(build_classifier: Builder) -> None:
    folder = build_classifier("swapped", id2label={0: "equivalent", 1: "not_equivalent"})
    loaded = load_classifier_folder(folder)
    assert loaded.labels == ("equivalent", "not_equivalent")
    similarity = compare(loaded, FIRST, SECOND)
    assert similarity.method == "P(equivalent | A, B)"
    pair = loaded.tokenizer(FIRST, SECOND, return_tensors="pt")
    with torch.inference_mode():
        assert similarity.similar == pytest.approx(loaded.model(**pair).logits.softmax(-1)[0, 0].item(), abs=1e-5)


def test_a_model_with_three_labels_is_refused(build_classifier: Builder) -> None:
    folder = build_classifier("three", id2label={0: "a", 1: "b", 2: "c"})
    with pytest.raises(ModelFormatError, match="has 3 labels, not two"):
        load_classifier_folder(folder)


def test_a_causal_model_is_refused(gpt2_folder: Path) -> None:
    with pytest.raises(ModelFormatError, match="is a GPT2LMHeadModel, without a classification head"):
        load_classifier_folder(gpt2_folder)
