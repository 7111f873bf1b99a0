"""The full candidate table and scored tokens: exact over the whole vocabulary, and no forward pass twice."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.engine.generation.candidate_table import Context, Inspector, perplexity, score_tokens
from core.engine.generation.decoding import Decoder, PrefixCache, Retuning
from core.engine.generation.token_choice import rank_candidates
from core.engine.networks.loading import LoadedCausal
from core.errors import InputError
from core.messages.records import Candidate, StepRecord
from core.messages.sampling_params import SamplingParams

PROMPT = [7454, 2402, 257]
PARAMS = SamplingParams(top_k=40, top_p=0.9)


def inspected(loaded: LoadedCausal) -> tuple[Inspector, Context]:
    """An inspector and the context of the prompt."""
    inspector = Inspector(loaded)
    return inspector, inspector.context(PROMPT, PrefixCache(loaded.model.new_cache()))


def transformers_scores(logits: torch.Tensor, ids: list[int], params: SamplingParams) -> torch.Tensor:
    """(V,) scores after transformers' own processors and warpers, in its order."""
    import transformers.generation.logits_process as hf

    steps: list[Any] = []
    if params.repetition_penalty != 1:
        steps.append(hf.RepetitionPenaltyLogitsProcessor(params.repetition_penalty))
    if params.no_repeat_ngram_size:
        steps.append(hf.NoRepeatNGramLogitsProcessor(params.no_repeat_ngram_size))
    if not params.greedy:
        steps.append(hf.TemperatureLogitsWarper(max(params.temperature, 1e-6)))
        if params.top_k:
            steps.append(hf.TopKLogitsWarper(params.top_k))
        if params.top_p < 1:
            steps.append(hf.TopPLogitsWarper(params.top_p))
        if params.min_p:
            steps.append(hf.MinPLogitsWarper(params.min_p))
        if params.typical_p < 1:
            steps.append(hf.TypicalLogitsWarper(params.typical_p))
    scores = logits.unsqueeze(0)
    for step in steps:
        scores = step(torch.tensor([ids]), scores)
    return scores[0]


def test_a_beam_search_cuts_nothing_but_what_is_banned(loaded_gpt2: LoadedCausal) -> None:
    inspector, context = inspected(loaded_gpt2)
    table = inspector.table(context, PARAMS.changed(num_beams=3, do_sample=False), "", 0, 50257)
    assert table.kept == 50257
    assert [row.final_prob for row in table.rows] == pytest.approx([row.prob for row in table.rows], abs=1e-6)


def test_the_whole_table_equals_softmax_and_the_samplers(loaded_gpt2: LoadedCausal) -> None:
    inspector, context = inspected(loaded_gpt2)
    table = inspector.table(context, PARAMS, "", 0, 50257)
    assert len(table.rows) == table.matches == 50257
    exact = torch.softmax(context.logits.double(), -1)
    assert [row.prob for row in table.rows] == pytest.approx([float(exact[row.id]) for row in table.rows], abs=1e-6)
    assert [row.rank for row in table.rows] == list(range(1, 50258))
    by_id = {row.id: row for row in table.rows}  # equal logits may stand in another order
    for twin in rank_candidates(context.logits, PROMPT, PARAMS, loaded_gpt2.tokenizer, 50257):
        row = by_id[twin.id]
        assert (row.text, row.logit, row.prob, row.kept, row.cut_by) == (
            *(twin.text, twin.logit, twin.prob, twin.kept, twin.cut_by),
        )
        assert row.final_prob == pytest.approx(twin.final_prob, abs=1e-6)
    kept = [row for row in table.rows if row.kept]
    assert table.kept == len(kept)
    assert table.kept_mass == pytest.approx(sum(row.prob for row in kept), abs=1e-5)
    assert sum(row.final_prob for row in table.rows) == pytest.approx(1, abs=1e-5)
    assert table.entropy == pytest.approx(float(-(exact * exact.log2()).sum()), abs=1e-3)
    assert table.context_tokens == 3


@given(seed=st.integers(0, 999), scale=st.sampled_from([0.0, 1e-3, 1, 3, 30, 1e4]), shift=st.floats(-500, 500))
def test_any_probability_is_that_of_the_softmax_over_the_whole_vocabulary(
    loaded_gpt2: LoadedCausal, seed: int, scale: float, shift: float
) -> None:
    logits = scale * torch.randn(50257, generator=torch.Generator().manual_seed(seed)) + shift
    exact = torch.softmax(logits.double(), -1)
    context = Context(logits, PROMPT)
    for offset in (0, seed * 50):
        rows = context.table(PARAMS, loaded_gpt2.tokenizer, torch.arange(50257), offset, 200).rows
        assert [row.prob for row in rows] == pytest.approx([float(exact[row.id]) for row in rows], abs=1e-6)
        totals = exact.sort(descending=True).values.cumsum(0)
        assert [row.cumulative for row in rows] == pytest.approx(
            [float(totals[row.rank - 1]) for row in rows], abs=1e-5
        )


SETTINGS = st.builds(
    SamplingParams,
    do_sample=st.sampled_from([True, True, True, False]),
    temperature=st.floats(0, 3),
    top_k=st.one_of(st.just(0), st.integers(1, 300)),
    top_p=st.one_of(st.just(1.0), st.floats(0.01, 0.98)),  # nearer to 1 rounding decides about the last entries
    min_p=st.one_of(st.just(0.0), st.floats(0, 0.98)),
    typical_p=st.one_of(st.just(1.0), st.floats(0.01, 0.98)),
    repetition_penalty=st.one_of(st.just(1.0), st.floats(0.5, 2)),
    no_repeat_ngram_size=st.integers(0, 3),
)


@given(params=SETTINGS, seed=st.integers(0, 999))
@settings(max_examples=1000)
def test_kept_sets_and_final_probabilities_equal_transformers_warpers(params: SamplingParams, seed: int) -> None:
    logits = 3 * torch.randn(500, generator=torch.Generator().manual_seed(seed))
    ids = [3, 4, 5, 3, 4]
    context = Context(logits, ids)
    final, cut = context.sampled(params)
    expected = transformers_scores(logits.double(), ids, params)
    kept = torch.isfinite(expected)
    # Where float32 decides about an entry by its rounding, every processor may decide in its own way.
    assume(torch.equal(kept, torch.isfinite(transformers_scores(logits, ids, params))))
    if params.greedy:
        kept = torch.zeros(500, dtype=torch.bool).index_fill(0, expected.argmax(), True)
        expected = expected.masked_fill(~kept, float("-inf"))
    assert (cut == 0).tolist() == kept.tolist()
    assert final.tolist() == pytest.approx(expected.softmax(-1).tolist(), abs=1e-5)


@pytest.fixture(scope="module")
def whole_table(loaded_gpt2: LoadedCausal) -> tuple[Candidate, ...]:
    """Every row of the prompt's table."""
    inspector, context = inspected(loaded_gpt2)
    return inspector.table(context, PARAMS, "", 0, 50257).rows


@given(offset=st.integers(0, 51_000), limit=st.integers(0, 80))
def test_any_window_is_a_part_of_the_whole(
    loaded_gpt2: LoadedCausal, whole_table: tuple[Candidate, ...], offset: int, limit: int
) -> None:
    inspector, context = inspected(loaded_gpt2)
    whole = whole_table
    assert inspector.table(context, PARAMS, "", offset, limit).rows == whole[offset : offset + limit]


def test_a_search_finds_texts_and_ids_with_their_true_ranks(loaded_gpt2: LoadedCausal) -> None:
    inspector, context = inspected(loaded_gpt2)
    whole = inspector.table(context, PARAMS, "", 0, 50257).rows
    found = inspector.table(context, PARAMS, "TIME", 0, 1000)
    assert found.rows == tuple(row for row in whole if "time" in row.text.casefold())
    assert found.matches == len(found.rows) > 10
    (row,) = inspector.table(context, PARAMS, "#640", 0, 10).rows
    assert row == next(one for one in whole if one.id == 640)
    assert inspector.table(context, PARAMS, "#99999999", 0, 10).rows == ()
    assert inspector.table(context, PARAMS, "no such text anywhere", 0, 10).matches == 0


def test_another_setting_needs_no_forward_pass(loaded_gpt2: LoadedCausal, monkeypatch: pytest.MonkeyPatch) -> None:
    inspector, context = inspected(loaded_gpt2)

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a forward pass")

    monkeypatch.setattr(type(loaded_gpt2.model), "forward", refuse)
    again = inspector.context(PROMPT, PrefixCache(loaded_gpt2.model.new_cache()))
    assert again is context
    hot = inspector.table(again, SamplingParams(temperature=2.0, top_k=0, top_p=1), "", 0, 5)
    assert all(row.kept for row in hot.rows)
    greedy = inspector.table(again, SamplingParams(do_sample=False), "", 0, 5)
    assert [row.cut_by for row in greedy.rows] == ["", *["greedy"] * 4]


def test_a_generated_token_s_table_is_that_of_its_record(loaded_gpt2: LoadedCausal) -> None:
    params = PARAMS.changed(max_new_tokens=6, seed=3, repetition_penalty=1.3)
    records = [
        item for item in Decoder(loaded_gpt2, PROMPT, params, lambda: False).run() if isinstance(item, StepRecord)
    ]
    inspector = Inspector(loaded_gpt2)
    for index, record in enumerate(records):
        ids = PROMPT + [earlier.id for earlier in records[:index]]
        context = inspector.context(ids, PrefixCache(loaded_gpt2.model.new_cache()))
        rows = inspector.table(context, params, "", 0, 10).rows
        assert [row.id for row in rows] == [candidate.id for candidate in record.candidates]
        assert [row.final_prob for row in rows] == pytest.approx(
            [candidate.final_prob for candidate in record.candidates], abs=1e-5
        )
        assert [row.cut_by for row in rows] == [candidate.cut_by for candidate in record.candidates]


@pytest.mark.parametrize("fixture", ["loaded_gpt2", "loaded_llama"])
def test_scores_of_a_text_equal_the_full_softmax_at_each_position(fixture: str, request: pytest.FixtureRequest) -> None:
    loaded: LoadedCausal = request.getfixturevalue(fixture)
    ids = torch.randint(50257, (50,), generator=torch.Generator().manual_seed(0)).tolist()
    scores = [score for chunk in score_tokens(loaded, ids) for score in chunk]
    assert [score.id for score in scores] == ids
    assert (scores[0].rank, scores[0].logprob) == (0, 0.0)
    with torch.inference_mode():
        whole = loaded.model.forward(torch.tensor([ids]), loaded.model.new_cache(), every_position=True)[0].float()
    for position in range(1, len(ids)):
        row = whole[position - 1]
        assert scores[position].logprob == pytest.approx(float(row.log_softmax(-1)[ids[position]]), abs=1e-4)
        # Of 50,257 logits some are so near that the rounding of one pass or the other decides which is larger.
        better, as_good = (int((row > row[ids[position]] + slack).sum()) for slack in (1e-4, -1e-4))
        assert better < scores[position].rank <= as_good
    expected = math.exp(-sum(score.logprob for score in scores) / 49)
    assert perplexity(scores) == pytest.approx(expected)


def test_a_text_beyond_the_model_s_positions_is_not_scored(loaded_gpt2: LoadedCausal) -> None:
    with pytest.raises(InputError, match="65 tokens"):
        list(score_tokens(loaded_gpt2, [1] * 65))
    assert list(score_tokens(loaded_gpt2, [])) == []


def test_new_settings_act_from_the_next_token_and_the_rest_is_as_with_them(loaded_gpt2: LoadedCausal) -> None:
    waiting = [None, None, None, SamplingParams(do_sample=False, max_new_tokens=8)]
    params = PARAMS.changed(max_new_tokens=8, seed=5)
    items = list(
        Decoder(
            loaded_gpt2, PROMPT, params, lambda: False, new_params=lambda _: waiting.pop(0) if waiting else None
        ).run()
    )
    (retuning,) = (item for item in items if isinstance(item, Retuning))
    records = [item for item in items if isinstance(item, StepRecord)]
    assert retuning.index == 3
    assert items.index(retuning) == 3
    assert retuning.params.seed == 5
    alone = [
        item.id for item in Decoder(loaded_gpt2, PROMPT, params, lambda: False).run() if isinstance(item, StepRecord)
    ]
    assert [record.id for record in records[:3]] == alone[:3]
    assert all(record.rank == 1 for record in records[3:])
    assert len(records) == 8
