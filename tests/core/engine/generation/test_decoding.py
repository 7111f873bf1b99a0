"""The decode loop: lazy, ended for a stated reason, repeatable, and honest about text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice, pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.engine.generation.decoding import Decoder, SequenceEnd, fit_prompt
from core.engine.networks.loading import LoadedCausal
from core.errors import InputError, PromptTooLongError
from core.messages.records import FinishReason, StepRecord
from core.messages.sampling_params import SamplingParams
from core.text.tokenization import TextTokenizer
from tests.core.scripted import counting, scripted

GREEDY = SamplingParams(do_sample=False, candidates=3)
PROMPT_IDS = [7454, 2402, 257, 640]
PROMPT = [0]
"""The one-token prompt of a scripted model."""


def never() -> bool:
    return False


def records_of(
    loaded: LoadedCausal, ids: Sequence[int], params: SamplingParams
) -> tuple[list[StepRecord], list[SequenceEnd]]:
    """A whole run: its records and its ends."""
    items = list(Decoder(loaded, list(ids), params, never).run())
    steps = [item for item in items if isinstance(item, StepRecord)]
    return steps, [item for item in items if isinstance(item, SequenceEnd)]


def ids_of(loaded: LoadedCausal, params: SamplingParams) -> list[tuple[int, ...]]:
    """The new ids of every sequence."""
    ends = records_of(loaded, PROMPT_IDS, params)[1]
    return [end.ids for end in sorted(ends, key=lambda end: end.sequence)]


def test_each_record_comes_before_the_next_step_is_computed(loaded_gpt2: LoadedCausal) -> None:
    loaded, model = counting(loaded_gpt2)
    run = Decoder(loaded, PROMPT_IDS, GREEDY.changed(max_new_tokens=5), never).run()
    assert model.shapes == []
    for forwards in range(1, 6):
        assert isinstance(next(run), StepRecord)
        assert len(model.shapes) == forwards
    assert isinstance(next(run), SequenceEnd)
    assert list(run) == []
    assert model.shapes == [(1, 4), (1, 1), (1, 1), (1, 1), (1, 1)]


def test_several_sequences_share_one_prefill_and_one_forward_a_step(loaded_gpt2: LoadedCausal) -> None:
    loaded, model = counting(loaded_gpt2)
    steps, ends = records_of(loaded, PROMPT_IDS, SamplingParams(max_new_tokens=4, num_return_sequences=3, top_k=0))
    assert model.shapes == [(1, 4), (3, 1), (3, 1), (3, 1)]
    assert [(step.sequence, step.index) for step in steps] == [(row, index) for index in range(4) for row in range(3)]
    assert sorted(end.sequence for end in ends) == [0, 1, 2]


def test_a_sequence_that_has_ended_leaves_the_batch(loaded_gpt2: LoadedCausal) -> None:
    params = SamplingParams(max_new_tokens=6, num_return_sequences=3, temperature=2.0, top_k=0, top_p=1.0, seed=3)
    whole = ids_of(loaded_gpt2, params)
    stop = whole[1][2]
    assert all(stop not in ids for ids in (whole[0], whole[2]))
    loaded, model = counting(
        LoadedCausal(loaded_gpt2.model, loaded_gpt2.tokenizer, loaded_gpt2.info, frozenset({stop}))
    )
    steps, ends = records_of(loaded, PROMPT_IDS, params)
    assert [batch for batch, _ in model.shapes] == [1, 3, 3, 2, 2, 2]
    assert (ends[0].sequence, ends[0].finish_reason) == (1, FinishReason.EOS)
    assert {end.sequence: end.ids for end in ends} == {0: whole[0], 1: whole[1][:3], 2: whole[2]}
    assert len(steps) == 6 + 3 + 6


def test_greedy_equals_transformers_generate(loaded_gpt2: LoadedCausal, reference_gpt2: object) -> None:
    expected = reference_gpt2.generate(  # type: ignore[attr-defined]
        torch.tensor([PROMPT_IDS]),
        attention_mask=torch.ones(1, len(PROMPT_IDS), dtype=torch.long),
        do_sample=False,
        max_new_tokens=40,
        pad_token_id=50256,
    )[0, len(PROMPT_IDS) :].tolist()
    assert list(ids_of(loaded_gpt2, GREEDY.changed(max_new_tokens=40))[0]) == expected


def test_cached_decoding_equals_reading_everything_again_at_each_step(loaded_gpt2: LoadedCausal) -> None:
    steps, _ = records_of(loaded_gpt2, PROMPT_IDS, SamplingParams(max_new_tokens=20, top_k=0, top_p=1.0, seed=1))
    ids = list(PROMPT_IDS)
    for step in steps:
        logits = loaded_gpt2.model.forward(torch.tensor([ids]), loaded_gpt2.model.new_cache())[0]
        assert step.prob == pytest.approx(logits.softmax(-1)[step.id].item(), abs=1e-5)
        ids.append(step.id)


def test_the_same_seed_gives_the_same_ids_and_another_seed_others(loaded_gpt2: LoadedCausal) -> None:
    params = SamplingParams(max_new_tokens=20, seed=11)
    torch.manual_seed(1)
    first = ids_of(loaded_gpt2, params)
    torch.manual_seed(2)
    assert ids_of(loaded_gpt2, params) == first
    assert ids_of(loaded_gpt2, params.changed(seed=12)) != first


def test_a_run_leaves_the_global_generator_alone(loaded_gpt2: LoadedCausal) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    ids_of(loaded_gpt2, SamplingParams(max_new_tokens=5))
    assert torch.equal(torch.rand(3), expected)


def test_sequence_i_of_several_is_the_run_with_seed_plus_i(loaded_gpt2: LoadedCausal) -> None:
    params = SamplingParams(max_new_tokens=15, seed=5, top_k=40)
    alone = [ids_of(loaded_gpt2, params.changed(seed=5 + number))[0] for number in range(3)]
    assert ids_of(loaded_gpt2, params.changed(num_return_sequences=3)) == alone
    assert len(set(alone)) == 3


def test_max_new_tokens_ends_with_length(loaded_gpt2: LoadedCausal) -> None:
    steps, ends = records_of(loaded_gpt2, PROMPT_IDS, GREEDY.changed(max_new_tokens=3))
    assert len(steps) == 3
    assert ends[0].finish_reason is FinishReason.LENGTH
    assert ends[0].ids == tuple(step.id for step in steps)
    assert [step.index for step in steps] == [0, 1, 2]


def test_max_length_counts_the_prompt_too(loaded_gpt2: LoadedCausal) -> None:
    steps, ends = records_of(loaded_gpt2, PROMPT_IDS, GREEDY.changed(max_length=10))
    assert len(steps) == 10 - len(PROMPT_IDS)
    assert ends[0].finish_reason is FinishReason.LENGTH


def test_the_models_own_end_token_ends_with_eos_and_gives_no_text(gpt2_tokenizer: TextTokenizer) -> None:
    words = gpt2_tokenizer.ids(" a cat")
    loaded = scripted(gpt2_tokenizer, [*words, 50256, *words], eos_ids=[50256])
    steps, ends = records_of(loaded, PROMPT, GREEDY)
    assert [step.id for step in steps] == [*words, 50256]
    assert (ends[0].finish_reason, ends[0].text) == (FinishReason.EOS, " a cat")
    assert steps[-1].text == ""


def test_a_stop_string_ends_the_run_and_stays_in_the_text(gpt2_tokenizer: TextTokenizer) -> None:
    script = gpt2_tokenizer.ids(" one two three. four five")
    loaded = scripted(gpt2_tokenizer, script)
    steps, ends = records_of(loaded, PROMPT, GREEDY.changed(stop_strings=("zzz", "three.")))
    assert ends[0].finish_reason is FinishReason.STOP_STRING
    assert ends[0].text == " one two three."
    assert len(steps) == len(gpt2_tokenizer.ids(" one two three."))


def test_a_stop_string_across_tokens_is_found_at_once(gpt2_tokenizer: TextTokenizer) -> None:
    script = gpt2_tokenizer.ids(" one two three")
    steps, ends = records_of(scripted(gpt2_tokenizer, script), PROMPT, GREEDY.changed(stop_strings=("ne t",)))
    assert [step.text for step in steps] == [" one", " two"]
    assert ends[0].finish_reason is FinishReason.STOP_STRING


def test_a_stop_string_in_the_prompt_does_not_end_the_run(gpt2_tokenizer: TextTokenizer) -> None:
    loaded = scripted(gpt2_tokenizer, gpt2_tokenizer.ids(" one two three"))
    prompt_text = gpt2_tokenizer.decode(PROMPT)
    _, ends = records_of(loaded, PROMPT, GREEDY.changed(stop_strings=(prompt_text,), max_new_tokens=3))
    assert ends[0].finish_reason is FinishReason.LENGTH


def test_the_last_position_ends_with_context(gpt2_tokenizer: TextTokenizer) -> None:
    loaded = scripted(gpt2_tokenizer, [11] * 20, n_positions=8)
    steps, ends = records_of(loaded, PROMPT, GREEDY)
    assert ends[0].finish_reason is FinishReason.CONTEXT
    assert len(steps) == 7
    assert (ends[0].stats.context_used, ends[0].stats.n_positions) == (8, 8)


def test_a_real_model_runs_to_its_last_position(loaded_gpt2: LoadedCausal) -> None:
    ids = [100 + number for number in range(loaded_gpt2.info.n_positions - 1)]
    steps, ends = records_of(loaded_gpt2, ids, GREEDY)
    assert len(steps) == 1
    assert ends[0].finish_reason is FinishReason.CONTEXT


@pytest.mark.parametrize("after", [0, 1, 4])
def test_a_cancelled_run_ends_after_the_token_in_hand(after: int, loaded_gpt2: LoadedCausal) -> None:
    seen: list[StepRecord] = []
    loaded, model = counting(loaded_gpt2)
    params = GREEDY.changed(max_new_tokens=30)
    ends: list[SequenceEnd] = []
    for item in Decoder(loaded, PROMPT_IDS, params, lambda: len(seen) >= after).run():
        if isinstance(item, StepRecord):
            seen.append(item)
        elif isinstance(item, SequenceEnd):
            ends.append(item)
    assert len(seen) == len(model.shapes) == after
    assert ends[0].finish_reason is FinishReason.CANCELLED
    assert ends[0].ids == tuple(step.id for step in seen)
    assert ends[0].text == "".join(step.text for step in seen)


def test_cancelling_several_sequences_ends_each_of_them(loaded_gpt2: LoadedCausal) -> None:
    seen: list[StepRecord] = []
    params = SamplingParams(max_new_tokens=30, num_return_sequences=3)
    ends = []
    for item in Decoder(loaded_gpt2, PROMPT_IDS, params, lambda: len(seen) >= 6).run():
        if isinstance(item, StepRecord):
            seen.append(item)
        elif isinstance(item, SequenceEnd):
            ends.append(item)
    assert len(seen) == 6
    assert [(end.sequence, end.finish_reason, len(end.ids)) for end in ends] == [
        (row, FinishReason.CANCELLED, 2) for row in range(3)
    ]


@pytest.mark.parametrize(
    "text", [" 안녕하세요 세계", "🦊🦊 fox 👩‍👩‍👧", "naïve café", "日本語のテキスト", "a\u0301\u200d\ufe0f"]
)
def test_characters_of_several_tokens_come_whole(text: str, gpt2_tokenizer: TextTokenizer) -> None:
    script = gpt2_tokenizer.ids(text)
    steps, ends = records_of(scripted(gpt2_tokenizer, script), PROMPT, GREEDY.changed(max_new_tokens=len(script)))
    assert ends[0].text == text
    assert "".join(step.text for step in steps) == text
    assert bytes.fromhex("".join(step.bytes for step in steps)) == text.encode()


def test_a_character_cut_off_by_the_end_is_shown_as_bytes(gpt2_tokenizer: TextTokenizer) -> None:
    script = gpt2_tokenizer.ids("🦊")
    assert len(script) > 1
    _, ends = records_of(scripted(gpt2_tokenizer, script), PROMPT, GREEDY.changed(max_new_tokens=1))
    assert "\N{REPLACEMENT CHARACTER}" not in ends[0].text
    assert ends[0].text.startswith("\\xf0")


@given(script=st.lists(st.integers(0, 50256), min_size=1, max_size=12))
def test_records_texts_always_join_to_the_sequences_text(script: list[int], gpt2_tokenizer: TextTokenizer) -> None:
    loaded = scripted(gpt2_tokenizer, script)
    steps, ends = records_of(loaded, PROMPT, GREEDY.changed(max_new_tokens=len(script), candidates=0))
    assert "".join(step.text for step in steps) == ends[0].text
    assert "\N{REPLACEMENT CHARACTER}" not in ends[0].text
    expected = b"".join(gpt2_tokenizer.token_bytes(token_id) for token_id in script if token_id != 50256)
    assert ends[0].text == expected.decode("utf-8", "backslashreplace")


def test_the_numbers_of_a_run_belong_together(loaded_gpt2: LoadedCausal) -> None:
    steps, (end,) = records_of(loaded_gpt2, PROMPT_IDS, SamplingParams(max_new_tokens=12, seed=2))
    mean_surprise = -sum(step.logprob for step in steps) / len(steps)
    assert end.stats.perplexity == pytest.approx(torch.tensor(mean_surprise).exp().item(), rel=1e-4)
    assert (end.stats.prompt_tokens, end.stats.new_tokens, end.stats.context_used) == (4, 12, 16)
    assert all(earlier.elapsed_s <= later.elapsed_s for earlier, later in pairwise(steps))
    assert 0 < end.stats.ttft_s <= steps[-1].elapsed_s
    assert 0 < end.stats.itl_p50_s <= end.stats.itl_p99_s
    assert end.stats.tokens_per_s > 0


def test_a_token_beyond_belief_has_a_finite_perplexity(gpt2_tokenizer: TextTokenizer) -> None:
    class Extreme:
        parameters = 0
        n_positions = 10
        device = torch.device("cpu")

        def new_cache(self) -> object:
            return scripted(gpt2_tokenizer, []).model.new_cache()

        def forward(self, ids: torch.Tensor, cache: object, *, every_position: bool = False) -> torch.Tensor:
            logits = torch.full((1, 50257), -1e6)
            logits[0, 1] = 0.0
            return logits

    base = scripted(gpt2_tokenizer, [1])
    loaded = LoadedCausal(Extreme(), gpt2_tokenizer, base.info, frozenset())
    # The ban on repeating token 1 leaves only tokens the model holds for impossible.
    _, ends = records_of(loaded, [1], SamplingParams(max_new_tokens=1, no_repeat_ngram_size=1))
    assert ends[0].stats.perplexity < float("inf")


def test_a_prompt_that_fills_every_position_is_refused(loaded_gpt2: LoadedCausal) -> None:
    positions = loaded_gpt2.info.n_positions
    assert fit_prompt([1] * (positions - 1), loaded_gpt2, GREEDY, truncate=False) == [1] * (positions - 1)
    with pytest.raises(PromptTooLongError, match=rf"{positions} tokens, .* {positions} positions"):
        fit_prompt([1] * positions, loaded_gpt2, GREEDY, truncate=False)


def test_truncation_keeps_the_end_and_leaves_room_for_the_tokens_asked_for(loaded_gpt2: LoadedCausal) -> None:
    ids = list(range(1000))
    positions = loaded_gpt2.info.n_positions
    assert fit_prompt(ids, loaded_gpt2, GREEDY.changed(max_new_tokens=10), truncate=True) == ids[-(positions - 10) :]
    assert fit_prompt(ids, loaded_gpt2, GREEDY.changed(max_new_tokens=10**6), truncate=True) == ids[-positions // 2 :]
    assert fit_prompt([1, 2], loaded_gpt2, GREEDY, truncate=True) == [1, 2]


def test_a_truncated_prompt_gives_every_token_asked_for(loaded_gpt2: LoadedCausal) -> None:
    params = GREEDY.changed(max_new_tokens=10)
    ids = fit_prompt(list(range(1000)), loaded_gpt2, params, truncate=True)
    steps, ends = records_of(loaded_gpt2, ids, params)
    assert len(steps) == 10
    assert ends[0].finish_reason is FinishReason.LENGTH


def test_a_prompt_without_tokens_or_without_room_is_refused(loaded_gpt2: LoadedCausal) -> None:
    with pytest.raises(InputError, match="no tokens"):
        fit_prompt([], loaded_gpt2, GREEDY, truncate=False)
    with pytest.raises(InputError, match="max_length 3 leaves no room after a prompt of 3 tokens"):
        fit_prompt([1, 2, 3], loaded_gpt2, GREEDY.changed(max_length=3), truncate=False)


def test_a_run_can_be_dropped_half_way(loaded_gpt2: LoadedCausal) -> None:
    run = Decoder(loaded_gpt2, PROMPT_IDS, GREEDY.changed(max_new_tokens=20), never).run()
    assert len(list(islice(run, 2))) == 2
    del run
    assert len(ids_of(loaded_gpt2, GREEDY.changed(max_new_tokens=5))[0]) == 5
