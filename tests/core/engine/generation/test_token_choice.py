"""Choosing a token: every number of a record against transformers' processors and torch's softmax."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
    TypicalLogitsWarper,
)

from core.engine.generation import sampling
from core.engine.generation.token_choice import Choice, choose, rank_candidates
from core.engine.networks.loading import LoadedCausal
from core.errors import EngineError
from core.messages.records import Candidate
from core.messages.sampling_params import SamplingParams
from core.text.tokenization import TextTokenizer

VOCABULARY = 600
TOLERANCE = 1e-5
MINUS_INFINITY = float("-inf")


def random_params(source: random.Random) -> SamplingParams:
    """Any mixture of settings, each off about half of the time."""

    def maybe(value: Any, off: Any) -> Any:
        return value if source.random() < 0.5 else off

    return SamplingParams(
        do_sample=source.random() < 0.9,
        temperature=maybe(source.uniform(0.05, 3), 1.0),
        top_k=maybe(source.choice((1, 3, 50, 63, 64, 200, 5000)), 0),
        top_p=maybe(source.uniform(0.01, 0.999), 1.0),
        min_p=maybe(source.uniform(0.001, 0.9), 0.0),
        typical_p=maybe(source.uniform(0.05, 0.99), 1.0),
        repetition_penalty=maybe(source.uniform(0.5, 2), 1.0),
        no_repeat_ngram_size=maybe(source.choice((1, 2, 3)), 0),
        candidates=source.choice((0, 1, 10, 100, 1000)),
        seed=source.randrange(1000),
    )


def transformers_scores(raw: Tensor, seen: list[int], params: SamplingParams) -> Tensor:
    """(V,) processed logits, the processors in the order of `GenerationMixin._get_logits_processor` (5.23)."""
    processors = LogitsProcessorList()
    if params.repetition_penalty != 1:
        processors.append(RepetitionPenaltyLogitsProcessor(params.repetition_penalty))
    if params.no_repeat_ngram_size:
        processors.append(NoRepeatNGramLogitsProcessor(params.no_repeat_ngram_size))
    if not params.greedy:
        if params.temperature != 1:
            processors.append(TemperatureLogitsWarper(params.temperature))
        if params.top_k:
            processors.append(TopKLogitsWarper(params.top_k))
        if params.top_p < 1:
            processors.append(TopPLogitsWarper(params.top_p))
        if params.min_p:
            processors.append(MinPLogitsWarper(params.min_p))
        if params.typical_p < 1:
            processors.append(TypicalLogitsWarper(params.typical_p))
    ids: Any = torch.tensor([seen])
    scores: Tensor = processors(ids, raw.clone().unsqueeze(0))[0]
    if params.greedy:
        best = scores.argmax()
        scores = torch.full_like(scores, MINUS_INFINITY).index_fill(0, best, 0.0)
    return scores


def random_step(number: int) -> tuple[SamplingParams, Tensor, list[int]]:
    """The settings, the (V,) logits and the text so far of one random step."""
    params = random_params(random.Random(number))
    generator = torch.Generator().manual_seed(number)
    raw = torch.randn(VOCABULARY, generator=generator) * (0.5 + number % 7)
    likely = raw.topk(20).indices
    seen: list[int] = likely[torch.randint(0, 20, (30,), generator=generator)].tolist()
    return params, raw, seen


def choose_one(raw: Tensor, seen: list[int], params: SamplingParams, tokenizer: TextTokenizer) -> Choice:
    generator = torch.Generator().manual_seed(params.seed)
    return choose(raw.unsqueeze(0), [seen], params, [generator], tokenizer)[0]


def assert_candidates(candidates: tuple[Candidate, ...], raw: Tensor, scores: Tensor) -> None:
    """Every number of a table of candidates is what torch and transformers say."""
    own, final = raw.softmax(-1), scores.softmax(-1)
    best = own.sort(descending=True)
    for row, candidate in enumerate(candidates):
        token = candidate.id
        assert candidate.rank == row + 1
        assert candidate.logit == raw[token].item()
        assert candidate.prob == pytest.approx(best.values[row].item(), abs=TOLERANCE)
        assert candidate.prob == pytest.approx(own[token].item(), abs=TOLERANCE)
        assert candidate.final_prob == pytest.approx(final[token].item(), abs=TOLERANCE)
        assert candidate.cumulative == pytest.approx(best.values[: row + 1].sum().item(), abs=TOLERANCE)
        assert candidate.kept == (scores[token].item() > MINUS_INFINITY)
        assert candidate.kept == (candidate.cut_by == "")


@pytest.mark.parametrize("tens", range(20))
def test_every_number_of_a_choice_equals_transformers(tens: int, gpt2_tokenizer: TextTokenizer) -> None:
    for number in range(10 * tens, 10 * tens + 10):
        params, raw, seen = random_step(number)
        before = raw.clone()
        choice = choose_one(raw, seen, params, gpt2_tokenizer)
        assert torch.equal(raw, before), "the logits were changed"

        scores = transformers_scores(raw, seen, params)
        own, final, kept = raw.softmax(-1), scores.softmax(-1), torch.isfinite(scores)
        assert kept[choice.id], params
        assert choice.logit == raw[choice.id].item()
        assert math.exp(choice.logprob) == pytest.approx(own[choice.id].item(), abs=TOLERANCE)
        assert choice.final_prob == pytest.approx(final[choice.id].item(), abs=TOLERANCE), params
        assert choice.rank == (raw > raw[choice.id]).sum().item() + 1
        assert choice.entropy == pytest.approx(-(own * own.log2()).nansum().item(), abs=1e-4)
        assert choice.kept == kept.sum().item(), params
        assert choice.kept_mass == pytest.approx(own[kept].sum().item(), abs=TOLERANCE)
        assert len(choice.candidates) == min(params.candidates, VOCABULARY)
        assert_candidates(choice.candidates, raw, scores)


def test_the_whole_vocabulary_is_ranked_as_transformers_would(gpt2_tokenizer: TextTokenizer) -> None:
    for number in range(40):
        params, raw, seen = random_step(number)
        table = rank_candidates(raw, seen, params, gpt2_tokenizer, VOCABULARY)
        assert sorted(candidate.id for candidate in table) == list(range(VOCABULARY))
        assert_candidates(table, raw, transformers_scores(raw, seen, params))


def fates(candidates: tuple[Candidate, ...]) -> list[tuple[float, bool, str]]:
    """What became of the candidates, whatever the order of tied ones."""
    return sorted((candidate.logit, candidate.kept, candidate.cut_by) for candidate in candidates)


def test_looking_at_the_head_alone_changes_nothing(
    gpt2_tokenizer: TextTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(100):
        params, raw, seen = random_step(number)
        if number % 2:
            raw = (raw * 2).round() / 2  # ties, also at the cut and past the head
            # Which of several tied tokens passes these two is left to the sort, here and in transformers.
            params = params.changed(top_p=1.0, typical_p=1.0)
        head = choose_one(raw, seen, params, gpt2_tokenizer)
        table = rank_candidates(raw, seen, params, gpt2_tokenizer, params.candidates or 1)
        with monkeypatch.context() as patch:
            patch.setattr(sampling, "HEAD_SIZE", 10 * VOCABULARY)
            whole = choose_one(raw, seen, params, gpt2_tokenizer)
        assert (head.id, head.rank, head.kept) == (whole.id, whole.rank, whole.kept), params
        assert head.final_prob == pytest.approx(whole.final_prob, abs=1e-6)
        assert head.kept_mass == pytest.approx(whole.kept_mass, abs=1e-6)
        assert fates(head.candidates) == fates(whole.candidates), params
        for one, other in zip(head.candidates, whole.candidates, strict=True):
            assert number % 2 or one.id == other.id, params  # tied tokens stand in any order
            assert number % 2 or one.final_prob == pytest.approx(other.final_prob, abs=1e-6)
        if params.candidates:
            assert [row.cut_by for row in table] == [row.cut_by for row in head.candidates], params


def test_a_tie_for_the_best_goes_to_the_lowest_id_as_in_transformers(gpt2_tokenizer: TextTokenizer) -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        raw = torch.randint(0, 3, (VOCABULARY,), generator=generator).float()
        choice = choose_one(raw, [0], SamplingParams(do_sample=False), gpt2_tokenizer)
        assert choice.id == raw.argmax().item()


def test_a_token_banned_as_a_repeated_ngram_says_so_in_every_table(gpt2_tokenizer: TextTokenizer) -> None:
    raw = torch.linspace(5, 0, VOCABULARY)
    for params in (
        SamplingParams(no_repeat_ngram_size=1, top_k=5),
        SamplingParams(no_repeat_ngram_size=1, do_sample=False),
    ):
        choice = choose_one(raw, [0], params, gpt2_tokenizer)
        assert choice.id != 0
        assert choice.candidates[0].cut_by == "no_repeat_ngram_size"


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_logits_that_are_no_numbers_are_an_engine_error(broken: float, gpt2_tokenizer: TextTokenizer) -> None:
    raw = torch.zeros(VOCABULARY)
    raw[3] = broken
    with pytest.raises(EngineError, match="not numbers"):
        choose_one(raw, [0], SamplingParams(), gpt2_tokenizer)
    with pytest.raises(EngineError, match="not numbers"):
        rank_candidates(raw, [0], SamplingParams(), gpt2_tokenizer, 5)


def test_half_precision_logits_are_computed_in_float32(gpt2_tokenizer: TextTokenizer) -> None:
    _, raw, seen = random_step(7)
    half = raw.half()
    choice = choose_one(half, seen, SamplingParams(), gpt2_tokenizer)
    expected = choose_one(half.float(), seen, SamplingParams(), gpt2_tokenizer)
    assert choice == expected


def test_rows_are_chosen_as_they_would_be_alone(gpt2_tokenizer: TextTokenizer) -> None:
    steps = [random_step(number) for number in range(4)]
    params = SamplingParams(repetition_penalty=1.3, no_repeat_ngram_size=2)
    together = choose(
        torch.stack([raw for _, raw, _ in steps]),
        [seen for *_, seen in steps],
        params,
        [torch.Generator().manual_seed(params.seed) for _ in steps],
        gpt2_tokenizer,
    )
    for choice, (_, raw, seen) in zip(together, steps, strict=True):
        alone = choose_one(raw, seen, params, gpt2_tokenizer)
        assert choice.id == alone.id
        assert choice.final_prob == pytest.approx(alone.final_prob, abs=1e-6)


SETTINGS_FOR_GENERATE: list[dict[str, Any]] = [
    {"temperature": 0.8, "top_k": 50, "top_p": 0.95},
    {"temperature": 1.3, "top_k": 0, "top_p": 0.6, "typical_p": 0.7},
    {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.1, "repetition_penalty": 1.5},
    {"temperature": 0.3, "top_k": 7, "top_p": 0.9, "typical_p": 0.5, "min_p": 0.05, "no_repeat_ngram_size": 1},
    {"temperature": 2.0, "top_k": 2000, "top_p": 0.99, "repetition_penalty": 0.7, "no_repeat_ngram_size": 2},
]


@pytest.mark.parametrize("values", SETTINGS_FOR_GENERATE)
def test_a_real_generate_call_has_the_same_distribution(
    values: dict[str, Any], loaded_gpt2: LoadedCausal, reference_gpt2: Any
) -> None:
    ids = loaded_gpt2.tokenizer.ids("Once upon a time there was a time")
    output = reference_gpt2.generate(
        torch.tensor([ids]),
        attention_mask=torch.ones(1, len(ids), dtype=torch.long),
        do_sample=True,
        max_new_tokens=1,
        pad_token_id=50256,
        output_scores=True,
        output_logits=True,
        return_dict_in_generate=True,
        **values,
    )
    logits = loaded_gpt2.model.forward(torch.tensor([ids]), loaded_gpt2.model.new_cache())[0]
    table = rank_candidates(logits, ids, SamplingParams(**values), loaded_gpt2.tokenizer, 3000)
    own, final = output.logits[0][0].softmax(-1), output.scores[0][0].softmax(-1)
    order = torch.tensor([candidate.id for candidate in table])
    torch.testing.assert_close(torch.tensor([row.prob for row in table]), own[order], atol=TOLERANCE, rtol=0)
    torch.testing.assert_close(torch.tensor([row.final_prob for row in table]), final[order], atol=TOLERANCE, rtol=0)
