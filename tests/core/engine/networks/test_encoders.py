"""Encoders: packed layers equal the plain ones, tasks share one encoder, batches are of like lengths."""

from __future__ import annotations

import subprocess
import sys
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from core.backends.process import worker_environment
from core.engine.lab.sentence_pairs import compare, compare_many
from core.engine.networks.encoder_models import LoadedEncoder, load_encoder
from core.engine.networks.encoders import batches_by_length, pad, share_modules
from core.engine.networks.head import Head
from core.engine.networks.linear import is_missing
from core.engine.warm_up import import_in_pieces
from core.models.registry import resolve
from tests.cli.process import REPOSITORY

PAIRS = [
    ("The cat is on the mat", "A feline is sitting on a rug"),
    ("I love pizza", "Python is a programming language"),
    ("He runs fast", "She walks slowly"),
    ("A", "b"),
    ("word " * 30, "another word " * 20),
]


def test_many_pairs_give_what_each_pair_gives_alone(loaded_classifier: LoadedEncoder) -> None:
    pairs = PAIRS * 15
    alone = [compare(loaded_classifier, first, second).similar for first, second in PAIRS] * 15
    assert compare_many(loaded_classifier, pairs) == pytest.approx(alone, abs=1e-5)
    assert compare_many(loaded_classifier, []) == []


@given(st.lists(st.integers(1, 500), max_size=200), st.integers(1, 40))
def test_batches_hold_every_text_once_and_like_lengths_together(lengths: list[int], size: int) -> None:
    batches = list(batches_by_length(lengths, size))
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    assert all(len(batch) == size for batch in batches[:-1])
    for earlier, later in pairwise(batches):
        assert min(lengths[index] for index in earlier) >= max(lengths[index] for index in later)


def test_padding_fills_up_on_the_right() -> None:
    assert pad([[1, 2, 3], [4]], 0).tolist() == [[1, 2, 3], [4, 0, 0]]


@pytest.mark.starter
def test_starters_hold_once_what_they_have_in_common() -> None:
    mrpc, sst2 = (_starter(name).model for name in ("starter/mrpc", "starter/sst2"))
    bert = _starter("starter/bert", head=Head.MASKED_LM).model
    student = _starter("starter/distilbert-sst2").model
    assert mrpc.bert.embeddings is sst2.bert.embeddings is bert.bert.embeddings
    assert student.distilbert.embeddings.word_embeddings is bert.bert.embeddings.word_embeddings
    assert sst2.bert.encoder.layer[0] is bert.bert.encoder.layer[0]
    assert mrpc.bert.encoder.layer[0] is not bert.bert.encoder.layer[0]
    assert sst2.classifier is not mrpc.classifier


def test_layers_are_shared_only_where_they_come_from_the_same_file(tmp_path: Path) -> None:
    def two_layers() -> nn.Module:
        return nn.ModuleDict(
            {"embeddings": nn.Embedding(3, 2), "layer": nn.ModuleList([nn.Linear(2, 2) for _ in "ab"])}
        )

    first, second = two_layers(), two_layers()
    common = {"embeddings.weight": "trunk", "layer.0.weight": "trunk", "layer.0.bias": "trunk"}
    for model, own in ((first, "one"), (second, "two")):
        files = common | {"layer.1.weight": own, "layer.1.bias": own}
        share_modules(model, {name: tmp_path / file for name, file in files.items()}, "float32")
    assert first.get_submodule("embeddings") is second.get_submodule("embeddings")
    assert first.get_submodule("layer.0") is second.get_submodule("layer.0")
    assert first.get_submodule("layer.1") is not second.get_submodule("layer.1")


def test_two_architectures_share_the_words_that_one_file_holds(tmp_path: Path) -> None:
    words, layer = "embeddings.word_embeddings.weight", "encoder.layer.0.weight"
    first, second = _Words("bert"), _Words("distilbert")
    for model, prefix in ((first, "bert"), (second, "distilbert")):
        own = tmp_path / prefix
        share_modules(model, {words: tmp_path / "words", f"{prefix}.{layer}": own}, "float32")
    bert, distilbert = (
        model.get_submodule(f"{prefix}.embeddings") for model, prefix in ((first, "bert"), (second, "distilbert"))
    )
    assert bert.word_embeddings is distilbert.word_embeddings
    assert first.get_submodule("bert.encoder.layer.0") is not second.get_submodule("distilbert.encoder.layer.0")


@pytest.mark.starter
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_packed_starter_is_right_to_within_its_rounding(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    times = count()  # the first one timed, the rounded one, is the quicker
    monkeypatch.setattr("core.engine.networks.precision._row_time_s", lambda *_: next(times))
    folder = resolve("starter/mrpc").folder
    plain: Any = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    packed = _starter("starter/mrpc", precision)
    assert packed.info.dtype == ("float32" if is_missing(precision) else precision)
    found = compare_many(packed, PAIRS)
    tolerance = 1e-5 if precision == "float32" else 0.02
    for (first, second), probability in zip(PAIRS, found, strict=True):
        with torch.no_grad():
            expected = plain(**tokenizer(first, second, return_tensors="pt")).logits.softmax(-1)[0, 1].item()
        assert probability == pytest.approx(expected, abs=tolerance)


def test_warming_up_ends_and_skips_what_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.engine.warm_up._PIECES", ("json", "no_such_module_anywhere", "math"))
    assert list(import_in_pieces()) == ["json", "math"]


class _Words(nn.Module):
    """A model of a word embedding and a layer, under a prefix as transformers' have it."""

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self.base_model_prefix = prefix
        embeddings = nn.ModuleDict({"word_embeddings": nn.Embedding(3, 2)})
        encoder = nn.ModuleDict({"layer": nn.ModuleList([nn.Linear(2, 2)])})
        self.add_module(prefix, nn.ModuleDict({"embeddings": embeddings, "encoder": encoder}))


@pytest.mark.starter
@pytest.mark.slow
def test_warming_up_imports_what_a_bert_needs() -> None:
    script = """if True:
        import core.engine.engine
        from core.engine.warm_up import import_in_pieces
        assert "transformers.models.bert.modeling_bert" in list(import_in_pieces())
    """
    environment = worker_environment() | {"PYTHONPATH": str(REPOSITORY)}
    subprocess.run([sys.executable, "-P", "-c", script], env=environment, check=True)


def _starter(name: str, precision: str = "float32", head: Head = Head.CLASSIFIER) -> LoadedEncoder:
    return load_encoder(head, resolve(name), torch.device("cpu"), precision, lambda *_: None)
