"""Evaluation: predictions equal transformers', and a stopped run goes on to the very same result."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from core.engine.lab.evaluation.classifier import label_classes
from core.engine.lab.evaluation.task import evaluate
from core.engine.lab.evaluation.work import split_batches
from core.engine.networks.head import Head
from core.engine.shelf import Shelf
from core.errors import EngineError, InputError, ModelFormatError, SettingError
from core.lab.evaluation import (
    CausalEvaluation,
    ClassifierEvaluation,
    Evaluate,
    EvaluationProgress,
    EvaluationTask,
    FillEvaluation,
    RowsSkipped,
)
from core.locations import evaluations_folder
from core.messages.codec import decode, encode
from core.messages.protocol import Answered
from tests.builders import FAMILIES, Builder, EncoderBuilder
from tests.core.engine.lab.evaluating import TEXTS, asked, predictions, result_of, without_times
from tests.loaded import desk

pytestmark = pytest.mark.usefixtures("state_folder")


# -- classifiers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_predictions_equal_the_text_classification_pipeline(
    build_encoder: EncoderBuilder, family: str, pairs: Path, texts: Path, tmp_path: Path
) -> None:
    from transformers import pipeline

    folder = build_encoder(family, Head.CLASSIFIER, id2label={0: "not_equivalent", 1: "equivalent"})
    reference: Any = pipeline("text-classification", model=str(folder))
    for task, path in ((EvaluationTask.SIMILAR, pairs), (EvaluationTask.SENTIMENT, texts)):
        found = predictions(asked(task, folder, path), tmp_path)
        assert [int(row["line"]) for row in found] == list(range(2, len(TEXTS) + 2))
        for row in found:
            given = {"text": row["text"], "text_pair": row["text_b"]} if "text_b" in row else row["text"]
            expected = reference(given)
            expected = expected[0] if isinstance(expected, list) else expected
            assert row["predicted"] == expected["label"]
            assert float(row[f"p({row['predicted']})"]) == pytest.approx(expected["score"], abs=1e-5)


def test_scores_are_those_of_the_predictions(classifier_folder: Path, pairs: Path, tmp_path: Path) -> None:
    question = asked(EvaluationTask.SIMILAR, classifier_folder, pairs, mistakes=3)
    rows = predictions(question, tmp_path)
    answer = result_of(question)
    assert isinstance(answer, ClassifierEvaluation)
    right = [row["label"] == row["predicted"] for row in rows]
    assert answer.run.n == len(rows) == len(TEXTS)
    assert answer.accuracy == pytest.approx(sum(right) / len(right))
    assert answer.positive == "equivalent"
    hits = sum(row["label"] == row["predicted"] == "equivalent" for row in rows)
    said, true = (sum(row[key] == "equivalent" for row in rows) for key in ("predicted", "label"))
    assert answer.f1 == pytest.approx(2 * hits / (said + true))
    assert answer.loss == pytest.approx(sum(-math.log(float(row[f"p({row['label']})"])) for row in rows) / len(rows))
    assert sum(map(sum, answer.confusion)) == len(rows)
    assert sum(one.n for one in answer.bins) == len(rows)
    wrong = sorted((float(row[f"p({row['predicted']})"]) for row, ok in zip(rows, right, strict=True) if not ok))
    assert [one.prob for one in answer.mistakes] == pytest.approx(wrong[::-1][:3])
    for mistake in answer.mistakes:
        row = rows[mistake.line - 2]
        assert (mistake.texts, mistake.label) == ((row["text"], row["text_b"]), row["label"])


def test_progress_grows_to_the_end_and_its_last_accuracy_is_the_result_s(classifier_folder: Path, pairs: Path) -> None:
    *parts, answer = evaluate(desk(), asked(EvaluationTask.SIMILAR, classifier_folder, pairs))
    steps = [part for part in parts if isinstance(part, EvaluationProgress)]
    assert [step.done for step in steps] == [4, 8, 12, 16, 20]
    assert [step.fraction for step in steps] == sorted(step.fraction for step in steps)
    assert isinstance(answer, ClassifierEvaluation)
    assert (steps[-1].fraction, steps[-1].accuracy) == (1.0, answer.accuracy)


def test_labels_are_names_or_numbers_and_1_is_the_positive_one() -> None:
    turned = label_classes(EvaluationTask.SIMILAR, ("equivalent", "not_equivalent"))
    assert (turned["1"], turned["0"], turned["not equivalent"]) == (0, 1, 1)
    plain = label_classes(EvaluationTask.SENTIMENT, ("NEGATIVE", "POSITIVE"))
    assert (plain["1"], plain["pos"], plain["negative"]) == (1, 1, 0)
    stars = label_classes(EvaluationTask.SENTIMENT, ("1 star", "2 stars", "3 stars"))
    assert (stars["2"], stars["1 star"]) == (2, 0)


def test_a_second_text_column_that_is_not_read_is_named(classifier_folder: Path, pairs: Path, texts: Path) -> None:
    answer = result_of(asked(EvaluationTask.SENTIMENT, classifier_folder, pairs))
    assert answer.run.note == "2 text columns, only #1 String is read; for pairs use eval similar"
    for task, path, column in (
        (EvaluationTask.SIMILAR, pairs, ""),
        (EvaluationTask.SENTIMENT, texts, ""),
        (EvaluationTask.SENTIMENT, pairs, "#1 String"),
    ):
        assert result_of(asked(task, classifier_folder, path, text=column)).run.note == ""


def test_scores_are_told_from_labels(classifier_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "dev.tsv"
    path.write_text("index\tsentence1\tsentence2\tscore\n0\ta b\tc\t5.000\n1\td\te\t0.250\n")
    with pytest.raises(InputError, match="'score' holds scores, not labels"):
        result_of(asked(EvaluationTask.SIMILAR, classifier_folder, path))
    with pytest.raises(InputError, match=r"'5\.000' is a score, not a label"):
        result_of(asked(EvaluationTask.SIMILAR, classifier_folder, path, label="score"))


def test_broken_rows_are_named_before_the_first_batch_and_do_not_count(classifier_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_bytes(b"sentence\tlabel\nfine\t1\nodd\t7\n\t0\n\xff\t1\n[/bold] \x1b ok\tNOT_equivalent\n")
    first, *_, last = evaluate(desk(), asked(EvaluationTask.SENTIMENT, classifier_folder, path))
    assert isinstance(first, RowsSkipped)
    assert [row.line for row in first.rows] == [3, 4, 5]
    assert "unknown label '7'; the model has not_equivalent, equivalent" in first.rows[0].reason
    assert isinstance(last, ClassifierEvaluation)
    assert (last.run.n, last.run.skipped) == (2, 3)


def test_texts_longer_than_the_model_are_cut_and_counted(classifier_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text(f"sentence\tlabel\n{'word ' * 500}\t1\n{'word ' * 62}\t1\nshort\t0\n")
    assert result_of(asked(EvaluationTask.SENTIMENT, classifier_folder, path)).run.truncated == 1


@pytest.mark.starter
@pytest.mark.parametrize("task", [EvaluationTask.SIMILAR, EvaluationTask.SENTIMENT])
def test_the_starters_equal_the_pipeline_on_40_rows(task: EvaluationTask, tmp_path: Path) -> None:
    from transformers import pipeline

    from core.lab.evaluation import DEFAULT_MODELS
    from core.models.registry import resolve

    model, path = DEFAULT_MODELS[task], tmp_path / "a.jsonl"
    given = [(TEXTS[n % len(TEXTS)], TEXTS[(n * 3) % len(TEXTS)] + "!" * (n // 20)) for n in range(40)]
    path.write_text("\n".join(json.dumps({"text_a": a, "text_b": b, "label": 1}) for a, b in given))
    found = predictions(asked(task, model, path, batch_size=16), tmp_path)
    reference: Any = pipeline("text-classification", model=str(resolve(model).folder), dtype=torch.float32)
    for row, (a, b) in zip(found, given, strict=True):
        expected = reference({"text": a, "text_pair": b}) if task is EvaluationTask.SIMILAR else reference(a)[0]
        assert row["predicted"] == expected["label"]
        assert float(row[f"p({row['predicted']})"]) == pytest.approx(expected["score"], abs=1e-5)


# -- going on ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def question(request: pytest.FixtureRequest, pairs: Path, texts: Path) -> Evaluate:
    """One of each kind."""
    kind: EvaluationTask = request.param
    names = {EvaluationTask.FILL: "masked_folder", EvaluationTask.LM: "gpt2_folder"}
    folder: Path = request.getfixturevalue(names.get(kind, "classifier_folder"))
    return asked(kind, folder, pairs if kind is EvaluationTask.SIMILAR else texts)


def stopping(after: int) -> Any:
    """A `should_stop` that says yes after so many batches."""
    left = iter(range(after + 1))
    return lambda: next(left, None) is None


@pytest.mark.parametrize("question", list(EvaluationTask), indirect=True, ids=str)
def test_a_stopped_evaluation_goes_on_to_the_very_same_result(question: Evaluate) -> None:
    whole = result_of(replace(question, fresh=True))
    assert not list(evaluations_folder().iterdir())  # a complete evaluation leaves no journal
    parts = list(evaluate(desk(should_stop=stopping(4)), question))
    done = parts[-1]
    assert isinstance(done, EvaluationProgress)
    assert 0 < done.done < done.total
    (journal,) = evaluations_folder().iterdir()
    journal.write_bytes(journal.read_bytes() + b'{"batch": 99, "val')  # killed while it wrote
    *steps, again = evaluate(desk(), question)
    assert without_times(again) == without_times(whole)
    assert isinstance(again, ClassifierEvaluation | FillEvaluation | CausalEvaluation)
    assert again.run.resumed == done.done
    assert next(step.done > done.done for step in steps if isinstance(step, EvaluationProgress))
    assert not list(evaluations_folder().iterdir())


@pytest.mark.parametrize("question", [EvaluationTask.SENTIMENT], indirect=True)
def test_what_decides_the_result_decides_the_journal(question: Evaluate, tmp_path: Path) -> None:
    def resumed(other: Evaluate) -> int:
        list(evaluate(desk(should_stop=stopping(3)), question))
        count: int = result_of(other).run.resumed
        for journal in evaluations_folder().iterdir():
            journal.unlink()
        return count

    assert resumed(question) > 0
    assert resumed(replace(question, mistakes=1)) > 0
    assert resumed(replace(question, fresh=True)) == 0
    assert resumed(replace(question, batch_size=3)) == 0
    assert resumed(replace(question, limit=19)) == 0
    changed = tmp_path / "changed.tsv"
    changed.write_bytes(Path(question.path).read_bytes())
    assert resumed(replace(question, path=str(changed))) > 0  # the same content under another name
    changed.write_bytes(Path(question.path).read_bytes() + b"more\t1\n")
    assert resumed(replace(question, path=str(changed))) == 0


@pytest.mark.parametrize("question", [EvaluationTask.SENTIMENT], indirect=True)
def test_a_state_folder_that_cannot_be_written_costs_only_the_journal(
    question: Evaluate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert "no journal" in result_of(question).run.note


def test_a_cancelled_question_ends_before_its_first_batch(classifier_folder: Path, texts: Path) -> None:
    question = asked(EvaluationTask.SENTIMENT, classifier_folder, texts)
    assert list(evaluate(desk(should_stop=lambda: True), question)) == []


# -- the rest ---------------------------------------------------------------------------------------------------------


def test_batches_hold_every_item_once_and_no_more_than_the_budget() -> None:
    costs = [5, 100, 7, 30, 31, 6, 1, 1, 1, 1, 1]
    batches = split_batches(costs, size=4, budget=60)
    assert sorted(index for batch in batches for index in batch) == list(range(len(costs)))
    for batch in batches:
        assert len(batch) == 1 or (len(batch) <= 4 and len(batch) * max(costs[index] for index in batch) <= 60)
    assert batches[0] == [1]  # the longest first, alone


def test_every_answer_survives_the_pipe(
    classifier_folder: Path, masked_folder: Path, gpt2_folder: Path, texts: Path
) -> None:
    shelf = Shelf()
    for task, folder in (("sentiment", classifier_folder), ("fill", masked_folder), ("lm", gpt2_folder)):
        for answer in evaluate(desk(shelf=shelf), asked(EvaluationTask(task), folder, texts)):
            event = Answered(1, answer)
            assert decode(encode(event)) == event


def test_models_and_places_that_will_not_do_are_refused(
    classifier_folder: Path, build_classifier: Builder, texts: Path, pairs: Path, tmp_path: Path
) -> None:
    three = build_classifier("three", id2label={0: "a", 1: "b", 2: "c"})
    with pytest.raises(ModelFormatError, match="3 labels"):
        result_of(asked(EvaluationTask.SIMILAR, three, pairs))
    one = build_classifier("one", id2label={0: "a"})
    with pytest.raises(ModelFormatError, match="one label"):
        result_of(asked(EvaluationTask.SENTIMENT, one, texts))
    sentiment = asked(EvaluationTask.SENTIMENT, classifier_folder, texts)
    for out in (tmp_path, tmp_path / "none" / "out.csv", texts):
        with pytest.raises(InputError):
            result_of(replace(sentiment, csv=str(out)))
    with pytest.raises(EngineError, match="cannot be read"):
        result_of(replace(sentiment, path=str(tmp_path / "none.tsv")))
    with pytest.raises(SettingError, match="batch_size"):
        replace(sentiment, batch_size=0)


def test_a_model_that_overflows_is_told_apart_from_one_that_is_wrong(build_classifier: Builder, texts: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = build_classifier("overflowing")
    weights = load_file(folder / "model.safetensors")
    weights["classifier.weight"].fill_(3e38)  # finite, unlike what it makes of a text
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(EngineError, match="no numbers"):
        result_of(asked(EvaluationTask.SENTIMENT, folder, texts))
