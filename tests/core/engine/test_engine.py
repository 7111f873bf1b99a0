"""The engine in this process: what it emits for each request, what it keeps, and what it refuses."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from core.engine.engine import CANDIDATES_PER_EVENT, Engine
from core.engine.networks.linear import HalfLinear, PlainLinear
from core.errors import DeviceError, EngineError, InputError, ModelFormatError, ModelNotFoundError, PromptTooLongError
from core.messages.protocol import (
    Candidates,
    Compare,
    Compared,
    Done,
    Event,
    Generate,
    Load,
    Loaded,
    Next,
    Progress,
    RunStarted,
    SequenceDone,
    TokenGenerated,
    Work,
)
from core.messages.records import FinishReason, Target
from core.messages.sampling_params import SamplingParams

PARAMS = SamplingParams(max_new_tokens=6, seed=1, candidates=2)
PROMPT = "Once upon a time"


def never() -> bool:
    return False


def nothing() -> None:
    pass


class Bench:
    """An engine and everything it said."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.engine = Engine(self.events.append)

    def handle(
        self,
        request: Work,
        should_stop: Callable[[], bool] = never,
        between: Callable[[], None] = nothing,
    ) -> list[Event]:
        """Answer one request and return its events, progress left out."""
        self.events.clear()
        self.engine.handle(request, should_stop, between)
        assert {event.id for event in self.events} == {request.id}
        return [event for event in self.events if not isinstance(event, Progress)]

    def generate(self, model: Path, prompt: str = PROMPT, params: SamplingParams = PARAMS) -> tuple[int, ...]:
        """The ids of a run."""
        done = self.handle(Generate(Target(str(model)), prompt, params))[-2]
        assert isinstance(done, SequenceDone)
        return done.ids


@pytest.fixture
def bench() -> Iterator[Bench]:
    threads = torch.get_num_threads()
    yield Bench()
    torch.set_num_threads(threads)  # an engine takes every core; the other tests want one


def test_loading_a_model_reports_progress_and_then_the_model(bench: Bench, gpt2_folder: Path) -> None:
    (loaded,) = bench.handle(Load(Target(str(gpt2_folder)), id=3))
    assert isinstance(loaded, Loaded)
    assert (loaded.info.source, loaded.info.architecture) == ("folder", "GPT2LMHeadModel")
    assert (loaded.info.n_positions, loaded.info.vocab_size) == (64, 50257)
    assert loaded.info.path == str(gpt2_folder)
    fractions = [event.fraction for event in bench.events if isinstance(event, Progress)]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1


def test_loading_a_classifier_works_the_same_way(bench: Bench, classifier_folder: Path) -> None:
    (loaded,) = bench.handle(Load(Target(str(classifier_folder)), id=3))
    assert isinstance(loaded, Loaded)
    assert loaded.info.architecture == "BertForSequenceClassification"


def test_a_loaded_model_is_not_loaded_again(bench: Bench, gpt2_folder: Path) -> None:
    bench.handle(Load(Target(str(gpt2_folder))))
    bench.handle(Generate(Target(str(gpt2_folder)), PROMPT, PARAMS, id=2))
    assert not any(isinstance(event, Progress) for event in bench.events)


def test_a_run_starts_writes_tokens_and_is_done(bench: Bench, gpt2_folder: Path) -> None:
    started, *tokens, sequence, done = bench.handle(Generate(Target(str(gpt2_folder)), PROMPT, PARAMS, id=7))
    assert isinstance(started, RunStarted)
    assert started.prompt_ids == (7454, 2402, 257, 640)
    assert (started.prompt, started.params) == (PROMPT, PARAMS)
    assert [type(token) for token in tokens] == [TokenGenerated] * 6
    assert isinstance(sequence, SequenceDone)
    assert sequence.ids == tuple(token.step.id for token in tokens if isinstance(token, TokenGenerated))
    assert sequence.finish_reason is FinishReason.LENGTH
    assert done == Done(7)


def test_running_again_gives_the_same_ids_whatever_was_read_before(bench: Bench, gpt2_folder: Path) -> None:
    fresh = Bench().generate(gpt2_folder)
    assert bench.generate(gpt2_folder) == fresh
    assert bench.generate(gpt2_folder) == fresh
    bench.generate(gpt2_folder, "Once upon another day entirely")
    bench.generate(gpt2_folder, PROMPT, PARAMS.changed(num_return_sequences=3))
    assert bench.generate(gpt2_folder) == fresh


def test_a_cancelled_run_emits_what_it_had_and_the_next_is_whole(bench: Bench, gpt2_folder: Path) -> None:
    def stop() -> bool:
        return sum(isinstance(event, TokenGenerated) for event in bench.events) >= 2

    *_, sequence, done = bench.handle(Generate(Target(str(gpt2_folder)), PROMPT, PARAMS, id=4), stop)
    assert isinstance(sequence, SequenceDone)
    assert (sequence.finish_reason, len(sequence.ids)) == (FinishReason.CANCELLED, 2)
    assert done == Done(4)
    assert bench.generate(gpt2_folder) == Bench().generate(gpt2_folder)


def test_next_ranks_as_many_candidates_as_asked_for(bench: Bench, gpt2_folder: Path) -> None:
    answer, done = bench.handle(Next(Target(str(gpt2_folder)), PROMPT, PARAMS, top=5, id=2))
    assert isinstance(answer, Candidates)
    assert [candidate.rank for candidate in answer.candidates] == [1, 2, 3, 4, 5]
    assert done == Done(2)


def test_next_0_is_the_whole_vocabulary_in_pieces(bench: Bench, gpt2_folder: Path) -> None:
    *pieces, done = bench.handle(Next(Target(str(gpt2_folder)), PROMPT, PARAMS, top=0, id=2))
    sizes = [len(piece.candidates) for piece in pieces if isinstance(piece, Candidates)]
    assert sum(sizes) == 50257
    assert max(sizes) == CANDIDATES_PER_EVENT
    assert done == Done(2)


def test_nexts_candidates_are_those_of_a_runs_first_token(bench: Bench, gpt2_folder: Path) -> None:
    params = PARAMS.changed(candidates=8)
    answer, _ = bench.handle(Next(Target(str(gpt2_folder)), PROMPT, params, top=8, id=2))
    _, first, *_ = bench.handle(Generate(Target(str(gpt2_folder)), PROMPT, params, id=3))
    assert isinstance(answer, Candidates)
    assert isinstance(first, TokenGenerated)
    for ours, theirs in zip(answer.candidates, first.step.candidates, strict=True):
        assert (ours.id, ours.kept, ours.cut_by) == (theirs.id, theirs.kept, theirs.cut_by)
        assert ours.final_prob == pytest.approx(theirs.final_prob, abs=1e-6)


def test_a_short_request_between_two_tokens_does_not_change_the_run(bench: Bench, gpt2_folder: Path) -> None:
    expected = bench.generate(gpt2_folder)
    answers: list[Event] = []

    def ask() -> None:
        inner = Next(Target(str(gpt2_folder)), "Something else", PARAMS, top=1, id=99)
        assert bench.engine.is_short(inner)
        bench.engine.handle(inner, never, nothing)

    bench.events.clear()
    bench.engine.handle(Generate(Target(str(gpt2_folder)), PROMPT, PARAMS), never, ask)
    answers = [event for event in bench.events if event.id == 99]
    assert len(answers) == 2 * PARAMS.max_new_tokens
    (done,) = (event for event in bench.events if isinstance(event, SequenceDone))
    assert done.ids == expected
    assert bench.generate(gpt2_folder) == expected


def test_only_requests_for_loaded_models_are_short(bench: Bench, gpt2_folder: Path, classifier_folder: Path) -> None:
    ask = Next(Target(str(gpt2_folder)), PROMPT, PARAMS, 1)
    compare = Compare(Target(str(classifier_folder)), "a", "b", id=2)
    assert not bench.engine.is_short(ask)
    assert not bench.engine.is_short(compare)
    bench.handle(Load(Target(str(gpt2_folder)), id=3))
    bench.handle(Load(Target(str(classifier_folder)), id=4))
    assert bench.engine.is_short(ask)
    assert bench.engine.is_short(compare)
    assert not bench.engine.is_short(Generate(Target(str(gpt2_folder)), PROMPT, PARAMS, id=5))
    assert not bench.engine.is_short(Load(Target(str(gpt2_folder)), id=6))


def test_comparing_answers_with_the_similarity(bench: Bench, classifier_folder: Path) -> None:
    (answer,) = bench.handle(Compare(Target(str(classifier_folder)), "A cat", "A feline", id=5))
    assert isinstance(answer, Compared)
    assert 0 <= answer.similarity.similar <= 1


@pytest.mark.parametrize(("row_times_s", "used"), [({"bfloat16": 1.0}, "bfloat16"), ({"bfloat16": 3.0}, "float32")])
def test_a_precision_is_used_only_where_it_is_quicker_than_float32(
    bench: Bench, gpt2_folder: Path, monkeypatch: pytest.MonkeyPatch, row_times_s: dict[str, float], used: str
) -> None:
    monkeypatch.setattr(
        "core.engine.networks.precision.factories",
        # Of the kinds that round, every processor has this one.
        lambda name: [HalfLinear] if name == "bfloat16" else [PlainLinear],
    )
    monkeypatch.setattr(
        "core.engine.networks.precision._row_time_s",
        lambda factory, *_: 2.0 if factory is PlainLinear else row_times_s["bfloat16"],
    )
    started, *_ = bench.handle(Generate(Target(str(gpt2_folder), "cpu", "bfloat16"), PROMPT, PARAMS))
    assert isinstance(started, RunStarted)
    assert started.info.dtype == used
    assert bool(started.info.note) == (used == "float32")
    assert bool(started.info.error.positions) == (used == "bfloat16")


@pytest.mark.usefixtures("without_bfloat16")
def test_a_precision_that_this_processor_does_not_have_is_replaced_by_float32_and_that_is_said(
    bench: Bench, gpt2_folder: Path, classifier_folder: Path
) -> None:
    exact = bench.generate(gpt2_folder)
    started, *_, done, _ = bench.handle(Generate(Target(str(gpt2_folder), "cpu", "bfloat16"), PROMPT, PARAMS))
    (loaded,) = bench.handle(Load(Target(str(classifier_folder), "cpu", "bfloat16"), id=2))
    assert isinstance(started, RunStarted)
    assert isinstance(done, SequenceDone)
    assert isinstance(loaded, Loaded)
    assert done.ids == exact
    for info in (started.info, loaded.info):
        assert (info.dtype, info.note) == ("float32", "this processor cannot compute in bfloat16, so float32 is used")


def test_a_truncated_prompt_says_what_was_read(bench: Bench, gpt2_folder: Path) -> None:
    prompt = " cat" * 200
    with pytest.raises(PromptTooLongError):
        bench.handle(Generate(Target(str(gpt2_folder)), prompt, PARAMS))
    started, *_ = bench.handle(Generate(Target(str(gpt2_folder)), prompt, PARAMS, truncate=True))
    assert isinstance(started, RunStarted)
    assert len(started.prompt_ids) == 64 - PARAMS.max_new_tokens
    assert started.prompt == " cat" * len(started.prompt_ids)


def test_what_cannot_be_answered_is_an_engine_error_and_the_engine_goes_on(
    bench: Bench, gpt2_folder: Path, classifier_folder: Path, tmp_path: Path
) -> None:
    gpt2 = str(gpt2_folder)
    broken = tmp_path / "broken"
    shutil.copytree(gpt2_folder, broken)
    (broken / "model.safetensors").write_bytes(b"not safetensors")
    refused: list[tuple[Work, type[EngineError]]] = [
        (Load(Target("nowhere")), ModelNotFoundError),
        (Load(Target(str(broken))), ModelFormatError),
        (Load(Target(gpt2, "cpu:7")), DeviceError),
        (Load(Target(gpt2, "cpu", "int4")), DeviceError),
        (Generate(Target(str(classifier_folder)), PROMPT, PARAMS), ModelFormatError),
        (Generate(Target(gpt2), "", PARAMS), InputError),
        (Generate(Target(gpt2), PROMPT, PARAMS.changed(max_length=2)), InputError),
        (Next(Target(gpt2), "word " * 500, PARAMS, 3), PromptTooLongError),
        (Compare(Target(gpt2), "a", "b"), ModelFormatError),
    ]
    for request, error in refused:
        with pytest.raises(error):
            bench.handle(request)
        assert not any(isinstance(event, Done | Loaded | Compared) for event in bench.events)
        assert len(bench.generate(gpt2_folder)) == 6


def test_a_model_that_failed_to_load_can_be_asked_for_again(bench: Bench, gpt2_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "late"
    shutil.copytree(gpt2_folder, folder)
    (folder / "model.safetensors").rename(folder / "later")
    with pytest.raises(ModelFormatError):
        bench.handle(Load(Target(str(folder))))
    (folder / "later").rename(folder / "model.safetensors")
    assert isinstance(bench.handle(Load(Target(str(folder)), id=2))[-1], Loaded)
