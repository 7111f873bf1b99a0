"""Live distillation: the student comes nearer, a stopped run goes on as if it had not been, the folder is usable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.engine.lab.distillation.model import Distiller, Pieces, cut, hide
from core.engine.lab.distillation.task import BUNDLED_TEXT, Part, checkpoint, distil
from core.engine.lab.masked_lm import fill_masks
from core.engine.networks.encoder_models import auto_class, load_tokenizer
from core.engine.networks.halving import halve
from core.engine.networks.head import Head
from core.engine.networks.loading import from_pretrained
from core.errors import InputError, ModelFormatError, SettingError
from core.lab.distillation import Distil, Distilled, DistilMeasured, DistilPaused, DistilStarted, DistilStep
from core.lab.masked_lm import FillMasks
from core.models.registry import resolve
from tests.builders import EncoderBuilder
from tests.loaded import desk

TEXT = BUNDLED_TEXT.read_text(encoding="utf-8")[:6000]


@pytest.fixture(scope="module")
def teacher(build_encoder: EncoderBuilder) -> Path:
    """A tiny BERT of two layers."""
    return build_encoder("bert", Head.MASKED_LM)


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep checkpoints out of the user's folders."""
    monkeypatch.setattr("core.engine.lab.distillation.task.state_folder", lambda: tmp_path / "state")


def run(teacher: Path | str, *, stop_after: int = -1, **options: Any) -> list[Part]:
    """Every part of the answer, stopped after so many steps."""
    parts: list[Part] = []

    def should_stop() -> bool:
        return sum(isinstance(part, DistilStep) for part in parts) == stop_after

    parts.extend(distil(desk(should_stop=should_stop), Distil(str(teacher), **({"text": TEXT} | options))))
    return parts


def of(kind: type[Any], parts: list[Part]) -> list[Any]:
    """The parts of one kind."""
    return [part for part in parts if isinstance(part, kind)]


def test_a_student_comes_half_the_way_to_its_teacher_in_twenty_steps(teacher: Path) -> None:
    (done,) = of(Distilled, run(teacher, steps=20, learning_rate=3e-3))
    assert done.kl < 0.5 * done.kl_before
    assert done.agreement > done.agreement_before


@pytest.mark.starter
@pytest.mark.slow
def test_a_student_of_the_starter_comes_a_third_nearer_in_a_dozen_steps() -> None:
    parts = run("starter/bert", steps=12, text="")
    (started,), (done,) = of(DistilStarted, parts), of(Distilled, parts)
    assert started.kept_layers == (0, 2, 5)
    assert started.student_parameters < 0.8 * started.teacher_parameters
    assert done.kl < 0.7 * done.kl_before
    assert done.agreement > done.agreement_before
    assert [step.step for step in of(DistilStep, parts)] == list(range(1, 13))
    assert [measured.step for measured in of(DistilMeasured, parts)] == [0, 10, 12]


def test_a_stopped_run_goes_on_as_if_it_had_not_been(teacher: Path) -> None:
    whole = run(teacher, steps=14, temperature=3.0, seed=4)
    first = run(teacher, steps=14, temperature=3.0, seed=4, stop_after=11)
    (paused,) = of(DistilPaused, first)
    assert (paused.step, paused.steps) == (11, 14)
    assert Path(paused.checkpoint).is_file()
    second = run(teacher, steps=14, temperature=3.0, seed=4, resume=True)
    assert of(DistilStarted, second)[0].step == 11

    def losses(parts: list[Part]) -> list[float]:
        return [step.loss for step in of(DistilStep, parts)]

    assert losses(first) + losses(second) == pytest.approx(losses(whole), abs=1e-6)
    assert of(Distilled, second)[0].kl == pytest.approx(of(Distilled, whole)[0].kl, abs=1e-6)
    assert [one.step for one in of(DistilMeasured, second)] == [0, 10, 14]
    assert not checkpoint().path.exists()


def test_only_the_same_run_goes_on(teacher: Path) -> None:
    with pytest.raises(InputError, match="no stopped run"):
        run(teacher, resume=True)
    run(teacher, steps=5, stop_after=2)
    with pytest.raises(SettingError, match="temperature, seed"):
        run(teacher, steps=5, temperature=1.0, seed=9, resume=True)
    with pytest.raises(SettingError, match="text"):
        run(teacher, steps=5, text="", resume=True)
    assert of(Distilled, run(teacher, steps=3, resume=True))[0].step == 3


def test_a_run_stopped_before_its_first_step_keeps_nothing(teacher: Path) -> None:
    assert run(teacher, stop_after=0)[-1] == DistilPaused(0, 60, "")
    assert not checkpoint().path.exists()


def test_the_finished_student_is_an_ordinary_folder(teacher: Path, tmp_path: Path) -> None:
    folder = tmp_path / "student"
    done = run(teacher, steps=2, save_to=str(folder))[-1]
    assert isinstance(done, Distilled)
    assert done.folder == str(folder)
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert f"{done.kl:.4f}" in readme
    from transformers import DistilBertForMaskedLM, pipeline

    text = "I went to the [MASK] to buy some milk."
    expected: Any = pipeline("fill-mask", model=str(folder))(text)
    (answer,) = fill_masks(desk(), FillMasks(str(folder), text))
    assert [c.prob for c in answer.candidates] == pytest.approx([entry["score"] for entry in expected], abs=1e-5)
    assert type(DistilBertForMaskedLM.from_pretrained(folder)).__name__ == "DistilBertForMaskedLM"
    assert {path.name for path in folder.iterdir()} == {
        *("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "README.md")
    }
    with pytest.raises(InputError, match="already holds a model"):
        run(teacher, steps=1, save_to=str(folder))
    assert run(teacher, steps=1, save_to=str(folder), overwrite=True)[-1].folder == str(folder)  # type: ignore[union-attr]


def test_an_overwritten_student_is_read_anew_by_the_panes(teacher: Path, tmp_path: Path) -> None:
    at_desk = desk()
    asked = Distil(str(teacher), TEXT, steps=1, save_to=str(tmp_path / "student"))
    list(distil(at_desk, asked))
    before = at_desk.encoder(Head.MASKED_LM, asked.save_to)
    list(distil(at_desk, replace(asked, overwrite=True, seed=1)))
    assert at_desk.encoder(Head.MASKED_LM, asked.save_to) is not before


def test_the_loss_is_the_published_one_and_nothing_global_changes(teacher: Path) -> None:
    """Recomputed with plain full-length forwards from what the models are before the step."""
    distiller, bert, pieces = new_distiller(teacher)
    generator = torch.Generator().manual_seed(7 * 1_000_003)
    batch = pieces.rows(torch.randperm(len(pieces.ids), generator=generator)[:4])
    shown, hidden = hide(batch, generator)
    with torch.no_grad():
        taught = bert(input_ids=shown, output_hidden_states=True)
        own = distiller.student(input_ids=shown, output_hidden_states=True)
    soft = torch.nn.KLDivLoss(reduction="batchmean")(
        (own.logits[hidden] / 2).log_softmax(-1), (taught.logits[hidden] / 2).softmax(-1)
    )
    hard = torch.nn.CrossEntropyLoss()(own.logits[hidden], batch.ids[hidden])
    states = [one.hidden_states[-1].reshape(-1, 32) for one in (own, taught)]
    cosine = torch.nn.CosineEmbeddingLoss()(*states, torch.ones(len(states[0])))
    before = torch.get_rng_state(), {name: weight.clone() for name, weight in bert.state_dict().items()}
    losses = distiller.take_step(0)
    assert losses.soft == pytest.approx(4 * float(soft), rel=1e-4)
    assert losses.hard == pytest.approx(float(hard), rel=1e-4)
    assert losses.cosine == pytest.approx(float(cosine), abs=1e-5)
    assert losses.total == pytest.approx((5 * 4 * float(soft) + 2 * float(hard) + float(cosine)) / 8, rel=1e-4)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.is_grad_enabled()
    assert all(torch.equal(weight, before[1][name]) for name, weight in bert.state_dict().items())


def new_distiller(teacher: Path) -> tuple[Distiller, Any, Pieces]:
    """A distiller at its first step, its teacher and what it learns on."""
    resolved = resolve(str(teacher))
    bert = from_pretrained(auto_class(Head.MASKED_LM), resolved, torch.device("cpu"), "float32")
    tokenizer = load_tokenizer(resolved)
    pieces = cut(tokenizer(TEXT, add_special_tokens=False, verbose=False)["input_ids"], tokenizer, 64, 8)
    learn, held_out = pieces.rows(torch.arange(2, len(pieces.ids))), pieces.rows(torch.arange(2))
    settings: dict[str, Any] = {"learning_rate": 1e-3, "temperature": 2.0, "seed": 7, "batch_size": 4}
    return Distiller(bert, halve(bert), learn, held_out, **settings), bert, learn


def test_the_held_out_figures_are_those_of_plain_logits(teacher: Path) -> None:
    distiller, bert, _ = new_distiller(teacher)
    distiller.take_step(0)
    tokenizer = load_tokenizer(resolve(str(teacher)))
    pieces = cut(tokenizer(TEXT, add_special_tokens=False, verbose=False)["input_ids"], tokenizer, 64, 8)
    shown, hidden = hide(pieces.rows(torch.arange(2)), torch.Generator().manual_seed(0))
    with torch.no_grad():
        taught, own = (model(input_ids=shown).logits[hidden].log_softmax(-1) for model in (bert, distiller.student))
    kl, agreement = distiller.measure()
    assert kl == pytest.approx(float((taught.exp() * (taught - own)).sum(-1).mean()), rel=1e-4)
    assert agreement == float((taught.argmax(-1) == own.argmax(-1)).float().mean())


@given(st.lists(st.lists(st.booleans(), min_size=20, max_size=20), min_size=1, max_size=5), st.integers(0, 9))
def test_fifteen_in_a_hundred_tokens_are_hidden_and_only_where_they_may_be(rows: list[list[bool]], seed: int) -> None:
    may_hide = torch.tensor(rows)
    ids = torch.arange(may_hide.numel()).view(may_hide.shape) + 1000
    shown, hidden = hide(Pieces(ids, may_hide, 103, 30522), torch.Generator().manual_seed(seed))
    assert not bool((hidden & ~may_hide).any())
    assert torch.equal(shown[~hidden], ids[~hidden])
    for piece, count in zip(hidden, may_hide.sum(-1).tolist(), strict=True):
        assert int(piece.sum()) == min(count, max(1, round(0.15 * count)))


def test_texts_that_teach_nothing_are_refused(teacher: Path, classifier_folder: Path) -> None:
    for text in ("a few words", "ꙮ " * 400):
        with pytest.raises(InputError, match="learning takes two"):
            run(teacher, text=text)
    with pytest.raises(ModelFormatError, match="classifier"):
        run(classifier_folder)
    with pytest.raises(SettingError, match="steps"):
        Distil("starter/bert", steps=0)
    with pytest.raises(SettingError, match="learning_rate"):
        Distil("starter/bert", learning_rate=float("nan"))


def test_short_requests_are_let_in_between_steps(teacher: Path) -> None:
    calls: list[int] = []
    let_in: Callable[[], None] = lambda: calls.append(1)  # noqa: E731
    list(distil(desk(between=let_in), Distil(str(teacher), TEXT, steps=3)))
    assert len(calls) == 3
