"""Two genuine models, where they are at hand: `NLP_TUI_MINILM` is a folder, `NLP_TUI_SMOLLM2` a gguf file."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from core.engine.engine import Engine
from core.engine.generation.decoding import Decoder, SequenceEnd
from core.engine.networks.gguf_conversion import PACKAGES, ready
from core.engine.networks.loading import LoadedCausal, load_causal
from core.messages.protocol import Compare, Compared, Event, Generate, RunStarted, SequenceDone, TokenGenerated
from core.messages.records import Exchange, FinishReason, Target
from core.messages.sampling_params import SamplingParams
from tests.loaded import evaluated, ignore_progress

pytestmark = pytest.mark.genuine

MINILM, SMOLLM2 = (Path(os.environ.get(name, "")) for name in ("NLP_TUI_MINILM", "NLP_TUI_SMOLLM2"))
needs_minilm = pytest.mark.skipif(not (MINILM / "config.json").is_file(), reason="NLP_TUI_MINILM names no folder")
needs_smollm2 = pytest.mark.skipif(
    not SMOLLM2.is_file() or not all(map(find_spec, PACKAGES)),
    reason="NLP_TUI_SMOLLM2 names no file, or the packages of nlp-tui[gguf] are missing",
)
GREEDY = SamplingParams(max_new_tokens=40, do_sample=False)


def events_of(request: Compare | Generate) -> list[Event]:
    events: list[Event] = []
    Engine(events.append).handle(request, lambda: False, lambda: None)
    return events


@needs_minilm
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("The cat is on the mat", "A feline is sitting on a rug"),
        ("I love pizza", "Python is a programming language"),
        ("나는 피자를 좋아한다", "I love pizza"),
    ],
)
def test_minilm_has_the_cosine_of_mean_pooling_in_plain_transformers(first: str, second: str) -> None:
    from transformers import AutoModel, AutoTokenizer  # seconds, for the tests that need it

    model, tokenizer = evaluated(AutoModel.from_pretrained(MINILM)), AutoTokenizer.from_pretrained(MINILM)
    with torch.inference_mode():
        states = [
            model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(0) for text in (first, second)
        ]
    answer = events_of(Compare(Target(str(MINILM), "cpu", "float32"), first, second))[-1]
    assert isinstance(answer, Compared)
    expected = float(torch.nn.functional.cosine_similarity(states[0], states[1], dim=0))
    assert answer.similarity.cosine == pytest.approx(expected, abs=1e-5)
    assert answer.similarity.by_cosine


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The folder that SmolLM2's file is converted into, once for all tests, and how long the two loads took."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        began = time.perf_counter()
        folder = ready(str(SMOLLM2), ignore_progress).folder
        first_s = time.perf_counter() - began
        began = time.perf_counter()
        assert ready(str(SMOLLM2), ignore_progress).folder == folder
        yield folder, first_s, time.perf_counter() - began


@pytest.fixture(scope="module")
def smollm2(converted: Any) -> LoadedCausal:
    return load_causal(ready(str(SMOLLM2), ignore_progress), torch.device("cpu"), "float32", ignore_progress)


@needs_smollm2
def test_the_second_load_converts_nothing(converted: Any) -> None:
    _, first_s, second_s = converted
    assert second_s < 0.1 < first_s


@needs_smollm2
def test_smollm2_answers_by_its_template_and_knows_what_was_said(converted: Any) -> None:
    earlier = (Exchange("What is the capital of France?", "The capital of France is Paris."),)
    for question, turns, expected in (
        (earlier[0].prompt, (), "Paris"),
        ("And of Italy?", earlier, "Rome"),
    ):
        events = events_of(Generate(Target(str(SMOLLM2), "cpu", "float32"), question, GREEDY, earlier=turns))
        started = next(event for event in events if isinstance(event, RunStarted))
        done = next(event for event in events if isinstance(event, SequenceDone))
        assert (started.chat, started.earlier_read) == (True, len(turns))
        assert expected in done.text
        assert done.finish_reason is FinishReason.EOS


@needs_smollm2
def test_smollm2_gives_records_as_every_model_does(converted: Any) -> None:
    events = events_of(Generate(Target(str(SMOLLM2), "cpu", "float32"), "Name a colour.", GREEDY))
    steps = [event.step for event in events if isinstance(event, TokenGenerated)]
    assert steps
    for step in steps:
        assert step.rank == 1
        assert 0 < step.prob <= 1
        assert step.candidates[0].id == step.id


@needs_smollm2
def test_smollm2_writes_what_transformers_makes_of_the_same_file(converted: Any, smollm2: LoadedCausal) -> None:
    from transformers import AutoModelForCausalLM  # seconds, for the tests that need it

    reference: Any = AutoModelForCausalLM.from_pretrained(SMOLLM2.parent, gguf_file=SMOLLM2.name, dtype=torch.float32)
    ids = smollm2.tokenizer.ids("The capital of France is")
    expected = evaluated(reference).generate(torch.tensor([ids]), do_sample=False, max_new_tokens=12, pad_token_id=2)
    run = Decoder(smollm2, ids, GREEDY.changed(max_new_tokens=12), lambda: False).run()
    end = next(item for item in run if isinstance(item, SequenceEnd))
    assert list(end.ids) == expected[0, len(ids) :].tolist()


@needs_smollm2
def test_a_conversion_that_is_killed_leaves_no_model_behind(tmp_path: Path) -> None:
    script = (
        "import sys; from core.engine.networks.gguf_conversion import ready; "
        "ready(sys.argv[1], lambda *told: print(told, flush=True))"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    command = [sys.executable, "-c", script, str(SMOLLM2)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "keeping the converted model" in line:
                process.kill()
                break
    (left,) = (tmp_path / "nlp-tui" / "converted").iterdir()
    assert left.name.startswith(".unfinished-")
