"""A model that does not fit is refused before it is loaded, with the numbers and with what would fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from core import memory
from core.engine.networks import fit
from core.engine.networks.fit import WeightCount, check_fit, count_weights
from core.engine.shelf import Shelf
from core.errors import ModelTooLargeError
from core.memory import RESERVE_BYTES
from core.messages.records import Target
from core.models.checks import check_model
from core.models.registry import resolve
from tests.loaded import ignore_progress

CPU = torch.device("cpu")
ALL = ("float32", "float16", "bfloat16", "int8")
BILLION = 1_000_000_000


def give(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    """Let this much memory be free, the reserve aside."""
    monkeypatch.setattr(fit, "free_bytes", lambda: free + RESERVE_BYTES)


def test_a_model_that_fits_exactly_is_taken_and_a_byte_less_is_too_little(monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, 4 * BILLION)
    check_fit("big", WeightCount(BILLION), CPU, "float32", ALL)
    give(monkeypatch, 4 * BILLION - 1)
    with pytest.raises(ModelTooLargeError):
        check_fit("big", WeightCount(BILLION), CPU, "float32", ALL)


def test_the_refusal_has_the_numbers_and_the_precision_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, 3 * BILLION)
    with pytest.raises(ModelTooLargeError) as caught:
        check_fit("gpt2-xl", WeightCount(1_558_000_000), CPU, "float32", ALL)
    assert caught.value.message == "gpt2-xl needs 6.2 GB of memory in float32, 3.0 GB are free on cpu"
    assert (
        caught.value.hint == "it takes float32 6.2 GB, float16 3.1 GB, bfloat16 3.1 GB, int8 1.6 GB; use --dtype int8"
    )


def test_a_model_that_fits_in_no_way_says_what_would(monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, BILLION)
    with pytest.raises(ModelTooLargeError, match=r"a model of up to 250 million weights would fit"):
        check_fit("huge", WeightCount(10 * BILLION), CPU, "float32", ("float32",))


def test_what_will_be_given_back_counts_as_free(monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, BILLION)
    check_fit("next", WeightCount(BILLION), CPU, "float32", ALL, freed_bytes=3 * BILLION)


def test_nothing_is_refused_where_free_memory_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit, "free_bytes", lambda: 0)
    check_fit("any", WeightCount(10**15), CPU, "float32", ALL)


def test_the_shelf_refuses_before_it_loads_and_keeps_what_it_has(
    gpt2_folder: Path, llama_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = Shelf()
    loaded, _ = shelf.causal(Target(str(gpt2_folder), "cpu", "float32"), ignore_progress)
    give(monkeypatch, -4 * loaded.info.parameters)
    monkeypatch.setattr("core.engine.shelf.load_causal", None)
    with pytest.raises(ModelTooLargeError, match=r"float32 .* MB, float16 .* MB, bfloat16"):
        shelf.causal(Target(str(llama_folder), "cpu", "float32"), ignore_progress)
    assert shelf.causal(Target(str(gpt2_folder), "cpu", "float32"), ignore_progress) == (loaded, False)


def test_the_old_model_makes_room_for_the_new_one(
    gpt2_folder: Path, llama_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = count_weights(check_model(resolve(str(llama_folder))))
    shelf = Shelf()
    loaded, _ = shelf.causal(Target(str(gpt2_folder), "cpu", "float32"), ignore_progress)
    give(monkeypatch, count.needed_bytes("float32") - 4 * loaded.info.parameters)
    assert shelf.causal(Target(str(llama_folder), "cpu", "float32"), ignore_progress)[1]


@pytest.mark.parametrize(
    ("precision", "widened", "needed"),
    [("float32", False, 10_000), ("float32", True, 15_000), ("int8", False, 6_500), ("int8", True, 10_500)],
)
def test_the_copies_of_the_largest_tensor_count(
    precision: str, widened: bool, needed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = WeightCount.of([1000, 500], widened=widened)
    assert count.needed_bytes(precision) == needed
    give(monkeypatch, needed - 1)
    with pytest.raises(ModelTooLargeError):
        check_fit("any", count, CPU, precision, ALL)


@pytest.fixture
def slow_int8(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which float32 is the quickest."""
    times = iter(range(100, 0, -1))  # the first one timed, the rounded one, is the slower
    monkeypatch.setattr("core.engine.networks.precision._row_time_s", lambda *_: next(times))


@pytest.mark.usefixtures("slow_int8")
def test_float32_is_not_taken_instead_where_it_does_not_fit(gpt2_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.engine.networks.loading.fits", lambda *_: False)
    monkeypatch.setattr("core.engine.networks.loading.exact_logits", None)
    info = Shelf().causal(Target(str(gpt2_folder), "cpu", "int8"), ignore_progress)[0].info
    assert (info.dtype, info.error.positions, info.note) == (
        "int8",
        0,
        "error not measured: float32 does not fit",
    )


@pytest.mark.parametrize(
    "error",
    [
        OSError(12, "Cannot allocate memory"),
        SafetensorError("Error while deserializing: I/O error: Cannot allocate memory (os error 12)"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes"),
        MemoryError(),
    ],
)
def test_memory_that_the_system_refuses_is_told_with_the_numbers(
    error: Exception, gpt2_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("core.engine.networks.loading.safe_open", refuse)
    with pytest.raises(
        ModelTooLargeError, match=r"needs \d+ MB of memory in float32, and the system gives no more"
    ) as caught:
        Shelf().causal(Target(str(gpt2_folder), "cpu", "float32"), ignore_progress)
    assert "use --dtype int8, close other programs" in caught.value.hint


def test_a_load_gives_back_what_it_no_longer_needs_even_when_it_fails(
    gpt2_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    monkeypatch.setattr("core.engine.shelf.give_back", lambda: calls.append("given back"))
    Shelf().causal(Target(str(gpt2_folder), "cpu", "float32"), ignore_progress)
    assert calls == ["given back"]
    monkeypatch.setattr("core.engine.networks.loading.GPT2", None)
    with pytest.raises(TypeError):
        Shelf().causal(Target(str(gpt2_folder), "cpu", "float32"), ignore_progress)
    assert calls == ["given back"] * 2


def test_free_memory_is_between_nothing_and_all_there_is() -> None:
    assert 0 < memory.free_bytes() <= memory.total_bytes()
    assert 0 < memory.resident_bytes() < memory.total_bytes()


def test_a_container_has_no_more_than_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = tuple(tmp_path / name for name in ("max", "current", "stat"))
    for file, content in zip(files, ("1000000", "600000", "anon 1\ninactive_file 100000\n"), strict=True):
        file.write_text(content)
    monkeypatch.setattr(memory, "_LIMITS", (files,))
    assert memory.free_bytes() == 500_000
    files[0].write_text("max")
    assert memory.free_bytes() > 500_000


def test_a_system_that_tells_nothing_has_no_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "none")
    monkeypatch.setattr(memory, "_pages", lambda name: 0)
    monkeypatch.setattr(memory, "_LIMITS", ())
    assert (memory.total_bytes(), memory.free_bytes()) == (0, 0)
    assert memory.resident_bytes(2**30) == 0
