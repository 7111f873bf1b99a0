"""What requests need, what models say they can do, and that neither is written where it was not before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.backends.abilities import check_can, needs
from core.errors import InputError
from core.history.run_lines import event_line, line_event
from core.lab.sentiment import ReadSentiment
from core.messages.codec import decode, encode
from core.messages.protocol import (
    Ask,
    Compare,
    Generate,
    Inspect,
    Load,
    Loaded,
    Next,
    RunStarted,
    ScoreTokens,
    Work,
)
from core.messages.records import Ability, ModelInfo, Target
from core.messages.sampling_params import SamplingParams, ScheduledParams
from core.text.visible import to_json
from tests.saved import INFO

MODEL, PARAMS = "starter/gpt2", SamplingParams()
NOTHING = replace(INFO, name="toy", can=())

NEEDS: list[tuple[Work, set[Ability]]] = [
    (Load(Target(MODEL)), set()),
    (Load(Target(MODEL, "cpu")), {Ability.PLACEMENT}),
    (Load(Target(MODEL, dtype="int8")), {Ability.PLACEMENT}),
    (Generate(Target(MODEL), "a", PARAMS), set()),
    (Generate(Target(MODEL), "a", PARAMS, truncate=True, trace=True), set()),
    (Generate(Target(MODEL), "a", PARAMS, prompt_ids=(1,)), {Ability.EXACT_TOKENS}),
    (Generate(Target(MODEL), "a", PARAMS, begun_ids=(1,)), {Ability.EXACT_TOKENS}),
    (Generate(Target(MODEL), "a", PARAMS, schedule=(ScheduledParams(3, PARAMS),)), {Ability.RETUNING}),
    (Next(Target(MODEL), "a", PARAMS, 10), {Ability.DISTRIBUTION}),
    (Inspect(Target(MODEL), "a", PARAMS), {Ability.DISTRIBUTION}),
    (ScoreTokens(Target(MODEL), (1, 2)), {Ability.SCORES}),
    (Compare(Target(MODEL), "a", "b"), {Ability.COMPARISON}),
    (Ask(Target(device="cuda"), ReadSentiment(MODEL, ("a",))), {Ability.PLACEMENT, Ability.LAB}),
]


@pytest.mark.parametrize(("request_", "abilities"), NEEDS, ids=lambda value: type(value).__name__)
def test_every_request_says_what_it_needs(request_: Work, abilities: set[Ability]) -> None:
    assert set(needs(request_)) == abilities


@pytest.mark.parametrize("ability", Ability)
def test_what_is_missing_is_said_in_one_line(ability: Ability) -> None:
    check_can(INFO, ability)
    check_can(None, ability)
    check_can(replace(NOTHING, can=(ability,)), ability)
    with pytest.raises(InputError) as caught:
        check_can(NOTHING, ability)
    assert str(caught.value) == f"the backend of toy cannot {ability}. hint: the engine of this machine can"


@pytest.mark.parametrize("can", [(), (Ability.SCORES, Ability.LAB), tuple(Ability)])
def test_what_a_model_can_crosses_the_pipe(can: tuple[Ability, ...]) -> None:
    message = Loaded(1, replace(INFO, can=can))
    assert decode(encode(message)) == message


@pytest.mark.parametrize("info", [INFO, NOTHING])
def test_runs_on_disk_and_in_json_keep_nothing_of_it(info: ModelInfo) -> None:
    line = event_line(RunStarted(0, info, "a", (1,), PARAMS))
    assert line is not None
    assert "can" not in line
    assert not any(ability in to_json(line) for ability in Ability)
    read = line_event(line)
    assert isinstance(read, RunStarted)
    assert read.info.can == tuple(Ability)
