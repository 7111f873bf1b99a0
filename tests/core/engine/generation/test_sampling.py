"""Every sampler against hand-computed vectors and against the class of transformers that it names."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from transformers import (
    LogitsProcessor,
    MinPLogitsWarper,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
    TypicalLogitsWarper,
)

from core.engine.generation.sampling import (
    PENALTIES,
    WARPERS,
    ban_repeated_ngrams,
    draw,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    keep_typical,
    penalize_repetition,
    scale_temperature,
    warp,
)
from core.messages.sampling_params import CUT_RULES, SAMPLERS, SamplingParams

Warper = Callable[[Tensor], Tensor]

COURSE_WORDS = ("mat", "roof", "bed", "chair", "floor")
COURSE_TABLE = torch.tensor([0.40, 0.25, 0.15, 0.10, 0.05])
OFF = SamplingParams(temperature=1.0, top_k=0, top_p=1.0)
NO_IDS = torch.zeros(1, 0, dtype=torch.long)
MINUS_INFINITY = float("-inf")


def kept_words(logits: Tensor) -> tuple[str, ...]:
    return tuple(word for word, logit in zip(COURSE_WORDS, logits.tolist(), strict=True) if logit > MINUS_INFINITY)


def test_top_k_3_keeps_mat_roof_and_bed_of_the_courses_table() -> None:
    assert kept_words(keep_top_k(COURSE_TABLE.log(), 3)) == ("mat", "roof", "bed")


def test_top_p_08_keeps_the_same_three_with_40_65_and_80_percent_together() -> None:
    # The course's five words carry 95 %; the rest of its vocabulary is one entry here.
    logits = torch.cat([COURSE_TABLE, torch.tensor([0.05])]).log()
    kept = torch.isfinite(keep_top_p(logits, 0.8))
    assert kept.tolist() == [True, True, True, False, False, False]
    assert COURSE_TABLE[:3].cumsum(0).tolist() == pytest.approx([0.40, 0.65, 0.80])


def logits_with_ties_and_holes(seed: int) -> Tensor:
    """(1, 40) random logits; quarters make ties, some entries are impossible."""
    generator = torch.Generator().manual_seed(seed)
    logits = (torch.randn(1, 40, generator=generator) * 3 * 4).round() / 4
    holes = torch.rand(1, 40, generator=generator) < 0.2
    return logits.masked_fill(holes, MINUS_INFINITY)


def smooth_logits(seed: int) -> Tensor:
    """(1, 40) random logits without ties."""
    return torch.randn(1, 40, generator=torch.Generator().manual_seed(seed)) * 3


COMPARED: list[tuple[str, Warper, LogitsProcessor]] = [
    *((f"top_k {k}", lambda x, k=k: keep_top_k(x, k), TopKLogitsWarper(k)) for k in (1, 5, 39, 40, 1000)),
    *((f"top_p {p}", lambda x, p=p: keep_top_p(x, p), TopPLogitsWarper(p)) for p in (1e-9, 0.3, 0.8, 0.95, 0.999)),
    *((f"min_p {p}", lambda x, p=p: keep_min_p(x, p), MinPLogitsWarper(p)) for p in (1e-6, 0.05, 0.5, 1.0)),
    *((f"typical {m}", lambda x, m=m: keep_typical(x, m), TypicalLogitsWarper(m)) for m in (1e-6, 0.2, 0.9, 0.99)),
]


@pytest.mark.parametrize(("ours", "theirs"), [row[1:] for row in COMPARED], ids=[row[0] for row in COMPARED])
@pytest.mark.parametrize("make", [smooth_logits, logits_with_ties_and_holes])
def test_a_warper_removes_exactly_what_transformers_removes(
    ours: Warper, theirs: LogitsProcessor, make: Callable[[int], Tensor]
) -> None:
    for seed in range(20):
        logits = make(seed)
        before = logits.clone()
        warped = ours(logits)
        assert torch.equal(logits, before), "the argument was changed"
        assert torch.equal(warped, theirs(NO_IDS, logits.clone()))


@pytest.mark.parametrize("temperature", [0.1, 0.8, 1.0, 1.7, 100.0])
@pytest.mark.parametrize("make", [smooth_logits, logits_with_ties_and_holes])
def test_the_temperature_gives_transformers_distribution(temperature: float, make: Callable[[int], Tensor]) -> None:
    logits = make(1)
    before = logits.clone()
    ours = scale_temperature(logits, temperature).softmax(-1)
    theirs = TemperatureLogitsWarper(temperature)(NO_IDS, logits.clone()).softmax(-1)
    assert torch.equal(logits, before)
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)


@pytest.mark.parametrize("temperature", [1e-300, 1e-45, 1e-20, 1e-3, 100.0])
def test_an_extreme_temperature_still_gives_a_distribution(temperature: float) -> None:
    logits = torch.tensor([[3e38, 1.0, -3e38, MINUS_INFINITY], [1.0, 0.999, -5.0, MINUS_INFINITY]])
    final, _ = warp(logits, OFF.changed(temperature=temperature))
    assert torch.isfinite(final).all()
    torch.testing.assert_close(final.sum(-1), torch.ones(2))
    assert (final[:, -1] == 0).all()
    if temperature < 1e-3:
        assert final.argmax(-1).tolist() == [0, 0]
        assert final.max(-1).values.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("penalty", [0.3, 1.0, 1.2, 50.0])
def test_the_repetition_penalty_equals_transformers(penalty: float) -> None:
    seen = [3, 7, 3, 39]
    for logits in (smooth_logits(2), logits_with_ties_and_holes(2)):
        before = logits.clone()
        ours = penalize_repetition(logits[0], seen, penalty)
        assert torch.equal(logits, before)
        assert torch.equal(ours, RepetitionPenaltyLogitsProcessor(penalty)(torch.tensor([seen]), logits.clone())[0])


def test_the_repetition_penalty_divides_what_is_positive_and_multiplies_what_is_negative() -> None:
    penalized = penalize_repetition(torch.tensor([2.0, -2.0, 2.0, -2.0]), [0, 1], 2.0)
    assert penalized.tolist() == [1.0, -4.0, 2.0, -2.0]


@pytest.mark.parametrize("penalty", [1e-300, 1e-44, 100.0])
def test_an_extreme_repetition_penalty_still_gives_a_distribution(penalty: float) -> None:
    penalized = penalize_repetition(torch.tensor([300.0, -3e37, 0.0, MINUS_INFINITY, 1.0]), [0, 1, 2, 3], penalty)
    final, _ = warp(penalized.unsqueeze(0), OFF.changed(temperature=0.8))
    assert torch.isfinite(final).all()
    assert final.sum().item() == pytest.approx(1)
    assert final[0, 3] == 0


@pytest.mark.parametrize("size", [1, 2, 3, 5, 30])
def test_the_ngram_ban_equals_transformers(size: int) -> None:
    generator = torch.Generator().manual_seed(size)
    for length in (1, 2, 6, 25):
        seen: list[int] = torch.randint(0, 4, (length,), generator=generator).tolist()
        logits = smooth_logits(length)
        before = logits.clone()
        ours = ban_repeated_ngrams(logits[0], seen, size)
        assert torch.equal(logits, before)
        assert torch.equal(ours, NoRepeatNGramLogitsProcessor(size)(torch.tensor([seen]), logits.clone())[0])


def test_an_ngram_ban_of_every_token_bans_none() -> None:
    logits = torch.tensor([1.0, 2.0, MINUS_INFINITY])
    assert torch.equal(ban_repeated_ngrams(logits, [0, 1], 1), logits)


def test_min_p_keeps_what_is_at_least_that_fraction_of_the_best() -> None:
    kept = keep_min_p(torch.tensor([0.5, 0.26, 0.2, 0.04]).log(), 0.5)
    assert torch.isfinite(kept).tolist() == [True, True, False, False]


def test_typical_keeps_the_surprise_nearest_the_entropy_and_may_drop_the_best() -> None:
    # H = 1.28 nats; surprises are 0.69, 1.61, 1.90, 1.90: the second is nearest, the best comes third.
    probabilities = torch.tensor([0.5, 0.2, 0.15, 0.15])
    entropy = -(probabilities * probabilities.log()).sum().item()
    nearest = (-probabilities.log() - entropy).abs().argsort().tolist()
    kept = torch.isfinite(keep_typical(probabilities.log(), 0.1)).tolist()
    assert kept == [index == nearest[0] for index in range(4)]
    assert not kept[0]


def test_each_entry_names_the_sampler_that_cut_it() -> None:
    logits = torch.tensor([0.5, 0.3, 0.1, 0.06, 0.04, 0.0]).log()
    _, cut = warp(logits, OFF.changed(top_k=4, top_p=0.9, min_p=0.5))
    assert [CUT_RULES[code] for code in cut.tolist()] == [
        "",
        "",
        "min_p",
        "top_p",
        "top_k",
        "no_repeat_ngram_size",
    ]


def test_the_samplers_run_in_the_order_that_the_settings_tell() -> None:
    assert (*PENALTIES, *WARPERS) == SAMPLERS


def test_with_every_sampler_off_the_distribution_is_the_models_own() -> None:
    logits = smooth_logits(3)
    final, cut = warp(logits, OFF)
    assert torch.equal(final, logits.softmax(-1))
    assert not cut.any()


@pytest.mark.parametrize("params", [SamplingParams(do_sample=False), SamplingParams(temperature=0)])
def test_greedy_leaves_the_best_alone_even_when_it_ties(params: SamplingParams) -> None:
    final, _ = warp(torch.tensor([1.0, 4.0, 4.0, 2.0]), params)
    assert final.tolist() == [0.0, 1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    "params",
    [OFF.changed(top_k=1), OFF.changed(top_p=1e-12), OFF.changed(min_p=1.0), OFF.changed(typical_p=1e-12)],
    ids=["top_k", "top_p", "min_p", "typical_p"],
)
def test_at_least_one_token_stays(params: SamplingParams) -> None:
    for seed in range(20):
        final, cut = warp(smooth_logits(seed), params)
        assert (cut == 0).sum() == 1
        assert final.max() == 1


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def drawn(probabilities: torch.Tensor, sources: list[torch.Generator]) -> torch.Tensor:
    """Draws among entries in the vocabulary's order."""
    return draw(probabilities, torch.arange(probabilities.shape[-1]).expand_as(probabilities), sources)


def test_the_same_seed_draws_the_same_entries() -> None:
    probabilities = torch.full((1, 100), 0.01)
    runs = []
    for _ in range(2):
        generator = generators(5)
        runs.append([drawn(probabilities, generator).item() for _ in range(50)])
    other = generators(6)
    assert runs[0] == runs[1]
    assert runs[0] != [drawn(probabilities, other).item() for _ in range(50)]


def test_draws_follow_the_probabilities() -> None:
    probabilities = torch.tensor([[0.5, 0.3, 0.0, 0.15, 0.05]])
    generator, number = generators(1), 4000
    entries = torch.tensor([drawn(probabilities, generator).item() for _ in range(number)])
    for entry, probability in enumerate(probabilities[0].tolist()):
        # Five standard deviations: this seed is fixed, and one in millions would fail.
        slack = 5 * math.sqrt(probability * (1 - probability) / number)
        assert (entries == entry).double().mean().item() == pytest.approx(probability, abs=slack)
    assert not (entries == 2).any()


def test_an_impossible_entry_is_never_drawn_at_either_end() -> None:
    probabilities = torch.tensor([[0.0, 1.0, 0.0]])
    generator = generators(9)
    assert {drawn(probabilities, generator).item() for _ in range(200)} == {1}


def test_each_row_draws_from_a_generator_of_its_own() -> None:
    probabilities = torch.full((3, 1000), 0.001)
    together = drawn(probabilities, generators(1, 2, 3)).squeeze(-1).tolist()
    alone = [drawn(probabilities[:1], generators(seed)).item() for seed in (1, 2, 3)]
    assert together == alone


def test_a_cut_tail_does_not_change_what_is_drawn() -> None:
    head = torch.tensor([[0.6, 0.3, 0.1]])
    whole = torch.cat([head, torch.zeros(1, 500)], dim=-1)
    first, second = generators(4), generators(4)
    assert [drawn(head, first).item() for _ in range(50)] == [drawn(whole, second).item() for _ in range(50)]


def test_neither_the_order_nor_a_last_bit_changes_what_is_drawn() -> None:
    torch.manual_seed(0)
    probabilities = torch.randn(1, 2000).softmax(-1)
    order = torch.randperm(2000).unsqueeze(0)
    nudged = probabilities * (1 + 1e-6 * torch.randn(1, 2000))
    first, second, third = generators(7), generators(7), generators(7)
    for _ in range(200):
        entry = drawn(probabilities, first).item()
        assert order[0, draw(probabilities.gather(-1, order), order, second)].item() == entry
        assert drawn(nudged, third).item() == entry


@pytest.mark.slow
def test_equally_likely_entries_are_drawn_equally_often() -> None:
    generator, number, entries = generators(11), 20_000, 100
    flat = torch.full((1, entries), 1 / entries)
    counts = torch.bincount(torch.cat([drawn(flat, generator)[0] for _ in range(number)]), minlength=entries)
    expected = number / entries
    statistic = float(((counts - expected) ** 2 / expected).sum())
    assert 50 < statistic < 160  # chi-squared with 99 degrees of freedom: mean 99, standard deviation 14
