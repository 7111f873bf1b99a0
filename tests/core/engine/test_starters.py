"""The bundled models end to end: the numbers are those of transformers, and the course's own examples run."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from core.engine.engine import Engine
from core.engine.generation.decoding import Decoder, SequenceEnd
from core.engine.networks.loading import LoadedCausal
from core.messages.protocol import Compare, Compared, Event, Generate, SequenceDone, TokenGenerated
from core.messages.records import FinishReason, StepRecord, Target
from core.messages.sampling_params import SamplingParams
from core.models.registry import DEFAULT_GENERATOR, DEFAULT_PARAPHRASER, STARTER_FOLDER, STARTERS
from tests.core.engine.generation.test_token_choice import random_params, transformers_scores
from tests.loaded import evaluated, load_causal_folder

pytestmark = pytest.mark.starter

PROMPTS = (
    "Once upon a time",
    "In the year 2050,",
    "The secret to happiness is",
    "Hello world",
    "The cat is on the mat",
    "A",
    " ",
    "\n\n",
    "One day, a little girl named Lily",
    "There was a big, red ball.",
    '"Come here," said the fox, "and',
    "She opened the door and saw",
    "The king had three sons. The first",
    "It was raining all day, so",
    "1, 2, 3,",
    "I love natural language processing!",
    "안녕하세요",
    "🦊",
    "def main():",
    "The quick brown fox jumps over the lazy dog. " * 8,
)
COURSE_PROMPTS = PROMPTS[:3]
COURSE_PAIRS = (
    ("The cat is on the mat", "A feline is sitting on a rug"),
    ("I love pizza", "Python is a programming language"),
    ("He runs fast", "She walks slowly"),
)

FINAL_TOLERANCE = 5e-5
"""Both sides are float32 softmaxes of up to 50,257 entries, whose rounding depends on the processor (7e-6 at most)."""


@pytest.fixture(scope="module")
def starter() -> LoadedCausal:
    """The bundled GPT-2, through our own forward."""
    return load_causal_folder(STARTER_FOLDER / "gpt2")


@pytest.fixture(scope="module")
def reference() -> Any:
    """The bundled GPT-2 as transformers loads it, in float32."""
    from transformers import GPT2LMHeadModel  # seconds, for the tests that need it

    return evaluated(GPT2LMHeadModel.from_pretrained(STARTER_FOLDER / "gpt2", dtype=torch.float32))


@pytest.mark.parametrize("prompt", PROMPTS)
def test_greedy_ids_equal_transformers_generate(prompt: str, starter: LoadedCausal, reference: Any) -> None:
    ids = starter.tokenizer.ids(prompt)
    *_, end = Decoder(starter, ids, SamplingParams(do_sample=False, max_new_tokens=30), lambda: False).run()
    assert isinstance(end, SequenceEnd)
    expected = reference.generate(
        torch.tensor([ids]),
        attention_mask=torch.ones(1, len(ids), dtype=torch.long),
        do_sample=False,
        top_k=0,
        max_new_tokens=30,
        pad_token_id=50256,
    )[0, len(ids) :].tolist()
    assert list(end.ids) == expected


def reference_logits(reference: Any, ids: list[int], new: int) -> Tensor:
    """(new, V) logits from which each of the last `new` ids was chosen."""
    with torch.inference_mode():
        logits: Tensor = reference(torch.tensor([ids])).logits[0, -new - 1 : -1]
        return logits


@pytest.mark.parametrize("number", range(20))
def test_every_records_probabilities_equal_transformers_for_ten_random_settings(
    number: int, starter: LoadedCausal, reference: Any
) -> None:
    prompt_ids = starter.tokenizer.ids(PROMPTS[number])
    source = random.Random(1000 + number)
    for _ in range(10):
        params = random_params(source).changed(max_new_tokens=2, candidates=5)
        items = Decoder(starter, prompt_ids, params, lambda: False).run()
        steps = [item for item in items if isinstance(item, StepRecord)]
        ids = prompt_ids + [step.id for step in steps]
        for index, (step, raw) in enumerate(zip(steps, reference_logits(reference, ids, len(steps)), strict=True)):
            final = transformers_scores(raw, ids[: len(prompt_ids) + index], params).softmax(-1)
            own = raw.double().softmax(-1)  # torch's float32 softmax of 50,257 entries is off by up to 2e-5
            assert step.prob == pytest.approx(own[step.id].item(), abs=1e-5), params
            assert step.final_prob == pytest.approx(final[step.id].item(), abs=FINAL_TOLERANCE), params
            for candidate in step.candidates:
                assert candidate.prob == pytest.approx(own[candidate.id].item(), abs=1e-5), params
                assert candidate.final_prob == pytest.approx(final[candidate.id].item(), abs=FINAL_TOLERANCE), params


def answered(request: Generate | Compare, stop_after: int | None = None) -> list[Event]:
    """The events of one request to a new engine, cancelled after some tokens if asked to."""
    events: list[Event] = []
    threads = torch.get_num_threads()

    def should_stop() -> bool:
        return stop_after is not None and sum(isinstance(event, TokenGenerated) for event in events) >= stop_after

    Engine(events.append).handle(request, should_stop, lambda: None)
    torch.set_num_threads(threads)
    return events


@pytest.mark.parametrize(("first", "second"), COURSE_PAIRS)
def test_the_courses_pairs_are_compared(first: str, second: str) -> None:
    *_, event = answered(Compare(Target(DEFAULT_PARAPHRASER), first, second))
    assert isinstance(event, Compared)
    similarity = event.similarity
    assert similarity.similar + similarity.not_similar == pytest.approx(1)
    assert -1 <= similarity.cosine <= 1
    assert similarity.method == "P(equivalent | A, B)"


@pytest.mark.parametrize("prompt", COURSE_PROMPTS)
def test_the_courses_prompts_are_continued_to_length_30(prompt: str) -> None:
    events = answered(Generate(Target(DEFAULT_GENERATOR), prompt, SamplingParams(max_length=30, seed=1)))
    (done,) = (event for event in events if isinstance(event, SequenceDone))
    if done.finish_reason is FinishReason.LENGTH:
        assert done.stats.prompt_tokens + len(done.ids) == 30
    assert done.text


def test_a_run_is_cancelled_in_mid_stream_and_run_again() -> None:
    request = Generate(Target(DEFAULT_GENERATOR), "Once upon a time", SamplingParams(max_new_tokens=40, seed=1))
    cancelled, whole = answered(request, stop_after=7), answered(request)
    ids = []
    for events, reason, count in ((cancelled, FinishReason.CANCELLED, 7), (whole, FinishReason.LENGTH, 40)):
        (done,) = (event for event in events if isinstance(event, SequenceDone))
        assert done.finish_reason is reason
        assert len(done.ids) == sum(isinstance(event, TokenGenerated) for event in events) == count
        ids.append(done.ids)
    assert ids[1][:7] == ids[0]


@pytest.mark.parametrize("name", STARTERS)
def test_every_starter_loads_with_plain_transformers(name: str) -> None:
    import transformers  # seconds, for the tests that need it

    folder: Path = STARTER_FOLDER / name.removeprefix("starter/")
    config = transformers.AutoConfig.from_pretrained(folder)
    model_class = getattr(transformers, config.architectures[0])
    model, report = model_class.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        output = model.eval()(**tokenizer("Hello world", return_tensors="pt"))
    assert all(torch.isfinite(value).all() for value in output.values() if isinstance(value, Tensor))
