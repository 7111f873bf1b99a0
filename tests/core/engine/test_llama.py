"""A model without a forward of our own: through transformers, with the same records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from core.engine.generation.decoding import Decoder, PrefixCache, SequenceEnd, read_prompt
from core.engine.networks.causal import TransformersModel
from core.engine.networks.loading import LoadedCausal
from core.messages.records import FinishReason, StepRecord
from core.messages.sampling_params import SamplingParams
from tests.builders import copy_tokenizer
from tests.loaded import evaluated, load_causal_folder

PROMPT_IDS = [7454, 2402, 257, 640]


@pytest.fixture(scope="module")
def reference(llama_folder: Path) -> Any:
    from transformers import LlamaForCausalLM  # seconds, for the tests that need it

    return evaluated(LlamaForCausalLM.from_pretrained(llama_folder))


def run(loaded: LoadedCausal, params: SamplingParams) -> tuple[list[StepRecord], list[SequenceEnd]]:
    items = list(Decoder(loaded, PROMPT_IDS, params, lambda: False).run())
    steps = [item for item in items if isinstance(item, StepRecord)]
    return steps, [item for item in items if isinstance(item, SequenceEnd)]


def uncached(reference: Any, ids: list[int]) -> Tensor:
    """(V,) logits of a plain call that keeps nothing."""
    with torch.inference_mode():
        logits: Tensor = reference(torch.tensor([ids]), use_cache=False).logits[0, -1]
        return logits


def test_it_goes_through_transformers(loaded_llama: LoadedCausal) -> None:
    assert isinstance(loaded_llama.model, TransformersModel)
    assert loaded_llama.info.architecture == "LlamaForCausalLM"
    assert loaded_llama.info.n_positions == 64
    assert loaded_llama.eos_ids == {50256}


def test_greedy_equals_transformers_generate(loaded_llama: LoadedCausal, reference: Any) -> None:
    expected = reference.generate(
        torch.tensor([PROMPT_IDS]),
        attention_mask=torch.ones(1, len(PROMPT_IDS), dtype=torch.long),
        do_sample=False,
        max_new_tokens=30,
        pad_token_id=50256,
    )[0, len(PROMPT_IDS) :].tolist()
    _, ends = run(loaded_llama, SamplingParams(do_sample=False, max_new_tokens=30))
    assert list(ends[0].ids) == expected


def test_cached_equals_uncached(loaded_llama: LoadedCausal, reference: Any) -> None:
    steps, ends = run(loaded_llama, SamplingParams(max_new_tokens=12, top_k=0, top_p=1.0, seed=3))
    ids = list(PROMPT_IDS)
    for step in steps:
        assert step.prob == pytest.approx(uncached(reference, ids).softmax(-1)[step.id].item(), abs=1e-5)
        assert step.rank >= 1
        assert len(step.candidates) == 10
        ids.append(step.id)
    assert ends[0].finish_reason is FinishReason.LENGTH
    assert "".join(step.text for step in steps) == ends[0].text


def test_a_shared_prefix_is_read_once(loaded_llama: LoadedCausal, reference: Any) -> None:
    prefix = PrefixCache(loaded_llama.model.new_cache())
    for ids in (PROMPT_IDS, [*PROMPT_IDS, 5, 6], [*PROMPT_IDS[:2], 9], PROMPT_IDS, PROMPT_IDS, [1]):
        logits = read_prompt(loaded_llama, ids, prefix)[0]
        torch.testing.assert_close(logits, uncached(reference, ids), atol=1e-4, rtol=1e-4)


def test_several_sequences_are_the_runs_they_would_be_alone(loaded_llama: LoadedCausal) -> None:
    params = SamplingParams(max_new_tokens=8, seed=4)
    alone = [run(loaded_llama, params.changed(seed=4 + number))[1][0].ids for number in range(3)]
    _, ends = run(loaded_llama, params.changed(num_return_sequences=3))
    assert [end.ids for end in sorted(ends, key=lambda end: end.sequence)] == alone


def test_a_sliding_window_survives_a_run_past_it_and_a_new_prompt(tmp_path: Path) -> None:
    from transformers import MistralConfig, MistralForCausalLM  # seconds, for the tests that need it

    config = MistralConfig(
        vocab_size=50257,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        sliding_window=6,
        initializer_range=0.3,
    )
    torch.manual_seed(1)
    MistralForCausalLM(config).save_pretrained(tmp_path)
    copy_tokenizer("gpt2", tmp_path)
    loaded = load_causal_folder(tmp_path)
    reference = evaluated(MistralForCausalLM.from_pretrained(tmp_path))
    prefix = PrefixCache(loaded.model.new_cache())
    params = SamplingParams(do_sample=False, max_new_tokens=10)
    for prompt in (PROMPT_IDS, [*PROMPT_IDS, 11, 12]):
        steps = [
            item
            for item in Decoder(loaded, prompt, params, lambda: False, prefix=prefix).run()
            if isinstance(item, StepRecord)
        ]
        ids = list(prompt)
        for step in steps:
            assert step.prob == pytest.approx(uncached(reference, ids).softmax(-1)[step.id].item(), abs=1e-5)
            ids.append(step.id)
