"""The clock, the schedule and the checkpoint file."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training.progress import (
    Budget,
    RunningClock,
    learning_rate_factor,
    load_checkpoint,
    save_checkpoint,
    step_generator,
)


def test_time_in_which_the_process_was_stopped_does_not_count() -> None:
    times = iter([0.0, 2.0, 3602.0, 3603.0])
    clock = RunningClock(10.0, now=lambda: next(times))
    clock.tick()
    clock.tick()
    clock.tick()
    assert clock.elapsed_s == 10.0 + 2.0 + 30.0 + 1.0


def test_a_budget_ends_by_whichever_bound_comes_first() -> None:
    assert Budget(minutes=1, steps=10).fraction_done(6.0, 5) == 0.5
    assert Budget(minutes=1, steps=10).fraction_done(45.0, 5) == 0.75
    assert Budget(minutes=1).fraction_done(600.0, 5) == 1.0


@pytest.mark.parametrize(("minutes", "steps"), [(0, 1), (-1, 0), (1, -1)])
def test_a_budget_without_an_end_is_refused(minutes: float, steps: int) -> None:
    with pytest.raises(ValueError, match="must be"):
        Budget(minutes, steps)


@given(st.floats(0, 1), st.integers(0, 10_000))
def test_the_learning_rate_never_leaves_its_bounds(fraction: float, step: int) -> None:
    factor = learning_rate_factor(fraction, step, warmup_steps=50, decay_from=0.3)
    assert 0 <= factor <= 1


def test_the_learning_rate_rises_then_stays_then_falls_to_nothing() -> None:
    def factor(fraction: float, step: int) -> float:
        return learning_rate_factor(fraction, step, warmup_steps=10, decay_from=0.5)

    assert factor(0.0, 0) == pytest.approx(0.1)
    assert factor(0.4, 100) == 1.0
    assert factor(0.75, 100) == pytest.approx(0.5)
    assert factor(1.0, 100) == 0.0


def test_a_step_draws_the_same_whenever_it_is_taken() -> None:
    draws = [torch.rand(3, generator=step_generator(seed, step)) for seed, step in [(0, 7), (0, 7)]]
    assert torch.equal(*draws)
    assert not torch.equal(draws[0], torch.rand(3, generator=step_generator(0, 8)))


def test_a_checkpoint_replaces_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "run.checkpoint.pt"
    save_checkpoint(path, {"step": 1})
    save_checkpoint(path, {"step": 2, "weights": torch.ones(2)})
    assert load_checkpoint(path)["step"] == 2
    assert [file.name for file in path.parent.iterdir()] == [path.name]
