"""Beam search: the ids of transformers, the beams of every step, records of the winners."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import torch

from core.engine.generation.beams import BeamSearch, BeamStep
from core.engine.generation.decoding import PrefixCache, SequenceEnd
from core.engine.networks.loading import LoadedCausal
from core.errors import SettingError
from core.messages.records import FinishReason, StepRecord
from core.messages.sampling_params import SamplingParams

PROMPTS = ([464], [7454, 2402, 257, 640], [818, 262, 614], [198, 198, 50, 11])
PARAMS = SamplingParams(num_beams=4, max_new_tokens=12, candidates=3)


def search(
    loaded: LoadedCausal, ids: list[int], params: SamplingParams, should_stop: Callable[[], bool] = lambda: False
) -> list[BeamStep | StepRecord | SequenceEnd]:
    prefix = PrefixCache(loaded.model.new_cache())
    return list(BeamSearch(loaded, ids, params, should_stop, prefix=prefix, began=time.perf_counter()).run())


def ends(items: list[BeamStep | StepRecord | SequenceEnd]) -> list[SequenceEnd]:
    return [item for item in items if isinstance(item, SequenceEnd)]


def generated(reference: Any, ids: list[int], params: SamplingParams) -> list[list[int]]:
    """What transformers writes after the prompt; padding and what follows the end token left out."""
    given = torch.tensor([ids])
    output = reference.generate(
        given,
        attention_mask=torch.ones_like(given),
        pad_token_id=50256,
        do_sample=False,
        num_beams=params.num_beams,
        num_return_sequences=params.num_return_sequences,
        max_new_tokens=params.max_new_tokens,
        repetition_penalty=params.repetition_penalty,
        no_repeat_ngram_size=params.no_repeat_ngram_size,
    )
    rows = [row[len(ids) :] for row in output.tolist()]
    return [row[: row.index(50256) + 1] if 50256 in row else row for row in rows]


@pytest.mark.parametrize("ids", PROMPTS, ids=str)
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"num_beams": 2, "num_return_sequences": 2},
        {"num_beams": 5, "num_return_sequences": 3, "no_repeat_ngram_size": 2},
        {"num_beams": 3, "repetition_penalty": 1.3},
    ],
    ids=str,
)
def test_the_ids_equal_transformers(
    loaded_gpt2: LoadedCausal, reference_gpt2: Any, ids: list[int], changes: dict[str, Any]
) -> None:
    params = PARAMS.changed(**changes)
    found = [list(end.ids) for end in ends(search(loaded_gpt2, ids, params))]
    assert found == generated(reference_gpt2, ids, params)


def test_every_step_shows_its_beams_best_first_and_where_each_grew_from(loaded_gpt2: LoadedCausal) -> None:
    items = search(loaded_gpt2, PROMPTS[1], PARAMS)
    steps = [item for item in items if isinstance(item, BeamStep)]
    assert [step.index for step in steps] == list(range(len(steps)))
    for step in steps:
        scores = [beam.score for beam in step.beams]
        assert scores == sorted(scores, reverse=True)
        assert len(step.beams) == 4
        assert all(0 <= beam.parent < 4 for beam in step.beams)


def test_the_winners_records_add_up_to_their_text_and_score(loaded_gpt2: LoadedCausal) -> None:
    items = search(loaded_gpt2, PROMPTS[1], PARAMS.changed(num_return_sequences=2))
    for end in ends(items):
        records = [item for item in items if isinstance(item, StepRecord) and item.sequence == end.sequence]
        assert [record.id for record in records] == list(end.ids)
        assert "".join(record.text for record in records) == end.text
        assert all(len(record.candidates) == 3 for record in records)
    first, second = ends(items)
    assert first.stats.perplexity <= second.stats.perplexity


def test_a_stopped_search_gives_the_best_it_had(loaded_gpt2: LoadedCausal) -> None:
    asked = iter([False, False, True])
    items = search(loaded_gpt2, PROMPTS[1], PARAMS, lambda: next(asked))
    (end,) = ends(items)
    assert end.finish_reason is FinishReason.CANCELLED
    assert len(end.ids) == 3


def test_more_sequences_than_beams_are_refused() -> None:
    with pytest.raises(SettingError, match="at most num_beams"):
        SamplingParams(num_beams=2, num_return_sequences=3)
