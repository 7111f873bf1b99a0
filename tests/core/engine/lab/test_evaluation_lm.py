"""Evaluating language models: ranks, losses and perplexities equal transformers'."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from core.engine.lab.evaluation import causal as evaluate_causal
from core.engine.lab.evaluation.causal import windows_of
from core.engine.lab.evaluation.task import evaluate
from core.engine.networks.head import Head
from core.errors import InputError, SettingError
from core.lab.evaluation import (
    CausalEvaluation,
    EvaluationTask,
    FillEvaluation,
    RowsSkipped,
)
from tests.builders import FAMILIES, EncoderBuilder
from tests.core.engine.lab.evaluating import TEXTS, WORDS, asked, predictions, result_of, without_times
from tests.loaded import desk

pytestmark = pytest.mark.usefixtures("state_folder")


# -- masked language models -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_named_words_have_the_ranks_and_probabilities_of_the_whole_model(
    build_encoder: EncoderBuilder, family: str, tmp_path: Path
) -> None:
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    folder, path = build_encoder(family, Head.MASKED_LM), tmp_path / "a.tsv"
    rows = [("the [MASK] sat", "cat"), ("a [MASK] came and [MASK] slept all day", "dog it"), ("[MASK] rain", "more")]
    path.write_text("text\tword\n" + "\n".join("\t".join(row) for row in rows))
    question = asked(EvaluationTask.FILL, folder, path, mistakes=50)
    found = predictions(question, tmp_path)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModelForMaskedLM.from_pretrained(folder)
    expected = []
    for text, words in rows:
        encoded = tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            logits = model(**encoded).logits[0]
        places = (encoded["input_ids"][0] == tokenizer.mask_token_id).nonzero()[:, 0]
        for place, word in zip(places, words.split(), strict=True):
            id_ = tokenizer.convert_tokens_to_ids(word)
            # Of 30,522 logits some are so near that rounding decides which is larger.
            better, as_good = (int((logits[place] > logits[place, id_] + slack).sum()) for slack in (1e-4, -1e-4))
            expected.append((word, range(better + 1, as_good + 1), float(logits[place].softmax(-1)[id_])))
    ranks = [int(row["rank"]) for row in found]
    assert [row["word"] for row in found] == [word for word, _, _ in expected]
    assert all(rank in possible for rank, (_, possible, _) in zip(ranks, expected, strict=True))
    assert [float(row["p(word)"]) for row in found] == pytest.approx([row[2] for row in expected], abs=1e-5)
    answer = result_of(question)
    assert isinstance(answer, FillEvaluation)
    loss = -sum(math.log(prob) for _, _, prob in expected) / 4
    assert answer.masks == 4
    assert answer.loss == pytest.approx(loss, rel=1e-4)
    assert answer.pseudo_perplexity == pytest.approx(math.exp(loss), rel=1e-3)
    assert answer.accuracy == sum(rank == 1 for rank in ranks) / 4
    assert answer.accuracy_at_5 == sum(rank <= 5 for rank in ranks) / 4


def test_without_words_a_seventh_of_the_tokens_is_hidden_by_a_seed(masked_folder: Path, texts: Path) -> None:
    answers = [result_of(asked(EvaluationTask.FILL, masked_folder, texts, seed=seed)) for seed in (0, 0, 1)]
    assert without_times(answers[0]) == without_times(answers[1])
    assert answers[0].loss != answers[2].loss
    tokens = [len(text.split()) for text in TEXTS]
    assert answers[0].masks == sum(max(1, round(0.15 * n)) for n in tokens)
    assert all("[MASK]" in mistake.texts[0] for mistake in answers[0].mistakes)


def test_a_longer_file_begins_with_the_same_draw(masked_folder: Path, texts: Path, tmp_path: Path) -> None:
    def words(**options: Any) -> list[tuple[str, str]]:
        found = predictions(asked(EvaluationTask.FILL, masked_folder, texts, **options), tmp_path)
        return [(row["line"], row["word"]) for row in found]

    few, all_ = words(limit=5), words()
    assert all_[: len(few)] == few


def test_rows_whose_words_cannot_be_found_are_named(masked_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    rows = [
        "a [MASK] b\tcat",
        "a [MASK] b\tcat dog",
        "no gap\tcat",
        "a [MASK]\t우유우유우유",
        "word " * 90 + "[MASK]\tcat",
    ]
    path.write_text("text\tword\n" + "\n".join(rows))
    first, *_, last = evaluate(desk(), asked(EvaluationTask.FILL, masked_folder, path))
    assert isinstance(first, RowsSkipped)
    assert [row.reason for row in first.rows] == [
        "1 [MASK] and 2 words",
        "0 [MASK] and 1 word",
        "'우유우유우유' is no single entry of the vocabulary",
        "93 tokens, the model reads 64",
    ]
    assert isinstance(last, FillEvaluation)
    assert last.run.n == 1


def test_masks_without_words_and_words_without_masks_are_refused(masked_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("a [MASK] b\n")
    with pytest.raises(InputError, match="names the words"):
        result_of(asked(EvaluationTask.FILL, masked_folder, path))
    path.write_text("sentence\tword\nno gap\tcat\n")
    with pytest.raises(InputError, match="holds \\[MASK\\]"):
        result_of(asked(EvaluationTask.FILL, masked_folder, path, label="word"))


# -- causal language models -------------------------------------------------------------------------------------------


def guide_s_loss(model: Any, ids: list[int], window: int, stride: int) -> tuple[float, int]:
    """Summed loss and tokens as in transformers' guide "Perplexity of fixed-length models"."""
    nats, count, previous_end = 0.0, 0, 0
    for begin in range(0, len(ids), stride):
        end = min(begin + window, len(ids))
        inputs = torch.tensor([ids[begin:end]])
        targets = inputs.clone()
        targets[:, : -(end - previous_end)] = -100
        with torch.no_grad():
            loss = float(model(inputs, labels=targets).loss)
        counted = int((targets[:, 1:] != -100).sum())
        nats, count, previous_end = nats + loss * counted, count + counted, end
        if end == len(ids):
            return nats, count
    raise AssertionError


@pytest.mark.parametrize(("window", "stride"), [(0, 0), (16, 4), (10, 9)])
@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_perplexity_equals_transformers_guide(
    kind: str, window: int, stride: int, gpt2_folder: Path, llama_folder: Path, texts: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder, path = gpt2_folder if kind == "gpt2" else llama_folder, tmp_path / "a.jsonl"
    given = [" ".join(WORDS * 6), "안녕 🦊 and so on", " ".join(WORDS)]
    path.write_text("\n".join(json.dumps({"text": text}) for text in given))
    answer = result_of(asked(EvaluationTask.LM, folder, path, window=window, stride=stride))
    assert isinstance(answer, CausalEvaluation)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    ids = [tokenizer(text, verbose=False)["input_ids"] for text in given]
    sums = [guide_s_loss(model, row, answer.window, answer.stride) for row in ids]
    nats, tokens = (sum(column) for column in zip(*sums, strict=True))
    assert answer.tokens == tokens
    assert answer.loss == pytest.approx(nats / tokens, abs=1e-4)
    assert answer.perplexity == pytest.approx(math.exp(nats / tokens), rel=1e-3)
    rest = "".join(given)[len("the") :]  # less each text's first token: "the", the first byte of 안, "the"
    assert answer.bytes == len(rest.encode()) - 3 - len(tokenizer.convert_ids_to_tokens(ids[1][0]))
    assert answer.bits_per_byte == pytest.approx(nats / math.log(2) / answer.bytes, rel=1e-4)


def test_windows_predict_every_token_but_the_first_once() -> None:
    for length, window, stride in ((2, 8, 4), (8, 8, 4), (9, 8, 4), (100, 8, 3), (100, 8, 7), (7, 2, 1)):
        found = list(windows_of(length, window, stride))
        scored = [place for _, first, end in found for place in range(first, end)]
        assert scored == list(range(1, length))
        assert all(end - start <= window and first > start for start, first, end in found)
        assert all(first - start >= window - stride for start, first, _ in found[1:])


def test_logits_in_small_pieces_give_the_same(gpt2_folder: Path, texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    question = asked(EvaluationTask.LM, gpt2_folder, texts)
    whole = result_of(question)
    monkeypatch.setattr(evaluate_causal, "_LOGITS_AT_ONCE", 1)
    assert result_of(question).loss == pytest.approx(whole.loss, rel=1e-6)


def test_a_plain_file_is_one_text_and_one_token_is_nothing_to_predict(gpt2_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one line\n\nand another\n")
    answer = result_of(asked(EvaluationTask.LM, gpt2_folder, path))
    assert (answer.run.n, answer.characters) == (1, len("one line\n\nand another\n") - len("one"))
    path.write_text("a")
    with pytest.raises(InputError, match="nothing to predict"):
        result_of(asked(EvaluationTask.LM, gpt2_folder, path))
    with pytest.raises(SettingError, match="window must be in"):
        result_of(asked(EvaluationTask.LM, gpt2_folder, path, window=65))
    with pytest.raises(SettingError, match="stride must be in"):
        result_of(asked(EvaluationTask.LM, gpt2_folder, path, window=8, stride=8))
