"""Settings are validated once, and every refusal gives the range and the value."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import fields
from math import isfinite
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ERROR_KINDS, EngineError, SettingError
from core.messages.records import Similarity
from core.messages.sampling_params import PRESETS, SETTINGS, SamplingParams, check_setting

INFINITY, NAN = float("inf"), float("nan")

REFUSED: list[tuple[str, float, str]] = [
    ("top_p", 1.7, "top_p must be in (0, 1], got 1.7"),
    ("top_p", 0, "top_p must be in (0, 1], got 0"),
    ("top_p", NAN, "top_p must be in (0, 1], got nan"),
    ("typical_p", -0.1, "typical_p must be in (0, 1], got -0.1"),
    ("min_p", 1.01, "min_p must be in [0, 1], got 1.01"),
    ("temperature", -1, "temperature must be in [0, 100], got -1"),
    ("temperature", INFINITY, "temperature must be in [0, 100], got inf"),
    ("repetition_penalty", 0, "repetition_penalty must be in (0, 100], got 0"),
    ("top_k", -1, "top_k must be in [0, ∞), got -1"),
    ("top_k", INFINITY, "top_k must be in [0, ∞), got inf"),
    ("max_new_tokens", 0, "max_new_tokens must be in [1, ∞), got 0"),
    ("num_return_sequences", 65, "num_return_sequences must be in [1, 64], got 65"),
    ("candidates", 1001, "candidates must be in [0, 1000], got 1001"),
]


@pytest.mark.parametrize(("name", "value", "message"), REFUSED)
def test_a_value_outside_gives_its_range_and_itself(name: str, value: float, message: str) -> None:
    changes: dict[str, Any] = {name: value}
    for refuse in (lambda: check_setting(name, value), lambda: SamplingParams(**changes)):
        with pytest.raises(SettingError) as caught:
            refuse()
        assert caught.value.message == message
        assert caught.value.hint


@pytest.mark.parametrize("name", [name for name in SETTINGS if SETTINGS[name].whole])
def test_a_whole_number_setting_refuses_a_fraction(name: str) -> None:
    with pytest.raises(SettingError, match=rf"{name} must be a whole number, got 2\.5"):
        check_setting(name, 2.5)


def test_the_settings_are_the_numbers_of_the_record_in_its_order() -> None:
    numbers = [one.name for one in fields(SamplingParams) if type(one.default) in (int, float)]
    assert [name for name in numbers if name != "seed"] == list(SETTINGS)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_off_value_and_both_ends_are_inside_the_range(name: str) -> None:
    span = SETTINGS[name]
    if span.off is not None:
        check_setting(name, span.off)
    if not span.low_open:
        check_setting(name, span.low)
    if span.high != INFINITY:
        check_setting(name, span.high)


@given(name=st.sampled_from(sorted(SETTINGS)), value=st.floats() | st.integers(-(10**6), 10**6))
def test_any_number_is_either_inside_or_refused_by_name(name: str, value: float) -> None:
    span = SETTINGS[name]
    inside = isfinite(value) and span.low <= value <= span.high and not (span.low_open and value == span.low)
    inside = inside and (not SETTINGS[name].whole or value == round(value))
    with nullcontext() if inside else pytest.raises(SettingError, match=f"^{name} must be "):
        check_setting(name, value)


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_outside_64_bits_is_refused(seed: int) -> None:
    with pytest.raises(SettingError, match="seed must be in"):
        SamplingParams(seed=seed)


def test_an_empty_stop_string_is_refused() -> None:
    with pytest.raises(SettingError, match="stop string is empty"):
        SamplingParams(stop_strings=("a", ""))


def test_the_defaults_are_the_courses() -> None:
    params = SamplingParams()
    assert (params.do_sample, params.temperature, params.top_k, params.top_p) == (True, 0.8, 50, 0.95)
    assert (params.min_p, params.typical_p, params.repetition_penalty, params.no_repeat_ngram_size) == (0, 1, 1, 0)
    assert PRESETS["balanced"] == params


def test_a_changed_copy_is_validated_and_the_original_stays() -> None:
    params = SamplingParams()
    assert params.changed(top_k=5).top_k == 5
    assert params.top_k == 50
    with pytest.raises(SettingError):
        params.changed(top_p=2.0)


@pytest.mark.parametrize(
    ("params", "greedy"),
    [(SamplingParams(), False), (SamplingParams(temperature=0), True), (SamplingParams(do_sample=False), True)],
)
def test_temperature_0_is_greedy(params: SamplingParams, greedy: bool) -> None:
    assert params.greedy is greedy


def test_max_length_replaces_max_new_tokens_when_it_is_on() -> None:
    assert SamplingParams(max_new_tokens=7).new_token_limit(100) == 7
    assert SamplingParams(max_new_tokens=7, max_length=30).new_token_limit(10) == 20
    assert SamplingParams(max_length=30).new_token_limit(40) == -10


def test_an_error_is_one_line_of_what_and_what_to_do() -> None:
    assert str(EngineError("it broke", "mend it")) == "it broke. hint: mend it"
    assert str(EngineError("it broke")) == "it broke"
    assert all(name == kind.__name__ for name, kind in ERROR_KINDS.items())


def test_the_similarity_record_starts_with_the_contracts_fields() -> None:
    contract = ("model", "method", "similar", "not_similar", "cosine", "a_to_b", "b_to_a")
    assert tuple(field.name for field in fields(Similarity))[: len(contract)] == contract
