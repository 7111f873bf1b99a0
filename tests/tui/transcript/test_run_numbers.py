"""The numbers of a run against values worked out by hand, and what is advised against loops."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from textual.widgets import Static

from core.engine.generation.decoding import run_stats
from core.messages.protocol import Done, Generate, SequenceDone, TokenGenerated
from core.messages.records import FinishReason, StepRecord
from core.messages.sampling_params import SamplingParams
from tests.tui.conftest import Launch, Running
from tests.tui.fake_engine import step
from tui.transcript.run_numbers import choice_line, in_a_loop, logprob_of, loop_line, signed, speed_line
from tui.transcript.turn import Turn
from tui.widgets.ribbon_view import RibbonToken, surprisal_line

PROBABILITIES = (0.5, 0.25, 0.125)
"""1, 2 and 3 bits of surprisal."""
ENTROPIES = (1.0, 2.0, 4.5)
KEPT_MASSES = (0.9, 0.8, 0.4)
TIMES_S = (0.100, 0.120, 0.160)
"""When the tokens came: gaps of 20 and 40 ms."""
SAMPLING = SamplingParams()


def records(ids: tuple[int, ...] = (7, 8, 9)) -> list[StepRecord]:
    """Tokens whose numbers are known."""
    rows = zip(ids, PROBABILITIES, ENTROPIES, KEPT_MASSES, TIMES_S, strict=True)
    return [
        replace(
            step(f" t{index}"),
            index=index,
            id=id_,
            prob=prob,
            logprob=math.log(prob),
            entropy=entropy,
            kept_mass=mass,
            elapsed_s=at,
        )
        for index, (id_, prob, entropy, mass, at) in enumerate(rows)
    ]


STATS = run_stats(
    times_s=list(TIMES_S),
    logprobs=[math.log(probability) for probability in PROBABILITIES],
    ttft_s=TIMES_S[0],
    tokens_per_s=2 / 0.060,
    prefill_s=0.05,
    prompt_tokens=4,
    n_positions=512,
)
"""What the engine says of them."""

SPEED = "TTFT 100 ms · ITL p50 30.0 p99 39.8 ms · 33.3 tok/s · perplexity 4.0"
"""The median of 20 and 40 ms is 30, their 99th percentile 20 + 0.99 · 20; 2 tokens came in 60 ms; e^(2 ln 2) is 4."""

CHOICES = "log p −4.2 · mean entropy 2.50 bits · mean kept mass 70.0%"
"""ln(1/2 · 1/4 · 1/8) is −6 ln 2; (1 + 2 + 4.5) / 3; (0.9 + 0.8 + 0.4) / 3."""


def test_the_lines_say_what_a_hand_computation_says() -> None:
    assert speed_line(STATS) == SPEED
    assert choice_line(records(), SamplingParams()) == CHOICES
    assert choice_line(records(), SamplingParams(num_beams=2)) == CHOICES.partition(" · mean kept")[0]
    assert STATS.prompt_tokens_per_s == pytest.approx(80)
    assert logprob_of(records()) == pytest.approx(-6 * math.log(2))
    assert math.exp(-logprob_of(records()) / 3) == pytest.approx(STATS.perplexity)


def test_the_curve_rises_a_level_every_two_bits() -> None:
    tokens = [
        RibbonToken("", 1, index, 2.0**-bits, 1, 0, 0, 0, 0) for index, bits in enumerate((0, 1, 2, 3, 4, 14, 99))
    ]
    assert surprisal_line(tokens, 7) == "▁▁▂▂▃██"


async def looking(running: Running, ids: tuple[int, ...]) -> str:
    """The X-ray's lines about a run of these tokens, with the numbers of three known ones over and over."""
    running.screen.prompt.text = "Once upon"
    await running.pilot.press("f2", "escape", "enter")
    await running.until(lambda: running.engine.of(Generate))
    request, reply = running.engine.last_run()
    running.engine.begin()
    known = records()
    for index, id_ in enumerate(ids):
        reply.put(TokenGenerated(request.id, replace(known[index % 3], index=index, id=id_)))
    told = replace(STATS, new_tokens=len(ids))
    reply.put(SequenceDone(request.id, 0, FinishReason.LENGTH, "".join(f" t{id_}" for id_ in ids), ids, told))
    reply.put(Done(request.id))
    await running.until(lambda: running.screen.runs.kept and not running.screen.runs.is_busy)
    await running.pilot.press("f9")
    await running.until(lambda: running.screen.ribbon.view.tokens)
    return str(running.screen.ribbon.query_one("#ribbon-numbers", Static).content)


async def test_the_x_ray_shows_every_number_with_its_name(launch: Launch) -> None:
    async with launch() as running:
        lines = (await looking(running, (7, 8, 9))).splitlines()
        assert lines == [SPEED, CHOICES, "surprisal, 2 bits a step ▁▂▂"]
        assert "goes in circles" not in str(running.screen.query_one(Turn).content)


async def test_a_loop_is_named_where_the_text_stands_and_the_x_ray_says_what_helps(launch: Launch) -> None:
    async with launch() as running:
        running.screen.sampling.use_preset("greedy")
        lines = await looking(running, (7, 8, 9) * 10)
        assert (
            "⟳ 89% of its 4-grams are repeats: try repetition_penalty 1.2, no_repeat_ngram_size 3 or sampling instead "
            "of greedy" in lines
        )
        assert "⟳ goes in circles, F9 says what helps" in str(running.screen.query_one(Turn).content)


def test_only_a_text_that_is_long_enough_goes_in_circles() -> None:
    assert not in_a_loop([1] * 15)
    assert in_a_loop([1] * 16)
    assert not in_a_loop(range(100))
    assert loop_line(range(100), SAMPLING) == ""


@pytest.mark.parametrize(
    ("params", "advice"),
    [
        (SAMPLING, "repetition_penalty 1.2, no_repeat_ngram_size 3 or a higher temperature"),
        (SAMPLING.changed(repetition_penalty=1.3), "no_repeat_ngram_size 3 or a higher temperature"),
        (
            SAMPLING.changed(no_repeat_ngram_size=2, temperature=0),
            "repetition_penalty 1.2 or sampling instead of greedy",
        ),
        (SAMPLING.changed(repetition_penalty=2, no_repeat_ngram_size=3, num_beams=4), "num_beams 1"),
    ],
)
def test_what_is_set_already_is_not_advised(params: SamplingParams, advice: str) -> None:
    assert loop_line([1, 2, 3] * 20, params).endswith(f": try {advice}")


def test_a_sum_has_a_proper_minus() -> None:
    assert [signed(value) for value in (-23.44, -0.01, 0.0, 12.0, -math.inf)] == ["−23.4", "0.0", "0.0", "12.0", "−∞"]
