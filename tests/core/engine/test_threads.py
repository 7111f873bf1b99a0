"""The number of threads follows the cores that other programs leave free."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import pytest
import torch

from core.engine.threads import LOOK_EVERY_S, STALE_S, Threads, busy_s, own_cores


class Machine:
    """Four cores whose work is told, not done."""

    def __init__(self) -> None:
        self.now_s = self.own_s = self.others_s = 0.0

    def busy_s(self, cores: Collection[int]) -> float | None:
        assert set(cores) == {0, 1, 2, 3}
        return self.own_s + self.others_s

    def work(self, *, own: float, others: float, for_s: float = LOOK_EVERY_S) -> None:
        """Let time go by, with so many cores used by this process and by others."""
        self.now_s += for_s
        self.own_s += own * for_s
        self.others_s += others * for_s


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def threads(machine: Machine) -> Iterator[Threads]:
    before = torch.get_num_threads()
    yield Threads(range(4), machine.busy_s, lambda: machine.own_s, lambda: machine.now_s)
    torch.set_num_threads(before)


def look(threads: Threads, machine: Machine, times: int, *, own: float, others: float) -> None:
    for _ in range(times):
        machine.work(own=own, others=others)
        threads.adjust()


def test_every_core_is_used_while_nobody_else_computes(threads: Threads, machine: Machine) -> None:
    look(threads, machine, 5, own=4, others=0.2)
    assert threads.count == torch.get_num_threads() == 4


def test_cores_that_others_take_are_left_to_them_and_come_back(threads: Threads, machine: Machine) -> None:
    look(threads, machine, 2, own=2, others=2)
    assert threads.count == torch.get_num_threads() == 2
    look(threads, machine, 2, own=1, others=9)
    assert threads.count == 1  # at least one, however many want to run
    look(threads, machine, 2, own=1, others=0.1)
    assert threads.count == torch.get_num_threads() == 4


def test_a_moment_changes_nothing(threads: Threads, machine: Machine) -> None:
    look(threads, machine, 1, own=2, others=2)
    look(threads, machine, 1, own=4, others=0)
    look(threads, machine, 1, own=2, others=2)
    assert threads.count == 4


def test_what_happened_while_nobody_asked_changes_nothing(threads: Threads, machine: Machine) -> None:
    for _ in range(3):
        machine.work(own=0, others=4, for_s=2 * STALE_S)
        threads.adjust()
    assert threads.count == 4


def test_the_cores_are_not_looked_at_for_every_token(threads: Threads, machine: Machine) -> None:
    for _ in range(20):
        machine.work(own=2, others=2, for_s=LOOK_EVERY_S / 20)
        threads.adjust()
    assert threads.count == 4


def test_all_cores_are_used_where_nobody_counts_their_work() -> None:
    before = torch.get_num_threads()
    try:
        threads = Threads(range(3), lambda cores: None)
        threads.adjust()
        assert threads.count == torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_this_machine_counts_its_work_or_says_that_it_does_not() -> None:
    cores = own_cores()
    assert cores
    counted = busy_s(cores)
    assert counted is None or counted > 0
