"""Fine-tuning: a keyword is learnt, the folder is an ordinary one, an interrupted run ends as an uninterrupted one."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from core.engine.lab.finetuning.card import command
from core.engine.lab.finetuning.model import load_trainable, rate_factor, seeded
from core.engine.lab.finetuning.rows import epoch_batches, hold_out, read_labelled
from core.engine.lab.finetuning.task import finetune
from core.engine.lab.training import course
from core.engine.lab.training.folder import CHECKPOINT, ModelFolder
from core.engine.networks.head import Head
from core.errors import DeviceError, EngineError, InputError, ModelFormatError, SettingError
from core.lab.finetuning import (
    Finetune,
    Finetuned,
    FinetuneMeasured,
    FinetunePaused,
    FinetuneStarted,
    FinetuneStep,
    FinetuneTask,
)
from core.messages.records import Target
from core.models.registry import STARTER_FOLDER, resolve
from tests.builders import FAMILIES, EncoderBuilder
from tests.loaded import desk, evaluated

NOUNS = ("film", "story", "play", "song", "book", "scene", "plot", "cast")
SENTIMENT, SIMILAR = FinetuneTask.SENTIMENT, FinetuneTask.SIMILAR


def sentences(rows: int = 80) -> list[tuple[str, str]]:
    """Texts whose label hangs on one word."""
    words = {"1": "good", "0": "bad"}
    return [
        (f"the {NOUNS[n % 8]} {n} is {words[label]}" + " indeed" * (n % 5), label)
        for n in range(rows)
        for label in ("01"[n % 2],)
    ]


def write_rows(path: Path, rows: list[tuple[str, ...]], header: tuple[str, ...] = ("sentence", "label")) -> Path:
    path.write_text("".join("\t".join(row) + "\n" for row in (header, *rows)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def encoder(build_encoder: EncoderBuilder) -> Path:
    """A tiny BERT without a classifier's head, with dropout."""
    return build_encoder("bert", Head.MASKED_LM, initializer_range=0.1)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Eighty labelled texts."""
    return write_rows(tmp_path / "rows.tsv", list(sentences()))


def question(encoder: Path, file: Path, **changes: Any) -> Finetune:
    given: dict[str, Any] = {"task": SENTIMENT, "out": str(file.parent / "out"), "epochs": 2, "batch_size": 8}
    return Finetune(str(encoder), str(file), **(given | {"learning_rate": 3e-3} | changes))


def parts(asked: Finetune, **at_desk: Any) -> list[Any]:
    return list(finetune(desk(**at_desk), asked))


def stopping_after(looks: int) -> Callable[[], bool]:
    """A stop asked for at some look."""
    looked = count()
    return lambda: next(looked) >= looks


@pytest.fixture(scope="module")
def learnt(encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Everything one whole run said."""
    file = write_rows(tmp_path_factory.mktemp("learnt") / "rows.tsv", list(sentences()))
    return parts(question(encoder, file, epochs=8, patience=20))


def test_the_loss_falls_and_the_keyword_is_learnt(learnt: list[Any]) -> None:
    losses = [part.loss for part in learnt if isinstance(part, FinetuneStep)]
    done = learnt[-1]
    assert isinstance(done, Finetuned)
    assert sum(losses[-5:]) < 0.3 * sum(losses[:5])
    assert done.held_out_accuracy == 1.0
    assert done.majority_accuracy == 0.5
    assert done.labels == ("NEGATIVE", "POSITIVE")
    assert (done.rows, done.held_out) == (80, 8)


def test_it_says_first_what_it_found_and_measures_before_the_first_step(learnt: list[Any]) -> None:
    started, before, first = learnt[:3]
    assert isinstance(started, FinetuneStarted)
    assert started.columns == ("sentence", "label")
    assert [(label.label, label.written, label.rows) for label in started.labels] == [
        ("NEGATIVE", "0", 40),
        ("POSITIVE", "1", 40),
    ]
    assert isinstance(before, FinetuneMeasured)
    assert (before.step, before.best) == (0, False)
    assert isinstance(first, FinetuneStep)
    assert (first.step, first.steps, first.epoch) == (1, started.steps, 1)


def test_the_folder_gives_the_same_predictions_through_transformers_and_through_the_shelf(learnt: list[Any]) -> None:
    from transformers import pipeline

    done = learnt[-1]
    texts = [text for text, _ in sentences(20)]
    judged: Any = pipeline("text-classification", model=done.folder, top_k=None)(texts)
    loaded = desk().encoder(Head.CLASSIFIER, done.folder)
    assert loaded.labels == ("NEGATIVE", "POSITIVE")
    for text, expected in zip(texts, judged, strict=True):
        with torch.inference_mode():
            logits = loaded.model(**loaded.tokenizer(text, return_tensors="pt")).logits[0]
        found = dict(zip(loaded.labels, logits.softmax(-1).tolist(), strict=True))
        assert found == pytest.approx({entry["label"]: entry["score"] for entry in expected}, abs=1e-5)
        assert max(found, key=lambda label: found[label]) == ("POSITIVE" if "good" in text else "NEGATIVE")


def test_the_folder_is_an_ordinary_one_with_a_card(learnt: list[Any]) -> None:
    done = learnt[-1]
    folder = Path(done.folder)
    assert {file.name for file in folder.iterdir()} == {
        *("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "README.md")
    }
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == ["BertForSequenceClassification"]
    assert config["id2label"] == {"0": "NEGATIVE", "1": "POSITIVE"}
    card = (folder / "README.md").read_text()
    assert f"accuracy {done.held_out_accuracy:.4f}" in card
    assert "rows.tsv, 80 rows" in card
    assert "nlp-tui finetune rows.tsv --task sentiment --out out" in card
    assert str(folder.parent) not in card  # no path of this machine


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("head", [Head.MASKED_LM, Head.CLASSIFIER])
def test_any_encoder_and_any_labels_will_do(
    build_encoder: EncoderBuilder, tmp_path: Path, family: str, head: Head
) -> None:
    labels = ("나쁨", "[/b]", "so so")
    rows = [(f"{text} {text}", labels[n % 3]) for n, (text, _) in enumerate(sentences(30))]
    file = write_rows(tmp_path / "rows.tsv", list(rows))
    done = parts(question(build_encoder(family, head), file, epochs=1))[-1]
    assert isinstance(done, Finetuned)
    assert done.labels == ("[/b]", "so so", "나쁨")
    loaded = desk().encoder(Head.CLASSIFIER, done.folder)
    assert loaded.labels == done.labels


def test_pairs_are_learnt_from_the_columns_of_mrpc(encoder: Path, tmp_path: Path) -> None:
    rows = [(label, "1", "2", text, f"{text} too") for text, label in sentences(40)]
    header = ("Quality", "#1 ID", "#2 ID", "#1 String", "#2 String")
    file = write_rows(tmp_path / "rows.tsv", list(rows), header)
    started, *_, done = parts(question(encoder, file, task=SIMILAR, epochs=1))
    assert started.columns == ("#1 String", "#2 String", "Quality")
    assert done.labels == ("not_equivalent", "equivalent")


def weights(folder: str) -> dict[str, torch.Tensor]:
    return load_file(Path(folder) / "model.safetensors")


@pytest.mark.parametrize("looks", [0, 1, 3, 7, 17, 23])
def test_an_interrupted_run_ends_as_an_uninterrupted_one(encoder: Path, file: Path, looks: int) -> None:
    whole = parts(question(encoder, file, out=str(file.parent / "whole")))
    asked = question(encoder, file)
    first = parts(asked, should_stop=stopping_after(looks))
    assert isinstance(first[-1], FinetunePaused)
    assert not ModelFolder(Path(asked.out)).has_model
    second = parts(replace(asked, resume=True))
    done = second[-1]
    for name, weight in weights(whole[-1].folder).items():
        assert torch.equal(weight, weights(done.folder)[name]), name
    figures = ("held_out_loss", "held_out_accuracy", "held_out_f1", "steps", "best_step", "stopped_early")
    assert all(getattr(done, name) == getattr(whole[-1], name) for name in figures)
    steps = [part for part in (*first, *second) if isinstance(part, FinetuneStep)]
    assert [(s.step, s.loss) for s in steps] == [(s.step, s.loss) for s in whole if isinstance(s, FinetuneStep)]
    measured = [part for part in second if isinstance(part, FinetuneMeasured)]
    assert measured == [part for part in whole if isinstance(part, FinetuneMeasured)]  # the earlier ones told again


def test_a_run_killed_after_a_checkpoint_goes_on_from_it(
    encoder: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course, "CHECKPOINT_EVERY_S", 0.0)
    monkeypatch.setattr(course, "CHECKPOINT_SHARE", 1e9)
    whole = parts(question(encoder, file, out=str(file.parent / "whole")))
    asked = question(encoder, file)
    killed = finetune(desk(), asked)
    for part in killed:
        if isinstance(part, FinetuneStep) and part.step == 6:
            break
    killed.close()
    second = parts(replace(asked, resume=True))
    assert next(part for part in second if isinstance(part, FinetuneStarted)).step == 5
    assert all(torch.equal(one, weights(second[-1].folder)[name]) for name, one in weights(whole[-1].folder).items())
    assert not (Path(asked.out) / CHECKPOINT).exists()


def test_long_texts_go_in_parts_and_learn_the_same(encoder: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.engine.lab.finetuning import model as finetune_model

    config = json.loads((encoder / "config.json").read_text())
    still = file.parent / "still"
    shutil.copytree(encoder, still)  # without dropout, whose draws depend on the parts
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (still / "config.json").write_text(json.dumps(config))
    losses = []
    for tokens in (4096, 25):
        monkeypatch.setattr(finetune_model, "TOKENS_AT_ONCE", tokens)
        said = parts(question(still, file, out=str(file.parent / f"out-{tokens}"), epochs=1))
        losses.append([part.loss for part in said if isinstance(part, FinetuneStep)])
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)


def test_a_stop_is_heard_within_a_batch_of_long_texts(
    encoder: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.engine.lab.finetuning import model as finetune_model

    monkeypatch.setattr(finetune_model, "TOKENS_AT_ONCE", 10)
    whole = parts(question(encoder, file, out=str(file.parent / "whole"), epochs=1))
    asked = question(encoder, file, epochs=1)
    paused = parts(asked, should_stop=stopping_after(18))[-1]
    assert isinstance(paused, FinetunePaused)
    done = parts(replace(asked, resume=True))[-1]
    assert all(torch.equal(one, weights(done.folder)[name]) for name, one in weights(whole[-1].folder).items())


def test_the_same_seed_repeats_a_run_whatever_was_drawn_before(encoder: Path, file: Path) -> None:
    losses = []
    for number, seed in enumerate((1, 1, 2)):
        torch.manual_seed(number)
        before = torch.random.get_rng_state()
        said = parts(question(encoder, file, out=str(file.parent / str(number)), seed=seed, epochs=1))
        losses.append([part.loss for part in said if isinstance(part, FinetuneStep)])
        assert torch.equal(before, torch.random.get_rng_state())  # the shared generator is left alone
    assert losses[0] == losses[1] != losses[2]


def test_training_ends_early_when_nothing_gets_better_and_keeps_the_best(encoder: Path, tmp_path: Path) -> None:
    rows = [(text, "ab"[n * n % 7 % 2]) for n, (text, _) in enumerate(sentences(60))]  # nothing to be learnt
    file = write_rows(tmp_path / "rows.tsv", list(rows))
    said = parts(question(encoder, file, epochs=50, patience=3, held_out=0.3))
    done = said[-1]
    measured = [part for part in said if isinstance(part, FinetuneMeasured)]
    assert done.stopped_early
    assert done.steps < said[0].steps
    best = max(measured[1:], key=lambda one: (one.accuracy, -one.loss))
    assert (done.best_step, done.held_out_accuracy) == (best.step, best.accuracy)
    assert [one.best for one in measured[-3:]] == [False] * 3
    loaded: Any = desk().encoder(Head.CLASSIFIER, done.folder)
    held = hold_out(read_labelled(question(encoder, file)), 0.3, 0)[1]
    with torch.inference_mode():
        logits = [loaded.model(**loaded.tokenizer(rows[row][0], return_tensors="pt")).logits[0] for row in held]
    right = torch.tensor([loaded.labels.index(rows[row][1]) for row in held])
    loss = float(torch.nn.functional.cross_entropy(torch.stack(logits), right))
    assert loss == pytest.approx(best.loss, abs=1e-4)
    assert abs(measured[-1].loss - best.loss) > 1e-3


def test_broken_rows_are_told_with_their_lines_and_passed_over(encoder: Path, tmp_path: Path) -> None:
    file = tmp_path / "rows.tsv"
    write_rows(file, list(sentences(40)))
    with file.open("a", encoding="utf-8") as more:
        more.write("no label here\nempty label\t\n\t1\n")
    started = parts(question(encoder, file, epochs=1))[0]
    assert (started.rows, started.skipped_rows) == (40, 3)
    assert [row.line for row in started.skipped] == [42, 43, 44]
    assert all(row.reason for row in started.skipped)


def test_a_limit_draws_rows_from_the_whole_file(encoder: Path, tmp_path: Path) -> None:
    rows = sorted(sentences(80), key=lambda row: row[1])  # the first forty have one label only
    file = write_rows(tmp_path / "rows.tsv", list(rows))
    started = parts(question(encoder, file, epochs=1, limit=30))[0]
    assert started.rows == 30
    assert len(started.labels) == 2


@pytest.mark.parametrize(
    ("rows", "changes", "message"),
    [
        ([("a good film", "1")] * 20, {}, "every row of rows.tsv has the label '1'"),
        (sentences(9), {}, "9 usable rows"),
        ([(text, str(n)) for n, (text, _) in enumerate(sentences(30))], {}, "30 different labels"),
        ([("good", "1")] * 10 + [("bad", "0")] * 10, {}, "no row can be held out"),
        (sentences(20), {"label": "Wertung"}, "there is no column 'Wertung'"),
        (sentences(20), {"text_b": "label"}, "--text-b belongs to pairs"),
        (sentences(20), {"task": SIMILAR}, "column"),
    ],
)
def test_rows_that_cannot_be_used_are_refused_before_anything_is_written(
    encoder: Path, tmp_path: Path, rows: list[tuple[str, ...]], changes: dict[str, Any], message: str
) -> None:
    file = write_rows(tmp_path / "rows.tsv", list(rows))
    with pytest.raises(InputError, match=message):
        parts(question(encoder, file, **changes))
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_not_there_is_named(encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"missing\.tsv"):
        parts(question(encoder, tmp_path / "missing.tsv"))


def test_what_has_no_encoder_is_refused(gpt2_folder: Path, llama_folder: Path, file: Path) -> None:
    for folder in (gpt2_folder, llama_folder):
        with pytest.raises(ModelFormatError, match="no encoder"):
            parts(question(folder, file))


def test_a_finished_model_and_strange_files_are_not_overwritten_unasked(encoder: Path, file: Path) -> None:
    asked = question(encoder, file, epochs=1)
    out = Path(asked.out)
    out.mkdir()
    (out / "diary.txt").write_text("dear diary")
    (out / "vocab.txt").write_text("mine")
    with pytest.raises(InputError, match="already holds other files"):
        parts(asked)
    parts(replace(asked, overwrite=True))
    assert (out / "diary.txt").read_text() == "dear diary"
    assert (out / "vocab.txt").read_text() == "mine"  # of no model, so it is left alone
    with pytest.raises(InputError, match="already holds a model"):
        parts(asked)
    with pytest.raises(InputError, match="finished model"):
        parts(replace(asked, resume=True))
    old = weights(asked.out)
    done = parts(replace(asked, overwrite=True, seed=1))[-1]
    assert any(not torch.equal(old[name], new) for name, new in weights(done.folder).items())


def test_an_overwritten_model_is_read_anew_by_the_panes(encoder: Path, file: Path) -> None:
    at_desk = desk()
    asked = question(encoder, file, epochs=1)
    list(finetune(at_desk, asked))
    before = at_desk.encoder(Head.CLASSIFIER, asked.out)
    list(finetune(at_desk, replace(asked, overwrite=True, seed=1)))
    assert at_desk.encoder(Head.CLASSIFIER, asked.out) is not before


def test_a_checkpoint_belongs_to_its_settings_and_rows(encoder: Path, file: Path) -> None:
    asked = question(encoder, file)
    parts(asked, should_stop=stopping_after(5))
    with pytest.raises(InputError, match="unfinished run"):
        parts(asked)
    with pytest.raises(SettingError, match="epochs 2, not 3"):
        parts(replace(asked, resume=True, epochs=3))
    write_rows(file, list(sentences(78)))
    with pytest.raises(InputError, match="not those"):
        parts(replace(asked, resume=True))
    state = Path(asked.out) / CHECKPOINT / "state.pt"
    state.write_bytes(b"rubbish")
    with pytest.raises(ModelFormatError, match="cannot be read"):
        parts(replace(asked, resume=True))
    assert isinstance(parts(replace(asked, overwrite=True))[-1], Finetuned)


def test_nothing_to_go_on_with_and_folders_that_cannot_be_are_said(encoder: Path, file: Path) -> None:
    with pytest.raises(InputError, match="no checkpoint"):
        parts(question(encoder, file, resume=True))
    with pytest.raises(InputError, match="is a file"):
        parts(question(encoder, file, out=str(file)))
    with pytest.raises(InputError, match="starters"):
        parts(question(encoder, file, out=str(STARTER_FOLDER / "sst2"), overwrite=True))
    with pytest.raises(EngineError, match="cannot be written"):
        parts(question(encoder, file, out=str(file / "below")))


class Killed(BaseException):
    """Ends everything, as a signal would."""


@pytest.mark.slow
def test_a_save_that_is_killed_leaves_no_half_model(encoder: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = question(encoder, file, epochs=1)
    old_card = Path(parts(asked)[-1].folder, "README.md").read_text()
    old = weights(asked.out)
    asked = replace(asked, overwrite=True, seed=1)
    whole = weights(parts(replace(asked, out=str(file.parent / "whole")))[-1].folder)
    out, kept = Path(asked.out), file.parent / "kept"
    shutil.copytree(out, kept)
    for moment in count():
        shutil.rmtree(out)
        shutil.copytree(kept, out)
        calls = count()

        def dying(kind: Callable[..., Any], calls: Iterator[int] = calls, moment: int = moment) -> Callable[..., Any]:
            def call(*given: Any, **named: Any) -> Any:
                if next(calls) == moment:
                    raise Killed
                return kind(*given, **named)

            return call

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", dying(os.replace))
            patch.setattr(Path, "unlink", dying(Path.unlink))
            patch.setattr(Path, "write_text", dying(Path.write_text))
            try:
                parts(asked)
                break
            except Killed:
                pass
        if ModelFolder(Path(asked.out)).has_model:
            found = weights(asked.out)
            which = old if torch.equal(found["classifier.weight"], old["classifier.weight"]) else whole
            assert all(torch.equal(found[name], weight) for name, weight in which.items())
            assert evaluated(load_trainable(resolve(asked.out), ("a", "b"), 0, torch.device("cpu"))[0])
    assert moment >= 12  # the card, and each old file's end and each new one's place
    assert (Path(asked.out) / "README.md").read_text() != old_card


def test_a_full_disk_leaves_the_old_model_and_says_what_to_do(
    encoder: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = question(encoder, file, epochs=1)
    parts(asked)
    old = weights(asked.out)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(EngineError, match="No space left on device"):
        parts(replace(asked, overwrite=True, seed=1))
    assert all(torch.equal(weight, old[name]) for name, weight in weights(asked.out).items())
    assert {file.name for file in Path(asked.out).iterdir() if file.name.startswith(".")} == set()


def test_a_loss_that_is_no_number_ends_with_advice(encoder: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.engine.lab.finetuning.model import Classifier

    learn = Classifier._learn
    steps = count()

    def breaking(self: Classifier, part: Any, rows: int, seed: int) -> float:
        found = learn(self, part, rows, seed)
        return float("nan") if next(steps) == 3 else found

    monkeypatch.setattr(Classifier, "_learn", breaking)
    asked = question(encoder, file)
    with pytest.raises(EngineError, match="step 4") as raised:
        parts(asked)
    assert "--learning-rate" in raised.value.hint
    assert not Path(asked.out).exists()


def test_the_quicker_precision_is_taken_unless_one_is_named(encoder: Path, file: Path) -> None:
    started = parts(question(encoder, file, epochs=1), target=Target("", "cpu", "auto"))[0]
    assert started.precision in ("float32", "bfloat16")
    asked = question(encoder, file, epochs=1, overwrite=True)
    assert parts(asked, target=Target("", "cpu", "bfloat16"))[0].precision == "bfloat16"
    with pytest.raises(DeviceError, match="int8"):
        parts(asked, target=Target("", "cpu", "int8"))


def test_settings_out_of_range_are_refused() -> None:
    changes: list[tuple[str, Any]] = [
        ("epochs", 0),
        ("batch_size", 0),
        ("learning_rate", 0.0),
        ("held_out", 0.6),
        ("seed", -1),
    ]
    for name, value in changes:
        with pytest.raises(SettingError, match=name):
            replace(Finetune("m", "f", SENTIMENT, "o"), **{name: value})


def test_the_command_names_what_differs_from_the_defaults() -> None:
    asked = Finetune("starter/bert", "/home/me/my rows.tsv", SIMILAR, "/home/me/out", epochs=5, text_b="b")
    assert (
        command(asked)
        == "nlp-tui finetune 'my rows.tsv' --task similar --out out --model starter/bert --text-b b --epochs 5"
    )


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 2)), min_size=1, max_size=80), st.floats(0.01, 0.5))
def test_the_held_out_share_is_of_every_label_and_of_no_text_that_is_also_learnt(
    drawn: list[tuple[int, int]], share: float
) -> None:
    from core.engine.lab.finetuning.rows import LabelledRows
    from core.lab.finetuning import LabelCount
    from core.tables.columns import Columns
    from core.tables.rows import Row

    rows = tuple(Row((str(text),), str(label), line) for line, (text, label) in enumerate(drawn))
    classes = tuple(label for _, label in drawn)
    labels = tuple(LabelCount(str(label), str(label), classes.count(label)) for label in range(3))
    labelled = LabelledRows(rows, classes, labels, Columns(), ())
    try:
        learnt, held = hold_out(labelled, share, 0)
    except InputError:
        return
    assert sorted(learnt + held) == list(range(len(rows)))
    assert not {rows[row].texts for row in learnt} & {rows[row].texts for row in held}
    for label in range(3):
        own = classes.count(label)
        assert sum(classes[row] == label for row in held) <= max(1, round(share * own))
        assert own == 0 or any(classes[row] == label for row in learnt)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=200), st.integers(1, 16), st.integers(0, 5))
def test_an_epoch_s_batches_hold_every_row_once(lengths: list[int], size: int, seed: int) -> None:
    rows = list(range(len(lengths)))
    batches = epoch_batches(lengths, rows, size, seed)
    assert sorted(row for batch in batches for row in batch) == rows
    assert len(batches) == -(-len(rows) // size)
    assert max(map(len, batches)) <= size


def test_rates_rise_then_fall_to_nearly_nothing() -> None:
    factors = [rate_factor(step, 100) for step in range(100)]
    assert factors[0] == pytest.approx(0.1)
    assert max(factors) == factors[9] == pytest.approx(1.0)
    assert factors[9:] == sorted(factors[9:], reverse=True)
    assert 0 < factors[-1] < 0.02
    assert all(0 < rate_factor(step, 3) <= 1 for step in range(3))


def test_seeded_draws_leave_the_shared_generator_alone() -> None:
    before = torch.random.get_rng_state()
    drawn = []
    for _ in range(2):
        with seeded(7, torch.device("cpu")):
            drawn.append(torch.rand(3))
    assert torch.equal(*drawn)
    assert torch.equal(before, torch.random.get_rng_state())
